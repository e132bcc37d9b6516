//! What strangers may cost: floods at every port while a call goes on, and the limits of users and addresses.

use anyhow::{Context, ensure};
use serde_json::json;
use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tertulia_signaling_proto::{Codec, ErrorCode, MediaKind};
use tertulia_tests::accounts::{Account, Carrier, phone_number};
use tertulia_tests::metrics::rises;
use tertulia_tests::scene::LiveCall;
use tertulia_tests::{Client, Refused, Server, Socket};

/// How long a flood lasts.
const FLOOD: Duration = Duration::from_secs(4);
/// What a client takes for a dead network: a call under a flood must not come near it.
const GAP_MAX: Duration = Duration::from_millis(500);

/// A thread that does something over and over until it is dropped.
struct Flood {
    on: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn start(mut step: impl FnMut() -> u64 + Send + 'static) -> Self {
        let (on, sent) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicU64>::default());
        let (going, counted) = (Arc::clone(&on), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            while going.load(Relaxed) {
                counted.fetch_add(step(), Relaxed);
                // It shares two cores with the server: so many a second, whatever the machine.
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { on, sent, thread: Some(thread) }
    }

    fn end(mut self) -> u64 {
        self.on.store(false, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
        self.sent.load(Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.on.store(false, Relaxed);
    }
}

/// The beginning of a STUN request (RFC 8489) of so many bytes, with a user name that is nobody's.
fn stun() -> Vec<u8> {
    let mut packet = vec![0, 1, 0, 20, 0x21, 0x12, 0xa4, 0x42];
    packet.extend([7; 12]);
    packet.extend([0, 6, 0, 9]);
    packet.extend(*b"nobody:me\0\0\0");
    packet
}

/// The head of a DTLS 1.2 record with a ClientHello (RFC 6347), and noise.
fn dtls() -> Vec<u8> {
    let mut packet = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 1, 0, 0, 88, 0, 0, 0, 0, 0, 0, 0, 88];
    packet.extend((0..88).map(|n: u8| n.wrapping_mul(31)));
    packet
}

/// Datagrams of one kind to every media port; gives the socket, to see what comes back.
fn datagrams(to: &[SocketAddr], packet: Vec<u8>) -> anyhow::Result<(Flood, UdpSocket)> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    let (sends, to) = (socket.try_clone()?, to.to_vec());
    let flood =
        Flood::start(move || (0..50).map(|n| u64::from(sends.send_to(&packet, to[n % to.len()]).is_ok())).sum());
    Ok((flood, socket))
}

/// Connections that begin and never get to the point, a few hundred of them at a time.
fn half_open(to: SocketAddr, begin: &'static [u8]) -> Flood {
    let mut open: Vec<TcpStream> = Vec::new();
    Flood::start(move || {
        if open.len() > 300 {
            open.drain(..100);
        }
        let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_millis(200)) else { return 0 };
        stream.write_all(begin).ok();
        open.push(stream);
        1
    })
}

