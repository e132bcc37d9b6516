//! Authenticated WebSockets that do nothing: what each costs the program in memory, at login and while idle; and what calls
//! and memory are like beside them while strangers register as fast as they can.

use crate::calls;
use crate::figures::quantile;
use crate::process;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tertulia_signaling_proto::{Codec, ServerFrame};
use tertulia_tests::accounts::{Carrier, phone_number};
use tertulia_tests::token::token;
use tertulia_tests::{Server, Socket, http};
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
    let mut idle = Vec::new();
    for n in 0..100 {
        idle.push(Idle::connect(&server, sockets + n).await?);
    }
    idle.clear();
    let (resident, cpu) = (process::resident(server.pid())?, process::cpu(server.pid())?);
    for n in 0..sockets {
        idle.push(Idle::connect(&server, n).await?);
    }
    let login = process::cpu(server.pid())? - cpu;
    tokio::time::sleep(SETTLE).await;
    let grown = process::resident(server.pid())?.saturating_sub(resident);
    let cpu = process::cpu(server.pid())?;
    tokio::time::sleep(Duration::from_secs(secs)).await;
    let doing_nothing = process::cpu(server.pid())? - cpu;
    let each = |total: f64| total / sockets as f64;
    let quiet = format!(
        "{sockets} idle authenticated WebSockets from {ADDRESSES} addresses: {:.2} KiB each, login {:.3} ms CPU each, \
         idle {:.2} µs CPU a second each",
        each(grown as f64 / 1024.0),
        each(login.as_secs_f64() * 1e3),
        each(doing_nothing.as_secs_f64() * 1e6 / secs as f64),
    );
    let stormy = storm(&server, &carrier).await?;
    let after = process::resident(server.pid())?.saturating_sub(resident);
    let lost = idle.iter().filter(|one| one.task.is_finished()).count();
    Ok(format!("{quiet}\n{stormy}, then {:.2} KiB an idle socket, {lost} of them lost", each(after as f64 / 1024.0)))
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
    async fn connect(server: &Server, n: usize) -> anyhow::Result<Self> {
        let user = format!("user{n}");
        let mut socket = Socket::open_from(server, Codec::Msgpack, Some(address(n))).await?;
        socket.hello(&token(&user), "phone", None).await?;
        let welcome = socket.next_frame().await?;
        anyhow::ensure!(matches!(welcome, ServerFrame::Welcome(_)), "{welcome:?}");
        // It answers pings for as long as it is there.
        let task = tokio::spawn(async move {
            loop {
                tertulia_tests::socket::stay(&mut socket).await?;
            }
        });
        Ok(Self { task })
    }
}

fn open_files_max() -> anyhow::Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    Ok(line.and_then(|line| line.split_whitespace().nth(3)).and_then(|soft| soft.parse().ok()).unwrap_or(1024))
}
