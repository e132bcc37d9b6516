//! What a video becomes: whether its pictures and sounds are copied, and if not, in which size, with which bits, by which
//! filters. Numbers in, words out: nothing here touches a file.

use super::compat::{H264_CONSTRAINTS, H264_PROFILES};
use super::ff::Rational;
use super::open::Track;
use super::reel::Strip;
use super::turn::Turn;
use ffmpeg_next::ffi;
use tertulia_media_core::Limits;

/// The longer side of what is coded anew.
const SIDE_MAX: u32 = 1_280;
/// The shorter side never gets smaller, nor does any side of tiny ones: encoders need some pixels.
const SIDE_MIN: u32 = 16;
/// Pictures a second of what is coded anew.
pub(crate) const FRAME_RATE_MAX: u32 = 60;
/// How good the pictures are, where there is room. Lower is better.
pub(crate) const CRF: u32 = 26;
/// How fast they are coded.
pub(crate) const PRESET: &str = "veryfast";
/// Bits a second of pictures, however much room there is.
const PICTURE_BITS_MAX: u64 = 6_000_000;
const PICTURE_BITS_MIN: u64 = 24_000;
/// Bits a second of sound: two channels, where there is room, and where there is little.
const SOUND_BITS: u32 = 128_000;
const SOUND_BITS_SMALL: u32 = 64_000;
/// Below this many bits a second for everything there is little room.
const SMALL_BITS: u64 = 900_000;
/// Bits that a pixel of a picture should be able to have. With fewer, fewer pixels look better.
const BITS_PER_PIXEL: f64 = 0.045;
/// Pictures a second that bits are counted for: more of them are alike.
const COUNTED_RATE_MAX: f64 = 30.0;
/// Longer sides that are tried, the largest that the bits allow is taken.
const SIDES: [u32; 7] = [SIDE_MAX, 960, 848, 640, 480, 320, 240];
/// H.264 level 4.1: blocks of 16 × 16 in a picture, and in a second.
const LEVEL_BLOCKS: u64 = 8_192;
const LEVEL_BLOCKS_PER_SECOND: u64 = 245_760;
/// What the container takes for each packet, and at all.
const PACKET_OVERHEAD: u64 = 24;
const OVERHEAD: u64 = 8_192;

/// Transfer functions of high dynamic range, and wide primaries, in H.273's numbers.
const PQ: i32 = 16;
const HLG: i32 = 18;
const BT2020: i32 = 9;
const BT709: i32 = 1;
const UNKNOWN: i32 = 2;
const MATRIX_RGB: i32 = 0;
const LIMITED: i32 = 1;
const FULL: i32 = 2;

/// Whether pictures can go into the output as they are.
pub(crate) fn pictures_fit(track: &Track, strip: &Strip) -> bool {
    let all = &track.parameters;
    let (profile, level) = all.profile();
    let profile = profile & !H264_CONSTRAINTS;
    let is_plain = all.codec() == ffi::AVCodecID::AV_CODEC_ID_H264
        && all.format() == ffi::AVPixelFormat::AV_PIX_FMT_YUV420P as i32
        && H264_PROFILES.contains(&profile)
        && level <= 41
        && !all.is_interlaced()
        && !all.extra().is_empty();
    let [primaries, transfer, _, range] = all.colours();
    let is_sdr = !matches!(transfer, PQ | HLG) && primaries != BT2020 && range != FULL;
    let aspect = track.sample_aspect;
    let is_square = aspect.num == 0 || aspect.num == aspect.den;
    let (width, height) = (all.width(), all.height());
    let is_even = width >= SIDE_MIN && height >= SIDE_MIN && width % 2 == 0 && height % 2 == 0;
    let blocks = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
    let rate = strip.rate();
    let is_slow = rate <= f64::from(FRAME_RATE_MAX) * 1.05
        && (strip.packets.len() < 3 || blocks as f64 * rate <= LEVEL_BLOCKS_PER_SECOND as f64 * 1.05);
    is_plain
        && is_sdr
        && is_square
        && is_even
        && blocks <= LEVEL_BLOCKS
        && is_slow
        && Turn::of(track.matrix) == Turn::NONE
        && !strip.is_edited
        && is_in_order(strip)
}

