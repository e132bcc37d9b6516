//! Grants that hang on messages: everybody a message is for has what it carries, its sender included.
//!
//! Invariant: a file that a message refers to does not go by itself, except one that is seen once. Saying the same again
//! changes nothing: whoever sends a message says it before the message is durable, and says it again when they don't know.

use super::share::{Shared, end_if_idle, set_end};
use super::{access, content_state, once};
use crate::entity::{media, media_content, media_grant, user};
use crate::users::millis;
use crate::{AccessChange, Directory, Result};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use tertulia_common::{MediaId, Timestamp, UserId};

impl Directory {
    /// A message of its owner's carries a file to these people: each who is there has it from now on. What is seen once its
    /// owner has not.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_refer(
        &self,
        owner: &UserId,
        id: MediaId,
        people: &[UserId],
        reference: &str,
        max: u64,
        now: Timestamp,
    ) -> Result<Shared> {
        let (owner, people, reference) = (owner.clone(), people.to_vec(), reference.to_owned());
        self.changing(AccessChange::File(id), async move |this| {
            let tx = this.begin_write().await?;
            let row = access::there(&tx, id, now).await?.filter(|row| row.owner == owner.as_str());
            let Some(row) = row else { return Ok(Shared::NotFound) };
            let content = media_content::Entity::find_by_id(row.content).one(&tx).await?;
            if content.is_none_or(|content| content.state != content_state::READY) {
                return Ok(Shared::NotFound);
            }
            let people = people.iter().filter(|person| !row.view_once || **person != owner);
            refer(&tx, &row, people, &reference, now).await?;
            let grants = media_grant::Entity::find().filter(media_grant::Column::Media.eq(&row.id));
            if grants.count(&tx).await? > max {
                return Ok(Shared::Full);
            }
            if !row.view_once {
                set_end(&tx, &row.id, None).await?;
            }
            tx.commit().await?;
            Ok(Shared::Done)
        })
        .await
    }

    /// A message that was to carry a file to these people does not, or does not any longer. What is then neither shared nor kept
    /// goes at `idle_end`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_let_go(
        &self,
        id: MediaId,
        people: &[UserId],
        reference: &str,
        now: Timestamp,
        idle_end: Timestamp,
    ) -> Result<()> {
        let (people, reference) = (people.to_vec(), reference.to_owned());
        self.changing(AccessChange::Grants(id, people.clone()), async move |this| {
            let tx = this.begin_write().await?;
            let Some(row) = media::Entity::find_by_id(id.to_string()).one(&tx).await? else { return Ok(()) };
            media_grant::Entity::delete_many()
                .filter(media_grant::Column::Media.eq(&row.id))
                .filter(media_grant::Column::Reference.eq(reference))
                .filter(media_grant::Column::User.is_in(people.iter().map(UserId::as_str)))
                .exec(&tx)
                .await?;
            if row.view_once {
                once::end_when_all_have_opened(&tx, &row, now).await?;
            } else {
                end_if_idle(&tx, &row, idle_end).await?;
            }
            tx.commit().await?;
            Ok(())
        })
        .await
    }
}

/// One row each for those who are somebody: whoever deletes their account at this moment is in the group until it hears.
async fn refer<'a>(
    tx: &impl ConnectionTrait,
    row: &media::Model,
    people: impl Iterator<Item = &'a UserId>,
    reference: &str,
    now: Timestamp,
) -> Result<()> {
    let there: Vec<String> = user::Entity::find()
        .filter(user::Column::Id.is_in(people.map(UserId::as_str)))
        .filter(user::Column::DeletedAt.is_null())
        .select_only()
        .column(user::Column::Id)
        .into_tuple()
        .all(tx)
        .await?;
    if there.is_empty() {
        return Ok(());
    }
    let grants = there.into_iter().map(|person| media_grant::ActiveModel {
        media: Set(row.id.clone()),
        user: Set(person),
        reference: Set(reference.to_owned()),
        at: Set(millis(now)),
    });
    let key = [media_grant::Column::Media, media_grant::Column::User, media_grant::Column::Reference];
    let again = OnConflict::columns(key).do_nothing().to_owned();
    media_grant::Entity::insert_many(grants).on_conflict(again).exec_without_returning(tx).await?;
    Ok(())
}
