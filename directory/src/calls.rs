//! Calls that have ended: the history of both sides, and what the callee missed and has not been told yet.

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

/// A call in a user's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryCall {
    /// The call.
    pub record: CallRecord,
    /// The other side.
    pub peer: User,
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

    /// A page of a user's calls, newest first: at most `limit`, all placed before the call `before`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn calls_of(&self, user: &UserId, before: Option<CallId>, limit: u64) -> Result<Vec<HistoryCall>> {
        // Two range scans, not one `OR`: with that, SQLite would sort a user's whole history for every page.
        let mut rows = self.page(Column::Caller, user, before, limit).await?;
        rows.extend(self.page(Column::Callee, user, before, limit).await?);
        rows.sort_unstable_by(|a, b| b.id.cmp(&a.id));
        rows.dedup_by(|a, b| a.id == b.id);
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));

        let peer_of = |row: &Model| if row.caller == user.as_str() { row.callee.clone() } else { row.caller.clone() };
        let peers = self.users_by_id(rows.iter().map(peer_of).collect()).await?;
        rows.iter()
            .map(|row| {
                let peer = peers.get(&peer_of(row)).ok_or(Error::UnknownUser)?.clone();
                Ok(HistoryCall { record: row.try_into()?, peer })
            })
            .collect()
    }

    async fn page(&self, side: Column, user: &UserId, before: Option<CallId>, limit: u64) -> Result<Vec<Model>> {
        Ok(page_query(side, user, before, limit).all(&self.db).await?)
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

fn page_query(side: Column, user: &UserId, before: Option<CallId>, limit: u64) -> Select<Entity> {
    let mut query = Entity::find().filter(side.eq(user.as_str()));
    if matches!(side, Column::Callee) {
        query = query.filter(Column::Hidden.eq(false));
    }
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(before.to_string()));
    }
    query.order_by_desc(Column::Id).limit(limit)
}

fn unseen_query(user: &UserId, limit: u64) -> Select<Entity> {
    Entity::find()
        .filter(Column::Callee.eq(user.as_str()))
        .filter(Column::Missed.eq(true))
        .filter(Column::MissedSeen.eq(false))
        .order_by_asc(Column::Id)
        .limit(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::{DbBackend, QueryTrait, Statement, TransactionTrait};

    /// What SQLite means to do.
    async fn plan(directory: &Directory, query: Select<Entity>) -> String {
        let mut statement: Statement = query.build(DbBackend::Sqlite);
        statement.sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
        // A connection opened while the migration ran learns of the newest index by its first real statement, and EXPLAIN
        // is none: ask on one that has run the query itself.
        let connection = directory.db.begin().await.unwrap();
        query.all(&connection).await.unwrap();
        let rows = connection.query_all_raw(statement).await.unwrap();
        rows.iter().map(|row| row.try_get::<String>("", "detail").unwrap()).collect::<Vec<_>>().join("; ")
    }

    #[tokio::test]
    async fn a_page_is_a_range_of_an_index_and_sorts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&folder.path().join("directory.db")).await.unwrap();
        let (user, before) = ("alice".parse().unwrap(), CallId::new(Timestamp(1), 1));
        for (query, index) in [
            (page_query(Column::Caller, &user, Some(before), 30), "call_of_caller"),
            (page_query(Column::Callee, &user, Some(before), 30), "call_of_callee"),
            (unseen_query(&user, 30), "call_missed"),
        ] {
            let plan = plan(&directory, query).await;
            assert!(plan.contains(&format!("USING INDEX {index}")) && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
