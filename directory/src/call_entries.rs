//! Calls whose entry in the conversation of their two is still to be made: what the relay is asked for until it has it.
//!
//! Invariant: a call owes its entry from the transaction that writes its end, and owes it once: it is struck out when the
//! relay has confirmed it. Nobody owes anything to those who have deleted their account.

use crate::calls::CallRecord;
use crate::entity::{call, call_entry};
use crate::{Directory, Result};
use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use tertulia_common::CallId;

impl Directory {
    /// Calls whose entry is due: the oldest `limit`, in the order in which they ended.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn call_entries_due(&self, limit: u64) -> Result<Vec<CallRecord>> {
        let oldest = call_entry::Entity::find().order_by_asc(call_entry::Column::Id).limit(limit).all(&self.db).await?;
        if oldest.is_empty() {
            return Ok(Vec::new());
        }
        let ids = oldest.into_iter().map(|row| row.id);
        let rows = call::Entity::find().filter(call::Column::Id.is_in(ids)).all(&self.db).await?;
        let mut due = rows.iter().map(CallRecord::try_from).collect::<Result<Vec<_>>>()?;
        due.sort_by_key(|record| (record.ended_at, record.call));
        Ok(due)
    }

    /// Their entries are made, or will never be.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn call_entries_made(&self, calls: &[CallId]) -> Result<()> {
        if !calls.is_empty() {
            let ids = calls.iter().map(CallId::to_string);
            call_entry::Entity::delete_many().filter(call_entry::Column::Id.is_in(ids)).exec(&self.db).await?;
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

/// Somebody is gone: their calls are told to nobody any longer.
pub(crate) async fn forgive(db: &impl ConnectionTrait, stand_in: &str) -> Result<()> {
    let mut theirs = Query::select();
    theirs.column(call::Column::Id).from(call::Entity);
    theirs.cond_where(call::Column::Caller.eq(stand_in).or(call::Column::Callee.eq(stand_in)));
    call_entry::Entity::delete_many().filter(call_entry::Column::Id.in_subquery(theirs)).exec(db).await?;
    Ok(())
}
