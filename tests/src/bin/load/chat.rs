//! Messages between two, in a group and for those who are away: what each costs the program, and how soon it arrives.
//!
//! The same shapes as the XMPP client beside which it is compared: users in pairs, 100 bytes of text, paced or as many as fit with
//! so many on their way. A message is confirmed after it was synced to the disk; clients acknowledge what they were handed, as the
//! SDK does: together, and soon.

use crate::calls;
use crate::figures::quantile;
use crate::process;
use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tertulia_common::{ClientMessageId, Timestamp};
use tertulia_signaling_proto::{
    Ack, Caps, ClientFrame, Codec, Content, MailboxAck, MessageSend, Recipient, RequestId, ServerFrame,
};
use tertulia_tests::token::token;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Incoming, Person, Server, Socket};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// Bytes of a text.
const TEXT_BYTES: usize = 100;
/// After everybody has come, and after the load begins, before it is measured.
const SETTLE: Duration = Duration::from_secs(2);
/// Items that a client has been handed before it acknowledges, and how long it waits for more.
const ACKNOWLEDGE_AT: u32 = 32;
const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(50);
/// Messages of one sender without an answer, where it sends as fast as it may.
const OUTSTANDING: u64 = 24;

/// What is measured.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum What {
    /// Users in pairs write to each other.
    Pairs {
        /// How many.
        #[arg(long, default_value_t = 1_000)]
        users: usize,
        /// Messages a second over all; 0: as many as come with `--window` on their way for each.
        #[arg(long, default_value_t = 0)]
        rate: u64,
        /// See `--rate`.
        #[arg(long, default_value_t = 2)]
        window: u64,
        /// Seconds.
        #[arg(long, default_value_t = 10)]
        secs: u64,
    },
    /// One writes to a group that everybody is connected in.
    Group {
        /// How many are in it.
        #[arg(long, default_value_t = 256)]
        members: usize,
        /// Messages a second; 0: each as soon as the last came to everybody.
        #[arg(long, default_value_t = 20)]
        rate: u64,
        /// Seconds.
        #[arg(long, default_value_t = 10)]
        secs: u64,
    },
    /// Many are written to who are away, and come back.
    Offline {
        /// How many are away.
        #[arg(long, default_value_t = 2_000)]
        users: usize,
        /// Messages for each.
        #[arg(long, default_value_t = 20)]
        per: u64,
        /// Who writes.
        #[arg(long, default_value_t = 20)]
        senders: usize,
    },
}

/// What all clients count.
#[derive(Debug, Default)]
struct Counted {
    confirmed: AtomicU64,
    received: AtomicU64,
    refused: AtomicU64,
    drained: AtomicU64,
    /// Whoever hears something answers it.
    echo: AtomicBool,
    measuring: AtomicBool,
    /// Microseconds.
    latencies: parking_lot::Mutex<Vec<u32>>,
}

