//! The data folder: whose it is, who else can read it, how much room there is, and how long it takes until something is safe.

use super::finding::Finding;
use crate::config::Config;
use crate::figures::disk;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// Below it new calls and accounts will soon not be kept.
const FREE_BYTES_MIN: u64 = 200_000_000;
/// Below it someone should look.
const FREE_BYTES_LOW: u64 = 2_000_000_000;
/// Each sign-in and each change of a call waits for this.
const SYNC_SLOW: Duration = Duration::from_millis(100);

#[derive(Clone, Debug)]
struct Facts {
    name: String,
    /// None if it is not there.
    mode: Option<u32>,
    owner: u32,
    us: u32,
    free: Option<u64>,
    /// How long a small write took until it was on the disk.
    synced: Result<Duration, String>,
}

/// Whether a program runs on this folder: it holds the lock.
pub(super) fn is_in_use(folder: &Path) -> bool {
    let Ok(lock) = File::open(folder.join("lock")) else { return false };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let folder = &config.data.dir;
    let there = std::fs::metadata(folder).ok();
    findings(&Facts {
        name: std::path::absolute(folder).unwrap_or_else(|_| folder.clone()).display().to_string(),
        mode: there.as_ref().map(|there| there.permissions().mode() & 0o777),
        owner: there.as_ref().map_or(0, std::fs::Metadata::uid),
        us: rustix::process::geteuid().as_raw(),
        free: disk(folder).map(|(free, _)| free),
        synced: sync(folder).map_err(|error| error.to_string()),
    })
}

pub(super) fn sync(folder: &Path) -> std::io::Result<Duration> {
    let file = folder.join(format!("doctor.{}", std::process::id()));
    let began = Instant::now();
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).and_then(|mut out| {
        out.write_all(&[0; 4096])?;
        out.sync_all()
    });
    let took = began.elapsed();
    std::fs::remove_file(&file).ok();
    written.map(|()| took)
}

fn findings(facts: &Facts) -> Vec<Finding> {
    let Facts { name, owner, us, .. } = facts;
    let Some(mode) = facts.mode else {
        return vec![Finding::ok("data folder", format!("{name} is not there yet: the first start makes it"))];
    };
    let mut findings = Vec::new();
    if mode & 0o077 != 0 {
        let says =
            format!("others on this machine can look into {name} (mode {mode:o}): calls, accounts and a key are in it");
        findings.push(Finding::problem("data folder", says, format!("chmod 700 {name}")));
    }
    let is_root = *us == 0;
    if !is_root && owner != us {
        let says = format!("{name} belongs to user {owner}, and you are {us}: what is in it can't be looked at");
        let todo = "run doctor as the program's user: sudo -u tertulia tertulia doctor --config …";
        findings.push(Finding::warning("data folder", says, todo));
    } else {
        findings.push(match &facts.synced {
            Err(error) => Finding::problem("data folder", format!("nothing can be written to {name}: {error}"), WRITE),
            Ok(took) if *took > SYNC_SLOW => Finding::warning(
                "data folder",
                format!("a small write takes {} ms until it is safe: people wait for it at sign-in", took.as_millis()),
                "put data.dir on a local disk, not on a network's",
            ),
            Ok(took) => {
                Finding::ok("data folder", format!("{name}: a write is safe within {} ms", took.as_millis() + 1))
            }
        });
    }
    if is_root && *owner == 0 && facts.synced.is_ok() {
        let says = format!("{name} belongs to root: the program should not run as root");
        let todo =
            format!("chown -R tertulia: {name}, and start it as that user (deploy/systemd/tertulia.service does)");
        findings.push(Finding::warning("data folder", says, todo));
    }
    findings.extend(facts.free.map(room));
    findings
}

const WRITE: &str = "chown it to the program's user; see that the disk is not full (df -h) nor read-only (findmnt -T)";

fn room(free: u64) -> Finding {
    let says = format!("{}.{} GB are free", free / 1_000_000_000, free / 100_000_000 % 10);
    match free {
        0..FREE_BYTES_MIN => {
            Finding::problem("disk", says, "free some now: see what takes it with du -xh / | sort -h | tail")
        }
        FREE_BYTES_MIN..FREE_BYTES_LOW => {
            Finding::warning("disk", says, "see what takes it: du -xh / | sort -h | tail")
        }
        _ => Finding::ok("disk", says),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn verdict(change: impl FnOnce(&mut Facts)) -> (Level, String) {
        let mut facts = Facts {
            name: "/var/lib/tertulia".to_owned(),
            mode: Some(0o700),
            owner: 900,
            us: 900,
            free: Some(50_000_000_000),
            synced: Ok(Duration::from_millis(3)),
        };
        change(&mut facts);
        let findings = findings(&facts);
        let level = findings.iter().map(|finding| finding.level).max().unwrap();
        (level, findings.into_iter().map(|finding| finding.says).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn s8_the_data_folder_is_private_writable_and_has_room() {
        assert_eq!(verdict(|_| ()).0, Level::Ok);
        type Change = fn(&mut Facts);
        let cases: [(Change, Level, &str); 9] = [
            (|f| f.mode = None, Level::Ok, "first start makes it"),
            (|f| f.mode = Some(0o755), Level::Problem, "mode 755"),
            (|f| f.us = 1000, Level::Warning, "belongs to user 900"),
            (|f| f.us = 0, Level::Ok, "safe within"),
            (|f| (f.us, f.owner) = (0, 0), Level::Warning, "belongs to root"),
            (|f| f.synced = Err("Read-only file system".into()), Level::Problem, "Read-only"),
            (|f| f.synced = Ok(Duration::from_millis(400)), Level::Warning, "400 ms"),
            (|f| f.free = Some(1_500_000_000), Level::Warning, "1.5 GB"),
            (|f| f.free = Some(99_000_000), Level::Problem, "0.0 GB"),
        ];
        for (change, expected, words) in cases {
            let (level, says) = verdict(change);
            assert!(level == expected && says.contains(words), "{words}: {level:?} {says}");
        }
    }

    #[test]
    fn s8_a_write_is_measured_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(sync(folder.path()).is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(sync(&folder.path().join("nowhere")).is_err());
    }

    #[test]
    fn s8_a_folder_in_use_is_known_by_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_in_use(folder.path()));
        let lock = File::create(folder.path().join("lock")).unwrap();
        assert!(!is_in_use(folder.path()));
        lock.lock().unwrap();
        assert!(is_in_use(folder.path()));
    }
}
