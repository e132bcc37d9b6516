//! Calls of two that have ended: what is kept of them, and what the callee missed and has not been told yet.

use crate::entity::call::{ActiveModel, Column, Entity, Model};
use crate::users::{millis, timestamp};
use crate::{Directory, Error, Result, User};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DeriveActiveEnum, EntityTrait, EnumIter, QueryFilter, QueryOrder,
    QuerySelect, Select, sea_query::StringLen,
};
use tertulia_common::{CallId, Timestamp, UserId};

/// What a call started as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))", rename_all = "snake_case")]
pub enum Media {
    /// Microphones only.
    Voice,
    /// Microphones and cameras.
    Video,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(32))", rename_all = "snake_case")]
pub enum EndReason {
    /// One side hung up an answered call.
    Hangup,
    /// The callee declined.
    Declined,
    /// Every device of the callee was in another call.
    Busy,
    /// The caller gave up before an answer.
    Cancelled,
    /// Nobody answered in time.
    Missed,
    /// The media never came up, or the server had to end the call.
    Failed,
    /// A side was gone for too long.
    Lost,
}

/// A call that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// Which call.
    pub call: CallId,
    /// Who called.
    pub caller: UserId,
    /// Whom.
    pub callee: UserId,
    /// By voice or by video.
    pub media: Media,
    /// When it was placed.
    pub started_at: Timestamp,
    /// When it was answered, if it was.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why.
    pub reason: EndReason,
    /// Whether the callee missed it: they are told when they next connect.
    pub missed: bool,
    /// Whether the callee must not see it: they had blocked the caller.
    pub hidden: bool,
    /// How it was for the caller, as the gateway writes it.
    pub caller_quality: Option<String>,
    /// How it was for the callee.
    pub callee_quality: Option<String>,
}

/// A call that its callee missed and has not been told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedCall {
    /// Which call.
    pub call: CallId,
    /// Who called.
    pub caller: User,
    /// By voice or by video.
    pub media: Media,
    /// When they called.
    pub at: Timestamp,
}

impl TryFrom<&Model> for CallRecord {
    type Error = Error;

    fn try_from(row: &Model) -> Result<Self> {
        Ok(Self {
            call: row.id.parse().map_err(|_| Error::Unreadable { what: "call id" })?,
            caller: row.caller.parse().map_err(|_| Error::Unreadable { what: "caller" })?,
            callee: row.callee.parse().map_err(|_| Error::Unreadable { what: "callee" })?,
            media: row.media,
            started_at: timestamp(row.started_at, "call's start")?,
            answered_at: row.answered_at.map(|ms| timestamp(ms, "call's answer")).transpose()?,
            ended_at: timestamp(row.ended_at, "call's end")?,
            reason: row.reason,
            missed: row.missed,
            hidden: row.hidden,
            caller_quality: row.caller_quality.clone(),
            callee_quality: row.callee_quality.clone(),
        })
    }
}

impl Directory {
    /// Keeps a call that has ended. The first record of a call counts; again is no error and changes nothing.
    ///
    /// # Errors
    /// [`Error::UnknownUser`] if caller or callee is not here; if the database fails.
    pub async fn record_call(&self, record: &CallRecord) -> Result<()> {
        match insert_call(&self.db, record).await {
            // A side may have deleted its account while the call was ending.
            Err(Error::UnknownUser) => insert_call(&self.db, &self.with_stand_ins(record).await?).await,
            other => other,
        }?;
        Ok(())
    }

    /// The record with a stand-in for whoever has deleted their account.
    pub(crate) async fn with_stand_ins(&self, record: &CallRecord) -> Result<CallRecord> {
        let (caller, callee) = (self.or_stand_in(&record.caller).await?, self.or_stand_in(&record.callee).await?);
        Ok(CallRecord { caller, callee, ..record.clone() })
    }

    /// Calls that this user missed and has not been told of: the oldest `limit`, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn missed_unseen(&self, user: &UserId, limit: u64) -> Result<Vec<MissedCall>> {
        let rows = unseen_query(user, limit).all(&self.db).await?;
        let callers = self.users_by_id(rows.iter().map(|row| row.caller.clone()).collect()).await?;
        rows.iter()
            .map(|row| {
                let record = CallRecord::try_from(row)?;
                let caller = callers.get(&row.caller).ok_or(Error::UnknownUser)?.clone();
                Ok(MissedCall { call: record.call, caller, media: record.media, at: record.started_at })
            })
            .collect()
    }

    /// This user has been told of these missed calls. Calls that are not theirs are left alone.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn mark_missed_seen(&self, user: &UserId, calls: &[CallId]) -> Result<()> {
        if calls.is_empty() {
            return Ok(());
        }
        Entity::update_many()
            .col_expr(Column::MissedSeen, true.into())
            .filter(Column::Callee.eq(user.as_str()))
            .filter(Column::Id.is_in(calls.iter().map(CallId::to_string)))
            .exec(&self.db)
            .await?;
        Ok(())
    }
}

/// Whether it is new.
pub(crate) async fn insert_call(db: &impl ConnectionTrait, record: &CallRecord) -> Result<bool> {
    let row = ActiveModel {
        id: Set(record.call.to_string()),
        caller: Set(record.caller.as_str().to_owned()),
        callee: Set(record.callee.as_str().to_owned()),
        media: Set(record.media),
        started_at: Set(millis(record.started_at)),
        answered_at: Set(record.answered_at.map(millis)),
        ended_at: Set(millis(record.ended_at)),
        reason: Set(record.reason),
        missed: Set(record.missed),
        missed_seen: Set(false),
        hidden: Set(record.hidden),
        caller_quality: Set(record.caller_quality.clone()),
        callee_quality: Set(record.callee_quality.clone()),
    };
    let once = OnConflict::column(Column::Id).do_nothing().to_owned();
    let inserted = Entity::insert(row).on_conflict(once).exec_without_returning(db).await?;
    Ok(inserted > 0)
}

pub(crate) fn unseen_query(user: &UserId, limit: u64) -> Select<Entity> {
    Entity::find()
        .filter(Column::Callee.eq(user.as_str()))
        .filter(Column::Missed.eq(true))
        .filter(Column::MissedSeen.eq(false))
        .order_by_asc(Column::Id)
        .limit(limit)
}
