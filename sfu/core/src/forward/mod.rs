//! One slot of one subscriber: turns a publisher's packets into the slot's own.

mod ahead;
mod codec;
pub(crate) mod fuzzing;
mod layers;
mod rewrite;

pub(crate) use ahead::Ahead;
pub(crate) use codec::{height_of_keyframe, opens, rate_of, starts_keyframe};

use crate::descriptor::{Descriptor, Numbered, Raw};
use crate::event::Source;
use crate::view::FULL_HEIGHT;
use layers::{Layers, Verdict};
pub(crate) use layers::{Rate, Step};
use rewrite::Rewriter;
use std::sync::Arc;
use std::time::Instant;
use str0m::format::{CodecConfig, PayloadParams};
use str0m::media::{MediaKind, Mid, Pt};
use str0m::rtp::{ExtensionValues, RedDecoder, RtpWrite, Ssrc, VideoOrientation, Vp8Descriptor};

/// A publisher's packet, read once and shared by all who get it.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) pt: Pt,
    pub(crate) seq: u64,
    pub(crate) rtp_time: u32,
    pub(crate) clock_hz: u32,
    /// When it was captured, by our clock.
    pub(crate) captured: Instant,
    pub(crate) marker: bool,
    pub(crate) starts_keyframe: bool,
    /// A decoder that has seen nothing can start with its picture alone.
    pub(crate) opens: bool,
    /// Of its track's layers, which one.
    pub(crate) layer: usize,
    pub(crate) audio_level: Option<i8>,
    pub(crate) voice_activity: Option<bool>,
    pub(crate) orientation: Option<VideoOrientation>,
    /// The payload's descriptor, where the codec is VP8.
    pub(crate) vp8: Option<Vp8Descriptor>,
    /// Its place among the rates in which its pictures come, where it tells.
    pub(crate) rate: Option<Rate>,
    /// What its dependency descriptor says, and that as it came.
    pub(crate) descriptor: Option<Descriptor>,
    pub(crate) described: Option<Arc<Raw>>,
    pub(crate) payload: Arc<[u8]>,
}

/// What a slot carries: a track of a peer, by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) place: usize,
    pub(crate) track: usize,
    pub(crate) source: Source,
}

/// Why a packet was not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    /// The subscriber can't decode the codec.
    Codec,
    /// A key frame has to come first.
    Keyframe,
    /// It is from before the slot's switch to this source.
    Old,
    /// It is of a layer that the slot does not take.
    Layer,
}

/// A slot's place in the list of a layer's subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) layer: usize,
    pub(crate) at: usize,
}

/// A receive slot.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    pub(crate) ssrc: Ssrc,
    pub(crate) carries: Option<Carried>,
    /// In which layers' lists of subscribers it stands, and where there.
    pub(crate) listed: [Option<Listing>; 2],
    /// How high its picture is drawn.
    pub(crate) max_height: u32,
    /// Where it stands among what the client shows, the most important first.
    pub(crate) importance: usize,
    /// There is not enough bandwidth for it: nothing is forwarded.
    pub(crate) paused: bool,
    /// Its client takes dependency descriptors.
    pub(crate) takes_descriptors: bool,
    /// The publisher's payload types and ours; `None` where the subscriber has no such codec.
    payload_types: Vec<(Pt, Option<Mapped>)>,
    /// Nothing of its source has been shown yet.
    is_new: bool,
    layers: Layers,
    rewriter: Rewriter,
}

#[derive(Clone, Copy, Debug)]
struct Mapped {
    pt: Pt,
    /// The subscriber takes no RED: it gets the primary block.
    unwrap_red: bool,
}

impl Slot {
    pub(crate) fn new(mid: Mid, kind: MediaKind, ssrc: Ssrc) -> Self {
        Self {
            mid,
            kind,
            ssrc,
            carries: None,
            listed: [None; 2],
            max_height: FULL_HEIGHT,
            importance: 0,
            paused: false,
            takes_descriptors: false,
            payload_types: Vec::new(),
            is_new: true,
            layers: Layers::of(1),
            rewriter: Rewriter::default(),
        }
    }

