//! What a session still has to say: the queue of its socket, and the frames kept for a resume, in one ring.
//!
//! ```text
//!   forgotten | sent, not acknowledged | not sent |
//!             first                    sent       total
//! ```
//!
//! Frames are numbered from zero in the order they were pushed. Invariant: `first ≤ sent ≤ total`, and whatever a client
//! does, the ring holds no more than its limits: a socket that reads too slowly is given up, and a session without a
//! socket that misses too much can't be resumed.

use bytes::Bytes;
use std::collections::VecDeque;

/// What one session may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutboxLimits {
    /// Frames that wait for a socket that is there.
    pub(crate) queue_frames: usize,
    /// Their bytes.
    pub(crate) queue_bytes: usize,
    /// All frames in the ring.
    pub(crate) replay_frames: usize,
    /// Their bytes.
    pub(crate) replay_bytes: usize,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It is in the ring; this is its number.
    Kept(u64),
    /// It is in the ring, and the socket is behind by more than its queue may hold: give the socket up.
    QueueFull(u64),
    /// The ring overflowed while no socket was there: the session can't be resumed any longer. Said once.
    Overflowed,
    /// The ring has overflowed before: nothing is kept any longer.
    Dropped,
}

/// Why a session can't go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap;

/// The ring.
#[derive(Debug)]
pub(crate) struct Outbox {
    limits: OutboxLimits,
    frames: VecDeque<Bytes>,
    bytes: usize,
    unsent_bytes: usize,
    first: u64,
    sent: u64,
    overflowed: bool,
}

