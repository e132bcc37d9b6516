//! What only another way to sync can show: syncs that fail, and in which order they come.

use super::*;
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

const BYTES: &[u8] = b"a picture of a dog";

fn key_of(bytes: &[u8]) -> BlobKey {
    let mut hash = Sha256::new();
    hash.update(bytes);
    BlobKey(hash.finish())
}

fn spooled(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("spooled");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A disk whose sync of number `bad` fails, counted from the moment it is armed.
fn disk_that_fails(root: &Path, bad: &Arc<AtomicUsize>) -> Disk {
    let bad = Arc::clone(bad);
    let sync = move |file: &File| match bad.load(Ordering::SeqCst) {
        0 => file.sync_all(),
        left => {
            bad.store(left - 1, Ordering::SeqCst);
            if left == 1 { Err(io::Error::from_raw_os_error(5)) } else { file.sync_all() }
        }
    };
    Disk::open_with(root, Box::new(sync)).unwrap()
}

#[test]
fn d5_a_failed_sync_is_never_taken_for_success_and_the_file_that_failed_is_not_linked_later() {
    // The file, its folder, the folder above, the root.
    for bad in 1..=4 {
        let home = tempfile::tempdir().unwrap();
        let armed = Arc::new(AtomicUsize::new(0));
        let disk = disk_that_fails(&home.path().join("blobs"), &armed);
        let (source, key) = (spooled(home.path(), BYTES), key_of(BYTES));
        armed.store(bad, Ordering::SeqCst);
        let done = disk.put(key, &source, BYTES.len() as u64);
        assert!(matches!(done, Err(StoreError::Failed(_))), "sync {bad}: {done:?}");
        disk.put(key, &source, BYTES.len() as u64).unwrap();
        let (blob, size) = disk.open_blob(key).unwrap();
        assert_eq!(size, BYTES.len() as u64);
        let source_inode = source.metadata().unwrap().ino();
        assert_ne!(blob.metadata().unwrap().ino(), source_inode, "sync {bad}: its pages may not have reached the disk");
    }
}

#[test]
fn d5_a_copy_of_other_bytes_than_the_key_says_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::open(&home.path().join("blobs")).unwrap();
    let source = spooled(home.path(), BYTES);
    disk.has_failed.store(true, Ordering::SeqCst);
    assert_eq!(disk.put(key_of(b"a cat"), &source, BYTES.len() as u64), Err(StoreError::Damaged));
    assert_eq!(std::fs::read_dir(&disk.partial).unwrap().count(), 0);
    assert!(disk.open_blob(key_of(b"a cat")).is_err());
}

#[test]
fn d5_each_folder_on_the_way_is_synced_before_a_put_is_done_once_for_each_run() {
    let home = tempfile::tempdir().unwrap();
    let synced = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&synced);
    let sync = move |file: &File| {
        seen.lock().push(file.metadata()?.ino());
        file.sync_all()
    };
    let root = home.path().join("blobs");
    let disk = Disk::open_with(&root, Box::new(sync)).unwrap();
    let (source, key) = (spooled(home.path(), BYTES), key_of(BYTES));
    let (top, leaf) = disk.folders(key);
    let inode = |path: &Path| path.metadata().unwrap().ino();

    synced.lock().clear();
    disk.put(key, &source, BYTES.len() as u64).unwrap();
    let first: Vec<u64> = std::mem::take(&mut *synced.lock());
    assert_eq!(first[0], inode(&source), "the bytes before the name");
    let rest: HashSet<u64> = first[1..].iter().copied().collect();
    assert_eq!(rest, HashSet::from([inode(&leaf), inode(&top), inode(&root)]));

    disk.put(key, &source, BYTES.len() as u64).unwrap();
    assert_eq!(*synced.lock(), [inode(&source), inode(&leaf)], "what leads there is known to be there");
}

#[test]
fn d5_what_another_process_is_writing_is_not_taken_for_left_behind() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::open(home.path()).unwrap();
    let writing = disk.partial.join("0");
    std::fs::write(&writing, BYTES).unwrap();
    let second = Disk::open(home.path()).unwrap();
    assert!(writing.exists(), "the first has the folder open");
    assert_eq!(second.sweep(Duration::from_mins(1)).unwrap(), 0);
    assert!(writing.exists(), "it is young");
    drop((disk, second));
    drop(Disk::open(home.path()).unwrap());
    assert!(!writing.exists(), "nobody has it open: it is a crash's");
}

#[test]
fn d5_a_blob_that_is_damaged_is_mended_by_the_next_put() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::open(&home.path().join("blobs")).unwrap();
    let (source, key) = (spooled(home.path(), BYTES), key_of(BYTES));
    disk.put(key, &source, BYTES.len() as u64).unwrap();
    std::fs::remove_file(&source).unwrap();
    std::fs::write(disk.path(key), b"a pic").unwrap();
    let source = spooled(home.path(), BYTES);
    disk.put(key, &source, BYTES.len() as u64).unwrap();
    assert_eq!(std::fs::read(disk.path(key)).unwrap(), BYTES);
    assert_eq!(std::fs::read_dir(&disk.partial).unwrap().count(), 0);
}
