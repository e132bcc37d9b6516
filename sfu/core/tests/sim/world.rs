//! Virtual time: clients (full str0m stacks), a bad network from a seed, and the shard between them.
#![expect(clippy::unwrap_used, reason = "the harness of tests: what can't be is a failed test")]

use crate::pipe::Pipe;
pub(crate) use crate::pipe::{Link, Rng};
use crate::rates::{Rates, heads, read};
use crate::scalable::{Described, Stream};
pub(crate) use crate::stun::binding_request;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{ExtensionValues, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tertulia_common::{PeerId, RoomId, ShardId};
use tertulia_sfu_core::{Connected, Event as ShardEvent, Limits, Path, PeerConfig, Shard};

pub(crate) const ROOM: RoomId = RoomId(7);
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 5_000);

#[expect(clippy::disallowed_methods, reason = "an epoch for virtual time; only distances from it count")]
fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

struct InFlight {
    by: Protocol,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// A picture's packet or a piece of sound, as it came out at a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) at_ms: u64,
    pub(crate) kind: MediaKind,
    pub(crate) seq: u64,
    pub(crate) time: u32,
    /// The number that the sender wrote into it.
    pub(crate) number: u64,
    /// Whose it is.
    pub(crate) from: PeerId,
    /// On which line it came.
    pub(crate) mid: Mid,
    /// In which layer its sender sent it, and with which picture id it came.
    pub(crate) layer: usize,
    pub(crate) picture: u16,
    /// It begins a picture, and is of a picture that needs no other.
    pub(crate) first: bool,
    pub(crate) key: bool,
    pub(crate) rate: Option<crate::rates::Said>,
    pub(crate) described: Option<Described>,
}

/// The sizes of a simulcast camera: id, height, and packets a picture, thirty times a second: 120, 480
/// and 1,440 kbit/s.
pub(crate) const LAYERS: [(&str, u16, u8); 3] = [("q", 180, 1), ("h", 360, 2), ("f", 720, 6)];
/// Of a picture's packets, after VP8's descriptor: the head of a key frame.
const FRAME_HEAD: usize = 10;

pub(crate) struct Client {
    pub(crate) id: PeerId,
    pub(crate) rtc: Rtc,
    /// As the stack knows it.
    local: SocketAddr,
    /// As the network shows it: another one after a NAT has forgotten the first.
    pub(crate) seen_as: SocketAddr,
    /// As it shows its TCP connection.
    pub(crate) tcp_seen_as: SocketAddr,
    /// The network drops what it sends and receives by this.
    pub(crate) blocked: Option<Protocol>,
    /// The server's answer to its newest offer.
    pub(crate) answer: String,
    pub(crate) silent: bool,
    /// How many lines for sounds and for pictures it offers to receive on.
    pub(crate) slots: (usize, usize),
    /// How loud its microphone says it is, dBov.
    pub(crate) level: Option<i8>,
    /// Whether its camera comes in layers, and which of them it does not send.
    pub(crate) simulcast: bool,
    pub(crate) layers_off: [bool; 3],
    /// Its pictures come in three rates.
    pub(crate) rates: Option<Rates>,
    /// Its camera comes as one stream of layers.
    pub(crate) scalable: Option<Stream>,
    /// Its pictures are H.264.
    pub(crate) h264: bool,
    /// Its way from the server, if it is narrow; and whether that is instead [`World::bottleneck`].
    pub(crate) downlink: Option<Pipe>,
    pub(crate) is_behind_bottleneck: bool,
    pub(crate) sends: Vec<(Mid, MediaKind)>,
    /// Of the sound, then of each layer.
    pub(crate) seqs: [u64; 4],
    pub(crate) numbers: [u64; 4],
    next_audio: Instant,
    next_video: Instant,
    pub(crate) keyframes_wanted: [bool; 3],
    pub(crate) keyframes_sent: u32,
    pub(crate) sending: bool,
    pub(crate) connected: u32,
    pub(crate) heard: Vec<Heard>,
    /// Numbers of packets without payload.
    pub(crate) empty: Vec<u64>,
    /// When anything but STUN came, and how much of it, by what.
    pub(crate) packets: Vec<(u64, Protocol)>,
    /// The RTP packet that it sent last.
    pub(crate) last_media: Vec<u8>,
    wake_at: Instant,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) shard: Shard,
    pub(crate) clients: Vec<Client>,
    pub(crate) link: Link,
    /// A way that some share.
    pub(crate) bottleneck: Option<Pipe>,
    pub(crate) events: Vec<ShardEvent>,
    /// What happened, without what the stacks draw at random: for comparing two runs.
    pub(crate) trace: Vec<String>,
    /// The ways of what the server sent that was no STUN: by what, from where, to where.
    pub(crate) ways: Vec<(Protocol, SocketAddr, SocketAddr)>,
    rng: Rng,
    flights: BinaryHeap<Reverse<(Instant, u64)>>,
    in_flight: std::collections::HashMap<u64, InFlight>,
    sent: u64,
}

