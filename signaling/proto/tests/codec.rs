//! Both codecs: what goes in comes out, what is unknown is ignored, what is hostile is refused.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};
use tertulia_common::{CallId, DeviceId, SessionId, Timestamp, UserId};
use tertulia_signaling_proto::compact::{KEYS, TYPES};
use tertulia_signaling_proto::{
    Ack, Audience, CallAdd, CallAdmit, CallConnect, CallDecline, CallElsewhere, CallEnded, CallGroup, CallHand,
    CallHold, CallIncoming, CallInvite, CallLinkPeek, CallLook, CallMedia, CallMissed, CallPeek, CallPublish,
    CallQuality, CallReact, CallReaction, CallRemove, CallRequest, CallRoster, CallRosterChanges, CallSlots,
    CallSnapshot, CallSpeakers, CallState, CallView, CallWaiting, CallsElsewhere, Caps, ClientFrame, CloseCode, Codec,
    DeclineReason, DemoPeople, Device, Devices, Displaced, Drain, EndReason, ErrorBody, ErrorCode, ErrorFrame,
    GroupCall, GroupCallChanged, Hello, IceServer, Limits, MediaFlags, MediaKind, OkFrame, Participant,
    ParticipantQuality, Person, Phase, Ping, Probe, PublishWanted, RequestId, Resume, RosterEntry, ServerFrame,
    Settings, Slot, Source, Target, TrackQuality, VideoCodec, ViewWant, Welcome,
};

/// Numbers that every client can hold (JavaScript's safe integers).
const NUMBER_MAX: u64 = (1 << 53) - 1;

fn number() -> impl Strategy<Value = u64> {
    0..=NUMBER_MAX
}

fn time() -> impl Strategy<Value = Timestamp> {
    number().prop_map(Timestamp)
}

fn id() -> impl Strategy<Value = RequestId> {
    number().prop_map(RequestId)
}

fn call_id() -> impl Strategy<Value = CallId> {
    (0..1_u64 << 47, any::<u128>()).prop_map(|(at, random)| CallId::new(Timestamp(at), random))
}

fn session() -> impl Strategy<Value = SessionId> {
    (0..1_u64 << 47, any::<u128>()).prop_map(|(at, random)| SessionId::new(Timestamp(at), random))
}

fn user() -> impl Strategy<Value = UserId> {
    "[a-zA-Zéß日0-9._@+:-]{1,20}".prop_map(|text| text.parse().unwrap())
}

fn device() -> impl Strategy<Value = DeviceId> {
    "[a-zA-Z0-9._-]{1,64}".prop_map(|text| text.parse().unwrap())
}

fn text() -> impl Strategy<Value = String> {
    any::<String>()
}

fn media() -> impl Strategy<Value = MediaKind> {
    prop_oneof![Just(MediaKind::Voice), Just(MediaKind::Video)]
}

fn flags() -> impl Strategy<Value = MediaFlags> {
    any::<(bool, bool, bool)>().prop_map(|(mic, camera, screen)| MediaFlags { mic, camera, screen })
}

fn person() -> impl Strategy<Value = Person> {
    (user(), text(), any::<Option<bool>>(), any::<bool>()).prop_map(|(user_id, name, online, deleted)| Person {
        user_id,
        name,
        online,
        deleted,
    })
}

fn participant() -> impl Strategy<Value = Participant> {
    (user(), device()).prop_map(|(user_id, device_id)| Participant { user_id, device_id })
}

fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![
        Just(Phase::Offered),
        Just(Phase::Ringing),
        Just(Phase::Connecting),
        Just(Phase::Active),
        Just(Phase::Reconnecting),
        Just(Phase::Waiting)
    ]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![Just(Source::Mic), Just(Source::Camera), Just(Source::Screen)]
}

fn slot() -> impl Strategy<Value = Slot> {
    (text(), option::of(participant()), option::of(source())).prop_map(|(mid, participant, source)| Slot {
        mid,
        participant,
        source,
    })
}

fn quality() -> impl Strategy<Value = TrackQuality> {
    (number(), 0.0_f32..1.0, 0.0_f32..1e6).prop_map(|(bitrate_bps, loss, jitter_ms)| TrackQuality {
        bitrate_bps,
        loss,
        jitter_ms,
    })
}

