//! What every login asks, answered for many at once: whose token it is, whether an app's user is known, what there is to tell.
//!
//! After a restart everyone comes at the same time. Each question alone is three trips to a thread of the database; here
//! those that wait at the same moment are one statement on a connection that is held while there is work, and new users are
//! written together, with one fsync. Invariant: a user is answered only when their row is on the disk, and of an id that was
//! deleted no row comes back by a token from before.

use crate::presence::privacy_of;
use crate::users::{cut_name, now_ms, timestamp};
use crate::{Device, DeviceOwner, Directory, Error, Privacy, Result, TokenHash, User, accounts, devices};
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::sqlite::SqliteRow;
use sea_orm::sqlx::{self, Row as _, Sqlite, SqlitePool};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use serde_json::json;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tertulia_common::{Timestamp, UserId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Questions that wait. Raising it costs about 200 bytes each; when it is full, those who come wait before it.
const WAITING_MAX: usize = 4_096;
/// Questions that are one statement. Raising it makes each of them wait longer for the others.
const BATCH_MAX: usize = 256;
/// How long a connection is held when nobody asks. Raising it keeps one from the others for longer.
const HELD: Duration = Duration::from_secs(1);

/// `?1`: a list of pairs, an id and its hash.
const ARRIVALS: &str = r#"
    SELECT w.key, d.at, u.name, u.created_at FROM json_each(?1) AS w
    LEFT JOIN departed AS d ON d.id_hash = w.value ->> 1
    LEFT JOIN "user" AS u ON u.id = w.value ->> 0 AND u.deleted_at IS NULL"#;
/// `?1`: a list of hashes of tokens.
const OWNERS: &str = r#"
    SELECT w.key, d."user", d.id, d.name, d.is_primary, d.linked_at, d.seen_at, u.name, u.created_at
    FROM json_each(?1) AS w JOIN device AS d ON d.token_hash = w.value JOIN "user" AS u ON u.id = d."user"
    WHERE u.deleted_at IS NULL"#;
/// `?1`: a list of ids.
const NEWS: &str = r#"
    SELECT w.key, u.do_not_disturb_until,
      EXISTS (SELECT 1 FROM "call" AS c WHERE c.callee = w.value AND c.missed = TRUE AND c.missed_seen = FALSE),
      p.online, p.last_seen
    FROM json_each(?1) AS w LEFT JOIN "user" AS u ON u.id = w.value LEFT JOIN presence AS p ON p."user" = w.value"#;
/// `?1`: a list of an id, a name, the id's hash and the second in which the token was made; `?2`: now. A deletion that came
/// in between counts.
const NAMED: &str = r#"
    INSERT INTO "user" (id, name, created_at) SELECT w.value ->> 0, w.value ->> 1, ?2 FROM json_each(?1) AS w
    WHERE NOT EXISTS (SELECT 1 FROM departed AS d WHERE d.id_hash = w.value ->> 2
      AND (w.value ->> 3 IS NULL OR w.value ->> 3 <= d.at / 1000))
    ON CONFLICT (id) DO UPDATE SET name = excluded.name"#;
/// The same of those who say no name: they keep the one they have.
const UNNAMED: &str = r#"
    INSERT INTO "user" (id, name, created_at) SELECT w.value ->> 0, w.value ->> 1, ?2 FROM json_each(?1) AS w
    WHERE NOT EXISTS (SELECT 1 FROM departed AS d WHERE d.id_hash = w.value ->> 2
      AND (w.value ->> 3 IS NULL OR w.value ->> 3 <= d.at / 1000))
    ON CONFLICT (id) DO NOTHING"#;

/// What there is to tell somebody who has connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// They have missed calls that they have not been told of.
    pub has_missed: bool,
    /// They are not to be disturbed until then.
    pub do_not_disturb: Option<Timestamp>,
    /// To whom they show what.
    pub privacy: Privacy,
}

type Answer<T> = oneshot::Sender<Result<T>>;

/// An app's user who comes.
struct Arrival {
    id: UserId,
    hash: String,
    name: Option<String>,
    made_at_s: Option<u64>,
    /// When they first came, if they are known by another name.
    since: Option<Timestamp>,
}

enum Job {
    Arrival(Arrival, Answer<Option<User>>),
    Owner(String, Answer<Option<DeviceOwner>>),
    News(UserId, Answer<News>),
}

/// Answers those who come. Clones ask the same one.
#[derive(Clone, Debug)]
pub struct Reception(mpsc::Sender<Job>);

impl Directory {
    /// A reception, and what does its work for as long as it is polled.
    pub fn reception(&self) -> (Reception, impl Future<Output = ()> + Send + 'static) {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let (registrar, newcomers) = mpsc::channel(BATCH_MAX);
        let pool = self.db.get_sqlite_connection_pool().clone();
        let work = async move {
            tokio::join!(answer(waiting, &pool, registrar), register(newcomers, &pool));
        };
        (Reception(jobs), work)
    }
}

