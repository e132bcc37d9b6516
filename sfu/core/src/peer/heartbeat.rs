//! Something to hear, however quiet the others are: by the silence of the server a client tells that its way is dead.
//!
//! A client may take half a second of nothing for a dead way. While media flows it hears enough, and nothing is added.
//! Where none does (a muted microphone, a call of one, a call on hold) a feedback message (RFC 4585 §6.4) that means
//! nothing goes out after a quarter of a second. STUN does not count: clients can't tell those packets from their own.

use super::Peer;
use std::time::{Duration, Instant};
use str0m::rtp::Ssrc;

/// The longest that a connected peer hears nothing. Twice this is what clients wait for: one packet may be lost. Lower
/// finds dead ways sooner and costs a wake-up, a packet and a little battery each time.
const INTERVAL: Duration = Duration::from_millis(250);
/// What the message says: a name that no receiver knows.
const MESSAGE: [u8; 4] = *b"BEAT";

/// When a peer was last told anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heartbeat {
    said: Instant,
    /// Begins with the peer's admission, and goes on while it is on hold: while a call rings nobody listens for it.
    begun: bool,
}

impl Heartbeat {
    pub(super) const fn new(now: Instant) -> Self {
        Self { said: now, begun: false }
    }

    pub(crate) const fn begin(&mut self) {
        self.begun = true;
    }

    pub(super) const fn said(&mut self, now: Instant) {
        self.said = now;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.begun.then(|| self.said + INTERVAL)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }
}

impl Peer {
    /// Says something; it leaves with the drain that follows.
    pub(super) fn beat(&mut self) {
        // Of the first slot, since receivers demand a sender that they know; where there is none, of nobody.
        let sender = self.slots.first().map_or_else(|| Ssrc::from(1), |slot| slot.ssrc);
        self.rtc.direct_api().send_app_specific_feedback(sender, Ssrc::from(0), MESSAGE);
    }
}
