//! An input's packets, all of them, measured: how long it is, how many pictures it has, whether its end is missing.
//!
//! One pass over the file serves the measuring, the copying, the poster and the coding. What is kept is bounded by the file's
//! own length, so a header that shows the same bytes a million times is refused, not obeyed.

use super::ff::{Fault, MICROS, Packet, rescale};
use super::limits::{FRAMES_PER_SECOND_MAX, SOUNDS_PER_SECOND_MAX};
use super::open::{Kind, Source, Track};
use tertulia_media_core::{Limits, Reason, Refusal};

/// What a video may be too long by: sound ends up to a packet later than the pictures.
const GRACE_US: i64 = 250_000;
/// The longest that the last packet of a stream is believed to last, unless others lasted as long.
const LAST_US: i64 = 1_000_000;
/// How many times its own length a file may unpack to, and what is free besides.
const UNPACKED_TIMES: u64 = 2;
const UNPACKED_FREE: u64 = 1024 * 1024;
/// Hidden packets of sound at its beginning: those that an encoder needs to warm up.
const WARM_UP_PACKETS: usize = 4;
/// A header may claim so much more than there is before the end counts as missing: a tenth, or two seconds.
const MISSING_US: i64 = 2_000_000;

/// One stream's packets, in the order of the file.
pub(crate) struct Strip {
    pub(crate) packets: Vec<Packet>,
    /// Bytes of them all.
    pub(crate) bytes: u64,
    /// When the first one is shown or heard, in microseconds of the file.
    pub(crate) first_us: i64,
    /// When the last one ends.
    pub(crate) end_us: i64,
    /// Whether an edit list hides some of them, other than what warms up a decoder of sound.
    pub(crate) is_edited: bool,
    hidden: usize,
    /// How many at its end are hidden.
    hidden_last: usize,
    last_us: i64,
    last_duration_us: i64,
    longest_us: i64,
}

impl Strip {
    fn new() -> Self {
        Self {
            packets: Vec::new(),
            bytes: 0,
            first_us: i64::MAX,
            end_us: i64::MIN,
            is_edited: false,
            hidden: 0,
            hidden_last: 0,
            last_us: i64::MIN,
            last_duration_us: 0,
            longest_us: 0,
        }
    }

    fn take(&mut self, track: &Track, packet: Packet) {
        self.bytes += packet.size() as u64;
        let to_us = |value| rescale(value, track.time_base, MICROS);
        if packet.is_hidden() {
            self.hidden += 1;
            let is_warm_up = track.kind == Kind::Sound && self.hidden <= WARM_UP_PACKETS && self.end_us == i64::MIN;
            self.is_edited |= !is_warm_up && self.end_us == i64::MIN;
            self.hidden_last += 1;
        } else if let Some(time) = packet.pts().or(packet.dts()).map(to_us) {
            // What was hidden before was not the end.
            self.is_edited |= self.hidden_last > 0 && self.end_us != i64::MIN;
            self.hidden_last = 0;
            let duration = to_us(packet.duration()).max(0);
            self.first_us = self.first_us.min(time);
            if time > self.last_us {
                if self.last_us != i64::MIN {
                    self.longest_us = self.longest_us.max(time.saturating_sub(self.last_us));
                }
                (self.last_us, self.last_duration_us) = (time, duration);
            }
            let last = self.last_duration_us.min(self.longest_us.max(LAST_US));
            self.end_us = self.end_us.max(self.last_us.saturating_add(last));
        }
        self.packets.push(packet);
    }

    /// Drops what is hidden at its end: nothing that is shown needs what is decoded after it.
    fn drop_hidden_end(&mut self) {
        if self.end_us != i64::MIN {
            let shown = self.packets.len().saturating_sub(self.hidden_last);
            self.bytes -= self.packets.drain(shown..).map(|packet| packet.size() as u64).sum::<u64>();
            self.hidden_last = 0;
        }
    }

