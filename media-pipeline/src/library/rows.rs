//! Between the directory's rows and the library's words.

use super::words::{Made, MediaState, MediaView, Servable, Variant};
use super::{Inner, LibraryError};
use crate::store::BlobKey;
use tertulia_common::{Timestamp, UserId};
use tertulia_directory::{ContentState, Error, MediaBlob, MediaFile, MediaMade, MediaRefusal};
use tertulia_media_core::{Class, Outcome, Reason, Refusal, Treatment};

/// What a browser gets that must not guess.
const UNKNOWN_MIME: &str = "application/octet-stream";

/// What came of a worker's job, with the blobs it was put in.
pub(crate) fn made(outcome: Outcome, main: MediaBlob, thumbs: [Option<MediaBlob>; 2]) -> MediaMade {
    let [thumb_jpeg, thumb_webp] = thumbs;
    MediaMade {
        class: outcome.class.name().to_owned(),
        mime: outcome.mime,
        main,
        thumb_jpeg,
        thumb_webp,
        width: outcome.width,
        height: outcome.height,
        duration_ms: outcome.duration_ms,
        has_sound: outcome.has_sound,
        is_salvaged: outcome.is_salvaged,
        thumbhash: outcome.thumbhash,
        preview: outcome.preview,
        waveform: outcome.waveform,
    }
}

/// A file that is kept as it came.
pub(crate) fn untouched(class: Class, mime: &str, main: MediaBlob) -> MediaMade {
    MediaMade {
        class: class.name().to_owned(),
        mime: mime.to_owned(),
        main,
        thumb_jpeg: None,
        thumb_webp: None,
        width: 0,
        height: 0,
        duration_ms: 0,
        has_sound: false,
        is_salvaged: false,
        thumbhash: Vec::new(),
        preview: String::new(),
        waveform: Vec::new(),
    }
}

/// A refusal as a row has it.
pub(crate) fn refusal_row(refusal: Refusal) -> MediaRefusal {
    MediaRefusal { reason: refusal.reason.name().to_owned(), limit: refusal.limit, actual: refusal.actual }
}

/// A refusal as it is told.
pub(crate) fn refusal(row: &MediaRefusal) -> Refusal {
    let reason = Reason::ALL.iter().copied().find(|reason| reason.name() == row.reason);
    // A reason of a later version is still one.
    Refusal { reason: reason.unwrap_or(Reason::Unsupported), limit: row.limit, actual: row.actual }
}

pub(crate) fn class(name: &str) -> Result<Class, LibraryError> {
    name.parse().map_err(|()| Error::Unreadable { what: "class" }.into())
}

impl Inner {
    /// A file as `viewer` sees it.
    pub(crate) fn view(&self, media: MediaFile, viewer: &UserId) -> Result<MediaView, LibraryError> {
        let treatment: Treatment =
            media.content.treatment.parse().map_err(|()| Error::Unreadable { what: "treatment" })?;
        let state = match &media.content.state {
            ContentState::Processing => MediaState::Processing(self.queue.progress(media.content.id)),
            ContentState::Ready(made) => MediaState::Ready(Box::new(made_view(made, media.view_once))),
            ContentState::Refused(row) => MediaState::Refused(refusal(row)),
        };
        Ok(MediaView {
            id: media.id,
            is_mine: media.owner == *viewer,
            owner: media.owner,
            treatment,
            class: class(&media.content.class)?,
            file_name: media.file_name,
            original_bytes: media.content.original_bytes,
            created_at: media.created_at,
            keep: media.kept,
            view_once: media.view_once,
            kept_until: media.ends_at,
            state,
        })
    }
}

/// Of what is seen once nobody sees anything beforehand.
fn made_view(made: &MediaMade, view_once: bool) -> Made {
    let shown = !view_once;
    Made {
        mime: made.mime.clone(),
        bytes: made.main.bytes,
        width: made.width,
        height: made.height,
        duration_ms: made.duration_ms,
        has_sound: made.has_sound,
        is_salvaged: made.is_salvaged,
        has_thumbnail: shown && made.thumb_jpeg.is_some() && made.thumb_webp.is_some(),
        thumbhash: if shown { made.thumbhash.clone() } else { Vec::new() },
        preview: if shown { made.preview.clone() } else { String::new() },
        waveform: if shown { made.waveform.clone() } else { Vec::new() },
    }
}

/// Of a file, what it takes to send it. Kept in memory by the thousand.
#[derive(Clone)]
pub(crate) struct FileRow {
    pub(crate) owner: UserId,
    pub(crate) view_once: bool,
    pub(crate) ends_at: Option<Timestamp>,
    file_name: Option<String>,
    /// `None` while nothing has been made of it, or nothing can be.
    ready: Option<ReadyRow>,
}

#[derive(Clone)]
struct ReadyRow {
    class: Class,
    mime: String,
    main: MediaBlob,
    thumb_jpeg: Option<MediaBlob>,
    thumb_webp: Option<MediaBlob>,
}

impl FileRow {
    pub(crate) fn of(media: MediaFile) -> Result<Self, Error> {
        let ready = match media.content.state {
            ContentState::Ready(made) => Some(ReadyRow {
                class: made.class.parse().map_err(|()| Error::Unreadable { what: "class" })?,
                mime: made.mime,
                main: made.main,
                thumb_jpeg: made.thumb_jpeg,
                thumb_webp: made.thumb_webp,
            }),
            ContentState::Processing | ContentState::Refused(_) => None,
        };
        let MediaFile { owner, view_once, ends_at, file_name, .. } = media;
        Ok(Self { owner, view_once, ends_at, file_name, ready })
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// What may be sent of it.
    pub(crate) fn servable(&self, variant: Variant) -> Result<Servable, LibraryError> {
        let made = self.ready.as_ref().ok_or(LibraryError::NotReady)?;
        let (blob, mime) = match variant {
            Variant::Main => (Some(made.main), made.mime.as_str()),
            Variant::ThumbJpeg => (made.thumb_jpeg, "image/jpeg"),
            Variant::ThumbWebp => (made.thumb_webp, "image/webp"),
        };
        // Only what we made is what we say it is; documents come with a type that is safe to name.
        let mime = if made.class == Class::Sealed { UNKNOWN_MIME } else { mime };
        let MediaBlob { key, bytes } = blob.ok_or(LibraryError::NotFound)?;
        Ok(Servable {
            key: BlobKey(key),
            class: made.class,
            mime: mime.to_owned(),
            bytes,
            file_name: self.file_name.clone(),
            is_cacheable: !self.view_once,
        })
    }
}
