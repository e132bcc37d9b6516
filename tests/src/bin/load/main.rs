//! The load generator: makes the same load for our server and for its peers, and says what it costs them.
//!
//! Every command prints one row (`|`-separated, see `--head`) or a few plain lines. `tests/bench/run.sh` runs them all.

mod calls;
mod chat;
mod crowd;
mod figures;
mod idle;
mod janus;
mod latency;
mod media;
mod party;
mod process;
mod rooms;
mod shape;
mod xmpp;

use clap::{Parser, Subcommand};
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The heading of the rows.
    Head,
    /// A room on our forwarding unit, in a process of its own (`sfu/examples/room_server.rs`).
    Rooms {
        /// The built example.
        #[arg(long)]
        server: PathBuf,
        #[command(flatten)]
        load: rooms::Load,
    },
    /// The same room on a Janus VideoRoom that runs.
    Janus {
        /// Its process.
        #[arg(long)]
        pid: u32,
        /// Its WebSocket.
        #[arg(long, default_value = "127.0.0.1:8188")]
        ws: String,
        #[command(flatten)]
        load: rooms::Load,
    },
    /// The heading of the rows of group calls.
    PartyHead,
    /// Group calls on our forwarding unit: who sends a voice and a camera in several sizes, and shows some of the others.
    Party {
        /// The built example.
        #[arg(long)]
        server: PathBuf,
        #[command(flatten)]
        load: party::Load,
    },
    /// The same on a Janus VideoRoom that runs.
    JanusParty {
        /// Its process.
        #[arg(long)]
        pid: u32,
        /// Its WebSocket.
        #[arg(long, default_value = "127.0.0.1:8188")]
        ws: String,
        #[command(flatten)]
        load: party::Load,
    },
    /// The heading of the rows of latencies.
    LatencyHead,
    /// How long packets take through our forwarding unit while it uses a part of a core.
    Latency {
        /// The built example.
        #[arg(long)]
        server: PathBuf,
        #[command(flatten)]
        load: latency::Load,
    },
    /// The same on a Janus VideoRoom that runs, on the first core.
    JanusLatency {
        /// Its process.
        #[arg(long)]
        pid: u32,
        /// Its WebSocket.
        #[arg(long, default_value = "127.0.0.1:8188")]
        ws: String,
        #[command(flatten)]
        load: latency::Load,
    },
    /// Calls over the real signalling: invite to ringing, accept to first audio.
    Calls {
        /// How many, one after another.
        #[arg(long, default_value_t = 100)]
        count: usize,
    },
    /// Hundreds who come into one call by a link and listen to ten, through the whole program.
    Crowd {
        /// Who listen.
        #[arg(long, default_value_t = 490)]
        listeners: usize,
        /// Seconds of the window.
        #[arg(long, default_value_t = 10)]
        secs: u64,
    },
    /// Authenticated WebSockets that do nothing: memory and CPU of each.
    Idle {
        /// How many; fewer where the machine's limit on open files is lower.
        #[arg(long, default_value_t = 10_000)]
        sockets: usize,
        /// Seconds of doing nothing.
        #[arg(long, default_value_t = 10)]
        secs: u64,
    },
    /// Messages: what each costs, and how soon it arrives.
    Chat {
        #[command(subcommand)]
        what: chat::What,
    },
    /// The same on an XMPP server that runs.
    Xmpp {
        #[command(flatten)]
        peer: xmpp::Peer,
        #[command(subcommand)]
        what: xmpp::What,
    },
    /// Uploads and what becomes of them, beside the FFmpeg command line, libvips, and a server that reads to nowhere.
    Media {
        #[command(subcommand)]
        what: media::What,
    },
}

/// Where media runs: Janus ignores loopback, so a fair run of both is on another address.
fn parse_ip(text: &str) -> Result<IpAddr, std::net::AddrParseError> {
    text.parse()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let row = match Arguments::parse().command {
        Command::Head => figures::HEAD.to_owned(),
        Command::Rooms { server, load } => rooms::ours(&server, &load).await?,
        Command::Janus { pid, ws, load } => rooms::janus(pid, &ws, &load).await?,
        Command::PartyHead => party::HEAD.to_owned(),
        Command::Party { server, load } => party::ours(&server, &load).await?,
        Command::JanusParty { pid, ws, load } => party::janus(pid, &ws, &load).await?,
        Command::LatencyHead => latency::HEAD.to_owned(),
        Command::Latency { server, load } => latency::ours(&server, &load).await?,
        Command::JanusLatency { pid, ws, load } => latency::janus(pid, &ws, &load).await?,
        Command::Calls { count } => calls::run(count).await?,
        Command::Crowd { listeners, secs } => crowd::run(listeners, secs).await?,
        Command::Idle { sockets, secs } => idle::run(sockets, secs).await?,
        Command::Chat { what } => chat::run(what).await?,
        Command::Xmpp { peer, what } => xmpp::run(peer, what).await?,
        Command::Media { what } => media::run(what).await?,
    };
    #[expect(clippy::print_stdout, reason = "the row is what it is for")]
    {
        println!("{row}");
    }
    Ok(())
}
