//! Group calls under load, on our forwarding unit or on Janus: everybody sends a voice and a camera in three sizes, and shows some of
//! the others; some only listen, some are on bad networks. What the server spends, and what people see and hear.
//!
//! They come one after another, or all at once, while those who are there send already. After some seconds the window is measured.

use crate::figures::quantile;
use crate::janus::Janus;
use crate::process;
use crate::rooms::{Control, Window, up};
use anyhow::{Context, ensure};
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tertulia_tests::media::{Fleet, LAYERS, Line, Member, Peer, Sending, Way};
use tertulia_tests::wait::eventually;

/// From the last join to the window: a time to be measured after, in which estimates rise; no condition ends it.
const WARM_UP: Duration = Duration::from_secs(10);
/// The most that it takes from the last view until publishers are told that less is wanted of them, and the steps in which that is asked.
const TOLD_WITHIN: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(200);
/// Lines for voices: the loudest few are heard.
const EARS: usize = 3;
/// What part of a machine may be used, for how many people it bears: three quarters of two cores.
const CORES_USED: f64 = 1.5;
const LOSSY: f64 = 0.03;
const NARROW_BPS: u64 = 500_000;

/// The heading of the rows.
pub(crate) const HEAD: &str = "\
| server | room | who | packets/s in | kbit/s each | CPU µs/packet | people at 75 % of 2 cores | latency p50 ms | p99 | p99.9 | first media p50 ms | p99 \
| frozen % | voice gaps/min each | lines still | MiB each |\n\
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

/// What is to be run.
#[derive(clap::Args)]
pub(crate) struct Load {
    /// Where media runs.
    #[arg(long, default_value = "127.0.0.1", value_parser = crate::parse_ip)]
    ip: IpAddr,
    /// Who send, in each room.
    #[arg(long, default_value_t = 8)]
    people: usize,
    /// Who only listen and look, beside them.
    #[arg(long, default_value_t = 0)]
    listeners: usize,
    #[arg(long, default_value_t = 1)]
    rooms: usize,
    /// How many pictures each shows.
    #[arg(long, default_value_t = 9)]
    pictures: usize,
    /// Voices only.
    #[arg(long)]
    voice: bool,
    /// All come at once.
    #[arg(long)]
    storm: bool,
    /// So many lose 3 % of what is sent to them.
    #[arg(long, default_value_t = 0)]
    lossy: usize,
    /// So many have 500 kbit/s.
    #[arg(long, default_value_t = 0)]
    narrow: usize,
    /// Of what is lost.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds of the window.
    #[arg(long, default_value_t = 10)]
    secs: u64,
}

impl Load {
    /// How high a picture is drawn where so many are shown, as our page would.
    fn height(&self) -> u16 {
        match self.shown() {
            ..=1 => 720,
            2..=4 => 360,
            _ => 180,
        }
    }

    fn shown(&self) -> usize {
        if self.voice { 0 } else { self.pictures.min(self.people.saturating_sub(1)) }
    }

    fn lines(&self, sends: bool) -> Vec<Line> {
        let sent = if self.voice { &[Line::Mic][..] } else { &[Line::Mic, Line::Layers] };
        let eyes = if self.voice { 0 } else { self.pictures.min(self.people) };
        let received = std::iter::repeat_n(Line::Ear, EARS).chain(std::iter::repeat_n(Line::Eye, eyes));
        sent.iter().copied().filter(|_| sends).chain(received).collect()
    }

    /// The others whose pictures this one shows: those who come after them, around the table.
    fn others(&self, index: usize) -> Vec<usize> {
        (1..=self.shown()).map(|step| (index + step) % self.people).filter(|other| *other != index).collect()
    }

    fn name(&self) -> String {
        let kind = if self.voice { "voices" } else { "pictures" };
        let listeners = if self.listeners > 0 { format!(" and {} listeners", self.listeners) } else { String::new() };
        let rooms = if self.rooms > 1 { format!("{} × ", self.rooms) } else { String::new() };
        format!("{rooms}{}{listeners}, {kind}{}", self.people, if self.storm { ", all at once" } else { "" })
    }
}

/// What somebody's network is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Net {
    Good,
    Lossy,
    Narrow,
}

struct Person {
    net: Net,
    /// What receives: with Janus it is another connection that sends.
    receiver: Member,
    /// Microseconds of the fleet's clock.
    came_at: u64,
    /// Somebody sent already.
    is_late: bool,
}