    /// Works out when each packet is decoded, where the container does not say: Matroska knows only when it is shown.
    ///
    /// The n-th packet is decoded when the n-th picture is shown, earlier by as much as the most belated one needs.
    fn order_decoding(&mut self) {
        let mut shown: Vec<i64> = self.packets.iter().filter_map(Packet::pts).collect();
        let is_known = self.packets.iter().all(|packet| packet.dts().is_some());
        if is_known || shown.len() != self.packets.len() {
            return;
        }
        shown.sort_unstable();
        let times = self.packets.iter().filter_map(Packet::pts).zip(&shown);
        let lead = times.map(|(pts, sorted)| sorted.saturating_sub(pts)).max().unwrap_or(0);
        for (packet, sorted) in self.packets.iter_mut().zip(&shown) {
            let pts = packet.pts();
            packet.set_times(pts, Some(sorted.saturating_sub(lead)));
        }
    }

    /// How long it is, in microseconds.
    pub(crate) fn length_us(&self) -> i64 {
        if self.end_us == i64::MIN { 0 } else { self.end_us.saturating_sub(self.first_us).max(0) }
    }

    /// How long its last packet lasts, in microseconds, as far as that is believed.
    pub(crate) fn last_duration_us(&self) -> i64 {
        self.last_duration_us.min(self.longest_us.max(LAST_US))
    }

    /// Bits a second, on the whole.
    pub(crate) fn bits(&self) -> u64 {
        self.bytes.saturating_mul(8_000_000) / u64::try_from(self.length_us()).unwrap_or(0).max(1)
    }

    /// Packets a second, on the whole.
    pub(crate) fn rate(&self) -> f64 {
        let seconds = self.length_us() as f64 / 1e6;
        if seconds > 0.0 { self.packets.len() as f64 / seconds } else { 0.0 }
    }
}

/// What is to be shown and heard of an input.
pub(crate) struct Reel {
    tracks: Vec<Track>,
    /// Numbers of the chosen streams.
    pub(crate) picture_index: Option<usize>,
    pub(crate) sound_index: Option<usize>,
    pub(crate) pictures: Strip,
    pub(crate) sounds: Strip,
    /// Whether something was missing or broken on the way.
    pub(crate) is_faulty: bool,
    /// Whether the header says that there should be more.
    pub(crate) is_short: bool,
    /// How long the header says it is, in microseconds.
    pub(crate) said_us: i64,
}

impl Reel {
    /// Reads all of it, unless it turns out to be more than the limits; shows the first key frame as soon as it is there.
    ///
    /// # Errors
    /// `TooLong`, `TooComplex`; `Empty` or `Damaged` where there is nothing.
    pub(crate) fn load(
        mut source: Source,
        bytes: u64,
        limits: &Limits,
        first_key: &mut dyn FnMut(&Track, &Packet),
    ) -> Result<Self, Refusal> {
        let index = |kind| source.best(kind).map(|track| track.index);
        let (picture_index, sound_index) = (index(Kind::Video), index(Kind::Sound));
        let chosen: Vec<usize> = picture_index.into_iter().chain(sound_index).collect();
        if chosen.is_empty() {
            return Err(Reason::Empty.into());
        }
        source.select(&chosen);
        let said_us = i64::try_from(source.said_ms()).unwrap_or(0).saturating_mul(1_000);
        let mut reel = Self {
            tracks: Vec::new(),
            picture_index,
            sound_index,
            pictures: Strip::new(),
            sounds: Strip::new(),
            is_faulty: false,
            is_short: false,
            said_us,
        };
        reel.read(&mut source, bytes, limits, first_key)?;
        reel.is_faulty = source.is_faulty();
        if let Some(end) = source.end() {
            // Some demuxers shorten what the header says to what is there.
            let times = end as f64 / bytes.max(1) as f64;
            reel.said_us = reel.said_us.max((reel.length_us() as f64 * times) as i64);
        }
        for strip in [&mut reel.pictures, &mut reel.sounds] {
            strip.drop_hidden_end();
            strip.order_decoding();
        }
        reel.tracks = source.into_tracks();
        let missing = reel.said_us.saturating_sub(reel.length_us());
        reel.is_short = missing > MISSING_US && missing > reel.said_us / 10;
        if reel.pictures.packets.is_empty() && reel.sounds.packets.is_empty() {
            let is_cut = reel.is_faulty || reel.said_us > 0;
            return Err(if is_cut { Reason::Damaged } else { Reason::Empty }.into());
        }
        Ok(reel)
    }

