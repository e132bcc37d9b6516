//! Files on their way: in a folder of their own beside the store, gone when nobody holds them.

use std::path::{Path, PathBuf};

/// A whole file in the spool, written and synced. Dropping it removes it.
#[derive(Debug)]
pub struct Spooled {
    path: PathBuf,
    bytes: u64,
}

impl Spooled {
    /// Where it is. A store on the same file system may link it from there.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
