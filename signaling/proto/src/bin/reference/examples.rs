//! One example of every frame and HTTP body, as typed values: an example that the types do not allow does not compile.

use crate::{conferences, groups, messages, presence, push, uploads};
use serde_json::Value;
use std::str::FromStr;
use tertulia_common::{CallId, DeviceId, SessionId, Timestamp, UserId};
use tertulia_signaling_proto::{
    Ack, Audience, Blocks, CallConnect, CallDecline, CallElsewhere, CallEnded, CallHistory, CallHold, CallIncoming,
    CallInvite, CallMedia, CallMissed, CallQuality, CallRecord, CallRequest, CallRoster, CallSlots, CallSnapshot,
    CallState, CallsElsewhere, Caps, ClientFrame, DeclineReason, DemoPeople, DemoSignIn, DemoSignedIn, Device,
    DeviceAccess, Devices, Direction, Displaced, Drain, EndReason, ErrorBody, ErrorCode, ErrorFrame, Hello, IceServer,
    IceServers, Limits, LinkBegin, LinkBegun, LinkCode, LinkFound, LinkState, Lookup, MediaFlags, MediaKind, OkFrame,
    Participant, ParticipantQuality, Person, Phase, Ping, Probe, Profile, ProfilePatch, QualitySummary, Register,
    Registered, RequestId, Resume, RosterEntry, ServerFrame, ServerInfo, Settings, SettingsPatch, SignInWay, Slot,
    Source, Target, TrackQuality, Verify, VideoCodec, Welcome, WireError,
};

/// When the examples' call was placed.
pub(crate) const AT: u64 = 1_790_000_000_000;
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFwcCJ9.eyJpc3MiOiJhcHAiLCJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
const DEVICE_TOKEN: &str = "tdt_6Qm1…";
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n…";

fn parse<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    #[expect(clippy::expect_used, reason = "the texts are below")]
    text.parse().expect("an id")
}

pub(crate) fn call_id() -> CallId {
    CallId::new(Timestamp(AT), 0x0003_1415_9265_3589_7932_3846)
}

fn session() -> SessionId {
    SessionId::new(Timestamp(AT - 5_000), 0x0002_7182_8182_8459_0452_3536)
}

pub(crate) fn device(id: &str) -> DeviceId {
    parse(id)
}

pub(crate) fn user(id: &str) -> UserId {
    parse(id)
}

pub(crate) fn person(id: &str, name: &str, online: Option<bool>) -> Person {
    Person { user_id: user(id), name: name.to_owned(), online, deleted: false }
}

pub(crate) fn bob() -> Participant {
    Participant { user_id: user("bob"), device_id: device("bob-phone") }
}

pub(crate) fn request(id: u64) -> CallRequest {
    CallRequest { id: RequestId(id), call_id: call_id() }
}

/// Of every frame that clients send.
pub(crate) fn client() -> Vec<ClientFrame> {
    let mut frames = vec![
        ClientFrame::Hello(Hello {
            token: TOKEN.to_owned(),
            device_id: Some(device("alice-laptop")),
            resume: Some(Resume { session: session(), secret: "kZ0mX2…".to_owned(), received: 17 }),
            caps: Caps { rings: true, call_waiting: true, messages: true },
        }),
        ClientFrame::Pong(Ack { received: 18 }),
        ClientFrame::Ack(Ack { received: 32 }),
        ClientFrame::CallInvite(CallInvite {
            id: RequestId(1),
            to: Target::User(user("bob")),
            media: MediaKind::Video,
        }),
        ClientFrame::CallRinging(request(1)),
        ClientFrame::CallAccept(request(3)),
        ClientFrame::CallDecline(CallDecline { id: RequestId(3), call_id: call_id(), reason: DeclineReason::Declined }),
        ClientFrame::CallCancel(request(4)),
        ClientFrame::CallHangup(request(5)),
        ClientFrame::CallConnect(CallConnect { id: RequestId(2), call_id: call_id(), sdp: OFFER.to_owned() }),
        ClientFrame::CallMedia(CallMedia {
            id: RequestId(6),
            call_id: call_id(),
            media: MediaFlags { mic: true, camera: false, screen: true },
        }),
        ClientFrame::CallHold(CallHold { id: RequestId(7), call_id: call_id(), on: true }),
        ClientFrame::CallJoin(request(8)),
        ClientFrame::Probe(Probe { id: RequestId(9) }),
    ];
    frames.extend(conferences::client());
    frames.extend(messages::client());
    frames.extend(presence::client());
    frames
}