    fn read(
        &mut self,
        source: &mut Source,
        bytes: u64,
        limits: &Limits,
        first_key: &mut dyn FnMut(&Track, &Packet),
    ) -> Result<(), Refusal> {
        let mut has_key = false;
        let seconds = u64::from(limits.video_seconds_max);
        let limit_us = i64::from(limits.video_seconds_max).saturating_mul(1_000_000);
        let bytes_max = bytes.saturating_mul(UNPACKED_TIMES).saturating_add(UNPACKED_FREE);
        let counts_max = [seconds.saturating_mul(FRAMES_PER_SECOND_MAX), seconds.saturating_mul(SOUNDS_PER_SECOND_MAX)];
        while let Some(packet) = source.next().map_err(|fault: Fault| Refusal::from(fault))? {
            let is_picture = Some(packet.stream()) == self.picture_index;
            if !is_picture && Some(packet.stream()) != self.sound_index {
                continue;
            }
            let Some(track) = source.tracks().get(packet.stream()) else { continue };
            let (strip, count_max) =
                if is_picture { (&mut self.pictures, counts_max[0]) } else { (&mut self.sounds, counts_max[1]) };
            if packet.size() == 0 {
                continue;
            }
            if is_picture && packet.is_key() && !has_key {
                has_key = true;
                first_key(track, &packet);
            }
            strip.take(track, packet);
            let count = strip.packets.len() as u64;
            if count > count_max {
                return Err(Refusal::over(Reason::TooComplex, count_max, count));
            }
            if self.pictures.bytes + self.sounds.bytes > bytes_max {
                return Err(Refusal::over(Reason::TooComplex, bytes_max, self.pictures.bytes + self.sounds.bytes));
            }
            let length = self.length_us();
            if length > limit_us.saturating_add(GRACE_US) {
                let millis = |micros: i64| u64::try_from(micros / 1_000).unwrap_or(0);
                return Err(Refusal::over(Reason::TooLong, millis(limit_us), millis(length)));
            }
        }
        Ok(())
    }

    /// When the first thing is seen or heard, in microseconds of the file.
    pub(crate) fn origin_us(&self) -> i64 {
        let first = self.pictures.first_us.min(self.sounds.first_us);
        if first == i64::MAX { 0 } else { first }
    }

    /// From then to the end of all, in microseconds.
    pub(crate) fn length_us(&self) -> i64 {
        let end = self.pictures.end_us.max(self.sounds.end_us);
        if end == i64::MIN { 0 } else { end.saturating_sub(self.origin_us()).max(0) }
    }

    /// The stream of the pictures.
    pub(crate) fn picture(&self) -> Option<&Track> {
        self.tracks.get(self.picture_index?).filter(|_| !self.pictures.packets.is_empty())
    }

    /// The stream of the sound.
    pub(crate) fn sound(&self) -> Option<&Track> {
        self.tracks.get(self.sound_index?).filter(|_| !self.sounds.packets.is_empty())
    }

    /// Whether enough of a file whose end is missing has come to be kept: a second, or half of what the header says.
    pub(crate) fn is_enough(&self, length_us: i64) -> bool {
        length_us >= 1_000_000 || (self.said_us > 0 && length_us.saturating_mul(2) >= self.said_us)
    }
}
