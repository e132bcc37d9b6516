//! Hundreds who listen to a few, through the real program: they come by a link, one after another. What each costs who comes, what goes
//! on then, and how much everyone is told meanwhile of who comes.

use crate::calls::without_limits;
use crate::figures::quantile;
use crate::process;
use anyhow::{Context, ensure};
use serde_json::json;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tertulia_common::CallId;
use tertulia_signaling_proto::{CallInvite, ClientFrame, Codec, MediaKind, ServerFrame, Target};
use tertulia_tests::attendance::Attendance;
use tertulia_tests::media::{Fleet, GAP, Line, Member, Sending};
use tertulia_tests::scene::connect_media;
use tertulia_tests::token::token;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Client, Server, http};

/// Who speak.
const SPEAKERS: usize = 10;
/// A listener's lines: the loudest three.
const EARS: &[Line] = &[Line::Ear, Line::Ear, Line::Ear];

/// Everybody who has come, and what that took.
struct Gathered {
    people: Vec<(Client, Member)>,
    call: CallId,
    /// Microseconds from asking until the media is up, of each.
    took: Vec<u32>,
}

/// All come by one link, one after another; the first ten speak.
async fn gather(server: &Server, fleet: &Fleet, listeners: usize) -> anyhow::Result<Gathered> {
    let body = json!({"name": "Lecture", "media": "voice"}).to_string();
    let headers = [("content-type", "application/json")];
    let made =
        http::request_with(server.http(), "POST", "/v1/call-links", &token("speaker-0"), &headers, &body).await?;
    let link = made.json()?["token"].as_str().context("a link")?.to_owned();
    let (mut people, mut took, mut call) = (Vec::new(), Vec::new(), None);
    for number in 0..SPEAKERS + listeners {
        let speaks = number < SPEAKERS;
        let name = if speaks { format!("speaker-{number}") } else { format!("ear-{number}") };
        let mut client = Client::connect_as(server, &name, "phone", Codec::Compact).await?;
        let began = Instant::now();
        let to = Target::Link(link.clone());
        let invite = |id| ClientFrame::CallInvite(CallInvite { id, to, media: MediaKind::Voice });
        let id = client.request(invite).await??.call_id.context("a call")?;
        let lines = if speaks { Line::VOICE } else { EARS };
        let member = connect_media(fleet, &mut client, id, lines).await?;
        let connected = || async { member.tally.connected.load(Relaxed).then_some(()) };
        eventually("ICE and DTLS", connected).await?;
        took.push(u32::try_from(began.elapsed().as_micros())?);
        if speaks {
            let mic = fleet.with(&member, |peer| peer.mid(Line::Mic)).await??;
            fleet.send(&member, mic, Sending::AUDIO, Duration::from_millis(number as u64 * 2)).await?;
        }
        call = Some(id);
        people.push((client, member));
    }
    took.sort_unstable();
    Ok(Gathered { people, call: call.context("a call")?, took })
}

/// A row for the report.
pub(crate) async fn run(listeners: usize, secs: u64) -> anyhow::Result<String> {
    let builder = without_limits(Server::builder()).set("demo", false).set("signaling.call_participants_max", 1_000);
    let builder = builder.set("media.room_peers_max", 1_000).set("media.busy_joins_max_percent", 100);
    let server = builder.start().await?;
    let (fleet, cpu) = (Fleet::start()?, process::cpu(server.pid())?);
    let Gathered { mut people, call, took } = gather(&server, &fleet, listeners).await?;
    let joined = process::cpu(server.pid())? - cpu;
    let all = people.len();
    for (_, member) in &people {
        let hears = || async { (member.tally.received.load(Relaxed) > 0).then_some(()) };
        eventually("each hears somebody", hears).await?;
    }
    let mut known = Attendance::default();
    known.until(&mut people[0].0, call, "all of them", |there| there.len() == all).await?;
    let told = |frames: Vec<ServerFrame>| {
        let of_roster = frames
            .iter()
            .filter(|frame| matches!(frame, ServerFrame::CallRoster(_) | ServerFrame::CallRosterChanges(_)));
        of_roster.map(|frame| Codec::Compact.encode_server(frame).len()).sum::<usize>()
    };
    let bytes = told(people[SPEAKERS].0.heard_so_far().await?);
    let gaps = || people.iter().map(|(_, member)| member.tally.voice_gaps.load(Relaxed)).sum::<u64>();
    let heard = || people.iter().map(|(_, member)| member.tally.received.load(Relaxed)).sum::<u64>();
    let (gaps_before, heard_before, before) = (gaps(), heard(), process::cpu(server.pid())?);
    tokio::time::sleep(Duration::from_secs(secs)).await;
    let used = (process::cpu(server.pid())? - before).as_secs_f64() / secs as f64;
    let packets = (heard() - heard_before) as f64 / secs as f64;
    ensure!(packets > 0.0, "nobody hears anything");
    Ok(format!(
        "{SPEAKERS} voices, {listeners} listeners by a link: {:.2} ms CPU a join, {:.0} ms until its media is up (p50; p99 {:.0}), the first \
         listener is told {:.0} kB of who comes ({} rosters, {} changes at the first speaker); then {:.0} packets/s, {:.0} % of a core, \
         {:.1} µs CPU a packet, {} voices with a gap over {} ms in {secs} s",
        joined.as_secs_f64() * 1e3 / all as f64,
        quantile(&took, 0.5) / 1e3,
        quantile(&took, 0.99) / 1e3,
        bytes as f64 / 1e3,
        known.told.0,
        known.told.1,
        packets,
        100.0 * used,
        used * 1e6 / packets,
        gaps() - gaps_before,
        GAP.as_millis(),
    ))
}