fn slots() -> Vec<Slot> {
    vec![
        Slot { mid: "3".to_owned(), participant: Some(bob()), source: Some(Source::Mic) },
        Slot { mid: "4".to_owned(), participant: Some(bob()), source: Some(Source::Camera) },
        Slot { mid: "5".to_owned(), participant: None, source: None },
    ]
}

fn missed() -> CallMissed {
    CallMissed { call_id: call_id(), from: person("bob", "Bob", None), media: MediaKind::Voice, at: Timestamp(AT) }
}

fn welcome() -> Welcome {
    Welcome {
        user_id: user("alice"),
        name: "Alice".to_owned(),
        device_id: device("alice-laptop"),
        session: session(),
        secret: "kZ0mX2…".to_owned(),
        resumed: true,
        last_request: RequestId(4),
        heartbeat_s: 15,
        resume_window_s: 60,
        limits: Limits {
            frame_bytes_max: 65_536,
            requests_per_s: 20,
            requests_burst: 60,
            outstanding_max: 16,
            watched_users_max: 200,
            watched_groups_max: 50,
        },
        uploads: Some(uploads::limits()),
        now: Timestamp(AT + 8_000),
        calls: vec![CallSnapshot {
            call_id: call_id(),
            peer: person("bob", "Bob", None),
            outgoing: true,
            media: MediaKind::Video,
            phase: Phase::Active,
            answered_at: Some(Timestamp(AT + 6_500)),
            held: false,
            conference: false,
            group: None,
        }],
        calls_elsewhere: vec![elsewhere()],
        group_calls: vec![conferences::going()],
        missed_calls: vec![missed()],
        video_codec: VideoCodec::default(),
        ice_servers: vec![IceServer {
            urls: vec!["turn:turn.example.org:3478".to_owned()],
            username: Some("tertulia".to_owned()),
            credential: Some("…".to_owned()),
        }],
        ice_expires_at: Some(Timestamp(AT + 43_200_000)),
        settings: settings(),
        instance: "b3k7q2".to_owned(),
        demo: false,
    }
}

fn elsewhere() -> CallElsewhere {
    CallElsewhere {
        call_id: CallId::new(Timestamp(AT - 60_000), 7),
        peer: person("carol", "Carol", None),
        media: MediaKind::Voice,
        answered_at: Timestamp(AT - 55_000),
        device_id: device("alice-phone"),
        device_name: Some("Alice's phone".to_owned()),
        conference: false,
        group: None,
    }
}

fn settings() -> Settings {
    let do_not_disturb_until = Some(Timestamp(AT + 28_800_000));
    Settings { do_not_disturb_until, online: Audience::Everyone, last_seen: Audience::Contacts }
}

fn devices() -> Devices {
    let device = |id: &str, name: &str, primary, online| Device {
        device_id: device(id),
        name: name.to_owned(),
        primary,
        linked_at: Timestamp(AT - 86_400_000),
        seen_at: Some(Timestamp(AT)),
        online,
    };
    Devices {
        devices: vec![
            device("alice-phone", "Alice's phone", true, true),
            device("alice-laptop", "Firefox on Linux", false, false),
        ],
    }
}

fn summary() -> QualitySummary {
    QualitySummary {
        score: 4.25,
        score_min: 3.5,
        rtt_ms: 48.0,
        loss: 0.0125,
        jitter_ms: 6.5,
        interruptions: 1,
        interrupted_ms: 640,
    }
}

