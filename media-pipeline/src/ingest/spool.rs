//! Files on their way: in a folder of their own beside the store, gone when nobody holds them.
//!
//! Invariant: a file is removed when the last that holds it is dropped, unless it was kept; a kept file is named in the
//! directory, and [`Spool::clean`] removes at start whatever is not.
#![expect(unsafe_code, reason = "no safe interface tells the kernel to begin to write a file out")]

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions, remove_file};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tertulia_media_core::{Reason, Refusal};

/// Characters of a file's name: 128 random bits in hex.
const NAME_CHARS: usize = 32;
/// Bytes that are read at once where a file is read again.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// Bytes after which the disk is set to work, so that little is left to wait for at the end.
const WRITE_OUT_BYTES: usize = 1024 * 1024;

/// How much the spool may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Files held at once. Raising it lets more uploads and outputs wait at once, each as large as its own limit.
    pub files_max: usize,
    /// Bytes of the file system that are left alone. Raising it leaves more to the databases beside the spool.
    pub free_bytes_min: u64,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self { files_max: 1_024, free_bytes_min: 256 * 1024 * 1024 }
    }
}

/// A folder for files on their way. Clones share it.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    limits: SpoolLimits,
    held: Mutex<usize>,
    files: Gauge,
    too_many: Counter,
    no_room: Counter,
    refused: Family<Why, Counter>,
}

/// One label, with values of our own.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

