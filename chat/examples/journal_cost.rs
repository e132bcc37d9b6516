//! What a durable message costs in the journal: µs a message for batches of several sizes, each with one fdatasync, and how fast a journal is
//! read when it is opened. `cargo run --release -p tertulia-chat --example journal_cost [FOLDER]`: the folder decides which disk it is.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tertulia_chat::{
    disk::RealDisk,
    journal::{Durability, Journal, Settings},
    vault::{Kek, Vault},
};

/// A body of 100 bytes with what goes with it.
const PAYLOAD: usize = 200;
/// How long each size is tried.
const TRIAL: Duration = Duration::from_secs(2);
/// Bytes that are written for the reading.
const TO_READ: u64 = 512 << 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let given = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = given.join(format!("journal-cost-{}", std::process::id()));
    let done = measure(&folder);
    std::fs::remove_dir_all(&folder)?;
    done
}

fn measure(folder: &Path) -> Outcome<()> {
    println!("{PAYLOAD} B a record. µs a message; commits at the 50th and 99th of a hundred, µs; messages a second");
    for size in [1, 8, 64, 512] {
        trial(&folder.join(size.to_string()), size)?;
    }
    reading(&folder.join("read"))?;
    sealing(&folder.join("keys"))
}

fn open(folder: &Path, records: &mut u64, bytes: &mut u64) -> Outcome<Journal> {
    let disk = Arc::new(RealDisk::open(folder)?);
    Ok(Journal::open(disk, Settings::default(), |_, payload, _| {
        *records += 1;
        *bytes += payload.len() as u64;
    })?)
}

/// Writes `count` records as one batch.
fn commit(journal: &mut Journal, payload: &[u8], count: usize) -> Outcome<()> {
    let mut batch = journal.batch();
    for _ in 0..count {
        batch.push(1, &[payload])?;
    }
    Ok(journal.commit(batch, Durability::Sync)?)
}

fn trial(folder: &Path, size: usize) -> Outcome<()> {
    let mut journal = open(folder, &mut 0, &mut 0)?;
    let payload = [7; PAYLOAD];
    let (mut took, begun) = (Vec::new(), Instant::now());
    while begun.elapsed() < TRIAL {
        let at = Instant::now();
        commit(&mut journal, &payload, size)?;
        took.push(at.elapsed());
        while let Some(oldest) = journal.oldest() {
            journal.retire(oldest.generation)?;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |part: usize| took[(took.len() - 1) * part / 100].as_secs_f64() * 1e6;
    let messages = (took.len() * size) as f64;
    let (each, rate) = (seconds * 1e6 / messages, messages / seconds);
    let metrics = journal.metrics();
    println!(
        "batch of {size:4}: {each:8.2} µs   {:6.0} {:6.0}   {rate:9.0}/s   ({} waits, {} recycled)",
        at(50),
        at(99),
        metrics.waits,
        metrics.recycled
    );
    Ok(())
}

fn reading(folder: &Path) -> Outcome<()> {
    let mut journal = open(folder, &mut 0, &mut 0)?;
    while journal.metrics().bytes < TO_READ {
        commit(&mut journal, &[7; PAYLOAD], 2000)?;
    }
    drop(journal);
    let (mut records, mut bytes) = (0, 0);
    let begun = Instant::now();
    drop(open(folder, &mut records, &mut bytes)?);
    let seconds = begun.elapsed().as_secs_f64();
    let rate = bytes as f64 / seconds / 1e6;
    println!("opening: {records} records in {seconds:.2} s, {rate:.0} MB/s of payload");
    Ok(())
}

fn sealing(folder: &Path) -> Outcome<()> {
    let vault = Vault::open(Arc::new(RealDisk::open(folder)?), vec![Kek::new([1; 32].into())])?;
    let mut body = Vec::with_capacity(PAYLOAD);
    vault.seal(1, 0, b"", &mut body)?;
    let (mut sealed, begun) = (0_u64, Instant::now());
    while begun.elapsed() < TRIAL / 4 {
        for _ in 0..100 {
            body.clear();
            body.resize(100, 7);
            sealed += 1;
            vault.seal(1, sealed, b"", &mut body)?;
        }
    }
    println!("sealing 100 B: {:.2} µs", begun.elapsed().as_secs_f64() * 1e6 / sealed as f64);
    Ok(())
}
