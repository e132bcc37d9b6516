//! Which store, and the store made of it: `[uploads.store]`.

use super::{BlobStore, Folder, S3, S3Config, S3ConfigError, StoreError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where blobs are kept: `[uploads.store]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Which kind of store.
    pub kind: StoreKind,
    /// The folder. Absent: `media/blobs` in the data folder. On the data folder's file system a put copies nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// The bucket: `[uploads.store.s3]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Config>,
}

/// Kinds of stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// A local folder.
    #[default]
    Folder,
    /// A bucket.
    S3,
}

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Options that do not go together.
    #[error("{0}")]
    Option(&'static str),
    /// The bucket's options.
    #[error("the store's s3: {0}")]
    S3(#[from] S3ConfigError),
    /// The folder.
    #[error("the store's folder {}: {problem}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: StoreError,
    },
}

impl StoreConfig {
    /// Whether it holds together. Reads no file and asks nobody.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<(), OpenError> {
        match (self.kind, &self.folder, &self.s3) {
            (StoreKind::S3, None, Some(s3)) => Ok(s3.check()?),
            (StoreKind::S3, Some(_), _) => Err(OpenError::Option("kind is s3, and a folder is set")),
            (StoreKind::S3, None, None) => Err(OpenError::Option("kind is s3: its options are missing")),
            (StoreKind::Folder, _, Some(_)) => Err(OpenError::Option("kind is folder, and options of s3 are set")),
            (StoreKind::Folder, _, None) => Ok(()),
        }
    }

    /// Where the folder is, for a program whose data are in `data`.
    #[must_use]
    pub fn folder(&self, data: &Path) -> PathBuf {
        self.folder.clone().unwrap_or_else(|| data.join("media/blobs"))
    }

    /// Opens it. A bucket is not spoken to yet: whether it answers is for [`BlobStore::probe`] to say.
    ///
    /// # Errors
    /// Options that can't be, or a folder that can't be used.
    pub fn open(&self, data: &Path) -> Result<Arc<dyn BlobStore>, OpenError> {
        self.check()?;
        Ok(match (self.kind, &self.s3) {
            (StoreKind::S3, Some(s3)) => Arc::new(S3::open(s3)?),
            _ => {
                let path = self.folder(data);
                Arc::new(Folder::open(&path).map_err(|problem| OpenError::Folder { path, problem })?)
            }
        })
    }
}
