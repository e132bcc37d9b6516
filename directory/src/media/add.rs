//! New handles: uploaded, claimed, forwarded. Quotas and the queue's bounds are looked at in the transaction that adds.

use super::{BlobPut, ContentId, ContentState, MediaContent, MediaFile, MediaMade, MediaRefusal, Sha256};
use super::{blobs, content_state, media_of, signed, unhex};
use crate::devices::hex;
use crate::entity::{media, media_content, media_grant, media_job, user};
use crate::users::millis;
use crate::{Directory, Error, Result};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect,
};
use tertulia_common::{DeviceId, MediaId, Timestamp, UserId};

/// What a user may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaQuota {
    /// Bytes.
    pub bytes_max: u64,
    /// Files.
    pub files_max: u64,
}

/// A handle that is to be.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "who sends what to whom")]
pub struct NewMedia {
    /// Its id, new.
    pub id: MediaId,
    /// Whose.
    pub owner: UserId,
    /// From which device.
    pub device: Option<DeviceId>,
    /// What they call it.
    pub file_name: Option<String>,
    /// To be seen once by each of these.
    pub view_once: Option<Vec<UserId>>,
    /// Though nobody else has it.
    pub kept: bool,
    /// Now.
    pub now: Timestamp,
    /// When it goes, if nothing changes.
    pub ends_at: Option<Timestamp>,
    /// What its owner may have.
    pub quota: MediaQuota,
}

/// Where its content comes from.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "it holds what proves possession")]
pub enum MediaOrigin {
    /// An upload.
    Upload {
        /// SHA-256 of the original.
        sha256: Sha256,
        /// What its sender wants.
        treatment: String,
        /// Proves possession.
        h2: Sha256,
        /// What it was sniffed to be.
        class: String,
        /// Bytes as sent.
        original_bytes: u64,
        /// What is to be done if it is not known.
        unknown: UnknownContent,
    },
    /// A proof of possession: of a content that is ready, and somebody's other than to be seen once.
    Claim(ContentId),
    /// A file that somebody has shared with this user.
    Forward(ContentId),
}

/// What is to be done with an upload that is not known.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "as MediaOrigin")]
pub enum UnknownContent {
    /// Nothing: [`MediaAdded::Unknown`] comes back.
    Ask,
    /// Nothing has to be made of it: it has been put.
    Ready(Box<MediaMade>, Vec<BlobPut>),
    /// A job.
    Job {
        /// The original's name in the spool.
        input: String,
        /// Jobs there may be.
        queue_max: u64,
        /// The same of one user.
        queue_of_user_max: u64,
        /// Reasons for which the same bytes are not tried again while their refusal is remembered.
        final_reasons: &'static [&'static str],
    },
}

/// What came of it.
#[derive(Debug)]
pub enum MediaAdded {
    /// The handle.
    Added {
        /// As it is now.
        media: Box<MediaFile>,
        /// Whether the job is new, and its input the directory's. Else the bytes are here already, or being worked on.
        is_new_job: bool,
    },
    /// The content is not known, or can't be had by this way.
    Unknown,
    /// A blob was given up while it was on its way: put it again.
    Stale,
    /// The same bytes were refused a while ago.
    Refused(MediaRefusal),
    /// Its owner would have more than they may.
    OverBytes {
        /// What they would have.
        actual: u64,
    },
    /// The same in files.
    OverFiles {
        /// What they would have.
        actual: u64,
    },
    /// There are as many jobs as there may be.
    QueueFull {
        /// How many.
        max: u64,
    },
}

