//! A track of one layer: it is waited for, flows, or is paused.

use super::{Packet, Step, Strategy, Verdict};

/// How a slot stands to its source.
#[derive(Debug, Default)]
pub(in crate::forward) enum Single {
    /// Waiting for a packet from which a decoder can start; what comes before is of no use to it.
    #[default]
    Awaiting,
    Flowing,
    Paused,
}

impl Strategy for Single {
    fn select(&mut self, packet: &Packet, is_video: bool) -> Verdict {
        match self {
            Self::Flowing => Verdict::Goes,
            Self::Paused => Verdict::Other,
            Self::Awaiting if is_video && !packet.starts_keyframe => Verdict::Awaits,
            Self::Awaiting => {
                *self = Self::Flowing;
                Verdict::Begins
            }
        }
    }

    fn aim(&mut self, step: Option<Step>) {
        *self = match (step, &self) {
            (None, _) => Self::Paused,
            (Some(_), Self::Flowing) => Self::Flowing,
            (Some(_), _) => Self::Awaiting,
        };
    }

    fn restart(&mut self) {
        *self = Self::Awaiting;
    }

    fn layers(&self) -> [Option<usize>; 2] {
        match self {
            Self::Awaiting => [None, Some(0)],
            Self::Flowing => [Some(0), None],
            Self::Paused => [None, None],
        }
    }
}
