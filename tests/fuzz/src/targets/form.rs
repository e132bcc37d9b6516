//! Uploads as forms. Invariants: the file is the same however the form is cut on its way; it is no longer than the form; a form
//! over its limit is not read on.
//!
//! The first byte says how long the pieces are.

use bytes::Bytes;
use futures_util::stream;
use multer::{Constraints, Multipart, SizeLimit};
use std::convert::Infallible;
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

const BOUNDARY: &str = "X-BOUNDARY";
/// Bytes of a whole form.
const FORM_BYTES_MAX: u64 = 8 * 1_024;

static RUNTIME: LazyLock<Option<Runtime>> = LazyLock::new(|| Builder::new_current_thread().build().ok());

/// A file of a form: its name, its type, its bytes.
type File = (Option<String>, Option<String>, Vec<u8>);

/// Reads `data` as a form, whole and in pieces; its beginning as the type of a body.
pub fn target(data: &[u8]) {
    let Some((&piece, form)) = data.split_first() else { return };
    drop(multer::parse_boundary(String::from_utf8_lossy(form)));
    let Some(runtime) = &*RUNTIME else { return };
    let whole = runtime.block_on(file(form, form.len().max(1)));
    let cut = runtime.block_on(file(form, usize::from(piece).max(1)));
    if let Some((_, _, bytes)) = &whole {
        assert!(bytes.len() < form.len(), "a file larger than its form");
        assert!(form.len() as u64 <= FORM_BYTES_MAX, "a form over its limit is read");
    }
    assert_eq!(whole, cut, "in pieces of {piece} it is another file");
}

/// The first file of a form, if the form is one.
async fn file(form: &[u8], piece: usize) -> Option<File> {
    let pieces: Vec<_> = form.chunks(piece).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece))).collect();
    let limits = Constraints::new().size_limit(SizeLimit::new().whole_stream(FORM_BYTES_MAX));
    let mut form = Multipart::with_constraints(stream::iter(pieces), BOUNDARY, limits);
    while let Some(mut field) = form.next_field().await.ok()? {
        if field.file_name().is_none() {
            continue;
        }
        let named = (field.file_name().map(str::to_owned), field.content_type().map(ToString::to_string));
        let mut bytes = Vec::new();
        while let Some(chunk) = field.chunk().await.ok()? {
            bytes.extend_from_slice(&chunk);
        }
        drop(field);
        return Some((named.0, named.1, bytes));
    }
    None
}
