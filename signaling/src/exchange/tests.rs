//! Calls and their media without sockets: what the forwarding unit says is said by the test.

mod moves;

use super::*;
use crate::history;
use crate::metrics::Metrics;
use tertulia_common::PeerId;
use tertulia_directory::Directory;
use tertulia_sfu::{Event as MediaEvent, GoneReason, PeerQuality, SlotState, Source, TrackQuality};
use tertulia_signaling_core::Request;
use tertulia_signaling_proto::{Codec, EndReason, Phase};

struct World {
    exchange: Arc<Exchange>,
    hub: Arc<Hub>,
    writer: history::Writer,
    directory: Directory,
    _dir: tempfile::TempDir,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::open(&dir.path().join("directory.sqlite")).await.unwrap();
    for (id, name) in [("alice", "ALICE"), ("bob", "BOB")] {
        directory.ensure_user(&user(id), Some(name)).await.unwrap();
    }
    let (exchange, writer, hub) = exchange_on(&directory);
    World { exchange, hub, writer, directory, _dir: dir }
}

fn exchange_on(directory: &Directory) -> (Arc<Exchange>, history::Writer, Arc<Hub>) {
    let limits = Limits::default();
    let hub = Arc::new(Hub::new(16, 100, limits.outbox(), Arc::new(Metrics::default())));
    let clock = Clock::start();
    let (history, writer) = history::history(Arc::clone(&hub), directory.clone(), clock, None);
    let media = tertulia_sfu::Config { shards: 1, ..tertulia_sfu::Config::default() };
    let (sfu, _events) = tertulia_sfu::start(media).unwrap();
    let exchange = Exchange::new(Arc::clone(&hub), sfu, history, clock, Timeouts::default(), &limits, None);
    (exchange, writer, hub)
}

/// A device with a session, and what it has heard.
struct Device {
    session: Arc<Session>,
    link: Arc<Link>,
}

impl World {
    fn device(&self, user: &str, device: &str) -> Device {
        let who = Identity {
            id: tertulia_common::SessionId::new(Timestamp(1), random()),
            endpoint: Endpoint { user: user.parse().unwrap(), device: device.parse().unwrap() },
            name: user.to_uppercase(),
            rings: true,
            call_waiting: false,
            messages: false,
            codec: Codec::Json,
            secret: [0; 16],
        };
        let Ok(Opened { session, link, .. }) = self.exchange.open(who) else { panic!("there is room") };
        Device { session, link }
    }

    fn call(&self, from: &Device, to: &str) -> CallId {
        let callee = Some(Dialled { user: to.parse().unwrap(), name: to.to_uppercase(), reach: Reach::Rings });
        let mut placed = None;
        self.exchange.invite(&from.session, callee, MediaKind::Video, |answer| placed = answer.unwrap().call_id);
        placed.unwrap()
    }

    fn ask(&self, device: &Device, request: Request) {
        self.exchange.request(&device.session, RequestId(1), request);
    }

    fn begin(&self, device: &Device, call: CallId) -> Ticket {
        self.exchange.begin_connect(&device.session, call).map(|(ticket, _)| ticket).unwrap()
    }

    fn end(&self, device: &Device, ticket: Ticket, slots: Vec<SlotState>) -> Result<OkFrame, ErrorCode> {
        let mut given = None;
        let connected = Ok(Connected { answer: "an answer".to_owned(), slots, made: 1 });
        let endpoint = &device.session.who.endpoint;
        self.exchange.end_connect(endpoint, ticket, connected, |answer| given = Some(answer));
        given.unwrap().map_err(|error| error.code)
    }

    /// An answered call with both devices connected.
    fn answered(&self, alice: &Device, bob: &Device) -> (CallId, Ticket, Ticket) {
        let call = self.call(alice, "bob");
        let (of_alice, of_bob) = (self.begin(alice, call), self.begin(bob, call));
        self.end(alice, of_alice, vec![]).unwrap();
        self.end(bob, of_bob, vec![]).unwrap();
        self.ask(bob, Request::Accept { call });
        (call, of_alice, of_bob)
    }
}

impl Device {
    fn heard(&self) -> Vec<ServerFrame> {
        let frames = self.session.take_unsent(self.link.fence, 1_000).unwrap();
        frames.iter().map(|frame| Codec::Json.decode_server(frame).unwrap()).collect()
    }

