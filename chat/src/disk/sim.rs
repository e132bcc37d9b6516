//! A disk for tests, which forgets what was not synced: by seed, at any operation, wholly or in part.
//!
//! Invariant: after [`SimDisk::power_cut`] a file has all that was synced, and of each later write nothing, all, some sectors, or its first
//! bytes; the directory has every name as of its last sync, and each later change or not, whatever became of the others.
//! [`SimDisk::kill`] is milder: the program has ended, what it wrote is still on its way.

use std::{
    any::Any,
    collections::BTreeMap,
    io,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use super::{Disk, DiskFile};

/// Disks write this much at once, or not at all.
const SECTOR: usize = 512;

/// Numbers from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The numbers that belong to `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    #[expect(clippy::cast_possible_truncation, reason = "it is below a usize")]
    pub const fn below(&mut self, n: usize) -> usize {
        (self.next_u64() % n as u64) as usize
    }

    /// True once in `n` times.
    pub const fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What goes wrong, and when. Operations (all but reads) are counted from 1 since the disk was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The power is cut at this operation: it, and all later ones, fail.
    pub cut_at: Option<u64>,
    /// The first sync of a file or directory from this operation on fails, and some of what it was for is lost.
    pub fail_sync_at: Option<u64>,
    /// Bytes of all files together.
    pub capacity: Option<usize>,
    /// Syncs of files do nothing: what a program that leaves them out would see.
    pub ignore_sync: bool,
    /// Syncs of the directory do nothing.
    pub ignore_sync_dir: bool,
}

#[derive(Default)]
struct Inode {
    durable: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

enum NameChange {
    Set(String, usize),
    Move(String, String, usize),
    Remove(String),
}

struct World {
    rng: Rng,
    faults: Faults,
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced_names: Vec<NameChange>,
    operations: u64,
    dead: bool,
    lock: Weak<()>,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<World>>);

struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl SimDisk {
    /// An empty disk; what is lost in its crashes follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            rng: Rng::new(seed),
            faults: Faults::default(),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            operations: 0,
            dead: false,
            lock: Weak::new(),
        })))
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// How many operations there were.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Whether the power was cut.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.0.lock().dead
    }

    /// The program has ended; the disk goes on, with all that was written, durable or not.
    pub fn kill(&self) {
        let mut world = self.0.lock();
        world.dead = false;
        world.lock = Weak::new();
    }

    /// The power was cut, and is back: what was not synced is lost, or half there.
    pub fn power_cut(&self) {
        let mut world = self.0.lock();
        world.forget_names();
        for inode in 0..world.inodes.len() {
            world.forget(inode);
            world.inodes[inode].current = world.inodes[inode].durable.clone();
        }
        world.dead = false;
        world.lock = Weak::new();
    }

    /// All bytes that are anywhere on the disk: files as they are and as they would be after a crash, removed ones too.
    #[must_use]
    pub fn everything(&self) -> Vec<Vec<u8>> {
        let world = self.0.lock();
        let mut all = Vec::new();
        for inode in &world.inodes {
            all.extend([inode.durable.clone(), inode.current.clone()]);
            all.extend(inode.unsynced.iter().map(|(_, bytes)| bytes.clone()));
        }
        all
    }
}

impl World {
    /// Counts an operation; says whether it still happens.
    fn operation(&mut self) -> io::Result<()> {
        if self.dead {
            return Err(io::Error::other("the power is cut"));
        }
        self.operations += 1;
        if self.faults.cut_at.is_some_and(|at| self.operations >= at) {
            self.dead = true;
            return Err(io::Error::other("the power is cut"));
        }
        Ok(())
    }

    fn sync_fails(&mut self) -> bool {
        let fails = self.faults.fail_sync_at.is_some_and(|at| self.operations >= at);
        if fails {
            self.faults.fail_sync_at = None;
        }
        fails
    }

    /// What was not synced of a file becomes durable in part, and is not tried again.
    fn forget(&mut self, inode: usize) {
        let Self { rng, inodes, .. } = self;
        let inode = &mut inodes[inode];
        for (offset, bytes) in inode.unsynced.drain(..) {
            let mode = rng.below(4);
            let torn = rng.below(bytes.len() + 1);
            let mut at = 0;
            while at < bytes.len() {
                let end = bytes.len().min(((offset + at) / SECTOR + 1) * SECTOR - offset);
                let keep = match mode {
                    0 => 0,
                    1 => end - at,
                    2 => (end - at) * rng.below(2),
                    _ => torn.clamp(at, end) - at,
                };
                if keep > 0 {
                    put(&mut inode.durable, offset + at, &bytes[at..at + keep]);
                }
                at = end;
            }
        }
    }

    fn forget_names(&mut self) {
        for change in std::mem::take(&mut self.unsynced_names) {
            if self.rng.one_in(2) {
                change.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn used(&self) -> usize {
        self.names.values().map(|&inode| self.inodes[inode].current.len()).sum()
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Move(from, to, inode) => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

fn put(into: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if into.len() < offset + bytes.len() {
        into.resize(offset + bytes.len(), 0);
    }
    into[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut world = self.0.lock();
        world.operation()?;
        // A new file, also where one of that name was: that one's end is then a removal, and no truncation, which is as durable.
        let inode = world.inodes.len();
        world.inodes.push(Inode::default());
        world.change(NameChange::Set(name.to_owned(), inode));
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.0.lock().find(name)?;
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.0.lock();
        world.operation()?;
        let inode = world.find(from)?;
        world.change(NameChange::Move(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.0.lock();
        world.operation()?;
        world.find(name)?;
        world.change(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut world = self.0.lock();
        world.operation()?;
        if world.sync_fails() {
            let names = world.names.clone();
            world.forget_names();
            world.names = names;
            return Err(io::Error::other("the disk fails"));
        }
        if !world.faults.ignore_sync_dir {
            world.unsynced_names.clear();
            world.durable_names = world.names.clone();
        }
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut world = self.0.lock();
        if world.lock.upgrade().is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let guard = Arc::new(());
        world.lock = Arc::downgrade(&guard);
        Ok(Box::new(guard))
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().inodes[self.inode].current.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let world = self.disk.0.lock();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = world.inodes[self.inode].current.get(start..start + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut world = self.disk.0.lock();
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let was_dead = world.dead;
        let died = world.operation();
        let grows = (offset + bytes.len()).saturating_sub(world.inodes[self.inode].current.len());
        if died.is_ok() && grows > 0 && world.faults.capacity.is_some_and(|capacity| world.used() + grows > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // One that the power cut off may have reached the disk in part; one after it, not.
        if !was_dead {
            let inode = &mut world.inodes[self.inode];
            put(&mut inode.current, offset, bytes);
            inode.unsynced.push((offset, bytes.to_vec()));
        }
        died
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.disk.0.lock();
        world.operation()?;
        if world.sync_fails() {
            world.forget(self.inode);
            return Err(io::Error::other("the disk fails"));
        }
        if !world.faults.ignore_sync {
            // Not all that is in memory: what an earlier, failed sync has dropped counts as clean, and is never written.
            let inode = &mut world.inodes[self.inode];
            for (offset, bytes) in inode.unsynced.drain(..) {
                put(&mut inode.durable, offset, &bytes);
            }
        }
        Ok(())
    }
}
