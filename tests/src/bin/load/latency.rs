//! How long packets take through a busy server, on ours or on Janus: the server has one core to itself, the peers the other. Rooms
//! of one shape are added, their publishers spread over a frame's time, until the server uses the part of its core that is asked for.
//!
//! A few receivers in each room are whole peers, whose packets are measured: from the write to when the kernel has it for them. The
//! others take part, but throw media away unread; they say nothing of what they get, so nobody estimates their bandwidth.

use crate::figures::quantile;
use crate::janus::Janus;
use crate::process;
use crate::rooms::{Control, Window, up};
use crate::shape::Shape;
use anyhow::{Context, ensure};
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tertulia_tests::media::{Fleet, Member, Peer};

/// The server's core; whoever starts this has put it on the other.
const CORE: usize = 0;
/// Whole peers among the receivers of each room.
const WHOLE: usize = 2;
/// How far from what is asked for is near enough, as a part of a core.
const NEAR: f64 = 0.02;
/// How often rooms are added, at most: each time for what is missing.
const ROUNDS: usize = 5;
/// From the last join to a window; no condition ends it.
const SETTLE: Duration = Duration::from_secs(4);
/// Over how long use is measured, to know how many rooms are missing.
const LOOK: Duration = Duration::from_secs(3);
/// How publishers are spread over a frame's time: any number that shares nothing with this.
const PARTS: usize = 31;

pub(crate) const HEAD: &str = "\
| server | rooms of | rooms | packets/s out | short % | of its core % | of the peers' % | latency p50 ms | p90 | p99 | p99.9 |\n\
|---|---|---|---|---|---|---|---|---|---|---|";

/// What is to be run.
#[derive(clap::Args)]
pub(crate) struct Load {
    /// Where media runs.
    #[arg(long, default_value = "127.0.0.1", value_parser = crate::parse_ip)]
    ip: IpAddr,
    /// Like 1x50-video.
    #[arg(long)]
    shape: Shape,
    /// The part of a core that the server is to use, per cent.
    #[arg(long, default_value_t = 70)]
    busy: u32,
    /// Seconds of the window.
    #[arg(long, default_value_t = 10)]
    secs: u64,
}

enum Host {
    Ours(Control),
    Janus { ws: String, room: Option<Box<Janus>> },
}

impl Host {
    fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => "tertulia",
            Self::Janus { .. } => "janus",
        }
    }

    /// What joins from here on joins this room.
    async fn enter(&mut self, room: u32) -> anyhow::Result<()> {
        if let Self::Janus { ws, room: of } = self {
            *of = Some(Box::new(Janus::connect_to(ws, room.into()).await?));
        }
        Ok(())
    }

    async fn publisher(&mut self, load: &Load, room: u32, index: usize) -> anyhow::Result<Peer> {
        let (mut peer, offer) = Peer::offer(load.ip, &load.shape.publisher_lines())?;
        let answer = match self {
            Self::Ours(control) => control.join(room, &offer).await?,
            Self::Janus { room, .. } => {
                let janus = room.as_mut().context("a room")?;
                janus.publish(index, &offer, (!load.shape.video, load.shape.video)).await?
            }
        };
        peer.accept_answer(&answer)?;
        Ok(peer)
    }

    async fn subscriber(&mut self, load: &Load, room: u32) -> anyhow::Result<Peer> {
        match self {
            Self::Ours(control) => {
                let (mut peer, offer) = Peer::offer(load.ip, &load.shape.subscriber_lines())?;
                peer.accept_answer(&control.join(room, &offer).await?)?;
                Ok(peer)
            }
            Self::Janus { room, .. } => {
                let janus = room.as_mut().context("a room")?;
                let (handle, offer) = janus.subscribe().await?;
                let (peer, answer) = Peer::answer(load.ip, &offer)?;
                janus.start(handle, &answer).await?;
                Ok(peer)
            }
        }
    }
}

/// On our forwarding unit.
pub(crate) async fn ours(server: &Path, load: &Load) -> anyhow::Result<String> {
    let (child, control) = Control::start_on(CORE, server, load.ip).await?;
    run(Host::Ours(control), child.id().context("it has ended")?, load).await
}

