//! RTP on its way through a slot: payload descriptors of every codec, and the numbers that are rewritten. The invariants
//! are checked where the slot is: `sfu/core/src/forward/fuzzing.rs`.

use super::shard::epoch;

/// Reads `data` as what a slot's sources send.
pub fn target(data: &[u8]) {
    tertulia_sfu_core::fuzzing::forward(epoch(), data);
}
