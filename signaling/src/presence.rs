//! Presence as sessions see it: the core's decisions, told to sockets and kept in the directory.
//!
//! Invariants: what is told passes by the outbox ([`Session::pass`]): it is not kept for a resume, and a socket that is behind takes none, so
//! that it hears the newest state later instead of a queue of old ones. Whoever has said something here is forgotten with their session
//! ([`Attendance`]). A change of settings, blocks or accounts is told to the core after the directory has it, and before whoever asked
//! for it is answered.

mod translate;
mod typing;

pub(crate) use translate::{audience, audience_from_wire};

use crate::bucket::{Buckets, Rate, Wait};
use crate::clock::Clock;
use crate::hub::Hub;
use crate::metrics::{Hit, Metrics};
use crate::session::{Passed, Session};
use crate::translate as errors;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;
use tertulia_chat_core::ConversationId;
use tertulia_chat_core::presence::{
    News, NotWatched, Presence as Core, PresenceFigures, PresenceLimits, Privacy, View, Wanted,
};
use tertulia_common::{SessionId, Timestamp, UserId};
use tertulia_directory::{Directory, Error};
use tertulia_signaling_proto::{Codec, ErrorBody, ErrorCode, PresenceSet, PresenceWatch, Recipient, ServerFrame};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

/// How long what is to be written is gathered: how much a kill loses. Raising it saves writes.
const NOTE_EVERY: Duration = Duration::from_secs(5);
/// Sessions whose rates are remembered, of each kind. Raising it costs about 60 bytes each.
const RATED_MAX: usize = 100_000;
/// Lists of one session a second, on average and at once: each may be a question to the database.
const WATCHES: (u32, u32) = (1, 10);
/// How often a list is tried again where something changes while it is looked up.
const TRIES: usize = 20;
/// Sessions told before others have a turn.
const TOLD_AT_ONCE: usize = 64;

/// What was done, for the metrics.
#[derive(Debug, Default)]
struct Counters {
    frames: Counter,
    refused: Counter,
    typing: Counter,
    typing_dropped: Counter,
    noted: Counter,
}

/// How many one session may watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchLimits {
    pub(crate) users: u32,
    pub(crate) groups: u32,
}

/// Who is here, and who hears of it.
pub(crate) struct Presence {
    core: Mutex<Core>,
    directory: Directory,
    clock: Clock,
    limits: WatchLimits,
    /// There may be something to tell.
    work: Notify,
    writing: tokio::sync::Mutex<()>,
    changing: tokio::sync::Mutex<()>,
    watches: Mutex<Buckets<SessionId>>,
    typings: Mutex<Buckets<SessionId>>,
    heard: Mutex<Buckets<SessionId>>,
    metrics: Arc<Metrics>,
    counters: Counters,
}

/// A session's part in presence: it ends with the session.
pub(crate) struct Attendance {
    presence: Arc<Presence>,
    session: SessionId,
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.presence.change(|core, now| core.closed(now, self.session));
    }
}

impl std::fmt::Debug for Attendance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Attendance").field(&self.session).finish()
    }
}

/// A frame, encoded once a codec however many get it.
struct Frame {
    frame: ServerFrame,
    encoded: [Option<Bytes>; Codec::ALL.len()],
}

impl Frame {
    fn new(frame: ServerFrame) -> Self {
        Self { frame, encoded: Default::default() }
    }

    fn encoded(&mut self, codec: Codec) -> Bytes {
        let slot = &mut self.encoded[codec.index()];
        slot.get_or_insert_with(|| codec.encode_server(&self.frame).into()).clone()
    }
}

/// What was told last: where many watch one person, they are told the same.
#[derive(Default)]
struct Last(Option<(Vec<(UserId, View)>, Frame)>);

impl Last {
    fn encoded(&mut self, people: &[(UserId, View)], codec: Codec) -> Bytes {
        if self.0.as_ref().is_none_or(|(told, _)| told != people) {
            self.0 = None;
        }
        let make = || (people.to_vec(), Frame::new(translate::frame(people)));
        self.0.get_or_insert_with(make).1.encoded(codec)
    }
}

