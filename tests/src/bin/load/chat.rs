//! Messages between two, in a group and for those who are away: what each costs the program, and how soon it arrives.
//!
//! The same shapes as the XMPP client beside which it is compared: users in pairs, 100 bytes of text, paced or as many as fit with
//! so many on their way. A message is confirmed after it was synced to the disk; clients acknowledge what they were handed, as the
//! SDK does: together, and soon.

mod away;
pub(crate) mod window;
mod wire;

use crate::calls;
use anyhow::{Context, bail, ensure};
pub(crate) use away::reaches;
use clap::Subcommand;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tertulia_common::{ClientMessageId, Timestamp};
use tertulia_signaling_proto::{
    Ack, Caps, ClientFrame, Codec, Content, MailboxAck, MessageSend, Recipient, RequestId, ServerFrame,
};
use tertulia_tests::token::token;
use tertulia_tests::{Incoming, Person, Server, Socket};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use window::{Counted, Window};

/// Bytes of a text.
pub(crate) const TEXT_BYTES: usize = 100;
/// After everybody has come, and after the load begins, before it is measured.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);
/// Items that a client has been handed before it acknowledges, and how long it waits for more.
const ACKNOWLEDGE_AT: u32 = 32;
const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(50);
/// Receipts alone are acknowledged later, or when there are so many figures in them: as the SDK does.
const RECEIPTS_AFTER: Duration = Duration::from_secs(5);
const RECEIPTS_AT: usize = 64;

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
        /// Messages a second; 0: as many as come with `--window` on their way.
        #[arg(long, default_value_t = 20)]
        rate: u64,
        /// See `--rate`.
        #[arg(long, default_value_t = 2)]
        window: u64,
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
    /// The server is killed while so many messages wait: how soon it serves.
    Restart {
        /// How many are away.
        #[arg(long, default_value_t = 2_000)]
        users: usize,
        /// Messages for each.
        #[arg(long, default_value_t = 500)]
        per: u64,
        /// Who writes.
        #[arg(long, default_value_t = 20)]
        senders: usize,
    },
    /// Bytes on the wire for a short message.
    Wire {
        /// How many are sent, one after another.
        #[arg(long, default_value_t = 500)]
        messages: u64,
    },
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

impl User {
    /// Ends its session.
    async fn leaves(mut self) -> anyhow::Result<()> {
        self.say = unbounded_channel().0;
        (&mut self.task).await?
    }
}

struct Client {
    socket: Socket,
    start: Instant,
    counted: Arc<Counted>,
    number: u64,
    received: u64,
    /// Messages that were handed out and are not acknowledged, figures in receipts, and up to where that is.
    owes: u32,
    figures: usize,
    upto: u64,
}

fn name(number: usize) -> String {
    format!("user{number}")
}

fn person(number: usize) -> anyhow::Result<Recipient> {
    Ok(Recipient::User(name(number).parse()?))
}

async fn comes(server: &Server, number: usize, start: Instant, counted: &Arc<Counted>) -> anyhow::Result<User> {
    let mut socket = Socket::open(server, Codec::Compact).await?;
    let caps = Caps { rings: false, call_waiting: false, messages: true };
    socket.hello_as(&token(&name(number)), "phone", None, caps).await?;
    match socket.next_frame().await? {
        ServerFrame::Welcome(_) => {}
        other => bail!("no welcome but {other:?}"),
    }
    let counted = Arc::clone(counted);
    let client = Client { socket, start, counted, number: 0, received: 0, owes: 0, figures: 0, upto: 0 };
    let (say, to_say) = unbounded_channel();
    Ok(User { say, task: tokio::spawn(client.run(to_say)) })
}

