//! Dependency descriptors in the headers of a publisher's packets. The invariants are checked where they are read:
//! `sfu/core/src/descriptor.rs`.

/// Reads `data` as a key frame's descriptor, and its end as that of a frame after it.
pub fn target(data: &[u8]) {
    tertulia_sfu_core::fuzzing::descriptor(data);
}
