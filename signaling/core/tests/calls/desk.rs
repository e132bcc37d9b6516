//! A switchboard with a clock in hand: plays devices by name and keeps what each has heard.
//!
//! "b2" is device 2 of user b: users share the ids of their devices, as they may.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tertulia_common::{CallId, Timestamp, UserId};
use tertulia_signaling_core::{
    CallError, Callee, DeclineReason, EndReason, Ended, Endpoint, Event, GroupKey, GroupRecord, Image, Limits, Measure,
    MediaFlags, MediaKind, Notice, Output, Phase, Reach, Record, Request, Restored, Ringer, Roster, Switchboard,
    Timeouts,
};

pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000);

pub(crate) fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub(crate) fn endpoint(name: &str) -> Endpoint {
    let (user, device) = name.split_at(1);
    Endpoint { user: user.parse().unwrap(), device: device.parse().unwrap() }
}

fn name(device: &Endpoint) -> String {
    format!("{}{}", device.user.as_str(), device.device.as_str())
}

pub(crate) fn callee(user: &str, devices: &[&str]) -> Callee {
    let ringer = |device: &&str| Ringer { device: endpoint(device).device, call_waiting: waits(&endpoint(device)) };
    Callee { user: user.parse().unwrap(), devices: devices.iter().map(ringer).collect(), reach: Reach::Rings }
}

/// Devices 7 and above can have a second call.
pub(crate) fn waits(device: &Endpoint) -> bool {
    device.device.as_str() >= "7"
}

