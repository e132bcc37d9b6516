//! The history of calls: what has ended goes to the directory, in order, and who has missed a call is told.
//!
//! Invariant: a missed call is told to devices only after it was written, and counts as shown only once a device has
//! confirmed it. Whatever breaks in between, it is shown again rather than lost.

use crate::hub::Hub;
use crate::metrics::Hit;
use crate::translate;
use std::sync::Arc;
use tertulia_common::{CallId, UserId};
use tertulia_directory as directory;
use tertulia_directory::Directory;
use tertulia_signaling_core::{EndReason, MediaKind, Record};
use tertulia_signaling_proto as wire;
use tertulia_signaling_proto::{Person, ServerFrame};
use tokio::sync::{mpsc, oneshot};

/// What waits to be written. Raising it costs about 300 bytes each; when it is full, the history has a hole.
const WAITING_MAX: usize = 8_192;

/// A call that has ended, and its caller's name.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) record: Record,
    pub(crate) caller: Person,
}

#[derive(Debug)]
enum Job {
    Ended(Box<Ended>),
    Shown { user: UserId, calls: Vec<CallId> },
    Flush(oneshot::Sender<()>),
}

/// The way to the one who writes.
#[derive(Clone)]
pub(crate) struct History {
    jobs: mpsc::Sender<Job>,
    hub: Arc<Hub>,
}

/// The one who writes.
pub(crate) struct Writer {
    jobs: mpsc::Receiver<Job>,
    hub: Arc<Hub>,
    directory: Directory,
}

pub(crate) fn history(hub: Arc<Hub>, directory: Directory) -> (History, Writer) {
    let (sender, jobs) = mpsc::channel(WAITING_MAX);
    (History { jobs: sender, hub: Arc::clone(&hub) }, Writer { jobs, hub, directory })
}

impl History {
    /// A call has ended.
    pub(crate) fn ended(&self, ended: Ended) {
        self.put(Job::Ended(Box::new(ended)));
    }

    /// A device of this user has shown these missed calls.
    pub(crate) fn shown(&self, user: &UserId, calls: Vec<CallId>) {
        if !calls.is_empty() {
            self.put(Job::Shown { user: user.clone(), calls });
        }
    }

    /// Waits until everything put so far is written.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.jobs.send(Job::Flush(done)).await.is_ok() {
            // An error means that the writer is gone: nothing is left to wait for.
            written.await.ok();
        }
    }

    fn put(&self, job: Job) {
        if let Err(error) = self.jobs.try_send(job) {
            self.hub.metrics.hit(Hit::History);
            tracing::error!(error = %failure(&error), "a line of the call history is lost");
        }
    }
}

fn failure(error: &mpsc::error::TrySendError<Job>) -> &'static str {
    match error {
        mpsc::error::TrySendError::Full(_) => "too much waits to be written",
        mpsc::error::TrySendError::Closed(_) => "the writer has stopped",
    }
}

impl Writer {
    /// Writes until nobody can put anything any longer.
    pub(crate) async fn run(mut self) {
        while let Some(job) = self.jobs.recv().await {
            match job {
                Job::Ended(ended) => self.write(*ended).await,
                Job::Shown { user, calls } => {
                    if let Err(error) = self.directory.mark_missed_seen(&user, &calls).await {
                        tracing::error!(%error, ?user, "missed calls could not be marked as shown: they come again");
                    }
                }
                // Whoever waited may be gone.
                Job::Flush(done) => drop(done.send(())),
            }
        }
    }

    async fn write(&self, ended: Ended) {
        let Ended { record, caller } = ended;
        let missed = record.is_missed();
        if let Err(error) = self.directory.record_call(&to_directory(&record)).await {
            self.hub.metrics.history_failed.inc();
            tracing::error!(%error, call = %record.call, "a call could not be written to the history");
        }
        if missed {
            let call_id = record.call;
            let media = translate::media_kind(record.media);
            let frame = wire::CallMissed { call_id, from: caller, media, at: record.started_at };
            self.hub.tell_missed(&record.callee, call_id, &ServerFrame::CallMissed(frame));
        }
    }
}

fn to_directory(record: &Record) -> directory::CallRecord {
    directory::CallRecord {
        call: record.call,
        caller: record.caller.clone(),
        callee: record.callee.clone(),
        media: match record.media {
            MediaKind::Voice => directory::Media::Voice,
            MediaKind::Video => directory::Media::Video,
        },
        started_at: record.started_at,
        answered_at: record.answered_at,
        ended_at: record.ended_at,
        reason: match record.reason {
            EndReason::Hangup => directory::EndReason::Hangup,
            EndReason::Declined | EndReason::DeclinedElsewhere => directory::EndReason::Declined,
            EndReason::Busy => directory::EndReason::Busy,
            EndReason::Cancelled => directory::EndReason::Cancelled,
            EndReason::Missed => directory::EndReason::Missed,
            // Of a device only: no record has it.
            EndReason::AnsweredElsewhere | EndReason::Failed => directory::EndReason::Failed,
            EndReason::Lost => directory::EndReason::Lost,
        },
        missed: record.is_missed(),
    }
}

fn media_to_wire(media: directory::Media) -> wire::MediaKind {
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

/// A call of the history as `me` sees it: whoever did not answer has missed it, however the caller gave up.
pub(crate) fn call_to_wire(me: &UserId, call: directory::HistoryCall) -> wire::CallRecord {
    let directory::HistoryCall { record, peer } = call;
    let outgoing = record.caller == *me;
    let reason = match record.reason {
        _ if record.missed && !outgoing => wire::EndReason::Missed,
        directory::EndReason::Hangup => wire::EndReason::Hangup,
        directory::EndReason::Declined => wire::EndReason::Declined,
        directory::EndReason::Busy => wire::EndReason::Busy,
        directory::EndReason::Cancelled => wire::EndReason::Cancelled,
        directory::EndReason::Missed => wire::EndReason::Missed,
        directory::EndReason::Failed => wire::EndReason::Failed,
        directory::EndReason::Lost => wire::EndReason::Lost,
    };
    wire::CallRecord {
        call_id: record.call,
        direction: if outgoing { wire::Direction::Outgoing } else { wire::Direction::Incoming },
        peer: person(peer),
        media: media_to_wire(record.media),
        started_at: record.started_at,
        ended_at: record.ended_at,
        reason,
        duration_ms: record.answered_at.map_or(0, |answered| translate::millis(record.ended_at.since(answered))),
        quality: None,
        peer_quality: None,
    }
}
