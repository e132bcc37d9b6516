//! The folder's blocking side: names, links, copies and syncs.
//!
//! Invariant: the one of [`super`]. Every change of a folder's entries is followed by that folder's sync before it counts.

use crate::hash::Sha256;
use crate::store::{BlobKey, Listed, StoreError};
use parking_lot::Mutex;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// Where copies are made. No blob's folder has this name.
const PARTIAL: &str = ".partial";
/// Bytes that are copied at once.
const COPY_BYTES: usize = 256 * 1024;
/// Folders that blobs lie in: one for each of the first two bytes of a key.
const LEAVES: usize = 1 << 16;

type Syncs = Box<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

/// A folder of blobs, as a disk sees it.
pub(super) struct Disk {
    root: PathBuf,
    partial: PathBuf,
    /// Held, shared, as long as the folder is open, so that another process takes nothing of ours for left behind.
    _in_use: File,
    /// A bit for each leaf of which this process knows that it would survive a loss of power. Held for a bit's time.
    durable: Mutex<Box<[u64; LEAVES / 64]>>,
    /// Whether a sync has failed.
    has_failed: AtomicBool,
    sync: Syncs,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Disk {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        Self::open_with(root, Box::new(File::sync_all))
    }

    /// As `open`, with another way to sync.
    pub(super) fn open_with(root: &Path, sync: Syncs) -> io::Result<Self> {
        let partial = root.join(PARTIAL);
        DirBuilder::new().recursive(true).mode(0o700).create(&partial)?;
        for folder in [root, &partial] {
            if folder.metadata()?.permissions().mode() & 0o077 != 0 {
                std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
            }
        }
        let in_use = File::open(&partial)?;
        if in_use.try_lock().is_ok() {
            sweep(&partial, Duration::ZERO)?;
        }
        // Some network file systems lock no folder: there only the age tells what is left behind.
        if let Err(error) = in_use.lock_shared() {
            tracing::warn!(kind = %error.kind(), "the media folder can't be locked");
        }
        for folder in root.ancestors().take(3).filter(|folder| !folder.as_os_str().is_empty()) {
            sync(&File::open(folder)?)?;
        }
        Ok(Self {
            root: root.to_owned(),
            partial,
            _in_use: in_use,
            durable: Mutex::new(Box::new([0; LEAVES / 64])),
            has_failed: AtomicBool::new(false),
            sync,
        })
    }

