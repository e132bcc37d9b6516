//! Calls that move, wait, and are measured.

use super::*;

fn figures(ticket: Ticket, rtt_ms: f32) -> PeerQuality {
    let (up, down) = (TrackQuality::default(), TrackQuality::default());
    PeerQuality { peer: ticket.peer, rtt_ms: Some(rtt_ms), estimate_bps: None, up, down }
}

fn ended(frames: &[ServerFrame]) -> Vec<EndReason> {
    let reason = |frame: &ServerFrame| match frame {
        ServerFrame::CallEnded(ended) => Some(ended.reason),
        _ => None,
    };
    frames.iter().filter_map(reason).collect()
}

#[tokio::test]
async fn c1_a_call_moves_when_the_media_of_the_new_device_are_up() {
    let world = world().await;
    let (alice, phone) = (world.device("alice", "phone"), world.device("bob", "phone"));
    let laptop = world.device("bob", "laptop");
    let (call, of_alice, of_phone) = world.answered(&alice, &phone);
    world.exchange.media_event(up(of_alice));
    world.exchange.media_event(up(of_phone));
    let shown = laptop.heard().into_iter().rev().find_map(|frame| match frame {
        ServerFrame::CallsElsewhere(elsewhere) => Some(elsewhere.calls),
        _ => None,
    });
    assert_eq!(shown.unwrap()[0].device_id.as_str(), "phone");
    world.ask(&laptop, Request::Join { call, member: false });
    let of_laptop = world.begin(&laptop, call);
    world.end(&laptop, of_laptop, vec![]).unwrap();
    phone.heard();
    assert_eq!(world.exchange.load().peers, 3, "both are connected for a moment");
    world.exchange.media_event(up(of_laptop));
    assert_eq!(world.exchange.load().peers, 2);
    let heard = phone.heard();
    assert_eq!(ended(&heard), [EndReason::HandedOver]);
    let elsewhere = |frame: &ServerFrame| matches!(frame, ServerFrame::CallsElsewhere(e) if e.calls.len() == 1);
    assert!(heard.iter().any(elsewhere), "now it runs elsewhere: {heard:?}");
    assert_eq!(world.exchange.going(&laptop.session).calls.len(), 1);
}

#[tokio::test]
async fn c10_an_interruption_ends_when_another_device_takes_over() {
    let world = world().await;
    let (alice, phone) = (world.device("alice", "phone"), world.device("bob", "phone"));
    let laptop = world.device("bob", "laptop");
    let (call, of_alice, of_phone) = world.answered(&alice, &phone);
    world.exchange.media_event(up(of_alice));
    world.exchange.media_event(up(of_phone));
    world.exchange.media_event(MediaEvent::Quality { room: of_phone.room, peers: vec![figures(of_phone, 10.0)] });
    world.exchange.media_event(MediaEvent::Down { room: of_phone.room, peer: of_phone.peer });
    world.ask(&laptop, Request::Join { call, member: false });
    let of_laptop = world.begin(&laptop, call);
    world.end(&laptop, of_laptop, vec![]).unwrap();
    world.exchange.media_event(up(of_laptop));
    let tally = world.exchange.inner.lock().books[&call.into()].quality.callee;
    let long_after = tally.summary(Timestamp(u64::MAX / 2)).unwrap();
    assert!(long_after.interruptions == 1 && long_after.interrupted_ms < 60_000, "{long_after:?}");
}

#[tokio::test]
async fn c10_both_hear_scores_and_the_history_says_how_it_was() {
    let world = world().await;
    let (alice, bob) = (world.device("alice", "phone"), world.device("bob", "phone"));
    let call = world.call(&alice, "bob");
    let (of_alice, of_bob) = (world.begin(&alice, call), world.begin(&bob, call));
    let measure = |rtt_ms| {
        let peers = vec![figures(of_alice, rtt_ms), figures(of_bob, rtt_ms)];
        world.exchange.media_event(MediaEvent::Quality { room: of_alice.room, peers });
    };
    measure(900.0);
    world.end(&alice, of_alice, vec![]).unwrap();
    world.end(&bob, of_bob, vec![]).unwrap();
    world.ask(&bob, Request::Accept { call });
    world.exchange.media_event(up(of_alice));
    world.exchange.media_event(up(of_bob));
    bob.heard();
    measure(10.0);
    let [ServerFrame::CallQuality(quality)] = &bob.heard()[..] else { panic!("one frame of figures") };
    assert!(quality.participants.iter().all(|of| of.score.is_some_and(|score| score > 4.0)), "{quality:?}");
    let down = MediaEvent::Down { room: of_bob.room, peer: of_bob.peer };
    world.exchange.media_event(down.clone());
    world.exchange.media_event(down);
    world.exchange.media_event(up(of_bob));
    world.ask(&alice, Request::Hangup { call });

    let World { exchange, writer, directory, .. } = world;
    let writing = tokio::spawn(writer.run());
    exchange.history.flush().await;
    writing.abort();
    let of = async |who: &str| {
        let calls = directory.calls_of(&user(who), None, 1).await.unwrap();
        let call = history::call_to_wire(&user(who), calls.into_iter().next().unwrap(), |_| None);
        (call.quality.unwrap(), call.peer_quality.unwrap())
    };
    let (mine, theirs) = of("alice").await;
    assert_eq!(of("bob").await, (theirs, mine));
    assert_eq!((mine.interruptions, theirs.interruptions), (0, 1));
    assert!(
        mine.score_min > 4.0 && (mine.rtt_ms - 10.0).abs() < 0.1,
        "what was before the answer does not count: {mine:?}"
    );
}

#[tokio::test]
async fn c6_what_was_measured_before_a_restart_counts_after_it() {
    let world = world().await;
    let (alice, bob) = (world.device("alice", "phone"), world.device("bob", "phone"));
    let (call, of_alice, of_bob) = world.answered(&alice, &bob);
    world.exchange.media_event(up(of_alice));
    world.exchange.media_event(up(of_bob));
    let peers = vec![figures(of_alice, 20.0)];
    world.exchange.media_event(MediaEvent::Quality { room: of_alice.room, peers });
    // Whatever changes the call has the figures written with it.
    world.ask(&alice, Request::Hold { call, on: true });
    let World { exchange, writer, directory, .. } = world;
    let writing = tokio::spawn(writer.run());
    exchange.history.flush().await;
    writing.abort();

    let (exchange, writer, _hub) = exchange_on(&directory);
    let a_while_ago = Timestamp(exchange.clock.now().0 - 60_000);
    directory.tick(a_while_ago).await.unwrap();
    let devices = exchange.restore(&directory).await.unwrap();
    assert_eq!(devices.len(), 2);
    let writing = tokio::spawn(writer.run());
    exchange.history.flush().await;
    writing.abort();
    assert!(directory.live_calls().await.unwrap().alive_at > Some(a_while_ago), "this run lives, whatever comes");
    let inner = exchange.inner.lock();
    let book = inner.books.get(&call.into()).unwrap();
    assert_eq!(book.names.of(&user("alice")), "ALICE");
    let summary = book.quality.caller.summary(exchange.clock.now()).unwrap();
    assert_eq!((summary.rtt_ms, summary.interruptions), (20.0, 1), "the restart is one");
}