impl Reception {
    /// The user that an app's token names, made now if they were not here: see [`Directory::ensure_user`]. None: they have
    /// deleted their account, and the token is not known to be from after that.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn arrival(&self, id: &UserId, name: Option<&str>, made_at_s: Option<u64>) -> Result<Option<User>> {
        let (id, hash, name) = (id.clone(), accounts::hash(id), name.and_then(cut_name));
        let arrival = Arrival { id, hash, name, made_at_s, since: None };
        self.ask(|answer| Job::Arrival(arrival, answer)).await
    }

    /// Whose device has the token of this hash, if any has.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn device_by_token(&self, hash: &TokenHash) -> Result<Option<DeviceOwner>> {
        self.ask(|answer| Job::Owner(devices::hex(hash), answer)).await
    }

    /// What there is to tell this user.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn news(&self, user: &UserId) -> Result<News> {
        self.ask(|answer| Job::News(user.clone(), answer)).await
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let closed = || Error::Busy(DbErr::Custom("the reception is closed".to_owned()));
        self.0.send(job(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

type Newcomer = (Arrival, Answer<Option<User>>);

/// Reads for those who wait, and hands on whom it does not know.
async fn answer(mut waiting: mpsc::Receiver<Job>, pool: &SqlitePool, registrar: mpsc::Sender<Newcomer>) {
    let (mut jobs, mut desk) = (Vec::new(), Desk { pool, held: None });
    loop {
        let taken = waiting.recv_many(&mut jobs, BATCH_MAX);
        match if desk.held.is_some() { timeout(HELD, taken).await } else { Ok(taken.await) } {
            Err(_) => desk.held = None,
            Ok(0) => return,
            Ok(_) => desk.work(&mut jobs, &registrar).await,
        }
    }
}

/// Where the questions are asked.
struct Desk<'a> {
    pool: &'a SqlitePool,
    held: Option<PoolConnection<Sqlite>>,
}

impl Desk<'_> {
    async fn work(&mut self, jobs: &mut Vec<Job>, registrar: &mpsc::Sender<Newcomer>) {
        let (mut arrivals, mut owners, mut news) = (Vec::new(), Vec::new(), Vec::new());
        for job in jobs.drain(..) {
            match job {
                Job::Arrival(arrival, answer) => arrivals.push((arrival, answer)),
                Job::Owner(hash, answer) => owners.push((hash, answer)),
                Job::News(user, answer) => news.push((user, answer)),
            }
        }
        let list = json!(arrivals.iter().map(|(who, _)| (who.id.as_str(), &who.hash)).collect::<Vec<_>>());
        let rows = self.rows(ARRIVALS, arrivals.len(), list).await;
        for (n, (mut who, answer)) in arrivals.into_iter().enumerate() {
            match row(&rows, n).and_then(|row| known(&mut who, row)) {
                Ok(Known::Settled(user)) => tell(answer, Ok(user)),
                Err(error) => tell(answer, Err(error)),
                // An error: the registrar is gone, and with it whoever would ask.
                Ok(Known::New) => drop(registrar.send((who, answer)).await),
            }
        }
        let list = json!(owners.iter().map(|(hash, _)| hash).collect::<Vec<_>>());
        let rows = self.rows(OWNERS, owners.len(), list).await;
        for (n, (_, answer)) in owners.into_iter().enumerate() {
            tell(answer, row(&rows, n).and_then(|row| row.map(owner).transpose()));
        }
        let list = json!(news.iter().map(|(user, _)| user.as_str()).collect::<Vec<_>>());
        let rows = self.rows(NEWS, news.len(), list).await;
        for (n, (_, answer)) in news.into_iter().enumerate() {
            tell(answer, row(&rows, n).and_then(|row| row.map_or(Ok(News::default()), news_of)));
        }
    }

    /// The answers to so many questions, in their order.
    async fn rows(&mut self, sql: &'static str, count: usize, list: serde_json::Value) -> Rows {
        if count == 0 {
            return Ok(Vec::new());
        }
        let connection = match &mut self.held {
            Some(held) => held,
            none => none.insert(self.pool.acquire().await.map_err(failure)?),
        };
        let found = sqlx::query(sql).bind(list.to_string()).fetch_all(&mut **connection).await;
        let found = found.inspect_err(|_| self.held = None).map_err(failure)?;
        let mut rows: Vec<Option<SqliteRow>> = (0..count).map(|_| None).collect();
        for row in found {
            let key: i64 = row.try_get(0).map_err(failure)?;
            if let Some(place) = usize::try_from(key).ok().and_then(|key| rows.get_mut(key)) {
                *place = Some(row);
            }
        }
        Ok(rows)
    }
}