/// Rooms on our forwarding unit.
pub(crate) async fn ours(server: &Path, load: &Load) -> anyhow::Result<String> {
    let (child, mut control) = Control::start(server, load.ip).await?;
    let pid = child.id().context("it has ended")?;
    let fleet = Fleet::start()?;
    let before = process::resident(pid)?;
    let mut people = Vec::new();
    let mut ids = Vec::new();
    for room in 1..=load.rooms as u32 {
        for index in 0..load.people + load.listeners {
            let (came_at, is_late) = (fleet.clock_us(), index > 0);
            let (mut peer, offer) = Peer::offer(load.ip, &load.lines(index < load.people))?;
            peer.accept_answer(&control.join(room, &offer).await?)?;
            ids.push((room, index, control.peers()));
            let net = travel(load, people.len(), &mut peer);
            let member = if load.storm { fleet.add(peer).await? } else { up(&fleet, peer).await? };
            if index < load.people {
                send(&fleet, &member).await?;
            }
            people.push(Person { net, receiver: member, came_at, is_late });
        }
    }
    for (room, index, peer) in &ids {
        let other = |other: usize| ids.iter().find(|(r, i, _)| (*r, *i) == (*room, other)).map(|(.., id)| *id);
        let others: Vec<u64> = load.others(*index % load.people).into_iter().filter_map(other).collect();
        if !load.voice {
            control.view(*room, *peer, load.height(), &others).await?;
        }
    }
    if !load.voice {
        send_what_is_wanted(&mut control, &fleet, load, &ids, &people).await?;
    }
    measure("tertulia", pid, before, load, &fleet, &people).await
}

/// As clients do that hear `call.publish`: what nobody shows is not sent. Janus has nothing of the kind. All have to be told: a window
/// in which larger sizes still come in is another load.
async fn send_what_is_wanted(
    control: &mut Control,
    fleet: &Fleet,
    load: &Load,
    ids: &[(u32, usize, u64)],
    people: &[Person],
) -> anyhow::Result<()> {
    let publishers = || ids.iter().zip(people).filter(|((_, index, _), _)| *index < load.people);
    let began = Instant::now();
    for ((.., peer), person) in publishers() {
        let mut wanted = control.wanted(*peer).await?;
        while wanted > u64::from(load.height()) {
            ensure!(began.elapsed() < TOLD_WITHIN, "{peer} is told that {wanted} is wanted");
            tokio::time::sleep(ASK_EVERY).await;
            wanted = control.wanted(*peer).await?;
        }
        fleet.send_up_to(&person.receiver, wanted).await?;
    }
    Ok(())
}

/// The same on Janus, in one room.
pub(crate) async fn janus(pid: u32, ws: &str, load: &Load) -> anyhow::Result<String> {
    ensure!(load.rooms == 1, "one room");
    let mut janus = Janus::connect(ws).await?;
    let fleet = Fleet::start()?;
    let before = process::resident(pid)?;
    for index in 0..load.people {
        let sent = if load.voice { &[Line::Mic][..] } else { &[Line::Mic, Line::Layers] };
        let (mut peer, offer) = Peer::offer(load.ip, sent)?;
        peer.accept_answer(&janus.publish(index, &offer, (true, !load.voice)).await?)?;
        let member = up(&fleet, peer).await?;
        send(&fleet, &member).await?;
    }
    // It takes the first of the sizes that are offered for the largest, and counts from the smallest.
    let size = LAYERS.iter().rev().position(|layer| layer.height == load.height()).unwrap_or_default();
    let mut people: Vec<Person> = Vec::new();
    for index in 0..load.people + load.listeners {
        let came_at = fleet.clock_us();
        // It knows no loudest few: everybody hears everybody whom they show, or the first few.
        let hears = if load.voice {
            (0..load.people).filter(|other| *other != index).take(EARS).collect()
        } else {
            load.others(index % load.people)
        };
        let (handle, offer) = janus.subscribe_to(&hears).await?;
        let (mut peer, answer) = Peer::answer(load.ip, &offer)?;
        janus.start(handle, &answer).await?;
        if !load.voice {
            janus.take_size(handle, size).await?;
        }
        let net = travel(load, people.len(), &mut peer);
        let receiver = up(&fleet, peer).await?;
        people.push(Person { net, receiver, came_at, is_late: true });
    }
    measure("janus", pid, before, load, &fleet, &people).await
}

/// The last ones are on bad networks.
fn travel(load: &Load, number: usize, peer: &mut Peer) -> Net {
    let all = load.rooms * (load.people + load.listeners);
    let seed = load.seed.wrapping_add(number as u64);
    let (net, way) = match all - number {
        left if left <= load.lossy => (Net::Lossy, Way { loss: LOSSY, bps: None, seed }),
        left if left <= load.lossy + load.narrow => (Net::Narrow, Way { loss: 0.0, bps: Some(NARROW_BPS), seed }),
        _ => return Net::Good,
    };
    peer.travel(way);
    net
}

