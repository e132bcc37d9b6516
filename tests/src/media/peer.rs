//! A WebRTC peer on `str0m`: one `Rtc`, one UDP socket of its own, RTP in and out.
//!
//! The peer is driven from outside: [`Peer::receive`] when its socket is readable, [`Peer::timeout`] when [`Peer::due`]
//! has come. What it hears goes to the caller at once.

use super::arrival;
use super::road::{Road, Way};
use super::synthetic::LAYERS;
use anyhow::{Context, anyhow};
use mio::net::UdpSocket;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// Larger than any datagram that a peer gets.
const DATAGRAM_BYTES_MAX: usize = 2048;

/// A line of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Sends audio.
    Mic,
    /// Sends video: the first is the camera, the second the screen.
    Camera,
    /// Sends video in three sizes ([`LAYERS`]).
    Layers,
    /// An audio slot.
    Ear,
    /// A video slot.
    Eye,
}

impl Line {
    /// What the SDK offers for a voice or video call, without the screen.
    pub const CALL: &[Self] = &[Self::Mic, Self::Camera, Self::Ear, Self::Eye];
    /// A voice and a slot for the other's.
    pub const VOICE: &[Self] = &[Self::Mic, Self::Ear];
}

/// What a peer hears.
#[derive(Debug)]
pub enum Heard<'a> {
    /// ICE and DTLS are up.
    Connected,
    /// An RTP packet on a line, whether that is of pictures, and when it came, where the kernel is asked ([`Peer::stamp_arrivals`]).
    Rtp(Mid, bool, &'a RtpPacket, Option<Instant>),
    /// A packet that was not looked at ([`Peer::ignore_media`]).
    Ignored,
    /// The other side wants a key frame on a line, of one of its sizes if there are several.
    KeyFrameWanted(Mid, Option<Rid>),
    /// It is over.
    Closed,
}

/// One peer.
pub struct Peer {
    rtc: Rtc,
    socket: UdpSocket,
    /// The address it told the server; the socket's own may differ after [`Peer::rebind`].
    me: SocketAddr,
    pending: Option<SdpPendingOffer>,
    lines: Vec<(Line, Mid)>,
    due: Instant,
    /// The `USERNAME` of its connectivity checks (RFC 8445 §7.2.2), once it has an answer.
    stun_username: String,
    /// Keeps what it sends, where a test wants to send it again.
    tap: Option<Vec<(SocketAddr, Vec<u8>)>>,
    /// What its network does to what comes, and what is on its way.
    road: Option<Road>,
    coming: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    /// It asks the kernel when datagrams came, and when the newest came.
    stamps: bool,
    came: Option<Instant>,
    ignores_media: bool,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("me", &self.me).field("due", &self.due).finish_non_exhaustive()
    }
}

fn rtc_on(socket: &UdpSocket) -> anyhow::Result<(Rtc, SocketAddr)> {
    let me = socket.local_addr()?;
    let mut rtc = Rtc::builder()
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(true)
        .set_rtp_mode(true)
        .build(Instant::now());
    rtc.add_local_candidate(Candidate::host(me, "udp")?);
    Ok((rtc, me))
}

impl Peer {
    /// A peer that offers these lines, and its offer.
    ///
    /// # Errors
    /// If it gets no socket.
    pub fn offer(ip: IpAddr, lines: &[Line]) -> anyhow::Result<(Self, String)> {
        let socket = UdpSocket::bind((ip, 0).into())?;
        let (mut rtc, me) = rtc_on(&socket)?;
        let mut api = rtc.sdp_api();
        let mut add = |line: &Line| {
            let (kind, direction) = match line {
                Line::Mic => (MediaKind::Audio, Direction::SendOnly),
                Line::Camera | Line::Layers => (MediaKind::Video, Direction::SendOnly),
                Line::Ear => (MediaKind::Audio, Direction::RecvOnly),
                Line::Eye => (MediaKind::Video, Direction::RecvOnly),
            };
            let simulcast = (*line == Line::Layers).then(|| {
                let mut simulcast = Simulcast::new();
                let rids = LAYERS.iter().filter_map(|layer| layer.rid);
                rids.for_each(|rid| simulcast.add_send_layer(SimulcastLayer::new(rid)));
                simulcast
            });
            (*line, api.add_media(kind, direction, None, None, simulcast))
        };
        let lines = lines.iter().map(&mut add).collect();
        let (offer, pending) = api.apply().context("an offer without lines")?;
        let peer = Self {
            rtc,
            socket,
            me,
            pending: Some(pending),
            lines,
            due: Instant::now(),
            stun_username: String::new(),
            tap: None,
            road: None,
            coming: VecDeque::new(),
            stamps: false,
            came: None,
            ignores_media: false,
        };
        Ok((peer, offer.to_sdp_string()))
    }

