//! The shapes of [`crate::chat`] on an XMPP server that runs: the same users, texts, rates and clock, printed in the same words.
//!
//! XMPP confirms nothing to a sender: a message counts as confirmed when it is heard, or, where nobody hears it, when the server has
//! answered a ping behind it.

mod stream;

use crate::chat::window::{Counted, Window};
use crate::chat::{SETTLE, TEXT_BYTES, reaches};
use crate::process;
use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use stream::{DOMAIN, Stream, attribute, body};
use tertulia_tests::wait::eventually;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// Messages to those who are away, of one sender, between two pings.
const BETWEEN_PINGS: u64 = 50;
/// Messages to a group on their way, where as many are sent as come.
const ON_THEIR_WAY: u64 = 2;

/// Which server.
#[derive(Args, Clone, Debug)]
pub(crate) struct Peer {
    /// Its process.
    #[arg(long)]
    pid: u32,
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:15222")]
    at: SocketAddr,
    /// By WebSocket, at `/ws`.
    #[arg(long)]
    websocket: bool,
}

/// What is measured.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum What {
    /// Makes users known.
    Register {
        #[arg(long)]
        users: usize,
    },
    /// See `chat pairs`.
    Pairs {
        #[arg(long, default_value_t = 1_000)]
        users: usize,
        #[arg(long, default_value_t = 0)]
        rate: u64,
        #[arg(long, default_value_t = 2)]
        window: u64,
        #[arg(long, default_value_t = 10)]
        secs: u64,
    },
    /// See `chat group`: a room for many.
    Group {
        #[arg(long, default_value_t = 256)]
        members: usize,
        /// Messages a second; 0: as many as come with two on their way.
        #[arg(long, default_value_t = 20)]
        rate: u64,
        #[arg(long, default_value_t = 10)]
        secs: u64,
    },
    /// See `chat offline`.
    Offline {
        #[arg(long, default_value_t = 2_000)]
        users: usize,
        #[arg(long, default_value_t = 20)]
        per: u64,
        #[arg(long, default_value_t = 20)]
        senders: usize,
    },
    /// Memory of connections that do nothing.
    Idle {
        #[arg(long, default_value_t = 5_000)]
        sockets: usize,
        #[arg(long, default_value_t = 5)]
        secs: u64,
    },
}

