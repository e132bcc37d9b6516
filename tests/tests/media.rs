//! Media through the forwarding unit (c1, c2): what goes in at one end comes out at the other, with an independent
//! implementation at both, and it survives what networks do.

use anyhow::{Context, ensure};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tertulia_signaling_proto::{EndReason, MediaKind, Phase, ServerFrame, Source};
use tertulia_tests::Server;
use tertulia_tests::media::tone;
use tertulia_tests::media::webrtc_peer::{Received, WebrtcPeer};
use tertulia_tests::media::{Fleet, Line, Sending};
use tertulia_tests::scene::{Call, LiveCall, connect_media};
use tertulia_tests::wait::{PATIENCE, eventually, in_time};

const ALICES_TONE: f64 = 440.0;
const BOBS_TONE: f64 = 660.0;

/// Speaks and shows for as long as it is polled: a tone, and numbered pictures of three packets.
async fn perform(peer: &WebrtcPeer, hertz: f64) -> anyhow::Result<()> {
    let mut source = tone::Source::new(hertz)?;
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for n in 0u32.. {
        tick.tick().await;
        peer.send_audio(source.packet()?).await?;
        if n.is_multiple_of(2) {
            for part in 0..3u8 {
                peer.send_video(picture(n / 2, part), part == 2).await?;
            }
        }
    }
    Ok(())
}

/// A packet of a numbered key frame: VP8 descriptor and header, then what the test recognises.
fn picture(number: u32, part: u8) -> Vec<u8> {
    let descriptor = if part == 0 { [0x10, 0x10, 0x02, 0x00] } else { [0x00; 4] };
    let start = if part == 0 { [0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00] } else { [0x00; 7] };
    let body = (0..200 + number as usize % 700).map(|at| (at as u32 * 31 + number * 7 + u32::from(part)) as u8);
    let number = number.to_be_bytes();
    descriptor.into_iter().chain(start).chain([part]).chain(number).chain(body).collect()
}

/// The number and part that a packet says it is.
fn label(packet: &Received) -> Option<(u32, u8)> {
    let number = packet.payload.get(12..16)?.try_into().ok()?;
    Some((u32::from_be_bytes(number), packet.payload[11]))
}

/// Each payload is one that was sent, whole; they come in the order they were sent, numbered without a gap. A packet may
/// come twice: what probes the way for bandwidth is a packet that was sent before.
fn check_video(packets: &[Received]) -> anyhow::Result<()> {
    let mut newest = None;
    let is_new = |packet: &&Received| {
        let ahead = newest.is_none_or(|newest: u16| packet.seq.wrapping_sub(newest).wrapping_sub(1) < 0x8000);
        newest = if ahead { Some(packet.seq) } else { newest };
        ahead
    };
    let packets: Vec<&Received> = packets.iter().filter(is_new).collect();
    for packet in &packets {
        let (number, part) = label(packet).context("a short packet")?;
        ensure!(packet.payload == picture(number, part), "picture {number} part {part} was changed");
        ensure!(packet.marker == (part == 2), "the marker of picture {number} part {part}");
    }
    for pair in packets.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        ensure!(after.seq == before.seq.wrapping_add(1), "{} after {}", after.seq, before.seq);
        ensure!(label(after) > label(before), "{:?} after {:?}", label(after), label(before));
    }
    Ok(())
}

async fn hears(peer: &WebrtcPeer, expected: f64, own: f64) -> anyhow::Result<()> {
    let enough = || async { (peer.received(false).len() > 100).then_some(()) };
    eventually("two seconds of audio", enough).await?;
    let mut listener = tone::Listener::new()?;
    for packet in peer.received(false) {
        listener.hear(&packet.payload)?;
    }
    let (purity, echo) = (listener.purity(expected), listener.purity(own));
    ensure!(purity > 0.9, "{expected} Hz is {purity} of what came");
    ensure!(echo < 0.05, "its own tone came back: {echo}");
    Ok(())
}