/// Of every frame that the server sends.
pub(crate) fn server() -> Vec<ServerFrame> {
    let call_id = call_id();
    let quality = TrackQuality { bitrate_bps: 1_480_000, loss: 0.25, jitter_ms: 3.5 };
    let Participant { user_id, device_id } = bob();
    let mut frames = vec![
        ServerFrame::Welcome(Box::new(welcome())),
        ServerFrame::Ok(OkFrame {
            id: RequestId(2),
            sdp: Some(OFFER.to_owned()),
            slots: Some(slots()),
            ..OkFrame::default()
        }),
        ServerFrame::Error(ErrorFrame { id: Some(RequestId(7)), error: rate_limited() }),
        ServerFrame::Ping(Ping { now: Timestamp(AT + 15_000) }),
        ServerFrame::Drain(Drain { deadline_ms: 6_500 }),
        ServerFrame::Displaced(Displaced {}),
        ServerFrame::CallIncoming(CallIncoming {
            call_id,
            from: person("alice", "Alice", None),
            media: MediaKind::Video,
            expires_at: Timestamp(AT + 60_000),
            conference: false,
            group: None,
        }),
        ServerFrame::CallState(CallState { call_id, phase: Phase::Active, answered_at: Some(Timestamp(AT + 6_500)) }),
        ServerFrame::CallRoster(CallRoster {
            call_id,
            version: 2,
            participants: vec![RosterEntry {
                participant: bob(),
                name: "Bob".to_owned(),
                media: MediaFlags { mic: true, camera: true, screen: false },
                held: false,
                hand_at: None,
            }],
            conference: false,
            ringing: Vec::new(),
            hosts: Vec::new(),
            approval: false,
        }),
        ServerFrame::CallSlots(CallSlots { call_id, slots: slots() }),
        ServerFrame::CallQuality(CallQuality {
            call_id,
            participants: vec![ParticipantQuality {
                user_id,
                device_id,
                rtt_ms: Some(42.5),
                estimate_bps: Some(2_400_000),
                up: quality,
                down: TrackQuality::default(),
                score: Some(4.25),
            }],
        }),
        ServerFrame::CallEnded(CallEnded { call_id, reason: EndReason::Hangup, duration_ms: 73_200 }),
        ServerFrame::CallMissed(missed()),
        ServerFrame::CallsElsewhere(CallsElsewhere { calls: vec![elsewhere()] }),
        ServerFrame::Devices(devices()),
        ServerFrame::Settings(settings()),
        ServerFrame::DemoPeople(people()),
    ];
    frames.extend(conferences::server());
    frames.extend(uploads::frames());
    frames.extend(messages::server());
    frames.extend(groups::server());
    frames.extend(presence::server());
    frames
}

fn people() -> DemoPeople {
    DemoPeople { people: vec![person("alice", "Alice", Some(true)), person("bob", "Bob", Some(false))] }
}

fn rate_limited() -> ErrorBody {
    ErrorBody { retry_after_ms: Some(750), ..ErrorCode::RateLimited.into() }
}

