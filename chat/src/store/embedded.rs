//! The store on the journal: the default, durable, in one folder.
//!
//! Everything is a record of the journal. A body follows its record, sealed under a key of its own from the vault. Room is given back from the oldest segment on: what is
//! needed of it is written again at the end, a thing's state as it is now and bodies as they are, and then it is retired. So
//! the journal is about as large as what lives in it, and starting again reads all of it.

use super::log::{Mark, Shareable};
use super::{Bodies, Body, Figures, Store, StoreError};
use crate::disk::{Disk, RealDisk};
use crate::journal::{self, Batch, Durability, Journal, JournalError, Place, Reader, Settings};
use crate::vault::{BUCKET, Kek, Vault, VaultError};
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use std::path::Path;
use std::sync::Arc;
use tertulia_chat_core::{BodyRef, Dead, Incomplete, Limits, MessageId, Position, Record, Relay, Restoring};
use tertulia_common::Timestamp;

/// A record alone.
const PLAIN: u8 = 1;
/// An entry's: how long the record is (two bytes, little-endian), the record, the body.
const MESSAGE: u8 = 2;

/// The journal may be so many times as large as what lives in it before room is given back: lower writes more, higher keeps
/// more and makes a start take longer.
const SPREAD: u64 = 4;
/// Segments there may be whatever lives in them.
const SEGMENTS_FREE: u64 = 4;

/// The store.
pub struct Embedded {
    journal: Journal,
    reader: Reader,
    batch: Option<Batch>,
    buffer: Vec<u8>,
    segment_bytes: u64,
    live: u64,
    /// How large the journal was when all of it had been written again and it was still too large: it is made of what lives
    /// beside bodies, and to write that again gains nothing until as much has come on top.
    rests: u64,
    vault: Arc<Vault>,
    /// By bucket of the vault, the messages in it that somebody waits for.
    waiting: FxHashMap<u64, FxHashSet<u64>>,
    /// Buckets in which messages have died since they were last forgotten.
    touched: FxHashSet<u64>,
}

impl Embedded {
    /// Opens the folder, and with it the relay whose records are in it.
    ///
    /// # Errors
    /// If the folder can't be used, is in use, or what was durable in it can't be read.
    pub fn open(
        folder: &Path,
        settings: Settings,
        limits: Limits,
        keys: Vec<Kek>,
    ) -> Result<(Self, Relay), StoreError> {
        let disk = |name| RealDisk::open(&folder.join(name)).map_err(StoreError::Folder);
        Self::open_on(Arc::new(disk("journal")?), Arc::new(disk("keys")?), settings, limits, keys)
    }