fn bytes_answered(socket: &UdpSocket) -> anyhow::Result<u64> {
    let (mut buffer, mut total) = ([0; 2048], 0);
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((bytes, _)) => total += bytes as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(total),
            Err(error) => return Err(error.into()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_at_every_port_leave_no_gap_in_a_call_and_are_not_answered() -> anyhow::Result<()> {
    let mut server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    let media = server.media().to_vec();
    let dropped = || async {
        let metrics = server.metrics().await?;
        let names =
            ["tertulia_sfu_dropped_stun", "tertulia_sfu_dropped_malformed", "tertulia_sfu_dropped_unknown_address"];
        Ok::<f64, anyhow::Error>(names.iter().map(|name| metrics.sum(name, &[])).sum())
    };
    let before = dropped().await?;
    let kinds = [("STUN", stun()), ("DTLS", dtls()), ("noise", vec![0x80; 200])];
    let mut floods = Vec::new();
    for (name, packet) in kinds {
        floods.push((name, datagrams(&media, packet)?));
    }
    let slow = [
        half_open(server.http(), b"GET /v1/server HTTP/1.1\r\nhost: x\r\nx-slow: "),
        half_open(server.http(), b""),
        half_open(media[0], b"\x00\x40half a frame"),
        half_open(media[0], b"\xff\xff"),
    ];
    for member in [&live.alice, &live.bob] {
        member.tally.longest_gap_us.store(0, Relaxed);
    }
    let end = Instant::now() + FLOOD;
    let mut newcomers = 0;
    while Instant::now() < end {
        // Meanwhile others come in: fewer than one address may open a minute, on the quickest machine too.
        drop(Client::connect_as(&server, "carol", &format!("device-{}", newcomers % 8), Codec::Json).await?);
        newcomers += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (name, member) in [("Alice", &live.alice), ("Bob", &live.bob)] {
        let gap = Duration::from_micros(member.tally.longest_gap_us.load(Relaxed));
        ensure!(gap < GAP_MAX, "{name} heard nothing for {gap:?}");
    }
    for (name, (flood, socket)) in floods {
        let sent = flood.end();
        ensure!(sent > 5_000, "only {sent} of {name}");
        let answered = bytes_answered(&socket)?;
        ensure!(answered == 0, "{name} was answered with {answered} bytes");
    }
    ensure!(slow.into_iter().all(|flood| flood.end() > 50), "no flood of connections");
    ensure!(newcomers > 3, "only {newcomers} came in meanwhile");
    ensure!(dropped().await? > before, "nothing was counted");
    live.undisturbed().await?;
    ensure!(server.is_alive());
    Ok(())
}

#[tokio::test]
async fn a_slow_loris_is_cut_off_and_counted() -> anyhow::Result<()> {
    let server = Server::builder().set("http.header_timeout_ms", 500).start().await?;
    let mut streams = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(server.http())?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nx: ")?;
        streams.push(stream);
    }
    let cut = tokio::task::spawn_blocking(move || {
        streams.iter_mut().all(|stream| {
            let mut rest = Vec::new();
            // An answer (408) or a reset: it is over either way.
            !matches!(std::io::Read::read_to_end(stream, &mut rest), Err(e) if e.kind() == ErrorKind::WouldBlock)
        })
    });
    ensure!(cut.await?, "a slow connection is still open");
    ensure!(server.get("/v1/server", None).await?.status == 200);
    Ok(())
}

#[tokio::test]
async fn registration_is_limited_by_number_and_by_address_and_says_when_to_come_back() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = carrier
        .server()
        .set("accounts.limits.pins_per_address_per_hour", 5)
        .set("accounts.limits.pin_again_s", 60)
        .start()
        .await?;
    let ask = async |phone: &str| server.post("/v1/register", None, &json!({"phone": phone}).to_string()).await;
    let phone = phone_number();
    ensure!(ask(&phone).await?.status == 202);
    let again = ask(&phone).await?;
    ensure!(again.status == 429, "a second PIN at once: {again:?}");
    ensure!(again.json()?["error"]["code"] == "rate_limited", "{again:?}");
    ensure!(again.json()?["error"]["retry_after_ms"].as_u64().is_some_and(|ms| ms > 1_000), "{again:?}");
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(ask(&phone_number()).await?.status);
    }
    ensure!(statuses.contains(&202) && statuses.last() == Some(&429), "{statuses:?}");
    ensure!(carrier.calls() <= 6, "{} PINs were sent", carrier.calls());
    rises(&server, "tertulia_signaling_limit_hits", &["pins_per_address"], 0.0).await
}

#[tokio::test]
async fn a_known_number_can_not_be_told_from_an_unknown_one() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = carrier.server().start().await?;
    let known = Account::new(&server, &carrier, "Ana").await?.phone;
    tokio::time::sleep(Duration::from_millis(1_100)).await; // the number's own wait
    let mut heard = Vec::new();
    for phone in [known, phone_number()] {
        let asked = server.post("/v1/register", None, &json!({"phone": phone}).to_string()).await?;
        let id = asked.json()?["registration_id"].as_str().context("an id")?.to_owned();
        let wrong = json!({"registration_id": id, "pin": "x", "device_name": "x"}).to_string();
        let mut answers = vec![asked.body.replace(&id, "ID").replace(&phone, "PHONE")];
        for _ in 0..7 {
            let answer = server.post("/v1/register/verify", None, &wrong).await?;
            answers.push(format!("{} {}", answer.status, answer.body));
        }
        heard.push(answers);
    }
    // A second PIN doubles a number's wait: that is of its asking, not of its account.
    let same = |text: &String| text.split(r#""again_in_s""#).next().unwrap_or_default().to_owned();
    let heard: Vec<Vec<String>> = heard.iter().map(|answers| answers.iter().map(same).collect()).collect();
    ensure!(heard[0] == heard[1], "{:#?}\n{:#?}", heard[0], heard[1]);
    Ok(())
}