/// On Janus, which was started on that core.
pub(crate) async fn janus(pid: u32, ws: &str, load: &Load) -> anyhow::Result<String> {
    run(Host::Janus { ws: ws.to_owned(), room: None }, pid, load).await
}

#[derive(Default)]
struct Rooms {
    count: u32,
    publishers: Vec<Member>,
    subscribers: Vec<Member>,
    /// Of Janus, whose rooms end with their sessions.
    sessions: Vec<Janus>,
}

impl Rooms {
    async fn add(&mut self, host: &mut Host, fleet: &Fleet, load: &Load) -> anyhow::Result<()> {
        self.count += 1;
        host.enter(self.count).await?;
        let mut publishers = Vec::new();
        for index in 0..load.shape.publishers {
            publishers.push(up(fleet, host.publisher(load, self.count, index).await?).await?);
        }
        for index in 0..load.shape.subscribers {
            let mut peer = host.subscriber(load, self.count).await?;
            if index < WHOLE {
                peer.stamp_arrivals()?;
            }
            let member = up(fleet, peer).await?;
            if index >= WHOLE {
                fleet.with(&member, Peer::ignore_media).await?;
            }
            self.subscribers.push(member);
        }
        for member in publishers {
            let mid = fleet.with(&member, |peer| peer.sending_lines().next()).await?.context("it publishes")?.1;
            let sending = load.shape.sending();
            let part = (self.publishers.len() * 12 % PARTS) as f64 / PARTS as f64;
            fleet.send(&member, mid, sending, sending.interval().mul_f64(part)).await?;
            self.publishers.push(member);
        }
        if let Host::Janus { room, .. } = host {
            self.sessions.extend(room.take().map(|of| *of));
        }
        Ok(())
    }

    /// Packets sent, and packets received.
    fn packets(&self) -> (u64, u64) {
        let sent = self.publishers.iter().map(|member| member.tally.sent.load(Relaxed)).sum();
        (sent, self.subscribers.iter().map(|member| member.tally.received.load(Relaxed)).sum())
    }
}

async fn run(mut host: Host, pid: u32, load: &Load) -> anyhow::Result<String> {
    let (fleet, mut rooms, asked) = (Fleet::start()?, Rooms::default(), f64::from(load.busy) / 100.0);
    rooms.add(&mut host, &fleet, load).await?;
    for _ in 0..ROUNDS {
        tokio::time::sleep(SETTLE).await;
        let before = process::cpu(pid)?;
        tokio::time::sleep(LOOK).await;
        let used = (process::cpu(pid)? - before).as_secs_f64() / LOOK.as_secs_f64();
        let missing = (asked - used) / (used / f64::from(rooms.count));
        // The first say too little of what many cost together: half of them first.
        let more = if rooms.count == 1 { missing / 2.0 } else { missing };
        if used > asked - NEAR || more.round() < 1.0 {
            break;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few dozen rooms")]
        for _ in 0..more.round() as u32 {
            rooms.add(&mut host, &fleet, load).await?;
        }
    }
    tokio::time::sleep(SETTLE).await;
    let before = rooms.packets();
    fleet.latencies.start();
    let window = Window::open(pid)?;
    tokio::time::sleep(Duration::from_secs(load.secs)).await;
    let (length, cpu, own) = window.close()?;
    let latencies = fleet.latencies.stop();
    let after = rooms.packets();
    let (sent, received) = ((after.0 - before.0) as f64, (after.1 - before.1) as f64);
    ensure!(received > 0.0, "nothing was forwarded");
    let of_core = |used: Duration| 100.0 * used.as_secs_f64() / length.as_secs_f64();
    let ms = |part| quantile(&latencies, part) / 1e3;
    Ok(format!(
        "| {} | {} | {} | {:.0} | {:.2} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} |",
        host.name(),
        load.shape,
        rooms.count,
        received / length.as_secs_f64(),
        100.0 * (1.0 - received / (sent * load.shape.subscribers as f64)),
        of_core(cpu),
        of_core(own),
        ms(0.5),
        ms(0.9),
        ms(0.99),
        ms(0.999),
    ))
}