fn participant_quality() -> impl Strategy<Value = ParticipantQuality> {
    let score = option::of(1.0_f32..5.0);
    (participant(), option::of(0.0_f32..1e6), option::of(number()), quality(), quality(), score).prop_map(
        |(Participant { user_id, device_id }, rtt_ms, estimate_bps, up, down, score)| ParticipantQuality {
            user_id,
            device_id,
            rtt_ms,
            estimate_bps,
            up,
            down,
            score,
        },
    )
}

fn end_reason() -> impl Strategy<Value = EndReason> {
    prop_oneof![
        Just(EndReason::Hangup),
        Just(EndReason::Declined),
        Just(EndReason::Busy),
        Just(EndReason::Cancelled),
        Just(EndReason::Missed),
        Just(EndReason::AnsweredElsewhere),
        Just(EndReason::DeclinedElsewhere),
        Just(EndReason::Failed),
        Just(EndReason::Lost),
        Just(EndReason::HandedOver),
        Just(EndReason::Removed)
    ]
}

fn error() -> impl Strategy<Value = ErrorBody> {
    let code = proptest::sample::select(ErrorCode::ALL);
    (code, text(), option::of(number()), option::of(number()), option::of(number())).prop_map(
        |(code, message, limit, actual, retry_after_ms)| ErrorBody {
            code,
            class: code.class(),
            message,
            limit,
            actual,
            retry_after_ms,
        },
    )
}

fn missed() -> impl Strategy<Value = CallMissed> {
    (call_id(), person(), media(), time()).prop_map(|(call_id, from, media, at)| CallMissed {
        call_id,
        from,
        media,
        at,
    })
}

fn elsewhere() -> impl Strategy<Value = CallElsewhere> {
    (call_id(), person(), media(), time(), device(), option::of(text())).prop_map(
        |(call_id, peer, media, answered_at, device_id, device_name)| CallElsewhere {
            call_id,
            peer,
            media,
            answered_at,
            device_id,
            device_name,
            conference: false,
            group: None,
        },
    )
}

fn of_group() -> impl Strategy<Value = Option<CallGroup>> {
    option::of((text(), text()).prop_map(|(group_id, name)| CallGroup { group_id, name }))
}