/// A client; it ends with this.
struct User {
    say: UnboundedSender<Recipient>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Drop for User {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Client {
    socket: Socket,
    start: Instant,
    counted: Arc<Counted>,
    number: u64,
    received: u64,
    /// Handed out and not acknowledged: how many, and up to where.
    owes: u32,
    upto: u64,
}

fn name(number: usize) -> String {
    format!("user{number}")
}

fn person(number: usize) -> anyhow::Result<Recipient> {
    Ok(Recipient::User(name(number).parse()?))
}

async fn comes(server: &Server, number: usize, start: Instant, counted: &Arc<Counted>) -> anyhow::Result<User> {
    let mut socket = Socket::open(server, Codec::Msgpack).await?;
    let caps = Caps { rings: false, call_waiting: false, messages: true };
    socket.hello_as(&token(&name(number)), "phone", None, caps).await?;
    match socket.next_frame().await? {
        ServerFrame::Welcome(_) => {}
        other => bail!("no welcome but {other:?}"),
    }
    let counted = Arc::clone(counted);
    let client = Client { socket, start, counted, number: 0, received: 0, owes: 0, upto: 0 };
    let (say, to_say) = unbounded_channel();
    Ok(User { say, task: tokio::spawn(client.run(to_say)) })
}

impl Client {
    async fn run(mut self, mut to_say: UnboundedReceiver<Recipient>) -> anyhow::Result<()> {
        loop {
            let owes = self.owes > 0;
            tokio::select! {
                incoming = self.socket.next_whenever() => match incoming? {
                    Incoming::Frame(frame) => self.hears(*frame).await?,
                    Incoming::Closed(code) => bail!("closed: {code:?}"),
                },
                to = to_say.recv() => match to {
                    Some(to) => self.writes(to).await?,
                    None => return Ok(()),
                },
                () = tokio::time::sleep(ACKNOWLEDGE_AFTER), if owes => self.acknowledges().await?,
            }
        }
    }

    async fn hears(&mut self, frame: ServerFrame) -> anyhow::Result<()> {
        if frame.is_counted() {
            self.received += 1;
        }
        match frame {
            ServerFrame::Ping(_) => self.socket.send(&ClientFrame::Pong(Ack { received: self.received })).await?,
            ServerFrame::Ok(_) => drop(self.counted.confirmed.fetch_add(1, Relaxed)),
            ServerFrame::Error(_) => drop(self.counted.refused.fetch_add(1, Relaxed)),
            ServerFrame::Drained(_) => drop(self.counted.drained.fetch_add(1, Relaxed)),
            ServerFrame::Receipts(receipts) => self.owes(receipts.seq).await?,
            ServerFrame::Message(message) => {
                self.counted.received.fetch_add(1, Relaxed);
                if self.counted.measuring.load(Relaxed)
                    && let Content::Text { text } = &message.content
                {
                    let sent: u128 = text.split('.').next().and_then(|digits| digits.parse().ok()).context("when")?;
                    let took = self.start.elapsed().as_micros().saturating_sub(sent);
                    self.counted.latencies.lock().push(u32::try_from(took).unwrap_or(u32::MAX));
                }
                self.owes(message.seq).await?;
                if self.counted.echo.load(Relaxed) {
                    self.writes(Recipient::User(message.from)).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn owes(&mut self, upto: u64) -> anyhow::Result<()> {
        (self.owes, self.upto) = (self.owes + 1, upto);
        if self.owes >= ACKNOWLEDGE_AT { self.acknowledges().await } else { Ok(()) }
    }

    async fn acknowledges(&mut self) -> anyhow::Result<()> {
        self.owes = 0;
        Ok(self.socket.send(&ClientFrame::MailboxAck(MailboxAck { seq: self.upto })).await?)
    }

    async fn writes(&mut self, to: Recipient) -> anyhow::Result<()> {
        self.number += 1;
        let client_id = ClientMessageId::new(Timestamp(1_790_000_000_000), self.number.into());
        let text = format!("{:.<TEXT_BYTES$}", format!("{}.", self.start.elapsed().as_micros()));
        let (id, content) = (RequestId(self.number), Content::Text { text });
        Ok(self.socket.send(&ClientFrame::MessageSend(MessageSend { id, client_id, to, content })).await?)
    }
}

/// What a window of time has cost.
struct Window<'a> {
    server: &'a Server,
    counted: &'a Counted,
    at: Instant,
    cpu: Duration,
    own: Duration,
    confirmed: u64,
    received: u64,
}

impl<'a> Window<'a> {
    fn opens(server: &'a Server, counted: &'a Counted) -> anyhow::Result<Self> {
        counted.measuring.store(true, Relaxed);
        Ok(Self {
            server,
            counted,
            at: Instant::now(),
            cpu: process::cpu(server.pid())?,
            own: process::cpu(std::process::id())?,
            confirmed: counted.confirmed.load(Relaxed),
            received: counted.received.load(Relaxed),
        })
    }

    /// The line. `unit`: what the CPU is divided by.
    fn closes(self, what: &str) -> anyhow::Result<String> {
        let (secs, cpu) = (self.at.elapsed().as_secs_f64(), process::cpu(self.server.pid())? - self.cpu);
        let own = process::cpu(std::process::id())? - self.own;
        self.counted.measuring.store(false, Relaxed);
        let confirmed = self.counted.confirmed.load(Relaxed) - self.confirmed;
        let received = self.counted.received.load(Relaxed) - self.received;
        let mut latencies = std::mem::take(&mut *self.counted.latencies.lock());
        latencies.sort_unstable();
        ensure!(self.counted.refused.load(Relaxed) == 0, "{} were refused", self.counted.refused.load(Relaxed));
        let us = |cpu: Duration, of: u64| cpu.as_secs_f64() * 1e6 / of.max(1) as f64;
        Ok(format!(
            "{what}: {:.0} confirmed and {:.0} delivered a second; server {:.1} µs CPU a message, {:.1} a copy ({:.2} cores), \
             clients {:.1}; sender → recipient p50 {:.2} ms, p99 {:.2} ms",
            confirmed as f64 / secs,
            received as f64 / secs,
            us(cpu, confirmed),
            us(cpu, received),
            cpu.as_secs_f64() / secs,
            us(own, received),
            quantile(&latencies, 0.5) / 1e3,
            quantile(&latencies, 0.99) / 1e3,
        ))
    }
}

/// The line for the report.
pub(crate) async fn run(what: What) -> anyhow::Result<String> {
    let server = calls::without_limits(Server::builder())
        .set("demo", false)
        .set("media.shards", 1)
        .set("signaling.sockets_per_address_max", 20_000)
        .set("signaling.socket_opens_per_minute", 1_000_000)
        .set("signaling.sockets_max", 20_000)
        .set("http.connections_per_address_max", 20_000)
        // Those who write to many send without waiting.
        .set("signaling.outstanding_max", 10_000)
        .set("push.web", false)
        .start()
        .await?;
    let (start, counted) = (Instant::now(), Arc::new(Counted::default()));
    match what {
        What::Pairs { users, rate, window, secs } => pairs(&server, start, &counted, (users, rate, window, secs)).await,
        What::Group { members, rate, secs } => group(&server, start, &counted, (members, rate, secs)).await,
        What::Offline { users, per, senders } => offline(&server, start, &counted, (users, per, senders)).await,
    }
}

async fn everybody(server: &Server, count: usize, start: Instant, counted: &Arc<Counted>) -> anyhow::Result<Vec<User>> {
    let mut users = Vec::with_capacity(count);
    for number in 0..count {
        users.push(comes(server, number, start, counted).await?);
    }
    tokio::time::sleep(SETTLE).await;
    Ok(users)
}

async fn pairs(
    server: &Server,
    start: Instant,
    counted: &Arc<Counted>,
    (users, rate, window, secs): (usize, u64, u64, u64),
) -> anyhow::Result<String> {
    let all = everybody(server, users & !1, start, counted).await?;
    let measured = Duration::from_secs(secs);
    if rate == 0 {
        counted.echo.store(true, Relaxed);
        for (number, user) in all.iter().enumerate() {
            for _ in 0..window {
                user.say.send(person(number ^ 1)?)?;
            }
        }
        tokio::time::sleep(SETTLE).await;
        let window_open = Window::opens(server, counted)?;
        tokio::time::sleep(measured).await;
        return window_open.closes(&format!("{users} in pairs, {window} of each on their way"));
    }
    let (begin, mut sent, mut open) = (Instant::now(), 0_u64, None);
    while begin.elapsed() < SETTLE + measured {
        if open.is_none() && begin.elapsed() >= SETTLE {
            open = Some(Window::opens(server, counted)?);
        }
        let due = begin.elapsed().as_micros() as u64 * rate / 1_000_000;
        for number in sent..due {
            let number = number as usize % all.len();
            all[number].say.send(person(number ^ 1)?)?;
        }
        sent = due;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    open.context("it was too short")?.closes(&format!("{users} in pairs, {rate}/s"))
}

async fn group(
    server: &Server,
    start: Instant,
    counted: &Arc<Counted>,
    (members, rate, secs): (usize, u64, u64),
) -> anyhow::Result<String> {
    let all = everybody(server, members, start, counted).await?;
    let others: Vec<String> = (1..members).map(name).collect();
    let made = json!({"client_id": "019f5c7a-2e5d-7000-8000-00000000000b", "name": "all", "members": others});
    let (status, made) = Person::new(server, &name(0)).tell(reqwest::Method::POST, "/v1/groups", made).await?;
    ensure!(status == 201, "{status}: {made}");
    let group = Recipient::Group(made["group_id"].as_str().context("group_id")?.parse()?);
    tokio::time::sleep(SETTLE).await;
    let (open, begin, mut sent) = (Window::opens(server, counted)?, Instant::now(), 0_u64);
    let before = counted.received.load(Relaxed);
    while begin.elapsed() < Duration::from_secs(secs) {
        let arrived = (counted.received.load(Relaxed) - before) / (members as u64 - 1);
        let due = if rate == 0 { arrived + 1 } else { begin.elapsed().as_micros() as u64 * rate / 1_000_000 };
        for _ in sent..due {
            all[0].say.send(group.clone())?;
        }
        sent = sent.max(due);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    open.closes(&format!(
        "a group of {members}, {}",
        if rate == 0 { "one after another".to_owned() } else { format!("{rate}/s") }
    ))
}

async fn offline(
    server: &Server,
    start: Instant,
    counted: &Arc<Counted>,
    (users, per, senders): (usize, u64, usize),
) -> anyhow::Result<String> {
    // They have been here once, and are away.
    drop(everybody(server, users, start, counted).await?);
    counted.drained.store(0, Relaxed);
    let mut writers = Vec::new();
    for number in users..users + senders {
        writers.push(comes(server, number, start, counted).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let open = Window::opens(server, counted)?;
    let (before, all) = (counted.confirmed.load(Relaxed), users as u64 * per);
    let mut sent = 0;
    while sent < all {
        let waiting = sent - (counted.confirmed.load(Relaxed) - before);
        let room = (OUTSTANDING * senders as u64).saturating_sub(waiting).min(all - sent);
        for next in sent..sent + room {
            let (writer, to) = (next as usize % senders, (next / per) as usize);
            writers[writer].say.send(person(to)?)?;
        }
        sent += room;
        tokio::task::yield_now().await;
    }
    let confirmed = || async { (counted.confirmed.load(Relaxed) - before >= all).then_some(()) };
    eventually("everything is confirmed", confirmed).await?;
    let stored = open.closes(&format!("{all} for {users} who are away"))?;
    tokio::time::sleep(SETTLE).await;
    let open = Window::opens(server, counted)?;
    let before = counted.received.load(Relaxed);
    let mut back = Vec::new();
    for number in 0..users {
        back.push(comes(server, number, start, counted).await?);
    }
    let had = || async { (counted.received.load(Relaxed) - before >= all).then_some(()) };
    eventually("everything is handed out", had).await?;
    let drained = open.closes(&format!("{users} come back and get them, with their logins"))?;
    Ok(format!("{stored}\n{drained}"))
}
