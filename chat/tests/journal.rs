//! The journal on a real folder: what it gives back, what it refuses. What a crash does to it is proved on a simulated disk, in `src/journal`.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tertulia_chat::{
    disk::RealDisk,
    journal::{Durability, Journal, JournalError, Place, Settings},
};

type Record = (u8, Vec<u8>, Place);

fn settings() -> Settings {
    Settings { segment_bytes: 64 << 10, spares: 2, ..Settings::default() }
}

fn try_open(path: &Path, settings: Settings) -> Result<(Journal, Vec<Record>), JournalError> {
    let mut records = Vec::new();
    let disk = Arc::new(RealDisk::open(path).expect("the folder opens"));
    let journal = Journal::open(disk, settings, |kind, payload, place| records.push((kind, payload.to_vec(), place)))?;
    Ok((journal, records))
}

fn open(path: &Path) -> (Journal, Vec<Record>) {
    try_open(path, settings()).expect("the journal opens")
}

fn write(journal: &mut Journal, payloads: &[&[u8]], durability: Durability) -> Vec<Place> {
    let mut batch = journal.batch();
    let places = payloads.iter().map(|payload| batch.push(7, &[payload]).expect("it fits")).collect();
    journal.commit(batch, durability).expect("it is committed");
    places
}

fn segments(path: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(path)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("segment-")))
        .collect();
    all.sort();
    all
}

/// Changes a byte of a file.
fn rot(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("a segment");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("a byte");
    file.write_all_at(&[byte[0] ^ 0x10], offset).expect("written");
}

#[test]
fn what_was_committed_is_replayed_in_order_with_its_places() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut journal, replayed) = open(dir.path());
    assert!(replayed.is_empty());
    let mut expected: Vec<Record> = Vec::new();
    for round in 0_u8..40 {
        let mut batch = journal.batch();
        for record in 0..round {
            let payload = vec![record; usize::from(round) * 17];
            let place = batch.push(record, &[&payload[..5], &payload[5..]]).expect("it fits");
            expected.push((record, payload, place));
        }
        let durability = if round % 3 == 0 { Durability::Lazy } else { Durability::Sync };
        journal.commit(batch, durability).expect("committed");
    }
    journal.flush().expect("synced");
    let reader = journal.reader();
    for (_, payload, place) in &expected {
        assert_eq!(&reader.read(*place).expect("it is there"), payload);
    }
    assert!(reader.segments().len() > 3, "it went over several segments");
    drop((journal, reader));
    let (journal, replayed) = open(dir.path());
    assert_eq!(replayed, expected);
    assert_eq!(journal.metrics().torn_tails, 0);
    for (_, payload, place) in &expected {
        assert_eq!(&journal.read(*place).expect("it is there"), payload);
    }
}

#[test]
fn a_batch_may_be_larger_than_a_segment() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = open(dir.path());
    let payload = vec![0xaa; 40 << 10];
    let places = write(&mut journal, &[payload.as_slice(); 5], Durability::Sync);
    assert_eq!(places.iter().map(|place| place.segment).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    drop(journal);
    assert_eq!(open(dir.path()).1.len(), 5);
}

#[test]
fn a_record_that_no_segment_holds_is_refused_and_the_batch_stays_usable() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = open(dir.path());
    let mut batch = journal.batch();
    assert!(matches!(batch.push(1, &[&vec![0; 64 << 10]]), Err(JournalError::TooLarge { .. })));
    batch.push(1, &[b"small"]).expect("it fits");
    journal.commit(batch, Durability::Sync).expect("committed");
    drop(journal);
    assert_eq!(open(dir.path()).1[0].1, b"small");
}

#[test]
fn of_two_batches_begun_at_once_the_second_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = open(dir.path());
    let (mut first, mut second) = (journal.batch(), journal.batch());
    first.push(1, &[b"first"]).expect("it fits");
    second.push(1, &[b"second"]).expect("it fits");
    journal.commit(first, Durability::Sync).expect("committed");
    assert!(matches!(journal.commit(second, Durability::Sync), Err(JournalError::Stale)));
    drop(journal);
    assert_eq!(open(dir.path()).1.len(), 1);
}

