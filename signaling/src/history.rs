//! What has to outlive the process: calls that go on, and those that have ended. Both go to the directory in the order in
//! which they happened, and who has missed a call is told.
//!
//! Invariants: a missed call is told to devices only after it was written, and counts as shown only once a device has
//! confirmed it: whatever breaks in between, it is shown again rather than lost. A call's record and the end of its life are
//! written in one transaction, so that no restart brings back a call that is in the history.
//!
//! What happens is answered before it is written: a process that is killed loses what was put in the time of one
//! transaction, some milliseconds. What was lost of an accept is that the call rings again when it comes back.

use crate::clock::Clock;
use crate::hub::Hub;
use crate::metrics::Hit;
use crate::quality::Tallies;
use crate::translate;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tertulia_common::{CallId, Pii, Timestamp, UserId};
use tertulia_directory as directory;
use tertulia_directory::{CallWrite, Directory, LiveCall, PastCall};
use tertulia_signaling_core::{EndReason, GroupRecord, Image, MediaKind, Party, PartyState, Record};
use tertulia_signaling_proto as wire;
use tertulia_signaling_proto::{Person, ServerFrame};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

/// What waits to be written. Raising it costs about 500 bytes each; when it is full, the history has a hole, or a call comes
/// back from a restart as it was before.
const WAITING_MAX: usize = 8_192;
/// What is written in one transaction. Raising it makes a write last longer, and a failed one concern more calls.
const BATCH_MAX: usize = 256;
/// While calls go on, how often it is written that the program is alive. Raising it makes the end of calls that a long outage
/// has ended less exact.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// A call as it is kept for the next run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) image: Image,
    #[serde(default)]
    pub(crate) quality: Tallies,
}

impl Kept {
    fn live_call(&self) -> Option<LiveCall> {
        let image = serde_json::to_string(self).inspect_err(|error| {
            tracing::error!(%error, call = %self.image.call(), "a call can't be written");
        });
        Some(LiveCall { call: self.image.call(), image: image.ok()?, forget_at: self.image.forget_at() })
    }
}

/// A call that has ended, and its caller's name.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) record: Record,
    pub(crate) caller: Person,
    pub(crate) quality: Tallies,
    /// None: it ended so long ago that nobody asks for it any more.
    pub(crate) image: Option<Image>,
}

/// A group's call that has ended, and what the group was called: empty if that is not known.
#[derive(Debug)]
pub(crate) struct GroupEnded {
    pub(crate) record: GroupRecord,
    pub(crate) name: Pii<String>,
}

#[derive(Debug)]
enum Job {
    Changed(Box<Kept>),
    Ended(Box<Ended>),
    GroupEnded(Box<GroupEnded>),
    Gone(CallId),
    Shown { user: UserId, calls: Vec<CallId> },
    Restored { live: Vec<CallId>, kept_until: Option<Timestamp> },
    Flush(oneshot::Sender<()>),
}

/// The way to the one who writes.
#[derive(Clone)]
pub(crate) struct History {
    jobs: mpsc::Sender<Job>,
    hub: Arc<Hub>,
    /// How often missed calls wait to be marked as shown.
    marking: Arc<AtomicUsize>,
}

/// The one who writes.
pub(crate) struct Writer {
    jobs: mpsc::Receiver<Job>,
    hub: Arc<Hub>,
    directory: Directory,
    clock: Clock,
    marking: Arc<AtomicUsize>,
    /// Calls that go on.
    live: FxHashSet<CallId>,
    /// When the last of the calls that have ended need not be kept any longer.
    kept_until: Option<Timestamp>,
    /// Who makes the calls' entries in conversations; none where no messages are relayed.
    entries: Option<Arc<Notify>>,
}