impl Directory {
    /// Adds a handle. Everything or nothing.
    ///
    /// # Errors
    /// [`Error::UnknownUser`] if the owner, or one of those who are to see it, is nobody; if the database fails.
    pub async fn media_add(&self, new: &NewMedia, origin: &MediaOrigin) -> Result<MediaAdded> {
        let tx = self.begin_write().await?;
        if let Some(row) = media::Entity::find_by_id(new.id.to_string()).one(&tx).await? {
            // Asked again by whoever has not heard that it was done.
            let content = media_content::Entity::find_by_id(row.content).one(&tx).await?;
            let content = content.ok_or(Error::Unreadable { what: "content" })?;
            let media = media_of(row, content)?;
            if media.owner != new.owner {
                return Ok(MediaAdded::Unknown);
            }
            return Ok(MediaAdded::Added { media: Box::new(media), is_new_job: false });
        }
        let (content, is_new_job) = match content_for(&tx, new, origin).await? {
            Ok(found) => found,
            Err(other) => return Ok(other),
        };
        let charged = charge_of(&content)?;
        if let Some(over) = over_quota(&tx, new, charged).await? {
            return Ok(over);
        }
        let row = media::ActiveModel {
            id: Set(new.id.to_string()),
            owner: Set(new.owner.as_str().to_owned()),
            device: Set(new.device.as_ref().map(|device| device.as_str().to_owned())),
            content: Set(content.id),
            file_name: Set(new.file_name.clone()),
            view_once: Set(new.view_once.is_some()),
            kept: Set(new.kept),
            created_at: Set(millis(new.now)),
            charged: Set(signed(charged)),
            ends_at: Set(new.ends_at.map(millis)),
        };
        media::Entity::insert(row).exec_without_returning(&tx).await?;
        media_content::Entity::update_many()
            .col_expr(media_content::Column::OrphanSince, Expr::value(None::<i64>))
            .filter(media_content::Column::Id.eq(content.id))
            .filter(media_content::Column::OrphanSince.is_not_null())
            .exec(&tx)
            .await?;
        grant(&tx, new.id, new.view_once.as_deref().unwrap_or_default(), "", new.now).await?;
        let row = media::Entity::find_by_id(new.id.to_string()).one(&tx).await?;
        let media = media_of(row.ok_or(Error::Unreadable { what: "file" })?, content)?;
        tx.commit().await?;
        Ok(MediaAdded::Added { media: Box::new(media), is_new_job })
    }

    /// A content that can be claimed by a proof, and its H2: it is ready, of this size, and somebody has it other than to be
    /// seen once.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_claimable(
        &self,
        sha256: &Sha256,
        treatment: &str,
        bytes: u64,
    ) -> Result<Option<(ContentId, Sha256)>> {
        let Some(row) = by_original(&self.db, sha256, treatment).await? else { return Ok(None) };
        if row.original_bytes != signed(bytes) || !is_claimable(&self.db, &row).await? {
            return Ok(None);
        }
        Ok(Some((ContentId(row.id), unhex(&row.h2)?)))
    }

    /// What a user's files come to: how many, and their bytes.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_usage(&self, user: &UserId) -> Result<(u64, u64)> {
        usage(&self.db, user).await
    }
}

/// The content of a new handle, and whether its job is new.
async fn content_for(
    tx: &impl ConnectionTrait,
    new: &NewMedia,
    origin: &MediaOrigin,
) -> Result<std::result::Result<(media_content::Model, bool), MediaAdded>> {
    let (sha256, treatment) = match origin {
        MediaOrigin::Upload { sha256, treatment, .. } => (sha256, treatment),
        MediaOrigin::Claim(id) => {
            let row = media_content::Entity::find_by_id(id.0).one(tx).await?;
            return Ok(match row {
                Some(row) if is_claimable(tx, &row).await? => Ok((row, false)),
                _ => Err(MediaAdded::Unknown),
            });
        }
        MediaOrigin::Forward(id) => {
            let row = media_content::Entity::find_by_id(id.0).one(tx).await?;
            let row = row.filter(|row| row.state != content_state::REFUSED);
            return Ok(row.map(|row| (row, false)).ok_or(MediaAdded::Unknown));
        }
    };
    let known = by_original(tx, sha256, treatment).await?;
    match known {
        Some(row) if row.state != content_state::REFUSED => Ok(Ok((row, false))),
        known => make_content(tx, new, origin, known).await,
    }
}

