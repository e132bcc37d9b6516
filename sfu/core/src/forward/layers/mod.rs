//! Which packets of a track a slot takes, by the layers in which the track comes. A strategy a file.

mod simulcast;
mod single;

use super::Packet;
use simulcast::Simulcast;
use single::Single;

/// What a slot does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It follows what went before.
    Goes,
    /// It is the first of its source or its layer: from here a decoder can start.
    Begins,
    /// A key frame has to come first.
    Awaits,
    /// It is of a layer that the slot does not take.
    Other,
}

/// A slot's way with the layers of what it carries.
trait Strategy {
    fn select(&mut self, packet: &Packet, is_video: bool) -> Verdict;
    /// Aims at a layer; what flows goes on until that can begin. At none: nothing goes on.
    fn aim(&mut self, layer: Option<usize>);
    /// What comes next follows a pause.
    fn restart(&mut self);
    /// The layer that flows, and the one that is waited for.
    fn layers(&self) -> [Option<usize>; 2];
}

/// The strategies there are.
#[derive(Debug)]
pub(super) enum Layers {
    Single(Single),
    Simulcast(Simulcast),
}

impl Layers {
    pub(super) fn of(layers: usize) -> Self {
        if layers > 1 { Self::Simulcast(Simulcast::default()) } else { Self::Single(Single::default()) }
    }

    fn strategy(&self) -> &dyn Strategy {
        match self {
            Self::Single(single) => single,
            Self::Simulcast(simulcast) => simulcast,
        }
    }

    fn strategy_mut(&mut self) -> &mut dyn Strategy {
        match self {
            Self::Single(single) => single,
            Self::Simulcast(simulcast) => simulcast,
        }
    }

    /// See [`Strategy::select`]. Every packet comes by here.
    pub(super) fn select(&mut self, packet: &Packet, is_video: bool) -> Verdict {
        match self {
            Self::Single(single) => single.select(packet, is_video),
            Self::Simulcast(simulcast) => simulcast.select(packet, is_video),
        }
    }

    pub(super) fn aim(&mut self, layer: Option<usize>) {
        self.strategy_mut().aim(layer);
    }

    pub(super) fn restart(&mut self) {
        self.strategy_mut().restart();
    }

    pub(super) fn layers(&self) -> [Option<usize>; 2] {
        self.strategy().layers()
    }
}
