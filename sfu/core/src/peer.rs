//! One participant's connection: the only owner of a `str0m::Rtc`.
//!
//! Invariant: whatever changes the `Rtc` is followed by a drain until it has nothing more to say, before time moves on; see [`waiting`] for
//! the one thing that may be left.
//! A caller may batch several writes of one wake-up in front of one drain: str0m sends them in order of writing.

use crate::bitrate::PublishBudget;
use crate::descriptor::{self, Raw};
use crate::error::ConnectError;
use crate::event::{PeerQuality, SlotState, Source};
use crate::forward::{Packet, Skip, Slot, height_of_keyframe, opens, starts_keyframe};
use crate::offer::{self, Line, Offer};
use crate::quality::{self, Added, StreamFigures};
use crate::share::Share;
use crate::sync::PublisherClock;
use crate::view::View;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::change::SdpOffer;
use str0m::config::CryptoProvider;
use str0m::format::Codec;
use str0m::ice::StunMessage;
use str0m::media::{MediaKind, Pt};
use str0m::net::Transmit;
use str0m::rtp::{RtpPacket, Ssrc, StreamPaused, Vp8Descriptor};
use str0m::{IceCreds, Input, Output, Rtc};
use tertulia_common::{PeerId, RoomId};

mod ask;
mod credentials;
mod estimate;
mod heartbeat;
mod remotes;
mod scalable;
mod setup;
mod shown;
mod track;
mod waiting;

pub(crate) use credentials::{Credentials, Named};
pub(crate) use remotes::{Remotes, is_stun};
pub(crate) use setup::NewPeer;
pub use setup::PeerConfig;
pub(crate) use track::{LAYERS_MAX, Track};

use estimate::{Known, Looks, Sound};
use heartbeat::Heartbeat;
use shown::Shown;
use track::LAYER_GONE_AFTER;
use waiting::Waiting;

/// Packets of all video slots that wait for a NACK. Each costs about 600 bytes beside its payload, which is shared.
const RTX_PACKETS: usize = 1_024;
/// Of one slot, at most: a second of 2 Mbit/s, half of one of 4. More serves longer round trips.
const RTX_SLOT_PACKETS_MAX: usize = 256;
/// Of one slot, at least: a third of a second of 2 Mbit/s.
const RTX_SLOT_PACKETS_MIN: usize = 96;
/// How long they wait. Longer serves round trips above half a second, and costs memory in proportion.
const RTX_AGE_MAX: Duration = Duration::from_secs(1);
/// Retransmitted bytes, as a part of all, above which queued ones are dropped. Links with 30 % loss need as much.
const RTX_RATIO_MAX: f32 = 0.5;
/// A timeout that is this near is fed at once: the pacer asks for one after each packet, and a burst would break there.
const NEAR: Duration = Duration::from_micros(100);
/// Near timeouts fed in one drain; bounds a stack that would ask for ever.
const NEAR_MAX: usize = 256;
/// Bytes of a payload that is forwarded. The stack writes packets into 2,000 bytes, headers of a receiver's own included: what does
/// not fit would end the receiver. No network carries more than 1,500 whole.
const PAYLOAD_BYTES_MAX: usize = 1_500;
/// How often the estimate is kept where no video is sent: the stack would look 40 times a second at what nobody uses.
const HOUSEKEEPING_IDLE: Duration = Duration::from_millis(500);

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Offered; ICE and DTLS are not up yet.
    Connecting {
        since: Instant,
    },
    Up,
    /// Nothing heard for some seconds.
    Down,
}

/// What a drain brought up, beside datagrams and packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Up,
    Closed,
    KeyframeWanted {
        slot: usize,
    },
    /// It can't receive what its pictures were granted.
    Short,
    /// Of a simulcast track a layer has come or gone, or has another size.
    Layers {
        track: usize,
    },
    /// Of a track a layer has paused, or another picture comes in its place.
    Broken {
        track: usize,
        layer: usize,
    },
    /// It sends with this SSRC, and perhaps no longer with that one.
    Sends {
        ssrc: u32,
        not: Option<u32>,
    },
    Figures(Added, /* of a track, not a slot: */ bool),
}

