//! Whether a caller reaches someone: who they are, and whether they want to hear of this caller, or of anyone, now.

use crate::entity::{block, user};
use crate::reception::failure;
use crate::users::now_ms;
use crate::{AccessChange, Directory, Error, Result, User};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict, sqlx,
};
use tertulia_common::UserId;

/// Someone who is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalleeFacts {
    /// Who.
    pub user: User,
    /// They have blocked the caller.
    pub blocked: bool,
    /// They are not to be disturbed now.
    pub do_not_disturb: bool,
}

/// `?1`: whom; `?2`: who asks.
const REACHED: &str = r#"
    SELECT EXISTS (SELECT 1 FROM block AS b WHERE b."user" = u.id AND b.blocked = ?2)
    FROM "user" AS u WHERE u.id = ?1 AND u.deleted_at IS NULL"#;

impl Directory {
    /// Whether `to` has blocked `from`. None: there is nobody of this id (any longer).
    ///
    /// # Errors
    /// If the database fails.
    pub async fn has_blocked(&self, to: &UserId, from: &UserId) -> Result<Option<bool>> {
        let found = sqlx::query_scalar(REACHED).bind(to.as_str()).bind(from.as_str());
        Ok(found.fetch_optional(self.db.get_sqlite_connection_pool()).await.map_err(failure)?)
    }

    /// Whom a call is for, as this caller reaches them. None: there is nobody of this id (any longer).
    ///
    /// # Errors
    /// If the database fails.
    pub async fn callee(&self, callee: &UserId, caller: &UserId) -> Result<Option<CalleeFacts>> {
        let Some(row) = user::Entity::find_by_id(callee.as_str()).one(&self.db).await? else { return Ok(None) };
        if row.deleted_at.is_some() {
            return Ok(None);
        }
        let key = (callee.as_str().to_owned(), caller.as_str().to_owned());
        let blocked = block::Entity::find_by_id(key).one(&self.db).await?.is_some();
        let do_not_disturb = row.do_not_disturb_until.is_some_and(|until| until > now_ms());
        Ok(Some(CalleeFacts { user: row.try_into()?, blocked, do_not_disturb }))
    }

    /// Whom this user has blocked, the newest first, at most `limit`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn blocks_of(&self, user: &UserId, limit: u64) -> Result<Vec<User>> {
        let rows = block::Entity::find()
            .filter(block::Column::User.eq(user.as_str()))
            .order_by_desc(block::Column::At)
            .order_by_asc(block::Column::Blocked)
            .limit(limit)
            .all(&self.db)
            .await?;
        let mut users = self.users_by_id(rows.iter().map(|row| row.blocked.clone()).collect()).await?;
        Ok(rows.iter().filter_map(|row| users.remove(&row.blocked)).collect())
    }

    /// This user does not want to hear of the other any more. Again is no error.
    ///
    /// # Errors
    /// [`Error::UnknownUser`] if one of them is not here, [`Error::Full`] if the user has blocked `max` people; if the
    /// database fails.
    pub async fn block(&self, user: &UserId, blocked: &UserId, max: u64) -> Result<()> {
        let (user, blocked) = (user.clone(), blocked.clone());
        self.changing(AccessChange::AllGrants, async move |this| {
            let tx = this.begin_write().await?;
            let others = block::Entity::find()
                .filter(block::Column::User.eq(user.as_str()))
                .filter(block::Column::Blocked.ne(blocked.as_str()));
            if others.count(&tx).await? >= max {
                return Err(Error::Full { max });
            }
            let row = block::ActiveModel {
                user: Set(user.as_str().to_owned()),
                blocked: Set(blocked.as_str().to_owned()),
                at: Set(now_ms()),
            };
            let again = OnConflict::columns([block::Column::User, block::Column::Blocked]).do_nothing().to_owned();
            block::Entity::insert(row).on_conflict(again).exec_without_returning(&tx).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    /// This user wants to hear of the other again.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn unblock(&self, user: &UserId, blocked: &UserId) -> Result<()> {
        let pair = (user.as_str().to_owned(), blocked.as_str().to_owned());
        self.changing(AccessChange::AllGrants, async move |this| {
            block::Entity::delete_by_id(pair).exec(&this.db).await?;
            Ok(())
        })
        .await
    }
}