/// A client; it ends with this.
struct User {
    say: UnboundedSender<String>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Drop for User {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Client {
    stream: Stream,
    start: Instant,
    counted: Arc<Counted>,
}

impl Client {
    async fn run(mut self, mut to_say: UnboundedReceiver<String>) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                element = self.stream.element() => self.hears(&element?).await?,
                xml = to_say.recv() => match xml {
                    Some(xml) => self.stream.says(&xml).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    async fn hears(&mut self, element: &str) -> anyhow::Result<()> {
        if element.starts_with("<iq") {
            self.counted.confirmed.fetch_add(BETWEEN_PINGS, Relaxed);
        } else if element.starts_with("<presence") && element.contains("110") {
            self.counted.drained.fetch_add(1, Relaxed);
        } else if element.starts_with("<message")
            && let Some(text) = body(element)
        {
            self.counted.received.fetch_add(1, Relaxed);
            if self.counted.measuring.load(Relaxed) {
                let sent: u128 = text.split('.').next().and_then(|digits| digits.parse().ok()).context("when")?;
                let took = self.start.elapsed().as_micros().saturating_sub(sent);
                self.counted.latencies.lock().push(u32::try_from(took).unwrap_or(u32::MAX));
            }
            if self.counted.echo.load(Relaxed) {
                let to = attribute(element, "from")?.split('/').next().unwrap_or_default().to_owned();
                self.stream.says(&message(&to, "chat", self.start)).await?;
            }
        }
        Ok(())
    }
}

fn message(to: &str, kind: &str, start: Instant) -> String {
    let text = format!("{:.<TEXT_BYTES$}", format!("{}.", start.elapsed().as_micros()));
    format!("<message xmlns='jabber:client' to='{to}' type='{kind}' id='m'><body>{text}</body></message>")
}

fn ping() -> String {
    format!("<iq xmlns='jabber:client' type='get' id='p' to='{DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>")
}

fn address(user: usize) -> String {
    format!("u{user}@{DOMAIN}")
}

/// What all shapes have.
struct Load {
    peer: Peer,
    start: Instant,
    counted: Arc<Counted>,
}

impl Load {
    /// `present`: others see them, and what waits comes.
    async fn comes(&self, user: usize, present: bool) -> anyhow::Result<User> {
        let mut stream = Stream::log_in(self.peer.at, self.peer.websocket, user).await?;
        if present {
            stream.says("<presence xmlns='jabber:client'/>").await?;
        }
        let client = Client { stream, start: self.start, counted: Arc::clone(&self.counted) };
        let (say, to_say) = unbounded_channel();
        Ok(User { say, task: tokio::spawn(client.run(to_say)) })
    }

    async fn everybody(&self, users: std::ops::Range<usize>, present: bool) -> anyhow::Result<Vec<User>> {
        let mut all = Vec::new();
        for user in users {
            all.push(self.comes(user, present).await?);
        }
        tokio::time::sleep(SETTLE).await;
        Ok(all)
    }

    fn opens(&self) -> anyhow::Result<Window<'_>> {
        Window::opens(self.peer.pid, &self.counted)
    }

    /// What was heard counts as confirmed.
    fn closes(&self, open: Window<'_>, what: &str) -> anyhow::Result<String> {
        self.counted.confirmed.store(self.counted.received.load(Relaxed), Relaxed);
        open.closes(what)
    }

    async fn pairs(&self, users: usize, (rate, window, secs): (u64, u64, u64)) -> anyhow::Result<String> {
        let all = self.everybody(0..users & !1, true).await?;
        let writes = |number: usize| all[number].say.send(message(&address(number ^ 1), "chat", self.start));
        let measured = Duration::from_secs(secs);
        if rate == 0 {
            self.counted.echo.store(true, Relaxed);
            for number in 0..all.len() {
                for _ in 0..window {
                    writes(number)?;
                }
            }
            tokio::time::sleep(SETTLE).await;
            self.counted.confirmed.store(self.counted.received.load(Relaxed), Relaxed);
            let open = self.opens()?;
            tokio::time::sleep(measured).await;
            return self.closes(open, &format!("{users} in pairs, {window} of each on their way"));
        }
        let (begin, mut sent, mut open) = (Instant::now(), 0_u64, None);
        while begin.elapsed() < SETTLE + measured {
            if open.is_none() && begin.elapsed() >= SETTLE {
                self.counted.confirmed.store(self.counted.received.load(Relaxed), Relaxed);
                open = Some(self.opens()?);
            }
            let due = begin.elapsed().as_micros() as u64 * rate / 1_000_000;
            for number in sent..due {
                writes(number as usize % all.len())?;
            }
            sent = due;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.closes(open.context("it was too short")?, &format!("{users} in pairs, {rate}/s"))
    }

    async fn group(&self, members: usize, rate: u64, secs: u64) -> anyhow::Result<String> {
        let all = self.everybody(0..members, true).await?;
        let room = format!("load{}@conference.{DOMAIN}", std::process::id());
        for (number, user) in all.iter().enumerate() {
            let asks = "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>";
            user.say.send(format!("<presence xmlns='jabber:client' to='{room}/n{number}'>{asks}</presence>"))?;
            let is_in = || async { (self.counted.drained.load(Relaxed) > number as u64).then_some(()) };
            eventually("they are in the room", is_in).await?;
        }
        tokio::time::sleep(SETTLE).await;
        let (open, begin, mut sent) = (self.opens()?, Instant::now(), 0_u64);
        let before = self.counted.received.load(Relaxed);
        while begin.elapsed() < Duration::from_secs(secs) {
            // A room sends to who has written as well.
            let arrived = (self.counted.received.load(Relaxed) - before) / members as u64;
            let due =
                if rate == 0 { arrived + ON_THEIR_WAY } else { begin.elapsed().as_micros() as u64 * rate / 1_000_000 };
            for _ in sent..due {
                all[0].say.send(message(&room, "groupchat", self.start))?;
            }
            sent = sent.max(due);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.closes(open, &format!("a group of {members}, {rate}/s"))
    }

    async fn offline(&self, users: usize, per: u64, senders: usize) -> anyhow::Result<String> {
        let writers = self.everybody(users..users + senders, false).await?;
        let all = users as u64 * per;
        let open = self.opens()?;
        let mut sent = 0;
        while sent < all {
            // A round: so many of each writer, then a ping of each.
            for writer in &writers {
                for _ in 0..BETWEEN_PINGS {
                    writer.say.send(message(&address(sent as usize % users), "chat", self.start))?;
                    sent += 1;
                }
                writer.say.send(ping())?;
            }
            reaches("stored", sent, || self.counted.confirmed.load(Relaxed)).await?;
        }
        let stored = open.closes(&format!("{sent} for {users} who are away"))?;
        tokio::time::sleep(SETTLE).await;
        let (open, before) = (self.opens()?, self.counted.received.load(Relaxed));
        let mut back = Vec::new();
        for user in 0..users {
            back.push(self.comes(user, true).await?);
        }
        reaches("handed out", sent, || self.counted.received.load(Relaxed) - before).await?;
        let drained = open.closes(&format!("{users} come back and get them, with their logins"))?;
        Ok(format!("{stored}\n{drained}"))
    }

    async fn idle(&self, sockets: usize, secs: u64) -> anyhow::Result<String> {
        // The first logins warm up what is made once.
        drop(self.everybody(sockets..sockets + 100, true).await?);
        let before = process::resident(self.peer.pid)?;
        let cpu = process::cpu(self.peer.pid)?;
        let all = self.everybody(0..sockets, true).await?;
        let cpu = process::cpu(self.peer.pid)?.saturating_sub(cpu);
        tokio::time::sleep(Duration::from_secs(secs)).await;
        let lost = all.iter().filter(|user| user.task.is_finished()).count();
        ensure!(lost == 0, "{lost} were closed");
        let grown = process::resident(self.peer.pid)?.saturating_sub(before) as f64 / 1024.0;
        let each = sockets as f64;
        Ok(format!(
            "{sockets} idle authenticated connections: {:.2} KiB each; a login {:.3} ms CPU",
            grown / each,
            cpu.as_secs_f64() * 1e3 / each,
        ))
    }

    async fn register(&self, users: usize) -> anyhow::Result<String> {
        for user in 0..users {
            let mut stream = Stream::open(self.peer.at, self.peer.websocket).await?;
            let query = format!(
                "<query xmlns='jabber:iq:register'><username>u{user}</username><password>pw{user}</password></query>"
            );
            stream.says(&format!("<iq xmlns='jabber:client' type='set' id='r'>{query}</iq>")).await?;
            let answer = stream.expects("<iq").await?;
            ensure!(attribute(&answer, "type")? == "result" || answer.contains("conflict"), "{answer}");
        }
        Ok(format!("{users} registered"))
    }
}

/// The lines for the report.
pub(crate) async fn run(peer: Peer, what: What) -> anyhow::Result<String> {
    let load = Load { peer, start: Instant::now(), counted: Arc::default() };
    match what {
        What::Register { users } => load.register(users).await,
        What::Pairs { users, rate, window, secs } => load.pairs(users, (rate, window, secs)).await,
        What::Group { members, rate, secs } => load.group(members, rate, secs).await,
        What::Offline { users, per, senders } => load.offline(users, per, senders).await,
        What::Idle { sockets, secs } => load.idle(sockets, secs).await,
    }
}
