//! The gateway as the program holds it: start, figures, drain.
//!
//! Invariant: its tasks live exactly as long as it does.

use crate::accounts::Accounts;
use crate::bucket::Buckets;
use crate::call_entries::CallEntries;
use crate::chat::Chat;
use crate::clock::{Clock, random};
use crate::config::Config;
use crate::doors::Doors;
use crate::exchange::Exchange;
use crate::gauges::Gauges;
use crate::history::{self, History};
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::people::People;
use crate::presence::Presence;
use crate::session::{Closing, Session};
use crate::{http, translate};
use axum::Router;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tertulia_common::{DeviceId, UserId};
use tertulia_directory::{Directory, Reception};
use tertulia_registry::Fence;
use tertulia_sfu::{Event, Sfu};
use tertulia_signaling_core::Endpoint;
use tertulia_signaling_proto::{CloseCode, Drain, ServerFrame};
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

/// Remote addresses whose rates (of sign-ins, of requests, of sockets) are remembered, each. Raising it costs about 60 bytes
/// each; when it is reached, addresses that have not been heard of lately must wait.
const ADDRESSES_MAX: usize = 50_000;
/// Users whose rate of tries of call links is remembered. Raising it costs about 100 bytes each.
const TRYING_USERS_MAX: usize = 50_000;
/// After the drain's deadline: for the last lines of the history to be written, and close frames to be read.
const FINISH: Duration = Duration::from_secs(3);
/// The same where calls are kept: every moment is one without sound.
const FINISH_KEEPING: Duration = Duration::from_millis(500);
/// For the very last lines to be written.
const FLUSH: Duration = Duration::from_secs(1);
/// How often a drain looks whether the last call has ended.
const DRAIN_STEP: Duration = Duration::from_millis(20);

/// What every request has at hand.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// Names this run of the program: another run knows nothing of this one's media.
    pub(crate) instance: String,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) directory: Directory,
    pub(crate) reception: Reception,
    pub(crate) hub: Arc<Hub>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) history: History,
    pub(crate) people: Option<Arc<People>>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) doors: Arc<Doors>,
    pub(crate) accounts: Accounts,
    /// Absent: no messages are relayed.
    pub(crate) chat: Option<Chat>,
    pub(crate) sign_ins: Mutex<Buckets<IpAddr>>,
    pub(crate) opens_by_address: Mutex<Buckets<IpAddr>>,
    pub(crate) requests_by_address: Mutex<Buckets<IpAddr>>,
    /// Who tries call links.
    pub(crate) call_link_tries: Mutex<Buckets<UserId>>,
    draining: AtomicBool,
    closing: AtomicBool,
    /// How often somebody's access has ended: a `hello` that was under way meanwhile looks again.
    revocations: AtomicU64,
}

impl Shared {
    /// No new sessions and calls. Sessions that are open go on, and may be resumed: their calls do too.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The drain is over: no new sockets either.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// How often somebody's access has ended.
    pub(crate) fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::SeqCst)
    }

    /// These devices of a user have no access any longer: their sessions and calls end. The directory knows already.
    pub(crate) fn expel(&self, user: &UserId, devices: impl IntoIterator<Item = DeviceId>) {
        self.revocations.fetch_add(1, Ordering::SeqCst);
        for device in devices {
            if let Some(chat) = &self.chat {
                chat.close(user, [&device]);
            }
            self.exchange.expel(&Endpoint { user: user.clone(), device });
        }
        self.people_changed();
    }

    /// Somebody blocks, or no longer.
    pub(crate) fn reach_changed(&self, by: &UserId, whom: &UserId, blocked: bool) {
        self.presence.blocked(by, whom, blocked);
    }

    /// Someone has come or gone.
    pub(crate) fn people_changed(&self) {
        if let Some(people) = &self.people {
            people.changed();
        }
    }

    /// Ends a session whose client is done with it.
    pub(crate) fn end_session(&self, session: &Session) {
        self.exchange.end(session, Closing::Code(CloseCode::Displaced), false);
        self.people_changed();
    }

    /// A socket is gone. If it was its session's last, the session has its window to get another.
    pub(crate) fn wait_for_another_socket(self: &Arc<Self>, session: &Arc<Session>, fence: Fence) {
        let waits = self.hub.detach(session, fence);
        self.people_changed();
        if !waits {
            return;
        }
        let (shared, waiting) = (Arc::clone(self), Arc::clone(session));
        let expiry = tokio::spawn(async move {
            sleep(shared.config.limits.resume_window()).await;
            if shared.exchange.end(&waiting, Closing::Code(CloseCode::Displaced), true) {
                tracing::debug!(session = %waiting.who.id, "a session was not resumed in time");
            }
        });
        session.set_expiry(expiry.abort_handle());
    }
}

