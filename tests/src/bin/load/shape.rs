//! What a room looks like: how many publish what, how many take all of it.

use std::str::FromStr;
use tertulia_tests::media::{Line, Sending};

/// `1x50-video`: one publisher, fifty subscribers that each take every publisher's stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) publishers: usize,
    pub(crate) subscribers: usize,
    pub(crate) video: bool,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (size, kind) = text.split_once('-')?;
            let (publishers, subscribers) = size.split_once('x')?;
            let video = match kind {
                "video" => true,
                "audio" => false,
                _ => return None,
            };
            Some(Self { publishers: publishers.parse().ok()?, subscribers: subscribers.parse().ok()?, video })
        };
        parse().ok_or_else(|| format!("{text:?} is not like 1x50-video or 10x10-audio"))
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} × {} {}", self.publishers, self.subscribers, if self.video { "video" } else { "audio" })
    }
}

impl Shape {
    pub(crate) fn sending(&self) -> Sending {
        if self.video { Sending::VIDEO } else { Sending::AUDIO }
    }

    /// The one line of a publisher.
    pub(crate) fn publisher_lines(&self) -> Vec<Line> {
        vec![if self.video { Line::Camera } else { Line::Mic }]
    }

    /// A slot for each publisher.
    pub(crate) fn subscriber_lines(&self) -> Vec<Line> {
        vec![if self.video { Line::Eye } else { Line::Ear }; self.publishers]
    }
}
