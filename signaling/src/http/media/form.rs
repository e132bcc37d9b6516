//! An upload as a form (`multipart/form-data`), as a page without a script sends it: one part with a file. What else is in
//! the form is left alone: what the file is to be treated as is said by the query.

use super::Reader;
use super::send::Incoming;
use futures_util::stream;
use multer::{Constraints, Multipart, SizeLimit};
use std::sync::Arc;
use tertulia_media_core::{Reason, Refusal};
use tertulia_media_pipeline::library::{Intent, LibraryError, MediaView};
use tokio::sync::Mutex;

/// Parts before the file that are read past.
const PARTS_MAX: usize = 8;
/// Bytes of the form above those of its file: the other parts, headers, boundaries.
const FRAME_BYTES_MAX: u64 = 64 * 1024;

/// Takes the file of the form.
pub(super) async fn take(
    reader: &Reader,
    mut intent: Intent,
    boundary: String,
    incoming: &Arc<Mutex<Incoming>>,
) -> Result<MediaView, LibraryError> {
    // What the body itself breaks on is told by itself, not by the parser.
    let broke = Arc::new(Mutex::new(None));
    let (body, told) = (Arc::clone(incoming), Arc::clone(&broke));
    let bytes = stream::unfold((), move |()| {
        let (body, told) = (Arc::clone(&body), Arc::clone(&told));
        async move {
            match body.lock().await.next().await {
                Ok(Some(bytes)) => Some((Ok::<_, std::io::Error>(bytes), ())),
                Ok(None) => None,
                Err(error) => {
                    *told.lock().await = Some(error);
                    Some((Err(std::io::Error::other("the body broke off")), ()))
                }
            }
        }
    });
    let most = reader.uploads.library.limits().file_bytes_max.saturating_add(FRAME_BYTES_MAX);
    let limits = Constraints::new().size_limit(SizeLimit::new().whole_stream(most));
    let mut form = Multipart::with_constraints(bytes, boundary, limits);
    let taken = async {
        for _ in 0..PARTS_MAX {
            let Some(mut part) = form.next_field().await.map_err(malformed)? else { break };
            let Some(name) = part.file_name().map(str::to_owned) else { continue };
            intent.file_name = intent.file_name.or(Some(name));
            intent.declared_mime = part.content_type().map(ToString::to_string);
            let mut upload = reader.uploads.library.begin(&reader.caller, intent).await?;
            while let Some(bytes) = part.chunk().await.map_err(malformed)? {
                upload.write(&bytes).await?;
            }
            return upload.finish().await;
        }
        Err(Refusal::from(Reason::Empty).into())
    };
    let taken = taken.await;
    match broke.lock().await.take() {
        Some(error) => Err(error),
        None => taken,
    }
}

/// The form is not one, or is too large around its file.
fn malformed(error: multer::Error) -> LibraryError {
    match error {
        multer::Error::StreamSizeExceeded { limit } => Refusal::over(Reason::TooLarge, limit, limit + 1).into(),
        _ => Refusal::from(Reason::LengthMismatch).into(),
    }
}
