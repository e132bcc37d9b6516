//! The pusher: takes notices, finds out where they go, and carries them there.
//!
//! Invariant: at most [`WAITING_MAX`] notices wait or are on their way, [`SENDING_MAX`] of messages and as many of calls at once: a
//! call does not wait behind messages that a service is slow to take. A notice that finds no room is dropped and counted; so is
//! one whose time is over.

use crate::carry::{Carried, Failed, carry};
use crate::figures::{Figures, Outcome, Way};
use crate::sealed::seal;
use crate::subscription::{Hosts, Subscription};
use crate::vapid::Vapid;
use crate::webhook::{Webhook, WebhookError, client};
use prometheus_client::registry::Registry;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Client, StatusCode};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tertulia_common::{CallId, DeviceId, Timestamp, UserId};
use tertulia_directory::{Directory, PushAddress};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Notices that wait or are on their way. Raising it keeps more through an outage of a push service, at about a kilobyte each.
const WAITING_MAX: usize = 4_096;
/// Notices on their way at once, of messages and of calls each.
const SENDING_MAX: usize = 64;
/// How long a push of messages is tried. What it tells of waits anyway, and the next message tries again.
const MESSAGES_MAX: Duration = Duration::from_secs(60);
/// How long a push service keeps one for a browser that is not there, in seconds: four weeks, the most that they all keep.
const MESSAGES_TTL_S: u64 = 28 * 24 * 3600;
/// How long a push that a call is over is kept: long enough to replace the one that said it rings.
const OVER_TTL_S: u64 = 24 * 3600;

/// What somebody is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Messages wait.
    Messages,
    /// Somebody calls.
    Call {
        /// Which call.
        call: CallId,
        /// How the caller is called. It reaches the browser sealed, and no webhook.
        from: String,
        /// By video.
        video: bool,
        /// When it stops ringing.
        expires_at: Timestamp,
    },
    /// A call that was told of rings no longer.
    CallOver {
        /// Which call.
        call: CallId,
        /// Nobody took it.
        missed: bool,
        /// How the caller is called.
        from: String,
        /// By video.
        video: bool,
    },
}

/// What a browser is told, sealed.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Text<'a> {
    Messages,
    Call { call_id: &'a CallId, from: &'a str, video: bool, expires_at: Timestamp },
    CallOver { call_id: &'a CallId, from: &'a str, video: bool, missed: bool },
}

/// What the webhook is told: in clear, so who and what kind, and nobody's name.
#[derive(Serialize)]
struct Hook<'a> {
    user_id: &'a UserId,
    #[serde(flatten)]
    what: HookWhat<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum HookWhat<'a> {
    Messages,
    Call { call_id: &'a CallId, video: bool, expires_at: Timestamp },
    CallOver { call_id: &'a CallId, missed: bool },
}

/// How browsers are reached.
#[derive(Debug)]
pub struct WebPush {
    /// The server's key.
    pub vapid: Vapid,
    /// Where pushes may go.
    pub hosts: Hosts,
}

/// How people are woken.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Browsers.
    pub web: Option<Arc<WebPush>>,
    /// Whoever wakes devices by other carriers.
    pub webhook: Option<Webhook>,
    /// How long a device may take to say that it rings before its person is woken for the call.
    pub ring_after: Duration,
}

/// Why the pusher can't start.
pub type Setup = WebhookError;

struct Shared {
    config: Config,
    client: Client,
    directory: Directory,
    runtime: Handle,
    waiting: Arc<Semaphore>,
    messages: Semaphore,
    calls: Semaphore,
    figures: Figures,
}

/// Wakes people.
#[derive(Clone)]
pub struct Pusher(Arc<Shared>);