pub(crate) fn server() -> SocketAddr {
    SocketAddr::from(SERVER)
}

impl World {
    pub(crate) fn new(seed: u64, link: Link) -> Self {
        Self::with_limits(seed, link, Limits::default())
    }

    pub(crate) fn with_limits(seed: u64, link: Link, limits: Limits) -> Self {
        let crypto = Arc::new(str0m::crypto::from_feature_flags());
        let certificate = crypto.dtls_provider.generate_certificate().unwrap();
        let config = PeerConfig {
            certificate,
            candidates: vec![server().into()],
            tcp: true,
            crypto,
            estimate_initial_bps: 2_500_000,
        };
        let now = epoch();
        Self {
            now,
            shard: Shard::new(ShardId(0), config, limits, now),
            clients: Vec::new(),
            link,
            bottleneck: None,
            events: Vec::new(),
            trace: Vec::new(),
            ways: Vec::new(),
            rng: Rng::new(seed),
            flights: BinaryHeap::new(),
            in_flight: std::collections::HashMap::new(),
            sent: 0,
        }
    }

    pub(crate) fn ms(&self) -> u64 {
        u64::try_from((self.now - epoch()).as_millis()).unwrap()
    }

    /// Adds a client that sends and receives voice and picture, and connects it. Gives its index.
    pub(crate) fn join(&mut self) -> usize {
        self.join_as(|_| {})
    }

    /// The same, for a client that is another in something.
    pub(crate) fn join_as(&mut self, set_up: impl FnOnce(&mut Client)) -> usize {
        let index = self.clients.len();
        let mut client = Client::new(index, self.now);
        set_up(&mut client);
        self.clients.push(client);
        self.offer(index, false).unwrap();
        index
    }

    /// A client's offer goes to the shard, the answer comes back; as signalling would do it.
    pub(crate) fn offer(&mut self, index: usize, restart: bool) -> Result<Connected, tertulia_sfu_core::ConnectError> {
        let client = &mut self.clients[index];
        let mut api = client.rtc.sdp_api();
        if restart {
            api.ice_restart(true);
        } else {
            client.sends.clear();
            let mic = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
            let simulcast = client.simulcast.then(|| {
                let mut simulcast = Simulcast::new();
                LAYERS.iter().for_each(|(rid, ..)| simulcast.add_send_layer(SimulcastLayer::new(rid)));
                simulcast
            });
            let camera = api.add_media(MediaKind::Video, Direction::SendOnly, None, None, simulcast);
            client.sends.extend([(mic, MediaKind::Audio), (camera, MediaKind::Video)]);
            let (audio, video) = client.slots;
            for slot in 0..audio.max(video) {
                for (kind, slots) in [(MediaKind::Audio, audio), (MediaKind::Video, video)] {
                    if slot < slots {
                        api.add_media(kind, Direction::RecvOnly, None, None, None);
                    }
                }
            }
        }
        let (offer, pending) = api.apply().unwrap();
        let mut random = [0; 24];
        random.fill_with(|| self.rng.next() as u8);
        let connected = self.shard.connect(self.now, ROOM, client.id, &offer.to_sdp_string(), random)?;
        client.answer.clone_from(&connected.answer);
        let answer = SdpAnswer::from_sdp_string(&connected.answer).unwrap();
        client.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        let rids: Vec<Option<Rid>> = client.rids().collect();
        for (mid, rid) in client.sends.iter().flat_map(|(mid, _)| rids.iter().map(|rid| (*mid, *rid))) {
            // As browsers do: whatever is asked for again is sent again.
            let mut api = client.rtc.direct_api();
            if let Some(stream) = api.stream_tx_by_mid(mid, rid) {
                stream.set_rtx_cache(1_024, Duration::from_secs(2), None);
            }
        }
        client.wake_at = self.now;
        Ok(connected)
    }

