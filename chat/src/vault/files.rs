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
        let (mut buckets, mut left) = (Vec::new(), Vec::new());
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
                    left.push(format!("{name}.{form}"));
                }
            }
            if found.plain {
                buckets.push(bucket);
            }
        }
        self.shred(&left)?;
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
        self.write_new(&[(&name, bytes)])?;
        self.rename(&[(format!("{name}.new"), name)])
    }

    /// Puts other files in the place of buckets' own, or nothing, and overwrites the earlier ones. Step by step for all together: the
    /// directory is synced as often for many as for one.
    pub(super) fn change(&self, changes: &[(u64, Option<Vec<u8>>)]) -> Result<(), VaultError> {
        let names: Vec<(String, Option<&[u8]>)> =
            changes.iter().map(|(bucket, bytes)| (name(*bucket), bytes.as_deref())).collect();
        let new: Vec<(&str, &[u8])> =
            names.iter().filter_map(|(name, bytes)| Some((name.as_str(), (*bytes)?))).collect();
        self.write_new(&new)?;
        let gone = |(name, bytes): &(String, Option<&[u8]>)| {
            if bytes.is_some() { format!("{name}.old") } else { format!("{name}.dead") }
        };
        let aside: Vec<(String, String)> = names.iter().map(|change| (change.0.clone(), gone(change))).collect();
        self.rename(&aside)?;
        let into: Vec<(String, String)> =
            new.iter().map(|(name, _)| (format!("{name}.new"), (*name).to_owned())).collect();
        self.rename(&into)?;
        let gone: Vec<String> = names.iter().map(gone).collect();
        self.shred(&gone)
    }

    fn write_new(&self, files: &[(&str, &[u8])]) -> Result<(), VaultError> {
        let names: Vec<String> = files.iter().map(|(name, _)| format!("{name}.new")).collect();
        let mut made = Vec::new();
        let written = (|| {
            let mut open = Vec::new();
            for name in &names {
                open.push(self.disk.create(name)?);
                made.push(name.clone());
            }
            if self.guards.sync_names && !names.is_empty() {
                self.disk.sync_dir()?; // before there is anything in them: a crash must leave no keys that no name leads to
            }
            for (file, (_, bytes)) in open.iter().zip(files) {
                file.write_at(bytes, 0)?;
            }
            open.iter().try_for_each(|file| self.sync(&**file))
        })();
        written.map_err(|error| {
            if !is_full(&error) {
                return failed(error);
            }
            // What is there of them goes; where that fails as well, the next opening does it.
            self.shred(&made).err().unwrap_or(VaultError::Full)
        })
    }

    fn rename(&self, names: &[(String, String)]) -> Result<(), VaultError> {
        for (from, to) in names {
            self.disk.rename(from, to).map_err(failed)?;
        }
        if self.guards.sync_names && !names.is_empty() {
            self.disk.sync_dir().map_err(failed)?;
        }
        Ok(())
    }

    fn shred(&self, names: &[String]) -> Result<(), VaultError> {
        for name in names.iter().filter(|_| self.guards.shred) {
            let file = self.disk.open(name).map_err(failed)?;
            let len = usize::try_from(file.len().map_err(failed)?).map_err(|error| failed(io::Error::other(error)))?;
            file.write_at(&vec![0; len], 0).and_then(|()| self.sync(&*file)).map_err(failed)?;
        }
        names.iter().try_for_each(|name| self.disk.remove(name)).map_err(failed)?;
        if names.is_empty() { Ok(()) } else { self.disk.sync_dir().map_err(failed) }
    }

    fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        if self.guards.sync_files { file.sync() } else { Ok(()) }
    }
}

fn failed(source: io::Error) -> VaultError {
    VaultError::Io { source }
}