fn group_call() -> impl Strategy<Value = GroupCall> {
    (text(), call_id(), media(), person(), time(), any::<u32>()).prop_map(
        |(group_id, call_id, media, started_by, started_at, participants)| GroupCall {
            group_id,
            call_id,
            media,
            started_by,
            started_at,
            participants,
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    let audience = || prop_oneof![Just(Audience::Everyone), Just(Audience::Contacts), Just(Audience::Nobody)];
    (option::of(time()), audience(), audience()).prop_map(|(do_not_disturb_until, online, last_seen)| Settings {
        do_not_disturb_until,
        online,
        last_seen,
    })
}

fn listed_device() -> impl Strategy<Value = Device> {
    (device(), text(), any::<(bool, bool)>(), time(), option::of(time())).prop_map(
        |(device_id, name, (primary, online), linked_at, seen_at)| Device {
            device_id,
            name,
            primary,
            linked_at,
            seen_at,
            online,
        },
    )
}

fn conference_frame() -> impl Strategy<Value = ClientFrame> {
    let want = (user(), device(), source(), any::<u32>())
        .prop_map(|(user_id, device_id, source, max_height)| ViewWant { user_id, device_id, source, max_height });
    prop_oneof![
        (id(), text(), media(), any::<bool>()).prop_map(|(id, to, media, by_link)| {
            let to = if by_link { Target::Link(to) } else { Target::Group(to) };
            ClientFrame::CallInvite(CallInvite { id, to, media })
        }),
        (id(), call_id(), vec(user(), 0..4)).prop_map(|(id, call_id, users)| ClientFrame::CallAdd(CallAdd {
            id,
            call_id,
            users
        })),
        (id(), call_id(), user()).prop_map(|(id, call_id, user_id)| ClientFrame::CallRemove(CallRemove {
            id,
            call_id,
            user_id
        })),
        (id(), call_id(), any::<bool>()).prop_map(|(id, call_id, raised)| ClientFrame::CallHand(CallHand {
            id,
            call_id,
            raised
        })),
        (id(), call_id(), text()).prop_map(|(id, call_id, reaction)| ClientFrame::CallReact(CallReact {
            id,
            call_id,
            reaction
        })),
        (id(), call_id(), vec(want, 0..4)).prop_map(|(id, call_id, wants)| ClientFrame::CallView(CallView {
            id,
            call_id,
            wants
        })),
    ]
}

fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let resume =
        (session(), text(), number()).prop_map(|(session, secret, received)| Resume { session, secret, received });
    let hello = (text(), option::of(device()), option::of(resume), any::<(bool, bool, bool)>()).prop_map(
        |(token, device_id, resume, (rings, call_waiting, messages))| {
            ClientFrame::Hello(Hello { token, device_id, resume, caps: Caps { rings, call_waiting, messages } })
        },
    );
    let request = || (id(), call_id()).prop_map(|(id, call_id)| CallRequest { id, call_id });
    let reason = prop_oneof![Just(DeclineReason::Declined), Just(DeclineReason::Busy)];
    prop_oneof![
        hello,
        number().prop_map(|received| ClientFrame::Pong(Ack { received })),
        number().prop_map(|received| ClientFrame::Ack(Ack { received })),
        (id(), user(), media())
            .prop_map(|(id, to, media)| { ClientFrame::CallInvite(CallInvite { id, to: Target::User(to), media }) }),
        request().prop_map(ClientFrame::CallRinging),
        request().prop_map(ClientFrame::CallAccept),
        request().prop_map(ClientFrame::CallCancel),
        request().prop_map(ClientFrame::CallHangup),
        request().prop_map(ClientFrame::CallJoin),
        request().prop_map(ClientFrame::CallLeave),
        (id(), option::of(call_id()), option::of(text()))
            .prop_map(|(id, call_id, link)| ClientFrame::CallPeek(CallLook { id, call_id, link })),
        (id(), call_id(), user(), any::<bool>()).prop_map(|(id, call_id, user_id, admit)| {
            ClientFrame::CallAdmit(CallAdmit { id, call_id, user_id, admit })
        }),
        conference_frame(),
        (id(), call_id(), any::<bool>()).prop_map(|(id, call_id, on)| ClientFrame::CallHold(CallHold {
            id,
            call_id,
            on
        })),
        id().prop_map(|id| ClientFrame::Probe(Probe { id })),
        (id(), call_id(), reason).prop_map(|(id, call_id, reason)| ClientFrame::CallDecline(CallDecline {
            id,
            call_id,
            reason
        })),
        (id(), call_id(), text()).prop_map(|(id, call_id, sdp)| ClientFrame::CallConnect(CallConnect {
            id,
            call_id,
            sdp
        })),
        (id(), call_id(), flags()).prop_map(|(id, call_id, media)| ClientFrame::CallMedia(CallMedia {
            id,
            call_id,
            media
        })),
    ]
}

fn welcome() -> impl Strategy<Value = ServerFrame> {
    let ice = (vec(text(), 0..3), option::of(text()), option::of(text()))
        .prop_map(|(urls, username, credential)| IceServer { urls, username, credential });
    let snapshot = (call_id(), person(), any::<(bool, bool, bool)>(), media(), phase(), option::of(time()), of_group())
        .prop_map(|(call_id, peer, (outgoing, held, conference), media, phase, answered_at, group)| CallSnapshot {
            call_id,
            peer,
            outgoing,
            media,
            phase,
            answered_at,
            held,
            conference,
            group,
        });
    let who = (user(), text(), device(), session(), text(), any::<bool>(), id());
    let limits = any::<(u32, u32, u32, u32, u32, u32)>();
    let lists = (vec(snapshot, 0..3), vec(missed(), 0..3), vec(ice, 0..2), vec(elsewhere(), 0..2));
    let video = any::<bool>().prop_map(|it| if it { VideoCodec::Av1 } else { VideoCodec::default() });
    let late = (option::of(time()), settings(), text(), vec(group_call(), 0..2), video);
    (who, any::<(u32, u32, bool)>(), limits, time(), lists, late).prop_map(
        |(
            who,
            (heartbeat_s, resume_window_s, demo),
            limits,
            now,
            lists,
            (ice_expires_at, settings, instance, group_calls, video_codec),
        )| {
            let (calls, missed_calls, ice_servers, calls_elsewhere) = lists;
            let (user_id, name, device_id, session, secret, resumed, last_request) = who;
            let (a, b, c, d, e, f) = limits;
            let limits = Limits {
                frame_bytes_max: a,
                requests_per_s: b,
                requests_burst: c,
                outstanding_max: d,
                watched_users_max: e,
                watched_groups_max: f,
            };
            ServerFrame::Welcome(Box::new(Welcome {
                user_id,
                name,
                device_id,
                session,
                secret,
                resumed,
                last_request,
                heartbeat_s,
                resume_window_s,
                limits,
                now,
                calls,
                missed_calls,
                calls_elsewhere,
                group_calls,
                video_codec,
                ice_servers,
                ice_expires_at,
                settings,
                instance,
                demo,
                uploads: None,
            }))
        },
    )
}

fn call_frame() -> impl Strategy<Value = ServerFrame> {
    let entry = (participant(), text(), flags(), any::<bool>(), option::of(time()))
        .prop_map(|(participant, name, media, held, hand_at)| RosterEntry { participant, name, media, held, hand_at })
        .boxed();
    let wanted =
        (source(), option::of(any::<u32>())).prop_map(|(source, max_height)| PublishWanted { source, max_height });
    let roster = (any::<(bool, bool)>(), vec(person(), 0..3), vec(user(), 0..3)).boxed();
    prop_oneof![
        (call_id(), person(), media(), time(), any::<bool>(), of_group()).prop_map(
            |(call_id, from, media, expires_at, conference, group)| {
                ServerFrame::CallIncoming(CallIncoming { call_id, from, media, expires_at, conference, group })
            }
        ),
        (call_id(), vec(participant(), 0..4))
            .prop_map(|(call_id, speakers)| ServerFrame::CallSpeakers(CallSpeakers { call_id, speakers })),
        (call_id(), vec(wanted, 0..3))
            .prop_map(|(call_id, wanted)| ServerFrame::CallPublish(CallPublish { call_id, wanted })),
        (call_id(), participant(), text())
            .prop_map(|(call_id, from, reaction)| ServerFrame::CallReaction(CallReaction { call_id, from, reaction })),
        (text(), option::of(group_call()))
            .prop_map(|(group_id, call)| ServerFrame::CallGroup(Box::new(GroupCallChanged { group_id, call }))),
        (call_id(), phase(), option::of(time())).prop_map(|(call_id, phase, answered_at)| {
            ServerFrame::CallState(CallState { call_id, phase, answered_at })
        }),
        (call_id(), any::<(u32, u32)>(), vec(entry.clone(), 0..4), vec(participant(), 0..3), roster.clone()).prop_map(
            |(call_id, (since, version), changed, gone, (_, ringing, hosts))| {
                let changes = CallRosterChanges { call_id, since, version, changed, gone, ringing, hosts };
                ServerFrame::CallRosterChanges(changes)
            }
        ),
        (call_id(), any::<u32>(), vec(entry, 0..4), roster).prop_map(|(call_id, version, participants, rest)| {
            let ((conference, approval), ringing, hosts) = rest;
            let roster = CallRoster { call_id, version, participants, conference, ringing, hosts, approval };
            ServerFrame::CallRoster(roster)
        }),
        (call_id(), vec(slot(), 0..4))
            .prop_map(|(call_id, slots)| ServerFrame::CallSlots(CallSlots { call_id, slots })),
        (call_id(), vec(participant_quality(), 0..3))
            .prop_map(|(call_id, participants)| { ServerFrame::CallQuality(CallQuality { call_id, participants }) }),
        (call_id(), end_reason(), number()).prop_map(|(call_id, reason, duration_ms)| {
            ServerFrame::CallEnded(CallEnded { call_id, reason, duration_ms })
        }),
        missed().prop_map(ServerFrame::CallMissed),
        vec(elsewhere(), 0..3).prop_map(|calls| ServerFrame::CallsElsewhere(CallsElsewhere { calls })),
    ]
}

fn server_frame() -> impl Strategy<Value = ServerFrame> {
    let peek = (call_id(), media(), time(), vec(person(), 0..3))
        .prop_map(|(call_id, media, started_at, participants)| CallPeek { call_id, media, started_at, participants });
    let ok = (id(), option::of(call_id()), option::of(text()), option::of(vec(slot(), 0..4)), option::of(peek))
        .prop_map(|(id, call_id, sdp, slots, peek)| {
            ServerFrame::Ok(OkFrame { id, call_id, sdp, slots, peek, ..OkFrame::default() })
        });
    let looked = (option::of(text()), media(), person(), any::<(bool, bool)>(), time()).prop_map(
        |(name, media, owner, (approval, active), expires_at)| CallLinkPeek {
            name,
            media,
            owner,
            approval,
            expires_at,
            active,
            call: None,
        },
    );
    let by_link = (id(), any::<bool>(), option::of(looked.prop_map(Box::new)))
        .prop_map(|(id, waiting, link)| ServerFrame::Ok(OkFrame { id, waiting, link, ..OkFrame::default() }));
    prop_oneof![
        welcome(),
        ok,
        by_link,
        (call_id(), vec(person(), 0..4))
            .prop_map(|(call_id, people)| ServerFrame::CallWaiting(CallWaiting { call_id, people })),
        (option::of(id()), error()).prop_map(|(id, error)| ServerFrame::Error(ErrorFrame { id, error })),
        time().prop_map(|now| ServerFrame::Ping(Ping { now })),
        any::<u32>().prop_map(|deadline_ms| ServerFrame::Drain(Drain { deadline_ms })),
        Just(ServerFrame::Displaced(Displaced {})),
        call_frame(),
        vec(listed_device(), 0..4).prop_map(|devices| ServerFrame::Devices(Devices { devices })),
        settings().prop_map(ServerFrame::Settings),
        vec(person(), 0..4).prop_map(|people| ServerFrame::DemoPeople(DemoPeople { people })),
    ]
}

proptest! {
    #[test]
    fn every_client_frame_survives_every_codec(frame in client_frame()) {
        for codec in Codec::ALL {
            prop_assert_eq!(&codec.decode_client(&codec.encode_client(&frame)).unwrap(), &frame);
        }
    }

    #[test]
    fn every_server_frame_survives_every_codec(frame in server_frame()) {
        for codec in Codec::ALL {
            prop_assert_eq!(&codec.decode_server(&codec.encode_server(&frame)).unwrap(), &frame);
        }
    }

    #[test]
    fn no_bytes_make_a_codec_panic(bytes in vec(any::<u8>(), 0..200)) {
        for codec in Codec::ALL {
            // Whatever it is, a frame or an error: the test is that it comes back.
            codec.decode_client(&bytes).ok();
            codec.decode_server(&bytes).ok();
        }
    }

    #[test]
    fn a_cut_or_changed_frame_is_an_error_or_a_frame(frame in client_frame(), at: usize, byte: u8) {
        for codec in Codec::ALL {
            let mut bytes = codec.encode_client(&frame);
            let at = at % bytes.len();
            prop_assert!(codec.decode_client(&bytes[..at]).is_err(), "a part of a frame is no frame");
            bytes[at] = byte;
            codec.decode_client(&bytes).ok();
        }
    }
}

/// The same value in each codec.
fn encoded(codec: Codec, value: &Value) -> Vec<u8> {
    match codec {
        Codec::Json => value.to_string().into_bytes(),
        Codec::Msgpack | Codec::Compact => rmp_serde::to_vec_named(value).unwrap(),
    }
}

#[test]
fn unknown_fields_are_ignored_wherever_they_are() {
    let hello = json!({"type": "hello", "token": "t", "new": {"deep": [1, {"er": null}]},
                       "caps": {"rings": true, "flies": 7}});
    let caps = Caps { rings: true, call_waiting: false, messages: false };
    let expected = ClientFrame::Hello(Hello { token: "t".to_owned(), device_id: None, resume: None, caps });
    let id = "01a0c450-6c00-7415-9265-358979323846";
    let media = json!({"type": "call.media", "id": 1, "call_id": id, "mic": true, "camera": false, "screen": false,
                       "hologram": true});
    for codec in Codec::ALL {
        assert_eq!(codec.decode_client(&encoded(codec, &hello)).unwrap(), expected);
        assert!(matches!(codec.decode_client(&encoded(codec, &media)), Ok(ClientFrame::CallMedia(_))));
    }
}

fn number_of(names: &[&str], name: &str) -> u8 {
    names.iter().position(|known| *known == name).unwrap() as u8
}

#[test]
fn the_type_may_come_last() {
    for codec in Codec::ALL {
        let frame = match codec {
            Codec::Json => br#"{"received":3,"type":"ack"}"#.to_vec(),
            // A map of two: "received" 3, "type" "ack".
            Codec::Msgpack => b"\x82\xa8received\x03\xa4type\xa3ack".to_vec(),
            Codec::Compact => {
                vec![0x82, number_of(&KEYS, "received"), 3, number_of(&KEYS, "type"), number_of(&TYPES, "ack")]
            }
        };
        assert_eq!(codec.decode_client(&frame).unwrap(), ClientFrame::Ack(Ack { received: 3 }));
    }
}

#[test]
fn what_is_no_frame_is_refused() {
    let id = "01a0c450-6c00-7415-9265-358979323846";
    for value in [
        json!(null),
        json!([]),
        json!({}),
        json!({"type": "nonsense"}),
        json!({"type": 7}),
        json!({"type": "ack"}),
        json!({"type": "ack", "received": -1}),
        json!({"type": "ack", "received": "1"}),
        json!({"type": "call.accept", "id": 1, "call_id": "no uuid"}),
        json!({"type": "call.invite", "id": 1, "to": {"user": ""}, "media": "video"}),
        json!({"type": "call.invite", "id": 1, "to": {"user": "a b"}, "media": "video"}),
        json!({"type": "call.invite", "id": 1, "to": {"user": "x".repeat(65)}, "media": "video"}),
        json!({"type": "call.invite", "id": 1, "to": {"user": "bob"}, "media": "smell"}),
        json!({"type": "call.decline", "id": 1, "call_id": id, "reason": "lazy"}),
        json!({"type": "hello", "token": "t", "device_id": "has blank s"}),
    ] {
        for codec in Codec::ALL {
            assert!(codec.decode_client(&encoded(codec, &value)).is_err(), "{codec:?} {value}");
        }
    }
    assert!(Codec::Json.decode_client(b"{\"type\":\"ack\",\"received\":1} more").is_err());
}

#[test]
fn a_depth_bomb_is_refused_and_costs_no_stack() {
    let deep = 1_000_000;
    let lists =
        [b"{\"type\":\"ack\",\"received\":1,\"x\":".to_vec(), vec![b'['; deep], vec![b']'; deep], b"}".to_vec()];
    assert!(Codec::Json.decode_client(&lists.concat()).is_err());
    // A map of three whose last value is a list in a list in a list.
    let bomb = [b"\x83\xa4type\xa3ack\xa8received\x01\xa1x".to_vec(), vec![0x91; deep], vec![0xc0]].concat();
    assert!(Codec::Msgpack.decode_client(&bomb).is_err());
}

#[test]
fn a_length_that_is_not_there_reserves_nothing() {
    // Maps, lists, texts and binaries that claim four billion entries, and then end.
    for claim in
        [b"\xdf\xff\xff\xff\xff".as_slice(), b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"]
    {
        assert!(Codec::Msgpack.decode_client(claim).is_err());
        let inside = [b"\x82\xa4type\xa5hello\xa5token".as_slice(), claim].concat();
        assert!(Codec::Msgpack.decode_client(&inside).is_err());
    }
}

#[test]
fn subprotocols_name_their_codec_and_nothing_else_does() {
    for codec in Codec::ALL {
        assert_eq!(Codec::of_subprotocol(codec.subprotocol()), Some(codec));
    }
    assert_eq!(Codec::of_subprotocol("tertulia.v2.json"), None);
}

#[test]
fn codes_are_unique_and_say_whether_to_come_back() {
    let mut codes: Vec<u16> = CloseCode::ALL.iter().map(|code| code.code()).collect();
    assert!(codes.iter().all(|code| (4000..5000).contains(code)), "the range for applications (RFC 6455 §7.4.2)");
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), CloseCode::ALL.len());
    assert!(CloseCode::ALL.iter().all(|code| code.reason().len() <= 123), "RFC 6455 §5.5");
}
