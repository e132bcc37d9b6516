//! Keys for message bodies at rest, so that a body can be made unreadable without being found.
//!
//! Time is cut into buckets. A bucket has a random secret, in a small file of its own that is wrapped by a key-encryption key; a message's
//! key follows from its bucket's secret and its number. When messages of a closed bucket have died, [`Vault::forget`] puts the own keys of
//! those that live in the place of the secret, and overwrites what was there: what was sealed under any other key of the bucket, wherever it
//! is on the disk, can be opened no more. Copying sealed bodies about needs no key.
//!
//! Invariants: a body that [`Vault::seal`] has sealed can be opened after any crash, until it is forgotten; one that [`Vault::forget`] has
//! returned for cannot, by anybody who has the disk and the key-encryption keys. (As far as the file system overwrites in place and
//! the medium does. Where one of them keeps old versions, it is the key-encryption key, kept elsewhere and rotated, that protects.)

mod crypt;
mod files;
#[cfg(test)]
mod tests;

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::{Condvar, Mutex, RwLock};
use zeroize::Zeroizing;

use crate::disk::Disk;
use crypt::{Content, KEY, Keys, MessageKey, NONCE};
use files::Files;

/// How long a bucket is open, if nothing else is chosen. Shorter ones make more files; of longer ones less can be forgotten in time.
pub const BUCKET: Duration = Duration::from_secs(16);
/// How many bytes a sealed body is longer than the clear one.
pub const OVERHEAD: usize = 28;
/// Buckets that are forgotten together: more saves syncs of the directory, and lets who needs a secret meanwhile wait longer.
const TOGETHER: usize = 32;

/// A key-encryption key: 32 random bytes that are kept elsewhere.
pub struct Kek {
    key: Zeroizing<[u8; KEY]>,
    name: [u8; 8],
}

impl Kek {
    /// From its bytes.
    #[must_use]
    pub fn new(key: Zeroizing<[u8; KEY]>) -> Self {
        let name = crypt::name_of(&key);
        Self { key, name }
    }
}

/// Why the vault did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The message was forgotten, or its bucket never was.
    #[error("the message's key is gone")]
    Forgotten,
    /// The body does not open under its key: it was changed, or is another message's.
    #[error("the body does not open under its key")]
    Tampered,
    /// There is no room for a key. Nothing was changed; later there may be room again.
    #[error("no space is left for keys")]
    Full,
    /// An earlier write or sync failed: the program must end and open the vault anew.
    #[error("the vault has failed before: it must be opened anew")]
    Poisoned,
    /// The bucket's file was wrapped by a key-encryption key that is not in the list.
    #[error("bucket {bucket} is wrapped by a key-encryption key that was not given")]
    UnknownKey {
        /// Its number.
        bucket: u64,
    },
    /// The bucket's file is not what was written.
    #[error("the file of bucket {bucket} is damaged")]
    Damaged {
        /// Its number.
        bucket: u64,
    },
    /// No key-encryption key was given.
    #[error("no key-encryption key was given")]
    NoKey,
    /// Another program has this vault.
    #[error("another program uses this vault")]
    Locked,
    /// The cryptographic library or the system's random bits failed.
    #[error("cryptography fails")]
    Crypto,
    /// The file system failed.
    #[error("the vault's files: {source}")]
    Io {
        /// What it says.
        source: io::Error,
    },
}

/// What the vault has done since it was opened, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VaultMetrics {
    /// Bodies sealed.
    pub sealed: u64,
    /// Secrets made.
    pub created: u64,
    /// Of those, how many a seal waited for.
    pub waits: u64,
    /// Files that were overwritten since messages of theirs had died.
    pub forgets: u64,
    /// Files wrapped anew by the first key-encryption key.
    pub rewrapped: u64,
    /// Buckets there are.
    pub buckets: u64,
    /// Files that are still wrapped by a key-encryption key other than the first.
    pub to_rewrap: u64,
}

/// What keeps the promise. The tests leave each out in turn, to see that the promise is broken then.
#[derive(Clone, Copy)]
struct Guards {
    /// A file is synced before it gets its name.
    sync_files: bool,
    /// A name is synced before anything relies on it.
    sync_names: bool,
    /// A file's bytes are overwritten before its name is taken away.
    shred: bool,
}

impl Guards {
    const ALL: Self = Self { sync_files: true, sync_names: true, shred: true };
}

