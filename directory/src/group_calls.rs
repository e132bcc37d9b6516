//! Calls of groups that have ended, and whom a call of many concerned.
//!
//! Invariant: a group's call, everybody in it, and that its entry is due are one transaction. Of a call of two that grew, the two are in
//! its own row, and those who were added are kept here.

use crate::calls::{EndReason, Media};
use crate::entity::{call_party, group_call};
use crate::users::{millis, timestamp};
use crate::{Directory, Error, Result};
use sea_orm::sea_query::{OnConflict, StringLen};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DeriveActiveEnum, EntityTrait, EnumIter};
use tertulia_common::{CallId, Timestamp, UserId};

/// Rows of one statement: SQLite takes 32,766 values in one.
const ROWS_MAX: usize = 1_000;

/// What somebody had of a call of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))", rename_all = "snake_case")]
pub enum Part {
    /// They were in it.
    Came,
    /// They were asked in and did not want to.
    Declined,
    /// They were asked in and did not come.
    Missed,
}

/// Somebody whom a call of many concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallParty {
    /// Who.
    pub user: UserId,
    /// What they had of it.
    pub part: Part,
    /// Whether they must not see it: they had blocked who asked them in.
    pub hidden: bool,
}

/// A group's call that has ended.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupCallRecord {
    /// Which call.
    pub call: CallId,
    /// Of which group, as the gateway names it.
    pub group: String,
    /// What that was called then.
    pub group_name: String,
    /// Who started it.
    pub started_by: UserId,
    /// By voice or by video.
    pub media: Media,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why.
    pub reason: EndReason,
}

// No `Debug` of what people write.
impl std::fmt::Debug for GroupCallRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { call, group, started_by, reason, .. } = self;
        let mut debug = f.debug_struct("GroupCallRecord");
        debug.field("call", call).field("group", group).field("started_by", started_by).field("reason", reason);
        debug.finish_non_exhaustive()
    }
}

impl TryFrom<group_call::Model> for GroupCallRecord {
    type Error = Error;

    fn try_from(row: group_call::Model) -> Result<Self> {
        Ok(Self {
            call: row.id.parse().map_err(|_| Error::Unreadable { what: "call id" })?,
            group: row.group_id,
            group_name: row.group_name,
            started_by: row.started_by.parse().map_err(|_| Error::Unreadable { what: "who started a call" })?,
            media: row.media,
            started_at: timestamp(row.started_at, "call's start")?,
            ended_at: timestamp(row.ended_at, "call's end")?,
            reason: row.reason,
        })
    }
}

impl TryFrom<call_party::Model> for CallParty {
    type Error = Error;

    fn try_from(row: call_party::Model) -> Result<Self> {
        let user = row.user.parse().map_err(|_| Error::Unreadable { what: "who was in a call" })?;
        Ok(Self { user, part: row.part, hidden: row.hidden })
    }
}

impl Directory {
    /// Keeps a group's call that has ended. Whether it is new, and everybody in it is still here.
    pub(crate) async fn keep_group_call(
        &self,
        db: &impl ConnectionTrait,
        record: &GroupCallRecord,
        parties: &[CallParty],
    ) -> Result<bool> {
        let started_by = self.or_stand_in(&record.started_by).await?;
        let is_here = started_by == record.started_by;
        let is_new = insert_group_call(db, &GroupCallRecord { started_by, ..record.clone() }).await?;
        self.keep_parties(db, record.call, parties).await?;
        Ok(is_new && is_here)
    }

    /// Keeps whom a call concerned; a stand-in for whoever has deleted their account. Again, it changes nothing.
    pub(crate) async fn keep_parties(
        &self,
        db: &impl ConnectionTrait,
        call: CallId,
        parties: &[CallParty],
    ) -> Result<()> {
        if let Err(error) = insert_parties(db, call, parties).await {
            if !matches!(error, Error::UnknownUser) {
                return Err(error);
            }
            let mut there = Vec::with_capacity(parties.len());
            for party in parties {
                there.push(CallParty { user: self.or_stand_in(&party.user).await?, ..party.clone() });
            }
            insert_parties(db, call, &there).await?;
        }
        Ok(())
    }
}

/// Whether it is new.
async fn insert_group_call(db: &impl ConnectionTrait, record: &GroupCallRecord) -> Result<bool> {
    let row = group_call::ActiveModel {
        id: Set(record.call.to_string()),
        group_id: Set(record.group.clone()),
        group_name: Set(record.group_name.clone()),
        started_by: Set(record.started_by.as_str().to_owned()),
        media: Set(record.media),
        started_at: Set(millis(record.started_at)),
        ended_at: Set(millis(record.ended_at)),
        reason: Set(record.reason),
    };
    let once = OnConflict::column(group_call::Column::Id).do_nothing().to_owned();
    let inserted = group_call::Entity::insert(row).on_conflict(once).exec_without_returning(db).await?;
    Ok(inserted > 0)
}

async fn insert_parties(db: &impl ConnectionTrait, call: CallId, parties: &[CallParty]) -> Result<()> {
    for some in parties.chunks(ROWS_MAX) {
        let rows = some.iter().map(|party| call_party::ActiveModel {
            user: Set(party.user.as_str().to_owned()),
            call: Set(call.to_string()),
            part: Set(party.part),
            hidden: Set(party.hidden),
        });
        let key = [call_party::Column::User, call_party::Column::Call];
        let once = OnConflict::columns(key).do_nothing().to_owned();
        call_party::Entity::insert_many(rows).on_conflict(once).exec_without_returning(db).await?;
    }
    Ok(())
}
