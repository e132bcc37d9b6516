//! Calls that have ended, as those see them who were called, called, or were asked in: nobody else sees them.
//!
//! Invariant: a page is range scans of indexes, however long the history is.

use crate::calls::CallRecord;
use crate::entity::{call, call_party, group_call};
use crate::group_calls::{GroupCallRecord, Part};
use crate::{Directory, Error, Result, User};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Select, Statement,
};
use std::collections::{HashMap, HashSet};
use tertulia_common::{CallId, UserId};

/// Of a call of many, on a page, those who are named. Raising it makes pages longer; who wants all asks for the one call.
const NAMED_ON_A_PAGE: u32 = 8;

/// Of one call, those who are named: everybody, since no call concerns more.
const NAMED_OF_ONE: u32 = 4_096;

/// A call that has ended, of either sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PastCall {
    /// Of two, also one to which others were added.
    Pair(CallRecord),
    /// Of a group.
    Group(GroupCallRecord),
}

impl PastCall {
    /// Which.
    #[must_use]
    pub fn id(&self) -> CallId {
        match self {
            Self::Pair(record) => record.call,
            Self::Group(record) => record.call,
        }
    }
}

/// A call in a user's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryCall {
    /// The call.
    pub record: PastCall,
    /// The other side. Of a group's call who started it, and for those who were added to one of two, its caller.
    pub peer: User,
    /// What this user had of it; none of a call of two that they made or got themselves.
    pub part: Option<Part>,
    /// Of a call of more than two: who was in it, or the first of them.
    pub people: Vec<User>,
    /// How many were in it; of a call of two that did not grow, zero.
    pub people_count: u64,
}

/// A call's place in somebody's history, before it is looked up who was in it.
struct Found {
    record: PastCall,
    peer: String,
    part: Option<Part>,
}

/// Who was in calls, as the database tells it.
#[derive(FromQueryResult)]
struct Came {
    call: String,
    user: String,
    total: i64,
}

impl Directory {
    /// A page of a user's calls, newest first: at most `limit`, all placed before the call `before`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn calls_of(&self, user: &UserId, before: Option<CallId>, limit: u64) -> Result<Vec<HistoryCall>> {
        // Range scans, not one `OR`: with that, SQLite would sort a user's whole history for every page.
        let mut rows = page_query(call::Column::Caller, user, before, limit).all(&self.db).await?;
        rows.extend(page_query(call::Column::Callee, user, before, limit).all(&self.db).await?);
        let parts = parts_query(user, before, limit).all(&self.db).await?;
        let mut found = self.found(user, rows, parts).await?;
        found.sort_unstable_by_key(|found| std::cmp::Reverse(found.record.id()));
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        self.with_people(found, NAMED_ON_A_PAGE).await
    }

    /// One call, if it is in this user's history, and everybody who was in it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn call_of(&self, user: &UserId, call: CallId) -> Result<Option<HistoryCall>> {
        let row = call::Entity::find_by_id(call.to_string()).one(&self.db).await?;
        let mine = |row: &call::Model| row.caller == user.as_str() || (row.callee == user.as_str() && !row.hidden);
        let row = row.filter(mine);
        let part = call_party::Entity::find_by_id((user.as_str().to_owned(), call.to_string())).one(&self.db).await?;
        let part = part.filter(|part| !part.hidden);
        let found = self.found(user, row.into_iter().collect(), part.into_iter().collect()).await?;
        Ok(self.with_people(found, NAMED_OF_ONE).await?.pop())
    }

    /// The calls of these rows and these parts, each once, in any order.
    async fn found(&self, user: &UserId, rows: Vec<call::Model>, parts: Vec<call_party::Model>) -> Result<Vec<Found>> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for row in rows {
            if seen.insert(row.id.clone()) {
                let peer = if row.caller == user.as_str() { &row.callee } else { &row.caller };
                found.push(Found { peer: peer.clone(), part: None, record: PastCall::Pair((&row).try_into()?) });
            }
        }
        let mut parts: HashMap<String, Part> = parts.into_iter().map(|row| (row.call, row.part)).collect();
        parts.retain(|call, _| !seen.contains(call));
        if parts.is_empty() {
            return Ok(found);
        }
        let ids = || parts.keys().cloned();
        for row in group_call::Entity::find().filter(group_call::Column::Id.is_in(ids())).all(&self.db).await? {
            let (peer, part) = (row.started_by.clone(), parts.get(&row.id).copied());
            found.push(Found { peer, part, record: PastCall::Group(row.try_into()?) });
        }
        for row in call::Entity::find().filter(call::Column::Id.is_in(ids())).all(&self.db).await? {
            let (peer, part) = (row.caller.clone(), parts.get(&row.id).copied());
            found.push(Found { peer, part, record: PastCall::Pair((&row).try_into()?) });
        }
        Ok(found)
    }

    async fn with_people(&self, found: Vec<Found>, named: u32) -> Result<Vec<HistoryCall>> {
        let mut came = self.who_came(found.iter().map(|found| found.record.id()), named).await?;
        let mut wanted: HashSet<String> = found.iter().map(|found| found.peer.clone()).collect();
        let mut calls = Vec::with_capacity(found.len());
        for Found { record, peer, part } in found {
            let (mut people, mut count) = came.remove(&record.id().to_string()).unwrap_or_default();
            if let PastCall::Pair(record) = &record
                && count > 0
            {
                // The two of one that grew were in it before anybody else.
                people.splice(..0, [record.caller.as_str().to_owned(), record.callee.as_str().to_owned()]);
                count += 2;
            }
            people.truncate(usize::try_from(named).unwrap_or(usize::MAX));
            wanted.extend(people.iter().cloned());
            calls.push((record, peer, part, people, count));
        }
        let known = self.users_by_id(wanted.into_iter().collect()).await?;
        let named = |id: &String| known.get(id).cloned().ok_or(Error::UnknownUser);
        let call = |(record, peer, part, people, people_count): (PastCall, String, _, Vec<String>, u64)| {
            // Whoever has deleted their account in this moment is left out.
            let people = people.iter().filter_map(|id| known.get(id).cloned()).collect();
            Ok(HistoryCall { record, peer: named(&peer)?, part, people, people_count })
        };
        calls.into_iter().map(call).collect()
    }

    /// Who was in these calls of many: so many of each, and how many there were.
    async fn who_came(
        &self,
        calls: impl Iterator<Item = CallId>,
        named: u32,
    ) -> Result<HashMap<String, (Vec<String>, u64)>> {
        const SQL: &str = "SELECT call, user, total FROM (
            SELECT call, user, count(*) OVER (PARTITION BY call) AS total,
                   row_number() OVER (PARTITION BY call ORDER BY user) AS place
            FROM call_party WHERE part = 'came' AND call IN (SELECT value FROM json_each(?))
        ) WHERE place <= ? ORDER BY call, place";
        let ids = calls.map(|call| format!("\"{call}\"")).collect::<Vec<_>>().join(",");
        let statement =
            Statement::from_sql_and_values(DbBackend::Sqlite, SQL, [format!("[{ids}]").into(), named.into()]);
        let mut came: HashMap<String, (Vec<String>, u64)> = HashMap::new();
        for row in self.db.query_all_raw(statement).await? {
            let Came { call, user, total } = Came::from_query_result(&row, "")?;
            let of = came.entry(call).or_default();
            of.0.push(user);
            of.1 = u64::try_from(total).unwrap_or_default();
        }
        Ok(came)
    }
}