impl Outbox {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        Self { limits, frames: VecDeque::new(), bytes: 0, unsent_bytes: 0, first: 0, sent: 0, overflowed: false }
    }

    /// How many frames there have ever been.
    pub(crate) fn total(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// Frames and bytes that wait for a socket.
    pub(crate) fn unsent(&self) -> (usize, usize) {
        (self.frames.len() - self.sent_len(), self.unsent_bytes)
    }

    fn sent_len(&self) -> usize {
        // Frames in the ring are counted by `usize`, and `sent` is at most their number above `first`.
        usize::try_from(self.sent - self.first).unwrap_or(usize::MAX)
    }

    /// Adds a frame. `connected`: a socket is there to take it.
    pub(crate) fn push(&mut self, frame: Bytes, connected: bool) -> Pushed {
        if self.overflowed {
            return Pushed::Dropped;
        }
        let number = self.total();
        self.bytes += frame.len();
        self.unsent_bytes += frame.len();
        self.frames.push_back(frame);
        while self.is_over_replay() && self.first < self.sent {
            self.forget_oldest();
        }
        let (queued, queued_bytes) = self.unsent();
        if connected {
            let full = queued > self.limits.queue_frames || queued_bytes > self.limits.queue_bytes;
            // One frame alone may be larger than the queue: it has to be sent somehow.
            return if full && queued > 1 { Pushed::QueueFull(number) } else { Pushed::Kept(number) };
        }
        if self.is_over_replay() && queued > 1 {
            self.overflowed = true;
            self.frames = VecDeque::new();
            (self.bytes, self.unsent_bytes) = (0, 0);
            (self.first, self.sent) = (number + 1, number + 1);
            return Pushed::Overflowed;
        }
        Pushed::Kept(number)
    }

    /// The next frame for the socket.
    pub(crate) fn next_unsent(&mut self) -> Option<Bytes> {
        let frame = self.frames.get(self.sent_len())?.clone();
        self.sent += 1;
        self.unsent_bytes -= frame.len();
        Some(frame)
    }

    /// The client has received this many frames of the session: they are forgotten. False if there have not been so many.
    pub(crate) fn acknowledge(&mut self, received: u64) -> bool {
        if received > self.total() {
            return false;
        }
        while self.first < received.min(self.sent) {
            self.forget_oldest();
        }
        true
    }

    /// Whether everything is here that a client misses who has received this many frames.
    pub(crate) fn can_resume(&self, received: u64) -> bool {
        !self.overflowed && received >= self.first && received <= self.total()
    }

    /// Goes on with a client that has received this many frames: what comes after them is unsent again.
    pub(crate) fn resume(&mut self, received: u64) -> Result<(), Gap> {
        if !self.can_resume(received) {
            return Err(Gap);
        }
        // The client may have received more than we know: a socket can break after it has delivered.
        self.sent = received;
        while self.first < received {
            self.forget_oldest();
        }
        self.unsent_bytes = self.bytes;
        Ok(())
    }

    fn is_over_replay(&self) -> bool {
        self.frames.len() > self.limits.replay_frames || self.bytes > self.limits.replay_bytes
    }

    fn forget_oldest(&mut self) {
        if let Some(frame) = self.frames.pop_front() {
            self.bytes -= frame.len();
            self.first += 1;
        }
        if self.frames.is_empty() {
            // A ring that has been large once gives its memory back: most sessions are idle.
            self.frames = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: OutboxLimits = OutboxLimits { queue_frames: 3, queue_bytes: 30, replay_frames: 5, replay_bytes: 50 };

    fn frame(number: u8) -> Bytes {
        Bytes::from(vec![number; 4])
    }

    fn pushed(outbox: &mut Outbox, numbers: std::ops::Range<u8>, connected: bool) {
        for number in numbers {
            assert!(matches!(outbox.push(frame(number), connected), Pushed::Kept(_)), "{number}");
        }
    }

    fn drained(outbox: &mut Outbox) -> Vec<u8> {
        std::iter::from_fn(|| outbox.next_unsent()).map(|frame| frame[0]).collect()
    }

    #[test]
    fn frames_come_out_once_and_in_order() {
        let mut outbox = Outbox::new(LIMITS);
        pushed(&mut outbox, 0..3, true);
        assert_eq!(drained(&mut outbox), [0, 1, 2]);
        assert_eq!(drained(&mut outbox), [] as [u8; 0]);
        pushed(&mut outbox, 3..5, true);
        assert_eq!(drained(&mut outbox), [3, 4]);
    }

    #[test]
    fn a_resume_replays_exactly_what_was_not_received() {
        let mut outbox = Outbox::new(LIMITS);
        pushed(&mut outbox, 0..3, true);
        drained(&mut outbox);
        pushed(&mut outbox, 3..5, false);
        assert_eq!(outbox.resume(2), Ok(()));
        assert_eq!(outbox.unsent(), (3, 12));
        assert_eq!(drained(&mut outbox), [2, 3, 4]);
        assert_eq!(outbox.resume(5), Ok(()));
        assert_eq!(drained(&mut outbox), [] as [u8; 0]);
    }

    #[test]
    fn a_client_may_have_received_more_than_we_think_was_sent() {
        let mut outbox = Outbox::new(LIMITS);
        pushed(&mut outbox, 0..3, true);
        assert_eq!(outbox.resume(2), Ok(()));
        assert_eq!(drained(&mut outbox), [2]);
    }

    #[test]
    fn a_client_that_claims_more_than_there_is_or_less_than_is_kept_starts_anew() {
        let mut outbox = Outbox::new(LIMITS);
        pushed(&mut outbox, 0..3, true);
        drained(&mut outbox);
        assert_eq!(outbox.resume(4), Err(Gap));
        assert!(!outbox.acknowledge(4));
        assert!(outbox.acknowledge(2));
        assert_eq!(outbox.resume(1), Err(Gap));
        assert_eq!(outbox.resume(2), Ok(()));
    }

    #[test]
    fn acknowledged_frames_are_forgotten_and_others_are_not() {
        let mut outbox = Outbox::new(LIMITS);
        pushed(&mut outbox, 0..3, true);
        outbox.next_unsent();
        assert!(outbox.acknowledge(3), "all three exist, one of them has been sent");
        assert_eq!(drained(&mut outbox), [1, 2]);
        assert!(outbox.acknowledge(3));
        assert_eq!((outbox.bytes, outbox.unsent(), outbox.total()), (0, (0, 0), 3));
    }

    #[test]
    fn a_slow_reader_is_noticed_by_frames_and_by_bytes() {
        let mut outbox = Outbox::new(LIMITS);
        pushed(&mut outbox, 0..3, true);
        assert_eq!(outbox.push(frame(3), true), Pushed::QueueFull(3));
        assert_eq!(outbox.resume(0), Ok(()), "what it has not read is kept for the resume");
        assert_eq!(drained(&mut outbox), [0, 1, 2, 3]);

        let mut outbox = Outbox::new(LIMITS);
        pushed(&mut outbox, 0..1, true);
        assert_eq!(outbox.push(Bytes::from(vec![1; 40]), true), Pushed::QueueFull(1));
        let mut outbox = Outbox::new(LIMITS);
        assert_eq!(outbox.push(Bytes::from(vec![1; 40]), true), Pushed::Kept(0), "one large frame alone is sent");
    }

    #[test]
    fn the_ring_forgets_what_was_sent_before_it_grows_over_its_limits() {
        let mut outbox = Outbox::new(LIMITS);
        for number in 0..100 {
            pushed(&mut outbox, number..number + 1, true);
            drained(&mut outbox);
            assert!(outbox.frames.len() <= LIMITS.replay_frames && outbox.bytes <= LIMITS.replay_bytes);
        }
        assert_eq!(outbox.resume(94), Err(Gap));
        assert_eq!(outbox.resume(95), Ok(()));
    }

    #[test]
    fn without_a_socket_the_ring_overflows_once_and_then_keeps_nothing() {
        let mut outbox = Outbox::new(LIMITS);
        pushed(&mut outbox, 0..5, false);
        assert_eq!(outbox.push(frame(5), false), Pushed::Overflowed);
        assert_eq!(outbox.push(frame(6), false), Pushed::Dropped);
        assert_eq!((outbox.frames.len(), outbox.bytes), (0, 0));
        assert_eq!(outbox.resume(0), Err(Gap));
        assert_eq!(outbox.resume(outbox.total()), Err(Gap));
    }
}