    /// Both join, connect, and are let in.
    pub(crate) fn call(&mut self) -> (usize, usize) {
        let (alice, bob) = (self.join(), self.join());
        assert!(
            self.run_until(10_000, |world| world.clients.iter().all(|client| client.connected > 0)),
            "both connect"
        );
        for index in [alice, bob] {
            self.shard.admit(self.now, self.clients[index].id);
            self.clients[index].sending = true;
        }
        (alice, bob)
    }

    /// Runs until `done`, at most for `ms`. Whether it was done.
    pub(crate) fn run_until(&mut self, ms: u64, mut done: impl FnMut(&Self) -> bool) -> bool {
        let (end, mut is_done) = (self.now + Duration::from_millis(ms), done(self));
        while self.now < end && !is_done {
            self.step(end);
            is_done = done(self);
        }
        self.hand_out();
        is_done
    }

    pub(crate) fn run(&mut self, ms: u64) {
        self.run_until(ms, |_| false);
    }

    fn step(&mut self, end: Instant) {
        self.poll_clients();
        self.hand_out();
        let clients = self.clients.iter().map(|client| client.next_wake_up()).min();
        let flight = self.flights.peek().map(|Reverse((at, _))| *at);
        let next = [clients, flight, Some(self.shard.poll_timeout())].into_iter().flatten().min().unwrap_or(end);
        self.now = next.clamp(self.now + Duration::from_micros(100), end.max(self.now + Duration::from_micros(100)));
        self.deliver();
        self.shard.handle_timeout(self.now);
    }

    /// Sends and tells what the shard has to say.
    fn hand_out(&mut self) {
        self.shard.flush(self.now);
        while let Some(transmit) = self.shard.poll_transmit() {
            if transmit.contents[0] > 1 {
                self.ways.push((transmit.proto, transmit.source, transmit.destination));
            }
            self.send(transmit.proto, transmit.source, transmit.destination, transmit.contents.to_vec());
        }
        while let Some(event) = self.shard.poll_event() {
            self.trace.extend(traced(&event).map(|what| format!("{} {what}", self.ms())));
            self.events.push(event);
        }
    }

    fn send(&mut self, by: Protocol, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let copies = if self.rng.chance(self.link.duplicates) && by == Protocol::Udp { 2 } else { 1 };
        for _ in 0..copies {
            // All draws for every datagram: what one decides must not shift those after it.
            let (lost, late) = (self.rng.chance(self.link.loss), self.rng.next() % 1_000);
            if lost && by == Protocol::Udp {
                continue;
            }
            let client = self.clients.iter_mut().find(|client| client.is_at(by, to));
            let pipe = match client {
                Some(client) if client.is_behind_bottleneck => self.bottleneck.as_mut(),
                client => client.and_then(|client| client.downlink.as_mut()),
            };
            let Some(through) = pipe.map_or(Some(self.now), |pipe| pipe.pass(self.now, bytes.len())) else { continue };
            let at = through + self.link.delay + self.link.jitter.mul_f64(late as f64 / 1_000.0);
            self.sent += 1;
            self.flights.push(Reverse((at, self.sent)));
            self.in_flight.insert(self.sent, InFlight { by, from, to, bytes: bytes.clone() });
        }
    }