#[tokio::test]
async fn a_pin_can_be_tried_five_times_and_not_once_more() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = carrier.server().start().await?;
    let phone = phone_number();
    let asked = server.post("/v1/register", None, &json!({"phone": phone}).to_string()).await?;
    let id = asked.json()?["registration_id"].clone();
    let pin = carrier.pin(&phone).await?;
    let verify = async |pin: &str| {
        let said = json!({"registration_id": id, "pin": pin, "device_name": "x"}).to_string();
        server.post("/v1/register/verify", None, &said).await
    };
    let wrong = if pin == "000000" { "000001" } else { "000000" };
    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(verify(wrong).await?.json()?["error"]["code"].as_str().unwrap_or_default().to_owned());
    }
    ensure!(codes[..4].iter().all(|code| code == "pin_wrong") && codes[5] == "registration_over", "{codes:?}");
    let right = verify(&pin).await?;
    ensure!(right.status == 400 && right.json()?["error"]["code"] == "registration_over", "{right:?}");
    Ok(())
}

#[tokio::test]
async fn sockets_are_limited_by_address_and_devices_by_user() -> anyhow::Result<()> {
    let server = Server::builder()
        .set("signaling.sockets_per_address_max", 6)
        .set("signaling.devices_per_user_max", 3)
        .start()
        .await?;
    let mut clients = Vec::new();
    for n in 0..3 {
        clients.push(Client::connect_as(&server, "alice", &format!("device-{n}"), Codec::Json).await?);
    }
    let mut fourth = Socket::open(&server, Codec::Json).await?;
    fourth.hello(&tertulia_tests::token::token("alice"), "device-3", None).await?;
    match fourth.next_frame().await? {
        tertulia_signaling_proto::ServerFrame::Error(e) => {
            ensure!(e.error.code == ErrorCode::TooManyConnections, "{e:?}")
        }
        other => anyhow::bail!("{other:?}"),
    }
    fourth.closed().await?;
    rises(&server, "tertulia_signaling_limit_hits", &["devices_per_user"], 0.0).await?;
    for n in 0..3 {
        // The place of the one that was refused is free in a moment.
        let user = format!("user-{n}");
        let connected = || async { Client::connect(&server, &user).await.ok() };
        clients.push(tertulia_tests::wait::eventually("a place is free", connected).await?);
    }
    ensure!(Socket::open(&server, Codec::Json).await.is_err(), "a seventh socket was taken");
    rises(&server, "tertulia_signaling_limit_hits", &["sockets_per_address"], 0.0).await?;
    // A place that is free again is given again.
    clients.pop();
    tertulia_tests::wait::eventually("a place is free", || async {
        Client::connect(&server, "late").await.ok().map(drop)
    })
    .await
}

#[tokio::test]
async fn one_person_can_only_be_rung_by_so_many_at_once() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut bob = Client::connect(&server, "bob").await?;
    let mut callers = Vec::new();
    let mut refused = None;
    for n in 0..200 {
        let mut caller = Client::connect(&server, &format!("caller-{n}")).await?;
        if let Err(Refused(body)) = caller.try_invite("bob", MediaKind::Voice).await? {
            refused = Some(body);
            break;
        }
        callers.push(caller);
    }
    let refused = refused.context("two hundred ring one phone at once")?;
    ensure!(matches!(refused.code, ErrorCode::ServerFull | ErrorCode::RateLimited), "{refused:?}");
    rises(&server, "tertulia_signaling_limit_hits", &["calls_per_callee"], 0.0).await?;
    bob.incoming().await?;
    Ok(())
}
