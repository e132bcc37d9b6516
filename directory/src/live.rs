//! Calls that go on, written down so that the next run of the program takes them over.
//!
//! Invariant: what is written in one go is there whole or not at all, and in the order in which it was put: a call's record
//! and the end of its life are one transaction.

use crate::call_entries::{owe, owe_of_group};
use crate::calls::insert_call;
use crate::entity::{live_call, run};
use crate::users::{millis, timestamp};
use crate::{CallParty, CallRecord, Directory, Error, GroupCallRecord, Result};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use tertulia_common::{CallId, Timestamp};

/// The one row of `run`.
const ROW: i32 = 1;

/// A call that goes on, or has ended lately, as its writer wants to find it again.
#[derive(Clone, PartialEq, Eq)]
pub struct LiveCall {
    /// Which call.
    pub call: CallId,
    /// Whatever its writer needs.
    pub image: String,
    /// Of one that has ended: when it need not be kept any longer.
    pub forget_at: Option<Timestamp>,
}

// No `Debug` on the image: it says who calls whom.
impl std::fmt::Debug for LiveCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveCall").field("call", &self.call).field("forget_at", &self.forget_at).finish_non_exhaustive()
    }
}

/// What has happened to a call.
#[derive(Clone, Debug)]
pub enum CallWrite {
    /// It goes on, and has changed.
    Changed(LiveCall),
    /// It has ended.
    Ended {
        /// How.
        record: Box<CallRecord>,
        /// Who was added to it.
        others: Vec<CallParty>,
        /// For a while it is kept beside the history, if there is anything to keep.
        live: Option<LiveCall>,
        /// Its entry in the conversation of its two is to be made: it is due ([`Directory::call_entries_due`]) from now on.
        entry: bool,
    },
    /// A call that leaves nothing behind has ended.
    Gone {
        /// Which.
        call: CallId,
    },
    /// It was a group's, and has ended.
    GroupEnded {
        /// How.
        record: Box<GroupCallRecord>,
        /// Everybody whom it concerned.
        parties: Vec<CallParty>,
        /// Its entry in the conversation of its group is to be made.
        entry: bool,
    },
}

/// What the run before has left.
#[derive(Clone, Debug)]
pub struct LiveCalls {
    /// When it was last known to be alive.
    pub alive_at: Option<Timestamp>,
    /// Its calls, oldest first.
    pub calls: Vec<LiveCall>,
}

impl Directory {
    /// Writes what has happened to calls, in order and in one transaction, and that the program was alive at `now`.
    ///
    /// # Errors
    /// If the database fails: then nothing is written.
    pub async fn write_calls(&self, now: Timestamp, writes: &[CallWrite]) -> Result<()> {
        let tx = self.begin_write().await?;
        for write in writes {
            match write {
                CallWrite::Changed(live) => upsert(&tx, live).await?,
                CallWrite::GroupEnded { record, parties, entry } => {
                    if self.keep_group_call(&tx, record, parties).await? && *entry {
                        owe_of_group(&tx, record.call).await?;
                    }
                    live_call::Entity::delete_by_id(record.call.to_string()).exec(&tx).await?;
                }
                CallWrite::Gone { call } => {
                    live_call::Entity::delete_by_id(call.to_string()).exec(&tx).await?;
                }
                CallWrite::Ended { record, others, live, entry } => {
                    let is_new = match insert_call(&tx, record).await {
                        // A side may have deleted its account while the call was ending: there is nobody to tell.
                        Err(Error::UnknownUser) => {
                            insert_call(&tx, &self.with_stand_ins(record).await?).await?;
                            false
                        }
                        other => other?,
                    };
                    self.keep_parties(&tx, record.call, others).await?;
                    if is_new && *entry {
                        owe(&tx, record.call).await?;
                    }
                    match live {
                        Some(live) => upsert(&tx, live).await?,
                        None => {
                            live_call::Entity::delete_by_id(record.call.to_string()).exec(&tx).await?;
                        }
                    }
                }
            }
        }
        mark(&tx, now).await?;
        Ok(tx.commit().await?)
    }

    /// Writes that the program was alive at `now`, and forgets calls whose time is over.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn tick(&self, now: Timestamp) -> Result<()> {
        let tx = self.begin_write().await?;
        let over = live_call::Entity::delete_many().filter(live_call::Column::ForgetAt.lte(millis(now)));
        over.exec(&tx).await?;
        mark(&tx, now).await?;
        Ok(tx.commit().await?)
    }

    /// What the run before has left.
    ///
    /// # Errors
    /// If the database fails, or holds what this version can't read.
    pub async fn live_calls(&self) -> Result<LiveCalls> {
        let alive_at = run::Entity::find_by_id(ROW).one(&self.db).await?;
        let alive_at = alive_at.map(|row| timestamp(row.alive_at, "time of the last run")).transpose()?;
        let rows = live_call::Entity::find().order_by_asc(live_call::Column::Id).all(&self.db).await?;
        let call = |row: live_call::Model| {
            Ok(LiveCall {
                call: row.id.parse().map_err(|_| Error::Unreadable { what: "call id" })?,
                image: row.image,
                forget_at: row.forget_at.map(|ms| timestamp(ms, "end of a call's memory")).transpose()?,
            })
        };
        Ok(LiveCalls { alive_at, calls: rows.into_iter().map(call).collect::<Result<_>>()? })
    }

    /// These calls are of no use to anybody.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_live_calls(&self, calls: &[CallId]) -> Result<()> {
        if !calls.is_empty() {
            let ids = calls.iter().map(CallId::to_string);
            live_call::Entity::delete_many().filter(live_call::Column::Id.is_in(ids)).exec(&self.db).await?;
        }
        Ok(())
    }
}

async fn upsert(db: &impl ConnectionTrait, live: &LiveCall) -> Result<()> {
    let row = live_call::ActiveModel {
        id: Set(live.call.to_string()),
        image: Set(live.image.clone()),
        forget_at: Set(live.forget_at.map(millis)),
    };
    let newest = OnConflict::column(live_call::Column::Id)
        .update_columns([live_call::Column::Image, live_call::Column::ForgetAt])
        .to_owned();
    live_call::Entity::insert(row).on_conflict(newest).exec_without_returning(db).await?;
    Ok(())
}

async fn mark(db: &impl ConnectionTrait, now: Timestamp) -> Result<()> {
    let row = run::ActiveModel { id: Set(ROW), alive_at: Set(millis(now)) };
    let newest = OnConflict::column(run::Column::Id).update_column(run::Column::AliveAt).to_owned();
    run::Entity::insert(row).on_conflict(newest).exec_without_returning(db).await?;
    Ok(())
}