/// `entries` is told when calls have ended whose entries are due.
pub(crate) fn history(
    hub: Arc<Hub>,
    directory: Directory,
    clock: Clock,
    entries: Option<Arc<Notify>>,
) -> (History, Writer) {
    let (sender, jobs) = mpsc::channel(WAITING_MAX);
    let marking = Arc::<AtomicUsize>::default();
    let history = History { jobs: sender, hub: Arc::clone(&hub), marking: Arc::clone(&marking) };
    let (live, kept_until) = (FxHashSet::default(), None);
    (history, Writer { jobs, hub, directory, clock, marking, live, kept_until, entries })
}

impl History {
    /// A call goes on, and has changed.
    pub(crate) fn changed(&self, kept: Kept) {
        self.put(Job::Changed(Box::new(kept)));
    }

    /// A call has ended.
    pub(crate) fn ended(&self, ended: Ended) {
        self.put(Job::Ended(Box::new(ended)));
    }

    /// A group's call has ended.
    pub(crate) fn group_ended(&self, ended: GroupEnded) {
        self.put(Job::GroupEnded(Box::new(ended)));
    }

    /// A call has ended that is in nobody's history.
    pub(crate) fn gone(&self, call: CallId) {
        self.put(Job::Gone(call));
    }

    /// A device of this user has shown these missed calls.
    pub(crate) fn shown(&self, user: &UserId, calls: Vec<CallId>) {
        if !calls.is_empty() {
            self.marking.fetch_add(1, Ordering::SeqCst);
            if !self.put(Job::Shown { user: user.clone(), calls }) {
                self.marking.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    /// Waits until every missed call that was shown is marked so: who reads them then is not told twice.
    pub(crate) async fn shown_is_written(&self) {
        if self.marking.load(Ordering::SeqCst) > 0 {
            self.flush().await;
        }
    }

    /// These calls of the run before go on, and those that have ended are kept for late questions until then.
    pub(crate) fn restored(&self, live: Vec<CallId>, kept_until: Option<Timestamp>) {
        self.put(Job::Restored { live, kept_until });
    }

    /// Waits until everything put so far is written.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.jobs.send(Job::Flush(done)).await.is_ok() {
            // An error means that the writer is gone: nothing is left to wait for.
            written.await.ok();
        }
    }

    /// Whether it will be written.
    fn put(&self, job: Job) -> bool {
        let put = self.jobs.try_send(job);
        if let Err(error) = &put {
            self.hub.metrics.hit(Hit::History);
            tracing::error!(error = %failure(error), "a line of the call history is lost");
        }
        put.is_ok()
    }
}

fn failure(error: &mpsc::error::TrySendError<Job>) -> &'static str {
    match error {
        mpsc::error::TrySendError::Full(_) => "too much waits to be written",
        mpsc::error::TrySendError::Closed(_) => "the writer has stopped",
    }
}

/// What is written together.
#[derive(Default)]
struct Batch {
    writes: Vec<Option<CallWrite>>,
    /// Where the newest change of a call is: an older one need not be written.
    newest: FxHashMap<CallId, usize>,
    ended: Vec<Ended>,
    /// Among them are calls whose entries are due.
    owes: bool,
}

impl Batch {
    fn put(&mut self, call: CallId, write: CallWrite) {
        if let Some(older) = self.newest.insert(call, self.writes.len()) {
            self.writes[older] = None;
        }
        self.writes.push(Some(write));
    }
}

