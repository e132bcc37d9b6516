//! What crashes do to the journal, by seed, on a disk that forgets what was not synced.
//!
//! The property: what a synced commit has returned for is replayed, in order, all of it; of no batch is a part; nothing that was retired
//! comes back. Then each guard is left out, to see that the property notices.

use std::{ops::Range, sync::Arc};

use super::{Durability, Guards, Journal, JournalError, Place, Settings};
use crate::disk::sim::{Faults, Rng, SimDisk};

type Record = (u8, Vec<u8>, Place);

/// Most records have this length, so that what is stale lies where the new one's frames do.
const USUAL: usize = 150;
const SEGMENT: u32 = 4096;
const ROUNDS: usize = 6;
const STEPS: usize = 30;
/// In a uniform run: long enough that files come round.
const STEPS_UNIFORM: usize = 100;

/// What must be in the journal.
#[derive(Default)]
struct Model {
    /// Batches in the order of their commits, less what was retired.
    batches: Vec<Vec<Record>>,
    /// How many of them are confirmed.
    confirmed: usize,
    /// A segment whose retirement was begun and not confirmed.
    retiring: Option<u64>,
}

struct Run {
    rng: Rng,
    disk: SimDisk,
    guards: Guards,
    always: Faults,
    settings: Settings,
    /// Whether all batches are alike.
    uniform: bool,
    model: Model,
    next_id: u64,
}

impl Model {
    fn retire(&mut self, generation: u64) {
        for batch in &mut self.batches {
            batch.retain(|(_, _, place)| place.segment != generation);
        }
    }

    /// Whether `replayed` is what it may be; from then on, it is what must be there.
    fn reopened(&mut self, replayed: &[Record]) -> Result<(), String> {
        // A retirement that was not confirmed has happened or not.
        if let Some(generation) = self.retiring.take()
            && replayed.first().is_none_or(|(_, _, place)| place.segment > generation)
        {
            self.retire(generation);
        }
        let mut rest = replayed;
        let mut whole = 0;
        for batch in &self.batches {
            let Some(tail) = rest.strip_prefix(batch.as_slice()) else { break };
            rest = tail;
            whole += 1;
        }
        if whole < self.confirmed {
            return Err(format!("of {} confirmed batches {whole} are there", self.confirmed));
        }
        if !rest.is_empty() {
            return Err(format!("{} records were never committed so, from {:?}", rest.len(), rest[0].2));
        }
        self.batches.truncate(whole);
        self.confirmed = whole;
        Ok(())
    }
}

impl Run {
    fn new(seed: u64, guards: Guards, always: Faults) -> Self {
        let mut rng = Rng::new(seed);
        let uniform = rng.one_in(4);
        let spares = usize::from(uniform) + rng.below(3);
        let settings = Settings { segment_bytes: SEGMENT, spares, lazy_bytes: 200 + rng.below(3000), helper: false };
        let disk = SimDisk::new(rng.next_u64());
        Self { rng, disk, guards, always, settings, uniform, model: Model::default(), next_id: 0 }
    }

    fn go(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS {
            self.plan(4);
            let opened = match self.open() {
                Ok(opened) => opened,
                Err(error) => {
                    self.expect_fault(&error)?;
                    self.disk.power_cut();
                    continue;
                }
            };
            let (journal, replayed) = opened;
            self.model.reopened(&replayed)?;
            self.work(journal)?;
            // After a failed sync too: then the memory has what the disk has not.
            if self.rng.one_in(3) { self.disk.kill() } else { self.disk.power_cut() }
        }
        self.disk.set_faults(self.always);
        let (_, replayed) = self.open().map_err(|error| format!("it opens no more: {error}"))?;
        self.model.reopened(&replayed)?;
        // What was replayed stays, though nothing was written since.
        self.disk.power_cut();
        let (_, replayed) = self.open().map_err(|error| format!("it opens no more: {error}"))?;
        self.model.reopened(&replayed)
    }

    /// What goes wrong next: mostly something, sometimes while the journal is opened.
    fn plan(&mut self, early_one_in: usize) {
        let now = self.disk.operations();
        let late = if self.uniform { 250 } else { 60 };
        let span = if self.rng.one_in(early_one_in) { 8 } else { late };
        let at = Some(now + 1 + self.rng.below(span) as u64);
        let mut faults = self.always;
        match self.rng.below(6) {
            0 => {}
            1 if span == late => faults.fail_sync_at = Some(now + 20 + self.rng.below(span) as u64),
            _ => faults.cut_at = at,
        }
        if self.rng.one_in(3) {
            faults.capacity = Some(SEGMENT as usize * (3 + self.rng.below(4)));
        }
        self.disk.set_faults(faults);
    }

    fn open(&self) -> Result<(Journal, Vec<Record>), JournalError> {
        let mut replayed = Vec::new();
        let journal = Journal::open_guarded(
            Arc::new(self.disk.clone()),
            self.settings.clone(),
            self.guards,
            &mut |kind, payload, place| replayed.push((kind, payload.to_vec(), place)),
        )?;
        Ok((journal, replayed))
    }

