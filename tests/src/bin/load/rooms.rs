//! A room under load, on our forwarding unit or on Janus: the same peers, packets, bursts and clock for both.
//!
//! Publishers and subscribers join, one after another, before any media (what a join costs); then nothing happens for a
//! while (what an idle peer costs); then the publishers send, and after some seconds the window is measured.

use crate::figures::Figures;
use crate::janus::Janus;
use crate::process;
use crate::shape::Shape;
use anyhow::{Context, bail, ensure};
use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tertulia_tests::media::{Fleet, Member, Peer};
use tertulia_tests::wait::eventually;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// From the first packet to the window: the estimate has risen, the caches are full.
const WARM_UP: Duration = Duration::from_secs(5);
/// From the last join to the idle window.
const SETTLE: Duration = Duration::from_secs(2);
/// Our one room.
const ROOM: u32 = 1;

/// What is to be run.
#[derive(clap::Args)]
pub(crate) struct Load {
    /// Where media runs.
    #[arg(long, default_value = "127.0.0.1", value_parser = crate::parse_ip)]
    ip: IpAddr,
    /// Like 1x50-video, 10x10-audio.
    #[arg(long)]
    shape: Shape,
    /// Seconds of the window.
    #[arg(long, default_value_t = 10)]
    secs: u64,
    /// Spreads the publishers over a frame's time; without it all send at once, as the peers were measured.
    #[arg(long)]
    stagger: bool,
}

/// Whose room it is.
enum Host {
    Ours(Control),
    Janus(Box<Janus>),
}

impl Host {
    fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => "tertulia",
            Self::Janus(_) => "janus",
        }
    }

    async fn publisher(&mut self, load: &Load, index: usize) -> anyhow::Result<Peer> {
        let (mut peer, offer) = Peer::offer(load.ip, &load.shape.publisher_lines())?;
        let answer = match self {
            Self::Ours(control) => control.join(ROOM, &offer).await?,
            Self::Janus(janus) => janus.publish(index, &offer, (!load.shape.video, load.shape.video)).await?,
        };
        peer.accept_answer(&answer)?;
        Ok(peer)
    }

    async fn subscriber(&mut self, load: &Load) -> anyhow::Result<Peer> {
        match self {
            Self::Ours(control) => {
                let (mut peer, offer) = Peer::offer(load.ip, &load.shape.subscriber_lines())?;
                peer.accept_answer(&control.join(ROOM, &offer).await?)?;
                Ok(peer)
            }
            Self::Janus(janus) => {
                let (handle, offer) = janus.subscribe().await?;
                let (peer, answer) = Peer::answer(load.ip, &offer)?;
                janus.start(handle, &answer).await?;
                Ok(peer)
            }
        }
    }

    async fn allocations(&mut self) -> anyhow::Result<Option<u64>> {
        match self {
            Self::Ours(control) => control.allocations().await.map(Some),
            Self::Janus(_) => Ok(None),
        }
    }
}

/// The control connection of our room server.
pub(crate) struct Control {
    stream: BufReader<TcpStream>,
    peers: u64,
}

impl Control {
    /// Starts the room server; it ends with the child.
    pub(crate) async fn start(server: &Path, ip: IpAddr) -> anyhow::Result<(Child, Self)> {
        Self::start_as(Command::new(server), server, ip).await
    }

