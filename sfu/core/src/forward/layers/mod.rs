//! Which packets of a track a slot takes, by the layers in which the track comes. A strategy a file.

mod simulcast;
mod single;
mod svc;

use super::Packet;
use simulcast::Simulcast;
use single::Single;
use svc::Svc;

pub(crate) use svc::index_of;

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
    /// The same, of a stream that the slot takes a part of: what follows closes up.
    LeftOut,
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
    /// What it is aimed at.
    fn aimed(&self) -> Option<usize> {
        let [flows, awaited] = self.layers();
        awaited.or(flows)
    }
    /// The layer of which a key frame would let it go on, or do better.
    fn awaits(&self) -> Option<usize> {
        self.layers()[1]
    }
    /// Whether a packet that goes ends its picture.
    fn ends(&self, packet: &Packet) -> bool {
        packet.marker
    }
    /// Of a picture that is shown while it waits: whether this packet would go, and end the picture.
    fn shows(&self, packet: &Packet) -> Option<bool> {
        Some(packet.marker)
    }
}

/// The strategies there are.
#[derive(Debug)]
pub(super) enum Layers {
    Single(Single),
    Simulcast(Simulcast),
    Svc(Svc),
}

impl Layers {
    pub(super) fn of(layers: usize) -> Self {
        if layers > 1 { Self::Simulcast(Simulcast::default()) } else { Self::Single(Single::default()) }
    }

    fn strategy(&self) -> &dyn Strategy {
        match self {
            Self::Single(single) => single,
            Self::Simulcast(simulcast) => simulcast,
            Self::Svc(svc) => svc,
        }
    }

    fn strategy_mut(&mut self) -> &mut dyn Strategy {
        match self {
            Self::Single(single) => single,
            Self::Simulcast(simulcast) => simulcast,
            Self::Svc(svc) => svc,
        }
    }

    /// See [`Strategy::select`]. Every packet comes by here.
    pub(super) fn select(&mut self, packet: &Packet, is_video: bool) -> Verdict {
        match self {
            Self::Single(single) => single.select(packet, is_video),
            Self::Simulcast(simulcast) => simulcast.select(packet, is_video),
            Self::Svc(svc) => svc.select(packet, is_video),
        }
    }

    /// Aims at a layer; at a point ([`index_of`]) where the source is one stream of layers.
    pub(super) fn aim(&mut self, layer: Option<usize>, is_svc: bool) {
        // A source becomes another kind with a key frame, which then begins.
        match self {
            Self::Single(_) if is_svc => *self = Self::Svc(Svc::default()),
            Self::Svc(_) if !is_svc => *self = Self::Single(Single::default()),
            _ => {}
        }
        self.strategy_mut().aim(layer);
    }

    /// See [`Strategy::ends`]. Every packet that goes comes by here.
    pub(super) fn ends(&self, packet: &Packet) -> bool {
        match self {
            Self::Single(_) | Self::Simulcast(_) => packet.marker,
            Self::Svc(svc) => svc.ends(packet),
        }
    }

    pub(super) fn shows(&self, packet: &Packet) -> Option<bool> {
        self.strategy().shows(packet)
    }

    pub(super) fn aimed(&self) -> Option<usize> {
        self.strategy().aimed()
    }

    pub(super) fn awaits(&self) -> Option<usize> {
        self.strategy().awaits()
    }

    pub(super) fn restart(&mut self) {
        self.strategy_mut().restart();
    }

    pub(super) fn layers(&self) -> [Option<usize>; 2] {
        self.strategy().layers()
    }
}
