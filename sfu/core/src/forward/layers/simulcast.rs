//! A track of several layers (RFC 8853): one flows until a key frame of the one that is aimed at comes.

use super::{Packet, Step, Strategy, Verdict};

#[derive(Debug, Default)]
pub(in crate::forward) struct Simulcast {
    flowing: Option<usize>,
    /// Another than flows.
    awaited: Option<usize>,
}

impl Strategy for Simulcast {
    fn select(&mut self, packet: &Packet, _is_video: bool) -> Verdict {
        let layer = Some(packet.layer);
        if layer == self.flowing {
            Verdict::Goes
        } else if layer != self.awaited {
            Verdict::Other
        } else if packet.starts_keyframe {
            (self.flowing, self.awaited) = (layer, None);
            Verdict::Begins
        } else {
            Verdict::Awaits
        }
    }

    fn aim(&mut self, step: Option<Step>) {
        let layer = step.map(Step::layer);
        if layer.is_none() {
            self.flowing = None;
        }
        self.awaited = layer.filter(|_| layer != self.flowing);
    }

    fn restart(&mut self) {
        self.awaited = self.awaited.or(self.flowing);
        self.flowing = None;
    }

    fn layers(&self) -> [Option<usize>; 2] {
        [self.flowing, self.awaited]
    }
}
