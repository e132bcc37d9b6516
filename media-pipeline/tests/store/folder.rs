//! The folder where processes are killed, disks are full, and files are not what they were.

use crate::{Home, key_of, noise, read};
use futures_util::StreamExt;
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tertulia_media_pipeline::ingest::{Spool, SpoolLimits};
use tertulia_media_pipeline::store::{BlobKey, BlobStore, Folder, PIECE_BYTES_MAX, StoreError};

/// Where it is set, a test is the child that its other self has started, with the folder that it names.
const CHILD: &str = "TERTULIA_TEST_STORE_CHILD";
/// A file system of its own on every Linux: what is spooled there has to be copied.
const OTHER_FILE_SYSTEM: &str = "/dev/shm";
const BLOB_BYTES: usize = 300_000;
/// Bytes of the blobs during whose puts a process is killed: enough that a copy takes a while.
const KILLED_BYTES: usize = 2_000_000;

/// This test binary, to run one test as a child.
fn child(test: &str, folder: &Path) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]).env(CHILD, folder);
    child
}

fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Puts blobs and says so, until it is killed.
#[tokio::main(flavor = "current_thread")]
async fn put_until_killed(folder: &Path, spool: &Path) {
    let store = Folder::open(&folder.join("blobs")).unwrap();
    let spool = Spool::open(spool, SpoolLimits { free_bytes_min: 0, ..SpoolLimits::default() }).unwrap();
    spool.clean(&HashSet::new()).unwrap();
    // In one piece, and not by the harness, which would hold it back.
    let say = |line: String| std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
    let mut blob = noise(1, KILLED_BYTES);
    for seed in u64::from(std::process::id()) << 32.. {
        blob[..8].copy_from_slice(&seed.to_le_bytes());
        let spooled = spool.put(blob.clone()).await.unwrap();
        let key = key_of(&blob);
        say("putting".to_owned());
        store.put(key, &spooled).await.unwrap();
        say(format!("put {key}"));
    }
}