struct Inner {
    keks: Vec<Kek>,
    buckets: RwLock<BTreeMap<u64, Keys>>,
    /// Whoever changes files holds this.
    files: Mutex<Files>,
    /// Buckets whose files another key-encryption key than the first has wrapped.
    to_rewrap: Mutex<BTreeSet<u64>>,
    poisoned: AtomicBool,
    errand: Mutex<Errand>,
    called: Condvar,
    nonce: [u8; 8],
    nonces: AtomicU64,
    sealed: AtomicU64,
    created: AtomicU64,
    waits: AtomicU64,
    forgets: AtomicU64,
    rewrapped: AtomicU64,
}

/// What the helper shall do.
#[derive(Default)]
struct Errand {
    ahead: Option<u64>,
    rewrap: bool,
    stop: bool,
    /// The newest bucket that a secret was asked for ahead of.
    newest: u64,
}

/// The keys of everything that is kept for those who are away. For any thread; cheap to share in an [`Arc`].
pub struct Vault {
    inner: Arc<Inner>,
    helper: Option<JoinHandle<()>>,
    _lock: Box<dyn Any + Send + Sync>,
}

impl Vault {
    /// Opens the vault in `disk`, with a thread that makes secrets ahead and wraps files anew. The first of `keks` wraps, all unwrap.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoKey`], [`VaultError::Locked`], [`VaultError::UnknownKey`], [`VaultError::Damaged`], [`VaultError::Io`].
    pub fn open(disk: Arc<dyn Disk>, keks: Vec<Kek>) -> Result<Self, VaultError> {
        let mut vault = Self::open_guarded(disk, keks, Guards::ALL)?;
        vault.inner.errand.lock().rewrap = true;
        let inner = Arc::clone(&vault.inner);
        let helper = thread::Builder::new().name("vault-keys".to_owned()).spawn(move || inner.help());
        vault.helper = Some(helper.map_err(|source| VaultError::Io { source })?);
        Ok(vault)
    }

    /// As [`Vault::open`], without a thread: whoever needs a secret makes it. For simulations.
    ///
    /// # Errors
    ///
    /// Those of [`Vault::open`].
    pub fn open_alone(disk: Arc<dyn Disk>, keks: Vec<Kek>) -> Result<Self, VaultError> {
        Self::open_guarded(disk, keks, Guards::ALL)
    }

