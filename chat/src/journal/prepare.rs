//! Makes the next segments ahead of their use: of new space, written with zeros so that a later sync moves no metadata, or of a retired
//! segment's file.
//!
//! Invariant: a file gets a segment's name only after its head was synced, and a segment is handed out only after its name was.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
};

use parking_lot::{Condvar, Mutex};

use super::{
    Guards, JournalError,
    frame::{Head, Seed},
    metrics::Counters,
    segment::{Segment, Shared},
};
use crate::disk::{Disk, DiskFile, is_full};

/// The file that is being made of new space.
pub(super) const FRESH: &str = "fresh";
/// Segments that are kept ready beyond the one that is written to. More would cover a slower disk, and cost their space.
const AHEAD: usize = 1;
/// Zeros are written in pieces of this size: smaller ones cost calls, larger ones memory.
const ZEROS: usize = 256 << 10;

pub(super) fn segment_name(generation: u64) -> String {
    format!("segment-{generation:016x}")
}

pub(super) fn spare_name(generation: u64) -> String {
    format!("spare-{generation:016x}")
}

pub(super) struct Preparer {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    size: usize,
    guards: Guards,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The generation to prepare next.
    next: u64,
    ready: VecDeque<Segment>,
    /// Names of files that may be used again.
    spares: Vec<String>,
    /// Why the last attempt brought nothing; none is made until somebody asks again.
    failed: Option<io::Error>,
    stop: bool,
}

impl Preparer {
    pub(super) fn new(disk: Arc<dyn Disk>, shared: Arc<Shared>, size: usize, guards: Guards, next: u64) -> Arc<Self> {
        let state = State { next, ready: VecDeque::new(), spares: Vec::new(), failed: None, stop: false };
        Arc::new(Self { disk, shared, size, guards, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Starts the thread that prepares ahead.
    pub(super) fn start(self: &Arc<Self>) -> io::Result<JoinHandle<()>> {
        let preparer = Arc::clone(self);
        thread::Builder::new().name("journal-prepare".to_owned()).spawn(move || preparer.run())
    }

    fn run(&self) {
        let mut state = self.state.lock();
        while !state.stop {
            if state.failed.is_some() || state.ready.len() >= AHEAD {
                self.changed.wait(&mut state);
                continue;
            }
            let (generation, spare) = (state.next, state.spares.pop());
            drop(state);
            let made = self.prepare(generation, spare.as_deref());
            state = self.state.lock();
            state.arrived(made, spare);
            self.changed.notify_all();
        }
    }

    pub(super) fn stop(&self) {
        self.state.lock().stop = true;
        self.changed.notify_all();
    }

    /// How many files wait to be used again.
    pub(super) fn spares(&self) -> usize {
        self.state.lock().spares.len()
    }

    pub(super) fn add_spare(&self, name: String) {
        let mut state = self.state.lock();
        state.spares.push(name);
        state.failed = None;
        self.changed.notify_all();
    }

    /// The next segment; made now, where there is no thread for it.
    pub(super) fn take(&self, helped: bool) -> Result<Segment, JournalError> {
        let mut state = self.state.lock();
        if state.ready.is_empty() {
            Counters::add(&self.shared.counters.waits, 1);
            if helped {
                state.failed = None; // of an earlier attempt: there may be room since
                self.changed.notify_all();
                while state.ready.is_empty() && state.failed.is_none() {
                    self.changed.wait(&mut state);
                }
            } else {
                self.prepare_one(&mut state);
            }
        }
        let taken = state.ready.pop_front();
        self.changed.notify_all();
        match (taken, &state.failed) {
            (Some(segment), _) => Ok(segment),
            (None, Some(error)) if is_full(error) => {
                Counters::add(&self.shared.counters.full, 1);
                Err(JournalError::Full)
            }
            (None, error) => {
                let kind = error.as_ref().map_or(io::ErrorKind::Other, io::Error::kind);
                Err(self.shared.poison("preparing a segment", kind.into()))
            }
        }
    }

    /// Segments that are ready to be used, and whether the last attempt at one failed.
    pub(super) fn ready(&self) -> (usize, bool) {
        let state = self.state.lock();
        (state.ready.len(), state.failed.is_some())
    }

    /// Has the thread try again what has failed.
    pub(super) fn retry(&self) {
        self.state.lock().failed = None;
        self.changed.notify_all();
    }

    /// What the thread would do, where there is none.
    #[cfg(test)]
    pub(super) fn ahead(&self) {
        let mut state = self.state.lock();
        if state.ready.len() < AHEAD {
            self.prepare_one(&mut state);
        }
    }

    fn prepare_one(&self, state: &mut State) {
        let (generation, spare) = (state.next, state.spares.pop());
        let made = self.prepare(generation, spare.as_deref());
        state.arrived(made, spare);
    }

    fn prepare(&self, generation: u64, spare: Option<&str>) -> io::Result<Segment> {
        let (name, file) = match spare {
            Some(name) => (name, self.disk.open(name)?),
            None => (FRESH, self.fresh()?),
        };
        let salt = getrandom::u64().map_err(|_| io::Error::other("the system gives no random bits"))?;
        file.write_at(&Head { generation, salt, size: self.size as u64 }.encode(), 0)?;
        file.sync()?;
        self.disk.rename(name, &segment_name(generation))?;
        if self.guards.sync_names {
            self.disk.sync_dir()?;
        }
        let counters = &self.shared.counters;
        Counters::add(if spare.is_some() { &counters.recycled } else { &counters.created }, 1);
        Ok(Segment::new(generation, self.guards.seed(generation, salt), self.size, file))
    }

    /// A file of zeros that has all its space.
    fn fresh(&self) -> io::Result<Box<dyn DiskFile>> {
        let written = self.disk.create(FRESH).and_then(|file| {
            zero(&*file, 0, self.size)?;
            file.sync()?;
            Ok(file)
        });
        if written.is_err() {
            // Give back the room that it took. That this fails, too, changes nothing: the next attempt begins with the same file.
            drop(self.disk.remove(FRESH));
        }
        written
    }
}

impl State {
    fn arrived(&mut self, made: io::Result<Segment>, spare: Option<String>) {
        match made {
            Ok(segment) => {
                self.next += 1;
                self.failed = None;
                self.ready.push_back(segment);
            }
            Err(error) => {
                self.spares.extend(spare);
                self.failed = Some(error);
            }
        }
    }
}

/// Writes zeros from `from` to `to`.
pub(super) fn zero(file: &dyn DiskFile, from: usize, to: usize) -> io::Result<()> {
    let zeros = vec![0; ZEROS.min(to.saturating_sub(from))];
    let mut at = from;
    while at < to {
        let piece = zeros.len().min(to - at);
        file.write_at(&zeros[..piece], at as u64)?;
        at += piece;
    }
    Ok(())
}

impl Guards {
    pub(super) fn seed(self, generation: u64, salt: u64) -> Seed {
        #[cfg(test)]
        if !self.seeded {
            return Seed::none();
        }
        Seed::new(generation, salt)
    }
}