impl Spool {
    /// Opens the folder and makes it if it is not there, for its owner only.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn open(folder: &Path, limits: SpoolLimits) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self(Arc::new(Inner {
            folder: folder.to_owned(),
            limits,
            held: Mutex::new(0),
            files: Gauge::default(),
            too_many: Counter::default(),
            no_room: Counter::default(),
            refused: Family::default(),
        })))
    }

    /// Adds its figures.
    pub fn register(&self, registry: &mut Registry) {
        let inner = &self.0;
        registry.register("media_spool_files", "Files of uploads and jobs on their way", inner.files.clone());
        registry.register("media_spool_too_many", "Files refused: too many at once", inner.too_many.clone());
        registry.register("media_spool_no_room", "Files refused: the disk is nearly full", inner.no_room.clone());
        registry.register("media_ingest_refused", "Uploads refused while they came, by reason", inner.refused.clone());
    }

    pub(crate) fn count_refusal(&self, refusal: Refusal) {
        self.0.refused.get_or_create(&Why { reason: refusal.reason.name() }).inc();
    }

    /// How many were refused for this reason.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.0.refused.get_or_create(&Why { reason: reason.name() }).get()
    }

    /// Removes what a run that was ended has left, except the names in `keep`. To be called before anything else is.
    /// Returns how many there were.
    ///
    /// # Errors
    /// The folder can't be read, or a file not be removed.
    pub fn clean(&self, keep: &HashSet<String>) -> io::Result<usize> {
        let mut removed = 0;
        for entry in std::fs::read_dir(&self.0.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| keep.contains(name)) || !entry.file_type()?.is_file() {
                continue;
            }
            match remove_file(entry.path()) {
                Ok(()) => removed += 1,
                // What the run before has still removed by itself.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    /// A new file of about `expected` bytes.
    ///
    /// # Errors
    /// `Busy` when there are too many already, `StoreUnavailable` when the disk has no room for it or fails.
    pub fn create(&self, expected: u64) -> Result<SpoolFile, Refusal> {
        self.room_for(expected)?;
        let hold = self.0.new_hold()?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(hold.path());
        Ok(SpoolFile { file: file.map_err(|error| failed(&error))?, hold, unwritten: 0 })
    }

    /// A new file with these bytes.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`SpoolFile::finish`].
    pub async fn put(&self, bytes: Vec<u8>) -> Result<Spooled, Refusal> {
        let mut file = self.create(bytes.len() as u64)?;
        let written = tokio::task::spawn_blocking(move || file.file.write_all(&bytes).map(|()| file)).await;
        flatten(written)?.finish().await
    }

    /// A file that an earlier run, or an earlier request, kept: cut to `offset` bytes, to be written from there.
    /// `None` if it is not there or shorter.
    ///
    /// # Errors
    /// `Busy` and `StoreUnavailable` as of [`create`](Self::create).
    pub fn reopen(&self, name: &str, offset: u64) -> Result<Option<SpoolFile>, Refusal> {
        let Some(hold) = self.hold_known(name)? else { return Ok(None) };
        let opened = OpenOptions::new().read(true).write(true).open(hold.path()).and_then(|mut file| {
            if file.metadata()?.len() < offset {
                return Ok(None);
            }
            file.set_len(offset)?;
            file.seek(SeekFrom::Start(offset))?;
            Ok(Some(file))
        });
        match opened {
            Ok(file) => Ok(file.map(|file| SpoolFile { file, hold, unwritten: 0 })),
            Err(error) => {
                hold.keep();
                Err(failed(&error))
            }
        }
    }

    /// A whole file that an earlier run kept. `None` if it is not there.
    ///
    /// # Errors
    /// `Busy` and `StoreUnavailable` as of [`create`](Self::create).
    pub fn adopt(&self, name: &str) -> Result<Option<Spooled>, Refusal> {
        let Some(hold) = self.hold_known(name)? else { return Ok(None) };
        match hold.path().metadata() {
            Ok(metadata) => Ok(Some(Spooled { bytes: metadata.len(), path: hold.path(), hold })),
            Err(error) => {
                hold.keep();
                Err(failed(&error))
            }
        }
    }

    /// Removes a file by its name. It is fine if it is not there.
    pub fn remove(&self, name: &str) {
        if is_name(name) {
            remove(&self.0.folder.join(name));
        }
    }

    fn hold_known(&self, name: &str) -> Result<Option<Hold>, Refusal> {
        if !is_name(name) || !self.0.folder.join(name).is_file() {
            return Ok(None);
        }
        self.0.hold(name.to_owned()).map(Some)
    }

    fn room_for(&self, expected: u64) -> Result<(), Refusal> {
        let disk = rustix::fs::statvfs(&self.0.folder).map_err(|error| failed(&error.into()))?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < expected.saturating_add(self.0.limits.free_bytes_min) {
            self.0.no_room.inc();
            return Err(Refusal::from(Reason::StoreUnavailable));
        }
        Ok(())
    }
}

impl Inner {
    /// The right to a name that nobody has.
    fn new_hold(self: &Arc<Self>) -> Result<Hold, Refusal> {
        let mut random = [0; NAME_CHARS / 2];
        getrandom::fill(&mut random).map_err(|error| failed(&io::Error::other(error)))?;
        self.hold(random.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn hold(self: &Arc<Self>, name: String) -> Result<Hold, Refusal> {
        let mut held = self.held.lock();
        if *held >= self.limits.files_max {
            self.too_many.inc();
            return Err(Refusal::from(Reason::Busy));
        }
        *held += 1;
        self.files.inc();
        Ok(Hold { spool: Arc::clone(self), name, is_kept: false })
    }
}

/// The right to a file, and the duty to remove it.
#[derive(Debug)]
struct Hold {
    spool: Arc<Inner>,
    name: String,
    is_kept: bool,
}

impl Hold {
    fn path(&self) -> PathBuf {
        self.spool.folder.join(&self.name)
    }

    fn keep(mut self) -> String {
        self.is_kept = true;
        std::mem::take(&mut self.name)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.is_kept {
            remove(&self.path());
        }
        *self.spool.held.lock() -= 1;
        self.spool.files.dec();
    }
}

/// A file being written. Dropping it removes it.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    hold: Hold,
    /// Bytes that the kernel has, and has not been told to write out.
    unwritten: usize,
}

impl SpoolFile {
    /// Its name in the spool: what a row of the directory keeps.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.hold.name
    }

    /// Leaves it in the spool, by the name that is returned.
    #[must_use]
    pub fn keep(self) -> String {
        self.hold.keep()
    }

    /// Whether it stays when it is dropped.
    pub(crate) fn set_kept(&mut self, is_kept: bool) {
        self.hold.is_kept = is_kept;
    }

    /// The whole of it, on the disk for good.
    ///
    /// # Errors
    /// `StoreUnavailable` if the disk fails.
    pub async fn finish(self) -> Result<Spooled, Refusal> {
        flatten(tokio::task::spawn_blocking(move || self.finish_blocking()).await)
    }

    /// [`finish`](Self::finish), where one may wait.
    pub(crate) fn finish_blocking(self) -> io::Result<Spooled> {
        self.sync()?;
        // The name has to be there after a loss of power as well, since a row of the directory will speak of it.
        File::open(&self.hold.spool.folder)?.sync_all()?;
        Ok(Spooled { bytes: self.file.metadata()?.len(), path: self.hold.path(), hold: self.hold })
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.unwritten += bytes.len();
        if self.unwritten >= WRITE_OUT_BYTES {
            self.unwritten = 0;
            begin_to_write_out(&self.file);
        }
        Ok(())
    }

    /// Reads it from its start, a piece at a time, and leaves the position at its end.
    pub(crate) fn reread(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => each(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Has it write elsewhere, as onto a disk that fails.
    #[cfg(test)]
    pub(crate) fn redirect(&mut self, file: File) {
        self.file = file;
    }

    /// Its first bytes, at most `count`. The position is left where it was.
    pub(crate) fn head(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let position = self.file.stream_position()?;
        self.file.seek(SeekFrom::Start(0))?;
        let mut head = Vec::with_capacity(count);
        (&self.file).take(count as u64).read_to_end(&mut head)?;
        self.file.seek(SeekFrom::Start(position))?;
        Ok(head)
    }
}

/// For a worker, which writes its output by it.
impl AsFd for SpoolFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A whole file in the spool, written and synced. Dropping it removes it.
#[derive(Debug)]
pub struct Spooled {
    hold: Hold,
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

    /// Its name in the spool: what a row of the directory keeps.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.hold.name
    }

    /// Leaves it in the spool, by the name that is returned: [`Spool::adopt`] takes it up again.
    #[must_use]
    pub fn keep(self) -> String {
        self.hold.keep()
    }

    /// The same bytes under a second name, which goes by itself.
    pub(crate) async fn twin(&self) -> Result<Self, Refusal> {
        let hold = self.hold.spool.new_hold()?;
        let (from, to, folder) = (self.path.clone(), hold.path(), self.hold.spool.folder.clone());
        let linked = tokio::task::spawn_blocking(move || {
            std::fs::hard_link(&from, &to)?;
            File::open(folder)?.sync_all()?;
            Ok(to)
        });
        Ok(Self { path: flatten(linked.await)?, hold, bytes: self.bytes })
    }

    /// The SHA-256 of what is in it.
    ///
    /// # Errors
    /// `StoreUnavailable` if it can't be read.
    pub async fn sha256(&self) -> Result<[u8; 32], Refusal> {
        let path = self.path.clone();
        flatten(tokio::task::spawn_blocking(move || crate::hash::sha256_of(&path)).await)
    }
}

/// What a task has brought, as a refusal if it is an error. The disk's own words go into the log; they name no file.
pub(crate) fn flatten<T>(result: Result<io::Result<T>, tokio::task::JoinError>) -> Result<T, Refusal> {
    result.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| failed(&error))
}

/// The disk has failed: the log says how, whoever uploads hears that it was not stored.
pub(crate) fn failed(error: &io::Error) -> Refusal {
    tracing::warn!(kind = %error.kind(), code = error.raw_os_error(), "the spool failed");
    Refusal::from(Reason::StoreUnavailable)
}

/// Has the kernel begin with what it holds of a file. It reports nothing and waits for nothing: the sync at the end does both.
fn begin_to_write_out(file: &File) {
    // SAFETY: touches no memory of ours; the descriptor is open for as long as the file is borrowed.
    let _unknown_there = unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}

fn remove(path: &Path) {
    if let Err(error) = remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(kind = %error.kind(), "a file could not be removed from the spool");
    }
}

fn is_name(name: &str) -> bool {
    name.len() == NAME_CHARS && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
