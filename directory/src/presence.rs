//! When people were last here, to whom they show it, and who is a contact of whom: whoever one has written to.
//!
//! Invariant: when somebody was last here only grows, and a contact stays one, as long as both accounts are there.

use crate::reception::failure;
use crate::users::{millis, timestamp};
use crate::{Directory, Error, Result};
use sea_orm::sqlx::sqlite::SqliteRow;
use sea_orm::sqlx::{self, Row as _};
use serde_json::json;
use tertulia_common::{Timestamp, UserId};

/// To whom somebody shows something of themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// To all.
    Everyone,
    /// To whom they have written to.
    #[default]
    Contacts,
    /// To nobody.
    Nobody,
}

/// What somebody shows of themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// That they are here.
    pub online: Audience,
    /// When they last were.
    pub last_seen: Audience,
}

/// What is known of somebody, and between them and one who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceFacts {
    /// What they show.
    pub privacy: Privacy,
    /// When they last did something.
    pub last_seen: Option<Timestamp>,
    /// They have written to who asks.
    pub contact: bool,
    /// They have blocked who asks.
    pub blocks: bool,
    /// Who asks has blocked them.
    pub blocked: bool,
}

/// `?1`: a list of ids; `?2`: who asks.
const FACTS: &str = r#"
    SELECT w.key, p.online, p.last_seen, p.seen_at,
      EXISTS (SELECT 1 FROM contact AS c WHERE c."user" = w.value AND c.other = ?2),
      EXISTS (SELECT 1 FROM block AS b WHERE b."user" = w.value AND b.blocked = ?2),
      EXISTS (SELECT 1 FROM block AS b WHERE b."user" = ?2 AND b.blocked = w.value)
    FROM json_each(?1) AS w LEFT JOIN presence AS p ON p."user" = w.value"#;
/// `?1`: the user; `?2`, `?3`: to whom they show what, or null.
const SHOW: &str = r#"
    INSERT INTO presence ("user", online, last_seen) SELECT id, ?2, ?3 FROM "user" WHERE id = ?1
    ON CONFLICT ("user") DO UPDATE SET online = coalesce(excluded.online, online),
      last_seen = coalesce(excluded.last_seen, last_seen)"#;
/// `?1`: a list of pairs, an id and a time.
const SEEN: &str = r#"
    INSERT INTO presence ("user", seen_at) SELECT u.id, w.value ->> 1 FROM json_each(?1) AS w
    JOIN "user" AS u ON u.id = w.value ->> 0 AND u.deleted_at IS NULL WHERE true
    ON CONFLICT ("user") DO UPDATE SET seen_at = max(coalesce(seen_at, 0), excluded.seen_at)"#;
/// `?1`: a list of pairs of ids.
const CONTACTS: &str = r#"
    INSERT INTO contact ("user", other) SELECT u.id, o.id FROM json_each(?1) AS w
    JOIN "user" AS u ON u.id = w.value ->> 0 JOIN "user" AS o ON o.id = w.value ->> 1 WHERE true
    ON CONFLICT ("user", other) DO NOTHING"#;

impl Directory {
    /// What is known of these people for one who asks, in their order, and what who asks shows.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn presence(&self, asks: &UserId, of: &[UserId]) -> Result<(Vec<PresenceFacts>, Privacy)> {
        let ids: Vec<&str> = of.iter().chain([asks]).map(UserId::as_str).collect();
        let pool = self.db.get_sqlite_connection_pool();
        let found = sqlx::query(FACTS).bind(json!(ids).to_string()).bind(asks.as_str());
        let mut facts = vec![PresenceFacts::default(); ids.len()];
        for row in found.fetch_all(pool).await.map_err(failure)? {
            let key: i64 = row.try_get(0).map_err(failure)?;
            if let Some(place) = usize::try_from(key).ok().and_then(|key| facts.get_mut(key)) {
                *place = facts_of(&row)?;
            }
        }
        let own = facts.pop().map(|own| own.privacy).unwrap_or_default();
        Ok((facts, own))
    }

    /// To whom this user shows what.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn privacy(&self, user: &UserId) -> Result<Privacy> {
        Ok(self.presence(user, &[]).await?.1)
    }

    /// Changes to whom, and gives it as it is then; what is absent stays as it is.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn set_privacy(
        &self,
        user: &UserId,
        online: Option<Audience>,
        last_seen: Option<Audience>,
    ) -> Result<Privacy> {
        let show = sqlx::query(SHOW).bind(user.as_str()).bind(online.map(number)).bind(last_seen.map(number));
        show.execute(self.db.get_sqlite_connection_pool()).await.map_err(failure)?;
        self.privacy(user).await
    }

    /// When these people last did something, and who has written to whom: in one write. Those that are gone are no error.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn note_presence<'a>(
        &self,
        seen: impl IntoIterator<Item = (&'a UserId, Timestamp)>,
        contacts: impl IntoIterator<Item = &'a (UserId, UserId)>,
    ) -> Result<()> {
        let seen: Vec<_> = seen.into_iter().map(|(user, at)| (user.as_str(), millis(at))).collect();
        let contacts: Vec<_> = contacts.into_iter().map(|(user, other)| (user.as_str(), other.as_str())).collect();
        let mut tx = self.db.get_sqlite_connection_pool().begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
        for (sql, list) in [(SEEN, json!(seen)), (CONTACTS, json!(contacts))] {
            sqlx::query(sql).bind(list.to_string()).execute(&mut *tx).await.map_err(failure)?;
        }
        tx.commit().await.map_err(failure)?;
        Ok(())
    }
}