impl fmt::Debug for Pusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pusher").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl Pusher {
    /// Starts; its tasks are of the runtime it is called in.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(config: Config, directory: Directory) -> Result<Self, Setup> {
        Ok(Self(Arc::new(Shared {
            config,
            client: client().map_err(WebhookError::Client)?,
            directory,
            runtime: Handle::current(),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            messages: Semaphore::new(SENDING_MAX),
            calls: Semaphore::new(SENDING_MAX),
            figures: Figures::default(),
        })))
    }

    /// See [`Config::ring_after`].
    #[must_use]
    pub fn ring_after(&self) -> Duration {
        self.0.config.ring_after
    }

    /// How browsers are reached, if they are.
    #[must_use]
    pub fn web(&self) -> Option<&WebPush> {
        self.0.config.web.as_deref()
    }

    /// Tells a person's devices, beside everything else.
    pub fn tell(&self, user: UserId, notice: Notice) {
        let shared = Arc::clone(&self.0);
        let Ok(place) = Arc::clone(&shared.waiting).try_acquire_owned() else {
            let Config { web, webhook, .. } = &shared.config;
            let ways = [web.as_ref().map(|_| Way::WebPush), webhook.as_ref().map(|_| Way::Webhook)];
            ways.into_iter().flatten().for_each(|way| shared.figures.count(way, Outcome::Dropped));
            return;
        };
        // Whoever tells may be a thread of its own.
        let runtime = shared.runtime.clone();
        runtime.spawn(async move {
            shared.figures.waiting.inc();
            shared.carry(&user, &notice).await;
            shared.figures.waiting.dec();
            drop(place);
        });
    }

    /// Adds its figures to the metrics.
    pub fn register(&self, registry: &mut Registry) {
        self.0.figures.register(registry);
    }
}

impl Notice {
    fn text(&self) -> Text<'_> {
        match self {
            Self::Messages => Text::Messages,
            Self::Call { call, from, video, expires_at } => {
                Text::Call { call_id: call, from, video: *video, expires_at: *expires_at }
            }
            Self::CallOver { call, missed, from, video } => {
                Text::CallOver { call_id: call, from, video: *video, missed: *missed }
            }
        }
    }

    fn for_webhook(&self) -> HookWhat<'_> {
        match self {
            Self::Messages => HookWhat::Messages,
            Self::Call { call, video, expires_at, .. } => {
                HookWhat::Call { call_id: call, video: *video, expires_at: *expires_at }
            }
            Self::CallOver { call, missed, .. } => HookWhat::CallOver { call_id: call, missed: *missed },
        }
    }

    /// Which pushes it takes the place of, where one still waits for the browser: 32 characters of base64url at most.
    fn topic(&self) -> String {
        match self {
            Self::Messages => "messages".to_owned(),
            Self::Call { call, .. } | Self::CallOver { call, .. } => {
                call.to_string().chars().filter(char::is_ascii_alphanumeric).take(32).collect()
            }
        }
    }

    /// How long it is worth telling.
    fn ttl_s(&self, now: Timestamp) -> u64 {
        match self {
            Self::Messages => MESSAGES_TTL_S,
            Self::Call { expires_at, .. } => expires_at.since(now).as_secs(),
            Self::CallOver { .. } => OVER_TTL_S,
        }
    }

    /// A name for the webhook: the same thing is told under the same one.
    fn name(&self, user: &UserId, now: Timestamp) -> String {
        match self {
            Self::Messages => format!("messages-{}-{}", user.as_str(), now.as_millis()),
            Self::Call { call, .. } => format!("call-{call}"),
            Self::CallOver { call, .. } => format!("call-over-{call}"),
        }
    }
}

impl Shared {
    async fn carry(self: &Arc<Self>, user: &UserId, notice: &Notice) {
        let places = if *notice == Notice::Messages { &self.messages } else { &self.calls };
        // Nobody closes them.
        let Ok(_place) = places.acquire().await else { return };
        let now = now();
        let patience = match notice {
            Notice::Call { expires_at, .. } => expires_at.since(now),
            Notice::Messages | Notice::CallOver { .. } => MESSAGES_MAX,
        };
        let end = Instant::now() + patience;
        tokio::join!(self.to_webhook(user, notice, now, end), self.to_browsers(user, notice, now, end));
    }

