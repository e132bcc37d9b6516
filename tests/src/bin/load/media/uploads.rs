//! Uploads to the program, beside a server that reads to nowhere.

use super::burst::{Noise, Sending, upload, upload_at};
use super::ledger::Ledger;
use super::null::Null;
use crate::process;
use anyhow::Context as _;
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tertulia_tests::Server;
use tertulia_tests::token::token;

/// What is uploaded: a document as large as may be, a video as large as may be, a picture; over loopback, and as a network of
/// 1 Gbit/s brings it.
const SIZES: [(usize, Option<u64>, &str); 5] = [
    (100_000_000, None, "100 MB"),
    (16_000_000, None, "16 MB"),
    (1_000_000, None, "1 MB"),
    (100_000_000, Some(GIGABIT), "100 MB at 1 Gbit/s"),
    (16_000_000, Some(GIGABIT), "16 MB at 1 Gbit/s"),
];
/// Bytes a second.
const GIGABIT: u64 = 125_000_000;
/// Uploads that have stalled at once, and what of each has come.
const IN_FLIGHT: usize = 64;
const IN_FLIGHT_BYTES: usize = 20_000_000;
/// Until what has come is read, hashed and written.
const SETTLE: Duration = Duration::from_secs(2);

/// Tables and lines.
pub(super) async fn run(rounds: usize) -> anyhow::Result<String> {
    let server = Server::builder()
        .set("uploads.user_uploads_at_once", IN_FLIGHT)
        .set("uploads.user_uploads_per_hour", 100_000)
        .set("uploads.stall_s", 120)
        .set("http.connections_per_address_max", 4_000)
        .start()
        .await?;
    let null = Null::start()?;
    let mut report =
        "| upload | ours, wall ms | to nowhere | **of it** | ours, CPU ms | to nowhere |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for (length, rate, name) in SIZES {
        let mut noise = Noise::new(length);
        let (mut ours, mut theirs) = (Ledger::default(), Ledger::default());
        for round in 0..=rounds {
            let warm_up = round == 0;
            one((server.http(), server.pid()), noise.next(), rate, (!warm_up).then_some(&mut ours))?;
            one((null.address, null.pid()), noise.next(), rate, (!warm_up).then_some(&mut theirs))?;
        }
        report += &format!(
            "| {name} | {:.1} | {:.1} | **{:.2}** | {:.1} | {:.1} |\n",
            ours.wall_ms(),
            theirs.wall_ms(),
            theirs.wall_ms() / ours.wall_ms(),
            ours.cpu_ms(),
            theirs.cpu_ms(),
        );
    }
    report += &claim(&server).await?;
    report += &in_flight(&server)?;
    Ok(report)
}

fn one(
    (to, pid): (SocketAddr, u32),
    bytes: &[u8],
    rate: Option<u64>,
    ledger: Option<&mut Ledger>,
) -> anyhow::Result<()> {
    let bearer = token("alice");
    let (start, cpu) = (Instant::now(), process::cpu(pid)?);
    upload_at(to, &bearer, bytes, rate)?;
    let wall = start.elapsed();
    if let Some(ledger) = ledger {
        ledger.count(wall, process::cpu(pid)?.saturating_sub(cpu));
    }
    Ok(())
}

/// What is there already is claimed, not sent.
async fn claim(server: &Server) -> anyhow::Result<String> {
    let mut noise = Noise::new(16_000_001);
    let bytes = noise.next().to_vec();
    upload(server.http(), &token("alice"), &bytes)?;
    let start = Instant::now();
    let hex: String =
        digest::digest(&digest::SHA256, &bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut h2 = digest::Context::new(&digest::SHA256);
    h2.update(b"proof");
    h2.update(&bytes);
    let key = hmac::Key::new(hmac::HMAC_SHA256, h2.finish().as_ref());
    let hashed = start.elapsed();
    let bob = token("bob");
    let asked = format!(r#"{{"sha256":"{hex}","size":{},"as":"document"}}"#, bytes.len());
    let challenge = server.post("/v1/media/claims", Some(&bob), &asked).await?.json()?;
    let text = |name: &str| challenge[name].as_str().context("a challenge");
    let proof = hmac::sign(&key, &URL_SAFE_NO_PAD.decode(text("nonce")?)?);
    let proved = format!(r#"{{"proof":"{}","keep":true}}"#, URL_SAFE_NO_PAD.encode(proof));
    let path = format!("/v1/media/claims/{}", text("claim_id")?);
    let answer = server.request("PUT", &path, Some(&bob), Some(&proved)).await?;
    anyhow::ensure!(answer.status == 201, "{answer:?}");
    Ok(format!(
        "\nWhat is there already, 16 MB of another's: 0 bytes of it sent, {} bytes of JSON; {:.1} ms, of which the client hashes \
         {:.1} ms.\n",
        asked.len() + proved.len(),
        start.elapsed().as_secs_f64() * 1e3,
        hashed.as_secs_f64() * 1e3,
    ))
}

/// Memory of uploads that have come to a halt in the middle.
fn in_flight(server: &Server) -> anyhow::Result<String> {
    let mut noise = Noise::new(IN_FLIGHT_BYTES);
    let bearer = token("carol");
    let before = process::resident(server.pid())?;
    let mut all = Vec::new();
    for _ in 0..IN_FLIGHT {
        let mut sending = Sending::begin(server.http(), &bearer, IN_FLIGHT_BYTES * 2)?;
        sending.send(noise.next())?;
        all.push(sending);
    }
    std::thread::sleep(SETTLE);
    let (now, peak) = (process::resident(server.pid())?, process::resident_peak(server.pid())?);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Ok(format!(
        "\n{IN_FLIGHT} uploads in flight, each halted after {} MB: {:.2} MiB of memory each; the process has never had more than \
         {:.0} MiB.\n",
        IN_FLIGHT_BYTES / 1_000_000,
        mib(now.saturating_sub(before)) / IN_FLIGHT as f64,
        mib(peak),
    ))
}