#[test]
fn one_program_at_a_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let (journal, _) = open(dir.path());
    assert!(matches!(try_open(dir.path(), settings()), Err(JournalError::Locked)));
    drop(journal);
    open(dir.path());
}

#[test]
fn the_oldest_segment_is_copied_forward_retired_and_used_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = open(dir.path());
    let payload = vec![3; 1000];
    let mut places = Vec::new();
    while journal.metrics().recycled < 3 {
        for place in std::mem::take(&mut places) {
            journal.release(place);
        }
        places.extend(write(&mut journal, &[payload.as_slice(); 20], Durability::Sync));
        while let Some(oldest) = journal.oldest() {
            let mut live = Vec::new();
            let mut seen = 0;
            journal
                .records(oldest.generation, |kind, payload, place| {
                    seen += payload.len() as u64 + 9;
                    live.extend(places.contains(&place).then(|| (kind, payload.to_vec(), place)));
                })
                .expect("it reads");
            assert_eq!(seen, oldest.bytes);
            assert_eq!(live.iter().map(|(_, payload, _)| payload.len() as u64 + 9).sum::<u64>(), oldest.live_bytes);
            let mut batch = journal.batch();
            for (kind, payload, place) in live {
                places.retain(|other| *other != place);
                places.push(batch.push(kind, &[&payload]).expect("it fits"));
                journal.release(place);
            }
            journal.commit(batch, Durability::Lazy).expect("committed");
            journal.retire(oldest.generation).expect("retired");
            let gone = Place { segment: oldest.generation, offset: 100, len: 10 };
            assert!(matches!(journal.read(gone), Err(JournalError::Gone)));
        }
    }
    assert!(segments(dir.path()).len() <= 3, "the journal does not grow");
    let current = journal.reader().segments()[0].generation;
    assert!(matches!(journal.retire(current), Err(JournalError::NotOldest(_))), "the one in use stays");
    journal.flush().expect("synced");
    drop(journal);
    let (_, replayed) = open(dir.path());
    assert!(places.iter().all(|place| replayed.iter().any(|(_, _, other)| other == place)));
}

#[test]
fn damage_before_the_end_is_refused_and_says_where() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = open(dir.path());
    let places: Vec<Place> = (0..100).map(|_| write(&mut journal, &[&[5; 2000]], Durability::Sync)[0]).collect();
    drop(journal);
    let files = segments(dir.path());
    for victim in [0, 10, 31, 32, 60, 98] {
        let place = places[victim];
        let file = &files[place.segment as usize - 1];
        rot(file, u64::from(place.offset) + 500);
        match try_open(dir.path(), settings()) {
            Err(JournalError::Damaged { segment, offset }) => {
                assert_eq!((segment, offset), (place.segment, place.offset))
            }
            other => panic!("{victim}: {:?}", other.map(|_| "it opened")),
        }
        rot(file, u64::from(place.offset) + 500);
    }
    assert_eq!(open(dir.path()).1.len(), 100, "and whole again it opens");
    // The last one cannot be told from a torn one.
    rot(&files[places[99].segment as usize - 1], u64::from(places[99].offset) + 500);
    let (journal, replayed) = open(dir.path());
    assert_eq!(replayed.len(), 99);
    assert_eq!(journal.metrics().torn_tails, 1);
}