    /// As [`Self::open`], on any disk.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        vault: Arc<dyn Disk>,
        settings: Settings,
        limits: Limits,
        keys: Vec<Kek>,
    ) -> Result<(Self, Relay), StoreError> {
        let vault = Arc::new(Vault::open(vault, keys)?);
        let mut restoring = Restoring::new(limits);
        let mut unreadable = false;
        let segment_bytes = u64::from(settings.segment_bytes);
        let journal = Journal::open(disk, settings, |kind, payload, place| match decode(kind, payload) {
            Some(record) => restoring.restore(record, body_ref(place)),
            None => unreadable = true,
        })?;
        if unreadable {
            return Err(StoreError::Record);
        }
        let relay = restoring.finish().map_err(|Incomplete(id)| StoreError::Incomplete(Incomplete(id)))?;
        let mut store = Self {
            reader: journal.reader(),
            journal,
            batch: None,
            buffer: Vec::new(),
            segment_bytes,
            live: 0,
            rests: 0,
            vault,
            waiting: FxHashMap::default(),
            touched: FxHashSet::default(),
        };
        store.adopt(&relay);
        Ok((store, relay))
    }

    /// Whether the journal is too large for what lives in it.
    fn is_spread(&self) -> bool {
        let size = self.size();
        size > (SPREAD * self.live + SEGMENTS_FREE * self.segment_bytes).max(2 * self.rests)
    }

    fn size(&self) -> u64 {
        self.reader.segments().len() as u64 * self.segment_bytes
    }

    /// Writes again what lives in the oldest segment, and retires it. False if there is nothing older than what is written to.
    fn give_back(&mut self, relay: &Mutex<Relay>, now: Timestamp) -> Result<bool, StoreError> {
        self.commit(true)?;
        let Some(oldest) = self.journal.oldest() else { return Ok(false) };
        let mut old: Vec<(Record, Vec<u8>, Place)> = Vec::new();
        let mut unreadable = false;
        self.journal.records(oldest.generation, |kind, payload, place| match decode(kind, payload) {
            Some(record) if kind == MESSAGE => old.push((record, payload.to_vec(), place)),
            Some(record) => old.push((record, Vec::new(), place)),
            None => unreadable = true,
        })?;
        if unreadable {
            return Err(StoreError::Record);
        }
        let mut moved = Vec::new();
        {
            let mut relay = relay.lock();
            let mut records = Vec::new();
            // What was delivered and not told would be lost with the records that it is worked out from.
            relay.tell_receipts(now, &mut records);
            let mut about = FxHashSet::default();
            for (record, ..) in &old {
                let first = subjects(record).into_iter().filter(|subject| about.insert(subject.clone())).count() > 0;
                if first {
                    relay.snapshot(record, &mut records);
                }
            }
            relay.marks(&mut records);
            for record in &records {
                self.push(record, None)?;
            }
            for (record, payload, place) in &old {
                let Some((id, position, _)) = record.entry() else { continue };
                if relay.locate(id, position) == Some(body_ref(*place)) {
                    let place = self.push_raw(MESSAGE, &[payload])?;
                    moved.push((id, position, body_ref(place)));
                }
            }
        }
        self.commit(true)?;
        {
            let mut relay = relay.lock();
            moved.into_iter().for_each(|(id, position, body)| relay.moved(id, position, body));
        }
        self.journal.retire(oldest.generation)?;
        Ok(true)
    }

    /// Makes the bodies that nobody waits for unreadable. What is still being written to is left for the next time.
    fn forget(&mut self, now: Timestamp) -> Result<(), StoreError> {
        // Secrets are made ahead: one that nothing was sealed under goes as well.
        let unused = self.vault.buckets().into_iter().filter(|known| !self.waiting.contains_key(known));
        self.touched.extend(unused);
        let closed: Vec<u64> = self.touched.iter().copied().filter(|touched| *touched < bucket(now)).collect();
        let live: Vec<(u64, Vec<u64>)> = closed
            .iter()
            .map(|bucket| (*bucket, self.waiting.get(bucket).map_or_else(Vec::new, |of| of.iter().copied().collect())))
            .collect();
        let buckets: Vec<(u64, &[u64])> = live.iter().map(|(bucket, live)| (*bucket, live.as_slice())).collect();
        self.vault.forget_all(&buckets)?;
        for bucket in closed {
            self.touched.remove(&bucket);
        }
        Ok(())
    }

    fn push_raw(&mut self, kind: u8, payload: &[&[u8]]) -> Result<Place, JournalError> {
        let journal = &mut self.journal;
        self.batch.get_or_insert_with(|| journal.batch()).push(kind, payload)
    }
}

impl Store for Embedded {
    fn push(&mut self, record: &Record, body: Option<Body<'_>>) -> Result<BodyRef, StoreError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut buffer = postcard::to_extend(record, buffer).map_err(|_| StoreError::Record)?;
        let place = match body {
            None => self.push_raw(PLAIN, &[&buffer])?,
            Some(body) => {
                let len = u16::try_from(buffer.len()).map_err(|_| StoreError::Record)?;
                let Some((id, ..)) = record.entry() else { return Err(StoreError::Record) };
                let (bucket, number) = (bucket(body.sent_at), body.position.0);
                let mut sealed = body.bytes.to_vec();
                self.vault.seal(bucket, number, &about(id), &mut sealed)?;
                let place = self.push_raw(MESSAGE, &[&len.to_le_bytes(), &buffer, &sealed])?;
                self.live += u64::from(place.len);
                self.waiting.entry(bucket).or_default().insert(number);
                place
            }
        };
        buffer.clear();
        self.buffer = buffer;
        Ok(body_ref(place))
    }

    fn commit(&mut self, sync: bool) -> Result<(), StoreError> {
        let Some(batch) = self.batch.take() else {
            return if sync { Ok(self.journal.flush()?) } else { Ok(()) };
        };
        self.journal.commit(batch, if sync { Durability::Sync } else { Durability::Lazy })?;
        Ok(())
    }

    fn is_short(&self) -> bool {
        self.journal.is_short()
    }

    fn release(&mut self, dead: &[Dead]) {
        for dead in dead {
            self.live = self.live.saturating_sub(u64::from(dead.body.len));
            let bucket = bucket(dead.sent_at);
            self.touched.insert(bucket);
            if let Some(waiting) = self.waiting.get_mut(&bucket) {
                waiting.remove(&dead.position.0);
                if waiting.is_empty() {
                    self.waiting.remove(&bucket);
                }
            }
        }
    }

    fn tidy(&mut self, relay: &Mutex<Relay>, now: Timestamp) -> Result<(), StoreError> {
        self.forget(now)?;
        if self.journal.is_short() {
            self.journal.retry();
        }
        // Each segment once: what lives in it is in a newer one then.
        let mut left = self.reader.segments().len();
        while left > 0 && self.is_spread() && self.give_back(relay, now)? {
            left -= 1;
        }
        if left == 0 && self.is_spread() {
            self.rests = self.size();
        }
        Ok(())
    }