impl Writer {
    /// Writes until nobody can put anything any longer.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(ALIVE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut jobs = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                taken = self.jobs.recv_many(&mut jobs, BATCH_MAX) => match taken {
                    0 => break,
                    _ => self.work(&mut jobs).await,
                },
                _ = ticks.tick() => self.tick().await,
            }
        }
    }

    async fn work(&mut self, jobs: &mut Vec<Job>) {
        let mut batch = Batch::default();
        for job in jobs.drain(..) {
            match job {
                Job::Changed(kept) => self.add_changed(&mut batch, &kept),
                Job::Ended(ended) => self.add_ended(&mut batch, *ended),
                Job::GroupEnded(ended) => self.add_group_ended(&mut batch, &ended),
                Job::Gone(call) => {
                    self.live.remove(&call);
                    batch.put(call, CallWrite::Gone { call });
                }
                Job::Shown { user, calls } => {
                    self.write(std::mem::take(&mut batch)).await;
                    if let Err(error) = self.directory.mark_missed_seen(&user, &calls).await {
                        tracing::error!(%error, ?user, "missed calls could not be marked as shown: they come again");
                    }
                    self.marking.fetch_sub(1, Ordering::SeqCst);
                }
                Job::Restored { live, kept_until } => {
                    self.live.extend(live);
                    self.kept_until = self.kept_until.max(kept_until);
                    // This run lives: the next one counts its outage from here.
                    self.tick().await;
                }
                Job::Flush(done) => {
                    self.write(std::mem::take(&mut batch)).await;
                    // Whoever waited may be gone.
                    done.send(()).ok();
                }
            }
        }
        self.write(batch).await;
    }

    fn add_changed(&mut self, batch: &mut Batch, kept: &Kept) {
        self.live.insert(kept.image.call());
        if let Some(live) = kept.live_call() {
            batch.put(live.call, CallWrite::Changed(live));
        }
    }

    fn add_ended(&mut self, batch: &mut Batch, ended: Ended) {
        self.live.remove(&ended.record.call);
        // Its figures are in the record.
        let kept = ended.image.clone().map(|image| Kept { image, quality: Tallies::default() });
        let live = kept.and_then(|kept| kept.live_call());
        self.kept_until = self.kept_until.max(live.as_ref().and_then(|live| live.forget_at));
        let record = Box::new(to_directory(&ended.record, &ended.quality));
        let others = ended.record.others.iter().map(party_to_directory).collect();
        batch.put(ended.record.call, CallWrite::Ended { record, others, live, entry: self.entries.is_some() });
        batch.ended.push(ended);
        batch.owes = true;
    }

    fn add_group_ended(&mut self, batch: &mut Batch, GroupEnded { record, name }: &GroupEnded) {
        self.live.remove(&record.call);
        let parties = record.people.iter().map(party_to_directory).collect();
        let entry = self.entries.is_some();
        let write = CallWrite::GroupEnded { record: Box::new(group_to_directory(record, &name.0)), parties, entry };
        batch.put(record.call, write);
        batch.owes = true;
    }

    async fn write(&self, batch: Batch) {
        let writes: Vec<CallWrite> = batch.writes.into_iter().flatten().collect();
        if writes.is_empty() {
            return;
        }
        if let Err(error) = self.directory.write_calls(self.clock.now(), &writes).await {
            tracing::warn!(%error, calls = writes.len(), "calls could not be written together: one by one");
            for write in writes {
                self.write_one(write).await;
            }
        }
        if let Some(entries) = self.entries.as_ref().filter(|_| batch.owes) {
            entries.notify_one();
        }
        for ended in batch.ended {
            self.tell_missed(ended);
        }
    }

    async fn write_one(&self, write: CallWrite) {
        let call = match &write {
            CallWrite::Changed(live) => live.call,
            CallWrite::Ended { record, .. } => record.call,
            CallWrite::GroupEnded { record, .. } => record.call,
            CallWrite::Gone { call } => *call,
        };
        if let Err(error) = self.directory.write_calls(self.clock.now(), &[write]).await {
            self.hub.metrics.history_failed.inc();
            tracing::error!(%error, %call, "a call could not be written");
        }
    }

    fn tell_missed(&self, ended: Ended) {
        let Ended { record, caller, .. } = ended;
        if record.is_missed() {
            let call_id = record.call;
            let media = translate::media_kind(record.media);
            let frame = wire::CallMissed { call_id, from: caller, media, at: record.started_at };
            self.hub.tell_missed(&record.callee, call_id, &ServerFrame::CallMissed(frame));
        }
    }

    /// An idle server writes nothing.
    async fn tick(&mut self) {
        if self.live.is_empty() && self.kept_until.is_none() {
            return;
        }
        let now = self.clock.now();
        match self.directory.tick(now).await {
            Ok(()) => self.kept_until = self.kept_until.filter(|until| *until > now),
            Err(error) => tracing::warn!(%error, "that the program is alive could not be written"),
        }
    }
}

