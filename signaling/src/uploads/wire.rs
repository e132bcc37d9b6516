//! Uploads between the library's words and the wire's.

use crate::translate;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tertulia_media_core::{Class, Limits, Reason, Refusal, Treatment};
use tertulia_media_pipeline::library::{LibraryError, MediaState as State, MediaView};
use tertulia_signaling_proto::{
    ErrorBody, ErrorCode, Media, MediaClass, MediaState, MediaTreatment, SharedFile, UploadLimits,
};

/// When whoever found no room may ask again, where nobody knows better.
const BUSY_RETRY_MS: u64 = 10_000;

fn class_to_wire(class: Class) -> MediaClass {
    match class {
        Class::Video => MediaClass::Video,
        Class::Image => MediaClass::Image,
        Class::Audio => MediaClass::Audio,
        Class::Voice => MediaClass::Voice,
        Class::Document => MediaClass::Document,
        Class::Sealed => MediaClass::Sealed,
    }
}

pub(crate) fn treatment_from_wire(treatment: MediaTreatment) -> Treatment {
    match treatment {
        MediaTreatment::Auto => Treatment::Auto,
        MediaTreatment::Voice => Treatment::Voice,
        MediaTreatment::Document => Treatment::Document,
        MediaTreatment::Sealed => Treatment::Sealed,
    }
}

pub(crate) fn limits_to_wire(limits: &Limits) -> UploadLimits {
    UploadLimits {
        video_bytes_max: limits.video_bytes_max,
        video_seconds_max: limits.video_seconds_max,
        audio_bytes_max: limits.audio_bytes_max,
        audio_seconds_max: limits.audio_seconds_max,
        image_bytes_max: limits.image_bytes_max,
        image_pixels_max: limits.image_pixels_max,
        file_bytes_max: limits.file_bytes_max,
    }
}

fn code(reason: Reason) -> ErrorCode {
    match reason {
        Reason::TooLarge => ErrorCode::MediaTooLarge,
        Reason::TooLong => ErrorCode::MediaTooLong,
        Reason::TooManyPixels => ErrorCode::MediaTooManyPixels,
        Reason::TooComplex => ErrorCode::MediaTooComplex,
        Reason::Unsupported => ErrorCode::MediaUnsupported,
        Reason::Damaged => ErrorCode::MediaDamaged,
        Reason::Empty => ErrorCode::MediaEmpty,
        Reason::Encrypted => ErrorCode::MediaEncrypted,
        Reason::External => ErrorCode::MediaExternal,
        Reason::ChecksumMismatch => ErrorCode::MediaChecksumMismatch,
        Reason::LengthMismatch => ErrorCode::MediaLengthMismatch,
        Reason::Stalled => ErrorCode::MediaStalled,
        Reason::Quota => ErrorCode::MediaQuota,
        Reason::Busy => ErrorCode::MediaBusy,
        Reason::StoreUnavailable => ErrorCode::MediaStoreUnavailable,
        Reason::TimedOut => ErrorCode::MediaTimedOut,
        Reason::OutOfMemory => ErrorCode::MediaOutOfMemory,
        Reason::WorkerCrashed => ErrorCode::MediaWorkerCrashed,
        Reason::SandboxUnavailable => ErrorCode::MediaSandboxUnavailable,
        Reason::Cancelled => ErrorCode::MediaCancelled,
    }
}

pub(crate) fn refusal_to_wire(refusal: &Refusal) -> ErrorBody {
    let retry_after_ms = (refusal.reason == Reason::Busy).then_some(BUSY_RETRY_MS);
    ErrorBody { limit: refusal.limit, actual: refusal.actual, retry_after_ms, ..code(refusal.reason).into() }
}

