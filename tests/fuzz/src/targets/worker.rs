//! Frames between the program and a worker, both ways: a worker that was taken over says what it likes. The invariants are
//! checked where they are read: `media-pipeline/worker/src/fuzzing.rs`.

/// Reads `data` as a packet; its first byte says from whom.
pub fn target(data: &[u8]) {
    match data.split_first() {
        Some((0, packet)) => tertulia_media_worker::fuzzing::to_worker(packet),
        Some((_, packet)) => tertulia_media_worker::fuzzing::from_worker(packet),
        None => {}
    }
}
