//! Asks a publisher for key frames, but not more often than it helps.
//!
//! Ten subscribers that miss a packet ask at once; one key frame serves them all. Within the interval after a request the
//! next one waits, and is dropped if a key frame comes meanwhile.

use std::time::{Duration, Instant};

/// Time between two requests. Lower answers a second loss sooner; higher saves bitrate, since a key frame is five to ten
/// times the size of another. Signal uses 200 ms for small pictures and 500 for large.
const INTERVAL: Duration = Duration::from_millis(300);

/// The requests to one track.
#[derive(Debug, Default)]
pub(crate) struct KeyframeGate {
    asked: Option<Instant>,
    waiting: bool,
}

impl KeyframeGate {
    /// Someone needs a key frame. Whether to ask for it now.
    pub(crate) fn want(&mut self, now: Instant) -> bool {
        if self.due().is_some_and(|due| now < due) {
            self.waiting = true;
            return false;
        }
        self.ask(now);
        true
    }

    /// A key frame has come.
    pub(crate) fn came(&mut self) {
        self.waiting = false;
    }

    /// It could not be asked for: nothing of it has come yet, so nobody knows by what name. The next wish may be.
    pub(crate) fn not_asked(&mut self) {
        self.asked = None;
    }

    /// Whether the request that waited is to be sent now.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        let due = self.waiting && self.due().is_none_or(|due| now >= due);
        if due {
            self.ask(now);
        }
        due
    }

    /// When to poll, if a request waits.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.waiting.then(|| self.due()).flatten()
    }

    fn due(&self) -> Option<Instant> {
        self.asked.map(|asked| asked + INTERVAL)
    }

    fn ask(&mut self, now: Instant) {
        self.asked = Some(now);
        self.waiting = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::epoch;

    #[test]
    fn many_wishes_make_one_request_an_interval() {
        let start = epoch();
        let mut gate = KeyframeGate::default();
        let asked = (0..600).filter(|ms| gate.want(start + Duration::from_millis(*ms))).count();
        assert_eq!(asked, 2, "at 0 and 300 ms");
        assert_eq!(gate.timeout(), Some(start + 2 * INTERVAL));
        assert!(!gate.poll(start + 2 * INTERVAL - Duration::from_millis(1)));
        assert!(gate.poll(start + 2 * INTERVAL));
        assert_eq!(gate.timeout(), None);
    }

    #[test]
    fn what_could_not_be_asked_for_holds_nobody_up() {
        let mut gate = KeyframeGate::default();
        assert!(gate.want(epoch()));
        gate.not_asked();
        assert!(gate.want(epoch() + Duration::from_millis(1)));
    }

    #[test]
    fn a_key_frame_answers_the_wish_that_waits() {
        let start = epoch();
        let mut gate = KeyframeGate::default();
        assert!(gate.want(start));
        assert!(!gate.want(start + Duration::from_millis(50)));
        gate.came();
        assert!(!gate.poll(start + INTERVAL));
    }
}