/// Whether every packet has its times, as an MP4 wants them.
fn is_in_order(strip: &Strip) -> bool {
    let mut last = None;
    let is_rising = strip.packets.iter().all(|packet| {
        let (Some(pts), Some(dts)) = (packet.pts(), packet.dts()) else { return false };
        let is_fine = pts >= dts
            && last.is_none_or(|last| dts > last)
            && !packet.is_cut()
            && !(last.is_some() && packet.changes_codec());
        last = Some(dts);
        is_fine
    });
    is_rising && strip.packets.first().is_some_and(super::ff::Packet::is_key)
}

/// Whether sound can go into the output as it is: AAC-LC, one or two channels, 44.1 or 48 kHz. Everything plays both.
pub(crate) fn sounds_fit(track: &Track, strip: &Strip) -> bool {
    let all = &track.parameters;
    all.codec() == ffi::AVCodecID::AV_CODEC_ID_AAC
        && is_low_complexity(all.extra())
        && matches!(all.channels(), 1 | 2)
        && matches!(all.rate(), 44_100 | 48_000)
        && !strip.is_edited
        && is_in_order(strip)
}

/// Whether an AAC configuration is of the plain kind, without the extensions that half of the players leave out.
pub(crate) fn is_low_complexity(extra: &[u8]) -> bool {
    let [first, second, rest @ ..] = extra else { return false };
    let kind = first >> 3;
    let rate = (first & 7) << 1 | second >> 7;
    // A hidden extension begins with eleven bits of its own; the bit behind its name says whether it is used.
    let is_extended = matches!(rest, [0x56, third, used, ..] if third >> 5 == 7 && used & 0x80 != 0);
    kind == 2 && matches!(rate, 3 | 4) && !is_extended
}

/// How many bytes a file of such strips has, about.
pub(crate) fn copied_bytes(strips: &[&Strip]) -> u64 {
    strips.iter().map(|strip| strip.bytes + strip.packets.len() as u64 * PACKET_OVERHEAD).sum::<u64>() + OVERHEAD
}

/// What a video is coded to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// Upright.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Bits a second of the pictures, at most, over any second or longer.
    pub(crate) picture_bits: u64,
    /// Bits a second of the sound.
    pub(crate) sound_bits: u32,
}

impl Plan {
    /// For so many bytes over so long; `attempt` times it was too much already.
    pub(crate) fn new(upright: (u32, u32), rate: f64, length_us: i64, limits: &Limits, attempt: u32) -> Self {
        let seconds = (length_us.max(0) as f64 / 1e6).max(0.1);
        let frames = (rate.min(f64::from(FRAME_RATE_MAX)) * seconds).ceil();
        let overhead =
            OVERHEAD as f64 + frames.mul_add(PACKET_OVERHEAD as f64, seconds * 50.0 * PACKET_OVERHEAD as f64);
        let room = (limits.video_bytes_max as f64 * 0.98 - overhead).max(0.0) * 8.0;
        // The encoder's buffer is a second long: that much may come at once on top.
        let bits = room / (seconds + 1.0);
        let sound_bits = if bits < SMALL_BITS as f64 { SOUND_BITS_SMALL } else { SOUND_BITS };
        let shrink = 0.6_f64.powi(i32::try_from(attempt).unwrap_or(i32::MAX));
        let picture_bits = (bits - f64::from(sound_bits) * 1.05).clamp(0.0, PICTURE_BITS_MAX as f64) * shrink;
        let picture_bits = (picture_bits as u64).max(PICTURE_BITS_MIN);
        let (width, height) = sized(upright, rate, picture_bits, attempt);
        Self { width, height, picture_bits, sound_bits }
    }

    /// What the encoder of pictures is told, as on FFmpeg's command line.
    ///
    /// Looking ahead is left to the thread that feeds it: one of its own, at the end, makes what comes out depend on which
    /// thread was quicker.
    pub(crate) fn options(&self) -> Vec<(&'static str, String)> {
        vec![
            ("preset", PRESET.into()),
            ("crf", CRF.to_string()),
            ("profile", "high".into()),
            ("level", "4.1".into()),
            ("maxrate", self.picture_bits.to_string()),
            ("bufsize", self.picture_bits.to_string()),
            ("x264-params", "sync-lookahead=0".into()),
        ]
    }
}