    /// Points the slot at a source, of so many layers, or at none.
    pub(crate) fn point_at(
        &mut self,
        carried: Option<(Carried, &CodecConfig, usize)>,
        ours: &CodecConfig,
        ours_pts: &[Pt],
    ) {
        self.carries = carried.as_ref().map(|(carried, ..)| *carried);
        (self.paused, self.is_new) = (false, true);
        self.layers = Layers::of(carried.as_ref().map_or(1, |(.., layers)| *layers));
        self.rewriter.switch_source();
        self.payload_types.clear();
        for params in carried.into_iter().flat_map(|(_, theirs, _)| theirs.params()) {
            self.map_payload_type(params, ours, ours_pts);
        }
    }

    fn map_payload_type(&mut self, theirs: &PayloadParams, ours: &CodecConfig, ours_pts: &[Pt]) {
        let matching = ours.match_params(*theirs).filter(|params| ours_pts.contains(&params.pt()));
        let primary = matching.map(|params| Mapped { pt: params.pt(), unwrap_red: false });
        self.payload_types.push((theirs.pt(), primary));
        if let Some(red) = theirs.red() {
            let mapped = matching
                .map(|params| Mapped { pt: params.red().unwrap_or(params.pt()), unwrap_red: params.red().is_none() });
            self.payload_types.push((red, mapped));
        }
    }

    /// Whether it is of this kind and carries nothing.
    pub(crate) fn is_free(&self, kind: MediaKind) -> bool {
        self.kind == kind && self.carries.is_none()
    }

    /// The source goes on after a pause in which nothing of it was forwarded: what comes now follows what went before.
    pub(crate) fn resume(&mut self) {
        self.layers.restart();
        self.rewriter.switch_source();
    }

    /// Aims at a step of what it carries, or at none: then nothing is forwarded. Whether it takes or awaits other layers than before.
    pub(crate) fn aim(&mut self, step: Option<Step>) -> bool {
        let before = self.layers();
        self.layers.aim(step);
        self.layers() != before
    }

    /// The layer that flows, and the one whose key frame is waited for.
    pub(crate) fn layers(&self) -> [Option<usize>; 2] {
        if self.carries.is_some() { self.layers.layers() } else { [None; 2] }
    }

    /// What it is aimed at.
    pub(crate) fn aimed(&self) -> Option<Step> {
        self.carries.and_then(|_| self.layers.aimed())
    }

    /// The layer of which a key frame would let the slot go on, or do better.
    pub(crate) fn awaits_keyframe(&self) -> Option<usize> {
        self.carries.and_then(|_| self.layers.awaits()).filter(|_| self.kind == MediaKind::Video)
    }

    /// Makes the slot's own packet of a publisher's. Whether it is the first of its source or its layer.
    ///
    /// # Errors
    /// If the packet is not for this slot now.
    pub(crate) fn forward(&mut self, packet: &Packet) -> Result<(RtpWrite, bool), Skip> {
        let mapped = self.mapped(packet)?;
        let begins = match self.layers.select(packet, self.kind == MediaKind::Video) {
            Verdict::Goes => false,
            Verdict::Begins => true,
            Verdict::Awaits => return Err(Skip::Keyframe),
            Verdict::Other => return Err(Skip::Layer),
            Verdict::LeftOut => {
                let (seq, time) = self.rewriter.leave_out(packet).ok_or(Skip::Layer)?;
                return Ok((empty(mapped.pt, seq, time, packet.captured), false));
            }
        };
        if begins {
            self.begin(packet);
        }
        let ends = self.layers.ends(packet);
        Ok((self.write(packet, mapped, ends)?, begins))
    }

    /// Whether a picture of its source, of `captured`, is newer than what it has shown.
    pub(crate) fn lacks(&self, captured: Instant) -> bool {
        self.is_new || self.rewriter.last_captured().is_none_or(|last| captured > last)
    }