    /// A peer that answers an offer, and its answer.
    ///
    /// # Errors
    /// If it gets no socket or can't use the offer.
    pub fn answer(ip: IpAddr, offer: &str) -> anyhow::Result<(Self, String)> {
        let socket = UdpSocket::bind((ip, 0).into())?;
        let (mut rtc, me) = rtc_on(&socket)?;
        let answer = rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(offer)?)?;
        let peer = Self {
            rtc,
            socket,
            me,
            pending: None,
            lines: vec![],
            due: Instant::now(),
            stun_username: String::new(),
            tap: None,
            road: None,
            coming: VecDeque::new(),
            stamps: false,
            came: None,
            ignores_media: false,
        };
        Ok((peer, answer.to_sdp_string()))
    }

    /// Takes the answer to its offer.
    ///
    /// # Errors
    /// If it has made none, or can't use the answer.
    pub fn accept_answer(&mut self, answer: &str) -> anyhow::Result<()> {
        let pending = self.pending.take().context("no offer is waiting for an answer")?;
        let theirs = answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap_or_default();
        let ours = self.rtc.direct_api().local_ice_credentials().ufrag;
        self.stun_username = format!("{theirs}:{ours}");
        self.rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(answer)?)?;
        self.due = Instant::now();
        Ok(())
    }

    /// Offers again, with new ICE credentials.
    ///
    /// # Errors
    /// If there is nothing to offer.
    pub fn ice_restart(&mut self) -> anyhow::Result<String> {
        let mut api = self.rtc.sdp_api();
        api.ice_restart(true);
        let (offer, pending) = api.apply().context("a restart needs an offer")?;
        self.pending = Some(pending);
        Ok(offer.to_sdp_string())
    }

    /// Goes on from another port without telling anyone, as behind a NAT that has forgotten the old one.
    ///
    /// # Errors
    /// If it gets no socket.
    pub fn rebind(&mut self) -> anyhow::Result<UdpSocket> {
        let fresh = UdpSocket::bind((self.me.ip(), 0).into())?;
        Ok(std::mem::replace(&mut self.socket, fresh))
    }

    /// The line's `a=mid`.
    ///
    /// # Errors
    /// If it offered no such line.
    pub fn mid(&self, line: Line) -> anyhow::Result<Mid> {
        self.lines.iter().find(|(l, _)| *l == line).map(|(_, mid)| *mid).ok_or_else(|| anyhow!("no {line:?} line"))
    }

    /// Every sending line.
    pub fn sending_lines(&self) -> impl Iterator<Item = (Line, Mid)> + '_ {
        self.lines.iter().copied().filter(|(line, _)| matches!(line, Line::Mic | Line::Camera | Line::Layers))
    }

    /// From now on the kernel says when packets came.
    ///
    /// # Errors
    /// If it can't.
    pub fn stamp_arrivals(&mut self) -> anyhow::Result<()> {
        self.stamps = true;
        Ok(arrival::stamp(&self.socket)?)
    }

    /// From now on media is counted and thrown away: a receiver that costs little. It says nothing of what it gets.
    pub fn ignore_media(&mut self) {
        self.ignores_media = true;
    }

    /// From now on what comes to it comes by such a way.
    pub fn travel(&mut self, way: Way) {
        self.road = Some(Road::new(way));
    }

    /// When [`Peer::timeout`] should be called.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.coming.front().map_or(self.due, |(at, ..)| self.due.min(*at))
    }

    /// Its socket, to be polled.
    pub fn socket(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// The address of its socket.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// The `USERNAME` of its connectivity checks, which whoever sees its datagrams can read.
    #[must_use]
    pub fn stun_username(&self) -> &str {
        &self.stun_username
    }

    /// From now on keeps a copy of each datagram it sends.
    pub fn start_tap(&mut self) {
        self.tap = Some(Vec::new());
    }

    /// The copies, and no more of them.
    pub fn take_tap(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        self.tap.take().unwrap_or_default()
    }

    /// Asks the other side for a key frame on a line that receives.
    pub fn want_key_frame(&mut self, mid: Mid) {
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    /// Says goodbye.
    pub fn close(&mut self) {
        self.rtc.disconnect();
    }

    /// Reads everything that its socket has.
    pub fn receive(&mut self, hear: &mut dyn FnMut(Heard<'_>)) {
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        loop {
            let received = if self.stamps {
                arrival::receive(&self.socket, &mut buffer).map(|(bytes, source, came)| (bytes, source, Some(came)))
            } else {
                self.socket.recv_from(&mut buffer).map(|(bytes, source)| (bytes, source, None))
            };
            let (bytes, source) = match received {
                Ok((bytes, source, came)) => {
                    self.came = came;
                    (bytes, source)
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // An ICMP answer to an earlier datagram: the ICE agent finds out by itself.
                Err(_) => continue,
            };
            // RTP and RTCP (RFC 7983), told apart by what would be the payload type (RFC 5761).
            if self.ignores_media && (128..192).contains(&buffer[0]) {
                if !(192..224).contains(&buffer[1]) {
                    hear(Heard::Ignored);
                }
                continue;
            }
            let now = Instant::now();
            let Some(road) = &mut self.road else {
                self.arrive(now, source, &buffer[..bytes], hear);
                continue;
            };
            if let Some(at) = road.carry(now, bytes) {
                self.coming.push_back((at, source, buffer[..bytes].to_vec()));
            }
        }
    }

    fn arrive(&mut self, now: Instant, source: SocketAddr, datagram: &[u8], hear: &mut dyn FnMut(Heard<'_>)) {
        let Ok(contents) = datagram.try_into() else { return };
        let receive = Receive { proto: Protocol::Udp, source, destination: self.me, contents };
        self.input(Input::Receive(now, receive), hear);
    }

    /// Lets time pass.
    pub fn timeout(&mut self, now: Instant, hear: &mut dyn FnMut(Heard<'_>)) {
        while let Some((_, source, datagram)) = self.coming.pop_front_if(|(at, ..)| *at <= now) {
            self.arrive(now, source, &datagram, hear);
        }
        self.input(Input::Timeout(now), hear);
    }

    fn input(&mut self, input: Input<'_>, hear: &mut dyn FnMut(Heard<'_>)) {
        if self.rtc.is_alive() && self.rtc.handle_input(input).is_err() {
            self.rtc.disconnect();
        }
        self.drain(hear);
    }

    /// Queues a packet on a line that sends; it leaves with the next [`Peer::timeout`].
    ///
    /// # Errors
    /// If the line can't send.
    pub fn write(
        &mut self,
        (mid, rid): (Mid, Option<Rid>),
        seq: u64,
        time: u32,
        marker: bool,
        payload: Vec<u8>,
    ) -> anyhow::Result<()> {
        let (pt, video) = self.payload_type(mid)?;
        // A steady voice, so that a server that forwards the loudest forwards it.
        let levels = ExtensionValues { audio_level: Some(-20), voice_activity: Some(true), ..Default::default() };
        let write = RtpWrite::new(pt, seq.into(), time, Instant::now(), payload).marker(marker).nackable(video);
        let write = if video { write } else { write.ext_vals(levels) };
        let mut api = self.rtc.direct_api();
        api.stream_tx_by_mid(mid, rid).context("the line does not send")?.write_rtp(write);
        Ok(())
    }

    fn payload_type(&self, mid: Mid) -> anyhow::Result<(Pt, bool)> {
        let video = self.rtc.media(mid).context("no such line")?.kind() == MediaKind::Video;
        let codec = if video { Codec::Vp8 } else { Codec::Opus };
        let params = self.rtc.codec_config().params().iter().find(|p| p.spec().codec == codec);
        Ok((params.context("the codec was not negotiated")?.pt(), video))
    }

    fn drain(&mut self, hear: &mut dyn FnMut(Heard<'_>)) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(due)) => {
                    self.due = due;
                    return;
                }
                Ok(Output::Transmit(out)) => {
                    if let Some(tap) = &mut self.tap {
                        tap.push((out.destination, out.contents.to_vec()));
                    }
                    // A full socket loses a datagram, as a network does.
                    self.socket.send_to(&out.contents, out.destination).ok();
                }
                Ok(Output::Event(event)) => match event {
                    Event::Connected => hear(Heard::Connected),
                    Event::RtpPacket(packet) => {
                        let mid = packet.header.ext_vals.mid.or_else(|| {
                            self.rtc.direct_api().stream_rx(&packet.header.ssrc).map(|stream| stream.mid())
                        });
                        if let Some(mid) = mid {
                            let is_picture = self.rtc.media(mid).is_some_and(|of| of.kind() == MediaKind::Video);
                            hear(Heard::Rtp(mid, is_picture, &packet, self.came));
                        }
                    }
                    Event::KeyframeRequest(request) => hear(Heard::KeyFrameWanted(request.mid, request.rid)),
                    Event::Closed => hear(Heard::Closed),
                    _ => {}
                },
                Err(_) => {
                    hear(Heard::Closed);
                    self.due = Instant::now() + Duration::from_secs(3600);
                    return;
                }
            }
        }
    }
}