#[test]
fn a_missing_segment_or_head_is_damage() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = open(dir.path());
    for _ in 0..100 {
        write(&mut journal, &[&[5; 2000]], Durability::Sync);
    }
    drop(journal);
    let files = segments(dir.path());
    rot(&files[1], 9);
    assert!(matches!(try_open(dir.path(), settings()), Err(JournalError::Damaged { segment: 2, .. })));
    rot(&files[1], 9);
    let aside = dir.path().join("aside");
    fs::rename(&files[2], &aside).expect("moved");
    assert!(matches!(try_open(dir.path(), settings()), Err(JournalError::Damaged { segment: 3, .. })));
    fs::rename(&aside, &files[2]).expect("moved");
    assert_eq!(open(dir.path()).1.len(), 100);
}

#[test]
fn a_journal_opened_with_another_size_goes_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut written = 0;
    for bytes in [64, 16, 256, 32] {
        let (mut journal, replayed) =
            try_open(dir.path(), Settings { segment_bytes: bytes << 10, ..settings() }).expect("it opens");
        assert_eq!(replayed.len(), written);
        for _ in 0..100 {
            write(&mut journal, &[&[5; 2000]], Durability::Sync);
        }
        written += 100;
    }
    assert_eq!(open(dir.path()).1.len(), written);
}

#[test]
fn what_is_lazy_waits_for_the_next_sync_and_is_one_batch_with_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = open(dir.path());
    let lazy = write(&mut journal, &[b"lazy"], Durability::Lazy)[0];
    assert_eq!(journal.metrics().syncs, 0);
    write(&mut journal, &[b"sync"], Durability::Sync);
    assert_eq!((journal.metrics().syncs, journal.metrics().batches, journal.metrics().records), (1, 1, 2));
    assert_eq!(journal.read(lazy).expect("written"), b"lazy");
    write(&mut journal, &[b"never flushed"], Durability::Lazy);
    drop(journal);
    assert_eq!(open(dir.path()).1.len(), 2);
}

#[test]
fn too_much_that_is_lazy_is_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = try_open(dir.path(), Settings { lazy_bytes: 1000, ..settings() }).expect("it opens");
    for _ in 0..11 {
        write(&mut journal, &[&[1; 100]], Durability::Lazy);
    }
    assert!(journal.metrics().batches >= 1);
}

/// Tells when it goes.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn readers_get_their_record_or_hear_that_it_is_gone_while_segments_come_round() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = try_open(dir.path(), Settings { segment_bytes: 16 << 10, ..settings() }).expect("it opens");
    let newest = std::sync::Mutex::new((Place { segment: 0, offset: 0, len: 0 }, Vec::new()));
    let (done, reader) = (AtomicBool::new(false), journal.reader());
    let gone = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut seen, mut gone) = (Vec::new(), 0_u64);
                    while !done.load(Relaxed) {
                        seen.push(newest.lock().expect("whole").clone());
                        let (place, payload) = &seen[seen.len() / 2];
                        match reader.read(*place) {
                            Ok(read) => assert_eq!(&read, payload),
                            Err(JournalError::Gone) => gone += 1,
                            Err(other) => panic!("{place:?}: {other}"),
                        }
                        seen.drain(..seen.len().saturating_sub(64));
                    }
                    gone + u64::from(matches!(reader.read(newest.lock().expect("whole").0), Err(JournalError::Gone)))
                })
            })
            .collect();
        let ended = Ended(&done); // by a panic, too
        for number in 0_u64.. {
            if journal.metrics().recycled >= 40 {
                break;
            }
            let payload = number.to_le_bytes().repeat(64);
            let place = write(&mut journal, &[&payload], Durability::Sync)[0];
            *newest.lock().expect("whole") = (place, payload);
            while let Some(oldest) = journal.oldest() {
                journal.retire(oldest.generation).expect("retired");
            }
        }
        // What they hold goes now, whatever they have seen.
        while journal.oldest().is_none() {
            write(&mut journal, &[&[0; 512]], Durability::Sync);
        }
        journal.retire(journal.oldest().expect("there is one").generation).expect("retired");
        drop(ended);
        readers.into_iter().map(|reader| reader.join().expect("no wrong record")).sum::<u64>()
    });
    assert!(gone > 0);
}
