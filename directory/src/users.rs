//! People: who exists, and under which name the others see them.

use crate::entity::user::{ActiveModel, Column, Entity, Model};
use crate::{Directory, Error, Result};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};
use tertulia_common::{Pii, Timestamp, UserId};

/// The longest display name, in characters. A longer one is cut: it comes from an app's token, where there is nobody to
/// tell.
pub const NAME_CHARS_MAX: usize = 100;

/// A person.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// What the others see.
    pub name: String,
    /// When they first came.
    pub created_at: Timestamp,
    /// They have deleted their account: this one only stands for them in the others' history.
    pub deleted: bool,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, name, created_at, deleted } = self;
        let mut shown = f.debug_struct("User");
        shown.field("id", id).field("name", &Pii(name)).field("created_at", created_at);
        shown.field("deleted", deleted).finish()
    }
}

impl TryFrom<Model> for User {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: row.id.parse().map_err(|_| Error::Unreadable { what: "user id" })?,
            name: row.name,
            created_at: timestamp(row.created_at, "time when a user first came")?,
            deleted: row.deleted_at.is_some(),
        })
    }
}

impl Directory {
    /// The user of this id, made now if they were not here. A name replaces the one they had; without one they keep it,
    /// and someone new is called by their id.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn ensure_user(&self, id: &UserId, name: Option<&str>) -> Result<User> {
        let name = name.and_then(cut_name);
        // Nothing new costs no write, and so no fsync: this runs at every connect.
        if let Some(user) = self.user(id).await?
            && name.as_ref().is_none_or(|name| *name == user.name)
        {
            return Ok(user);
        }
        let mut conflict = OnConflict::column(Column::Id);
        match &name {
            Some(_) => conflict.update_column(Column::Name),
            None => conflict.do_nothing(),
        };
        let row = ActiveModel {
            id: Set(id.as_str().to_owned()),
            name: Set(name.unwrap_or_else(|| id.as_str().to_owned())),
            created_at: Set(now_ms()),
            phone: Set(None),
            deleted_at: Set(None),
            do_not_disturb_until: Set(None),
        };
        Entity::insert(row).on_conflict(conflict).exec_without_returning(&self.db).await?;
        self.user(id).await?.ok_or(Error::UnknownUser)
    }

    /// The user of this id, if they have ever come.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>> {
        // Those who stand for deleted accounts are nobody.
        let row = Entity::find_by_id(id.as_str()).filter(Column::DeletedAt.is_null()).one(&self.db).await?;
        row.map(User::try_from).transpose()
    }

    /// Everyone, by name, at most `limit`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn people(&self, limit: u64) -> Result<Vec<User>> {
        let rows =
            Entity::find().filter(Column::DeletedAt.is_null()).order_by_asc(Column::Name).order_by_asc(Column::Id);
        let rows = rows.limit(limit).all(&self.db).await?;
        rows.into_iter().map(User::try_from).collect()
    }

    /// These users, by the id as the tables write it.
    pub(crate) async fn users_by_id(&self, ids: Vec<String>) -> Result<HashMap<String, User>> {
        let rows = Entity::find().filter(Column::Id.is_in(ids)).all(&self.db).await?;
        rows.into_iter().map(|row| Ok((row.id.clone(), User::try_from(row)?))).collect()
    }
}

/// Times are kept as the database's signed numbers.
pub(crate) fn timestamp(ms: i64, what: &'static str) -> Result<Timestamp> {
    u64::try_from(ms).map(Timestamp).map_err(|_| Error::Unreadable { what })
}

/// A name as it is kept; none if nothing is left of it.
pub(crate) fn cut_name(name: &str) -> Option<String> {
    let name = name.trim();
    (!name.is_empty()).then(|| name.chars().take(NAME_CHARS_MAX).collect())
}

/// Times beyond the year 292 million are cut.
pub(crate) fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
