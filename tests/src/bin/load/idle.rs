//! Authenticated WebSockets that do nothing: what each costs the program in memory, before and after it has been used, at
//! login and while idle; and what calls and memory are like beside them while strangers register as fast as they can.

use crate::calls;
use crate::figures::quantile;
use crate::process;
use futures_util::future::try_join_all;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tertulia_common::{CallId, Timestamp};
use tertulia_signaling_proto::{Ack, CallConnect, ClientFrame, Codec, RequestId, Resume, ServerFrame, Welcome};
use tertulia_tests::accounts::{Carrier, phone_number};
use tertulia_tests::token::token;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Incoming, Server, Socket, http};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Files that are open beside the sockets.
const FILES_BESIDE: usize = 200;
/// After the last login, until memory has settled.
const SETTLE: Duration = Duration::from_secs(3);
/// Source addresses: one alone has not the ports for all of them.
const ADDRESSES: u8 = 8;
/// Strangers who register at the same time, each as fast as it is answered.
const STORMERS: u8 = 16;
/// Calls during the storm.
const CALLS: usize = 100;
/// Logins of each kind after the sockets have been measured, and how many of them come at the same time.
const LOGINS: usize = 2_000;
const AT_ONCE: usize = 64;
/// The text that each socket sends when it is used: as much as an offer of a call.
const USED_BYTES: usize = 20_000;

fn address(n: usize) -> IpAddr {
    let last = u8::try_from(n % usize::from(ADDRESSES)).unwrap_or(0);
    IpAddr::V4(Ipv4Addr::new(127, 0, 1, last + 1))
}

/// The lines for the report.
pub(crate) async fn run(sockets: usize, secs: u64) -> anyhow::Result<String> {
    let sockets = sockets.min(open_files_max()?.saturating_sub(FILES_BESIDE));
    let carrier = Carrier::open().await?;
    let server = calls::without_limits(Server::builder())
        .set("signaling.sockets_per_address_max", sockets + 10)
        .set("http.connections_per_address_max", 4_000)
        .set("accounts.phone", true)
        .set("accounts.webhook_url", carrier.url())
        .set("accounts.webhook_secret", tertulia_tests::accounts::CARRIER_SECRET)
        .set("demo", false) // in a demo everyone is told of everyone who comes
        .start()
        .await?;
    // The first logins warm up what is made once.
    for n in 0..100 {
        login(&server, sockets + n, None).await?;
    }
    let resident = process::resident(server.pid())?;
    let (use_it, used) = watch::channel(());
    let answered = Arc::new(AtomicUsize::new(0));
    let mut idle = Vec::new();
    let cpu = process::cpu(server.pid())?;
    for n in 0..sockets {
        let (socket, _) = login(&server, n, None).await?;
        idle.push(Idle::stays(socket, used.clone(), &answered));
    }
    let first = process::cpu(server.pid())? - cpu;
    tokio::time::sleep(SETTLE).await;
    let grown = || Ok::<_, anyhow::Error>(process::resident(server.pid())?.saturating_sub(resident) as f64 / 1024.0);
    let fresh = grown()?;
    let cpu = process::cpu(server.pid())?;
    tokio::time::sleep(Duration::from_secs(secs)).await;
    let doing_nothing = process::cpu(server.pid())? - cpu;
    use_it.send(())?;
    let all = || async { (answered.load(Relaxed) >= sockets).then_some(()) };
    eventually("every socket is answered", all).await?;
    tokio::time::sleep(SETTLE).await;
    let each = |total: f64| total / sockets as f64;
    let quiet = format!(
        "{sockets} idle authenticated WebSockets from {ADDRESSES} addresses: {:.2} KiB each, {:.2} KiB after {USED_BYTES} \
         bytes in and an answer, idle {:.2} µs CPU a second each",
        each(fresh),
        each(grown()?),
        each(doing_nothing.as_secs_f64() * 1e6 / secs as f64),
    );
    let (before, stormy) = (grown()?, storm(&server, &carrier).await?);
    let after = grown()?;
    let lost = idle.iter().filter(|one| one.task.is_finished()).count();
    drop(idle);
    let logins = logins(&server, sockets, each(first.as_secs_f64() * 1e3)).await?;
    Ok(format!(
        "{quiet}\n{stormy}, and {:.1} MiB more in all: then {:.2} KiB an idle socket, {lost} of them lost\n{logins}",
        (after - before) / 1024.0,
        each(after),
    ))
}

