//! Which packets of a track a slot takes, by the layers in which the track comes. A strategy a file.

mod rates;
mod simulcast;
mod single;
mod svc;

use super::Packet;
use crate::descriptor::Point;
pub(crate) use rates::Rate;
use rates::Rates;
use simulcast::Simulcast;
use single::Single;
use svc::Svc;

/// One of the ways in which a slot may take a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A layer.
    Layer(usize),
    /// The slowest rate of a layer alone.
    Slow(usize),
    /// A point of one stream of layers.
    Point(Point),
}

impl Step {
    /// Of the track's layers, which one.
    pub(crate) const fn layer(self) -> usize {
        match self {
            Self::Layer(layer) | Self::Slow(layer) => layer,
            Self::Point(_) => 0,
        }
    }
}

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
    /// Aims at a step; what flows goes on until that can begin. At none: nothing goes on.
    fn aim(&mut self, step: Option<Step>);
    /// What comes next follows a pause.
    fn restart(&mut self);
    /// The layer that flows, and the one that is waited for.
    fn layers(&self) -> [Option<usize>; 2];
    /// What it is aimed at.
    fn aimed(&self) -> Option<Step> {
        let [flows, awaited] = self.layers();
        awaited.or(flows).map(Step::Layer)
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
enum Way {
    Single(Single),
    Simulcast(Simulcast),
    Svc(Svc),
}

/// How a slot takes its track: a strategy, and of what that lets go the rates.
#[derive(Debug)]
pub(super) struct Layers {
    way: Way,
    rates: Rates,
}

impl Layers {
    pub(super) fn of(layers: usize) -> Self {
        let way = if layers > 1 { Way::Simulcast(Simulcast::default()) } else { Way::Single(Single::default()) };
        Self { way, rates: Rates::default() }
    }

    fn strategy(&self) -> &dyn Strategy {
        match &self.way {
            Way::Single(single) => single,
            Way::Simulcast(simulcast) => simulcast,
            Way::Svc(svc) => svc,
        }
    }

    fn strategy_mut(&mut self) -> &mut dyn Strategy {
        match &mut self.way {
            Way::Single(single) => single,
            Way::Simulcast(simulcast) => simulcast,
            Way::Svc(svc) => svc,
        }
    }

    /// See [`Strategy::select`]. Every packet comes by here.
    pub(super) fn select(&mut self, packet: &Packet, is_video: bool) -> Verdict {
        let verdict = match &mut self.way {
            Way::Single(single) => single.select(packet, is_video),
            Way::Simulcast(simulcast) => simulcast.select(packet, is_video),
            Way::Svc(svc) => svc.select(packet, is_video),
        };
        match (packet.rate, verdict) {
            (Some(rate), Verdict::Goes | Verdict::Begins) => self.rates.select(packet, rate, verdict),
            _ => verdict,
        }
    }

    pub(super) fn aim(&mut self, step: Option<Step>) {
        // A source becomes another kind with a key frame, which then begins.
        match (&self.way, step) {
            (Way::Single(_), Some(Step::Point(_))) => self.way = Way::Svc(Svc::default()),
            (Way::Svc(_), Some(Step::Layer(_) | Step::Slow(_))) => self.way = Way::Single(Single::default()),
            _ => {}
        }
        self.rates.aim(matches!(step, Some(Step::Slow(_))));
        self.strategy_mut().aim(step);
    }

    /// See [`Strategy::ends`]. Every packet that goes comes by here.
    pub(super) fn ends(&self, packet: &Packet) -> bool {
        match &self.way {
            Way::Single(_) | Way::Simulcast(_) => packet.marker,
            Way::Svc(svc) => svc.ends(packet),
        }
    }

    pub(super) fn shows(&self, packet: &Packet) -> Option<bool> {
        self.strategy().shows(packet)
    }

    pub(super) fn aimed(&self) -> Option<Step> {
        match self.strategy().aimed()? {
            Step::Layer(layer) if self.rates.is_slow() => Some(Step::Slow(layer)),
            step => Some(step),
        }
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
