//! The first frame of a socket: who is calling, and does an earlier session go on.
//!
//! Invariant: nobody gets a session without a token that counts, and nobody goes on with a session that is not theirs: the
//! token must name its user, and the secret must be right. A socket is closed when the token of its `hello` expires, and the
//! session ends when its device loses its access.

use crate::authenticate::{Principal, admit, authenticate};
use crate::clock::random;
use crate::exchange::Going;
use crate::gateway::Shared;
use crate::history;
use crate::hub::NotOpened;
use crate::ice;
use crate::metrics::{HelloOutcome, Hit};
use crate::presence::audience;
use crate::session::{Identity, Link, Session, UNCONFIRMED_MISSED_MAX};
use crate::translate;
use crate::uploads::limits_to_wire;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;
use tertulia_common::{CallId, DeviceId, SessionId, Timestamp, UserId};
use tertulia_directory::{MissedCall, News, Privacy};
use tertulia_signaling_core::{Endpoint, is_standard_peer};
use tertulia_signaling_proto::{
    CallMissed, Caps, CloseCode, Codec, ErrorBody, ErrorCode, Hello, Resume, Settings, Welcome,
};

/// Missed calls in one welcome: the oldest first, the rest with the next.
const MISSED_MAX: u64 = 50;
const _: () =
    assert!(MISSED_MAX as usize <= UNCONFIRMED_MISSED_MAX, "those of a welcome are remembered until confirmed");

/// A socket whose `hello` was good.
pub(crate) struct Greeted {
    pub(crate) session: Arc<Session>,
    pub(crate) link: Arc<Link>,
    pub(crate) welcome: Box<Welcome>,
    /// When the token stops counting.
    pub(crate) expires_at: Option<Timestamp>,
}

/// Why not: what the client hears before the close frame, if anything, and how the socket is closed.
pub(crate) struct Refused {
    pub(crate) error: Option<ErrorBody>,
    pub(crate) close: CloseCode,
}

impl Refused {
    fn new(error: impl Into<ErrorBody>, close: CloseCode) -> Self {
        Self { error: Some(error.into()), close }
    }
}

/// Answers a `hello`.
pub(crate) async fn greet(shared: &Shared, hello: Hello, codec: Codec) -> Result<Greeted, Refused> {
    let greeted = try_greet(shared, hello, codec).await;
    if greeted.is_err() {
        shared.metrics.hello(HelloOutcome::Refused);
    }
    greeted
}

async fn try_greet(shared: &Shared, mut hello: Hello, codec: Codec) -> Result<Greeted, Refused> {
    let before = shared.revocations();
    let (principal, known) = admit(shared, &hello.token).await.map_err(refused)?;
    let Principal { user, device, expires_at, is_account, .. } = principal;
    // A token of a device speaks for that one alone.
    if device.is_some() && hello.device_id.is_some() && device != hello.device_id {
        return Err(Refused::new(ErrorCode::Forbidden, CloseCode::Unauthenticated));
    }
    // Nor may a device pass for what has no session: see `exchange::standard_peers`.
    if hello.device_id.as_ref().is_some_and(is_standard_peer) {
        return Err(Refused::new(ErrorCode::Forbidden, CloseCode::Unauthenticated));
    }
    hello.device_id = device.or(hello.device_id);
    let resumed =
        hello.resume.as_ref().map(|resume| try_resume(shared, &user, hello.device_id.as_ref(), resume, codec));
    let outcome = match &resumed {
        None => HelloOutcome::New,
        Some(Ok(_)) => HelloOutcome::Resumed,
        Some(Err(outcome)) => *outcome,
    };
    let (session, link, shown) = match resumed {
        Some(Ok(Resumed { session, link, shown })) => (session, link, Some(shown)),
        Some(Err(_)) | None => {
            let (session, link) = open(shared, &user, hello.device_id.take(), &hello.caps, known.name, codec)?;
            if let Some(chat) = shared.chat.as_ref().filter(|_| session.who.messages) {
                chat.attach(&shared.hub, &session).await;
            }
            (session, link, None)
        }
    };
    // Whoever lost their access meanwhile was looked for before this session was there.
    if shared.revocations() != before
        && let Err(code) = authenticate(shared, &hello.token).await
    {
        let endpoint = &session.who.endpoint;
        shared.exchange.expel(endpoint);
        if let Some(chat) = shared.chat.as_ref().filter(|_| code == ErrorCode::TokenInvalid) {
            // It may have been opened again, after it was closed.
            chat.close(&endpoint.user, [&endpoint.device]);
        }
        return Err(refused(code));
    }
    shared.metrics.hello(outcome);
    shared.people_changed();
    if is_account {
        shared.accounts.seen.note(&session.who.endpoint);
    }
    let welcome = welcome(shared, &session, shown).await;
    Ok(Greeted { session, link, welcome, expires_at })
}

fn refused(code: ErrorCode) -> Refused {
    match code {
        ErrorCode::Internal => Refused::new(code, CloseCode::Busy),
        _ => Refused::new(code, CloseCode::Unauthenticated),
    }
}

/// A session that goes on, with the missed calls that its client has seen.
struct Resumed {
    session: Arc<Session>,
    link: Arc<Link>,
    shown: Vec<CallId>,
}

fn try_resume(
    shared: &Shared,
    user: &UserId,
    device: Option<&DeviceId>,
    resume: &Resume,
    codec: Codec,
) -> Result<Resumed, HelloOutcome> {
    let secret = URL_SAFE_NO_PAD.decode(&resume.secret).unwrap_or_default();
    let session = shared.hub.session(resume.session).filter(|session| {
        let Endpoint { user: owner, device: owned } = &session.who.endpoint;
        // What the ring holds is encoded: another codec can't replay it.
        let same = owner == user && device.is_none_or(|device| device == owned) && session.who.codec == codec;
        session.is_secret(&secret) && same
    });
    let session = session.ok_or(HelloOutcome::Unknown)?;
    let (link, shown) = shared.exchange.attach(&session, resume.received).ok_or(HelloOutcome::Gap)?;
    shared.presence.resumed(&session);
    Ok(Resumed { session, link, shown })
}