fn facts_of(row: &SqliteRow) -> Result<PresenceFacts> {
    let flag = |n| row.try_get::<bool, _>(n).map_err(failure);
    let seen_at: Option<i64> = row.try_get(3).map_err(failure)?;
    Ok(PresenceFacts {
        privacy: privacy_of(row, 1)?,
        last_seen: seen_at.map(|ms| timestamp(ms, "time when somebody was last here")).transpose()?,
        contact: flag(4)?,
        blocks: flag(5)?,
        blocked: flag(6)?,
    })
}

/// What the two columns from this one on say.
pub(crate) fn privacy_of(row: &SqliteRow, column: usize) -> Result<Privacy> {
    let audience = |n| -> Result<Audience> {
        Ok(match row.try_get::<Option<i64>, _>(n).map_err(failure)? {
            None => Audience::default(),
            Some(0) => Audience::Everyone,
            Some(1) => Audience::Contacts,
            Some(2) => Audience::Nobody,
            Some(_) => return Err(Error::Unreadable { what: "audience" }),
        })
    };
    Ok(Privacy { online: audience(column)?, last_seen: audience(column + 1)? })
}

fn number(audience: Audience) -> i64 {
    match audience {
        Audience::Everyone => 0,
        Audience::Contacts => 1,
        Audience::Nobody => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    async fn directory() -> (Directory, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open(&dir.path().join("directory.sqlite")).await.unwrap();
        for id in ["alice", "bob"] {
            directory.ensure_user(&user(id), None).await.unwrap();
        }
        (directory, dir)
    }

    async fn fact(directory: &Directory, asks: &str, of: &str) -> PresenceFacts {
        directory.presence(&user(asks), &[user(of)]).await.unwrap().0[0]
    }

    #[tokio::test]
    async fn m6_when_somebody_was_last_here_only_grows_and_strangers_leave_no_row() {
        let (directory, _dir) = directory().await;
        let (alice, nobody) = (user("alice"), user("nobody"));
        assert_eq!(fact(&directory, "bob", "alice").await, PresenceFacts::default());
        directory.note_presence([(&alice, Timestamp(2_000)), (&nobody, Timestamp(1))], []).await.unwrap();
        directory.note_presence([(&alice, Timestamp(1_000))], &[(nobody.clone(), alice.clone())]).await.unwrap();
        assert_eq!(fact(&directory, "bob", "alice").await.last_seen, Some(Timestamp(2_000)));
        assert_eq!(fact(&directory, "alice", "nobody").await, PresenceFacts::default());
    }

    #[tokio::test]
    async fn m6_what_is_between_two_has_a_direction_and_goes_with_the_account() {
        let (directory, _dir) = directory().await;
        let (alice, bob) = (user("alice"), user("bob"));
        for _ in 0..2 {
            directory.note_presence([(&alice, Timestamp(5_000))], &[(alice.clone(), bob.clone())]).await.unwrap();
        }
        directory.block(&bob, &alice, 10).await.unwrap();
        let (of_alice, of_bob) = (fact(&directory, "bob", "alice").await, fact(&directory, "alice", "bob").await);
        assert!(of_alice.contact && of_alice.blocked && !of_alice.blocks);
        assert!(!of_bob.contact && !of_bob.blocked && of_bob.blocks);
        directory.delete_account(&alice, &user("deleted:1")).await.unwrap();
        directory.ensure_user(&alice, None).await.unwrap();
        assert_eq!(fact(&directory, "bob", "alice").await, PresenceFacts::default());
    }

    #[tokio::test]
    async fn m16_privacy_is_kept_and_each_part_changes_alone() {
        let (directory, _dir) = directory().await;
        let alice = user("alice");
        assert_eq!(directory.privacy(&alice).await.unwrap(), Privacy::default());
        directory.set_privacy(&alice, Some(Audience::Nobody), None).await.unwrap();
        directory.note_presence([(&alice, Timestamp(5_000))], []).await.unwrap();
        directory.set_privacy(&alice, None, Some(Audience::Everyone)).await.unwrap();
        let shown = Privacy { online: Audience::Nobody, last_seen: Audience::Everyone };
        assert_eq!(directory.privacy(&alice).await.unwrap(), shown);
        let facts = fact(&directory, "bob", "alice").await;
        assert_eq!((facts.privacy, facts.last_seen), (shown, Some(Timestamp(5_000))));
    }
}