/// What the library does not do. A stranger hears the same as where there is nothing.
pub(crate) fn library_error_to_wire(error: LibraryError) -> ErrorBody {
    match error {
        LibraryError::Refused(refusal) => refusal_to_wire(&refusal),
        LibraryError::Slower { refusal, retry_after } => {
            let retry_after_ms = Some(translate::millis(retry_after));
            ErrorBody { retry_after_ms, ..refusal_to_wire(&refusal) }
        }
        LibraryError::NotFound | LibraryError::BadLink => ErrorCode::NotFound.into(),
        LibraryError::Forbidden => ErrorCode::Forbidden.into(),
        LibraryError::NotReady => ErrorCode::MediaNotReady.into(),
        LibraryError::Opened => ErrorCode::MediaOpened.into(),
        LibraryError::UnknownUser => ErrorCode::UnknownUser.into(),
        LibraryError::Recipients { max } => ErrorBody { limit: Some(max), ..ErrorCode::TooMany.into() },
        LibraryError::NoClaim => ErrorCode::ClaimOver.into(),
        LibraryError::Directory(error) => {
            tracing::error!(%error, "the directory did not answer");
            ErrorCode::Internal.into()
        }
        LibraryError::Store(error) => {
            tracing::error!(%error, "the store of uploads failed");
            refusal_to_wire(&Reason::StoreUnavailable.into())
        }
        LibraryError::Io(error) => {
            tracing::error!(%error, "the folder of uploads failed");
            refusal_to_wire(&Reason::StoreUnavailable.into())
        }
    }
}

/// A file as a message tells of it.
pub(crate) fn to_shared(view: MediaView) -> SharedFile {
    let Media {
        class,
        mime,
        file_name,
        bytes,
        width,
        height,
        duration_ms,
        has_sound,
        has_thumbnail,
        thumbhash,
        preview,
        waveform,
        view_once,
        ..
    } = to_wire(view);
    let mime = mime.unwrap_or_default();
    // What a picture was called says where it came from, and nothing that is needed.
    let file_name =
        file_name.filter(|_| matches!(class, MediaClass::Document | MediaClass::Audio | MediaClass::Sealed));
    SharedFile {
        class,
        mime,
        file_name,
        bytes,
        width,
        height,
        duration_ms,
        has_sound,
        has_thumbnail,
        thumbhash,
        preview,
        waveform,
        once: view_once,
    }
}

pub(crate) fn to_wire(view: MediaView) -> Media {
    let (state, progress, made, refusal) = match view.state {
        State::Processing(thousandths) => (MediaState::Processing, Some(thousandths), None, None),
        State::Ready(made) => (MediaState::Ready, None, Some(*made), None),
        State::Refused(refusal) => (MediaState::Refused, None, None, Some(refusal)),
    };
    let some = |text: String| (!text.is_empty()).then_some(text);
    let made = made.as_ref();
    Media {
        media_id: view.id,
        owner: view.owner,
        state,
        class: class_to_wire(view.class),
        created_at: view.created_at,
        keep: view.keep,
        view_once: view.view_once,
        file_name: view.file_name,
        mime: made.map(|made| made.mime.clone()),
        bytes: made.map_or(view.original_bytes, |made| made.bytes),
        width: made.map(|made| made.width).filter(|width| *width > 0),
        height: made.map(|made| made.height).filter(|height| *height > 0),
        duration_ms: made.map(|made| made.duration_ms).filter(|ms| *ms > 0),
        has_sound: made.filter(|_| view.class == Class::Video).map(|made| made.has_sound),
        has_thumbnail: made.is_some_and(|made| made.has_thumbnail),
        thumbhash: made.and_then(|made| some(STANDARD.encode(&made.thumbhash))),
        preview: made.and_then(|made| some(made.preview.clone())),
        waveform: made.map(|made| made.waveform.clone()).filter(|points| !points.is_empty()),
        salvaged: made.is_some_and(|made| made.is_salvaged),
        progress,
        error: refusal.map(|refusal| refusal_to_wire(&refusal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d2_every_reason_has_a_code_of_its_name() {
        for reason in Reason::ALL {
            let wire = serde_json::to_value(refusal_to_wire(&Refusal::over(*reason, 1, 2))).unwrap();
            assert_eq!(wire["code"], reason.name());
            assert_eq!((wire["limit"].as_u64(), wire["actual"].as_u64()), (Some(1), Some(2)));
            assert_eq!(wire["class"] == "retry_after", wire["retry_after_ms"].is_u64(), "when, where it says to wait");
        }
    }
}
