//! A client's side of a WebSocket. The invariants are checked where it is read: `signaling/src/websocket/reader/fuzz.rs`.

/// Reads `data` as what a connection brings.
pub fn target(data: &[u8]) {
    tertulia_signaling::fuzzing::websocket(data);
}
