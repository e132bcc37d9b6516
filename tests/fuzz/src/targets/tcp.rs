//! Datagrams within a TCP connection. The invariants are checked where they are taken apart: `sfu/src/framing.rs`.

/// Reads `data` as what a connection brings.
pub fn target(data: &[u8]) {
    tertulia_sfu::fuzzing::frames(data);
}
