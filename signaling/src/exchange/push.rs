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

/// Somebody who is asked into a group call.
#[derive(Debug)]
struct Asked {
    ringing: Ringing,
    /// When they are told, if none of their devices has said that it rings.
    at: Timestamp,
}

/// The calls that may have to wake somebody.
#[derive(Debug)]
pub(super) struct Rouser {
    pusher: Option<Pusher>,
    clock: Clock,
    /// How long a call rings.
    ring: Duration,
    calls: FxHashMap<CallId, Ringing>,
    /// Who may have to be woken for a group call that goes on: as many as were asked in, until they come or do not want to.
    asked: FxHashMap<CallId, Vec<Asked>>,
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

    /// Somebody is asked into a group call. `here`: a device of theirs is, and has until a while from now to say that it rings.
    pub(super) fn asks_in(&mut self, call: CallId, callee: UserId, from: String, media: MediaKind, here: bool) {
        let Some(after) = self.pusher.as_ref().map(Pusher::ring_after) else { return };
        let now = self.clock.now();
        let asked = self.asked.entry(call).or_default();
        if asked.iter().any(|known| known.ringing.callee == callee) {
            return;
        }
        let (video, expires_at) = (media == MediaKind::Video, now + self.ring);
        let at = if here { now + after } else { now };
        asked.push(Asked { ringing: Ringing { callee, from, video, expires_at, told: false }, at });
        if here {
            self.due.push_back((at, call));
        } else {
            self.tell_asked(call);
        }
    }

    /// A device of somebody who is asked into a group call rings, or they do not want to.
    pub(super) fn heard(&mut self, call: CallId, user: &UserId) {
        if let Some(asked) = self.asked.get_mut(&call) {
            // Whoever was told keeps being told what comes of it.
            asked.retain(|known| known.ringing.told || known.ringing.callee != *user);
        }
    }

    /// Somebody has come into a group call.
    pub(super) fn came_in(&mut self, call: CallId, user: &UserId) {
        let Some(asked) = self.asked.get_mut(&call) else { return };
        if let Some(at) = asked.iter().position(|known| known.ringing.callee == *user) {
            let Asked { ringing, .. } = asked.swap_remove(at);
            self.tell_over(call, ringing, false);
        }
    }

    /// A group call is over.
    pub(super) fn conference_over(&mut self, call: CallId) {
        for Asked { ringing, .. } in self.asked.remove(&call).unwrap_or_default() {
            self.tell_over(call, ringing, true);
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
        if let Some(ringing) = self.calls.remove(&call) {
            self.tell_over(call, ringing, missed);
        }
    }

    fn tell_over(&self, call: CallId, Ringing { callee, from, video, told, .. }: Ringing, missed: bool) {
        if let Some(pusher) = self.pusher.as_ref().filter(|_| told) {
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
            self.tell_asked(call);
        }
    }

    fn tell(&mut self, call: CallId) {
        if let (Some(pusher), Some(ringing)) = (&self.pusher, self.calls.get_mut(&call)) {
            ringing.tell(pusher, call);
        }
    }

    /// Those asked into a group call whose time has come.
    fn tell_asked(&mut self, call: CallId) {
        let now = self.clock.now();
        let (Some(pusher), Some(asked)) = (&self.pusher, self.asked.get_mut(&call)) else { return };
        for known in asked.iter_mut().filter(|known| known.at <= now && !known.ringing.told) {
            known.ringing.tell(pusher, call);
        }
    }
}

impl Ringing {
    fn tell(&mut self, pusher: &Pusher, call: CallId) {
        self.told = true;
        let Self { callee, from, video, expires_at, .. } = &*self;
        let notice = Notice::Call { call, from: from.clone(), video: *video, expires_at: *expires_at };
        pusher.tell(callee.clone(), notice);
    }
}