fn open(
    shared: &Shared,
    user: &UserId,
    device: Option<DeviceId>,
    caps: &Caps,
    name: String,
    codec: Codec,
) -> Result<(Arc<Session>, Arc<Link>), Refused> {
    if shared.is_draining() {
        return Err(Refused::new(ErrorCode::Draining, CloseCode::Draining));
    }
    let device = device.unwrap_or_else(new_device);
    let who = Identity {
        id: SessionId::new(shared.clock.now(), random()),
        endpoint: Endpoint { user: user.clone(), device },
        name,
        rings: caps.rings,
        call_waiting: caps.call_waiting,
        messages: caps.messages && shared.chat.is_some(),
        codec,
        secret: random().to_le_bytes(),
    };
    let opened = shared.exchange.open(who).map_err(|error| match error {
        NotOpened::DevicesFull { max, .. } => {
            shared.metrics.hit(Hit::DevicesPerUser);
            Refused::new(translate::too_many(ErrorCode::TooManyConnections, max), CloseCode::Busy)
        }
        NotOpened::SessionsFull { max } => {
            shared.metrics.hit(Hit::Sessions);
            Refused::new(translate::too_many(ErrorCode::ServerFull, max), CloseCode::Busy)
        }
    })?;
    Ok((opened.session, opened.link))
}

#[expect(clippy::expect_used, reason = "32 hexadecimal digits and a letter are a device id")]
fn new_device() -> DeviceId {
    format!("d{:032x}", random()).parse().expect("hexadecimal digits are allowed")
}

/// `shown`: of a session that goes on, the missed calls that its client has seen.
async fn welcome(shared: &Shared, session: &Session, shown: Option<Vec<CallId>>) -> Box<Welcome> {
    let resumed = shown.is_some();
    let shown = shown.unwrap_or_default();
    let (missed_calls, settings) = news(shared, session, &shown).await;
    shared.history.shown(&session.who.endpoint.user, shown);

    // The session is registered: what happens from here on comes as frames. What has happened before is read now.
    let Going { calls, rosters, elsewhere } = shared.exchange.going(session);
    if !resumed {
        if let Some(people) = &shared.people {
            people.greet(session);
        }
        rosters.iter().for_each(|roster| shared.hub.tell_session(session, roster));
    }
    let group_calls = match &shared.chat {
        Some(chat) => shared.exchange.group_calls_for(&session.who.endpoint.user, chat),
        None => Vec::new(),
    };
    let who = &session.who;
    let ice = ice::told(&shared.config.ice_servers, &who.endpoint.user, shared.clock.now());
    Box::new(Welcome {
        user_id: who.endpoint.user.clone(),
        name: session.name(),
        device_id: who.endpoint.device.clone(),
        session: who.id,
        secret: URL_SAFE_NO_PAD.encode(who.secret),
        resumed,
        last_request: session.last_request(),
        heartbeat_s: shared.config.limits.heartbeat_s,
        resume_window_s: shared.config.limits.resume_window_s,
        limits: shared.config.limits.wire(),
        uploads: shared.config.uploads.as_ref().map(|uploads| limits_to_wire(&uploads.library.limits())),
        now: shared.clock.now(),
        calls,
        missed_calls,
        ice_servers: ice.ice_servers,
        calls_elsewhere: elsewhere,
        group_calls,
        video_codec: shared.config.video_codec,
        ice_expires_at: ice.expires_at,
        settings,
        instance: shared.instance.clone(),
        demo: shared.config.demo_key.is_some(),
    })
}

/// What the directory has to tell: the missed calls that the client has not seen, and its user's settings.
async fn news(shared: &Shared, session: &Session, shown: &[CallId]) -> (Vec<CallMissed>, Settings) {
    let user = &session.who.endpoint.user;
    if session.who.rings {
        shared.history.shown_is_written().await;
    }
    let news = shared.reception.news(user).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a user's settings and missed calls could not be read");
        News::default()
    });
    // A device that does not take calls does not show missed ones either: they wait for one that does.
    let missed = match session.who.rings {
        true if news.has_missed => missed(shared, session, shown).await,
        true => list_missed(session, Vec::new(), shown),
        false => Vec::new(),
    };
    (missed, settings(news.do_not_disturb, news.privacy))
}

/// A user's settings.
pub(crate) fn settings(do_not_disturb: Option<Timestamp>, privacy: Privacy) -> Settings {
    Settings {
        do_not_disturb_until: do_not_disturb,
        online: audience(privacy.online),
        last_seen: audience(privacy.last_seen),
    }
}

async fn missed(shared: &Shared, session: &Session, shown: &[CallId]) -> Vec<CallMissed> {
    let unseen = shared.directory.missed_unseen(&session.who.endpoint.user, MISSED_MAX).await;
    let unseen = unseen.unwrap_or_else(|error| {
        tracing::error!(%error, "missed calls could not be read: they are shown with the next welcome");
        Vec::new()
    });
    list_missed(session, unseen, shown)
}

fn list_missed(session: &Session, unseen: Vec<MissedCall>, shown: &[CallId]) -> Vec<CallMissed> {
    let calls: Vec<_> = unseen.iter().map(|missed| missed.call).filter(|call| !shown.contains(call)).collect();
    let listed = session.list_missed(&calls);
    unseen.into_iter().filter(|missed| listed.contains(&missed.call)).map(history::missed_to_wire).collect()
}