    fn open_guarded(disk: Arc<dyn Disk>, keks: Vec<Kek>, guards: Guards) -> Result<Self, VaultError> {
        if keks.is_empty() {
            return Err(VaultError::NoKey);
        }
        let lock = disk.lock().map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => VaultError::Locked,
            _ => VaultError::Io { source },
        })?;
        let files = Files { disk, guards };
        let (mut buckets, mut to_rewrap) = (BTreeMap::new(), BTreeSet::new());
        for bucket in files.recover()? {
            let (content, kek) = crypt::unwrap(&keks, bucket, &files.read(bucket)?)?;
            buckets.insert(bucket, content.keys());
            if kek > 0 {
                to_rewrap.insert(bucket);
            }
        }
        let inner = Inner {
            keks,
            buckets: RwLock::new(buckets),
            files: Mutex::new(files),
            to_rewrap: Mutex::new(to_rewrap),
            poisoned: AtomicBool::new(false),
            errand: Mutex::default(),
            called: Condvar::new(),
            nonce: *crypt::random()?,
            nonces: AtomicU64::new(0),
            sealed: AtomicU64::new(0),
            created: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            forgets: AtomicU64::new(0),
            rewrapped: AtomicU64::new(0),
        };
        Ok(Self { inner: Arc::new(inner), helper: None, _lock: lock })
    }

    /// Seals `body` in place, under the key of message `number` of `bucket`. The key is durable when this returns. The first body of a
    /// bucket has a secret made ahead for the next one. A bucket that was closed, which only a clock that went back comes to again, gets
    /// another secret for what is sealed from now on.
    ///
    /// # Errors
    ///
    /// [`VaultError::Full`], [`VaultError::Io`], and from then on [`VaultError::Poisoned`].
    pub fn seal(&self, bucket: u64, number: u64, aad: &[u8], body: &mut Vec<u8>) -> Result<(), VaultError> {
        let inner = &*self.inner;
        inner.check()?;
        let key = loop {
            if let Some(keys) = inner.buckets.read().get(&bucket).filter(|keys| keys.secret.is_some()) {
                break keys.of(number).ok_or(VaultError::Crypto)?;
            }
            if inner.create(bucket)? {
                inner.waits.fetch_add(1, Relaxed);
            }
        };
        let mut nonce = [0; NONCE];
        nonce[..8].copy_from_slice(&inner.nonce);
        // The numbers may come round: only those of one message must differ.
        nonce[8..].copy_from_slice(&inner.nonces.fetch_add(1, Relaxed).to_le_bytes()[..4]);
        crypt::seal(&key, nonce, aad, body)?;
        inner.sealed.fetch_add(1, Relaxed);
        if self.helper.is_some() {
            inner.ask_ahead(bucket);
        }
        Ok(())
    }

    /// Opens a body in place that was sealed for the same bucket, number and `aad`. Of one that does not open nothing is of use.
    ///
    /// # Errors
    ///
    /// [`VaultError::Forgotten`], [`VaultError::Tampered`]; of a bucket that was closed and has another secret since, both may mean that it
    /// was forgotten.
    pub fn unseal(&self, bucket: u64, number: u64, aad: &[u8], body: &mut Vec<u8>) -> Result<(), VaultError> {
        let key = self.inner.buckets.read().get(&bucket).and_then(|keys| keys.of(number));
        let key = key.ok_or(VaultError::Forgotten)?;
        if crypt::open(&key, aad, body) { Ok(()) } else { Err(VaultError::Tampered) }
    }

    /// Closes a bucket, and forgets all its messages but those in `live`; to be called again when more of them have died. What is dead can be
    /// opened by nobody when this returns. A number in `live` that was forgotten before stays forgotten.
    ///
    /// That a message is dead must be durable before: after a crash its key is not there to deliver it again. And no body of the bucket may
    /// be on its way between [`Vault::seal`] and the list. Takes some syncs: not for the committer's thread.
    ///
    /// # Errors
    ///
    /// [`VaultError::Full`]: all is as before; [`VaultError::Io`], and from then on [`VaultError::Poisoned`].
    pub fn forget(&self, bucket: u64, live: &[u64]) -> Result<(), VaultError> {
        self.forget_all(&[(bucket, live)])
    }

    /// As [`Vault::forget`] for many buckets, with fewer syncs: two a bucket, and four for every 32. On an error some may be forgotten.
    ///
    /// # Errors
    ///
    /// Those of [`Vault::forget`].
    pub fn forget_all(&self, buckets: &[(u64, &[u64])]) -> Result<(), VaultError> {
        buckets.chunks(TOGETHER).try_for_each(|some| self.inner.forget(some))
    }

    /// Every bucket there is, in order. Some may never have been used: secrets are made ahead.
    #[must_use]
    pub fn buckets(&self) -> Vec<u64> {
        self.inner.buckets.read().keys().copied().collect()
    }

    /// Whether the bucket has a secret: more can be sealed in it, and all that was since it was made can be opened.
    #[must_use]
    pub fn is_open(&self, bucket: u64) -> bool {
        self.inner.buckets.read().get(&bucket).is_some_and(|keys| keys.secret.is_some())
    }

    /// Wraps anew what other keys than the first have wrapped, and says how many files that were. The helper does it by itself; where this
    /// has returned, and [`VaultMetrics::to_rewrap`] is 0, the other keys are needed no more.
    ///
    /// # Errors
    ///
    /// [`VaultError::Full`], [`VaultError::Io`], and from then on [`VaultError::Poisoned`].
    pub fn rewrap(&self) -> Result<usize, VaultError> {
        self.inner.rewrap()
    }

    /// What the vault has done, and holds.
    #[must_use]
    pub fn metrics(&self) -> VaultMetrics {
        let inner = &*self.inner;
        VaultMetrics {
            sealed: inner.sealed.load(Relaxed),
            created: inner.created.load(Relaxed),
            waits: inner.waits.load(Relaxed),
            forgets: inner.forgets.load(Relaxed),
            rewrapped: inner.rewrapped.load(Relaxed),
            buckets: inner.buckets.read().len() as u64,
            to_rewrap: inner.to_rewrap.lock().len() as u64,
        }
    }
}