    fn adopt(&mut self, relay: &Relay) {
        (self.live, self.waiting) = (0, FxHashMap::default());
        for body in relay.live() {
            self.live += u64::from(body.body.len);
            self.waiting.entry(bucket(body.sent_at)).or_default().insert(body.position.0);
        }
        // What had died by then is forgotten with the first tidying.
        self.touched = self.vault.buckets().into_iter().collect();
    }

    fn bodies(&self) -> Box<dyn Bodies> {
        Box::new(Sealed { reader: self.reader.clone(), vault: Arc::clone(&self.vault) })
    }

    fn figures(&self) -> Figures {
        let metrics = self.journal.metrics();
        Figures { syncs: metrics.syncs, bytes: metrics.bytes, size: self.size(), live: self.live }
    }
}

impl Shareable for Embedded {
    fn beginning(&self) -> Mark {
        mark(self.journal.beginning())
    }

    fn abandon(&mut self) -> Result<(), StoreError> {
        self.batch = None;
        Ok(self.journal.flush()?)
    }

    fn read(&self, after: Mark, each: &mut dyn FnMut(Record, BodyRef)) -> Result<Mark, StoreError> {
        let Mark { file: segment, offset } = after;
        let mut unreadable = false;
        let upto =
            self.journal.since(journal::Mark { segment, offset }, |kind, payload, place| match decode(kind, payload) {
                Some(record) => each(record, body_ref(place)),
                None => unreadable = true,
            });
        match upto {
            Ok(_) if unreadable => Err(StoreError::Record),
            Ok(upto) => Ok(mark(upto)),
            Err(JournalError::Gone) => Err(StoreError::Behind),
            Err(other) => Err(other.into()),
        }
    }
}

fn mark(mark: journal::Mark) -> Mark {
    Mark { file: mark.segment, offset: mark.offset }
}

struct Sealed {
    reader: Reader,
    vault: Arc<Vault>,
}

impl Bodies for Sealed {
    fn read(
        &self,
        message: MessageId,
        position: Position,
        sent_at: Timestamp,
        at: BodyRef,
    ) -> Result<Vec<u8>, StoreError> {
        let place = Place { segment: at.file, offset: at.offset, len: at.len };
        let mut payload = match self.reader.read(place) {
            Ok(payload) => payload,
            Err(JournalError::Gone) => return Err(StoreError::Gone),
            Err(other) => return Err(other.into()),
        };
        let (record, _) = split(&payload).ok_or(StoreError::Record)?;
        payload.drain(..2 + record.len());
        match self.vault.unseal(bucket(sent_at), position.0, &about(message), &mut payload) {
            Ok(()) => Ok(payload),
            Err(VaultError::Forgotten) => Err(StoreError::Gone),
            Err(other) => Err(other.into()),
        }
    }
}

/// The bucket of the vault that a message belongs to.
fn bucket(sent_at: Timestamp) -> u64 {
    sent_at.as_millis() / BUCKET.as_millis() as u64
}

/// What a sealed body is bound to: that no other is opened in its place.
fn about(message: MessageId) -> [u8; 24] {
    let mut about = [0; 24];
    about[..16].copy_from_slice(&message.conversation.0.to_be_bytes());
    about[16..].copy_from_slice(&message.seq.0.to_be_bytes());
    about
}

/// A message's record and its body.
fn split(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = payload.split_at_checked(2)?;
    rest.split_at_checked(usize::from(u16::from_le_bytes([len[0], len[1]])))
}

fn decode(kind: u8, payload: &[u8]) -> Option<Record> {
    match kind {
        PLAIN => postcard::from_bytes(payload).ok(),
        MESSAGE => postcard::from_bytes(split(payload)?.0).ok(),
        _ => None,
    }
}

fn body_ref(place: Place) -> BodyRef {
    BodyRef { file: place.segment, offset: place.offset, len: place.len }
}

/// What a record is about: its state is written once, however often the segment speaks of it.
fn subjects(record: &Record) -> Vec<(u128, String, String)> {
    let device = |user: &tertulia_common::UserId, device: Option<&tertulia_common::DeviceId>| {
        (0, user.as_str().to_owned(), device.map_or_else(String::new, |device| device.as_str().to_owned()))
    };
    match record {
        Record::Message { conversation, sender, device: from, .. } => {
            vec![(conversation.0, String::new(), String::new()), device(sender, Some(from))]
        }
        Record::Acknowledged { user, device: of, .. } | Record::Device { user, device: of, .. } => {
            vec![device(user, of.as_ref())]
        }
        Record::Receipts { conversation: id, .. }
        | Record::Conversation { id, .. }
        | Record::Event { conversation: id, .. }
        | Record::Note { conversation: id, .. }
        | Record::Group { id, .. } => {
            vec![(id.0, String::new(), String::new())]
        }
        Record::Closed { .. } | Record::Reached { .. } | Record::Notes { .. } => Vec::new(),
    }
}
