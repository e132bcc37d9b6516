//! What came before the packet that it follows.
//!
//! A key frame's first packet may be lost and come again after the others of it. They would be gone for whoever waits for a
//! key frame: they had not begun, and the publisher has nothing to send again. So what passes by while someone waits is held
//! for a moment, and follows the first packet when that comes.

use super::Packet;
use std::collections::VecDeque;

/// Packets that are held of a layer while someone waits for its key frame. Each holds a payload of a kilobyte; a lost packet is
/// back after a round trip, in which 4 Mbit/s are a hundred packets at a quarter of a second.
const HELD_MAX: usize = 128;

/// The newest packets of a layer that did not go to someone who waits.
#[derive(Debug, Default)]
pub(crate) struct Ahead(VecDeque<Packet>);

impl Ahead {
    /// Someone waits, and this is no beginning.
    pub(crate) fn hold(&mut self, packet: &Packet) {
        if self.0.len() >= HELD_MAX {
            self.0.pop_front();
        }
        self.0.push_back(packet.clone());
    }

    /// Someone begins with `first`: what follows it, in order.
    pub(crate) fn after(&self, first: &Packet) -> Vec<Packet> {
        let mut after: Vec<Packet> = self.0.iter().filter(|held| held.seq > first.seq).cloned().collect();
        after.sort_by_key(|held| held.seq);
        after
    }

    /// Those of one picture.
    pub(crate) fn of_picture(&self, rtp_time: u32) -> impl Iterator<Item = &Packet> {
        self.0.iter().filter(move |held| held.rtp_time == rtp_time)
    }

    /// Nobody waits any longer.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