async fn sees(peer: &WebrtcPeer) -> anyhow::Result<()> {
    let enough = || async { (peer.received(true).len() > 150).then_some(()) };
    eventually("fifty pictures", enough).await?;
    check_video(&peer.received(true))
}

#[tokio::test]
async fn c2_a_tone_and_pictures_pass_both_ways_between_webrtc_rs_peers() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut call = Call::ringing(&server, MediaKind::Video).await?;
    let (alice, offer) = WebrtcPeer::offer().await?;
    let (answer, _) = call.alice.media_connect(call.id, offer).await?;
    alice.connect(answer).await?;
    let (bob, offer) = WebrtcPeer::offer().await?;
    let (answer, slots) = call.bob.media_connect(call.id, offer).await?;
    bob.connect(answer).await?;
    ensure!(slots.len() == 2, "an audio and a video slot: {slots:?}");
    call.bob.accept(call.id).await??;
    call.alice.phase(call.id, Phase::Active).await?;
    tokio::select! {
        stopped = perform(&alice, ALICES_TONE) => stopped.context("Alice stopped"),
        stopped = perform(&bob, BOBS_TONE) => stopped.context("Bob stopped"),
        checked = async {
            hears(&bob, ALICES_TONE, BOBS_TONE).await.context("Bob hears Alice")?;
            hears(&alice, BOBS_TONE, ALICES_TONE).await.context("Alice hears Bob")?;
            sees(&bob).await.context("Bob sees Alice")?;
            sees(&alice).await.context("Alice sees Bob")
        } => checked,
    }?;
    call.hang_up().await
}

#[tokio::test]
async fn c1_media_connects_while_it_rings_and_nothing_flows_before_accept() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut call = Call::ringing(&server, MediaKind::Video).await?;
    let fleet = Fleet::start()?;
    let alice = connect_media(&fleet, &mut call.alice, call.id, Line::CALL).await?;
    let bob = connect_media(&fleet, &mut call.bob, call.id, Line::CALL).await?;
    for member in [&alice, &bob] {
        let up = || async { member.tally.connected.load(Relaxed).then_some(()) };
        eventually("ICE and DTLS while it rings", up).await?;
    }
    // Alice is eager; a second of her voice and picture reaches the server, and goes no further.
    for (line, sending) in [(Line::Mic, Sending::AUDIO), (Line::Camera, Sending::VIDEO)] {
        let mid = fleet.with(&alice, move |peer| peer.mid(line)).await??;
        fleet.send(&alice, mid, sending, Duration::ZERO).await?;
    }
    let spoke = || async { (alice.tally.sent.load(Relaxed) > 200).then_some(()) };
    eventually("Alice speaks", spoke).await?;
    let arrived =
        || async { (server.metrics().await.ok()?.sum("tertulia_sfu_datagrams_received", &[]) > 150.0).then_some(()) };
    eventually("it reaches the server", arrived).await?;
    ensure!(bob.tally.received.load(Relaxed) == 0, "Bob heard her before he accepted");
    call.bob.accept(call.id).await??;
    let flows = || async { (bob.tally.received.load(Relaxed) > 100).then_some(()) };
    eventually("he hears and sees her", flows).await?;
    call.hang_up().await
}

#[tokio::test]
async fn c2_slots_say_whose_microphone_and_camera_they_carry() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    let alice = live.call.alice.user_id().clone();
    let full = |frame: &ServerFrame| match frame {
        ServerFrame::CallSlots(slots) => {
            let carried = |source| {
                let of_alice = |p: &tertulia_signaling_proto::Participant| p.user_id == alice;
                slots.slots.iter().any(|s| s.source == Some(source) && s.participant.as_ref().is_some_and(of_alice))
            };
            (carried(Source::Mic) && carried(Source::Camera)).then_some(())
        }
        _ => None,
    };
    live.call.bob.expect("slots with Alice's microphone and camera", full).await?;
    live.call.hang_up().await
}