    /// The same, on one core alone.
    pub(crate) async fn start_on(core: usize, server: &Path, ip: IpAddr) -> anyhow::Result<(Child, Self)> {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &core.to_string()]).arg(server);
        Self::start_as(command, server, ip).await
    }

    async fn start_as(mut command: Command, server: &Path, ip: IpAddr) -> anyhow::Result<(Child, Self)> {
        let mut child = command
            .args(["--ip", &ip.to_string(), "--shards", "1"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", server.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line).await?;
        let address = line.trim().strip_prefix("listening ").with_context(|| format!("it said {line:?}"))?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok((child, Self { stream: BufReader::new(stream), peers: 0 }))
    }

    /// Peers have numbers from one, over all rooms.
    pub(crate) fn peers(&self) -> u64 {
        self.peers
    }

    pub(crate) async fn view(&mut self, room: u32, peer: u64, height: u16, others: &[u64]) -> anyhow::Result<()> {
        let others: String = others.iter().map(|other| format!(" {other}")).collect();
        self.ask(&format!("view {room} {peer} {height}{others}\n")).await.map(drop)
    }

    /// How high anyone shows a peer's camera, pixels; 0 where nobody does.
    pub(crate) async fn wanted(&mut self, peer: u64) -> anyhow::Result<u64> {
        self.ask(&format!("wanted {peer}\n")).await
    }

    pub(crate) async fn join(&mut self, room: u32, offer: &str) -> anyhow::Result<String> {
        self.peers += 1;
        let ask = format!("join {room} {} {}\n{offer}", self.peers, offer.len());
        let bytes = usize::try_from(self.ask(&ask).await?)?;
        let mut answer = vec![0; bytes];
        self.stream.read_exact(&mut answer).await?;
        Ok(String::from_utf8(answer)?)
    }

    async fn allocations(&mut self) -> anyhow::Result<u64> {
        self.ask("allocations\n").await
    }

    async fn ask(&mut self, ask: &str) -> anyhow::Result<u64> {
        self.stream.write_all(ask.as_bytes()).await?;
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        match line.trim().split_once(' ') {
            Some(("ok", number)) => Ok(number.parse()?),
            _ => bail!("the room server: {line}"),
        }
    }
}

/// A room on our forwarding unit.
pub(crate) async fn ours(server: &Path, load: &Load) -> anyhow::Result<String> {
    let (child, control) = Control::start(server, load.ip).await?;
    let pid = child.id().context("it has ended")?;
    run(Host::Ours(control), pid, load).await
}

/// The same on Janus.
pub(crate) async fn janus(pid: u32, ws: &str, load: &Load) -> anyhow::Result<String> {
    run(Host::Janus(Box::new(Janus::connect(ws).await?)), pid, load).await
}

async fn run(mut host: Host, pid: u32, load: &Load) -> anyhow::Result<String> {
    let (fleet, shape) = (Fleet::start()?, load.shape);
    let before_joins = process::cpu(pid)?;
    let mut publishers = Vec::new();
    for index in 0..shape.publishers {
        publishers.push(up(&fleet, host.publisher(load, index).await?).await?);
    }
    let resident_before = process::resident(pid)?;
    let mut subscribers = Vec::new();
    for _ in 0..shape.subscribers {
        subscribers.push(up(&fleet, host.subscriber(load).await?).await?);
    }
    let join_cpu = process::cpu(pid)? - before_joins;
    tokio::time::sleep(SETTLE).await;

    let idle = Window::open(pid)?;
    tokio::time::sleep(Duration::from_secs(load.secs.div_ceil(2))).await;
    let (idle_window, idle_cpu, _) = idle.close()?;

    for (index, member) in publishers.iter().enumerate() {
        let mid = fleet.with(member, |peer| peer.sending_lines().next()).await?.context("it publishes")?.1;
        let sending = shape.sending();
        #[expect(clippy::cast_precision_loss, reason = "a few publishers")]
        let part = if load.stagger { index as f64 / shape.publishers as f64 } else { 0.0 };
        fleet.send(member, mid, sending, sending.interval().mul_f64(part)).await?;
    }
    tokio::time::sleep(WARM_UP).await;

    fleet.latencies.start();
    let allocations = host.allocations().await?;
    let (sent, received) = (sent(&publishers), received(&subscribers));
    let window = Window::open(pid)?;
    tokio::time::sleep(Duration::from_secs(load.secs)).await;
    let (length, cpu, client_cpu) = window.close()?;
    let (sent, received) = (self::sent(&publishers) - sent, self::received(&subscribers) - received);
    let allocated = host.allocations().await?.zip(allocations).map(|(after, before)| after - before);
    ensure!(received > 0, "nothing was forwarded");
    let resident = process::resident(pid)?.saturating_sub(resident_before);
    let figures = Figures {
        server: host.name(),
        shape,
        window: length,
        sent,
        received,
        cpu,
        client_cpu,
        allocations: allocated,
        latencies: fleet.latencies.stop(),
        resident_per_subscriber: resident / shape.subscribers as u64,
        join_cpu,
        idle_window,
        idle_cpu,
    };
    Ok(figures.row())
}

pub(crate) async fn up(fleet: &Fleet, peer: Peer) -> anyhow::Result<Member> {
    let member = fleet.add(peer).await?;
    let connected = || async { member.tally.connected.load(Relaxed).then_some(()) };
    eventually("ICE and DTLS", connected).await?;
    Ok(member)
}

fn sent(members: &[Member]) -> u64 {
    members.iter().map(|member| member.tally.sent.load(Relaxed)).sum()
}

fn received(members: &[Member]) -> u64 {
    members.iter().map(|member| member.tally.received.load(Relaxed)).sum()
}

/// A stretch of time, and what the server and this process use in it.
pub(crate) struct Window {
    pid: u32,
    start: Instant,
    cpu: Duration,
    own: Duration,
}

impl Window {
    pub(crate) fn open(pid: u32) -> anyhow::Result<Self> {
        Ok(Self { pid, start: Instant::now(), cpu: process::cpu(pid)?, own: process::cpu(std::process::id())? })
    }

    pub(crate) fn close(self) -> anyhow::Result<(Duration, Duration, Duration)> {
        let own = process::cpu(std::process::id())? - self.own;
        Ok((self.start.elapsed(), process::cpu(self.pid)? - self.cpu, own))
    }
}
