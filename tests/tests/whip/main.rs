//! c9: standard peers. Programs publish into a group's call by WHIP and play it by WHEP: aiortc, FFmpeg, GStreamer, and our own light
//! peers.
//!
//! `./x test` sets `TERTULIA_AIORTC_PYTHON`, fetches an FFmpeg that has WHIP to `.cache/samples`, and installs GStreamer. Without them these tests fail: they
//! never skip.

mod refusals;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use std::sync::atomic::Ordering::Relaxed;
use tertulia_common::{CallId, ClientMessageId, Timestamp};
use tertulia_signaling_proto::{
    CallInvite, CallRequest, CallRoster, ClientFrame, Codec, EndReason, MediaKind, Phase, ServerFrame, Source, Target,
};
use tertulia_tests::accounts::{Account, Carrier};
use tertulia_tests::http::{self, Answer};
use tertulia_tests::media::{Fleet, Line, Member, Peer};
use tertulia_tests::scene::{connect_media, send_all};
use tertulia_tests::token::{named_token, token};
use tertulia_tests::wait::{eventually, in_time};
use tertulia_tests::{Client, Server};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SDP: &str = "application/sdp";
const FRAG: &str = "application/trickle-ice-sdpfrag";
/// Packets that prove a flow.
const FLOWING: u64 = 40;

async fn device(server: &Server, user: &str) -> anyhow::Result<Client> {
    Client::connect_for_messages(server, user, "phone", Codec::Json).await
}

async fn group(server: &Server, by: &str, members: &[&str]) -> anyhow::Result<String> {
    let client_id = ClientMessageId::new(Timestamp(1_790_000_000_000), 1);
    let body = json!({"client_id": client_id, "name": "Sunday walks", "members": members}).to_string();
    let made = server.post("/v1/groups", Some(by), &body).await?;
    ensure!(made.status == 201, "{made:?}");
    made.json()?["group_id"].as_str().map(str::to_owned).context("a group")
}

async fn start(client: &mut Client, group: &str) -> anyhow::Result<CallId> {
    let to = Target::Group(group.to_owned());
    let started =
        client.request(|id| ClientFrame::CallInvite(CallInvite { id, to, media: MediaKind::Video })).await??;
    started.call_id.context("a call")
}

/// Waits until the roster has these in it, in the order of their coming.
async fn sees(client: &mut Client, call: CallId, users: &[&str]) -> anyhow::Result<CallRoster> {
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::CallRoster(roster) if roster.call_id == call => {
            let there = roster.participants.iter().map(|entry| entry.participant.user_id.as_str());
            there.eq(users.iter().copied()).then(|| roster.clone())
        }
        _ => None,
    };
    client.expect(&format!("a roster of {users:?}"), pick).await
}

/// Waits for slots that carry somebody's source.
async fn carries(client: &mut Client, call: CallId, user: &str, source: Source) -> anyhow::Result<()> {
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::CallSlots(slots) if slots.call_id == call => {
            let is_it = |slot: &tertulia_signaling_proto::Slot| {
                slot.source == Some(source) && slot.participant.as_ref().is_some_and(|of| of.user_id.as_str() == user)
            };
            slots.slots.iter().any(is_it).then_some(())
        }
        _ => None,
    };
    client.expect(&format!("a slot with {user}'s {source:?}"), pick).await
}

async fn flows(what: &str, member: &Member) -> anyhow::Result<()> {
    let before = member.tally.received.load(Relaxed);
    let more = || async { (member.tally.received.load(Relaxed) >= before + FLOWING).then_some(()) };
    eventually(what, more).await
}

/// A header of an answer.
fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let named = |line: &&str| line.split_once(':').is_some_and(|(of, _)| of.eq_ignore_ascii_case(name));
    answer.head.lines().find(named)?.split_once(':').map(|(_, value)| value.trim())
}

