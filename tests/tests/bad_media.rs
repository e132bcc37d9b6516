//! Bad input at the media port: forged STUN, media from addresses that nobody has proved, datagrams sent again. Each is
//! dropped and counted, none is answered, and a call in progress does not notice.

use anyhow::{Context, ensure};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use str0m::ice::{StunMessage, TransId};
use tertulia_tests::Server;
use tertulia_tests::metrics::rises;
use tertulia_tests::scene::LiveCall;
use tertulia_tests::wait::eventually;

/// A socket that belongs to no peer.
fn stranger() -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A connectivity check whose integrity is made up, or absent.
fn forged_check(username: &str, integrity: bool) -> anyhow::Result<Vec<u8>> {
    let message = StunMessage::binding_request(username, TransId::new(), true, 1, 1_853_824_767, true);
    let mut buffer = vec![0; 512];
    let password = integrity.then_some(&b"a guess"[..]);
    let bytes = message.to_bytes(password, &mut buffer, |_, _| [0x55; 20]).context("a check")?;
    buffer.truncate(bytes);
    Ok(buffer)
}

fn heard_nothing(socket: &UdpSocket, why: &str) -> anyhow::Result<()> {
    let mut buffer = [0; 2048];
    match socket.recv_from(&mut buffer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error.into()),
        Ok((bytes, from)) => anyhow::bail!("{why} was answered by {from}: {:02x?}", &buffer[..bytes.min(32)]),
    }
}

#[tokio::test]
async fn forged_stun_is_dropped_counted_and_never_answered() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    let username = live.fleet.with(&live.alice, |peer| peer.stun_username().to_owned()).await?;
    let (theirs, ours) = username.split_once(':').context("two user names")?;
    let forged = [
        ("nobody's user name", forged_check("nobody:else", true)?),
        (
            "a user name of our shape, but nobody's",
            forged_check(&format!("{}:{ours}", "A".repeat(theirs.len())), true)?,
        ),
        ("the right user name, a made-up integrity", forged_check(&username, true)?),
        ("the right user name, no integrity", forged_check(&username, false)?),
        ("another client's part", forged_check(&format!("{theirs}:zzzz"), true)?),
        ("cut off", forged_check(&username, true)?[..30].to_vec()),
        ("a header and nothing else", forged_check(&username, true)?[..20].to_vec()),
    ];
    let media = server.media().to_vec();
    ensure!(!media.is_empty(), "the ready file names no media address");
    for (name, check) in forged {
        let before = dropped(&server).await?;
        let socket = stranger()?;
        for address in &media {
            socket.send_to(&check, address)?;
        }
        eventually(name, || async { (dropped(&server).await.ok()? > before).then_some(()) }).await?;
        heard_nothing(&socket, name)?;
    }
    // From the very address of a peer it is no better.
    let before = dropped(&server).await?;
    let check = forged_check(&username, true)?;
    let address = media.clone();
    live.fleet
        .with(&live.bob, move |peer| address.iter().try_for_each(|to| peer.socket().send_to(&check, *to).map(|_| ())))
        .await??;
    eventually("from a peer's address", || async { (dropped(&server).await.ok()? > before).then_some(()) }).await?;
    live.undisturbed().await
}

/// STUN and other datagrams that were dropped.
async fn dropped(server: &Server) -> anyhow::Result<f64> {
    let metrics = server.metrics().await?;
    let names = ["tertulia_sfu_dropped_stun", "tertulia_sfu_dropped_malformed", "tertulia_sfu_dropped_unknown_address"];
    Ok(names.iter().map(|name| metrics.sum(name, &[])).sum())
}

