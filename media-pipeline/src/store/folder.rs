//! Blobs in a local folder.

/// A local folder.
#[derive(Debug)]
pub struct Folder {}