    pub(super) fn put(&self, key: BlobKey, source: &Path, bytes: u64) -> Result<(), StoreError> {
        // The source's own failures are not the store's: a spooled file that is gone is no blob that is not there.
        let file = File::open(source).map_err(|error| StoreError::Failed(format!("the spooled file: {error}")))?;
        let fail = |error: io::Error| super::failed(&error);
        let metadata = file.metadata().map_err(fail)?;
        if metadata.len() != bytes {
            return Err(StoreError::Damaged);
        }
        if self.has_failed() {
            return self.put_copy(key, file);
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600)).map_err(fail)?;
        }
        self.synced(&file).map_err(fail)?;
        match self.give_name(key, source) {
            Err(error) if is_linkless(&error) => self.put_copy(key, file),
            done => done.map_err(fail),
        }
    }

    /// A second name for a file, which is the blob's.
    fn give_name(&self, key: BlobKey, source: &Path) -> io::Result<()> {
        let (top, leaf) = self.folders(key);
        make(&top)?;
        make(&leaf)?;
        let target = leaf.join(key.to_string());
        match std::fs::hard_link(source, &target) {
            // Taken over, not trusted: the one that is there may be cut short, or its folder not synced.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let partial = Partial::new(&self.partial)?;
                std::fs::hard_link(source, &partial.0)?;
                std::fs::rename(&partial.0, &target)?;
            }
            done => done?,
        }
        self.sync_folders(key, &top, &leaf)
    }

    /// The bytes written anew, where the spool is on another file system or its file is not to be trusted.
    fn put_copy(&self, key: BlobKey, mut source: File) -> Result<(), StoreError> {
        let fail = |error: io::Error| super::failed(&error);
        let partial = Partial::new(&self.partial).map_err(fail)?;
        let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial.0).map_err(fail)?;
        if copy_hashed(&mut source, &mut copy).map_err(fail)? != key.0 {
            return Err(StoreError::Damaged);
        }
        self.synced(&copy).map_err(fail)?;
        let (top, leaf) = self.folders(key);
        make(&top)
            .and_then(|()| make(&leaf))
            .and_then(|()| std::fs::rename(&partial.0, leaf.join(key.to_string())))
            .and_then(|()| self.sync_folders(key, &top, &leaf))
            .map_err(fail)
    }

    /// The folder that a blob lies in, and the one above it once for each run: an earlier run may have made it and ended
    /// before it was synced.
    fn sync_folders(&self, key: BlobKey, top: &Path, leaf: &Path) -> io::Result<()> {
        self.synced(&File::open(leaf)?)?;
        let at = usize::from(u16::from_be_bytes([key.0[0], key.0[1]]));
        if self.durable.lock()[at / 64] & (1 << (at % 64)) == 0 {
            self.synced(&File::open(top)?)?;
            self.synced(&File::open(&self.root)?)?;
            self.durable.lock()[at / 64] |= 1 << (at % 64);
        }
        Ok(())
    }

    fn synced(&self, file: &File) -> io::Result<()> {
        (self.sync)(file).inspect_err(|error| {
            self.has_failed.store(true, Ordering::Release);
            tracing::error!(kind = %error.kind(), code = error.raw_os_error(), "a sync of the media folder failed");
        })
    }

    pub(super) fn open_blob(&self, key: BlobKey) -> io::Result<(File, u64)> {
        let file = File::open(self.path(key))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("a blob's name is not a file's"));
        }
        Ok((file, metadata.len()))
    }

    pub(super) fn delete(&self, key: BlobKey) -> io::Result<()> {
        let (_, leaf) = self.folders(key);
        match std::fs::remove_file(self.path(key)) {
            Ok(()) => self.synced(&File::open(leaf)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn list(&self, after: Option<BlobKey>, max: usize) -> io::Result<Vec<Listed>> {
        let after = after.map(|key| key.to_string()).unwrap_or_default();
        let mut found = Vec::new();
        for top in names(&self.root, 2)? {
            if top.as_str() < after.get(..2).unwrap_or_default() {
                continue;
            }
            let top_path = self.root.join(&top);
            for leaf in names(&top_path, 2)? {
                if format!("{top}{leaf}").as_str() < after.get(..4).unwrap_or_default() {
                    continue;
                }
                let leaf_path = top_path.join(leaf);
                for name in names(&leaf_path, 64)?.into_iter().filter(|name| *name > after) {
                    if found.len() >= max {
                        return Ok(found);
                    }
                    // One that is deleted meanwhile is not there.
                    if let (Some(key), Ok(metadata)) = (BlobKey::parse(&name), leaf_path.join(&name).metadata()) {
                        found.push(Listed { key, bytes: metadata.len(), put_at: changed_at(&metadata) });
                    }
                }
            }
        }
        Ok(found)
    }

    pub(super) fn sweep(&self, age: Duration) -> io::Result<u64> {
        sweep(&self.partial, age)
    }

    pub(super) fn probe(&self) -> io::Result<()> {
        let partial = Partial::new(&self.partial)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial.0)?;
        file.write_all(&[0; 4_096])?;
        self.synced(&file)
    }

    fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    fn folders(&self, key: BlobKey) -> (PathBuf, PathBuf) {
        let top = self.root.join(format!("{:02x}", key.0[0]));
        let leaf = top.join(format!("{:02x}", key.0[1]));
        (top, leaf)
    }

    fn path(&self, key: BlobKey) -> PathBuf {
        self.folders(key).1.join(key.to_string())
    }
}

/// A name in `.partial`. What has it when it is dropped is removed.
struct Partial(PathBuf);

impl Partial {
    fn new(folder: &Path) -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        Ok(Self(folder.join(format!("{:032x}", u128::from_be_bytes(random)))))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        match std::fs::remove_file(&self.0) {
            Ok(()) => {}
            // It has its own name by now, or was never made.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(kind = %error.kind(), "an unfinished blob could not be removed"),
        }
    }
}

fn make(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// Whether a link can't be made here at all, while a copy can: another file system, one without links, or too many of them.
fn is_linkless(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::CrossesDevices | Kind::PermissionDenied | Kind::Unsupported | Kind::TooManyLinks)
}

fn copy_hashed(source: &mut File, copy: &mut File) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(hash.finish()),
            Ok(count) => {
                hash.update(&buffer[..count]);
                copy.write_all(&buffer[..count])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The names of so many hexadecimal digits in a folder, in order.
fn names(folder: &Path, digits: usize) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        if let Ok(name) = entry?.file_name().into_string()
            && name.len() == digits
            && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// When a file got its name. A link changes this, and leaves the time of the last write alone.
fn changed_at(metadata: &std::fs::Metadata) -> SystemTime {
    use std::os::unix::fs::MetadataExt;
    let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn sweep(partial: &Path, age: Duration) -> io::Result<u64> {
    let now = SystemTime::now();
    let mut removed = 0;
    for entry in std::fs::read_dir(partial)? {
        let entry = entry?;
        // A time that is ahead of the clock is young.
        let is_old = |metadata: std::fs::Metadata| {
            age.is_zero() || now.duration_since(changed_at(&metadata)).is_ok_and(|past| past >= age)
        };
        if entry.metadata().is_ok_and(is_old) {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests;
