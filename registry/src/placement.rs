//! Which shard of the forwarding unit holds a room.
//!
//! Invariant: a room has one shard from its first claim to its release. Whoever claims a placed room is told where it is.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tertulia_common::{RoomId, ShardId};

/// Rooms and their shards. It holds one entry a room; the limit on calls bounds it.
#[derive(Debug, Default)]
pub struct Placement {
    rooms: Mutex<FxHashMap<RoomId, ShardId>>,
}

impl Placement {
    /// Where the room is; if it is nowhere yet, it is on `shard` from now on.
    pub fn claim(&self, room: RoomId, shard: ShardId) -> ShardId {
        *self.rooms.lock().entry(room).or_insert(shard)
    }

    /// Where the room is.
    #[must_use]
    pub fn shard_of(&self, room: RoomId) -> Option<ShardId> {
        self.rooms.lock().get(&room).copied()
    }

    /// Forgets the room if `shard` is where it is. A late release by an earlier owner changes nothing.
    pub fn release(&self, room: RoomId, shard: ShardId) -> bool {
        let mut rooms = self.rooms.lock();
        let owned = rooms.get(&room) == Some(&shard);
        if owned {
            rooms.remove(&room);
        }
        owned
    }

    /// How many rooms are placed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rooms.lock().len()
    }

    /// Whether no room is placed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rooms.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_stays_on_the_shard_that_claimed_it_first() {
        let placement = Placement::default();
        assert_eq!(placement.claim(RoomId(1), ShardId(0)), ShardId(0));
        assert_eq!(placement.claim(RoomId(1), ShardId(1)), ShardId(0));
        assert_eq!(placement.shard_of(RoomId(1)), Some(ShardId(0)));
        assert_eq!(placement.shard_of(RoomId(2)), None);
    }

    #[test]
    fn only_the_owner_releases_a_room() {
        let placement = Placement::default();
        placement.claim(RoomId(1), ShardId(0));
        assert!(!placement.release(RoomId(1), ShardId(1)));
        assert_eq!(placement.len(), 1);
        assert!(placement.release(RoomId(1), ShardId(0)));
        assert!(placement.is_empty());
        assert!(!placement.release(RoomId(1), ShardId(0)));
    }
}