/// The size that such bits are enough for.
fn sized(upright: (u32, u32), rate: f64, bits: u64, attempt: u32) -> (u32, u32) {
    let (width, height) = (upright.0.max(1), upright.1.max(1));
    let long = width.max(height);
    let scale_to = |side: u32| {
        let scale = f64::from(side.min(long)) / f64::from(long);
        let even = |value: u32| (((f64::from(value) * scale / 2.0).round() as u32) * 2).max(SIDE_MIN);
        (even(width), even(height))
    };
    let counted = rate.clamp(1.0, COUNTED_RATE_MAX);
    let is_enough = |side: &u32| {
        let (width, height) = scale_to(*side);
        let blocks = f64::from(width.div_ceil(16)) * f64::from(height.div_ceil(16));
        blocks * rate.clamp(1.0, f64::from(FRAME_RATE_MAX)) <= LEVEL_BLOCKS_PER_SECOND as f64
            && f64::from(width) * f64::from(height) * counted * BITS_PER_PIXEL <= bits as f64
    };
    let first = SIDES.iter().position(is_enough).unwrap_or(SIDES.len() - 1);
    let at = (first + attempt as usize).min(SIDES.len() - 1);
    let side = if first == 0 && attempt == 0 { SIDE_MAX } else { SIDES[at] };
    scale_to(side)
}

/// How pictures of these sizes, pixels and turn are seen: upright, with square pixels.
pub(crate) fn upright(width: u32, height: u32, aspect: Rational, turn: Turn) -> (u32, u32) {
    let (num, den) = (f64::from(aspect.num), f64::from(aspect.den));
    let is_sane = aspect.num > 0 && aspect.den > 0 && (0.02..=50.0).contains(&(num / den));
    let ratio = if is_sane { num / den } else { 1.0 };
    let (wide, high) = if ratio >= 1.0 {
        ((f64::from(width) * ratio).round() as u32, height)
    } else {
        (width, (f64::from(height) / ratio).round() as u32)
    };
    if turn.is_sideways { (high, wide) } else { (wide, high) }
}

/// What colours a picture comes in, and what that asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colours {
    /// Primaries, transfer, matrix, range of the input.
    pub(crate) input: [i32; 4],
    /// Whether it is in red, green and blue.
    pub(crate) is_rgb: bool,
}

impl Colours {
    fn is_hdr(self) -> bool {
        matches!(self.input[1], PQ | HLG)
    }

    fn is_wide(self) -> bool {
        self.input[0] == BT2020 || matches!(self.input[2], 9 | 10)
    }

    /// Those of the output: its own where every screen knows them, else BT.709; always limited range.
    pub(crate) fn output(self) -> [i32; 4] {
        if self.is_hdr() || self.is_wide() || self.is_rgb {
            return [BT709, BT709, BT709, LIMITED];
        }
        let known = |value: i32| if (1..=8).contains(&value) && value != 3 { value } else { UNKNOWN };
        let matrix = if self.input[2] == MATRIX_RGB { UNKNOWN } else { known(self.input[2]) };
        [known(self.input[0]), known(self.input[1]), matrix, LIMITED]
    }

    /// The filters that scale to a size and make such colours 8-bit 4:2:0 in standard range.
    ///
    /// High dynamic range goes through linear light and Hable's curve. Where zimg is missing, `is_plain` leaves that out: the
    /// picture is paler then, and nothing else.
    fn filters(self, width: u32, height: u32, is_plain: bool) -> String {
        let scale = format!("scale={width}:{height}:flags=bicubic");
        if is_plain || !(self.is_hdr() || self.is_wide()) {
            let matrix = if self.is_rgb { ":out_color_matrix=bt709" } else { "" };
            return format!("{scale}:out_range=tv{matrix},format=yuv420p");
        }
        let known = |value: i32, otherwise: i32| if value == UNKNOWN || value <= 0 { otherwise } else { value };
        let [primaries, transfer, matrix, _] = self.input;
        let (primaries, matrix) = (known(primaries, BT2020), known(matrix, 9));
        let transfer = known(transfer, 14);
        let name = format!("setparams=color_primaries={primaries}:color_trc={transfer}:colorspace={matrix}");
        let convert = if self.is_hdr() {
            "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,\
             zscale=t=bt709:m=bt709:r=tv"
        } else {
            "zscale=p=bt709:t=bt709:m=bt709:r=tv"
        };
        format!("{scale},{name},{convert},format=yuv420p")
    }
}

