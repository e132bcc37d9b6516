//! aiortc through the forwarding unit (c2): a third implementation, in another language, with real codecs at both ends.
//! It encodes and decodes Opus and VP8; a tone and numbered pictures must come out as they went in.
//!
//! `./x test` makes its virtual environment and sets `TERTULIA_AIORTC_PYTHON`. Without it this test fails: it never skips.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::process::Stdio;
use tertulia_common::CallId;
use tertulia_signaling_proto::{MediaKind, Phase};
use tertulia_tests::scene::Call;
use tertulia_tests::wait::in_time;
use tertulia_tests::{Client, Server};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Seconds that a peer waits for what it expects; less than a test waits for the peer.
const SECONDS_MAX: &str = "25";

/// One side of the call: a Python process.
struct Aiortc {
    _process: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Aiortc {
    fn start(sends: f64, expects: f64) -> anyhow::Result<Self> {
        let python = std::env::var("TERTULIA_AIORTC_PYTHON").context(
            "TERTULIA_AIORTC_PYTHON must name a Python with tests/peers/requirements.txt; `./x test` sets it",
        )?;
        let mut process = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/aiortc_call.py"))
            .args([sends.to_string(), expects.to_string(), SECONDS_MAX.to_owned()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = process.stdin.take().context("its stdin")?;
        let stdout = BufReader::new(process.stdout.take().context("its stdout")?).lines();
        Ok(Self { _process: process, stdin, stdout })
    }

    async fn line(&mut self, what: &str) -> anyhow::Result<Value> {
        let line = in_time(what, self.stdout.next_line()).await??.with_context(|| format!("it ended before {what}"))?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Offers, and waits until ICE and DTLS are up.
    async fn connect(&mut self, client: &mut Client, call: CallId) -> anyhow::Result<()> {
        let offer = self.line("an offer").await?["sdp"].as_str().context("sdp")?.to_owned();
        let (answer, _) = client.media_connect(call, offer).await?;
        self.stdin.write_all(format!("{}\n", json!({"sdp": answer})).as_bytes()).await?;
        ensure!(self.line("the connection").await?["connected"] == true);
        Ok(())
    }

    /// Its report holds the other's tone and pictures, and not its own.
    async fn report(&mut self) -> anyhow::Result<()> {
        let report = self.line("a report").await?;
        let purity = |name: &str| report[name].as_f64().context("a purity");
        ensure!(purity("purity")? > 0.9 && purity("own_tone")? < 0.05, "the tone: {report}");
        let counters = report["counters"].as_array().context("counters")?;
        let counters: Vec<i64> = counters.iter().filter_map(Value::as_i64).collect();
        ensure!(counters.len() >= 30, "the pictures: {report}");
        // Numbers of eight bits, ever rising: a gap is a picture that was not decoded, a step back would be disorder.
        let steps: Vec<i64> = counters.windows(2).map(|pair| (pair[1] - pair[0]).rem_euclid(256)).collect();
        ensure!(steps.iter().all(|step| *step <= 16), "out of order: {counters:?}");
        ensure!(steps.iter().filter(|step| **step == 1).count() * 10 >= steps.len() * 8, "torn: {counters:?}");
        Ok(())
    }

    async fn end(&mut self) -> anyhow::Result<()> {
        Ok(self.stdin.write_all(b"\n").await?)
    }
}

#[tokio::test]
async fn c2_a_tone_and_pictures_pass_both_ways_between_aiortc_peers() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut call = Call::ringing(&server, MediaKind::Video).await?;
    let (mut alice, mut bob) = (Aiortc::start(440.0, 660.0)?, Aiortc::start(660.0, 440.0)?);
    alice.connect(&mut call.alice, call.id).await?;
    bob.connect(&mut call.bob, call.id).await?;
    call.bob.accept(call.id).await??;
    call.alice.phase(call.id, Phase::Active).await?;
    alice.report().await.context("Alice hears and sees Bob")?;
    bob.report().await.context("Bob hears and sees Alice")?;
    // aiortc has no transport-wide feedback: what it can take it says itself (REMB).
    tertulia_tests::metrics::rises(&server, "tertulia_sfu_estimates", &[], 1.0)
        .await
        .context("both have an estimate")?;
    alice.end().await?;
    bob.end().await?;
    call.hang_up().await
}
