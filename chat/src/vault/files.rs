//! The files of the vault, one a bucket, and how one takes another's place.
//!
//! ```text
//! 000000000a1b2c3d        what opens the bucket's messages, wrapped
//! 000000000a1b2c3d.new    what shall take its place, being written
//! 000000000a1b2c3d.old    what it has taken the place of, to be overwritten; if there is no other: what still is in its place
//! 000000000a1b2c3d.dead   to be overwritten in any case
//! ```
//!
//! Invariant: at every moment a bucket's file is on the disk, whole, under its name or as `.old`; and no name is taken from a file with keys
//! before its bytes were overwritten and synced.

use std::{collections::BTreeMap, io, sync::Arc};

use super::{Guards, VaultError};
use crate::disk::{Disk, DiskFile, is_full};

pub(super) struct Files {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) guards: Guards,
}

/// The forms in which a bucket is found on the disk.
#[derive(Default)]
struct Found {
    plain: bool,
    new: bool,
    old: bool,
    dead: bool,
}

fn name(bucket: u64) -> String {
    format!("{bucket:016x}")
}

fn parse(name: &str) -> Option<(u64, &str)> {
    let (hex, form) = name.split_at_checked(16)?;
    Some((u64::from_str_radix(hex, 16).ok()?, form))
}

impl Files {
    /// Ends what a crash has interrupted, and says which buckets there are.
    pub(super) fn recover(&self) -> Result<Vec<u64>, VaultError> {
        let (disk, guards) = (&self.disk, self.guards);
        disk.sync_dir().map_err(failed)?;
        let mut found: BTreeMap<u64, Found> = BTreeMap::new();
        for name in disk.list().map_err(failed)? {
            let Some((bucket, form)) = parse(&name) else { continue };
            let found = found.entry(bucket).or_default();
            match form {
                "" => found.plain = true,
                ".new" => found.new = true,
                ".old" => found.old = true,
                ".dead" => found.dead = true,
                _ => {}
            }
        }
        let mut buckets = Vec::new();
        for (bucket, mut found) in found {
            let name = name(bucket);
            if found.old && !found.plain {
                disk.rename(&format!("{name}.old"), &name).map_err(failed)?;
                if guards.sync_names {
                    disk.sync_dir().map_err(failed)?;
                }
                (found.plain, found.old) = (true, false);
            }
            for (is_there, form) in [(found.new, "new"), (found.old, "old"), (found.dead, "dead")] {
                if is_there {
                    self.shred(&format!("{name}.{form}"))?;
                }
            }
            if found.plain {
                buckets.push(bucket);
            }
        }
        Ok(buckets)
    }

    pub(super) fn read(&self, bucket: u64) -> Result<Vec<u8>, VaultError> {
        let file = self.disk.open(&name(bucket)).map_err(failed)?;
        let len = usize::try_from(file.len().map_err(failed)?).map_err(|_| VaultError::Damaged { bucket })?;
        let mut bytes = vec![0; len];
        file.read_at(&mut bytes, 0).map_err(failed)?;
        Ok(bytes)
    }

    /// Makes a bucket's first file.
    pub(super) fn create(&self, bucket: u64, bytes: &[u8]) -> Result<(), VaultError> {
        let name = name(bucket);
        self.write_new(&name, bytes)?;
        self.rename(&format!("{name}.new"), &name)
    }

    /// Puts another file in the place of a bucket's, and overwrites the earlier one.
    pub(super) fn replace(&self, bucket: u64, bytes: &[u8]) -> Result<(), VaultError> {
        let name = name(bucket);
        let old = format!("{name}.old");
        self.write_new(&name, bytes)?;
        self.rename(&name, &old)?;
        self.rename(&format!("{name}.new"), &name)?;
        self.shred(&old)
    }

    /// Takes a bucket's file away, and overwrites it first.
    pub(super) fn destroy(&self, bucket: u64) -> Result<(), VaultError> {
        let name = name(bucket);
        let dead = format!("{name}.dead");
        self.rename(&name, &dead)?;
        self.shred(&dead)
    }

    fn write_new(&self, name: &str, bytes: &[u8]) -> Result<(), VaultError> {
        let new = format!("{name}.new");
        let file = self.disk.create(&new).map_err(failed)?;
        if self.guards.sync_names {
            self.disk.sync_dir().map_err(failed)?; // before there is anything in it: a crash must leave no keys that no name leads to
        }
        let written = file.write_at(bytes, 0).and_then(|()| self.sync(&*file));
        written.map_err(|error| {
            if is_full(&error) {
                // What is there of it goes; where that fails as well, the next opening does it.
                if let Err(error) = self.shred(&new) {
                    return error;
                }
            }
            failed(error)
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), VaultError> {
        self.disk.rename(from, to).map_err(failed)?;
        if self.guards.sync_names {
            self.disk.sync_dir().map_err(failed)?;
        }
        Ok(())
    }

    fn shred(&self, name: &str) -> Result<(), VaultError> {
        if self.guards.shred {
            let file = self.disk.open(name).map_err(failed)?;
            let len = usize::try_from(file.len().map_err(failed)?).map_err(|error| failed(io::Error::other(error)))?;
            file.write_at(&vec![0; len], 0).and_then(|()| self.sync(&*file)).map_err(failed)?;
        }
        self.disk.remove(name).and_then(|()| self.disk.sync_dir()).map_err(failed)
    }

    fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        if self.guards.sync_files { file.sync() } else { Ok(()) }
    }
}

fn failed(source: io::Error) -> VaultError {
    if is_full(&source) { VaultError::Full } else { VaultError::Io { source } }
}