/// What a login costs: of users who are new, known, and back.
async fn logins(server: &Server, sockets: usize, first: f64) -> anyhow::Result<String> {
    let count = LOGINS.min(sockets);
    let mut figures = vec![format!("new, one after another {first:.3}")];
    let mut resumes = vec![None; count];
    for (what, from, at_once) in [
        ("known, one after another", 0, 1),
        ("known", 0, AT_ONCE),
        ("resumed", 0, AT_ONCE),
        ("new", sockets + 100, AT_ONCE),
    ] {
        // What the last ones left behind is over.
        tokio::time::sleep(SETTLE).await;
        let back = if what == "resumed" { resumes.clone() } else { vec![None; count] };
        let cpu = process::cpu(server.pid())?;
        let mut open = Vec::new();
        for (n, back) in back.chunks(at_once).enumerate() {
            let batch = back.iter().enumerate().map(|(m, back)| login(server, from + n * at_once + m, back.clone()));
            open.extend(try_join_all(batch).await?);
        }
        let cpu = (process::cpu(server.pid())? - cpu).as_secs_f64() * 1e3 / count as f64;
        let resumed = open.iter().filter(|(_, welcome)| welcome.resumed).count();
        anyhow::ensure!(resumed == if what == "resumed" { count } else { 0 }, "{resumed} of {count} resumed: {what}");
        resumes = open.iter().map(|(_, welcome)| Some(resume(welcome))).collect();
        let together = if at_once > 1 { format!(", {at_once} at once") } else { String::new() };
        figures.push(format!("{what}{together} {cpu:.3}"));
    }
    Ok(format!("a login or resume, ms CPU: {}", figures.join("; ")))
}

fn resume(welcome: &Welcome) -> Resume {
    Resume { session: welcome.session, secret: welcome.secret.clone(), received: 0 }
}

async fn login(server: &Server, n: usize, back: Option<Resume>) -> anyhow::Result<(Socket, Box<Welcome>)> {
    let mut socket = Socket::open_from(server, Codec::Msgpack, Some(address(n))).await?;
    socket.hello(&token(&format!("user{n}")), "phone", back).await?;
    match socket.next_frame().await? {
        ServerFrame::Welcome(welcome) => Ok((socket, welcome)),
        other => anyhow::bail!("{other:?}"),
    }
}

/// Calls while strangers register with the limits that a server has by default.
async fn storm(server: &Server, carrier: &Carrier) -> anyhow::Result<String> {
    let on = Arc::new(AtomicBool::new(true));
    let to = server.http();
    let stormers: Vec<JoinHandle<BTreeMap<u16, u32>>> = (0..STORMERS)
        .map(|n| {
            let on = Arc::clone(&on);
            tokio::spawn(async move {
                let mut answers = BTreeMap::new();
                while on.load(Relaxed) {
                    let body = format!(r#"{{"phone":"{}"}}"#, phone_number());
                    let from = Some(address(usize::from(n)));
                    let answer = http::request_from(from, to, "POST", "/v1/register", None, Some(&body)).await;
                    *answers.entry(answer.map_or(0, |answer| answer.status)).or_default() += 1;
                }
                answers
            })
        })
        .collect();
    let cpu = process::cpu(server.pid())?;
    let (ringing, _) = calls::some(server, CALLS).await?;
    let cpu = process::cpu(server.pid())? - cpu;
    on.store(false, Relaxed);
    let mut answers: BTreeMap<u16, u32> = BTreeMap::new();
    for stormer in stormers {
        for (status, count) in stormer.await? {
            *answers.entry(status).or_default() += count;
        }
    }
    let all: u32 = answers.values().sum();
    Ok(format!(
        "registration storm: {all} asked ({}), {} PINs sent, {:.0} µs CPU each, calls too; meanwhile invite → ringing: \
         p50 {:.2} ms, p99 {:.2} ms",
        answers.iter().map(|(status, count)| format!("{count} × {status}")).collect::<Vec<_>>().join(", "),
        carrier.calls(),
        cpu.as_secs_f64() * 1e6 / f64::from(all.max(1)),
        quantile(&ringing, 0.5) / 1e3,
        quantile(&ringing, 0.99) / 1e3,
    ))
}

/// A socket that says no more than it has to.
struct Idle {
    task: JoinHandle<anyhow::Result<()>>,
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Idle {
    /// It answers pings for as long as it is there, and asks something once, when it is told to.
    fn stays(mut socket: Socket, mut used: watch::Receiver<()>, answered: &Arc<AtomicUsize>) -> Self {
        let answered = Arc::clone(answered);
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    incoming = socket.next_whenever() => match incoming? {
                        Incoming::Frame(frame) if matches!(*frame, ServerFrame::Ping(_)) => {
                            socket.send(&ClientFrame::Pong(Ack { received: 0 })).await?;
                        }
                        Incoming::Frame(_) => drop(answered.fetch_add(1, Relaxed)),
                        Incoming::Closed(code) => anyhow::bail!("closed: {code:?}"),
                    },
                    told = used.changed() => {
                        told?;
                        let (call_id, sdp) = (CallId::new(Timestamp(1), 1), "x".repeat(USED_BYTES));
                        socket.send(&ClientFrame::CallConnect(CallConnect { id: RequestId(1), call_id, sdp })).await?;
                    }
                }
            }
        });
        Self { task }
    }
}

fn open_files_max() -> anyhow::Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    Ok(line.and_then(|line| line.split_whitespace().nth(3)).and_then(|soft| soft.parse().ok()).unwrap_or(1024))
}
