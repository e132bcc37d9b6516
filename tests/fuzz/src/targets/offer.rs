//! SDP offers, as signalling hands them to a shard: our own filter, then the WebRTC stack. Invariant: an offer is refused,
//! or its answer has a line for each of its lines; the same peer may come again with it; nothing panics.

use super::shard::Desk;

/// Reads `data` as an offer.
pub fn target(data: &[u8]) {
    let Ok(offer) = std::str::from_utf8(data) else { return };
    let mut desk = Desk::new();
    if let Ok(connected) = desk.connect(1, offer) {
        let lines = |sdp: &str| sdp.lines().filter(|line| line.starts_with("m=")).count();
        assert_eq!(lines(&connected.answer), lines(offer), "{offer}\n{}", connected.answer);
        // An ICE restart, as far as the stack can tell; and someone who gets what the first one sends.
        let _again = desk.connect(1, offer);
        let _other = desk.connect(2, offer);
    }
    desk.idle();
}