    /// Makes the slot's own packets of a picture that came a while ago, while it waits for what is live: as if it were of `now`.
    /// What it waits for then follows it.
    ///
    /// # Errors
    /// If the subscriber lacks the codec: then nothing has changed.
    pub(crate) fn show(&mut self, now: Instant, picture: &[Packet]) -> Result<Vec<RtpWrite>, Skip> {
        let first = picture.first().ok_or(Skip::Old)?;
        let mapped = self.mapped(first)?;
        let as_if_now = |packet: &Packet| Packet { captured: now, ..packet.clone() };
        self.begin(&as_if_now(first));
        let mut writes = Vec::with_capacity(picture.len());
        for packet in picture {
            match self.layers.shows(packet) {
                Some(ends) => writes.push(self.write(&as_if_now(packet), mapped, ends)?),
                None => drop(self.rewriter.leave_out(packet)),
            }
        }
        Ok(writes)
    }

    fn begin(&mut self, first: &Packet) {
        self.is_new = false;
        self.rewriter.switch_source();
        self.rewriter.start(first);
    }

    fn mapped(&self, packet: &Packet) -> Result<Mapped, Skip> {
        let mapped = self.payload_types.iter().find(|(pt, _)| *pt == packet.pt).and_then(|(_, mapped)| *mapped);
        mapped.ok_or(Skip::Codec)
    }

    fn write(&mut self, packet: &Packet, mapped: Mapped, ends: bool) -> Result<RtpWrite, Skip> {
        let (seq, time) = self.rewriter.rewrite(packet).ok_or(Skip::Old)?;
        let payload = if mapped.unwrap_red { primary_of_red(packet)? } else { Arc::clone(&packet.payload) };
        let is_kept = self.kind == MediaKind::Video && !payload.is_empty(); // see `empty`
        let mut extensions = ExtensionValues {
            audio_level: packet.audio_level,
            voice_activity: packet.voice_activity,
            video_orientation: packet.orientation,
            ..ExtensionValues::default()
        };
        if let (Some(descriptor), Some(raw)) = (&packet.descriptor, &packet.described) {
            let frame = self.rewriter.frames.map(descriptor.frame);
            extensions.user_values.set(Numbered { raw: Arc::clone(raw), frame });
        }
        let mut write = RtpWrite::new(mapped.pt, seq.into(), time, packet.captured, payload)
            .marker(ends)
            .nackable(is_kept)
            .ext_vals(extensions);
        if let Some(descriptor) = &packet.vp8 {
            write = self.with_picture_ids(write, descriptor);
        }
        Ok(write)
    }

    /// Patches the picture ids where the slot's are not the source's own.
    fn with_picture_ids(&mut self, write: RtpWrite, descriptor: &Vp8Descriptor) -> RtpWrite {
        let id = descriptor.picture_id().map(|theirs| (theirs, self.rewriter.picture_ids.map(theirs)));
        let index = descriptor.tl0_pic_idx().map(u16::from);
        let index = index.map(|theirs| (theirs, self.rewriter.tl0_pic_indices.map(theirs)));
        if id.is_none_or(|(theirs, ours)| theirs == ours) && index.is_none_or(|(theirs, ours)| theirs == ours) {
            return write;
        }
        let mut patch = descriptor.patch();
        if let Some((_, ours)) = id {
            patch = patch.picture_id(ours);
        }
        if let Some(ours) = index.and_then(|(_, ours)| u8::try_from(ours).ok()) {
            patch = patch.tl0_pic_idx(ours);
        }
        match patch.build() {
            Ok(patch) => write.vp8_patch(patch),
            // A 7-bit picture id can't hold the continued one: the decoder sees a jump at a key frame, which it bears.
            Err(_) => write,
        }
    }
}

/// Fills a gap in the numbers, so that nobody asks for what was never for them: receivers take a packet without payload for padding.
/// It is not kept to be sent again: the stack pads with what it keeps, and would send one that counts nothing without end.
fn empty(pt: Pt, seq: u64, time: u32, captured: Instant) -> RtpWrite {
    RtpWrite::new(pt, seq.into(), time, captured, Arc::<[u8]>::from([])).nackable(false)
}

/// The primary block of a RED payload.
fn primary_of_red(packet: &Packet) -> Result<Arc<[u8]>, Skip> {
    let decoded = RedDecoder::decode(&packet.payload).map_err(|_| Skip::Codec)?;
    decoded.last().map(|block| Arc::from(block.payload)).ok_or(Skip::Codec)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
