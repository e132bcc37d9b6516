//! What this machine can do at best with the bytes of an upload: what ingest can't be quicker than.

use super::burst::Noise;
use super::ledger::{Ledger, Stretch};
use aws_lc_rs::digest::{Context, SHA256};
use std::fs::File;
use std::hint::black_box;
use std::io::Write;

const BYTES: usize = 100_000_000;
const PIECE: usize = 256 * 1024;

/// A table.
pub(super) fn run(rounds: usize) -> anyhow::Result<String> {
    let mut noise = Noise::new(BYTES);
    let folder = tempfile::tempdir()?;
    let mut ledgers: [Ledger; 4] = Default::default();
    let [one, both, write, durable] = &mut ledgers;
    for _ in 0..rounds {
        let bytes = noise.next();
        let stretch = Stretch::begin()?;
        hash(bytes, 1);
        stretch.end(one)?;
        let stretch = Stretch::begin()?;
        hash(bytes, 2);
        stretch.end(both)?;
        for (ledger, is_synced) in [(&mut *write, false), (&mut *durable, true)] {
            let mut file = File::create(folder.path().join("floor"))?;
            let stretch = Stretch::begin()?;
            for piece in bytes.chunks(PIECE) {
                file.write_all(piece)?;
            }
            if is_synced {
                file.sync_data()?;
            }
            stretch.end(ledger)?;
            file.set_len(0)?;
            file.sync_all()?;
        }
    }
    let mut table = "| 100 MB | wall ms | CPU ms |\n|---|---|---|\n".to_owned();
    let names =
        ["one SHA-256", "two SHA-256, in turn over cached blocks", "a file written", "a file written and synced"];
    for (name, ledger) in names.into_iter().zip(&ledgers) {
        table += &format!("| {name} | {:.0} | {:.0} |\n", ledger.wall_ms(), ledger.cpu_ms());
    }
    Ok(table)
}

fn hash(bytes: &[u8], times: usize) {
    let mut contexts: Vec<Context> = (0..times).map(|_| Context::new(&SHA256)).collect();
    for piece in bytes.chunks(16 * 1024) {
        contexts.iter_mut().for_each(|context| context.update(piece));
    }
    for context in contexts {
        black_box(context.finish());
    }
}
