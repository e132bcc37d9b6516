//! Calls that have ended become entries of the conversation of their two, or of their group.
//!
//! The directory says which are due; the relay makes each once, by the call's id; then the directory strikes it out. Invariant:
//! no more are asked for before those that were made are struck out, so that what a crash makes us ask again is known to the
//! relay. Nothing of it is waited for by a call: a relay that is full or ending has the entries made later.

use crate::history;
use crate::hub::Hub;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tertulia_chat::engine::{Engine, Rejected};
use tertulia_chat_core::{ClientId, ConversationId, Note, Refusal, Sent, To};
use tertulia_common::{CallId, UserId};
use tertulia_directory::{CallParty, CallRecord, Directory, DueEntry, EndReason, GroupCallRecord, Part};
use tertulia_signaling_proto::{CallEntry, CallOutcome, Content, GroupCallEntry};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

/// Entries that are asked for at once: a quarter of those that the relay knows, so that several crashes in a row make no second.
const BATCH_MAX: u64 = 16;
/// After the directory or the relay could not. Raising it delays what waits, lowering it asks a full disk more often.
const AGAIN: Duration = Duration::from_secs(2);
/// People named in the entry of a group's call. Raising it makes each longer, for everybody in the group: by 40 bytes, mostly.
const PEOPLE_NAMED_MAX: usize = 32;
/// Of those who missed one. Raising it does the same; who is not named is told nothing of having missed it.
const MISSED_NAMED_MAX: usize = 256;

/// Who makes them.
pub(crate) struct CallEntries {
    pub(crate) engine: Arc<Engine>,
    pub(crate) directory: Directory,
    pub(crate) hub: Arc<Hub>,
    /// Some may be due.
    pub(crate) due: Arc<Notify>,
}

/// What the relay will say of a call's entry.
type Told = oneshot::Receiver<Result<Sent, Rejected>>;

impl CallEntries {
    /// Makes them. Never ends. What the run before has left comes first.
    pub(crate) async fn run(self) {
        let mut made = Vec::new();
        loop {
            if self.make_all(&mut made).await {
                self.due.notified().await;
            } else {
                sleep(AGAIN).await;
            }
        }
    }

    /// Whether nothing is due any longer. `made`: what is to be struck out.
    async fn make_all(&self, made: &mut Vec<CallId>) -> bool {
        loop {
            if let Err(error) = self.directory.call_entries_made(made).await {
                tracing::warn!(%error, "entries of calls could not be struck out");
                return false;
            }
            made.clear();
            let due = match self.directory.call_entries_due(BATCH_MAX).await {
                Ok(due) if due.is_empty() => return true,
                Ok(due) => due,
                Err(error) => {
                    tracing::warn!(%error, "the directory did not say which calls' entries are due");
                    return false;
                }
            };
            let asked: Vec<(CallId, Told)> = due.iter().map(|due| (due.call(), self.ask(due))).collect();
            for (call, told) in asked {
                if self.is_settled(call, told.await.unwrap_or(Err(Rejected::Ended))) {
                    made.push(call);
                }
            }
            if made.is_empty() {
                return false;
            }
        }
    }

    fn ask(&self, due: &DueEntry) -> Told {
        let client_id = ClientId(due.call().as_u128());
        let (note, body) = match due {
            DueEntry::Pair(record) => {
                let (by, to) = (record.caller.clone(), To::User(record.callee.clone()));
                (Note { by, to, client_id, withheld: record.hidden }, body(record))
            }
            DueEntry::Group(record, parties) => {
                // What is no group's name is nobody's: it is refused as such.
                let group = record.group.parse().unwrap_or(ConversationId(0));
                let by = record.started_by.clone();
                (Note { by, to: To::Group(group), client_id, withheld: false }, group_body(record, parties))
            }
        };
        let (tell, told) = oneshot::channel();
        self.engine.note(note, body, move |noted| drop(tell.send(noted)));
        told
    }

    /// Whether the call's entry is made, or will never be.
    fn is_settled(&self, call: CallId, noted: Result<Sent, Rejected>) -> bool {
        match noted {
            Ok(Sent { position, .. }) => {
                if position.is_some() {
                    self.hub.metrics.call_entries.inc();
                }
                true
            }
            // Neither of the two takes messages; the group is over.
            Err(Rejected::Refused(Refusal::DeviceGone | Refusal::NoConversation)) => true,
            Err(Rejected::Refused(refusal)) => {
                self.hub.metrics.call_entries_refused.inc();
                tracing::info!(%refusal, %call, "a call has no entry in its conversation");
                true
            }
            Err(Rejected::Busy | Rejected::Full | Rejected::Ended) => false,
        }
    }
}

/// What the entry of a call says.
fn body(record: &CallRecord) -> Bytes {
    let entry = CallEntry {
        call_id: record.call,
        media: history::media_to_wire(record.media),
        outcome: outcome(record.reason),
        duration_ms: history::duration_ms(record),
        group: None,
    };
    Content::Call(entry).to_bytes().into()
}

/// What the entry of a group's call says. That somebody has blocked who started it is not to be seen by the others: they are among those
/// who missed it, as if they had been away.
fn group_body(record: &GroupCallRecord, parties: &[CallParty]) -> Bytes {
    let of = |part: Part| parties.iter().filter(move |party| party.part == part).map(|party| party.user.clone());
    let people_count = of(Part::Came).count();
    let group = GroupCallEntry {
        started_at: record.started_at,
        people: of(Part::Came).take(PEOPLE_NAMED_MAX).collect::<Vec<UserId>>(),
        people_count: u32::try_from(people_count).unwrap_or(u32::MAX),
        missed: of(Part::Missed).take(MISSED_NAMED_MAX).collect(),
    };
    let alone = people_count <= 1;
    let entry = CallEntry {
        call_id: record.call,
        media: history::media_to_wire(record.media),
        outcome: if alone { CallOutcome::Missed } else { outcome(record.reason) },
        duration_ms: (!alone).then(|| history::group_duration_ms(record)),
        group: Some(group),
    };
    Content::Call(entry).to_bytes().into()
}

fn outcome(reason: EndReason) -> CallOutcome {
    match reason {
        EndReason::Hangup => CallOutcome::Hangup,
        EndReason::Declined => CallOutcome::Declined,
        EndReason::Busy => CallOutcome::Busy,
        EndReason::Cancelled => CallOutcome::Cancelled,
        EndReason::Missed => CallOutcome::Missed,
        EndReason::Failed => CallOutcome::Failed,
        EndReason::Lost => CallOutcome::Lost,
    }
}