/// The running gateway.
pub struct Gateway {
    shared: Arc<Shared>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Gateway {
    /// Takes over the calls of the run before, starts the gateway's tasks, and gives the routes under `/v1`.
    ///
    /// The routes need to know who connects: serve them with `into_make_service_with_connect_info::<SocketAddr>()`.
    ///
    /// # Errors
    /// If the directory does not say which calls there were.
    pub async fn start(
        config: Config,
        directory: Directory,
        sfu: Sfu,
        sfu_events: Receiver<Event>,
    ) -> Result<(Self, Router), tertulia_directory::Error> {
        let (limits, clock, metrics) = (&config.limits, Clock::start(), Arc::new(Metrics::default()));
        let (devices_max, sessions_max) = (limits.devices_per_user_max as usize, limits.sessions_max as usize);
        let hub = Arc::new(Hub::new(devices_max, sessions_max, limits.outbox(), Arc::clone(&metrics)));
        let due = config.chat.is_some().then(Arc::<Notify>::default);
        let (history, writer) = history::history(Arc::clone(&hub), directory.clone(), clock, due.clone());
        let exchange =
            Exchange::new(Arc::clone(&hub), sfu, history.clone(), clock, config.timeouts, limits, config.push.clone());
        let people = config.demo_key.is_some().then(|| People::new(Arc::clone(&hub), directory.clone()));

        let (reception, answering) = directory.reception();
        let mut tasks = vec![tokio::spawn(writer.run()), tokio::spawn(answering)];
        let devices = exchange.restore(&directory).await?;
        if let (Some(chat), Some(due)) = (&config.chat, due) {
            let (engine, directory, hub) = (Arc::clone(&chat.engine), directory.clone(), Arc::clone(&hub));
            tasks.push(tokio::spawn(CallEntries { engine, directory, hub, due }.run()));
            tasks.push(tokio::spawn(exchange.news().run(Arc::clone(&exchange), Arc::clone(&chat.engine))));
        }
        let (timer, media, returning) = (Arc::clone(&exchange), Arc::clone(&exchange), Arc::clone(&exchange));
        let window = limits.resume_window();
        tasks.extend([
            tokio::spawn(async move { timer.keep_time().await }),
            tokio::spawn(async move { media.follow_media(sfu_events).await }),
            // A device of a call that has come back has as long to come back itself as after a lost socket.
            tokio::spawn(async move {
                sleep(window).await;
                returning.gone_unless_back(devices);
            }),
        ]);
        tasks.extend(people.clone().map(|people| tokio::spawn(async move { people.run().await })));
        let (presence, work) = Presence::start(&directory, clock, limits.watches(), &hub);
        tasks.extend(work);
        let doors = Doors::new(limits.sockets_max, limits.sockets_per_address_max);
        let by_address = |rate| Mutex::new(Buckets::new(rate, ADDRESSES_MAX));
        let (sign_ins, opens_by_address) = (by_address(limits.sign_ins()), by_address(limits.socket_opens()));
        let requests_by_address = by_address(limits.http_requests());
        let call_link_tries = Mutex::new(Buckets::new(limits.call_link_tries(), TRYING_USERS_MAX));
        let accounts = Accounts::new(&config.accounts, &metrics, clock.now());
        let (seen, people_of) = (Arc::clone(&accounts.seen), directory.clone());
        tasks.push(tokio::spawn(async move { seen.run(people_of).await }));
        let library = config.uploads.as_ref().map(|uploads| uploads.library.clone());
        let chat = config.chat.clone().map(|chat| Chat::new(chat, &directory, library));
        let shared = Arc::new(Shared {
            instance: format!("{:016x}", random() as u64),
            clock,
            metrics,
            directory,
            reception,
            hub,
            exchange,
            history,
            people,
            presence,
            doors,
            accounts,
            chat,
            sign_ins,
            opens_by_address,
            requests_by_address,
            call_link_tries,
            draining: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            revocations: AtomicU64::new(0),
            config,
        });
        if let Some(uploads) = &shared.config.uploads {
            uploads.events.start(&shared);
        }
        let router = http::router(Arc::clone(&shared));
        Ok((Self { shared, _tasks: tasks.into_iter().map(AbortOnDropHandle::new).collect() }, router))
    }

    /// Adds the gateway's figures to the metrics.
    pub fn register(&self, registry: &mut Registry) {
        self.shared.metrics.register(registry);
        self.shared.presence.register(registry);
        registry.register_collector(Box::new(Gauges(Arc::clone(&self.shared))));
    }

    /// Whether the gateway takes new sessions and calls.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.shared.is_draining()
    }

