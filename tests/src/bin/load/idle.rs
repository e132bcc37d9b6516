//! Authenticated WebSockets that do nothing: what each costs the program in memory, at login and while idle.

use crate::process;
use std::time::Duration;
use tertulia_signaling_proto::Codec;
use tertulia_tests::token::token;
use tertulia_tests::{Client, Server};

/// Files that are open beside the sockets.
const FILES_BESIDE: usize = 200;
/// After the last login, until memory has settled.
const SETTLE: Duration = Duration::from_secs(3);

/// The line for the report.
pub(crate) async fn run(sockets: usize, secs: u64) -> anyhow::Result<String> {
    let sockets = sockets.min(open_files_max()?.saturating_sub(FILES_BESIDE));
    let server = Server::builder()
        .set("signaling.sockets_per_address_max", sockets + 10)
        .set("demo", false) // in a demo everyone is told of everyone who comes
        .start()
        .await?;
    // The first logins warm up what is made once.
    let mut clients = Vec::new();
    for n in 0..100 {
        clients.push(connect(&server, sockets + n).await?);
    }
    clients.clear();
    let (resident, cpu) = (process::resident(server.pid())?, process::cpu(server.pid())?);
    for n in 0..sockets {
        clients.push(connect(&server, n).await?);
    }
    let login = process::cpu(server.pid())? - cpu;
    tokio::time::sleep(SETTLE).await;
    let grown = process::resident(server.pid())?.saturating_sub(resident);
    let cpu = process::cpu(server.pid())?;
    tokio::time::sleep(Duration::from_secs(secs)).await;
    let idle = process::cpu(server.pid())? - cpu;
    let each = |total: f64| total / sockets as f64;
    Ok(format!(
        "{sockets} idle authenticated WebSockets: {:.2} KiB each, login {:.3} ms CPU each, idle {:.2} µs CPU a second each",
        each(grown as f64 / 1024.0),
        each(login.as_secs_f64() * 1e3),
        each(idle.as_secs_f64() * 1e6 / secs as f64),
    ))
}

async fn connect(server: &Server, n: usize) -> anyhow::Result<Client> {
    let user = format!("user{n}");
    Client::connect_with(server, &token(&user), &user, "phone", Codec::Msgpack).await
}

fn open_files_max() -> anyhow::Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    Ok(line.and_then(|line| line.split_whitespace().nth(3)).and_then(|soft| soft.parse().ok()).unwrap_or(1024))
}