fn to_directory(record: &Record, quality: &Tallies) -> directory::CallRecord {
    directory::CallRecord {
        call: record.call,
        caller: record.caller.clone(),
        callee: record.callee.clone(),
        media: media_to_directory(record.media),
        started_at: record.started_at,
        answered_at: record.answered_at,
        ended_at: record.ended_at,
        reason: reason_to_directory(record.reason),
        missed: record.is_missed(),
        hidden: record.hidden,
        caller_quality: quality.caller.summary(record.ended_at).and_then(to_json),
        callee_quality: quality.callee.summary(record.ended_at).and_then(to_json),
    }
}

fn group_to_directory(record: &GroupRecord, name: &str) -> directory::GroupCallRecord {
    directory::GroupCallRecord {
        call: record.call,
        group: translate::group_id(record.group),
        group_name: name.to_owned(),
        started_by: record.started_by.clone(),
        media: media_to_directory(record.media),
        started_at: record.started_at,
        ended_at: record.ended_at,
        reason: reason_to_directory(record.reason),
    }
}

fn party_to_directory(party: &Party) -> directory::CallParty {
    let part = match party.state {
        PartyState::Came => directory::Part::Came,
        PartyState::Declined => directory::Part::Declined,
        PartyState::Missed => directory::Part::Missed,
    };
    directory::CallParty { user: party.user.clone(), part, hidden: party.hidden }
}

fn media_to_directory(media: MediaKind) -> directory::Media {
    match media {
        MediaKind::Voice => directory::Media::Voice,
        MediaKind::Video => directory::Media::Video,
    }
}

fn reason_to_directory(reason: EndReason) -> directory::EndReason {
    match reason {
        EndReason::Hangup => directory::EndReason::Hangup,
        EndReason::Declined | EndReason::DeclinedElsewhere => directory::EndReason::Declined,
        EndReason::Busy => directory::EndReason::Busy,
        EndReason::Cancelled => directory::EndReason::Cancelled,
        EndReason::Missed => directory::EndReason::Missed,
        // Of a device only: no record has them.
        EndReason::AnsweredElsewhere
        | EndReason::HandedOver
        | EndReason::Removed
        | EndReason::TurnedAway
        | EndReason::LinkOver
        | EndReason::Failed => directory::EndReason::Failed,
        EndReason::Lost => directory::EndReason::Lost,
    }
}

fn to_json(summary: wire::QualitySummary) -> Option<String> {
    serde_json::to_string(&summary).ok()
}

/// Figures that can't be read are of another version: they are left out.
fn from_json(summary: Option<String>) -> Option<wire::QualitySummary> {
    serde_json::from_str(&summary?).ok()
}
pub(crate) fn media_to_wire(media: directory::Media) -> wire::MediaKind {
    match media {
        directory::Media::Voice => wire::MediaKind::Voice,
        directory::Media::Video => wire::MediaKind::Video,
    }
}

fn person(user: directory::User) -> Person {
    Person { user_id: user.id, name: user.name, online: None, deleted: user.deleted }
}

/// A missed call as a welcome lists it.
pub(crate) fn missed_to_wire(missed: directory::MissedCall) -> wire::CallMissed {
    wire::CallMissed {
        call_id: missed.call,
        from: person(missed.caller),
        media: media_to_wire(missed.media),
        at: missed.at,
    }
}