    fn deliver(&mut self) {
        while let Some(Reverse((at, id))) = self.flights.peek().copied() {
            if at > self.now {
                return;
            }
            self.flights.pop();
            let InFlight { by, from, to, bytes } = self.in_flight.remove(&id).unwrap();
            if to == server() {
                let path = Path { protocol: by, remote: from, local: to };
                self.shard.handle_datagram(self.now, path, &bytes);
            } else if let Some(client) = self.clients.iter_mut().find(|client| client.is_at(by, to) && !client.silent) {
                client.receive(self.now, by, from, &bytes);
                let outbox = client.poll(self.now, epoch());
                self.send_all(outbox);
            }
        }
    }

    fn poll_clients(&mut self) {
        for index in 0..self.clients.len() {
            let client = &mut self.clients[index];
            if client.silent {
                continue;
            }
            client.generate(self.now, epoch());
            let outbox = client.poll(self.now, epoch());
            self.send_all(outbox);
        }
    }

    fn send_all(&mut self, outbox: Vec<Outgoing>) {
        for (by, from, to, bytes) in outbox {
            self.send(by, from, to, bytes);
        }
    }
}

/// An event without what a stack drew at random.
fn traced(event: &ShardEvent) -> Option<String> {
    match event {
        ShardEvent::Quality { .. } | ShardEvent::Speakers { .. } | ShardEvent::Publish { .. } => None,
        ShardEvent::Slots { peer, slots, .. } => {
            let carried: Vec<_> = slots.iter().map(|slot| slot.carries).collect();
            Some(format!("Slots {peer:?} {carried:?}"))
        }
        ShardEvent::Up { .. } | ShardEvent::Down { .. } | ShardEvent::Gone { .. } => Some(format!("{event:?}")),
    }
}

/// By what, from where, to where, and what.
type Outgoing = (Protocol, SocketAddr, SocketAddr, Vec<u8>);

impl Client {
    pub(crate) fn new(index: usize, now: Instant) -> Self {
        let local = SocketAddr::from(([10, 0, 1, u8::try_from(index + 1).unwrap()], 6_000));
        let mut rtc =
            Rtc::builder().set_rtp_mode(true).clear_codecs().enable_opus(true, false).enable_vp8(true).build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").unwrap());
        Self {
            id: PeerId(index as u64 + 1),
            rtc,
            local,
            seen_as: local,
            tcp_seen_as: local,
            blocked: None,
            answer: String::new(),
            packets: Vec::new(),
            last_media: Vec::new(),
            silent: false,
            slots: (2, 2),
            level: None,
            sends: Vec::new(),
            simulcast: false,
            layers_off: [false; 3],
            rates: None,
            scalable: None,
            h264: false,
            downlink: None,
            is_behind_bottleneck: false,
            seqs: [100, 5_000, 7_000, 400],
            numbers: [0; 4],
            next_audio: now,
            next_video: now,
            keyframes_wanted: [true; 3],
            keyframes_sent: 0,
            sending: false,
            connected: 0,
            heard: Vec::new(),
            empty: Vec::new(),
            wake_at: now,
        }
    }

    fn next_wake_up(&self) -> Instant {
        match (self.silent, self.sending) {
            (true, _) => self.wake_at + Duration::from_secs(3_600),
            (false, true) => self.wake_at.min(self.next_audio).min(self.next_video),
            (false, false) => self.wake_at,
        }
    }

    /// It may connect by TCP too.
    pub(crate) fn may_use_tcp(&mut self) {
        let active = Candidate::builder().tcp().host(self.local).tcptype(TcpType::Active).build();
        self.rtc.add_local_candidate(active.unwrap());
    }

    /// The ICE user name of its requests.
    pub(crate) fn username(&mut self) -> String {
        let theirs = self.answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap();
        format!("{theirs}:{}", self.rtc.direct_api().local_ice_credentials().ufrag)
    }