/// What came out of a drain. One for a shard, used again and again.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    pub(crate) transmits: Vec<Transmit>,
    /// With the index of the track.
    pub(crate) packets: Vec<(usize, Packet)>,
    pub(crate) signals: Vec<Signal>,
    pub(crate) over_bitrate: u64,
    pub(crate) too_large: u64,
    pub(crate) heartbeats: u64,
}

pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) room: RoomId,
    /// See [`Connected::made`](crate::Connected::made).
    pub(crate) made: u64,
    /// Media flows to and from it.
    pub(crate) admitted: bool,
    /// Its room counts it among those who are admitted.
    pub(crate) present: bool,
    /// What it shows, if it has said so.
    pub(crate) view: Option<View>,
    /// How many of the others' pictures it had no slot for, when its room was arranged last.
    pub(crate) unplaced: usize,
    pub(crate) link: Link,
    pub(crate) last_heard: Instant,
    pub(crate) tracks: Vec<Track>,
    pub(crate) slots: Vec<Slot>,
    /// It is on the shard's list for the next flush.
    pub(crate) dirty: bool,
    pub(crate) wake_at: Instant,
    /// What it can receive, bits a second.
    pub(crate) estimate_bps: Option<u64>,
    /// How that is shared among its pictures.
    pub(crate) share: Share,
    shown: Shown,
    /// Packets of it that were authentic and new.
    pub(crate) authentic: u64,
    pub(crate) remotes: Remotes,
    pub(crate) heartbeat: Heartbeat,
    rtc: Rtc,
    waiting: Waiting,
    crypto: Arc<CryptoProvider>,
    credentials: Credentials,
    /// `a=fingerprint` of its offer: another one is another connection.
    fingerprint: String,
    /// Which track and which layer of it an SSRC belongs to.
    ssrcs: Vec<(Ssrc, (usize, usize))>,
    slot_figures: Vec<StreamFigures>,
    /// The codec of each payload type that it sends; RED counts as what is in it.
    codecs: Vec<(Pt, Codec)>,
    clock: PublisherClock,
    budget: PublishBudget,
    rtt: Option<Duration>,
    /// By what `estimate_bps` is known.
    known: Known,
    /// What the stack told last, where it makes the estimate, and when it was made to begin anew.
    mean_bps: u64,
    anew: Option<Instant>,
    sound: Sound,
    looks: Looks,
    /// How much there is to send, bits a second, and how much of that the stack was told.
    desired_bps: u64,
    told_bps: u64,
    /// The stack panics at its next drain.
    #[cfg(test)]
    pub(crate) panics: bool,
}

/// SSRCs that one peer may use before the oldest is forgotten: browsers change them at a re-negotiation only.
const SSRCS_MAX: usize = 32;

impl Peer {
    /// Makes the peer of a first offer. Gives the answer beside it.
    pub(crate) fn new(now: Instant, new: NewPeer<'_>, offer: &Offer) -> Result<(Self, String), ConnectError> {
        let mut rtc = setup::rtc_config(&new, offer).build(now);
        for candidate in setup::candidates(new.config)? {
            rtc.add_local_candidate(candidate);
        }
        let mut peer = Self {
            id: new.id,
            room: new.room,
            made: 0,
            admitted: false,
            present: false,
            view: None,
            unplaced: 0,
            link: Link::Connecting { since: now },
            last_heard: now,
            tracks: Vec::new(),
            slots: Vec::new(),
            dirty: false,
            wake_at: now,
            estimate_bps: None,
            known: Known::default(),
            mean_bps: 0,
            anew: None,
            sound: Sound::default(),
            looks: Looks::default(),
            share: Share::default(),
            shown: Shown::default(),
            authentic: 0,
            remotes: Remotes::new(new.limits, now),
            heartbeat: Heartbeat::new(now),
            rtc,
            waiting: Waiting::default(),
            crypto: Arc::clone(&new.config.crypto),
            credentials: new.credentials,
            fingerprint: fingerprint(&offer.sdp),
            ssrcs: Vec::new(),
            slot_figures: Vec::new(),
            codecs: Vec::new(),
            clock: PublisherClock::default(),
            budget: PublishBudget::new(new.limits.publish_bitrate_max_bps, now),
            rtt: None,
            desired_bps: 0,
            told_bps: 0,
            #[cfg(test)]
            panics: false,
        };
        let answer = peer.accept(offer)?;
        let answer = offer::with_later(&answer, peer.credentials.later());
        Ok((peer, answer))
    }