pub(crate) struct Desk {
    pub(crate) board: Switchboard,
    pub(crate) now: Timestamp,
    ids: u128,
    heard: HashMap<Endpoint, Vec<(CallId, Notice)>>,
    pub(crate) records: Vec<Record>,
    pub(crate) group_records: Vec<GroupRecord>,
    /// The calls of links that are over, and why.
    pub(crate) link_records: Vec<(CallId, EndReason)>,
    /// Who waited, and has no part in a call.
    pub(crate) forgotten: Vec<UserId>,
    /// Groups whose call has changed.
    pub(crate) group_calls: Vec<GroupKey>,
    pub(crate) missed: Vec<CallId>,
    pub(crate) measures: Vec<Measure>,
    /// Admit, Hold, RemovePeer and CloseRoom, in words.
    pub(crate) media: Vec<String>,
    /// Users whose running calls have changed.
    pub(crate) running: Vec<String>,
    /// What was to be kept, as it is kept.
    pub(crate) kept: BTreeMap<CallId, String>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self {
            board: Switchboard::new(Timeouts::default(), limits),
            now: START,
            ids: 0,
            heard: HashMap::new(),
            records: Vec::new(),
            group_records: Vec::new(),
            link_records: Vec::new(),
            forgotten: Vec::new(),
            group_calls: Vec::new(),
            missed: Vec::new(),
            measures: Vec::new(),
            media: Vec::new(),
            running: Vec::new(),
            kept: BTreeMap::new(),
        }
    }

    /// The server goes without a word, and another comes after a while.
    pub(crate) fn restart_after(&mut self, away: Duration) -> Restored {
        let alive_at = self.now;
        self.now = self.now + away;
        self.board = Switchboard::new(Timeouts::default(), Limits::default());
        let images = self.kept.values().map(|kept| serde_json::from_str::<Image>(kept).unwrap()).collect();
        let restored = self.board.restore(self.now, alive_at, images);
        self.collect();
        restored
    }

    fn keep(&mut self, call: CallId) {
        // Of a call that ended long ago, while the server was away, there is nothing any longer.
        match self.board.image(call) {
            Some(image) => drop(self.kept.insert(call, serde_json::to_string(&image).unwrap())),
            None => drop(self.kept.remove(&call)),
        }
    }

    pub(crate) fn hold(&mut self, from: &str, call: CallId, on: bool) -> Result<CallId, CallError> {
        self.ask(from, Request::Hold { call, on })
    }

    pub(crate) fn join(&mut self, from: &str, call: CallId) -> Result<CallId, CallError> {
        self.ask(from, Request::Join { call, member: false })
    }

    /// A call to someone who is not to be rung.
    pub(crate) fn invite_unheard(&mut self, from: &str, user: &str, devices: &[&str], reach: Reach) -> CallId {
        let call = self.new_id();
        let callee = Some(Callee { reach, ..callee(user, devices) });
        self.ask(from, Request::Invite { call, callee, media: MediaKind::Voice }).unwrap()
    }

    pub(crate) fn new_id(&mut self) -> CallId {
        self.ids += 1;
        CallId::new(self.now, self.ids)
    }

    pub(crate) fn ask(&mut self, from: &str, request: Request) -> Result<CallId, CallError> {
        let answer = self.board.request(self.now, &endpoint(from), request);
        self.collect();
        answer
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.board.handle(self.now, event);
        self.collect();
    }

    /// A voice call that must be accepted by the board.
    pub(crate) fn invite(&mut self, from: &str, user: &str, devices: &[&str]) -> CallId {
        let call = self.new_id();
        self.invite_as(call, from, user, devices).unwrap()
    }

    pub(crate) fn try_invite(&mut self, from: &str, user: &str, devices: &[&str]) -> Result<CallId, CallError> {
        let call = self.new_id();
        self.invite_as(call, from, user, devices)
    }

    pub(crate) fn invite_as(
        &mut self,
        call: CallId,
        from: &str,
        user: &str,
        devices: &[&str],
    ) -> Result<CallId, CallError> {
        self.ask(from, Request::Invite { call, callee: Some(callee(user, devices)), media: MediaKind::Voice })
    }

    pub(crate) fn ringing(&mut self, from: &str, call: CallId) -> Result<CallId, CallError> {
        self.ask(from, Request::Ringing { call })
    }

    pub(crate) fn accept(&mut self, from: &str, call: CallId) -> Result<CallId, CallError> {
        self.ask(from, Request::Accept { call })
    }

    pub(crate) fn decline(&mut self, from: &str, call: CallId) -> Result<CallId, CallError> {
        self.ask(from, Request::Decline { call, reason: DeclineReason::Declined })
    }

    pub(crate) fn decline_busy(&mut self, from: &str, call: CallId) -> Result<CallId, CallError> {
        self.ask(from, Request::Decline { call, reason: DeclineReason::Busy })
    }

    pub(crate) fn cancel(&mut self, from: &str, call: CallId) -> Result<CallId, CallError> {
        self.ask(from, Request::Cancel { call })
    }

    pub(crate) fn hangup(&mut self, from: &str, call: CallId) -> Result<CallId, CallError> {
        self.ask(from, Request::Hangup { call })
    }

    pub(crate) fn flags(&mut self, from: &str, call: CallId, flags: MediaFlags) -> Result<CallId, CallError> {
        self.ask(from, Request::Media { call, flags })
    }

    pub(crate) fn connected(&mut self, device: &str) {
        let device = endpoint(device);
        let call_waiting = waits(&device);
        self.tell(Event::DeviceConnected { device, call_waiting });
    }

    pub(crate) fn gone(&mut self, device: &str) {
        self.tell(Event::DeviceGone { device: endpoint(device) });
    }

    pub(crate) fn up(&mut self, device: &str, call: CallId) {
        self.tell(Event::MediaUp { call, device: endpoint(device) });
    }

    pub(crate) fn down(&mut self, device: &str, call: CallId) {
        self.tell(Event::MediaDown { call, device: endpoint(device) });
    }

    /// a1 calls b on b1, who answers; the media is up. What was heard until then is forgotten.
    pub(crate) fn active_call(&mut self) -> CallId {
        let call = self.invite("a1", "b", &["b1"]);
        self.accept("b1", call).unwrap();
        self.up("a1", call);
        self.up("b1", call);
        assert_eq!(self.phase("a1"), Some(Phase::Active));
        self.forget_heard();
        call
    }

    /// Lets time pass; timers run at their moment.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.board.poll_timeout()
            && at <= until
        {
            self.now = at;
            self.board.handle_timeout(at);
            self.collect();
        }
        self.now = until;
    }

    /// The phase of the first call that this device sees.
    pub(crate) fn phase(&self, device: &str) -> Option<Phase> {
        self.board.snapshots_for(&endpoint(device)).first().map(|call| call.phase)
    }

    /// What a device has heard since it was last asked.
    pub(crate) fn heard(&mut self, device: &str) -> Vec<Notice> {
        let notices = self.heard.remove(&endpoint(device)).unwrap_or_default();
        notices.into_iter().map(|(_, notice)| notice).collect()
    }

    /// Whether the device has been rung since it was last asked.
    pub(crate) fn rang(&mut self, device: &str) -> bool {
        self.heard(device).iter().any(|notice| matches!(notice, Notice::Incoming { .. }))
    }

    /// How each call ended for a device, as it has heard since it was last asked.
    pub(crate) fn ended(&mut self, device: &str) -> Vec<EndReason> {
        let reason = |notice| if let Notice::Ended(Ended { reason, .. }) = notice { Some(reason) } else { None };
        self.heard(device).into_iter().filter_map(reason).collect()
    }

    pub(crate) fn last_roster(&mut self, device: &str) -> Option<Roster> {
        let roster = |notice| if let Notice::Roster(roster) = notice { Some(roster) } else { None };
        self.heard(device).into_iter().filter_map(roster).next_back()
    }

    pub(crate) fn forget_heard(&mut self) {
        self.heard.clear();
    }

    /// Whether nobody has heard anything since they were last asked.
    pub(crate) fn silent(&self) -> bool {
        self.heard.is_empty()
    }

    /// The one reason why the only call so far has ended.
    pub(crate) fn only_reason(&self) -> EndReason {
        assert_eq!(self.records.len(), 1, "{:?}", self.records);
        self.records[0].reason
    }

    fn collect(&mut self) {
        while let Some(output) = self.board.poll_output() {
            match output {
                Output::Notify { to, call, notice } => self.heard.entry(to).or_default().push((call, notice)),
                Output::Announce { to, call, notice } => {
                    for device in to {
                        self.heard.entry(device).or_default().push((call, notice.clone()));
                    }
                }
                Output::GroupCall { group } => self.group_calls.push(group),
                Output::GroupRecord(record) => {
                    self.keep(record.call);
                    self.group_records.push(record);
                }
                Output::LinkRecord { call, reason } => {
                    self.keep(call);
                    self.link_records.push((call, reason));
                }
                Output::Forget { user, .. } => self.forgotten.push(user),
                Output::Missed { call, .. } => self.missed.push(call),
                Output::Record(record) => {
                    self.keep(record.call);
                    self.records.push(record);
                }
                Output::Save { call } => self.keep(call),
                Output::Running { user } => self.running.push(user.as_str().to_owned()),
                Output::Hold { device, .. } => self.media.push(format!("hold {}", name(&device))),
                Output::Admit { device, .. } => self.media.push(format!("admit {}", name(&device))),
                Output::RemovePeer { device, .. } => self.media.push(format!("remove {}", name(&device))),
                Output::CloseRoom { .. } => self.media.push("close".to_owned()),
                Output::Measured(measure) => self.measures.push(measure),
            }
        }
    }
}