    /// The password with which they are signed.
    pub(crate) fn password(&self) -> &str {
        self.answer.lines().find_map(|line| line.strip_prefix("a=ice-pwd:")).unwrap()
    }

    /// The credentials that it may restart ICE with by itself.
    pub(crate) fn later(&self) -> Vec<(String, String)> {
        let lines = self.answer.lines().filter_map(|line| line.strip_prefix("a=x-restart:")?.split_once(' '));
        lines.map(|(name, password)| (name.to_owned(), password.to_owned())).collect()
    }

    fn is_at(&self, by: Protocol, address: SocketAddr) -> bool {
        self.blocked != Some(by) && address == if by == Protocol::Udp { self.seen_as } else { self.tcp_seen_as }
    }

    fn receive(&mut self, now: Instant, by: Protocol, from: SocketAddr, bytes: &[u8]) {
        let Ok(contents) = bytes.try_into() else { return };
        if bytes[0] > 1 {
            self.packets.push((u64::try_from((now - epoch()).as_millis()).unwrap(), by));
        }
        let receive = Receive { proto: by, source: from, destination: self.local, contents };
        self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
    }

    /// Voice every 20 ms, a picture of six packets every 33.
    fn generate(&mut self, now: Instant, epoch: Instant) {
        if !self.sending || !self.rtc.is_connected() {
            (self.next_audio, self.next_video) = (now, now);
            return;
        }
        if now >= self.next_audio {
            self.next_audio += Duration::from_millis(20);
            let time = ((now - epoch).as_millis() * 48) as u32;
            self.write(now, 0, time, true, &[]);
        }
        if now >= self.next_video {
            // A camera does not make up for what it missed: two pictures would have one time.
            self.next_video = (self.next_video + Duration::from_millis(33)).max(now + Duration::from_millis(1));
            if self.scalable.is_some() {
                self.write_scalable(now, ((now - epoch).as_millis() * 90) as u32);
                return;
            }
            let layers = if self.simulcast { &LAYERS[..] } else { &[("", 0, 6)] };
            for (layer, &(_, height, parts)) in layers.iter().enumerate() {
                if self.layers_off[layer] {
                    continue;
                }
                // Each layer has a clock of its own; reports tell how they belong together.
                let time = ((now - epoch).as_millis() * 90) as u32 + layer as u32 * 123_456_789;
                let key = std::mem::take(&mut self.keyframes_wanted[layer]);
                self.keyframes_sent += u32::from(key);
                let picture = (self.numbers[1 + layer] / u64::from(parts) + 1_000 * layer as u64) as u16;
                let head = heads(self.rates.as_mut(), layer, key, picture, height);
                for part in 0..parts {
                    let first = 0x80 | if part == 0 { 0x10 } else { 0 };
                    let nal = if key && part == 0 { 0x67 } else { 0x41 };
                    let head = head(if self.h264 { nal } else { first });
                    self.write(now, 1 + layer, time, part + 1 == parts, &head);
                }
            }
        }
    }

    fn rids(&self) -> impl Iterator<Item = Option<Rid>> + use<> {
        let simulcast = self.simulcast;
        LAYERS.iter().filter(move |_| simulcast).map(|(rid, ..)| Some(Rid::from(*rid))).chain([None])
    }