    /// Fails unless it is the disk that was made to fail.
    fn expect_fault(&self, error: &JournalError) -> Result<(), String> {
        match error {
            JournalError::Io { .. } | JournalError::Full => Ok(()),
            _ => Err(format!("not the disk's fault: {error}")),
        }
    }

    /// Uses the journal until it fails or is used enough.
    fn work(&mut self, mut journal: Journal) -> Result<(), String> {
        for _ in 0..if self.uniform { STEPS_UNIFORM } else { STEPS } {
            let done = match self.rng.below(10) {
                0 => journal.flush().map(|()| self.model.confirmed = self.model.batches.len()),
                1 => {
                    journal.preparer.ahead();
                    Ok(())
                }
                2 | 3 => self.reclaim(&mut journal)?,
                4 => {
                    self.look(&mut journal)?;
                    Ok(())
                }
                _ => self.commit(&mut journal),
            };
            match done {
                Ok(()) => {}
                Err(JournalError::Full) if self.disk.is_dead() => return Ok(()), // it was cut as room was given back
                Err(JournalError::Full) => {
                    self.disk.set_faults(self.always);
                    if self.rng.one_in(2) {
                        self.commit(&mut journal).map_err(|error| format!("after room was made: {error}"))?;
                    }
                }
                Err(error) => {
                    self.expect_fault(&error)?;
                    for _ in 0..2 {
                        let again = self.commit(&mut journal);
                        self.model.batches.pop();
                        if !matches!(again, Err(JournalError::Poisoned)) {
                            return Err(format!("a failed journal goes on: {again:?}"));
                        }
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, journal: &mut Journal) -> Result<(), JournalError> {
        let mut batch = journal.batch();
        let mut records = Vec::new();
        for _ in 0..if self.uniform { 4 } else { 1 + self.rng.below(6) } {
            let len = match self.rng.below(30) {
                _ if self.uniform => USUAL,
                0 => 3000,
                1..3 => 16 + self.rng.below(500),
                _ => USUAL,
            };
            self.next_id += 1;
            let mut payload = self.next_id.to_le_bytes().to_vec();
            payload.resize(len, self.next_id.to_le_bytes()[0]);
            let place = batch.push(payload[0], &[&payload[..10], &payload[10..]])?;
            records.push((payload[0], payload, place));
        }
        self.put(journal, batch, records)
    }

    fn put(&mut self, journal: &mut Journal, batch: super::Batch, records: Vec<Record>) -> Result<(), JournalError> {
        self.model.batches.push(records);
        let durability = if !self.uniform && self.rng.one_in(3) { Durability::Lazy } else { Durability::Sync };
        let done = journal.commit(batch, durability);
        match &done {
            Ok(()) if durability == Durability::Sync => self.model.confirmed = self.model.batches.len(),
            Ok(()) => {}
            Err(JournalError::Full) => drop(self.model.batches.pop()),
            Err(_) => {}
        }
        done
    }

    /// Copies some of the oldest segment forward, and retires it.
    fn reclaim(&mut self, journal: &mut Journal) -> Result<Result<(), JournalError>, String> {
        let Some(oldest) = journal.oldest() else { return Ok(Ok(())) };
        let mut records: Vec<Record> = Vec::new();
        let read =
            journal.records(oldest.generation, |kind, payload, place| records.push((kind, payload.to_vec(), place)));
        if let Err(error) = read {
            return Ok(Err(error));
        }
        self.model.confirmed = self.model.batches.len();
        let expected = self.model.batches.iter().flatten().filter(|record| record.2.segment == oldest.generation);
        if !expected.eq(&records) {
            return Err("a segment has other records than were written to it".to_owned());
        }
        let mut batch = journal.batch();
        let mut copies = Vec::new();
        for (kind, payload, _) in records {
            if !self.uniform && self.rng.one_in(4) {
                match batch.push(kind, &[&payload]) {
                    Ok(place) => copies.push((kind, payload, place)),
                    Err(error) => return Ok(Err(error)),
                }
            }
        }
        if !copies.is_empty()
            && let Err(error) = self.put(journal, batch, copies)
        {
            return Ok(Err(error));
        }
        self.model.retiring = Some(oldest.generation);
        let retired = journal.retire(oldest.generation);
        if retired.is_ok() {
            self.model.retiring = None;
            self.model.retire(oldest.generation);
            self.model.confirmed = self.model.batches.len();
        }
        Ok(retired)
    }

    /// Reads records back by their places.
    fn look(&mut self, journal: &mut Journal) -> Result<(), String> {
        let confirmed: Vec<&Record> = self.model.batches[..self.model.confirmed].iter().flatten().collect();
        if confirmed.is_empty() {
            return Ok(());
        }
        let (_, payload, place) = confirmed[self.rng.below(confirmed.len())];
        match journal.read(*place) {
            Ok(read) if read == *payload => Ok(()),
            other => Err(format!("{place:?}: {other:?}")),
        }
    }
}

/// The first seed for which the property does not hold.
fn first_failure(seeds: Range<u64>, guards: Guards, always: Faults) -> Option<(u64, String)> {
    seeds.into_iter().find_map(|seed| Run::new(seed, guards, always).go().err().map(|error| (seed, error)))
}

/// How many seeds: `TERTULIA_CRASH_SEEDS` for more.
fn seeds() -> u64 {
    std::env::var("TERTULIA_CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1500)
}

#[test]
fn what_was_confirmed_survives_any_crash() {
    assert_eq!(first_failure(0..seeds(), Guards::ALL, Faults::default()), None);
}

fn is_noticed(guards: Guards, always: Faults) {
    let failure = first_failure(0..20_000, guards, always);
    println!("noticed: {failure:?}");
    assert!(failure.is_some(), "left out, and nobody noticed");
}

#[test]
fn without_the_sync_of_a_commit_it_is_lost() {
    is_noticed(Guards { sync_commits: false, ..Guards::ALL }, Faults::default());
    is_noticed(Guards::ALL, Faults { ignore_sync: true, ..Faults::default() });
}

#[test]
fn without_the_sync_of_names_segments_vanish_or_come_back() {
    is_noticed(Guards { sync_names: false, ..Guards::ALL }, Faults::default());
    is_noticed(Guards::ALL, Faults { ignore_sync_dir: true, ..Faults::default() });
}

#[test]
fn without_the_seed_stale_records_pass_for_new_ones() {
    is_noticed(Guards { seeded: false, ..Guards::ALL }, Faults::default());
}

#[test]
fn without_the_cleaning_of_the_tail_a_torn_batch_passes_for_the_next() {
    is_noticed(Guards { clean_tail: false, ..Guards::ALL }, Faults::default());
}

#[test]
fn without_the_sync_of_what_was_replayed_it_is_lost_later() {
    is_noticed(Guards { sync_replayed: false, ..Guards::ALL }, Faults::default());
}

/// Commits until the journal refuses.
fn fill(journal: &mut Journal) -> JournalError {
    loop {
        let mut batch = journal.batch();
        batch.push(1, &[&[1; 1000]]).expect("it fits");
        if let Err(error) = journal.commit(batch, Durability::Sync) {
            return error;
        }
    }
}

#[test]
fn a_full_disk_refuses_and_takes_again_when_there_is_room() {
    let disk = SimDisk::new(1);
    let settings = Settings { segment_bytes: SEGMENT, ..Settings::default() };
    let mut journal = Journal::open(Arc::new(disk.clone()), settings, |_, _, _| ()).expect("it opens");
    for segments in [3, 5] {
        disk.set_faults(Faults { capacity: Some(segments * SEGMENT as usize), ..Faults::default() });
        assert!(matches!(fill(&mut journal), JournalError::Full));
        assert!(matches!(fill(&mut journal), JournalError::Full), "it is no poison");
        assert_eq!(journal.reader().segments().len(), segments);
        assert!(journal.is_short() && journal.room() < 1100);
    }
    // A retired segment's file is room, too.
    journal.retire(1).expect("retired");
    assert!(matches!(fill(&mut journal), JournalError::Full));
    assert_eq!((journal.metrics().recycled, journal.reader().segments().len()), (1, 5));
    disk.set_faults(Faults::default());
    assert!(journal.is_short(), "nobody has tried");
    journal.retry();
    while journal.room() < 1100 {
        std::thread::yield_now();
    }
    assert!(!journal.is_short());
    let mut batch = journal.batch();
    batch.push(1, &[&[2; 1000]]).expect("it fits");
    journal.commit(batch, Durability::Sync).expect("there is room");
}

#[test]
fn a_segment_that_cannot_be_prepared_ends_the_journal() {
    let disk = SimDisk::new(1);
    let settings = Settings { segment_bytes: SEGMENT, helper: false, ..Settings::default() };
    let mut journal = Journal::open(Arc::new(disk.clone()), settings, |_, _, _| ()).expect("it opens");
    while journal.next.offset + 1100 < SEGMENT as usize {
        let mut batch = journal.batch();
        batch.push(1, &[&[1; 1000]]).expect("it fits");
        journal.commit(batch, Durability::Sync).expect("committed");
    }
    disk.set_faults(Faults { fail_sync_at: Some(0), ..Faults::default() });
    assert!(matches!(fill(&mut journal), JournalError::Io { .. }));
    assert!(matches!(fill(&mut journal), JournalError::Poisoned));
    assert!(matches!(journal.flush(), Err(JournalError::Poisoned)));
    assert!(matches!(journal.retire(1), Err(JournalError::Poisoned)));
}
