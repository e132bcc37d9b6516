//! Build, start, wait, drain: the program's life, and the one place where its parts meet.

use crate::announce::Place;
use crate::chat::{self, Chat};
use crate::config::{Config, DrainedCalls, make_private_folder};
use crate::lan::Issued;
use crate::listeners::{Doors, Listeners};
use crate::media::Media;
use crate::operator::Health;
use crate::{figures, operator, process, site};
use anyhow::{Context as _, bail};
use prometheus_client::registry::Registry;
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tertulia_directory::Directory;
use tertulia_push::Pusher;
use tertulia_sfu::Sfu;
use tertulia_signaling::{DrainCalls, Gateway};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

/// What of the drain's time the gateway's own closing may take after the calls: three seconds, and half of one for
/// what comes after it.
const CLOSING: Duration = Duration::from_millis(3_500);
/// The most that the end may take where the next run takes the calls over: nobody hears anybody meanwhile.
const KEEPING: Duration = Duration::from_secs(3);
/// How long a start waits for the program before it to be gone.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// How often it looks.
const LOCK_RETRY: Duration = Duration::from_millis(20);
/// How often the media threads are looked after.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// Files that are open beside one socket each: the database, media ports, libraries' own.
const FILES_RESERVED: u64 = 200;

/// Everything that runs.
struct Running {
    gateway: Gateway,
    sfu: Sfu,
    health: Arc<Health>,
    listeners: Listeners,
    ports: Vec<SocketAddr>,
    media: Option<Media>,
    chat: Option<Chat>,
    issued: Option<Issued>,
    /// Held while the data folder is ours.
    _lock: File,
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
    let mut running = start(config).await?;
    let place = Place::new(config, running.listeners.addresses, &running.ports);
    place.announce(config, running.issued.as_ref())?;
    if let Some(file) = ready_file {
        place.write_ready_file(file).with_context(|| file.display().to_string())?;
    }
    let ended = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, calls = ?config.drain.calls, "ending: new calls are refused");
            Ok(())
        }
        () = a_thread_dies(&running.sfu) => Err("a media thread has ended"),
        () = messages_fail(&mut running.chat) => Err("messages can't be kept"),
    };
    let calls = drain_calls(config);
    let bound = match calls {
        DrainCalls::Keep => Duration::from_millis(config.drain.timeout_ms).min(KEEPING),
        DrainCalls::EndAfter(_) => Duration::from_millis(config.drain.timeout_ms),
    };
    tokio::select! {
        drained = timeout(bound, drain(running, calls)) => match drained {
            Ok(()) => tracing::info!("ended"),
            Err(_) => tracing::warn!("not everything ended in time"),
        },
        signal = signals.next() => bail!("{signal} again: ended at once"),
    }
    ended.map_err(anyhow::Error::msg)
}

async fn start(config: &Config) -> anyhow::Result<Running> {
    let mut gateway_config = config.gateway()?;
    check_open_files(config);
    let lock = lock_folder(config).await?;
    let issued = config.lan.as_ref().map(|lan| lan.issue(&config.data.dir)).transpose()?;
    let doors = Doors::bind(config).await?;
    let file = config.directory_file();
    let directory = Directory::open(&file).await.with_context(|| file.display().to_string())?;
    let (sfu, sfu_events) = tertulia_sfu::start(config.sfu()?)?;
    let media = Media::open(config, &directory).await?;
    let pusher = config.push()?.map(|push| Pusher::new(push, directory.clone())).transpose()?;
    let chat = chat::open(config, pusher.clone()).await?;
    gateway_config.push = pusher.clone();
    gateway_config.chat = chat.as_ref().map(|chat| chat.for_gateway(config)).transpose()?;
    gateway_config.uploads = media.as_ref().map(|media| media.uploads.clone());
    let (gateway, v1) = Gateway::start(gateway_config, directory.clone(), sfu.clone(), sfu_events).await?;

    let store = media.as_ref().map(|media| Arc::clone(&media.store));
    let health = Arc::new(Health { directory, sfu: sfu.clone(), store, draining: AtomicBool::new(false) });
    let mut registry = Registry::default();
    process::register(&mut registry);
    figures::register(&mut registry, config);
    doors.register(&mut registry);
    gateway.register(&mut registry);
    sfu.register(&mut registry);
    if let Some(media) = &media {
        media.register(&mut registry);
    }
    if let Some(chat) = &chat {
        chat.register(&mut registry);
    }
    if let Some(pusher) = &pusher {
        pusher.register(&mut registry);
    }

    let operator = operator::router(Arc::clone(&health), registry);
    let listeners = doors.open(config, site::with_site(site::with_authority(v1, issued.as_ref())), operator)?;
    let ports = sfu.addresses();
    Ok(Running { gateway, sfu, health, listeners, ports, media, chat, issued, _lock: lock })
}

/// One program at a time owns a data folder: two would each tell half of the people what goes on. One that ends at this
/// moment, so that this one takes its place, is waited for.
async fn lock_folder(config: &Config) -> anyhow::Result<File> {
    let folder = &config.data.dir;
    make_private_folder(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join("lock");
    let lock = File::create(&path).with_context(|| path.display().to_string())?;
    let patience = Instant::now() + LOCK_PATIENCE;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if Instant::now() < patience => sleep(LOCK_RETRY).await,
            Err(TryLockError::WouldBlock) => bail!("another tertulia runs on the data folder {}", folder.display()),
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
}

/// How many files are open if all limits are reached.
pub(crate) fn open_files_wanted(config: &Config) -> u64 {
    // Each shard has its own.
    let of_shard = if config.media.tcp { config.media.tcp_connections_max as u64 } else { 0 };
    let media = of_shard * tertulia_sfu::shard_count(config.media.shards) as u64;
    u64::from(config.signaling.sockets_max) + u64::from(config.http.connections_max) + media + FILES_RESERVED
}

fn check_open_files(config: &Config) {
    let open_files_max = process::raise_open_files_limit();
    let wanted = open_files_wanted(config);
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

/// Ends when what the relay keeps can't be relied on any longer.
async fn messages_fail(chat: &mut Option<Chat>) {
    match chat {
        // A relay that ends without a word has panicked.
        Some(chat) => drop((&mut chat.failed).await),
        None => std::future::pending().await,
    }
}

fn drain_calls(config: &Config) -> DrainCalls {
    let bound = Duration::from_millis(config.drain.timeout_ms);
    match config.drain.calls {
        DrainedCalls::Keep => DrainCalls::Keep,
        DrainedCalls::End => DrainCalls::EndAfter(bound.saturating_sub(CLOSING)),
    }
}

async fn drain(running: Running, calls: DrainCalls) {
    let Running { gateway, sfu, health, listeners, ports: _, media, chat, issued: _, _lock } = running;
    health.draining.store(true, Ordering::Relaxed);
    gateway.drain(calls).await;
    let operator = listeners.end_people().await;
    // Its tasks end first: that the media unit ends is no news to them then.
    drop(gateway);
    if let Some(media) = media {
        media.close().await;
    }
    if let Some(chat) = chat {
        chat.end().await;
    }
    sfu.stop().await;
    operator.end().await;
    if let Err(error) = health.directory.clone().close().await {
        tracing::error!(%error, "the directory was not closed cleanly");
    }
}