impl Inner {
    fn forget(&self, buckets: &[(u64, &[u64])]) -> Result<(), VaultError> {
        let files = self.files.lock();
        self.check()?;
        let (mut changes, mut contents) = (Vec::new(), BTreeMap::new());
        for &(bucket, live) in buckets {
            if contents.contains_key(&bucket) {
                continue;
            }
            let Some(left) = self.left(bucket, live) else { continue };
            let content = Content { secret: None, live: left };
            let bytes = if content.is_empty() { None } else { Some(crypt::wrap(&self.keks[0], bucket, &content)?) };
            changes.push((bucket, bytes));
            contents.insert(bucket, content);
        }
        self.guard(files.change(&changes))?;
        let (mut all, mut to_rewrap) = (self.buckets.write(), self.to_rewrap.lock());
        for (bucket, content) in contents {
            if content.is_empty() {
                all.remove(&bucket);
            } else {
                all.insert(bucket, content.keys());
            }
            to_rewrap.remove(&bucket);
            self.forgets.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    /// The keys that a bucket keeps, if that is less than it has.
    fn left(&self, bucket: u64, live: &[u64]) -> Option<Vec<(u64, MessageKey)>> {
        let buckets = self.buckets.read();
        let keys = buckets.get(&bucket)?;
        let mut left: Vec<_> = live.iter().filter_map(|&number| Some((number, keys.of(number)?))).collect();
        left.sort_unstable_by_key(|(number, _)| *number);
        left.dedup_by_key(|(number, _)| *number);
        (keys.secret.is_some() || keys.live.len() > left.len()).then_some(left)
    }

    fn check(&self) -> Result<(), VaultError> {
        if self.poisoned.load(Relaxed) { Err(VaultError::Poisoned) } else { Ok(()) }
    }

    /// After a failure nobody knows what the disk holds: for good.
    fn guard<T>(&self, done: Result<T, VaultError>) -> Result<T, VaultError> {
        if matches!(done, Err(VaultError::Io { .. })) {
            self.poisoned.store(true, Relaxed);
        }
        done
    }

    /// Makes a bucket's secret. False: it has one.
    fn create(&self, bucket: u64) -> Result<bool, VaultError> {
        let files = self.files.lock();
        self.check()?;
        let live = match self.buckets.read().get(&bucket) {
            Some(Keys { secret: Some(_), .. }) => return Ok(false),
            Some(closed) => Some(closed.live.clone()),
            None => None,
        };
        let is_new = live.is_none();
        let content = Content::with_secret(live.unwrap_or_default())?;
        let bytes = crypt::wrap(&self.keks[0], bucket, &content)?;
        if is_new {
            self.guard(files.create(bucket, &bytes))?;
        } else {
            self.guard(files.change(&[(bucket, Some(bytes))]))?;
            self.to_rewrap.lock().remove(&bucket);
        }
        self.buckets.write().insert(bucket, content.keys());
        self.created.fetch_add(1, Relaxed);
        Ok(true)
    }

    fn rewrap(&self) -> Result<usize, VaultError> {
        let mut done = 0;
        loop {
            // One at a time: who needs a secret waits for one file at most.
            let files = self.files.lock();
            self.check()?;
            let Some(bucket) = self.to_rewrap.lock().first().copied() else { return Ok(done) };
            let (content, _) = crypt::unwrap(&self.keks, bucket, &files.read(bucket)?)?;
            let bytes = crypt::wrap(&self.keks[0], bucket, &content)?;
            self.guard(files.change(&[(bucket, Some(bytes))]))?;
            self.to_rewrap.lock().remove(&bucket);
            self.rewrapped.fetch_add(1, Relaxed);
            done += 1;
        }
    }

    fn ask_ahead(&self, bucket: u64) {
        let mut errand = self.errand.lock();
        if bucket >= errand.newest {
            errand.newest = bucket + 1;
            errand.ahead = Some(bucket + 1);
            self.called.notify_one();
        }
    }

    /// The helper's life.
    fn help(&self) {
        let mut errand = self.errand.lock();
        while !errand.stop {
            if let Some(bucket) = errand.ahead.take() {
                drop(errand);
                // If it fails, whoever needs the secret tries again, and gets the reason.
                drop(self.create(bucket));
                errand = self.errand.lock();
            } else if std::mem::take(&mut errand.rewrap) {
                drop(errand);
                drop(self.rewrap());
                errand = self.errand.lock();
            } else {
                self.called.wait(&mut errand);
            }
        }
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.inner.errand.lock().stop = true;
        self.inner.called.notify_all();
        if let Some(helper) = self.helper.take() {
            drop(helper.join());
        }
    }
}