type Rows = std::result::Result<Vec<Option<SqliteRow>>, DbErr>;

/// One question's row; the failure is everyone's.
fn row(rows: &Rows, n: usize) -> Result<Option<&SqliteRow>> {
    match rows {
        Ok(rows) => Ok(rows.get(n).and_then(Option::as_ref)),
        Err(error) => Err(error.clone().into()),
    }
}

/// Whoever asked may have gone.
fn tell<T>(answer: Answer<T>, told: Result<T>) {
    drop(answer.send(told));
}

pub(crate) fn failure(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        error => DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))),
    }
}

enum Known {
    Settled(Option<User>),
    /// To be written: they are new, or have another name.
    New,
}

fn known(who: &mut Arrival, row: Option<&SqliteRow>) -> Result<Known> {
    let Some(row) = row else { return Ok(Known::New) };
    let column = |n| row.try_get::<Option<i64>, _>(n).map_err(failure);
    if let Some(departed) = column(1)? {
        let departed = timestamp(departed, "time when an account was deleted")?;
        // A token says in which second it was made: one of the second of the deletion may be of before.
        if who.made_at_s.is_none_or(|made| made <= departed.as_millis() / 1_000) {
            return Ok(Known::Settled(None));
        }
    }
    let name: Option<String> = row.try_get(2).map_err(failure)?;
    let (Some(name), Some(created_at)) = (name, column(3)?) else { return Ok(Known::New) };
    let created_at = timestamp(created_at, "time when a user first came")?;
    if who.name.as_ref().is_some_and(|newest| *newest != name) {
        who.since = Some(created_at);
        return Ok(Known::New);
    }
    Ok(Known::Settled(Some(User { id: who.id.clone(), name, created_at, deleted: false })))
}

fn owner(row: &SqliteRow) -> Result<DeviceOwner> {
    let text = |n| row.try_get::<String, _>(n).map_err(failure);
    let time = |n, what| timestamp(row.try_get(n).map_err(failure)?, what);
    let id = text(1)?.parse().map_err(|_| Error::Unreadable { what: "user id" })?;
    let seen_at: Option<i64> = row.try_get(6).map_err(failure)?;
    let device = Device {
        id: text(2)?.parse().map_err(|_| Error::Unreadable { what: "device id" })?,
        name: text(3)?,
        primary: row.try_get(4).map_err(failure)?,
        linked_at: time(5, "time when a device was linked")?,
        seen_at: seen_at.map(|ms| timestamp(ms, "time when a device was seen")).transpose()?,
    };
    let created_at = time(8, "time when a user first came")?;
    Ok(DeviceOwner { user: User { id, name: text(7)?, created_at, deleted: false }, device })
}

fn news_of(row: &SqliteRow) -> Result<News> {
    let until: Option<i64> = row.try_get(1).map_err(failure)?;
    let until = until.filter(|until| *until > now_ms());
    Ok(News {
        has_missed: row.try_get(2).map_err(failure)?,
        do_not_disturb: until.map(|ms| timestamp(ms, "end of a do-not-disturb")).transpose()?,
        privacy: privacy_of(row, 3)?,
    })
}

/// Writes those who are new or have another name, all who wait at once.
async fn register(mut newcomers: mpsc::Receiver<Newcomer>, pool: &SqlitePool) {
    let mut waiting = Vec::new();
    while newcomers.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        let (named, unnamed): (Vec<_>, Vec<_>) = waiting.drain(..).partition(|(who, _)| who.name.is_some());
        for (sql, newcomers) in [(NAMED, named), (UNNAMED, unnamed)] {
            if !newcomers.is_empty() {
                write(sql, newcomers, pool).await;
            }
        }
    }
}

async fn write(sql: &'static str, newcomers: Vec<Newcomer>, pool: &SqlitePool) {
    let name = |who: &Arrival| who.name.clone().unwrap_or_else(|| who.id.as_str().to_owned());
    let list = newcomers.iter().map(|(who, _)| (who.id.as_str(), name(who), &who.hash, who.made_at_s));
    let (list, now) = (json!(list.collect::<Vec<_>>()).to_string(), now_ms());
    let written = sqlx::query(sql).bind(list).bind(now).execute(pool).await.map_err(failure);
    for (who, answer) in newcomers {
        let user = || {
            let created_at = who.since.map_or_else(|| timestamp(now, "clock"), Ok)?;
            Ok(Some(User { name: name(&who), id: who.id.clone(), created_at, deleted: false }))
        };
        tell(answer, written.as_ref().map_err(|error| error.clone().into()).and_then(|_| user()));
    }
}

#[cfg(test)]
mod tests;