#[tokio::test]
async fn datagrams_from_unknown_addresses_are_dropped_and_counted() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    let recorded = record(&live).await?;
    let media = *server.media().first().context("no media address")?;
    let socket = stranger()?;
    let before = server.metrics().await?.sum("tertulia_sfu_trials_failed", &[]);
    let received = live.bob.tally.received.load(Relaxed);
    for (to, datagram) in recorded.iter().take(50) {
        socket.send_to(datagram, to)?;
    }
    // They are Alice's, so they are tried; and they have come before.
    rises(&server, "tertulia_sfu_trials_failed", &[], before).await?;
    ensure!(live.bob.tally.received.load(Relaxed) == received, "a stranger's packet was forwarded");
    let before = dropped(&server).await?;
    // RTP with a made-up stream, RTCP, a DTLS record, TURN channel data, noise, nothing, and as much as fits.
    let odd: [Vec<u8>; 7] = [
        [&[0x80, 0x60, 0, 1][..], &[7; 200]].concat(),
        [&[0x80, 0xc8, 0, 6][..], &[7; 24]].concat(),
        [&[22, 0xfe, 0xfd][..], &[0; 40]].concat(),
        vec![0x40; 60],
        vec![0xff; 300],
        Vec::new(),
        vec![0; 60_000],
    ];
    for datagram in &odd {
        socket.send_to(datagram, media)?;
    }
    eventually("odd datagrams are dropped", || async { (dropped(&server).await.ok()? > before).then_some(()) }).await?;
    heard_nothing(&socket, "an odd datagram")?;
    live.send_all(&live.alice).await?;
    live.undisturbed().await
}

/// Lets Alice speak for a moment, then be silent; gives her media datagrams.
async fn record(live: &LiveCall) -> anyhow::Result<Vec<(std::net::SocketAddr, Vec<u8>)>> {
    live.fleet.with(&live.alice, tertulia_tests::media::Peer::start_tap).await?;
    let sent = live.alice.tally.sent.load(Relaxed);
    let more = || async { (live.alice.tally.sent.load(Relaxed) > sent + 60).then_some(()) };
    eventually("Alice speaks", more).await?;
    live.fleet.hush(&live.alice).await?;
    let tapped = live.fleet.with(&live.alice, tertulia_tests::media::Peer::take_tap).await?;
    quiet(live).await?;
    // RTP: version 2, and no payload type that is RTCP's (RFC 5761 §4).
    let is_rtp = |d: &[u8]| d.len() > 12 && d[0] >> 6 == 2 && !(192..224).contains(&d[1]);
    Ok(tapped.into_iter().filter(|(_, datagram)| is_rtp(datagram)).collect())
}

/// Waits until nothing has come to Bob for a while.
async fn quiet(live: &LiveCall) -> anyhow::Result<()> {
    let mut last = (live.bob.tally.received.load(Relaxed), Instant::now());
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let received = live.bob.tally.received.load(Relaxed);
        if received != last.0 {
            last = (received, Instant::now());
        } else if last.1.elapsed() > Duration::from_millis(500) {
            return Ok(());
        }
    }
}

#[tokio::test]
async fn a_media_datagram_sent_again_is_not_forwarded_again() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    let recorded = record(&live).await?;
    ensure!(recorded.len() > 50, "only {} recorded", recorded.len());
    let (received, sent) = (live.bob.tally.received.load(Relaxed), live.alice.tally.sent.load(Relaxed));
    let datagrams = server.metrics().await?.sum("tertulia_sfu_datagrams_received", &[]);
    let again = recorded.len() * 3;
    live.fleet
        .with(&live.alice, move |peer| {
            for _ in 0..3 {
                for (to, datagram) in &recorded {
                    // A full socket loses one, as a network does.
                    peer.socket().send_to(datagram, *to).ok();
                }
            }
        })
        .await?;
    rises(&server, "tertulia_sfu_datagrams_received", &[], datagrams + again as f64 * 0.5).await?;
    // What is new comes through, each packet once: the old ones before it have not.
    live.send_all(&live.alice).await?;
    let fresh = || async { (live.alice.tally.sent.load(Relaxed) > sent + 60).then_some(()) };
    eventually("Alice speaks again", fresh).await?;
    live.fleet.hush(&live.alice).await?;
    quiet(&live).await?;
    let (more, new) = (live.bob.tally.received.load(Relaxed) - received, live.alice.tally.sent.load(Relaxed) - sent);
    ensure!(more <= new, "{more} packets came of {new} that were sent");
    ensure!(more > 0, "nothing new came through");
    live.send_all(&live.alice).await?;
    live.undisturbed().await
}