/// A call of the history as `me` sees it: whoever did not answer has missed it, however the caller gave up. A group goes by the name that
/// `now_called` says, or by the one that it had.
pub(crate) fn call_to_wire(
    me: &UserId,
    call: directory::HistoryCall,
    now_called: impl FnOnce(&str) -> Option<String>,
) -> wire::CallRecord {
    let directory::HistoryCall { record, peer, part, people, people_count } = call;
    let wire = match record {
        PastCall::Pair(record) => pair_to_wire(me, record, peer),
        PastCall::Group(record) => group_to_wire(me, record, peer, now_called),
    };
    let (reason, duration_ms) = match part {
        None | Some(directory::Part::Came) => (wire.reason, wire.duration_ms),
        Some(directory::Part::Declined) => (wire::EndReason::Declined, 0),
        Some(directory::Part::Missed) => (wire::EndReason::Missed, 0),
    };
    wire::CallRecord {
        reason,
        duration_ms,
        people: people.into_iter().map(person).collect(),
        people_count: (people_count > 0).then(|| u32::try_from(people_count).unwrap_or(u32::MAX)),
        ..wire
    }
}

fn pair_to_wire(me: &UserId, record: directory::CallRecord, peer: directory::User) -> wire::CallRecord {
    let outgoing = record.caller == *me;
    let duration_ms = duration_ms(&record).unwrap_or(0);
    // Of who was added later nothing is known.
    let added = !outgoing && record.callee != *me;
    let (of_caller, of_callee) = match added {
        true => (None, None),
        false => (from_json(record.caller_quality), from_json(record.callee_quality)),
    };
    let (quality, peer_quality) = if outgoing { (of_caller, of_callee) } else { (of_callee, of_caller) };
    let reason = if record.missed && !outgoing { wire::EndReason::Missed } else { reason_to_wire(record.reason) };
    wire::CallRecord {
        call_id: record.call,
        direction: if outgoing { wire::Direction::Outgoing } else { wire::Direction::Incoming },
        peer: person(peer),
        media: media_to_wire(record.media),
        started_at: record.started_at,
        ended_at: record.ended_at,
        reason,
        duration_ms,
        quality,
        peer_quality,
        group: None,
        people: Vec::new(),
        people_count: None,
    }
}

fn group_to_wire(
    me: &UserId,
    record: directory::GroupCallRecord,
    started_by: directory::User,
    now_called: impl FnOnce(&str) -> Option<String>,
) -> wire::CallRecord {
    let duration_ms = group_duration_ms(&record);
    let name = now_called(&record.group).unwrap_or(record.group_name);
    wire::CallRecord {
        call_id: record.call,
        direction: if record.started_by == *me { wire::Direction::Outgoing } else { wire::Direction::Incoming },
        peer: person(started_by),
        media: media_to_wire(record.media),
        started_at: record.started_at,
        ended_at: record.ended_at,
        reason: reason_to_wire(record.reason),
        duration_ms,
        quality: None,
        peer_quality: None,
        group: Some(wire::CallGroup { group_id: record.group, name }),
        people: Vec::new(),
        people_count: None,
    }
}

fn reason_to_wire(reason: directory::EndReason) -> wire::EndReason {
    match reason {
        directory::EndReason::Hangup => wire::EndReason::Hangup,
        directory::EndReason::Declined => wire::EndReason::Declined,
        directory::EndReason::Busy => wire::EndReason::Busy,
        directory::EndReason::Cancelled => wire::EndReason::Cancelled,
        directory::EndReason::Missed => wire::EndReason::Missed,
        directory::EndReason::Failed => wire::EndReason::Failed,
        directory::EndReason::Lost => wire::EndReason::Lost,
    }
}

/// From the start to the end.
pub(crate) fn group_duration_ms(record: &directory::GroupCallRecord) -> u64 {
    translate::millis(record.ended_at.since(record.started_at))
}

/// From the answer to the end, of a call that was answered.
pub(crate) fn duration_ms(record: &directory::CallRecord) -> Option<u64> {
    record.answered_at.map(|answered| translate::millis(record.ended_at.since(answered)))
}