    /// Whether the offer goes on with this connection: an ICE restart, or more lines.
    pub(crate) fn continues(&self, offer: &Offer) -> bool {
        self.fingerprint == fingerprint(&offer.sdp)
    }

    /// Takes a later offer of the same connection. `credentials` are used if it restarts ICE.
    pub(crate) fn renegotiate(&mut self, offer: &Offer, credentials: Credentials) -> Result<String, ConnectError> {
        let before = self.rtc.direct_api().local_ice_credentials();
        let answer = self.accept(offer)?;
        let mut api = self.rtc.direct_api();
        if api.local_ice_credentials() == before {
            return Ok(answer);
        }
        // The stack drew new ones, but ours have to lead to this peer.
        api.set_local_ice_credentials(credentials.first().clone());
        self.credentials = credentials;
        let answer = offer::with_credentials(&answer, self.credentials.first());
        Ok(offer::with_later(&answer, self.credentials.later()))
    }

    fn accept(&mut self, offer: &Offer) -> Result<String, ConnectError> {
        self.waiting.unsettle();
        let invalid = |error: &dyn std::fmt::Display| ConnectError::OfferInvalid(error.to_string());
        let parsed = SdpOffer::from_sdp_string(&offer.sdp).map_err(|error| invalid(&error))?;
        let answer = self.rtc.sdp_api().accept_offer(parsed).map_err(|error| invalid(&error))?;
        let video_slots = offer.lines.iter().filter(|line| line.receives && line.kind == MediaKind::Video).count();
        for line in &offer.lines {
            self.add_track(line);
            self.add_slot(line, video_slots);
        }
        self.look_at_feedback();
        self.codecs.clear();
        for params in self.rtc.codec_config().params() {
            self.codecs.push((params.pt(), params.spec().codec));
            self.codecs.extend(params.red().map(|red| (red, params.spec().codec)));
        }
        Ok(answer.to_sdp_string())
    }

    fn add_track(&mut self, line: &Line) {
        if !line.sends || self.tracks.iter().any(|track| track.mid == line.mid) {
            return;
        }
        let earlier = self.tracks.iter().filter(|track| track.kind == line.kind).count();
        let source = match (line.kind, earlier) {
            (MediaKind::Audio, 0) => Source::Mic,
            (MediaKind::Video, 0) => Source::Camera,
            (MediaKind::Video, 1) => Source::Screen,
            _ => return,
        };
        self.tracks.push(Track::new(line.mid, line.kind, source, &line.rids));
    }

    fn add_slot(&mut self, line: &Line, video_slots: usize) {
        if !line.receives || self.slots.iter().any(|slot| slot.mid == line.mid) {
            return;
        }
        // No stream: the line was refused, none of its codecs is served.
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(line.mid, None) {
            if line.kind == MediaKind::Video {
                let packets = (RTX_PACKETS / video_slots.max(1)).clamp(RTX_SLOT_PACKETS_MIN, RTX_SLOT_PACKETS_MAX);
                stream.set_rtx_cache(packets, RTX_AGE_MAX, Some(RTX_RATIO_MAX));
                // Its publisher has paced it. A second pacer would hold up to two seconds of it back whenever the
                // estimate lags, and it is the publisher who then has to send less, not we who have to send late.
                stream.set_unpaced(true);
            }
            self.waiting.add(stream.ssrc());
            self.slots.push(Slot::new(line.mid, line.kind, stream.ssrc()));
            self.slot_figures.push(StreamFigures::default());
        }
    }

    // === Getters ===

    pub(crate) fn slot_states(&self, id_of: impl Fn(usize) -> Option<PeerId>) -> Vec<SlotState> {
        let state = |slot: &Slot| SlotState {
            mid: slot.mid.to_string(),
            carries: slot.carries.and_then(|carried| Some((id_of(carried.place)?, carried.source))),
        };
        self.slots.iter().map(state).collect()
    }