    async fn to_webhook(&self, user: &UserId, notice: &Notice, now: Timestamp, end: Instant) {
        let Some(webhook) = &self.config.webhook else { return };
        let hook = Hook { user_id: user, what: notice.for_webhook() };
        let Ok(body) = serde_json::to_vec(&hook) else { return };
        let told = webhook.tell(&notice.name(user, now), &body, end, |_| self.again()).await;
        self.count(Way::Webhook, "the webhook", told);
    }

    async fn to_browsers(self: &Arc<Self>, user: &UserId, notice: &Notice, now: Timestamp, end: Instant) {
        let Some(web) = &self.config.web else { return };
        let addresses = match self.directory.push_addresses(user).await {
            Ok(addresses) => addresses,
            Err(error) => return tracing::warn!(%error, "a push finds out nothing about where it goes"),
        };
        let Ok(text) = serde_json::to_vec(&notice.text()) else { return };
        let mut sends = JoinSet::new();
        for (device, address) in addresses {
            let PushAddress { endpoint, p256dh, auth } = &address;
            // What was allowed when it was kept may not be any longer.
            let Ok(to) = Subscription::parse(endpoint, p256dh, auth, &web.hosts) else {
                self.figures.count(Way::WebPush, Outcome::Refused);
                continue;
            };
            let (shared, web, user) = (Arc::clone(self), Arc::clone(web), user.clone());
            let (text, topic, ttl_s) = (text.clone(), notice.topic(), notice.ttl_s(now));
            sends.spawn(async move {
                let push = Push { to, text, topic, ttl_s };
                shared.to_browser(&web, (&user, &device), &push, end).await;
            });
        }
        while sends.join_next().await.is_some() {}
    }

    async fn to_browser(&self, web: &WebPush, (user, device): (&UserId, &DeviceId), push: &Push, end: Instant) {
        let sent = carry(end, |_| self.again(), || self.try_once(web, push)).await;
        if let Err(Failed::Refused(StatusCode::NOT_FOUND | StatusCode::GONE)) = sent {
            self.figures.count(Way::WebPush, Outcome::Gone);
            // Unless it has got another one meanwhile.
            if let Err(error) = self.directory.forget_push(user, device, Some(push.to.endpoint())).await {
                tracing::warn!(%error, "a subscription that is gone stays");
            }
            return;
        }
        self.count(Way::WebPush, &push.to.origin(), sent);
    }

    async fn try_once(&self, web: &WebPush, push: &Push) -> Carried {
        // Sealed anew for each try: a push service takes each body once.
        let Ok(body) = seal(&push.text, &push.to.key, &push.to.auth) else {
            return Carried::Refused(StatusCode::GONE); // a key that is no point: no push will ever reach it
        };
        let Some(authorization) = web.vapid.authorization(&push.to.origin(), now().as_millis() / 1_000) else {
            return Carried::Later("it could not be signed", Duration::ZERO);
        };
        let request = self
            .client
            .post(push.to.endpoint.clone())
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(CONTENT_TYPE, "application/octet-stream")
            .header("ttl", push.ttl_s)
            .header("urgency", "high")
            .header("topic", &push.topic)
            .body(body);
        Carried::told(request.send().await)
    }

    fn again(&self) {
        self.figures.retries.inc();
    }

    fn count(&self, way: Way, place: &str, told: Result<(), Failed>) {
        match told {
            Ok(()) => self.figures.count(way, Outcome::Sent),
            Err(Failed::Refused(status)) => {
                tracing::warn!(place, %status, "a push was refused");
                self.figures.count(way, Outcome::Refused);
            }
            Err(Failed::Late(why)) => {
                tracing::warn!(place, why, "a push was given up");
                self.figures.count(way, Outcome::Late);
            }
        }
    }
}

/// A push on its way to one browser.
struct Push {
    to: Subscription,
    text: Vec<u8>,
    topic: String,
    ttl_s: u64,
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