async fn send(fleet: &Fleet, member: &Member) -> anyhow::Result<()> {
    let lines: Vec<_> = fleet.with(member, |peer| peer.sending_lines().collect()).await?;
    for (line, mid) in lines {
        let sizes = if line == Line::Mic { &[Sending::AUDIO][..] } else { &LAYERS };
        for sending in sizes {
            // Voices and cameras have clocks of their own.
            let part = f64::from(u32::try_from(member.index()).unwrap_or(0) % 7) / 7.0;
            fleet.send(member, mid, *sending, sending.interval().mul_f64(part)).await?;
        }
    }
    Ok(())
}

/// What is counted over a window, of some people.
#[derive(Default)]
struct Counted {
    people: usize,
    packets: u64,
    bytes: u64,
    frozen_us: u64,
    voice_gaps: u64,
    pictures: usize,
    still: usize,
}

async fn measure(
    server: &str,
    pid: u32,
    before: u64,
    load: &Load,
    fleet: &Fleet,
    people: &[Person],
) -> anyhow::Result<String> {
    for person in people {
        let tally = &person.receiver.tally;
        let heard = || async { (tally.received.load(Relaxed) > 0).then_some(()) };
        eventually("media flows to everybody", heard).await?;
    }
    tokio::time::sleep(WARM_UP).await;
    let totals = |person: &Person| {
        let tally = &person.receiver.tally;
        [&tally.received, &tally.received_bytes, &tally.frozen_us, &tally.voice_gaps].map(|figure| figure.load(Relaxed))
    };
    fleet.latencies.start();
    let start: Vec<[u64; 4]> = people.iter().map(totals).collect();
    let window = Window::open(pid)?;
    tokio::time::sleep(Duration::from_secs(load.secs)).await;
    let (length, cpu, _) = window.close()?;
    let latencies = fleet.latencies.stop();
    let end: Vec<[u64; 4]> = people.iter().map(totals).collect();
    let each_bytes = process::resident(pid)?.saturating_sub(before) / people.len() as u64;
    let mut first: Vec<u32> = people.iter().filter(|person| person.is_late).map(first_media_us).collect();
    first.sort_unstable();
    let all: u64 = start.iter().zip(&end).map(|(start, end)| end[0] - start[0]).sum();
    ensure!(all > 0, "nothing was forwarded");

    let mut rows = Vec::new();
    for net in [Net::Good, Net::Lossy, Net::Narrow] {
        let mut counted = Counted::default();
        for (person, (start, end)) in people.iter().zip(start.iter().zip(&end)).filter(|(person, _)| person.net == net)
        {
            let [packets, bytes, frozen_us, voice_gaps] = std::array::from_fn(|of| end[of] - start[of]);
            let (lines, still) = fleet.lines(&person.receiver).await?;
            counted.people += 1;
            counted.packets += packets;
            counted.bytes += bytes;
            counted.frozen_us += frozen_us;
            counted.voice_gaps += voice_gaps;
            counted.pictures += lines.saturating_sub(EARS).max(1);
            counted.still += still;
        }
        if counted.people == 0 {
            continue;
        }
        let (secs, each) = (length.as_secs_f64(), counted.people as f64);
        let of_all = |text: String| if net == Net::Good { text } else { "–".to_owned() };
        rows.push(format!(
            "| {server} | {} | {} {net:?} | {:.0} | {:.0} | {} | {} | {} | {} | {} | {} | {} | {:.2} | {:.1} | {} | {} |",
            load.name(),
            counted.people,
            counted.packets as f64 / secs,
            counted.bytes as f64 * 8.0 / 1_000.0 / secs / each,
            of_all(format!("{:.2}", cpu.as_secs_f64() * 1e6 / all as f64)),
            of_all(format!("{:.0}", CORES_USED / (cpu.as_secs_f64() / secs / people.len() as f64))),
            of_all(format!("{:.2}", quantile(&latencies, 0.5) / 1e3)),
            of_all(format!("{:.2}", quantile(&latencies, 0.99) / 1e3)),
            of_all(format!("{:.2}", quantile(&latencies, 0.999) / 1e3)),
            of_all(format!("{:.0}", quantile(&first, 0.5) / 1e3)),
            of_all(format!("{:.0}", quantile(&first, 0.99) / 1e3)),
            100.0 * counted.frozen_us as f64 / 1e6 / secs / counted.pictures as f64,
            counted.voice_gaps as f64 * 60.0 / secs / each,
            counted.still,
            of_all(format!("{:.2}", each_bytes as f64 / 1_048_576.0)),
        ));
    }
    Ok(rows.join("\n"))
}

/// From their offer to their first packet.
fn first_media_us(person: &Person) -> u32 {
    let first = person.receiver.tally.first_received_us.load(Relaxed).saturating_sub(1);
    u32::try_from(first.saturating_sub(person.came_at)).unwrap_or(u32::MAX)
}
