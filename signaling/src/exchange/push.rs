//! Calls that wake people: nobody's device rings for a while, or nobody has one here.
//!
//! Invariant: a call is told of at most once to a person, and if it was, so is that it rings no longer.

use crate::clock::Clock;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::Duration;
use tertulia_common::{CallId, Timestamp, UserId};
use tertulia_push::{Notice, Pusher};
use tertulia_signaling_core::{MediaKind, Phase};

/// A call that rings, or should.
#[derive(Debug)]
struct Ringing {
    callee: UserId,
    from: String,
    video: bool,
    expires_at: Timestamp,
    told: bool,
}

/// The calls that may have to wake somebody.
#[derive(Debug)]
pub(super) struct Rouser {
    pusher: Option<Pusher>,
    clock: Clock,
    /// How long a call rings.
    ring: Duration,
    calls: FxHashMap<CallId, Ringing>,
    /// Who was woken for a group call that goes on: as many as were asked in.
    asked: FxHashMap<CallId, Vec<Ringing>>,
    /// When a call is looked at. It may have ended since.
    due: VecDeque<(Timestamp, CallId)>,
}

impl Rouser {
    pub(super) fn new(pusher: Option<Pusher>, clock: Clock, ring: Duration) -> Self {
        Self { pusher, clock, ring, calls: FxHashMap::default(), asked: FxHashMap::default(), due: VecDeque::new() }
    }

    /// A call was placed that may ring. `here`: a device of the callee is.
    pub(super) fn placed(&mut self, call: CallId, callee: UserId, from: String, media: MediaKind, here: bool) {
        let Some(after) = self.pusher.as_ref().map(Pusher::ring_after) else { return };
        let now = self.clock.now();
        let video = media == MediaKind::Video;
        self.calls.insert(call, Ringing { callee, from, video, expires_at: now + self.ring, told: false });
        if here {
            self.due.push_back((now + after, call));
        } else {
            self.tell(call);
        }
    }

    /// Somebody is asked into a group call who has no device here.
    pub(super) fn asks_in(&mut self, call: CallId, callee: UserId, from: String, media: MediaKind) {
        let Some(pusher) = &self.pusher else { return };
        let (video, expires_at) = (media == MediaKind::Video, self.clock.now() + self.ring);
        let asked = self.asked.entry(call).or_default();
        if asked.iter().all(|known| known.callee != callee) {
            pusher.tell(callee.clone(), Notice::Call { call, from: from.clone(), video, expires_at });
            asked.push(Ringing { callee, from, video, expires_at, told: true });
        }
    }

    /// Somebody has come into a group call.
    pub(super) fn came_in(&mut self, call: CallId, user: &UserId) {
        let Some(asked) = self.asked.get_mut(&call) else { return };
        let Some(at) = asked.iter().position(|known| known.callee == *user) else { return };
        let Ringing { callee, from, video, .. } = asked.swap_remove(at);
        if let Some(pusher) = &self.pusher {
            pusher.tell(callee, Notice::CallOver { call, missed: false, from, video });
        }
    }

    /// A call has moved on.
    pub(super) fn moved(&mut self, call: CallId, phase: Phase) {
        match phase {
            Phase::Offered => {}
            Phase::Ringing => {
                // Whoever was told keeps being told what comes of it.
                if self.calls.get(&call).is_some_and(|ringing| !ringing.told) {
                    self.calls.remove(&call);
                }
            }
            Phase::Connecting | Phase::Active | Phase::Reconnecting => self.over(call, false),
        }
    }

    /// A call rings no longer.
    pub(super) fn over(&mut self, call: CallId, missed: bool) {
        for Ringing { callee, from, video, .. } in self.asked.remove(&call).unwrap_or_default() {
            if let Some(pusher) = &self.pusher {
                pusher.tell(callee, Notice::CallOver { call, missed: true, from, video });
            }
        }
        let Some(Ringing { callee, from, video, told: true, .. }) = self.calls.remove(&call) else { return };
        if let Some(pusher) = &self.pusher {
            pusher.tell(callee, Notice::CallOver { call, missed, from, video });
        }
    }

    /// When there is a call to look at.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.front().map(|(at, _)| *at)
    }

    /// Looks at those whose time has come.
    pub(super) fn keep_time(&mut self) {
        let now = self.clock.now();
        while let Some((_, call)) = self.due.pop_front_if(|(at, _)| *at <= now) {
            self.tell(call);
        }
    }

    fn tell(&mut self, call: CallId) {
        let (Some(pusher), Some(ringing)) = (&self.pusher, self.calls.get_mut(&call)) else { return };
        ringing.told = true;
        let Ringing { callee, from, video, expires_at, .. } = &*ringing;
        let notice = Notice::Call { call, from: from.clone(), video: *video, expires_at: *expires_at };
        pusher.tell(callee.clone(), notice);
    }
}