#[tokio::test]
async fn c2_quality_figures_come_while_media_flows() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    let both = |frame: &ServerFrame| match frame {
        ServerFrame::CallQuality(quality) => {
            let busy =
                quality.participants.iter().filter(|p| p.up.bitrate_bps > 100_000 && p.down.bitrate_bps > 100_000);
            (busy.count() == 2).then_some(())
        }
        _ => None,
    };
    live.call.alice.expect("bitrates of both", both).await?;
    live.call.hang_up().await
}

#[tokio::test]
async fn c6_a_new_port_behind_a_nat_goes_on_without_a_new_handshake() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    let joins = both_joined(&server).await?;
    live.fleet.rebind(&live.bob).await?;
    live.flows().await?;
    rises_by_one_address(&server).await?;
    ensure!(server.metrics().await?.sum("tertulia_sfu_joins", &[]) == joins, "a new handshake");
    live.undisturbed().await
}

/// The shards publish their figures twice a second: these are the figures once both are in.
async fn both_joined(server: &Server) -> anyhow::Result<f64> {
    let joined = || async {
        let joins = server.metrics().await.ok()?.sum("tertulia_sfu_joins", &[]);
        (joins >= 2.0).then_some(joins)
    };
    eventually("both have joined", joined).await
}

async fn rises_by_one_address(server: &Server) -> anyhow::Result<()> {
    tertulia_tests::metrics::rises(server, "tertulia_sfu_addresses_changed", &[], 0.0).await
}

#[tokio::test]
async fn c6_an_ice_restart_keeps_the_media() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    let joins = both_joined(&server).await?;
    let offer = live.fleet.with(&live.bob, tertulia_tests::media::Peer::ice_restart).await??;
    let (answer, _) = live.call.bob.media_connect(live.call.id, offer).await?;
    live.fleet.with(&live.bob, move |peer| peer.accept_answer(&answer)).await??;
    live.flows().await?;
    ensure!(server.metrics().await?.sum("tertulia_sfu_joins", &[]) == joins, "a new handshake");
    live.undisturbed().await
}

#[tokio::test]
async fn c6_lost_signalling_sockets_do_not_touch_the_media() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    live.call.alice.lose_socket().await;
    live.call.bob.lose_socket().await;
    live.flows().await?;
    ensure!(live.call.alice.resume(&server).await? && live.call.bob.resume(&server).await?);
    live.undisturbed().await?;
    live.call.hang_up().await
}

#[tokio::test]
async fn c6_a_peer_that_falls_silent_is_found_and_the_call_ends_as_lost_after_its_grace() -> anyhow::Result<()> {
    let server = Server::builder().set("calls.grace_ms", 1000).start().await?;
    let mut live = LiveCall::start(&server).await?;
    // Bob's battery is empty: neither socket nor media says a word.
    live.call.bob.lose_socket().await;
    let silent = Instant::now();
    live.fleet.silence(&live.bob).await?;
    live.call.alice.phase(live.call.id, Phase::Reconnecting).await?;
    live.call.alice.ended(live.call.id, EndReason::Lost).await?;
    ensure!(silent.elapsed() < PATIENCE);
    Ok(())
}

#[tokio::test]
async fn c1_hanging_up_removes_both_peers_from_the_forwarding_unit() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    tertulia_tests::metrics::rises(&server, "tertulia_sfu_packets_forwarded", &[], 0.0).await?;
    live.call.hang_up().await?;
    let empty = || async {
        let metrics = server.metrics().await.ok()?;
        (metrics.sum("tertulia_sfu_peers", &[]) == 0.0 && metrics.sum("tertulia_sfu_rooms", &[]) == 0.0).then_some(())
    };
    eventually("no peer and no room is left", empty).await?;
    let before = live.bob.tally.received.load(Relaxed);
    in_time("a moment", tokio::time::sleep(Duration::from_millis(300))).await?;
    ensure!(live.bob.tally.received.load(Relaxed) == before, "media flows after the end");
    Ok(())
}