/// A content that is new, or was refused and is tried again.
async fn make_content(
    tx: &impl ConnectionTrait,
    new: &NewMedia,
    origin: &MediaOrigin,
    refused: Option<media_content::Model>,
) -> Result<std::result::Result<(media_content::Model, bool), MediaAdded>> {
    let MediaOrigin::Upload { sha256, treatment, h2, class, original_bytes, unknown } = origin else {
        return Ok(Err(MediaAdded::Unknown));
    };
    let made = match unknown {
        UnknownContent::Ask => return Ok(Err(MediaAdded::Unknown)),
        UnknownContent::Ready(made, puts) => {
            if !blobs::keep(tx, puts, new.now).await? {
                return Ok(Err(MediaAdded::Stale));
            }
            Some(made.as_ref())
        }
        UnknownContent::Job { queue_max, queue_of_user_max, final_reasons, .. } => {
            if let Some(row) = &refused
                && row.reason.as_deref().is_some_and(|reason| final_reasons.contains(&reason))
                && let ContentState::Refused(refusal) = MediaContent::try_from(row.clone())?.state
            {
                return Ok(Err(MediaAdded::Refused(refusal)));
            }
            if let Some(max) = full(tx, &new.owner, *queue_max, *queue_of_user_max).await? {
                return Ok(Err(MediaAdded::QueueFull { max }));
            }
            None
        }
    };
    let mut row = content_row(made, class);
    row.sha256 = Set(hex(sha256));
    row.treatment = Set(treatment.clone());
    row.h2 = Set(hex(h2));
    row.original_bytes = Set(signed(*original_bytes));
    let id = match refused {
        None => media_content::Entity::insert(row).exec(tx).await?.last_insert_id,
        Some(refused) => {
            row.id = Set(refused.id);
            media_content::Entity::update(row).exec(tx).await?;
            refused.id
        }
    };
    if let UnknownContent::Job { input, .. } = unknown {
        let job = media_job::ActiveModel {
            content: Set(id),
            input: Set(input.clone()),
            user: Set(new.owner.as_str().to_owned()),
            attempts: Set(0),
        };
        media_job::Entity::insert(job).exec_without_returning(tx).await?;
    }
    let row = media_content::Entity::find_by_id(id).one(tx).await?;
    Ok(Ok((row.ok_or(Error::Unreadable { what: "content" })?, made.is_none())))
}

/// The columns that say what has become of a content.
pub(super) fn content_row(made: Option<&MediaMade>, class: &str) -> media_content::ActiveModel {
    let key = |blob: Option<super::MediaBlob>| blob.map(|blob| hex(&blob.key));
    let bytes = |blob: Option<super::MediaBlob>| blob.map_or(0, |blob| signed(blob.bytes));
    let main = made.map(|made| made.main);
    let (jpeg, webp) = (made.and_then(|made| made.thumb_jpeg), made.and_then(|made| made.thumb_webp));
    let state = if made.is_some() { content_state::READY } else { content_state::PROCESSING };
    media_content::ActiveModel {
        id: NotSet,
        sha256: NotSet,
        treatment: NotSet,
        h2: NotSet,
        original_bytes: NotSet,
        class: Set(made.map_or(class, |made| &made.class).to_owned()),
        state: Set(state.to_owned()),
        reason: Set(None),
        limit_figure: Set(None),
        actual_figure: Set(None),
        main: Set(key(main)),
        main_bytes: Set(bytes(main)),
        thumb_jpeg: Set(key(jpeg)),
        thumb_jpeg_bytes: Set(bytes(jpeg)),
        thumb_webp: Set(key(webp)),
        thumb_webp_bytes: Set(bytes(webp)),
        mime: Set(made.map(|made| made.mime.clone()).unwrap_or_default()),
        width: Set(made.map_or(0, |made| made.width.into())),
        height: Set(made.map_or(0, |made| made.height.into())),
        duration_ms: Set(made.map_or(0, |made| signed(made.duration_ms))),
        has_sound: Set(made.is_some_and(|made| made.has_sound)),
        is_salvaged: Set(made.is_some_and(|made| made.is_salvaged)),
        thumbhash: Set(made.map(|made| made.thumbhash.clone()).unwrap_or_default()),
        preview: Set(made.map(|made| made.preview.clone()).unwrap_or_default()),
        waveform: Set(made.map(|made| made.waveform.clone()).unwrap_or_default()),
        orphan_since: Set(None),
    }
}

