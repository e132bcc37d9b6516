//! Call links: who made them, what they are good for, and until when.
//!
//! Invariants: of a link's token only the hash is kept, and looked up whole; a link is good while it is neither revoked nor over, and that
//! is asked of the row each time; an owner has so many that are good, and at most as many more that are not.

use crate::calls::Media;
use crate::devices::hex;
use crate::entity::call_link::{ActiveModel, Column, Entity, Model};
use crate::users::{millis, now_ms, timestamp};
use crate::{Directory, Error, Result, User};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, Select};
use tertulia_common::{Timestamp, UserId};

/// A call link.
#[derive(Clone, PartialEq, Eq)]
pub struct CallLink {
    /// What it is called here: 32 hex digits.
    pub id: String,
    /// Who made it.
    pub owner: UserId,
    /// What its call is called.
    pub name: Option<String>,
    /// What its calls are started as.
    pub media: Media,
    /// Whether people wait until a host lets them in.
    pub approval: bool,
    /// When it was made.
    pub made_at: Timestamp,
    /// From then on nobody new comes in by it.
    pub expires_at: Timestamp,
}

// No `Debug` of what people write.
impl std::fmt::Debug for CallLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, owner, approval, expires_at, .. } = self;
        let mut debug = f.debug_struct("CallLink");
        debug.field("id", id).field("owner", owner).field("approval", approval).field("expires_at", expires_at);
        debug.finish_non_exhaustive()
    }
}

/// A link that is good, as somebody finds it who has its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCallLink {
    /// The link.
    pub link: CallLink,
    /// Who made it.
    pub owner: User,
    /// They have blocked who asks.
    pub blocked: bool,
}

impl TryFrom<Model> for CallLink {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: row.id,
            owner: row.owner.parse().map_err(|_| Error::Unreadable { what: "owner of a call link" })?,
            name: row.name,
            media: row.media,
            approval: row.approval,
            made_at: timestamp(row.made_at, "time of a call link")?,
            expires_at: timestamp(row.expires_at, "end of a call link")?,
        })
    }
}

fn good(links: Select<Entity>) -> Select<Entity> {
    links.filter(Column::RevokedAt.is_null()).filter(Column::ExpiresAt.gt(now_ms()))
}

impl Directory {
    /// Keeps a new link, whose token has this hash. What its owner has that is good no longer is forgotten.
    ///
    /// # Errors
    /// [`Error::Full`] if its owner has `max` that are good, [`Error::UnknownUser`] if they are not here; if the database fails.
    pub async fn add_call_link(&self, link: &CallLink, hash: &[u8; 32], max: u64) -> Result<()> {
        let owner = link.owner.as_str();
        let tx = self.begin_write().await?;
        let over = Condition::any().add(Column::RevokedAt.is_not_null()).add(Column::ExpiresAt.lte(now_ms()));
        Entity::delete_many().filter(Column::Owner.eq(owner)).filter(over).exec(&tx).await?;
        if Entity::find().filter(Column::Owner.eq(owner)).count(&tx).await? >= max {
            return Err(Error::Full { max });
        }
        let row = ActiveModel {
            id: Set(link.id.clone()),
            hash: Set(hex(hash)),
            owner: Set(owner.to_owned()),
            name: Set(link.name.clone()),
            media: Set(link.media),
            approval: Set(link.approval),
            made_at: Set(millis(link.made_at)),
            expires_at: Set(millis(link.expires_at)),
            revoked_at: Set(None),
        };
        Entity::insert(row).exec_without_returning(&tx).await?;
        Ok(tx.commit().await?)
    }