    /// Lets the clients go, and ends or keeps their calls.
    pub async fn drain(&self, calls: DrainCalls) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.shared.exchange.refuse_invites();
        let deadline = match calls {
            DrainCalls::Keep => Duration::ZERO,
            DrainCalls::EndAfter(deadline) => deadline,
        };
        let deadline_ms = u32::try_from(translate::millis(deadline)).unwrap_or(u32::MAX);
        self.shared.hub.tell_all(&ServerFrame::Drain(Drain { deadline_ms }));
        match calls {
            DrainCalls::Keep => {
                self.shared.closing.store(true, Ordering::Relaxed);
                self.close_sockets(FINISH_KEEPING).await;
            }
            DrainCalls::EndAfter(deadline) => {
                self.end_calls(deadline).await;
                self.close_sockets(FINISH).await;
            }
        }
    }

    /// Calls may end by themselves until then (their devices may lose and resume sockets meanwhile), and are ended after it.
    async fn end_calls(&self, deadline: Duration) {
        let last_call = async {
            while self.shared.exchange.load().calls.live() > 0 {
                sleep(DRAIN_STEP).await;
            }
        };
        if timeout(deadline, last_call).await.is_err() {
            tracing::warn!("calls go on at the end of the drain: they are ended");
        }
        self.shared.closing.store(true, Ordering::Relaxed);
        self.shared.exchange.shut_down();
    }

    /// What has happened is written down, before the sockets close and again after what they still had to say.
    async fn close_sockets(&self, within: Duration) {
        let finish = async {
            self.shared.history.flush().await;
            self.shared.presence.write().await;
            self.shared.hub.close_all(CloseCode::Draining);
            while self.shared.doors.sockets() > 0 {
                sleep(DRAIN_STEP).await;
            }
        };
        if timeout(within, finish).await.is_err() {
            tracing::warn!(sockets = self.shared.doors.sockets(), "clients did not go in time");
        }
        if timeout(FLUSH, self.shared.history.flush()).await.is_err() {
            tracing::error!("the last changes of calls could not be written in time");
        }
    }
}

/// What becomes of calls when the gateway goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainCalls {
    /// They go on with the next run, which has to come soon. Takes a second and a half at most.
    Keep,
    /// They may end by themselves for so long, and are ended then. Takes that and four seconds at most.
    EndAfter(Duration),
}
