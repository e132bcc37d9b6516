//! Calls whose entry in the conversation of their two, or of their group, is still to be made: what the relay is asked for until it has it.
//!
//! Invariant: a call owes its entry from the transaction that writes its end, and owes it once: it is struck out when the
//! relay has confirmed it. Nobody owes anything to those who have deleted their account.

use crate::calls::CallRecord;
use crate::entity::{call, call_entry, call_party, group_call, group_call_entry};
use crate::group_calls::{CallParty, GroupCallRecord};
use crate::{Directory, Result};
use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use std::collections::HashMap;
use tertulia_common::{CallId, Timestamp};

/// A call whose entry is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DueEntry {
    /// In the conversation of its two.
    Pair(CallRecord),
    /// In that of its group.
    Group(GroupCallRecord, Vec<CallParty>),
}

impl DueEntry {
    /// Which call.
    #[must_use]
    pub fn call(&self) -> CallId {
        match self {
            Self::Pair(record) => record.call,
            Self::Group(record, _) => record.call,
        }
    }

    fn ended_at(&self) -> Timestamp {
        match self {
            Self::Pair(record) => record.ended_at,
            Self::Group(record, _) => record.ended_at,
        }
    }
}

impl Directory {
    /// Calls whose entry is due: the oldest `limit`, in the order in which they ended.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn call_entries_due(&self, limit: u64) -> Result<Vec<DueEntry>> {
        let pairs = call_entry::Entity::find().order_by_asc(call_entry::Column::Id).limit(limit).all(&self.db).await?;
        let groups = group_call_entry::Entity::find().order_by_asc(group_call_entry::Column::Id).limit(limit);
        let groups = groups.all(&self.db).await?.into_iter().map(|row| row.id);
        let mut oldest: Vec<String> = pairs.into_iter().map(|row| row.id).chain(groups).collect();
        if oldest.is_empty() {
            return Ok(Vec::new());
        }
        oldest.sort_unstable();
        oldest.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let rows = call::Entity::find().filter(call::Column::Id.is_in(oldest.clone())).all(&self.db).await?;
        let pairs = rows.iter().map(|row| Ok(DueEntry::Pair(row.try_into()?)));
        let mut due = pairs.collect::<Result<Vec<_>>>()?;
        due.extend(self.groups_due(oldest).await?);
        due.sort_by_key(|entry| (entry.ended_at(), entry.call()));
        Ok(due)
    }

    async fn groups_due(&self, ids: Vec<String>) -> Result<Vec<DueEntry>> {
        let calls = group_call::Entity::find().filter(group_call::Column::Id.is_in(ids)).all(&self.db).await?;
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let of = call_party::Column::Call.is_in(calls.iter().map(|row| row.id.clone()));
        let rows = call_party::Entity::find().filter(of).order_by_asc(call_party::Column::User).all(&self.db).await?;
        let mut parties: HashMap<String, Vec<CallParty>> = HashMap::new();
        for row in rows {
            parties.entry(row.call.clone()).or_default().push(row.try_into()?);
        }
        let entry = |row: group_call::Model| {
            let parties = parties.remove(&row.id).unwrap_or_default();
            Ok(DueEntry::Group(row.try_into()?, parties))
        };
        calls.into_iter().map(entry).collect()
    }

    /// Their entries are made, or will never be.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn call_entries_made(&self, calls: &[CallId]) -> Result<()> {
        if !calls.is_empty() {
            let ids = || calls.iter().map(CallId::to_string);
            call_entry::Entity::delete_many().filter(call_entry::Column::Id.is_in(ids())).exec(&self.db).await?;
            let groups = group_call_entry::Entity::delete_many().filter(group_call_entry::Column::Id.is_in(ids()));
            groups.exec(&self.db).await?;
        }
        Ok(())
    }
}

/// The entry of a call that has just been written is due.
pub(crate) async fn owe(db: &impl ConnectionTrait, call: CallId) -> Result<()> {
    let row = call_entry::ActiveModel { id: Set(call.to_string()) };
    let once = OnConflict::column(call_entry::Column::Id).do_nothing().to_owned();
    call_entry::Entity::insert(row).on_conflict(once).exec_without_returning(db).await?;
    Ok(())
}

/// The entry of a group's call that has just been written is due.
pub(crate) async fn owe_of_group(db: &impl ConnectionTrait, call: CallId) -> Result<()> {
    let row = group_call_entry::ActiveModel { id: Set(call.to_string()) };
    let once = OnConflict::column(group_call_entry::Column::Id).do_nothing().to_owned();
    group_call_entry::Entity::insert(row).on_conflict(once).exec_without_returning(db).await?;
    Ok(())
}

/// Somebody is gone: their calls are told to nobody any longer, nor those of groups that they started.
pub(crate) async fn forgive(db: &impl ConnectionTrait, stand_in: &str) -> Result<()> {
    let mut theirs = Query::select();
    theirs.column(call::Column::Id).from(call::Entity);
    theirs.cond_where(call::Column::Caller.eq(stand_in).or(call::Column::Callee.eq(stand_in)));
    call_entry::Entity::delete_many().filter(call_entry::Column::Id.in_subquery(theirs)).exec(db).await?;
    let mut theirs = Query::select();
    theirs.column(group_call::Column::Id).from(group_call::Entity);
    theirs.cond_where(group_call::Column::StartedBy.eq(stand_in));
    let of_groups = group_call_entry::Column::Id.in_subquery(theirs);
    group_call_entry::Entity::delete_many().filter(of_groups).exec(db).await?;
    Ok(())
}
