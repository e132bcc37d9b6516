//! What uploads cost: jobs of the workers beside the command lines that do the same, and uploads beside a server that reads to
//! nowhere. `tests/bench/media.sh` runs them all.
//!
//! Invariant: whatever is compared takes turns, round by round; figures are medians of the rounds.

mod burst;
mod films;
mod floor;
mod jobs;
mod ledger;
mod null;
mod uploads;

use clap::Subcommand;
use std::path::PathBuf;

/// What is measured.
#[derive(Subcommand)]
pub(crate) enum What {
    /// Transcode, remux, poster, thumbnail: through a pool of sandboxed workers, each ready when its job comes.
    Jobs {
        /// Times that each is done.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// Only those whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// What is started as a worker: the program (its hidden command), else a worker alone.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Uploads: time and CPU beside a body that is read to nowhere, memory in flight, claims of what is there already.
    Uploads {
        /// Times that each is done.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
    },
    /// What this machine can do at best: two hashes, a file written and synced.
    Floor {
        /// Times that each is done.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
    },
    /// A server that reads bodies to nowhere, until it is killed: tells its address.
    Null,
}

/// The lines of a report.
pub(crate) async fn run(what: What) -> anyhow::Result<String> {
    match what {
        What::Jobs { rounds, only, program } => jobs::run(rounds, &only, program).await,
        What::Uploads { rounds } => uploads::run(rounds).await,
        What::Floor { rounds } => floor::run(rounds),
        What::Null => null::serve().await,
    }
}
