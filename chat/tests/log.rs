//! One suite for every log that nodes share: fences, reading on, hints.

#[expect(dead_code, reason = "other test files use the rest")]
mod support;

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{limits, logs, small, user};
use tertulia_chat::journal::Settings;
use tertulia_chat::store::embedded::Embedded;
use tertulia_chat::store::log::{Log, Mark, Shared};
use tertulia_chat::store::{Store, StoreError};
use tertulia_chat::vault::Kek;
use tertulia_chat_core::{Position, Record};
use tertulia_common::Timestamp;
use zeroize::Zeroizing;

fn on_each(test: impl Fn(&dyn Log)) {
    let folder = tempfile::tempdir().expect("a folder");
    logs(folder.path()).iter().for_each(|log| test(&**log));
}

fn at(position: u64) -> Record {
    Record::Reached { position: Position(position) }
}

/// What is read from a mark on, and up to where that went.
fn read(log: &dyn Log, after: Mark) -> (Vec<Record>, Mark) {
    let mut records = Vec::new();
    let upto = log.read(after, &mut |record, _| records.push(record)).expect("it is there");
    (records, upto)
}

fn write(store: &mut dyn Store, position: u64) {
    store.push(&at(position), None).expect("pushed");
    store.commit(true).expect("committed");
}

#[test]
fn m3_who_was_displaced_writes_nothing_and_what_it_had_not_committed_is_gone() {
    on_each(|log| {
        let (_, mark) = log.restore(limits()).expect("a relay");
        let mut first = log.claim().expect("nobody's");
        write(&mut *first, 1);
        first.push(&at(2), None).expect("pushed");
        first.commit(false).expect("it is with the next that is synced");
        first.push(&at(3), None).expect("pushed");
        let mut second = log.claim().expect("taken over");
        assert!(matches!(first.commit(true), Err(StoreError::Fenced)));
        assert!(matches!(first.push(&at(4), None), Err(StoreError::Fenced)));
        assert!(matches!(first.commit(false), Err(StoreError::Fenced)), "also where there is nothing to write");
        let relay = Mutex::new(log.restore(limits()).expect("a relay").0);
        assert!(matches!(first.tidy(&relay, Timestamp(0)), Err(StoreError::Fenced)));
        assert_eq!(read(log, mark).0, [at(1), at(2)], "what was committed is there, synced or not");
        write(&mut *second, 5);
        assert_eq!(read(log, mark).0, [at(1), at(2), at(5)]);
    });
}

#[test]
fn m3_who_reads_on_gets_what_became_durable_since_and_nothing_twice() {
    on_each(|log| {
        let mut owner = log.claim().expect("nobody's");
        let (relay, mut mark) = log.restore(limits()).expect("a relay");
        assert_eq!(relay.reached(), Position(0));
        // Many more than a segment holds.
        let mut all = Vec::new();
        for position in 1..=2_000 {
            owner.push(&at(position), None).expect("pushed");
            owner.commit(position % 7 == 0).expect("committed");
            if position % 50 == 0 {
                let (records, upto) = read(log, mark);
                all.extend(records);
                mark = upto;
                assert_eq!(all.len() as u64, position - position % 7, "up to what was synced last");
            }
        }
        owner.commit(true).expect("committed");
        all.extend(read(log, mark).0);
        assert_eq!(all, (1..=2_000).map(at).collect::<Vec<_>>());
        assert_eq!(log.restore(limits()).expect("a relay").0.reached(), Position(2_000));
    });
}

#[test]
fn m3_who_watches_is_told_until_they_say_that_they_do_not_care() {
    on_each(|log| {
        let told = Arc::new(AtomicUsize::new(0));
        let hears = Arc::clone(&told);
        log.watch(Box::new(move || hears.fetch_add(1, Ordering::Relaxed) < 2));
        let mut owner = log.claim().expect("nobody's");
        for position in 1..=5 {
            write(&mut *owner, position);
        }
        assert_eq!(told.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn m3_who_is_too_far_behind_begins_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { segment_bytes: 4096, ..small() };
    let keys = vec![Kek::new(Zeroizing::new([7; 32]))];
    let (store, _) = Embedded::open(folder.path(), settings, limits(), keys).expect("a store");
    let log = Shared::new(store);
    let (mut relay, mark) = log.restore(limits()).expect("a relay");
    let mut owner = log.claim().expect("nobody's");
    let mut records = Vec::new();
    relay.open(&user("alice"), &"phone".parse().expect("an id"), &mut records).expect("opened");
    for record in &records {
        owner.push(record, None).expect("pushed");
    }
    for position in 1..=4_000 {
        owner.push(&at(position), None).expect("pushed");
        owner.commit(position % 50 == 0).expect("committed");
    }
    assert_eq!(read(&log, mark).0.len(), 4_000 + records.len());
    // Nothing of the first files lives but the mailbox: they are given back.
    owner.tidy(&Mutex::new(relay), Timestamp(0)).expect("tidied");
    assert!(matches!(log.read(mark, &mut |_, _| ()), Err(StoreError::Behind)));
    let (relay, _) = log.restore(limits()).expect("a relay");
    assert_eq!(relay.depths().mailboxes, 1);
}