/// Grants a file to these people, once.
pub(super) async fn grant(
    tx: &impl ConnectionTrait,
    id: MediaId,
    to: &[UserId],
    reference: &str,
    now: Timestamp,
) -> Result<()> {
    for person in to {
        // Those who stand for deleted accounts are nobody.
        let there = user::Entity::find_by_id(person.as_str()).filter(user::Column::DeletedAt.is_null());
        there.one(tx).await?.ok_or(Error::UnknownUser)?;
        let row = media_grant::ActiveModel {
            media: Set(id.to_string()),
            user: Set(person.as_str().to_owned()),
            reference: Set(reference.to_owned()),
            at: Set(millis(now)),
        };
        let key = [media_grant::Column::Media, media_grant::Column::User, media_grant::Column::Reference];
        let again = sea_orm::sea_query::OnConflict::columns(key).do_nothing().to_owned();
        media_grant::Entity::insert(row).on_conflict(again).exec_without_returning(tx).await?;
    }
    Ok(())
}

async fn by_original(
    db: &impl ConnectionTrait,
    sha256: &Sha256,
    treatment: &str,
) -> Result<Option<media_content::Model>> {
    let row = media_content::Entity::find().filter(media_content::Column::Sha256.eq(hex(sha256)));
    Ok(row.filter(media_content::Column::Treatment.eq(treatment)).one(db).await?)
}

async fn is_claimable(db: &impl ConnectionTrait, row: &media_content::Model) -> Result<bool> {
    if row.state != content_state::READY {
        return Ok(false);
    }
    let somebodys = media::Entity::find()
        .filter(media::Column::Content.eq(row.id))
        .filter(media::Column::ViewOnce.eq(false))
        .select_only()
        .column(media::Column::Id)
        .into_tuple::<String>();
    Ok(somebodys.one(db).await?.is_some())
}

/// What a handle on it takes of its owner's quota.
fn charge_of(row: &media_content::Model) -> Result<u64> {
    Ok(match MediaContent::try_from(row.clone())? {
        MediaContent { state: ContentState::Ready(made), .. } => made.bytes(),
        MediaContent { original_bytes, .. } => original_bytes,
    })
}

async fn over_quota(tx: &impl ConnectionTrait, new: &NewMedia, charged: u64) -> Result<Option<MediaAdded>> {
    let (files, bytes) = usage(tx, &new.owner).await?;
    let (files, bytes) = (files.saturating_add(1), bytes.saturating_add(charged));
    if bytes > new.quota.bytes_max {
        return Ok(Some(MediaAdded::OverBytes { actual: bytes }));
    }
    Ok((files > new.quota.files_max).then_some(MediaAdded::OverFiles { actual: files }))
}

async fn usage(db: &impl ConnectionTrait, user: &UserId) -> Result<(u64, u64)> {
    let sums = media::Entity::find()
        .filter(media::Column::Owner.eq(user.as_str()))
        .select_only()
        .column_as(Expr::col(media::Column::Id).count(), "files")
        .column_as(Expr::col(media::Column::Charged).sum(), "bytes")
        .into_tuple::<(i64, Option<i64>)>()
        .one(db)
        .await?;
    let (files, bytes) = sums.unwrap_or_default();
    Ok((u64::try_from(files).unwrap_or(0), u64::try_from(bytes.unwrap_or(0)).unwrap_or(0)))
}

/// The bound that one more job would pass, if it would.
async fn full(tx: &impl ConnectionTrait, user: &UserId, all: u64, of_user: u64) -> Result<Option<u64>> {
    if media_job::Entity::find().count(tx).await? >= all {
        return Ok(Some(all));
    }
    let mine = media_job::Entity::find().filter(media_job::Column::User.eq(user.as_str()));
    Ok((mine.count(tx).await? >= of_user).then_some(of_user))
}