impl Presence {
    /// With its work, which never ends: telling sessions, and writing down.
    pub(crate) fn start(
        directory: &Directory,
        clock: Clock,
        limits: WatchLimits,
        hub: &Arc<Hub>,
    ) -> (Arc<Self>, [JoinHandle<()>; 2]) {
        let presence = Self::new(directory.clone(), clock, limits, Arc::clone(&hub.metrics));
        let telling = tokio::spawn(Arc::clone(&presence).run(Arc::clone(hub)));
        let keeping = tokio::spawn(Arc::clone(&presence).keep());
        (presence, [telling, keeping])
    }

    fn new(directory: Directory, clock: Clock, limits: WatchLimits, metrics: Arc<Metrics>) -> Arc<Self> {
        let rates = |(a_second, burst)| Mutex::new(Buckets::new(Rate::per_second(a_second, burst), RATED_MAX));
        Arc::new(Self {
            core: Mutex::new(Core::new(PresenceLimits::default())),
            directory,
            clock,
            limits,
            work: Notify::new(),
            writing: tokio::sync::Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            watches: rates(WATCHES),
            typings: rates(typing::SENT),
            heard: rates(typing::HEARD),
            metrics,
            counters: Counters::default(),
        })
    }

    /// Tells sessions what there is to tell. Never ends.
    async fn run(self: Arc<Self>, hub: Arc<Hub>) {
        loop {
            let (mut last, mut told) = (Last::default(), 0_usize);
            while let Some(news) = self.next() {
                self.deliver(&hub, &news, &mut last);
                told += 1;
                if told.is_multiple_of(TOLD_AT_ONCE) {
                    tokio::task::yield_now().await;
                }
            }
            let due = self.core.lock().next_due();
            match due {
                Some(at) => {
                    let sleep = sleep_until(self.clock.instant(at).into());
                    tokio::select! { () = sleep => {}, () = self.work.notified() => {} }
                }
                None => self.work.notified().await,
            }
        }
    }

    fn next(&self) -> Option<News> {
        self.core.lock().poll(self.clock.now())
    }

    fn deliver(&self, hub: &Hub, news: &News, last: &mut Last) {
        let passed = match hub.session(news.to) {
            Some(session) => session.pass(last.encoded(&news.people, session.who.codec)),
            // It is over, and will say so.
            None => return,
        };
        match passed {
            Passed::Taken => drop(self.counters.frames.inc()),
            Passed::Refused => {
                self.counters.refused.inc();
                self.core.lock().refused(self.clock.now(), news);
            }
        }
    }