/// Of every HTTP body, by the name of its type.
pub(crate) fn http() -> serde_json::Result<Vec<(&'static str, Value)>> {
    let calls = vec![CallRecord {
        call_id: call_id(),
        direction: Direction::Incoming,
        peer: person("bob", "Bob", None),
        media: MediaKind::Voice,
        started_at: Timestamp(AT),
        ended_at: Timestamp(AT + 79_700),
        reason: EndReason::Hangup,
        duration_ms: 73_200,
        quality: Some(summary()),
        peer_quality: Some(summary()),
        group: None,
        people: Vec::new(),
        people_count: None,
    }];
    let mut bodies = accounts()?;
    bodies.extend(uploads::bodies()?);
    bodies.extend(groups::bodies()?);
    bodies.extend(conferences::bodies()?);
    bodies.extend(messages::bodies()?);
    bodies.extend(push::bodies()?);
    bodies.extend([
        ("DemoSignIn", serde_json::to_value(DemoSignIn { name: "Alice".to_owned() })?),
        ("DemoSignedIn", serde_json::to_value(DemoSignedIn { user_id: user("alice"), token: TOKEN.to_owned() })?),
        ("DemoPeople", serde_json::to_value(people())?),
        ("CallRecord", serde_json::to_value(conferences::past_call())?),
        ("CallHistory", serde_json::to_value(CallHistory { calls, next: Some(call_id()) })?),
        ("ServerInfo", serde_json::to_value(server_info())?),
        ("IceServers", serde_json::to_value(ice_servers())?),
        ("WireError", serde_json::to_value(WireError { error: rate_limited() })?),
    ]);
    Ok(bodies)
}

fn server_info() -> ServerInfo {
    ServerInfo { sign_in: vec![SignInWay::Phone, SignInWay::Token], phone_region: Some("ES".to_owned()), pin_digits: 6 }
}

fn ice_servers() -> IceServers {
    let Welcome { ice_servers, ice_expires_at: expires_at, .. } = welcome();
    IceServers { ice_servers, expires_at }
}

fn access() -> DeviceAccess {
    DeviceAccess { user_id: user("u4kq2mz7"), device_id: device("d91c5e07"), token: DEVICE_TOKEN.to_owned() }
}

fn accounts() -> serde_json::Result<Vec<(&'static str, Value)>> {
    let phone = "+34612345678".to_owned();
    let registration_id = "r8f2c1d0".to_owned();
    let name = "Alice's phone".to_owned();
    let registered = Registered {
        registration_id: registration_id.clone(),
        phone: phone.clone(),
        expires_in_s: 600,
        again_in_s: 30,
    };
    let verify = Verify {
        registration_id,
        pin: "314159".to_owned(),
        device_name: name.clone(),
        name: Some("Alice".to_owned()),
        unlink_others: false,
    };
    let begun = LinkBegun {
        link_id: "l5d0a77e".to_owned(),
        code: "K7QX-M2PD".to_owned(),
        secret: "9vT3…".to_owned(),
        expires_in_s: 180,
    };
    let found = LinkFound { device_name: name.clone(), address: "203.0.113.7".to_owned(), asked_at: Timestamp(AT) };
    let profile = Profile { user_id: user("u4kq2mz7"), name: "Alice".to_owned(), phone: Some(phone.clone()) };
    let patch = SettingsPatch { do_not_disturb_until: Some(Timestamp(0)), ..SettingsPatch::default() };
    Ok(vec![
        ("Register", serde_json::to_value(Register { phone: "+34 612 345 678".to_owned() })?),
        ("Registered", serde_json::to_value(registered)?),
        ("Verify", serde_json::to_value(verify)?),
        ("DeviceAccess", serde_json::to_value(access())?),
        ("LinkBegin", serde_json::to_value(LinkBegin { device_name: name })?),
        ("LinkBegun", serde_json::to_value(begun.clone())?),
        ("LinkState", serde_json::to_value(LinkState::Approved(access()))?),
        ("LinkCode", serde_json::to_value(LinkCode { code: begun.code })?),
        ("LinkFound", serde_json::to_value(found)?),
        ("Devices", serde_json::to_value(devices())?),
        ("Settings", serde_json::to_value(settings())?),
        ("SettingsPatch", serde_json::to_value(patch)?),
        ("Profile", serde_json::to_value(profile)?),
        ("ProfilePatch", serde_json::to_value(ProfilePatch { name: Some("Ali".to_owned()) })?),
        ("Lookup", serde_json::to_value(Lookup { phone })?),
        ("Person", serde_json::to_value(person("u4kq2mz7", "Alice", None))?),
        ("Blocks", serde_json::to_value(Blocks { blocked: vec![person("mallory", "Mallory", None)] })?),
    ])
}