    fn phases(&self) -> Vec<Phase> {
        let phase = |frame| match frame {
            ServerFrame::CallState(state) => Some(state.phase),
            _ => None,
        };
        self.heard().into_iter().filter_map(phase).collect()
    }
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn up(ticket: Ticket) -> MediaEvent {
    MediaEvent::Up { room: ticket.room, peer: ticket.peer }
}

#[tokio::test]
async fn a_call_is_active_when_the_media_of_both_is_up_and_reconnects_when_one_is_down() {
    let world = world().await;
    let (alice, bob) = (world.device("alice", "phone"), world.device("bob", "phone"));
    let (_, of_alice, of_bob) = world.answered(&alice, &bob);
    world.exchange.media_event(up(of_alice));
    alice.heard();
    world.exchange.media_event(up(of_bob));
    assert_eq!(alice.phases(), [Phase::Active]);
    world.exchange.media_event(MediaEvent::Down { room: of_bob.room, peer: of_bob.peer });
    assert_eq!(alice.phases(), [Phase::Reconnecting]);
    world.exchange.media_event(up(of_bob));
    assert_eq!(alice.phases(), [Phase::Active]);
}

#[tokio::test]
async fn a_peer_that_is_over_is_replaced_by_a_new_one_and_a_restart_keeps_it() {
    let world = world().await;
    let (alice, bob) = (world.device("alice", "phone"), world.device("bob", "phone"));
    let (call, of_alice, of_bob) = world.answered(&alice, &bob);
    world.exchange.media_event(up(of_alice));
    world.exchange.media_event(up(of_bob));
    let restart = world.begin(&bob, call);
    assert_eq!(restart, of_bob, "an offer again is a restart of the same peer");
    world.end(&bob, restart, vec![]).unwrap();
    alice.heard();
    let gone = MediaEvent::Gone { room: of_bob.room, peer: of_bob.peer, made: 1, reason: GoneReason::Silent };
    world.exchange.media_event(gone);
    assert_eq!(alice.phases(), [Phase::Reconnecting]);
    let again = world.begin(&bob, call);
    assert_ne!(again.peer, of_bob.peer);
    world.exchange.media_event(up(of_bob));
    assert_eq!(alice.phases(), [] as [Phase; 0], "what is said of the old peer is about nobody");
    world.end(&bob, again, vec![]).unwrap();
    world.exchange.media_event(up(again));
    assert_eq!(alice.phases(), [Phase::Active]);
}

#[tokio::test]
async fn slots_and_figures_name_devices_and_go_to_whom_they_are_about() {
    let world = world().await;
    let (alice, bob) = (world.device("alice", "phone"), world.device("bob", "tablet"));
    let (_, of_alice, of_bob) = world.answered(&alice, &bob);
    alice.heard();
    bob.heard();
    let carries = Some((of_bob.peer, Source::Camera));
    let slots = vec![SlotState { mid: "4".to_owned(), carries }, SlotState { mid: "5".to_owned(), carries: None }];
    world.exchange.media_event(MediaEvent::Slots { room: of_alice.room, peer: of_alice.peer, slots });
    let [ServerFrame::CallSlots(slots)] = &alice.heard()[..] else { panic!("one frame of slots") };
    let carried = slots.slots[0].participant.as_ref().unwrap();
    assert_eq!((carried.user_id.as_str(), carried.device_id.as_str()), ("bob", "tablet"));
    assert_eq!((slots.slots[1].mid.as_str(), &slots.slots[1].participant), ("5", &None));
    assert!(bob.heard().is_empty());

    let figures = |peer, rtt| PeerQuality {
        peer,
        rtt_ms: Some(rtt),
        estimate_bps: None,
        up: TrackQuality::default(),
        down: TrackQuality::default(),
    };
    let peers = vec![figures(of_alice.peer, 1.0), figures(of_bob.peer, 2.0), figures(PeerId(99), 3.0)];
    world.exchange.media_event(MediaEvent::Quality { room: of_alice.room, peers });
    let [ServerFrame::CallQuality(quality)] = &bob.heard()[..] else { panic!("one frame of figures") };
    let users: Vec<_> = quality.participants.iter().map(|of| (of.user_id.as_str(), of.rtt_ms)).collect();
    assert_eq!(users, [("alice", Some(1.0)), ("bob", Some(2.0))]);

    alice.heard();
    let many = (0..31).map(|stranger| figures(PeerId(100 + stranger), 9.0));
    let peers = [figures(of_alice.peer, 1.0), figures(of_bob.peer, 2.0)].into_iter().chain(many).collect();
    world.exchange.media_event(MediaEvent::Quality { room: of_alice.room, peers });
    for (device, name) in [(&alice, "alice"), (&bob, "bob")] {
        let [ServerFrame::CallQuality(quality)] = &device.heard()[..] else { panic!("one frame of figures") };
        let users: Vec<_> = quality.participants.iter().map(|of| of.user_id.as_str()).collect();
        assert_eq!(users, [name], "where many are each hears their own");
    }
}

#[tokio::test]
async fn an_offer_whose_call_ended_meanwhile_is_undone() {
    let world = world().await;
    let (alice, _bob) = (world.device("alice", "phone"), world.device("bob", "phone"));
    let call = world.call(&alice, "bob");
    let ticket = world.begin(&alice, call);
    assert_eq!(world.exchange.load().rooms, 1);
    world.ask(&alice, Request::Cancel { call });
    assert_eq!(world.end(&alice, ticket, vec![]), Err(ErrorCode::CallOver));
    let load = world.exchange.load();
    assert_eq!((load.rooms, load.peers, load.calls.live()), (0, 0, 0));
}

#[tokio::test]
async fn an_offer_of_a_device_that_lost_the_race_meanwhile_is_undone() {
    let world = world().await;
    let (alice, phone, tablet) =
        (world.device("alice", "phone"), world.device("bob", "phone"), world.device("bob", "tablet"));
    let call = world.call(&alice, "bob");
    let ticket = world.begin(&tablet, call);
    world.ask(&phone, Request::Accept { call });
    assert_eq!(world.end(&tablet, ticket, vec![]), Err(ErrorCode::CallAnsweredElsewhere));
    assert_eq!(world.exchange.load().peers, 0);
    let late = world.exchange.begin_connect(&tablet.session, call).err();
    assert_eq!(late.map(|error| error.code), Some(ErrorCode::CallAnsweredElsewhere));
}

#[tokio::test]
async fn a_refused_first_offer_leaves_no_peer_and_a_refused_later_one_leaves_it() {
    let world = world().await;
    let (alice, _bob) = (world.device("alice", "phone"), world.device("bob", "phone"));
    let call = world.call(&alice, "bob");
    let refuse = |ticket| {
        let refusal = Err(ErrorCode::SdpInvalid.into());
        world.exchange.end_connect(&alice.session.who.endpoint, ticket, refusal, |answer| {
            assert_eq!(answer.unwrap_err().code, ErrorCode::SdpInvalid);
        });
    };
    refuse(world.begin(&alice, call));
    assert_eq!(world.exchange.load().peers, 0);
    let ticket = world.begin(&alice, call);
    world.end(&alice, ticket, vec![]).unwrap();
    refuse(world.begin(&alice, call));
    assert_eq!(world.exchange.load().peers, 1);
}

/// A page that is loaded anew closes its connection and offers the next one: what is said of the first may come at any moment.
#[tokio::test]
async fn c6_a_connection_that_ends_while_the_next_is_made_ends_neither_that_nor_the_call() {
    let world = world().await;
    let (alice, bob) = (world.device("alice", "phone"), world.device("bob", "phone"));
    let (call, of_alice, of_bob) = world.answered(&alice, &bob);
    [of_alice, of_bob].into_iter().for_each(|ticket| world.exchange.media_event(up(ticket)));
    let gone = || MediaEvent::Gone { room: of_bob.room, peer: of_bob.peer, made: 1, reason: GoneReason::Closed };
    let anew = |ticket| {
        let mut given = None;
        let connected = Ok(Connected { answer: "an answer".to_owned(), slots: vec![], made: 2 });
        world.exchange.end_connect(&bob.session.who.endpoint, ticket, connected, |answer| given = Some(answer));
        given.unwrap()
    };
    alice.heard();
    // Before the next one is answered.
    let ticket = world.begin(&bob, call);
    world.exchange.media_event(gone());
    anew(ticket).unwrap();
    world.exchange.media_event(up(ticket));
    assert_eq!(alice.phases(), [Phase::Reconnecting, Phase::Active]);
    // And after it: it is none of the new one's.
    world.exchange.media_event(gone());
    assert_eq!(alice.phases(), []);
    assert_eq!(world.exchange.load().peers, 2);
}

#[tokio::test]
async fn what_is_said_of_unknown_rooms_and_peers_changes_nothing() {
    let world = world().await;
    let (alice, bob) = (world.device("alice", "phone"), world.device("bob", "phone"));
    let (_, of_alice, _) = world.answered(&alice, &bob);
    alice.heard();
    bob.heard();
    for (room, peer) in [(RoomId(7), of_alice.peer), (of_alice.room, PeerId(99))] {
        let reason = GoneReason::Failed;
        world.exchange.media_event(MediaEvent::Up { room, peer });
        world.exchange.media_event(MediaEvent::Down { room, peer });
        world.exchange.media_event(MediaEvent::Gone { room, peer, made: 1, reason });
        world.exchange.media_event(MediaEvent::Slots { room, peer, slots: vec![] });
        world.exchange.media_event(MediaEvent::Quality { room: RoomId(7), peers: vec![] });
    }
    assert!(alice.heard().is_empty() && bob.heard().is_empty());
}

#[tokio::test]
async fn at_most_eight_ringing_devices_connect_before_the_answer() {
    let world = world().await;
    let alice = world.device("alice", "phone");
    let bobs: Vec<Device> = (0..10).map(|number| world.device("bob", &format!("d{number}"))).collect();
    let call = world.call(&alice, "bob");
    let refused = |bob: &Device| world.exchange.begin_connect(&bob.session, call).err().map(|error| error.code);
    let late = Some(ErrorCode::CallStateMismatch);
    let outcomes: Vec<_> = bobs.iter().map(refused).collect();
    assert_eq!(outcomes, [vec![None; 8], vec![late; 2]].concat());
    world.ask(&bobs[9], Request::Accept { call });
    assert_eq!(refused(&bobs[9]), None, "after the answer there is no storm");
}

#[tokio::test]
async fn when_the_forwarding_unit_is_gone_every_call_ends_and_none_begins() {
    let world = world().await;
    let (alice, bob) = (world.device("alice", "phone"), world.device("bob", "phone"));
    world.answered(&alice, &bob);
    let (sender, events) = tokio::sync::mpsc::channel(1);
    drop(sender);
    world.exchange.follow_media(events).await;
    let ended =
        |frame: &ServerFrame| matches!(frame, ServerFrame::CallEnded(ended) if ended.reason == EndReason::Failed);
    assert!(alice.heard().iter().any(ended) && bob.heard().iter().any(ended));
    assert_eq!(world.exchange.take_invite(&user("alice"), Some(&user("bob"))).unwrap_err().code, ErrorCode::Draining);
    assert_eq!(world.hub.counts(), (2, 2));
}

#[tokio::test]
async fn a3_whoever_is_expelled_leaves_their_call_and_asks_for_nothing_any_more() {
    let world = world().await;
    let (alice, bob) = (world.device("alice", "phone"), world.device("bob", "phone"));
    let (call, _, of_bob) = world.answered(&alice, &bob);
    world.exchange.media_event(up(of_bob));
    assert_eq!(world.exchange.devices_of(&user("alice")).first(), Some(&alice.session.who.endpoint.device));
    bob.heard();
    world.exchange.expel(&alice.session.who.endpoint);
    let ended =
        |frame: &ServerFrame| matches!(frame, ServerFrame::CallEnded(ended) if ended.reason == EndReason::Hangup);
    assert!(bob.heard().iter().any(ended));
    assert_eq!(world.exchange.load().calls.live(), 0);
    assert!(world.exchange.devices_of(&user("alice")).is_empty());

    // What was under way meanwhile: an invite that waited for the directory, an answer, an offer.
    let callee = Some(Dialled { user: user("bob"), name: "BOB".to_owned(), reach: Reach::Rings });
    let mut placed = None;
    world.exchange.invite(&alice.session, callee, MediaKind::Voice, |answer| placed = Some(answer));
    assert_eq!(placed.unwrap().unwrap_err().code, ErrorCode::TokenInvalid);
    world.ask(&alice, Request::Hangup { call });
    assert!(world.exchange.begin_connect(&alice.session, call).is_err());
    assert_eq!((world.exchange.load().calls.live(), bob.heard().len()), (0, 0));
}