    /// Writes down what there is to note, every few seconds. Never ends.
    async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(NOTE_EVERY).await;
            self.write().await;
        }
    }

    /// Writes down what there is to note.
    pub(crate) async fn write(&self) {
        let _one_at_a_time = self.writing.lock().await;
        let notes = self.core.lock().take_notes();
        if notes.is_empty() {
            return;
        }
        let seen = notes.seen.iter().map(|(user, at)| (user, *at));
        let written = self.directory.note_presence(seen, &notes.contacts).await;
        if let Err(error) = &written {
            tracing::warn!(%error, "when people were last here could not be written: it is tried again");
        }
        if written.is_ok() {
            self.counters.noted.inc_by((notes.seen.len() + notes.contacts.len()) as u64);
        }
        self.core.lock().written(written.is_ok());
    }

    /// Something has changed.
    fn change<T>(&self, change: impl FnOnce(&mut MutexGuard<'_, Core>, Timestamp) -> T) -> T {
        let changed = change(&mut self.core.lock(), self.clock.now());
        self.work.notify_one();
        changed
    }

    /// A session is looked at, or no longer.
    pub(crate) fn set(self: &Arc<Self>, session: &Session, set: PresenceSet) {
        self.attend(session);
        self.change(|core, now| core.set(now, session.who.id, &session.who.endpoint.user, set.active));
    }

    /// From now on the session counts, until it ends.
    fn attend(self: &Arc<Self>, session: &Session) {
        session.attend(|| Attendance { presence: Arc::clone(self), session: session.who.id });
    }

    /// A session goes on with another socket.
    pub(crate) fn resumed(&self, session: &Session) {
        self.change(|core, now| core.resumed(now, session.who.id));
    }

    /// A person has done something themselves.
    pub(crate) fn acted(&self, user: &UserId) {
        self.change(|core, now| core.acted(now, user));
    }

    /// A person has sent a message.
    pub(crate) fn sent(&self, from: &UserId, to: &Recipient) {
        self.change(|core, now| {
            core.acted(now, from);
            if let Recipient::User(to) = to {
                core.wrote(now, from, to);
            }
        });
    }

    /// Changes in the directory who may see whom, and tells it here: each such change after the other, so that both hear of them in the same
    /// order, and to its end whether or not whoever asked has left.
    pub(crate) async fn changing<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let this = Arc::clone(self);
        let task = tokio::spawn(async move {
            let _in_order = this.changing.lock().await;
            change.await
        });
        task.await.unwrap_or(Err(Error::Interrupted))
    }

    /// A person has blocked another, or no longer.
    pub(crate) fn blocked(&self, by: &UserId, whom: &UserId, blocked: bool) {
        self.change(|core, now| core.blocked(now, by, whom, blocked));
    }

    /// A person shows more of themselves, or less.
    pub(crate) fn privacy(&self, user: &UserId, privacy: tertulia_directory::Privacy) {
        self.change(|core, now| core.privacy(now, user, translate::privacy(privacy)));
    }

    /// An account is gone.
    pub(crate) fn removed(&self, user: &UserId) {
        self.change(|core, now| core.removed(now, user));
    }

    /// A session wants to know of these, and of nobody else any longer.
    pub(crate) async fn watch(self: &Arc<Self>, session: &Session, watch: PresenceWatch) -> Result<(), ErrorBody> {
        let wanted = self.wanted(session, watch)?;
        let (id, user) = (session.who.id, &session.who.endpoint.user);
        self.attend(session);
        for _ in 0..TRIES {
            let (generation, unknown) = {
                let core = self.core.lock();
                (core.generation(), core.unwatched(id, &wanted.users))
            };
            let (facts, own) = self.directory.presence(user, &unknown).await.map_err(|error| {
                tracing::error!(%error, "the directory did not say who may be seen");
                ErrorCode::Internal
            })?;
            let facts = unknown.into_iter().zip(facts.into_iter().map(translate::facts)).collect();
            let own: Privacy = translate::privacy(own);
            match self.change(|core, now| core.watch(now, (id, user), &wanted, generation, own, &facts)) {
                Ok(()) => return Ok(()),
                Err(NotWatched::Stale) => {}
                Err(NotWatched::Full { limit }) => {
                    self.metrics.hit(Hit::Watches);
                    return Err(errors::too_many(ErrorCode::TooMany, limit));
                }
            }
        }
        Err(ErrorCode::Internal.into())
    }

    /// What a session asks for, if it may ask for so much, so often.
    fn wanted(&self, session: &Session, watch: PresenceWatch) -> Result<Wanted, ErrorBody> {
        let WatchLimits { users, groups } = self.limits;
        for (limit, actual) in [(users, watch.users.len()), (groups, watch.groups.len())] {
            if actual > limit as usize {
                self.metrics.hit(Hit::WatchesPerSession);
                return Err(errors::limit(ErrorCode::TooMany, limit.into(), actual as u64));
            }
        }
        self.take(&self.watches, session.who.id, Hit::WatchRequests)?;
        let groups = watch.groups.iter().map(|group| group.parse::<ConversationId>());
        let groups = groups.collect::<Result<_, _>>().map_err(|_| ErrorCode::UnknownConversation)?;
        Ok(Wanted { users: watch.users, groups })
    }

    fn take(&self, rates: &Mutex<Buckets<SessionId>>, session: SessionId, hit: Hit) -> Result<(), ErrorBody> {
        rates.lock().take(session, self.clock.now()).map_err(|Wait(wait)| {
            self.metrics.hit(hit);
            errors::retry_after(ErrorCode::RateLimited, wait)
        })
    }

    /// How much there is.
    pub(crate) fn figures(&self) -> PresenceFigures {
        self.core.lock().figures()
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let Counters { frames, refused, typing, typing_dropped, noted } = &self.counters;
        let r = registry.sub_registry_with_prefix("tertulia_presence");
        r.register("frames", "presence frames handed to sockets", frames.clone());
        r.register(
            "frames_refused",
            "presence frames for sockets that were behind or gone: told later",
            refused.clone(),
        );
        r.register("typing_frames", "typing frames handed to sockets", typing.clone());
        r.register("noted", "what was written down: when people were last here, new contacts", noted.clone());
        r.register("typing_dropped", "typing frames that a socket had no room or rate for", typing_dropped.clone());
    }
}
