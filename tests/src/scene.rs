//! How most tests begin: two people, a call between them, and media that flows.

use crate::media::{Fleet, Line, Member, Peer, Sending};
use crate::wait::eventually;
use crate::{Client, Server};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tertulia_common::CallId;
use tertulia_signaling_proto::{EndReason, MediaKind, Phase};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Packets that prove a flow.
const FLOWING: u64 = 20;

/// Alice calls Bob.
#[derive(Debug)]
pub struct Call {
    /// Who calls.
    pub alice: Client,
    /// Who is called.
    pub bob: Client,
    /// The call.
    pub id: CallId,
}

impl Call {
    /// Both connect, Alice calls, Bob's phone rings.
    ///
    /// # Errors
    /// If any of it does not happen.
    pub async fn ringing(server: &Server, media: MediaKind) -> anyhow::Result<Self> {
        let mut bob = Client::connect(server, "bob").await?;
        let mut alice = Client::connect(server, "alice").await?;
        let id = alice.invite("bob", media).await?;
        let incoming = bob.incoming().await?;
        anyhow::ensure!(incoming.call_id == id && incoming.from.user_id == *alice.user_id(), "{incoming:?}");
        bob.ringing(id).await??;
        alice.phase(id, Phase::Ringing).await?;
        Ok(Self { alice, bob, id })
    }

    /// And Bob accepts.
    ///
    /// # Errors
    /// If any of it does not happen.
    pub async fn accepted(server: &Server, media: MediaKind) -> anyhow::Result<Self> {
        let mut call = Self::ringing(server, media).await?;
        call.bob.accept(call.id).await??;
        call.alice.phase(call.id, Phase::Connecting).await?;
        Ok(call)
    }

    /// Alice hangs up, and both hear that it is over.
    ///
    /// # Errors
    /// If they do not.
    pub async fn hang_up(&mut self) -> anyhow::Result<()> {
        self.alice.hangup(self.id).await??;
        self.alice.ended(self.id, EndReason::Hangup).await?;
        self.bob.ended(self.id, EndReason::Hangup).await?;
        Ok(())
    }
}

/// Offers these lines for a call, and takes the answer; the peer joins the fleet.
///
/// # Errors
/// If the server refuses the offer.
pub async fn connect_media(fleet: &Fleet, client: &mut Client, call: CallId, lines: &[Line]) -> anyhow::Result<Member> {
    let (mut peer, offer) = Peer::offer(LOOPBACK, lines)?;
    let (answer, _) = client.media_connect(call, offer).await?;
    peer.accept_answer(&answer)?;
    fleet.add(peer).await
}

/// A peer sends on each line that it may send on, voice or picture.
///
/// # Errors
/// If the fleet has ended.
pub async fn send_all(fleet: &Fleet, member: &Member) -> anyhow::Result<()> {
    let lines: Vec<_> = fleet.with(member, |peer| peer.sending_lines().collect()).await?;
    for (line, mid) in lines {
        let sending = if line == Line::Mic { Sending::AUDIO } else { Sending::VIDEO };
        fleet.send(member, mid, sending, Duration::ZERO).await?;
    }
    Ok(())
}

/// A call with voice and video both ways, by synthetic media.
#[derive(Debug)]
pub struct LiveCall {
    /// The signalling.
    pub call: Call,
    /// The peers' thread.
    pub fleet: Fleet,
    /// Alice's media.
    pub alice: Member,
    /// Bob's media.
    pub bob: Member,
}

impl LiveCall {
    /// Alice calls Bob, both connect while it rings, Bob accepts, and each receives what the other sends.
    ///
    /// # Errors
    /// If any of it does not happen.
    pub async fn start(server: &Server) -> anyhow::Result<Self> {
        let mut call = Call::ringing(server, MediaKind::Video).await?;
        let fleet = Fleet::start()?;
        let alice = connect_media(&fleet, &mut call.alice, call.id, Line::CALL).await?;
        let bob = connect_media(&fleet, &mut call.bob, call.id, Line::CALL).await?;
        call.bob.accept(call.id).await??;
        call.alice.phase(call.id, Phase::Active).await?;
        let live = Self { call, fleet, alice, bob };
        for member in [&live.alice, &live.bob] {
            live.send_all(member).await?;
        }
        live.flows().await?;
        Ok(live)
    }

    /// A peer sends on each line that it may send on.
    ///
    /// # Errors
    /// If the fleet has ended.
    pub async fn send_all(&self, member: &Member) -> anyhow::Result<()> {
        send_all(&self.fleet, member).await
    }

    /// Waits until both have received more than they had.
    ///
    /// # Errors
    /// If one does not.
    pub async fn flows(&self) -> anyhow::Result<()> {
        for (name, member) in [("Alice", &self.alice), ("Bob", &self.bob)] {
            let before = member.tally.received.load(Relaxed);
            let more = || async { (member.tally.received.load(Relaxed) >= before + FLOWING).then_some(()) };
            eventually(&format!("media flows to {name}"), more).await?;
        }
        Ok(())
    }

    /// The call goes on as if nothing had happened: it has not ended, and media flows both ways.
    ///
    /// # Errors
    /// If something has been disturbed.
    pub async fn undisturbed(&mut self) -> anyhow::Result<()> {
        self.flows().await?;
        for member in [&self.alice, &self.bob] {
            anyhow::ensure!(!member.tally.closed.load(Relaxed), "a peer was closed");
        }
        for client in [&mut self.call.alice, &mut self.call.bob] {
            let heard = client.heard_so_far().await?;
            let ended = |frame: &_| matches!(frame, tertulia_signaling_proto::ServerFrame::CallEnded(_));
            anyhow::ensure!(!heard.iter().any(ended), "the call ended: {heard:?}");
        }
        Ok(())
    }
}