async fn post(server: &Server, kind: &str, room: &str, bearer: &str, offer: &str) -> anyhow::Result<Answer> {
    let path = format!("/v1/{kind}/{room}");
    http::request_with(server.http(), "POST", &path, bearer, &[("content-type", SDP)], offer).await
}

async fn delete(server: &Server, location: &str, bearer: &str) -> anyhow::Result<Answer> {
    server.request("DELETE", location, Some(bearer), None).await
}

async fn patch(
    server: &Server,
    location: &str,
    bearer: &str,
    if_match: Option<&str>,
    frag: &str,
) -> anyhow::Result<Answer> {
    let mut headers = vec![("content-type", FRAG)];
    headers.extend(if_match.map(|tag| ("if-match", tag)));
    http::request_with(server.http(), "PATCH", location, bearer, &headers, frag).await
}

/// A light peer that publishes or plays.
struct Standard {
    member: Member,
    location: String,
    tag: String,
    answer: String,
}

impl Standard {
    async fn new(
        server: &Server,
        fleet: &Fleet,
        (kind, room): (&str, &str),
        bearer: &str,
        lines: &[Line],
    ) -> anyhow::Result<Self> {
        let (mut peer, offer) = Peer::offer(LOOPBACK, lines)?;
        let answer = post(server, kind, room, bearer, &offer).await?;
        ensure!(answer.status == 201 && header(&answer, "content-type") == Some(SDP), "{answer:?}");
        let location = header(&answer, "location").context("a location")?.to_owned();
        let tag = header(&answer, "etag").context("a tag")?.to_owned();
        ensure!(location.starts_with(&format!("/v1/{kind}/")), "{location}");
        ensure!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 16, "{tag}");
        ensure!(header(&answer, "accept-patch") == Some(FRAG), "{answer:?}");
        ensure!(answer.body.starts_with("v=0\r\n") && answer.body.contains("a=candidate:"), "{answer:?}");
        ensure!(!answer.body.contains("a=x-"), "{answer:?}");
        peer.accept_answer(&answer.body)?;
        let member = fleet.add(peer).await?;
        Ok(Self { member, location, tag, answer: answer.body })
    }

    /// One that publishes a voice and a picture.
    async fn publishes(server: &Server, fleet: &Fleet, room: &str, bearer: &str) -> anyhow::Result<Self> {
        let there = Self::new(server, fleet, ("whip", room), bearer, &[Line::Mic, Line::Camera]).await?;
        send_all(fleet, &there.member).await?;
        Ok(there)
    }
}

/// A call of a group, of which Bob and Carol are in: he hears, she sees, and both send.
struct Scene {
    bob: Client,
    carol: Client,
    /// What Bob hears.
    ear: Member,
    /// What Carol sees.
    eye: Member,
    fleet: Fleet,
    group: String,
    call: CallId,
}

impl Scene {
    async fn start(server: &Server) -> anyhow::Result<Self> {
        Self::with(server, &[Line::Camera, Line::Eye]).await
    }

    async fn with(server: &Server, carols: &[Line]) -> anyhow::Result<Self> {
        // Whoever publishes needs no device: that they are in the group is enough.
        let _alice = device(server, "alice").await?;
        let (mut bob, mut carol) = (device(server, "bob").await?, device(server, "carol").await?);
        let group = group(server, &token("bob"), &["alice", "carol"]).await?;
        let fleet = Fleet::start()?;
        let call = start(&mut bob, &group).await?;
        let ear = connect_media(&fleet, &mut bob, call, &[Line::Mic, Line::Ear]).await?;
        bob.phase(call, Phase::Active).await?;
        carol.join(call).await??;
        let eye = connect_media(&fleet, &mut carol, call, carols).await?;
        carol.phase(call, Phase::Active).await?;
        sees(&mut bob, call, &["bob", "carol"]).await?;
        Ok(Self { bob, carol, ear, eye, fleet, group, call })
    }