    /// This user's links that are good, the newest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn call_links_of(&self, owner: &UserId) -> Result<Vec<CallLink>> {
        let links = good(Entity::find().filter(Column::Owner.eq(owner.as_str())));
        let rows = links.order_by_desc(Column::MadeAt).order_by_asc(Column::Id).all(&self.db).await?;
        rows.into_iter().map(CallLink::try_from).collect()
    }

    /// The link whose token has this hash, as `from` finds it. None: there is none, or it is good no longer.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn call_link(&self, hash: &[u8; 32], from: &UserId) -> Result<Option<FoundCallLink>> {
        let found = good(Entity::find().filter(Column::Hash.eq(hex(hash)))).one(&self.db).await?;
        let Some(link) = found.map(CallLink::try_from).transpose()? else { return Ok(None) };
        let owner = self.callee(&link.owner, from).await?;
        Ok(owner.map(|owner| FoundCallLink { link, owner: owner.user, blocked: owner.blocked }))
    }

    /// This link of this user is good no longer. False: they have none of this id. Again is no error.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn revoke_call_link(&self, owner: &UserId, id: &str) -> Result<bool> {
        let theirs = || Condition::all().add(Column::Id.eq(id)).add(Column::Owner.eq(owner.as_str()));
        let revoked = Entity::update_many().col_expr(Column::RevokedAt, Expr::value(now_ms()));
        revoked.filter(theirs()).filter(Column::RevokedAt.is_null()).exec(&self.db).await?;
        Ok(Entity::find().filter(theirs()).count(&self.db).await? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn link(id: &str, owner: &str) -> CallLink {
        let made_at = timestamp(now_ms(), "now").unwrap();
        CallLink {
            id: id.to_owned(),
            owner: owner.parse().unwrap(),
            name: Some("Book club".to_owned()),
            media: Media::Video,
            approval: true,
            made_at,
            expires_at: made_at + HOUR,
        }
    }

    async fn directory() -> (Directory, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open(&dir.path().join("directory.sqlite")).await.unwrap();
        for user in ["alice", "bob"] {
            directory.ensure_user(&user.parse().unwrap(), Some(user)).await.unwrap();
        }
        (directory, dir)
    }

    #[tokio::test]
    async fn c3_a_link_is_found_by_its_hash_until_it_is_revoked_or_over() {
        let (directory, _dir) = directory().await;
        let bob: UserId = "bob".parse().unwrap();
        let mine = link("a", "alice");
        directory.add_call_link(&mine, &[1; 32], 2).await.unwrap();
        let found = directory.call_link(&[1; 32], &bob).await.unwrap().unwrap();
        assert_eq!((&found.link, found.blocked), (&mine, false));
        assert_eq!(directory.call_link(&[2; 32], &bob).await.unwrap(), None);
        directory.block(&mine.owner, &bob, 9).await.unwrap();
        assert!(directory.call_link(&[1; 32], &bob).await.unwrap().unwrap().blocked);

        let over = CallLink { expires_at: mine.made_at, ..link("b", "alice") };
        directory.add_call_link(&over, &[3; 32], 2).await.unwrap();
        assert_eq!(directory.call_link(&[3; 32], &bob).await.unwrap(), None, "its time is over");
        assert_eq!(directory.call_links_of(&mine.owner).await.unwrap(), std::slice::from_ref(&mine));

        assert!(!directory.revoke_call_link(&bob, "a").await.unwrap(), "it is not theirs");
        assert!(directory.call_link(&[1; 32], &bob).await.unwrap().is_some());
        assert!(directory.revoke_call_link(&mine.owner, "a").await.unwrap());
        assert!(directory.revoke_call_link(&mine.owner, "a").await.unwrap(), "again");
        assert_eq!(directory.call_link(&[1; 32], &bob).await.unwrap(), None);
        assert!(directory.call_links_of(&mine.owner).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn c3_an_owner_has_so_many_links_that_are_good_and_they_go_with_their_account() {
        let (directory, _dir) = directory().await;
        let alice: UserId = "alice".parse().unwrap();
        directory.add_call_link(&link("a", "alice"), &[1; 32], 2).await.unwrap();
        directory.add_call_link(&link("b", "alice"), &[2; 32], 2).await.unwrap();
        directory.add_call_link(&link("c", "bob"), &[3; 32], 2).await.unwrap();
        let full = directory.add_call_link(&link("d", "alice"), &[4; 32], 2).await;
        assert!(matches!(full, Err(Error::Full { max: 2 })), "{full:?}");
        directory.revoke_call_link(&alice, "a").await.unwrap();
        directory.add_call_link(&link("d", "alice"), &[4; 32], 2).await.unwrap();
        assert_eq!(Entity::find().count(&directory.db).await.unwrap(), 3, "what is good no longer is forgotten");
        directory.delete_account(&alice, &"deleted:1".parse().unwrap()).await.unwrap();
        assert_eq!(Entity::find().count(&directory.db).await.unwrap(), 1);
    }
}
