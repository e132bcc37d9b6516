//! A call that is up: two full stacks and the shard between them, in virtual time.

use super::shard::{Desk, SERVER, epoch};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use str0m::change::SdpAnswer;
use str0m::config::CryptoProvider;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Input, Output, Rtc};
use tertulia_sfu_core::Path;

/// Turns that a handshake may take; it takes about twenty.
const HANDSHAKE_TURNS_MAX: usize = 400;

/// One side.
pub(super) struct Client {
    rtc: Rtc,
    pub(super) me: SocketAddr,
    mic: Mid,
    camera: Mid,
    seq: u64,
    wake_at: Instant,
}

impl Client {
    /// Sends a packet.
    pub(super) fn write(&mut self, kind: MediaKind, time: u8, payload: &[u8]) {
        let mid = if kind == MediaKind::Audio { self.mic } else { self.camera };
        let pt = self.rtc.codec_config().find(|params| params.spec().codec.is_audio() == (kind == MediaKind::Audio));
        let Some(pt) = pt.map(|params| params.pt()) else { return };
        self.seq += 1 + u64::from(time & 3);
        let (now, time) = (self.wake_at.min(epoch()), u32::from(time) * 960);
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return };
        stream.write_rtp(RtpWrite::new(pt, self.seq.into(), time, now, payload.to_vec()));
    }
}

/// Both, and the shard.
pub(super) struct Call {
    pub(super) desk: Desk,
    pub(super) clients: Vec<Client>,
    /// The newest media packet of the first client, as it was sent; and of those that came to it.
    pub(super) newest: Vec<u8>,
    pub(super) newest_received: Vec<u8>,
    crypto: Arc<CryptoProvider>,
}

impl Call {
    /// A call with this cryptography.
    pub(super) fn new(crypto: CryptoProvider) -> Self {
        let crypto = Arc::new(crypto);
        let desk = Desk::with_crypto(Arc::clone(&crypto));
        let mut call = Self { desk, clients: Vec::new(), newest: Vec::new(), newest_received: Vec::new(), crypto };
        for peer in 0..2 {
            let client = call.join(peer);
            call.clients.push(client);
        }
        for _ in 0..HANDSHAKE_TURNS_MAX {
            if call.clients.iter().all(|client| client.rtc.is_connected()) {
                return call;
            }
            call.turn();
        }
        panic!("the handshake does not end");
    }

    fn join(&mut self, peer: u8) -> Client {
        let me = SocketAddr::from(([127, 0, 0, 3 + peer], 1_000));
        let mut rtc =
            Rtc::builder().set_rtp_mode(true).set_crypto_provider(Arc::clone(&self.crypto)).build(self.desk.now);
        if let Ok(candidate) = Candidate::host(me, "udp") {
            rtc.add_local_candidate(candidate);
        }
        let mut api = rtc.sdp_api();
        let mic = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let camera = api.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        for kind in [MediaKind::Audio, MediaKind::Video] {
            api.add_media(kind, Direction::RecvOnly, None, None, None);
        }
        let Some((offer, pending)) = api.apply() else { panic!("no offer") };
        let answer = self.desk.connect(peer, &offer.to_sdp_string()).map(|connected| connected.answer);
        let accepted = answer.map_err(|error| error.to_string()).and_then(|answer| {
            let answer = SdpAnswer::from_sdp_string(&answer).map_err(|error| error.to_string())?;
            rtc.sdp_api().accept_answer(pending, answer).map_err(|error| error.to_string())
        });
        assert_eq!(accepted, Ok(()), "the answer is not taken");
        Client { rtc, me, mic, camera, seq: 0, wake_at: self.desk.now }
    }

    /// Lets both sides say what they have to say, and time pass until one of them wakes.
    pub(super) fn turn(&mut self) {
        let next = self.clients.iter().map(|client| client.wake_at).chain([self.desk.shard.poll_timeout()]).min();
        self.desk.now = next.unwrap_or(self.desk.now).max(self.desk.now);
        let now = self.desk.now;
        self.desk.shard.handle_timeout(now);
        self.desk.settle();
        for transmit in std::mem::take(&mut self.desk.sent) {
            let to = self.clients.iter().position(|client| client.me == transmit.destination);
            let Some(to) = to else { continue };
            if to == 0 && is_media(&transmit.contents) {
                self.newest_received = transmit.contents.to_vec();
            }
            let client = &mut self.clients[to];
            let Ok(contents) = (*transmit.contents).try_into() else { continue };
            let receive = Receive { proto: Protocol::Udp, source: SERVER.into(), destination: client.me, contents };
            let _refused = client.rtc.handle_input(Input::Receive(now, receive));
        }
        for index in 0..self.clients.len() {
            for datagram in self.clients[index].poll(now) {
                if index == 0 && is_media(&datagram) {
                    self.newest.clone_from(&datagram);
                }
                self.desk.receive(Path::udp(self.clients[index].me, SERVER.into()), &datagram);
            }
        }
    }
}

impl Client {
    fn poll(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        let _refused = self.rtc.handle_input(Input::Timeout(now));
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.wake_at = at.max(now);
                    return datagrams;
                }
                Ok(Output::Transmit(transmit)) => datagrams.push(transmit.contents.to_vec()),
                Ok(Output::Event(_)) => {}
                Err(_) => return datagrams,
            }
        }
    }
}

/// RTP, and not RTCP (RFC 5761 §4).
fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram, [first, second, ..] if first & 0xc0 == 0x80 && !(64..96).contains(&(second & 0x7f)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_carries_media() {
        let mut call = Call::new(str0m::crypto::from_feature_flags());
        for _ in 0..20 {
            call.clients[0].write(MediaKind::Audio, 1, b"voice");
            call.turn();
        }
        let counters = call.desk.shard.counters();
        assert_eq!(counters.peers_up, 2);
        assert!(counters.packets_forwarded >= 10, "{counters:?}");
    }
}