    pub(crate) fn quality(&self) -> PeerQuality {
        let is_audio = |kind| kind == MediaKind::Audio;
        let layers = self.tracks.iter().flat_map(|track| track.layers.iter().map(|layer| (track.kind, layer)));
        PeerQuality {
            peer: self.id,
            rtt_ms: self.rtt.map(|rtt| rtt.as_secs_f32() * 1_000.0),
            estimate_bps: self.estimate_bps,
            up: quality::sum(layers.map(|(kind, layer)| (&layer.figures, is_audio(kind)))),
            down: quality::sum(self.slot_figures.iter().zip(&self.slots).map(|(f, slot)| (f, is_audio(slot.kind)))),
        }
    }

    /// Whether it is over: closed, or beyond repair.
    pub(crate) fn is_over(&self) -> bool {
        !self.rtc.is_alive()
    }

    // === Commands ===

    /// Ends an interval of measuring what the peer publishes.
    pub(crate) fn measure_tracks(&mut self, interval: Duration) {
        self.sound.measured(interval);
        for layer in self.tracks.iter_mut().flat_map(|track| &mut track.layers) {
            layer.measured(interval);
        }
    }

    /// Points a slot at a track of `publisher`, or at none.
    pub(crate) fn point_slot(&mut self, slot: usize, to: Option<(crate::forward::Carried, &Self)>) {
        let Some(slot) = self.slots.get_mut(slot) else { return };
        let media = self.rtc.media(slot.mid);
        let ours_pts = media.map_or(&[][..], |media| media.remote_pts());
        slot.takes_descriptors =
            media.is_some_and(|media| media.remote_extmap().iter().any(|(_, ext)| ext.as_uri() == descriptor::URI));
        let to = to.map(|(carried, publisher)| {
            let layers = publisher.tracks.get(carried.track).map_or(1, |track| track.layers.len());
            (carried, publisher.rtc.codec_config(), layers)
        });
        slot.point_at(to, self.rtc.codec_config(), ours_pts);
    }

    /// Writes a publisher's packet to a slot; it leaves with the next drain. Whether it is the first of its source or layer.
    pub(crate) fn forward(&mut self, slot: usize, packet: &Packet) -> Result<bool, Skip> {
        let slot = self.slots.get_mut(slot).ok_or(Skip::Old)?;
        let (write, begins) = slot.forward(packet)?;
        if slot.kind == MediaKind::Audio {
            self.sound.sent(packet.payload.len());
        }
        if let Some(stream) = self.rtc.direct_api().stream_tx(&slot.ssrc) {
            stream.write_rtp(write);
            self.waiting.wrote(1);
        }
        Ok(begins)
    }