fn page_query(side: call::Column, user: &UserId, before: Option<CallId>, limit: u64) -> Select<call::Entity> {
    let mut query = call::Entity::find().filter(side.eq(user.as_str()));
    if matches!(side, call::Column::Callee) {
        query = query.filter(call::Column::Hidden.eq(false));
    }
    if let Some(before) = before {
        query = query.filter(call::Column::Id.lt(before.to_string()));
    }
    query.order_by_desc(call::Column::Id).limit(limit)
}

fn parts_query(user: &UserId, before: Option<CallId>, limit: u64) -> Select<call_party::Entity> {
    let mine = call_party::Column::User.eq(user.as_str());
    let mut query = call_party::Entity::find().filter(mine).filter(call_party::Column::Hidden.eq(false));
    if let Some(before) = before {
        query = query.filter(call_party::Column::Call.lt(before.to_string()));
    }
    query.order_by_desc(call_party::Column::Call).limit(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::{QueryTrait, TransactionTrait};
    use tertulia_common::Timestamp;

    /// What SQLite means to do.
    async fn plan<E: EntityTrait>(directory: &Directory, query: Select<E>) -> String {
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
    async fn a_page_is_ranges_of_indexes_and_sorts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&folder.path().join("directory.db")).await.unwrap();
        let (user, before) = ("alice".parse().unwrap(), Some(CallId::new(Timestamp(1), 1)));
        for (plan, index) in [
            (plan(&directory, page_query(call::Column::Caller, &user, before, 30)).await, "call_of_caller"),
            (plan(&directory, page_query(call::Column::Callee, &user, before, 30)).await, "call_of_callee"),
            (
                plan(&directory, parts_query(&user, before, 30)).await,
                "sqlite_autoindex_call_party_1 (user=? AND call<?)",
            ),
            (plan(&directory, crate::calls::unseen_query(&user, 30)).await, "call_missed"),
        ] {
            assert!(plan.contains(&format!("USING INDEX {index}")) && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
