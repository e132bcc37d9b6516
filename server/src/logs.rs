//! Logs: text for people or JSON for machines, on the standard error stream; a panic is a log line too.
//!
//! Invariant: of libraries nothing below `info` is written, whatever the level. What they trace is what passes through them:
//! frames with tokens, offers with passwords, numbers.

use crate::config::{Log, LogFormat};
use std::io::IsTerminal as _;
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What our own crates' targets begin with.
const OURS: &str = "tertulia";

/// Starts logging.
pub(crate) fn start(log: &Log) -> anyhow::Result<()> {
    let keeps_secrets = filter_fn(|one| *one.level() <= Level::INFO || one.target().starts_with(OURS));
    let registry = tracing_subscriber::registry().with(log.filter()?).with(keeps_secrets);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
    log_panics();
    Ok(())
}

fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(thread, location, "panic: {message}");
    }));
}