/// The chain from a decoder's pictures to upright ones of a size.
pub(crate) fn chain(size: (u32, u32), turn: Turn, colours: Colours, is_interlaced: bool, is_plain: bool) -> String {
    let (width, height) = if turn.is_sideways { (size.1, size.0) } else { size };
    let fields = if is_interlaced { "bwdif=mode=send_frame:deint=interlaced," } else { "" };
    let colours = colours.filters(width, height, is_plain);
    format!("{fields}{colours}{},setsar=1", turn.filters())
}

/// The chain from one picture to an upright one in red, green and blue.
pub(crate) fn still_chain(size: (u32, u32), turn: Turn, colours: Colours, is_plain: bool) -> String {
    let (width, height) = if turn.is_sideways { (size.1, size.0) } else { size };
    if is_plain || !(colours.is_hdr() || colours.is_wide()) {
        return format!("scale={width}:{height}:flags=bicubic{},format=rgb24", turn.filters());
    }
    let even = |value: u32| value.next_multiple_of(2);
    let colours = colours.filters(even(width), even(height), false);
    format!("{colours}{},format=rgb24", turn.filters())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(bytes: u64) -> Limits {
        Limits { video_bytes_max: bytes, ..Limits::default() }
    }

    #[test]
    fn d3_what_is_planned_fits_the_limit_at_every_length() {
        for seconds in [1_i64, 8, 30, 90, 180] {
            let plan = Plan::new((3_840, 2_160), 30.0, seconds * 1_000_000, &limits(16 << 20), 0);
            let bits = (plan.picture_bits + u64::from(plan.sound_bits)) * (seconds as u64 + 1);
            assert!(bits <= (16 << 20) * 8, "{seconds} s: {plan:?}");
        }
    }

    #[test]
    fn d3_less_room_makes_smaller_pictures_of_the_same_shape() {
        let sizes: Vec<_> = [10, 90, 180]
            .map(|seconds| {
                let plan = Plan::new((1_920, 1_080), 30.0, seconds * 1_000_000, &limits(16 << 20), 0);
                (plan.width, plan.height)
            })
            .into();
        assert_eq!(sizes, [(1_280, 720), (1_280, 720), (848, 478)]);
        let again = Plan::new((1_920, 1_080), 30.0, 180_000_000, &limits(16 << 20), 2);
        assert!(again.width < 848 && again.picture_bits < 300_000, "{again:?}");
    }

    #[test]
    fn d3_small_pictures_keep_their_size_and_become_even() {
        let plan = Plan::new((321, 241), 30.0, 2_000_000, &limits(16 << 20), 0);
        assert_eq!((plan.width, plan.height), (322, 242));
        let tiny = Plan::new((1, 1), 30.0, 2_000_000, &limits(16 << 20), 0);
        assert_eq!((tiny.width, tiny.height), (SIDE_MIN, SIDE_MIN));
        let square = Plan::new((3_000, 3_000), 60.0, 2_000_000, &limits(16 << 20), 0);
        assert_eq!((square.width, square.height), (960, 960), "sixty larger ones a second are beyond the level");
        let strip = Plan::new((8_000, 3), 30.0, 2_000_000, &limits(16 << 20), 0);
        assert_eq!((strip.width, strip.height), (1_280, SIDE_MIN));
    }

    #[test]
    fn d3_pixels_that_are_not_square_are_stretched_never_squeezed() {
        let aspect = |num, den| Rational { num, den };
        assert_eq!(upright(720, 576, aspect(16, 11), Turn::NONE), (1_047, 576));
        assert_eq!(upright(720, 480, aspect(8, 9), Turn::NONE), (720, 540));
        assert_eq!(upright(720, 480, aspect(1, 100_000), Turn::NONE), (720, 480));
        let side = Turn::of(Some([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]));
        assert_eq!(upright(640, 480, aspect(0, 1), side), (480, 640));
    }

    #[test]
    fn d3_only_plain_aac_is_copied() {
        assert!(is_low_complexity(&[0x11, 0x90]), "LC, 48 kHz, stereo");
        assert!(is_low_complexity(&[0x11, 0x90, 0x56, 0xe5, 0x00]), "LC that says there is no extension");
        assert!(!is_low_complexity(&[0x12, 0x10, 0x56, 0xe5, 0x80]), "LC with a hidden extension");
        assert!(!is_low_complexity(&[0x2b, 0x11, 0x88, 0x00]), "HE");
        assert!(!is_low_complexity(&[0x14, 0x08]), "LC at 16 kHz");
    }
}