    /// The SSRCs with which it sends.
    pub(crate) fn ssrcs(&self) -> impl Iterator<Item = u32> + '_ {
        self.ssrcs.iter().map(|(ssrc, _)| **ssrc)
    }

    // === Inputs ===

    /// Whether a STUN user name is of this peer, and by which of its credentials.
    pub(crate) fn named(&self, username: &str) -> Option<Named> {
        self.credentials.named(username)
    }

    /// Whether a STUN message was signed with the password that goes with its name (RFC 8489 §9.1). The stack's own check
    /// is not enough here: it takes whatever comes from the address that it sends to.
    pub(crate) fn has_signed(&self, message: &StunMessage<'_>, named: Named) -> bool {
        let hmac = self.crypto.sha1_hmac_provider;
        message.verify(self.credentials.password(named).as_bytes(), |key, parts| hmac.sha1_hmac(key, parts))
    }

    /// The client has restarted ICE, as an authentic request shows. Whether it did so with credentials for later.
    pub(crate) fn go_on(&mut self, named: Named, username: &str) -> bool {
        let (ours, theirs) = self.credentials.go_on(named, username);
        let mut api = self.rtc.direct_api();
        api.set_local_ice_credentials(ours.clone());
        // We answer only, and never sign with a password of theirs. Without one, their next offer is a restart in any case.
        api.set_remote_ice_credentials(IceCreds { ufrag: theirs.to_owned(), pass: String::new() });
        named.is_later()
    }

    /// Takes a datagram and drains. False if the stack refused it.
    pub(crate) fn receive(&mut self, now: Instant, input: Input<'_>, drained: &mut Drained) -> bool {
        self.waiting.receive();
        let taken = self.rtc.handle_input(input).is_ok();
        self.drain(now, drained);
        taken
    }

    /// Lets time pass, sends what was written, and drains.
    pub(crate) fn advance(&mut self, now: Instant, drained: &mut Drained) {
        if self.heartbeat.is_due(now) && self.link == Link::Up {
            self.heartbeat.said(now); // whether or not it can be: not again at once
            self.beat();
            drained.heartbeats += 1;
        }
        self.waiting.call();
        // An error ends the Rtc or is of one datagram; is_over tells which.
        drop(self.rtc.handle_input(Input::Timeout(now)));
        self.drain(now, drained);
    }

    fn drain(&mut self, now: Instant, drained: &mut Drained) {
        #[cfg(test)]
        assert!(!self.panics, "a stack that panics");
        let mut near_left = NEAR_MAX;
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => {
                    if !is_stun(&transmit.contents) {
                        self.heartbeat.said(now);
                        self.waiting.leaves(&transmit.contents);
                    }
                    drained.transmits.push(self.remotes.redirect(transmit));
                }
                Ok(Output::Event(event)) => self.on_event(now, event, drained),
                Ok(Output::Timeout(at)) => {
                    let waits = self.waiting.until(now, self.rtc.last_timeout_reason());
                    if waits.is_some() || at > now + NEAR || near_left == 0 || !self.rtc.is_alive() {
                        let due = waits.unwrap_or_else(|| self.waiting.settle(self.next_wake_up(now, at)));
                        let beat = self.heartbeat.due().filter(|_| self.link == Link::Up);
                        self.wake_at = due.min(beat.unwrap_or(due).max(now));
                        return;
                    }
                    near_left -= 1;
                    drop(self.rtc.handle_input(Input::Timeout(at.max(now))));
                }
                Err(_) => {
                    self.rtc.disconnect();
                    return;
                }
            }
        }
    }

    /// What only keeps the estimate up to date can wait where no video is sent.
    fn next_wake_up(&self, now: Instant, at: Instant) -> Instant {
        let is_idle = self.desired_bps == 0 && waiting::is_housekeeping(self.rtc.last_timeout_reason());
        at.max(if is_idle { now + HOUSEKEEPING_IDLE } else { now })
    }

    fn on_event(&mut self, now: Instant, event: str0m::Event, drained: &mut Drained) {
        use str0m::Event;
        match event {
            Event::RtpPacket(packet) => self.on_packet(now, packet, drained),
            Event::Connected => drained.signals.push(Signal::Up),
            Event::Closed => drained.signals.push(Signal::Closed),
            Event::KeyframeRequest(request) => {
                let slot = self.slots.iter().position(|slot| slot.mid == request.mid);
                drained.signals.extend(slot.map(|slot| Signal::KeyframeWanted { slot }));
            }
            Event::EgressBitrateEstimate(kind) => self.on_estimate(now, &kind, drained),
            Event::PeerStats(stats) => self.on_stats(now, &stats, drained),
            Event::MediaIngressStats(stats) => {
                if let Some(track) = self.tracks.iter_mut().find(|track| track.mid == stats.mid) {
                    let hz = clock_hz(track.kind);
                    let mut layers = track.layers.iter_mut();
                    let layer = layers.find(|layer| layer.rid == stats.rid && layer.figures.is_due(stats.timestamp));
                    let added = layer.map(|layer| layer.figures.on_ingress(&stats, hz));
                    drained.signals.extend(added.map(|added| Signal::Figures(added, true)));
                }
            }
            Event::MediaEgressStats(stats) => {
                self.rtt = stats.rtt.or(self.rtt);
                let slot = self.slots.iter().position(|slot| slot.mid == stats.mid);
                if let Some(index) = slot.filter(|index| self.slot_figures[*index].is_due(stats.timestamp)) {
                    let added = self.slot_figures[index].on_egress(&stats, clock_hz(self.slots[index].kind));
                    drained.signals.push(Signal::Figures(added, false));
                }
            }
            Event::StreamPaused(StreamPaused { mid, rid: Some(rid), paused: true, .. }) => {
                if let Some(track) = self.tracks.iter().position(|track| track.mid == mid) {
                    let of = &mut self.tracks[track];
                    if let Some(layer) = of.layer_of(Some(rid)) {
                        of.layers[layer].alive = false;
                        drained.signals.push(Signal::Broken { track, layer });
                        drained.signals.push(Signal::Layers { track });
                    }
                }
            }
            _ => {}
        }
    }

    fn on_packet(&mut self, now: Instant, packet: RtpPacket, drained: &mut Drained) {
        self.authentic += 1;
        if !self.admitted {
            return; // nothing is forwarded before the call is accepted
        }
        let Some((track, layer)) = self.track_of(packet.header.ssrc, drained) else { return };
        if packet.payload.len() > PAYLOAD_BYTES_MAX {
            drained.too_large += 1;
            return;
        }
        if !self.budget.take(packet.payload.len(), now) {
            drained.over_bitrate += 1;
            return;
        }
        let of = &mut self.tracks[track].layers[layer];
        of.bytes += packet.payload.len() as u64;
        if of.comes(now) {
            drained.signals.push(Signal::Broken { track, layer });
        }
        let mut news = !std::mem::replace(&mut of.alive, true);
        let pt = packet.header.payload_type;
        let Some((_, codec)) = self.codecs.iter().find(|(known, _)| *known == pt).copied() else { return };
        let captured = self.clock.captured(&packet, now);
        let described = packet.header.ext_vals.user_values.get_arc::<Raw>();
        let mut descriptor = None;
        if let Some(raw) = &described {
            let (read, changed) = self.tracks[track].layers[layer].read(now, raw, packet.payload.len());
            (descriptor, news) = (read, news | changed);
        }
        let rate = self.tracks[track].layers[layer].rate(codec, descriptor.as_ref(), &packet.payload);
        let starts_keyframe = match &descriptor {
            Some(descriptor) => descriptor.opens(),
            None => starts_keyframe(codec, &packet.payload),
        };
        if starts_keyframe && let Some(height) = height_of_keyframe(codec, &packet.payload) {
            news |= self.tracks[track].layers[layer].shows(height, now);
        }
        if news && self.tracks[track].is_layered() {
            drained.signals.push(Signal::Layers { track });
        }
        let extensions = &packet.header.ext_vals;
        let packet = Packet {
            pt,
            seq: *packet.seq_no,
            rtp_time: packet.header.timestamp,
            clock_hz: packet.time.frequency().get(),
            captured,
            marker: packet.header.marker,
            starts_keyframe,
            opens: starts_keyframe && (descriptor.is_some() || opens(codec, &packet.payload)),
            layer,
            audio_level: extensions.audio_level,
            voice_activity: extensions.voice_activity,
            orientation: extensions.video_orientation,
            vp8: (codec == Codec::Vp8).then(|| Vp8Descriptor::parse(&packet.payload).ok()).flatten(),
            rate,
            descriptor,
            described,
            payload: packet.payload,
        };
        drained.packets.push((track, packet));
    }

    fn track_of(&mut self, ssrc: Ssrc, drained: &mut Drained) -> Option<(usize, usize)> {
        if let Some((_, layer)) = self.ssrcs.iter().find(|(known, _)| *known == ssrc) {
            return Some(*layer);
        }
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx(&ssrc)?;
        let (mid, rid) = (stream.mid(), stream.rid());
        let track = self.tracks.iter().position(|track| track.mid == mid)?;
        let layer = self.tracks[track].layer_of(rid)?;
        if rid.is_some() {
            stream.set_pause_threshold(LAYER_GONE_AFTER);
        }
        let forgotten = (self.ssrcs.len() >= SSRCS_MAX).then(|| *self.ssrcs.remove(0).0);
        drained.signals.push(Signal::Sends { ssrc: *ssrc, not: forgotten });
        drained.signals.push(Signal::Broken { track, layer });
        self.ssrcs.push((ssrc, (track, layer)));
        Some((track, layer))
    }
}

fn clock_hz(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Audio => 48_000,
        MediaKind::Video => 90_000,
    }
}

fn fingerprint(sdp: &str) -> String {
    sdp.lines().find_map(|line| line.strip_prefix("a=fingerprint:")).unwrap_or_default().trim().to_ascii_lowercase()
}
