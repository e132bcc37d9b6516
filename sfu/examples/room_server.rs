//! The forwarding unit alone in a process, for the benchmarks: rooms of any size, without signalling, so that the CPU time
//! of the process is that of forwarding. It counts its allocations.
//!
//! `room_server --ip 10.99.0.1 --shards 1` prints `listening 127.0.0.1:PORT`; there it takes one control connection after
//! another, line by line (`tests/src/bin/load` is the other end):
//!
//! | asked | answered |
//! |---|---|
//! | `join ROOM PEER BYTES`, then an SDP offer of so many bytes | `ok BYTES`, then the answer; or `error WHY` |
//! | `leave ROOM PEER` | `ok 0` |
//! | `view ROOM PEER HEIGHT PEER...`: whose cameras it shows, the most important first | `ok 0` |
//! | `wanted PEER`: how high anyone shows its camera | `ok HEIGHT`, 0 where nobody does |
//! | `allocations` | `ok COUNT` |
//!
//! It trusts whoever connects and bounds nothing beyond what the unit itself bounds: no server for people.
#![expect(unsafe_code, reason = "an allocator that counts is a GlobalAlloc, whose methods are unsafe")]

use std::alloc::{GlobalAlloc, Layout};
use std::collections::HashMap;
use std::io::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tertulia_common::{PeerId, RoomId, ShardId};
use tertulia_sfu::{Config, Event, FULL_HEIGHT, Limits, Sfu, Source, Want};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The allocator of the program itself, and a count.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to mimalloc with the arguments it came with; the count touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's contract is mimalloc's.
        unsafe { mimalloc::MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's contract is mimalloc's.
        unsafe { mimalloc::MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's contract is mimalloc's.
        unsafe { mimalloc::MiMalloc.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is mimalloc's.
        unsafe { mimalloc::MiMalloc.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most pixels high that anyone shows of a peer's camera, if anyone does, for those whose have been told.
type Wanted = Arc<Mutex<HashMap<PeerId, Option<u32>>>>;
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let ip: IpAddr = option("--ip").map_or(Ok(Ipv4Addr::LOCALHOST.into()), |ip| ip.parse())?;
    let shards = option("--shards").map_or(Ok(1), |n| n.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // How much a shard bears is what is measured here: nobody is refused.
    let (busy_rooms_max_percent, busy_joins_max_percent, room_peers_max) = (100, 100, 1_024);
    let limits = Limits { busy_rooms_max_percent, busy_joins_max_percent, room_peers_max, ..Limits::default() };
    runtime.block_on(serve(Config {
        shards,
        bind: ip,
        port: 0,
        advertise: vec![ip.into()],
        limits,
        ..Config::default()
    }))
}

async fn serve(config: Config) -> Outcome<()> {
    let (sfu, mut events) = tertulia_sfu::start(config)?;
    // Nobody signals here: what happens to a peer shows at its client, bar what is wanted of it, which is asked for.
    let wanted = Wanted::default();
    let told = wanted.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::Publish { peer, wanted, .. } = event {
                let camera = wanted.into_iter().find(|(source, _)| *source == Source::Camera);
                told.lock().unwrap_or_else(PoisonError::into_inner).extend(camera.map(|(_, height)| (peer, height)));
            }
        }
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    #[expect(clippy::print_stdout, reason = "whoever started it reads where it listens")]
    {
        println!("listening {}", listener.local_addr()?);
    }
    let mut shards = HashMap::new();
    loop {
        let (stream, _) = listener.accept().await?;
        control(stream, &sfu, &mut shards, &wanted).await?;
    }
}

async fn control(stream: TcpStream, sfu: &Sfu, shards: &mut HashMap<RoomId, ShardId>, wanted: &Wanted) -> Outcome<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words[..] {
            ["join", room, peer, bytes] => {
                let (room, peer) = (RoomId(room.parse()?), PeerId(peer.parse()?));
                let shard = *shards.entry(room).or_insert_with(|| sfu.least_loaded());
                let mut offer = vec![0; bytes.parse()?];
                stream.read_exact(&mut offer).await?;
                match sfu.connect(shard, room, peer, String::from_utf8(offer)?).await {
                    Ok(connected) => {
                        sfu.admit(shard, room, peer);
                        format!("ok {}\n{}", connected.answer.len(), connected.answer)
                    }
                    Err(error) => format!("error {error}\n"),
                }
            }
            ["leave", room, peer] => {
                let (room, peer) = (RoomId(room.parse()?), PeerId(peer.parse()?));
                let shard = *shards.get(&room).ok_or_else(|| Error::other("no such room"))?;
                sfu.remove(shard, room, peer);
                "ok 0\n".to_owned()
            }
            ["view", room, peer, height, ref others @ ..] => {
                let (room, peer) = (RoomId(room.parse()?), PeerId(peer.parse()?));
                let max_height = height.parse()?;
                let want = |publisher| Want { publisher: PeerId(publisher), source: Source::Camera, max_height };
                let others = others.iter().map(|other| other.parse().map(want)).collect::<Result<Vec<_>, _>>()?;
                let shard = *shards.get(&room).ok_or_else(|| Error::other("no such room"))?;
                sfu.view_again(shard, room, peer, others);
                "ok 0\n".to_owned()
            }
            ["wanted", peer] => {
                let wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
                let height = wanted.get(&PeerId(peer.parse()?)).copied().unwrap_or(Some(FULL_HEIGHT));
                format!("ok {}\n", height.unwrap_or(0))
            }
            ["allocations"] => format!("ok {}\n", ALLOCATIONS.load(Relaxed)),
            _ => "error not understood\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}
