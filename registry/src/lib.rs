//! Who is connected where, and which shard holds a room.