impl Client {
    async fn run(mut self, mut to_say: UnboundedReceiver<Recipient>) -> anyhow::Result<()> {
        loop {
            let after = if self.owes > 0 { ACKNOWLEDGE_AFTER } else { RECEIPTS_AFTER };
            let owes = self.owes > 0 || self.figures > 0;
            tokio::select! {
                incoming = self.socket.next_whenever() => match incoming? {
                    Incoming::Frame(frame) => self.hears(*frame).await?,
                    Incoming::Closed(code) => bail!("closed: {code:?}"),
                },
                to = to_say.recv() => match to {
                    Some(to) => self.writes(to).await?,
                    None => return self.leaves().await,
                },
                () = tokio::time::sleep(after), if owes => self.acknowledges().await?,
            }
        }
    }

    /// For good: the session ends with it.
    async fn leaves(mut self) -> anyhow::Result<()> {
        if self.upto > 0 {
            self.acknowledges().await?;
        }
        self.socket.leave().await?;
        self.socket.closed().await.map(drop)
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
            ServerFrame::Receipts(receipts) => {
                (self.figures, self.upto) = (self.figures + receipts.receipts.len(), receipts.seq);
                if self.figures >= RECEIPTS_AT {
                    self.acknowledges().await?;
                }
            }
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
        (self.owes, self.figures) = (0, 0);
        Ok(self
            .socket
            .send(&ClientFrame::MailboxAck(MailboxAck { seq: self.upto, received: Some(self.received) }))
            .await?)
    }

    async fn writes(&mut self, to: Recipient) -> anyhow::Result<()> {
        self.number += 1;
        let client_id = ClientMessageId::new(Timestamp(1_790_000_000_000), self.number.into());
        let text = format!("{:.<TEXT_BYTES$}", format!("{}.", self.start.elapsed().as_micros()));
        let (id, content) = (RequestId(self.number), Content::Text { text });
        Ok(self.socket.send(&ClientFrame::MessageSend(MessageSend { id, client_id, to, content })).await?)
    }
}

/// The line for the report.
pub(crate) async fn run(what: What) -> anyhow::Result<String> {
    let mut server = calls::without_limits(Server::builder())
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
        What::Group { members, rate, window, secs } => {
            group(&server, start, &counted, (members, rate, window, secs)).await
        }
        What::Offline { users, per, senders } => away::offline(&server, start, &counted, (users, per, senders)).await,
        What::Restart { users, per, senders } => {
            away::restart(&mut server, start, &counted, (users, per, senders)).await
        }
        What::Wire { messages } => wire::run(&server, messages).await,
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
        let window_open = Window::opens(server.pid(), counted)?;
        tokio::time::sleep(measured).await;
        return window_open.closes(&format!("{users} in pairs, {window} of each on their way"));
    }
    let (begin, mut sent, mut open) = (Instant::now(), 0_u64, None);
    while begin.elapsed() < SETTLE + measured {
        if open.is_none() && begin.elapsed() >= SETTLE {
            open = Some(Window::opens(server.pid(), counted)?);
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
    (members, rate, window, secs): (usize, u64, u64, u64),
) -> anyhow::Result<String> {
    let all = everybody(server, members, start, counted).await?;
    let others: Vec<String> = (1..members).map(name).collect();
    let made = json!({"client_id": "019f5c7a-2e5d-7000-8000-00000000000b", "name": "all", "members": others});
    let (status, made) = Person::new(server, &name(0)).tell(reqwest::Method::POST, "/v1/groups", made).await?;
    ensure!(status == 201, "{status}: {made}");
    let group = Recipient::Group(made["group_id"].as_str().context("group_id")?.parse()?);
    tokio::time::sleep(SETTLE).await;
    let (open, begin, mut sent) = (Window::opens(server.pid(), counted)?, Instant::now(), 0_u64);
    let before = counted.received.load(Relaxed);
    while begin.elapsed() < Duration::from_secs(secs) {
        let arrived = (counted.received.load(Relaxed) - before) / (members as u64 - 1);
        let due = if rate == 0 { arrived + window } else { begin.elapsed().as_micros() as u64 * rate / 1_000_000 };
        for _ in sent..due {
            all[0].say.send(group.clone())?;
        }
        sent = sent.max(due);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    open.closes(&format!(
        "a group of {members}, {}",
        if rate == 0 { format!("{window} messages on their way") } else { format!("{rate}/s") }
    ))
}
