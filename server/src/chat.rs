//! Opens the relay of messages, tells of it, and ends the program if what it keeps can't be relied on.

use crate::config::{Config, make_private_folder};
use anyhow::Context as _;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tertulia_chat::engine::{Engine, Outside};
use tertulia_chat::store::embedded::Embedded;
use tertulia_chat_core::Limits;
use tertulia_common::Timestamp;
use tertulia_push::{Notice, Pusher};
use tertulia_signaling::ChatConfig;
use tokio::sync::oneshot;

/// The relay, and the word that it has failed.
pub(crate) struct Chat {
    pub(crate) engine: Arc<Engine>,
    pub(crate) failed: oneshot::Receiver<()>,
}

/// Opens it, if the configuration wants it.
///
/// # Errors
/// If the folder can't be used, or what was confirmed is not whole in it.
pub(crate) async fn open(config: &Config, pusher: Option<Pusher>) -> anyhow::Result<Option<Chat>> {
    if !config.chat.enabled {
        return Ok(None);
    }
    let folder = config.chat_folder();
    make_private_folder(&folder).with_context(|| folder.display().to_string())?;
    let limits = Limits { wake_after: config.push.after(), ..config.chat.limits() };
    let (keys, settings) = (config.chat_keys()?, config.chat.journal());
    let start = Instant::now();
    let opened = tokio::task::spawn_blocking({
        let folder = folder.clone();
        move || Embedded::open(&folder, settings, limits, keys)
    });
    let (store, relay) = opened.await?.with_context(|| folder.display().to_string())?;
    let depths = relay.depths();
    let took_ms = start.elapsed().as_millis();
    tracing::info!(conversations = depths.conversations, waiting = depths.entries, took_ms, "messages are relayed");
    let (fail, failed) = oneshot::channel();
    let outside = Outside {
        now: clock(),
        on_failure: Box::new(move |error| {
            tracing::error!(%error, "messages can't be kept any longer: the program ends, and finds what was confirmed");
            // Nobody waits for it once the program is ending anyway.
            fail.send(()).ok();
        }),
        wake: Box::new(move |people| {
            if let Some(pusher) = &pusher {
                people.into_iter().for_each(|user| pusher.tell(user, Notice::Messages));
            }
        }),
        together: Box::new(tertulia_signaling::together),
    };
    let engine = Engine::start(relay, Box::new(store), config.chat.pace(), outside).context("the relay's threads")?;
    Ok(Some(Chat { engine: Arc::new(engine), failed }))
}

/// The wall clock as it was at the start, and steady since: it never runs backwards.
fn clock() -> Box<dyn Fn() -> Timestamp + Send + Sync> {
    let (start, at) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    Box::new(move || Timestamp(u64::try_from((at + start.elapsed()).as_millis()).unwrap_or(u64::MAX)))
}

/// The relay's figures: how much waits, and for how long, first.
struct Figures {
    engine: Arc<Engine>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Figures").finish_non_exhaustive()
    }
}

impl Chat {
    /// What the gateway is told.
    ///
    /// # Errors
    /// If the key of invitations can't be read or made.
    pub(crate) fn for_gateway(&self, config: &Config) -> anyhow::Result<ChatConfig> {
        Ok(ChatConfig { engine: Arc::clone(&self.engine), groups: config.groups()? })
    }

    /// Writes what was taken on, and ends.
    pub(crate) async fn end(self) {
        let engine = self.engine;
        if let Err(error) = tokio::task::spawn_blocking(move || engine.end()).await {
            tracing::error!(%error, "the relay did not end cleanly");
        }
    }

    /// Adds the relay's figures to the metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Figures { engine: Arc::clone(&self.engine), now: clock() }));
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (depths, store, counters) = (self.engine.depths(), self.engine.figures(), self.engine.counters());
        let oldest = depths.oldest.map_or(0, |sent_at| (self.now)().since(sent_at).as_secs());
        for (name, help, value) in [
            ("tertulia_mailbox_entries", "Messages that wait, counted once for each device", depths.entries),
            (
                "tertulia_mailbox_deepest_entries",
                "Messages that wait for the device most wait for",
                depths.deepest.into(),
            ),
            ("tertulia_mailbox_oldest_seconds", "Age of the oldest message that waits for a device", oldest),
            ("tertulia_mailboxes", "Devices that messages are kept for", depths.mailboxes as u64),
            ("tertulia_conversations", "Conversations in which something was written", depths.conversations as u64),
            ("tertulia_chat_journal_bytes", "Size of the journal", store.size),
            ("tertulia_chat_journal_live_bytes", "Bytes of it that somebody waits for", store.live),
        ] {
            let value = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            value.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        for (name, help, value) in [
            ("tertulia_messages_sent", "Messages made durable", &counters.sent),
            ("tertulia_group_changes", "Changes of groups", &counters.group_changes),
            (
                "tertulia_messages_duplicate",
                "Messages and changes of groups that had been made before",
                &counters.duplicates,
            ),
            ("tertulia_messages_handed", "Copies of messages and receipts handed to devices", &counters.handed),
            ("tertulia_messages_forgotten", "Messages that nobody waits for any longer", &counters.forgotten),
            ("tertulia_messages_refused", "Requests about messages that were refused", &counters.refused),
            ("tertulia_messages_busy", "Messages refused since too many waited to be written", &counters.busy),
            ("tertulia_messages_full", "Messages refused since there was no room for them", &counters.full),
            (
                "tertulia_message_looks_cut",
                "Pages of messages that ended early, having passed so many",
                &counters.cut_looks,
            ),
            ("tertulia_messages_unreadable", "Messages whose body could not be read", &counters.unreadable),
            (
                "tertulia_mailbox_bad_acks",
                "Acknowledgements of what was never handed out",
                &counters.bad_acknowledgements,
            ),
        ] {
            let value = ConstCounter::new(value.load(Relaxed));
            value.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }
}