    fn write(&mut self, now: Instant, stream: usize, time: u32, marker: bool, head: &[u8]) {
        let (mid, kind) = self.sends[stream.min(1)];
        let rid = (self.simulcast && stream > 0).then(|| Rid::from(LAYERS[stream - 1].0));
        self.numbers[stream] += 1;
        let codec_is_audio = kind == MediaKind::Audio;
        let mut payload = head.to_vec();
        payload.extend_from_slice(&self.numbers[stream].to_be_bytes());
        payload.extend_from_slice(&self.id.0.to_be_bytes());
        payload.push(stream.saturating_sub(1) as u8);
        payload.resize(
            if codec_is_audio {
                80
            } else if rid.is_some() && stream == 1 {
                self.rates.map_or(500, Rates::bytes)
            } else {
                1_000
            },
            0,
        );
        let params = self.rtc.codec_config().find(|params| params.spec().codec.is_audio() == codec_is_audio).unwrap();
        let pt = params.pt();
        let seq = self.seqs[stream];
        self.seqs[stream] += 1;
        let loudness = self.level.filter(|_| codec_is_audio);
        let said = ExtensionValues {
            audio_level: loudness,
            voice_activity: loudness.map(|level| level > -60),
            ..ExtensionValues::default()
        };
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, rid).unwrap();
        let write = RtpWrite::new(pt, seq.into(), time, now, payload).marker(marker).nackable(!codec_is_audio);
        stream.write_rtp(write.ext_vals(said));
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
    }

    fn poll(&mut self, now: Instant, epoch: Instant) -> Vec<Outgoing> {
        let mut outbox = Vec::new();
        if self.wake_at <= now {
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
        }
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.wake_at = at.max(now + Duration::from_micros(100));
                    return outbox;
                }
                Output::Transmit(transmit) => {
                    if transmit.contents[0] > 127 && !(192..224).contains(&transmit.contents[1]) {
                        self.last_media = transmit.contents.to_vec();
                    }
                    let from = if transmit.proto == Protocol::Udp { self.seen_as } else { self.tcp_seen_as };
                    if self.blocked != Some(transmit.proto) {
                        outbox.push((transmit.proto, from, transmit.destination, transmit.contents.to_vec()));
                    }
                }
                Output::Event(Event::Connected) => self.connected += 1,
                Output::Event(Event::KeyframeRequest(request)) => {
                    assert!(matches!(request.kind, KeyframeRequestKind::Pli | KeyframeRequestKind::Fir));
                    let of = |layer: &(&str, u16, u8)| request.rid == Some(Rid::from(layer.0));
                    self.keyframes_wanted[LAYERS.iter().position(of).unwrap_or(0)] = true;
                }
                Output::Event(Event::RtpPacket(packet)) if packet.payload.is_empty() => {
                    self.empty.push(*packet.seq_no);
                }
                Output::Event(Event::RtpPacket(packet)) => {
                    let video = packet.payload.len() > 100;
                    let (descriptor, rate) = read(&packet.payload);
                    let at = if video { descriptor + FRAME_HEAD } else { 0 };
                    let word = |at: usize| u64::from_be_bytes(packet.payload[at..at + 8].try_into().unwrap());
                    let (number, from) = (word(at), PeerId(word(at + 8)));
                    let mid = self.rtc.direct_api().stream_rx(&packet.header.ssrc).unwrap().mid();
                    let kind = if video { MediaKind::Video } else { MediaKind::Audio };
                    let at_ms = u64::try_from((now - epoch).as_millis()).unwrap();
                    let (seq, time) = (*packet.seq_no, packet.header.timestamp);
                    let layer = usize::from(packet.payload[at + 16]);
                    let picture = u16::from_be_bytes([packet.payload[2], packet.payload[3]]) & 0x7fff;
                    let described = Described::of(&packet, at + 17);
                    let (first, key) = (packet.payload[0] & 0x10 != 0, packet.payload[descriptor] & 1 == 0);
                    self.heard.push(Heard {
                        at_ms,
                        kind,
                        seq,
                        time,
                        number,
                        from,
                        mid,
                        layer,
                        picture,
                        first,
                        key,
                        rate,
                        described,
                    });
                }
                Output::Event(_) => {}
            }
        }
    }

    /// What was heard of one kind, in the sender's numbers.
    pub(crate) fn numbers(&self, kind: MediaKind) -> Vec<u64> {
        self.heard.iter().filter(|heard| heard.kind == kind).map(|heard| heard.number).collect()
    }

    /// How many of `kind` it has sent.
    pub(crate) fn sent(&self, kind: MediaKind) -> u64 {
        self.numbers[usize::from(kind == MediaKind::Video)]
    }
}