    /// Alice's voice is heard and her picture is seen.
    async fn has_alice(&mut self) -> anyhow::Result<()> {
        let roster = sees(&mut self.bob, self.call, &["bob", "carol", "alice"]).await?;
        let alice = roster.participants.last().context("Alice")?;
        ensure!(alice.participant.device_id.as_str().starts_with("whip-"), "{alice:?}");
        carries(&mut self.bob, self.call, "alice", Source::Mic).await?;
        carries(&mut self.carol, self.call, "alice", Source::Camera).await?;
        flows("Alice's voice", &self.ear).await
    }

    async fn lacks_alice(&mut self) -> anyhow::Result<()> {
        sees(&mut self.bob, self.call, &["bob", "carol"]).await.map(drop)
    }
}

/// A program that publishes or plays, and says in lines of JSON how that goes.
struct Program {
    process: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Program {
    async fn aiortc(
        server: &Server,
        (kind, room): (&str, &str),
        by: &str,
        hertz: f64,
        frames: u32,
    ) -> anyhow::Result<Self> {
        let python = std::env::var("TERTULIA_AIORTC_PYTHON").context(
            "TERTULIA_AIORTC_PYTHON must name a Python with tests/peers/requirements.txt; `./x test` sets it",
        )?;
        let url = format!("http://{}/v1/{kind}/{room}", server.http());
        let mode = if kind == "whip" { "publish" } else { "play" };
        let mut there = Self::spawn(
            Command::new(python).arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/aiortc_standard.py")).args([
                mode,
                &url,
                &token(by),
                &hertz.to_string(),
                "25",
                &frames.to_string(),
            ]),
        )?;
        there.is_answered().await?;
        ensure!(there.line("the connection").await?["connected"] == true);
        Ok(there)
    }

    /// GStreamer, which publishes. How many PATCHes its candidates took.
    async fn gstreamer(server: &Server, room: &str, by: &str, hertz: f64) -> anyhow::Result<(Self, usize)> {
        let url = format!("http://{}/v1/whip/{room}", server.http());
        // The system's Python: the bindings of GStreamer are its.
        let mut there = Self::spawn(
            Command::new("/usr/bin/python3")
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/gstreamer_whip.py"))
                .args([&url, &hertz.to_string(), &token(by)]),
        )?;
        there.is_answered().await?;
        let (mut patches, mut line) = (0, there.line("the connection").await?);
        while line["connected"] != true {
            ensure!(line["patched"] == 204, "{line}");
            (patches, line) = (patches + 1, there.line("the connection").await?);
        }
        Ok((there, patches))
    }

    fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdin = process.stdin.take().context("its stdin")?;
        let stdout = BufReader::new(process.stdout.take().context("its stdout")?).lines();
        Ok(Self { process, stdin, stdout })
    }

    async fn is_answered(&mut self) -> anyhow::Result<()> {
        let posted = self.line("what the POST was answered with").await?;
        ensure!(posted["status"] == 201, "{posted}");
        Ok(())
    }

    async fn line(&mut self, what: &str) -> anyhow::Result<Value> {
        let line = in_time(what, self.stdout.next_line()).await??.with_context(|| format!("it ended before {what}"))?;
        Ok(serde_json::from_str(&line)?)
    }

    /// It deletes its resource.
    async fn end(&mut self) -> anyhow::Result<()> {
        self.stdin.write_all(b"\n").await?;
        let mut line = self.line("the end").await?;
        while line["patched"] == 204 {
            line = self.line("the end").await?; // a candidate that came late
        }
        ensure!(line["ended"] == 200, "{line}");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c9_aiortc_publishes_into_the_call_of_a_group_and_leaves_it_by_delete() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut scene = Scene::start(&server).await?;
    let mut alice = Program::aiortc(&server, ("whip", &scene.call.to_string()), "alice", 440.0, 0).await?;
    scene.has_alice().await?;
    flows("Alice's picture", &scene.eye).await?;
    alice.end().await?;
    scene.lacks_alice().await?;
    // A goodbye without one will do, sooner than silence is noticed.
    let mut again = Program::aiortc(&server, ("whip", &scene.group), "alice", 440.0, 0).await?;
    scene.has_alice().await?;
    again.stdin.write_all(b"close\n").await?;
    scene.lacks_alice().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c9_aiortc_plays_what_light_peers_send() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut scene = Scene::start(&server).await?;
    send_all(&scene.fleet, &scene.ear).await?;
    send_all(&scene.fleet, &scene.eye).await?;
    let mut alice = Program::aiortc(&server, ("whep", &scene.group), "alice", 0.0, 0).await?;
    let roster = sees(&mut scene.bob, scene.call, &["bob", "carol", "alice"]).await?;
    let there = roster.participants.last().context("Alice")?;
    ensure!(there.participant.device_id.as_str().starts_with("whep-"), "{there:?}");
    ensure!(!there.media.mic && !there.media.camera, "{there:?}");
    let report = alice.line("a report").await?;
    let packets = |of: &str| report["packets"][of].as_u64().unwrap_or_default();
    ensure!(packets("audio") >= 50 && packets("video") >= 50, "{report}");
    alice.end().await?;
    scene.lacks_alice().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c9_a_tone_and_pictures_that_are_published_come_out_where_they_are_played() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (_alice, _bob) = (device(&server, "alice").await?, device(&server, "bob").await?);
    let group = group(&server, &token("alice"), &["bob"]).await?;
    // Nobody is in a call there: the publisher begins it.
    let mut alice = Program::aiortc(&server, ("whip", &group), "alice", 440.0, 0).await?;
    let mut bob = Program::aiortc(&server, ("whep", &group), "bob", 440.0, 30).await?;
    let report = bob.line("a report").await?;
    ensure!(report["purity"].as_f64().is_some_and(|purity| purity > 0.9), "the tone: {report}");
    let counters: Vec<i64> =
        report["counters"].as_array().context("counters")?.iter().filter_map(Value::as_i64).collect();
    let steps: Vec<i64> = counters.windows(2).map(|pair| (pair[1] - pair[0]).rem_euclid(256)).collect();
    ensure!(counters.len() >= 30 && steps.iter().all(|step| *step <= 16), "the pictures: {counters:?}");
    bob.end().await?;
    alice.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c9_ffmpeg_publishes_h264_and_opus() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut scene = Scene::with(&server, &[Line::Eye]).await?;
    let ffmpeg = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/samples/ffmpeg");
    let url = format!("http://{}/v1/whip/{}", server.http(), scene.group);
    let mut publisher = Command::new(ffmpeg)
        .args(["-hide_banner", "-loglevel", "verbose", "-re"])
        .args(["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=15"])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
        .args(["-c:v", "libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-tune", "zerolatency"])
        .args(["-pix_fmt", "yuv420p", "-g", "15", "-b:v", "300k", "-c:a", "libopus", "-ac", "2", "-b:a", "64k"])
        .args(["-f", "whip", "-authorization", &token("alice"), &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("`./x test` fetches an FFmpeg that has WHIP")?;
    let mut stdin = publisher.stdin.take().context("its stdin")?;
    let log = tokio::spawn(async move { publisher.wait_with_output().await });
    let published = async {
        scene.has_alice().await?;
        // A light peer knows no H.264: whether the pictures are whole is said by who decodes them.
        let mut player = Program::aiortc(&server, ("whep", &scene.group), "carol", 440.0, 30).await?;
        let report = player.line("a report").await?;
        ensure!(report["purity"].as_f64().is_some_and(|purity| purity > 0.9), "the tone: {report}");
        ensure!(report["frames"].as_u64().is_some_and(|frames| frames >= 30), "the pictures: {report}");
        player.end().await
    };
    let published = published.await;
    stdin.write_all(b"q").await?;
    let log = in_time("FFmpeg's end", log).await???;
    let log = String::from_utf8_lossy(&log.stderr).into_owned();
    published.with_context(|| format!("FFmpeg: {log}\nserver: {}", server.log()))?;
    scene.lacks_alice().await.context(log)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c9_gstreamer_publishes_vp8_and_opus_and_its_candidates_trickle() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut scene = Scene::with(&server, &[Line::Eye]).await?;
    let (mut alice, patches) = Program::gstreamer(&server, &scene.group, "alice", 440.0).await?;
    ensure!(patches > 0, "its candidates came in the offer");
    scene.has_alice().await?;
    flows("Alice's picture", &scene.eye).await?;
    let mut player = Program::aiortc(&server, ("whep", &scene.group), "carol", 440.0, 30).await?;
    let report = player.line("a report").await?;
    ensure!(report["purity"].as_f64().is_some_and(|purity| purity > 0.9), "the tone: {report}");
    ensure!(report["frames"].as_u64().is_some_and(|frames| frames >= 30), "the pictures: {report}");
    player.end().await?;
    alice.end().await?;
    scene.lacks_alice().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c9_a_publisher_that_is_killed_goes_when_it_was_silent_for_long_enough() -> anyhow::Result<()> {
    let settings = Server::builder().set("media.peer_silence_max_ms", 2_000).set("calls.grace_ms", 2_000);
    let server = settings.start().await?;
    let mut scene = Scene::start(&server).await?;
    let mut alice = Program::aiortc(&server, ("whip", &scene.group), "alice", 440.0, 0).await?;
    scene.has_alice().await?;
    alice.process.kill().await?;
    scene.lacks_alice().await?;
    let there =
        || async { (server.metrics().await.ok()?.sum("tertulia_call_standard_peers", &[]) == 0.0).then_some(()) };
    eventually("its resource is gone", there).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c9_a_publisher_is_beside_its_users_own_device_and_begins_a_call_without_ringing() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (mut alice, mut bob) = (device(&server, "alice").await?, device(&server, "bob").await?);
    let group = group(&server, &token("alice"), &["bob"]).await?;
    let fleet = Fleet::start()?;
    ensure!(post(&server, "whep", &group, &token("bob"), &Peer::offer(LOOPBACK, &[Line::Ear])?.1).await?.status == 404);
    let there = Standard::publishes(&server, &fleet, &group, &named_token("alice", "Alice's studio")).await?;
    // Bob hears that a call goes on; nothing rings.
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::CallGroup(changed) => changed.call.as_ref().map(|call| (call.call_id, call.participants)),
        _ => None,
    };
    let (call, participants) = bob.expect("the group's call", pick).await?;
    ensure!(participants == 1, "{participants}");
    let rings = |frame: &ServerFrame| matches!(frame, ServerFrame::CallIncoming(_));
    ensure!(!bob.heard_so_far().await?.iter().any(rings), "it rang");

    // Her own device comes, and neither sends the other away; her others are not told that she is in a call elsewhere.
    alice.join(call).await??;
    let at_alice = connect_media(&fleet, &mut alice, call, &[Line::Mic, Line::Ear, Line::Eye]).await?;
    alice.phase(call, Phase::Active).await?;
    let roster = sees(&mut alice, call, &["alice", "alice"]).await?;
    ensure!(
        roster.participants.iter().all(|entry| entry.name == "Alice's studio" || entry.name == "alice"),
        "{roster:?}"
    );
    flows("what she publishes", &at_alice).await?;
    let second = Standard::publishes(&server, &fleet, &call.to_string(), &token("alice")).await?;
    let roster = sees(&mut alice, call, &["alice", "alice", "alice"]).await?;
    let ids = roster.participants.iter().map(|entry| entry.participant.device_id.as_str());
    ensure!(ids.filter(|id| id.starts_with("whip-")).count() == 2, "{roster:?}");
    flows("what she publishes", &at_alice).await?;
    let heard = alice.heard_so_far().await?;
    let sent_away = |frame: &ServerFrame| match frame {
        ServerFrame::CallsElsewhere(elsewhere) => !elsewhere.calls.is_empty(),
        frame => matches!(frame, ServerFrame::CallEnded(_)),
    };
    ensure!(!heard.iter().any(sent_away), "{heard:?}");

    // One goes by its DELETE, the call by its end: whoever is left has no resource any more.
    ensure!(delete(&server, &there.location, &token("alice")).await?.status == 200);
    sees(&mut alice, call, &["alice", "alice"]).await?;
    alice.request(|id| ClientFrame::CallLeave(CallRequest { id, call_id: call })).await??;
    alice.ended(call, EndReason::Hangup).await?;
    ensure!(
        patch(&server, &second.location, &token("alice"), Some("*"), "a=end-of-candidates\r\n").await?.status == 204
    );
    ensure!(delete(&server, &second.location, &token("alice")).await?.status == 200);
    ensure!(server.metrics().await?.sum("tertulia_call_standard_peers", &[]) == 0.0);
    ensure!(delete(&server, &second.location, &token("alice")).await?.status == 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c9_ice_restarts_by_patch_and_media_goes_on() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut scene = Scene::start(&server).await?;
    let alice = Standard::publishes(&server, &scene.fleet, &scene.group, &token("alice")).await?;
    scene.has_alice().await?;
    let offer = scene.fleet.with(&alice.member, Peer::ice_restart).await??;
    let of = |sdp: &str, name: &str| -> anyhow::Result<String> {
        sdp.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned).context("credentials")
    };
    let (ufrag, pwd) = (of(&offer, "a=ice-ufrag:")?, of(&offer, "a=ice-pwd:")?);
    let frag = format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n");
    let restarted = patch(&server, &alice.location, &token("alice"), Some("*"), &frag).await?;
    ensure!(restarted.status == 200 && header(&restarted, "content-type") == Some(FRAG), "{restarted:?}");
    let tag = header(&restarted, "etag").context("a tag")?;
    ensure!(tag != alice.tag, "another ICE session has another tag");
    let (theirs, secret) = (of(&restarted.body, "a=ice-ufrag:")?, of(&restarted.body, "a=ice-pwd:")?);
    ensure!(theirs != of(&alice.answer, "a=ice-ufrag:")? && restarted.body.contains("a=candidate:"), "{restarted:?}");
    // What the peer's stack is to take is the first answer with the new credentials.
    let answer: String = alice.answer.lines().fold(String::new(), |answer, line| {
        let line = match line.split_once(':') {
            Some(("a=ice-ufrag", _)) => format!("a=ice-ufrag:{theirs}"),
            Some(("a=ice-pwd", _)) => format!("a=ice-pwd:{secret}"),
            Some(("a=candidate", candidate)) => {
                format!("a=candidate:{}", candidate.split_once(" ufrag ").map_or(candidate, |(candidate, _)| candidate))
            }
            _ => line.to_owned(),
        };
        answer + &line + "\r\n"
    });
    scene.fleet.with(&alice.member, move |peer| peer.accept_answer(&answer)).await??;
    flows("Alice's voice, after the restart", &scene.ear).await?;
    flows("Alice's picture, after the restart", &scene.eye).await?;
    // The old session's tag counts no longer, the new one's does; the same credentials again are no restart.
    let trickled = format!("{frag}a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n");
    ensure!(patch(&server, &alice.location, &token("alice"), Some(&alice.tag), &trickled).await?.status == 412);
    let taken = patch(&server, &alice.location, &token("alice"), Some(tag), &trickled).await?;
    ensure!(taken.status == 204 && taken.body.is_empty(), "{taken:?}");
    ensure!(delete(&server, &alice.location, &token("alice")).await?.status == 200);
    scene.lacks_alice().await
}
