//! Build, start, wait, drain: the program's life, and the one place where its parts meet.

use crate::config::{Config, make_private_folder};
use crate::http::{Figures, Limits};
use crate::operator::Health;
use crate::{http, operator, process, site};
use anyhow::{Context as _, bail};
use axum::Router;
use prometheus_client::registry::Registry;
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tertulia_directory::Directory;
use tertulia_sfu::Sfu;
use tertulia_signaling::Gateway;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// What of the drain's time the gateway's own closing may take after the calls: three seconds, and half of one for
/// what comes after it.
const CLOSING: Duration = Duration::from_millis(3_500);
/// How often the media threads are looked after.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// The operator's listener serves a few tools.
const OPERATOR_CONNECTIONS_MAX: u32 = 64;

/// Files that are open beside one socket each: the database, media ports, libraries' own.
const FILES_RESERVED: u64 = 200;

/// Everything that runs.
struct Running {
    gateway: Gateway,
    sfu: Sfu,
    health: Arc<Health>,
    people: Listener,
    /// Ends last, so that it can be seen how the rest goes.
    operator: Listener,
    addresses: Addresses,
    /// Held while the data folder is ours.
    _lock: File,
}

/// A listener that serves.
struct Listener {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Listener {
    fn serve(listener: TcpListener, router: Router, limits: Limits, figures: Arc<Figures>) -> Self {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(http::serve(listener, router, limits, figures, stop.clone())), stop }
    }

    async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a listener broke");
        }
    }
}

/// Where it listens.
struct Addresses {
    http: SocketAddr,
    operator: SocketAddr,
    media: Vec<SocketAddr>,
}

/// The signals that end it.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Runs until it is told to end.
///
/// # Errors
/// If it can't start, if a part of it dies, or if it is told twice to end.
pub(crate) async fn run(config: &Config, ready_file: Option<&Path>) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let running = start(config).await?;
    announce(config, &running.addresses);
    if let Some(file) = ready_file {
        write_ready_file(file, &running.addresses).with_context(|| file.display().to_string())?;
    }
    let ended = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "ending: new calls are refused, those that go on have a moment");
            Ok(())
        }
        () = a_thread_dies(&running.sfu) => Err("a media thread has ended"),
    };
    let bound = Duration::from_millis(config.drain.timeout_ms);
    tokio::select! {
        drained = timeout(bound, drain(running, bound)) => match drained {
            Ok(()) => tracing::info!("ended"),
            Err(_) => tracing::warn!("not everything ended in time"),
        },
        signal = signals.next() => bail!("{signal} again: ended at once"),
    }
    ended.map_err(anyhow::Error::msg)
}

async fn start(config: &Config) -> anyhow::Result<Running> {
    let gateway_config = config.gateway()?;
    check_open_files(config);
    let lock = lock_folder(config)?;
    let file = config.directory_file();
    let directory = Directory::open(&file).await.with_context(|| file.display().to_string())?;
    let (sfu, sfu_events) = tertulia_sfu::start(config.sfu()?)?;
    let (gateway, v1) = Gateway::start(gateway_config, directory.clone(), sfu.clone(), sfu_events);

    let health = Arc::new(Health { directory, sfu: sfu.clone(), draining: AtomicBool::new(false) });
    let figures = Arc::new(Figures::default());
    let mut registry = Registry::default();
    process::register(&mut registry);
    figures.register(&mut registry);
    gateway.register(&mut registry);
    sfu.register(&mut registry);

    let http = bind(config.http.listen, "http.listen").await?;
    let operator = bind(config.operator.listen, "operator.listen").await?;
    let addresses = Addresses { http: http.local_addr()?, operator: operator.local_addr()?, media: sfu.addresses() };
    let limits = Limits::from(&config.http);
    let operator_limits = Limits {
        connections_max: OPERATOR_CONNECTIONS_MAX,
        connections_per_address_max: OPERATOR_CONNECTIONS_MAX,
        ..limits
    };
    let people = Listener::serve(http, site::with_site(v1), limits, figures);
    let operator_router = operator::router(Arc::clone(&health), registry);
    let operator = Listener::serve(operator, operator_router, operator_limits, Arc::default());
    Ok(Running { gateway, sfu, health, people, operator, addresses, _lock: lock })
}

/// One program at a time owns a data folder: two would each tell half of the people what goes on.
fn lock_folder(config: &Config) -> anyhow::Result<File> {
    let folder = &config.data.dir;
    make_private_folder(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join("lock");
    let lock = File::create(&path).with_context(|| path.display().to_string())?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!("another tertulia runs on the data folder {}", folder.display()),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| path.display().to_string()),
    }
}

fn check_open_files(config: &Config) {
    let open_files_max = process::raise_open_files_limit();
    let wanted = u64::from(config.signaling.sockets_max) + u64::from(config.http.connections_max) + FILES_RESERVED;
    // For a demo it is no news.
    if open_files_max < wanted && !config.is_demo() {
        tracing::warn!(
            open_files_max,
            wanted,
            "the system allows fewer open files than signaling.sockets_max and http.connections_max need: raise the hard \
             limit (LimitNOFILE in systemd, ulimit -Hn), or lower them"
        );
    }
}

async fn bind(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{option} = {address}"))
}

/// Ends when a media thread has ended: rooms on it are dead, and nothing but a new start brings them back.
async fn a_thread_dies(sfu: &Sfu) {
    let mut ticks = interval(WATCH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !sfu.is_alive() {
            return tracing::error!("a media thread has ended: ending the program, so that it is started anew");
        }
    }
}

async fn drain(running: Running, bound: Duration) {
    let Running { gateway, sfu, health, people, operator, addresses: _, _lock } = running;
    health.draining.store(true, Ordering::Relaxed);
    gateway.drain(bound.saturating_sub(CLOSING)).await;
    people.end().await;
    // Its tasks end first: that the media unit ends is no news to them then.
    drop(gateway);
    sfu.stop().await;
    operator.end().await;
    if let Err(error) = health.directory.clone().close().await {
        tracing::error!(%error, "the directory was not closed cleanly");
    }
}

fn announce(config: &Config, addresses: &Addresses) {
    let Addresses { http, operator, media } = addresses;
    let demo = config.is_demo();
    let media = media.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let host = if http.ip().is_unspecified() { format!("localhost:{}", http.port()) } else { http.to_string() };
    let who = if demo { "everyone signs in with a name" } else { "people sign in with tokens" };
    tracing::info!(%http, %operator, udp = media, demo, "Tertulia is ready: open http://{host}/ ({who})");
    if !http.ip().is_loopback() {
        tracing::warn!(
            "listening beyond this machine without TLS: browsers give no camera to such pages, and tokens can be read on \
             the way. Put a proxy with HTTPS in front, and listen on loopback"
        );
        if demo {
            tracing::warn!("this is a demo: whoever reaches it signs in under any name");
        }
    }
}

/// Whole or not at all: whoever waits for the file reads all of it.
fn write_ready_file(file: &Path, addresses: &Addresses) -> std::io::Result<()> {
    let Addresses { http, operator, media } = addresses;
    let media = media.iter().map(|address| format!("\"{address}\"")).collect::<Vec<_>>().join(",");
    let text = format!("{{\"http\":\"{http}\",\"operator\":\"{operator}\",\"media\":[{media}]}}\n");
    let mut draft = file.as_os_str().to_owned();
    draft.push(".new");
    std::fs::write(&draft, text)?;
    std::fs::rename(&draft, file)
}