fn kill_during_puts(test: &str, home: &Path) {
    let mut confirmed = HashSet::new();
    for round in 0..12 {
        let mut running = child(test, home).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (mut begun, mut said) = (0, 0);
        // What it says before it dies counts as well.
        for line in BufReader::new(running.stdout.take().unwrap()).lines().map_while(Result::ok) {
            if line == "putting" {
                begun += 1;
                if begun == 2 + round % 3 {
                    // Another moment of the put in each round; nothing that is asserted depends on which.
                    std::thread::sleep(Duration::from_micros(round * 300));
                    running.kill().unwrap();
                }
            }
            if let Some(key) = line.strip_prefix("put ").and_then(BlobKey::parse) {
                confirmed.insert(key);
                said += 1;
            }
        }
        assert!(said > round % 3, "the child ended by itself");
        running.wait().unwrap();
        all_is_whole(home, &confirmed);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn all_is_whole(home: &Path, confirmed: &HashSet<BlobKey>) {
    let store: Arc<dyn BlobStore> = Arc::new(Folder::open(&home.join("blobs")).unwrap());
    let listed = store.list(None, 100_000).await.unwrap();
    for one in &listed {
        assert!(key_of(&read(&store, one.key, None).await.unwrap()) == one.key, "a blob in part");
    }
    let there: HashSet<_> = listed.iter().map(|one| one.key).collect();
    assert!(there.is_superset(confirmed), "what was confirmed is lost");
    assert_eq!(files(&home.join("blobs")).len(), there.len(), "something is left that is no blob");
}

#[test]
fn d5_a_process_killed_during_puts_leaves_whole_blobs_and_all_that_it_confirmed() {
    if let Some(folder) = child_folder() {
        return put_until_killed(&folder, &folder.join("incoming"));
    }
    let home = Home::new();
    kill_during_puts(
        "folder::d5_a_process_killed_during_puts_leaves_whole_blobs_and_all_that_it_confirmed",
        home.path(),
    );
}

#[test]
fn d5_a_process_killed_while_it_copies_from_another_file_system_leaves_whole_blobs() {
    if let Some(folder) = child_folder() {
        let spool = std::fs::read_to_string(folder.join("spool")).unwrap();
        return put_until_killed(&folder, Path::new(&spool));
    }
    let home = Home::new();
    let spool = tempfile::tempdir_in(OTHER_FILE_SYSTEM).unwrap();
    assert_ne!(spool.path().metadata().unwrap().dev(), home.path().metadata().unwrap().dev(), "it would be a link");
    std::fs::write(home.path().join("spool"), spool.path().to_str().unwrap()).unwrap();
    kill_during_puts(
        "folder::d5_a_process_killed_while_it_copies_from_another_file_system_leaves_whole_blobs",
        home.path(),
    );
}

#[test]
fn d5_a_full_disk_is_told_and_costs_nothing_that_was_confirmed() {
    if let Some(folder) = child_folder() {
        return fill(&folder);
    }
    // A small file system of its own, in name spaces of its own: it is gone with the child.
    let home = Home::new();
    let test = child("folder::d5_a_full_disk_is_told_and_costs_nothing_that_was_confirmed", home.path());
    let mut run = Command::new("unshare");
    run.args(["--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs -o size=2m none \"$0\" && exec \"$@\""]);
    run.arg(home.path()).arg(test.get_program()).args(test.get_args()).env(CHILD, home.path());
    let done = run.output().unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(String::from_utf8_lossy(&done.stdout).contains("it was full"), "the child has not been there");
}

#[tokio::main(flavor = "current_thread")]
async fn fill(folder: &Path) {
    let elsewhere = tempfile::tempdir().unwrap();
    let spool = Spool::open(elsewhere.path(), SpoolLimits { free_bytes_min: 0, ..SpoolLimits::default() }).unwrap();
    let store: Arc<dyn BlobStore> = Arc::new(Folder::open(&folder.join("blobs")).unwrap());
    let mut confirmed = Vec::new();
    let failed = loop {
        let blob = noise(confirmed.len() as u64, BLOB_BYTES);
        let spooled = spool.put(blob.clone()).await.unwrap();
        match store.put(key_of(&blob), &spooled).await {
            Ok(()) => confirmed.push(blob),
            Err(error) => break error,
        }
        assert!(confirmed.len() < 10, "ten do not fit");
    };
    assert_eq!(failed, StoreError::Full);
    assert!(confirmed.len() > 3);
    assert_eq!(files(&folder.join("blobs")).len(), confirmed.len(), "something of the last is left");
    for blob in &confirmed {
        assert!(read(&store, key_of(blob), None).await.unwrap() == *blob);
    }
    store.delete(key_of(&confirmed[0])).await.unwrap();
    store.probe().await.unwrap();
    let spooled = spool.put(confirmed[0].clone()).await.unwrap();
    store.put(key_of(&confirmed[0]), &spooled).await.unwrap();
    std::io::stdout().write_all(b"\nit was full\n").unwrap();
}

#[tokio::test]
async fn d5_the_folder_is_for_its_owner_only() {
    let home = Home::new();
    let root = home.path().join("blobs");
    std::fs::create_dir(&root).unwrap();
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
    let store = Folder::open(&root).unwrap();
    for (seed, mode) in [(1, 0o600), (2, 0o666)] {
        let blob = noise(seed, 1_000);
        let spooled = home.spooled(blob.clone()).await;
        std::fs::set_permissions(spooled.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        store.put(key_of(&blob), &spooled).await.unwrap();
    }
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let blobs = files(&root);
    assert_eq!(blobs.len(), 2);
    for blob in blobs {
        assert_eq!(mode(&blob), 0o600);
        for folder in blob.ancestors().skip(1).take_while(|folder| folder.starts_with(&root)) {
            assert_eq!(mode(folder), 0o700, "{}", folder.display());
        }
    }
}

#[tokio::test]
async fn d5_a_put_from_the_same_file_system_copies_nothing() {
    let home = Home::new();
    let store = Folder::open(&home.path().join("blobs")).unwrap();
    let blob = noise(1, 1_000);
    let spooled = home.spooled(blob.clone()).await;
    store.put(key_of(&blob), &spooled).await.unwrap();
    let stored = &files(&home.path().join("blobs"))[0];
    assert_eq!(stored.metadata().unwrap().ino(), spooled.path().metadata().unwrap().ino());
}

#[tokio::test]
async fn d5_a_blob_that_is_cut_short_while_it_is_read_is_damage_and_one_that_is_deleted_is_not() {
    let home = Home::new();
    let store: Arc<dyn BlobStore> = Arc::new(Folder::open(&home.path().join("blobs")).unwrap());
    let blob = noise(1, 3 * PIECE_BYTES_MAX);
    let key = home.put(&store, &blob).await.unwrap();
    let mut cut = store.read(key, None).await.unwrap();
    cut.body.next().await.unwrap().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&files(&home.path().join("blobs"))[0]).unwrap();
    file.set_len(2 * PIECE_BYTES_MAX as u64 - 1).unwrap();
    assert_eq!(cut.body.next().await, Some(Err(StoreError::Damaged)));
    assert_eq!(cut.body.next().await, None);

    home.put(&store, &blob).await.unwrap();
    let mut reading = store.read(key, None).await.unwrap();
    store.delete(key).await.unwrap();
    let mut all = Vec::new();
    while let Some(piece) = reading.body.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    assert!(all == blob, "whoever has begun to read it reads it to its end");
}

#[tokio::test]
async fn d5_what_else_is_in_the_folder_is_no_blob() {
    let home = Home::new();
    let root = home.path().join("blobs");
    let store: Arc<dyn BlobStore> = Arc::new(Folder::open(&root).unwrap());
    let key = home.put(&store, &noise(1, 10)).await.unwrap();
    std::fs::create_dir_all(root.join("ab/cd")).unwrap();
    for name in ["lost+found", "ab/note", "ab/cd/note", "ab/cd/ABCDEF"] {
        std::fs::write(root.join(name), b"x").unwrap();
    }
    let listed: Vec<_> = store.list(None, 10).await.unwrap().iter().map(|listed| listed.key).collect();
    assert_eq!(listed, [key]);
}
