//! From which packet a decoder can start, read from the payload's descriptor alone. One function a codec.

use super::layers::Rate;
use str0m::format::Codec;
use str0m::rtp::Vp8Descriptor;

/// Whether this packet begins a picture that needs no other. Never true for audio.
pub(crate) fn starts_keyframe(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Vp8 => Vp8Descriptor::parse(payload).is_ok_and(|descriptor| descriptor.starts_keyframe(payload)),
        Codec::Vp9 => vp9(payload),
        Codec::H264 => h264(payload),
        Codec::Av1 => av1(payload),
        _ => false,
    }
}

/// Whether a decoder that has seen nothing can start with the picture that this packet begins. Only H.264 may send what its
/// pictures need, the parameter sets, apart from them.
pub(crate) fn opens(codec: Codec, payload: &[u8]) -> bool {
    starts_keyframe(codec, payload) && (codec != Codec::H264 || h264_has(payload, |nal| nal == SPS))
}

/// Of which rate the packet's picture is, where its descriptor says that, and what a decoder needs to do without the faster ones:
/// VP8 with a picture id and an index of the slowest rate's pictures.
pub(crate) fn rate_of(codec: Codec, payload: &[u8]) -> Option<Rate> {
    // RFC 7741 §4.2: X R N S R PID, then I L T K, a picture id of 7 or 15 bits, the index, and TID Y KEYIDX.
    const X: u8 = 0x80;
    const S_AND_PID: u8 = 0x17;
    const I_L_T: u8 = 0xe0;
    let (Codec::Vp8, [first, has, id, rest @ ..]) = (codec, payload) else { return None };
    if first & X == 0 || has & I_L_T != I_L_T {
        return None;
    }
    let rate = *rest.get(1 + usize::from(id >> 7))?;
    let temporal = rate >> 6;
    let is_sync = temporal > 0 && rate & 0x20 != 0;
    let opens = is_sync.then(|| (temporal, temporal - 1));
    Some(Rate { temporal, opens, first: first & S_AND_PID == 0x10 })
}

/// How high the picture is, where the first packet of a key frame says so in clear: VP8's frame header (RFC 6386 §9.1).
pub(crate) fn height_of_keyframe(codec: Codec, payload: &[u8]) -> Option<u32> {
    if codec != Codec::Vp8 {
        return None;
    }
    // RFC 7741 §4.2: X R N S R PID, then I L T K, each with its own bytes.
    let (first, rest) = payload.split_first()?;
    let mut rest = rest;
    if first & 0x80 != 0 {
        let (has, after) = rest.split_first()?;
        let picture_id = if has & 0x80 == 0 { 0 } else { 1 + usize::from(after.first()? >> 7) };
        let tl0_pic_idx = usize::from(has & 0x40 != 0);
        rest = after.get(picture_id + tl0_pic_idx + usize::from(has & 0x30 != 0)..)?;
    }
    // The frame tag, the start code, 14 bits of width and of height, each with 2 of a scale.
    match rest {
        [_, _, _, 0x9d, 0x01, 0x2a, _, _, low, high, ..] => {
            Some(u32::from(u16::from_le_bytes([*low, *high]) & 0x3fff)).filter(|height| *height > 0)
        }
        _ => None,
    }
}

/// RFC 9628 §4.2: `I P L F B E V Z`. A key picture is not inter-predicted (P) and this is its first packet (B) of the
/// lowest spatial layer.
fn vp9(payload: &[u8]) -> bool {
    const I: u8 = 0x80;
    const P: u8 = 0x40;
    const L: u8 = 0x20;
    const B: u8 = 0x08;
    let Some(&flags) = payload.first() else { return false };
    if flags & (P | B) != B {
        return false;
    }
    if flags & L == 0 {
        return true;
    }
    let mut layer_at = 1;
    if flags & I != 0 {
        // A picture id of 7 bits, or of 15 when its first bit is set.
        layer_at += if payload.get(1).is_some_and(|byte| byte & 0x80 != 0) { 2 } else { 1 };
    }
    // T T T U S S S D
    payload.get(layer_at).is_some_and(|byte| (byte >> 1) & 7 == 0)
}

/// RFC 6184 §5.2 to 5.8: an SPS or an IDR slice, alone, in an aggregate, or as the start of fragments.
fn h264(payload: &[u8]) -> bool {
    const IDR: u8 = 5;
    h264_has(payload, |nal| matches!(nal, IDR | SPS))
}

/// A sequence parameter set.
const SPS: u8 = 7;

/// Whether a unit of such a type is, or begins, in a packet.
fn h264_has(payload: &[u8], is_it: impl Fn(u8) -> bool) -> bool {
    const STAP_A: u8 = 24;
    const FU_A: u8 = 28;
    let starts = |nal: u8| is_it(nal & 0x1f);
    match payload {
        [first, rest @ ..] if first & 0x1f == STAP_A => {
            let mut units = rest;
            while let [high, low, unit @ ..] = units {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                if unit.first().is_some_and(|nal| starts(*nal)) {
                    return true;
                }
                let Some(next) = unit.get(len..) else { return false };
                units = next;
            }
            false
        }
        [first, header, ..] if first & 0x1f == FU_A => header & 0x80 != 0 && starts(*header),
        [first, ..] => starts(*first),
        [] => false,
    }
}

/// The AV1 RTP specification §4.4: `Z Y W W N - - -`; N marks the first packet of a coded video sequence.
fn av1(payload: &[u8]) -> bool {
    payload.first().is_some_and(|aggregation| aggregation & 0x08 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(codec: Codec, payload: &[u8], expected: bool) {
        assert_eq!(starts_keyframe(codec, payload), expected, "{codec:?} {payload:02x?}");
    }

    #[test]
    fn vp8_key_frames_are_seen() {
        check(Codec::Vp8, &[0x10, 0x00, 0x9d], true); // S, P = 0
        check(Codec::Vp8, &[0x10, 0x01], false); // inter frame
        check(Codec::Vp8, &[0x00, 0x00], false); // not the first packet
        check(Codec::Vp8, &[0x90, 0x80, 0x81, 0x23, 0x00], true); // 15-bit picture id
        check(Codec::Vp8, &[0x90, 0x80, 0x81], false); // cut short
    }

    #[test]
    fn vp8_key_frames_tell_their_height() {
        let frame = [0x50, 0x01, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x41, 0x00];
        let height = |head: &[u8]| height_of_keyframe(Codec::Vp8, &[head, &frame].concat());
        assert_eq!(height(&[0x10]), Some(360));
        assert_eq!(height(&[0x90, 0xe0, 0x81, 0x23, 0x05, 0x20]), Some(360), "picture id, index, layer");
        assert_eq!(height(&[0x90, 0x80, 0x12]), Some(360), "a short picture id");
        assert_eq!(height(&[0x90, 0x80]), None, "the descriptor takes what is not its own");
        assert_eq!(height_of_keyframe(Codec::H264, &frame), None);
        for len in 0..10 {
            assert_eq!(height_of_keyframe(Codec::Vp8, &[&[0x10], &frame[..len]].concat()), None, "cut short");
        }
    }

    #[test]
    fn vp8_pictures_tell_their_rate() {
        let rate = |payload: &[u8]| rate_of(Codec::Vp8, payload).map(|rate| (rate.temporal, rate.opens, rate.first));
        assert_eq!(rate(&[0x90, 0xe0, 0x81, 0x23, 0x05, 0x60]), Some((1, Some((1, 0)), true)));
        assert_eq!(
            rate(&[0x90, 0xf0, 0x23, 0x05, 0x9f]),
            Some((2, None, true)),
            "a short picture id, and an index of key frames"
        );
        assert_eq!(rate(&[0x80, 0xe0, 0x81, 0x23, 0x05, 0x20]), Some((0, None, false)), "not the first packet");
        assert_eq!(
            rate(&[0x92, 0xe0, 0x81, 0x23, 0x05, 0x20]),
            Some((0, None, false)),
            "the first of another partition"
        );
        for (payload, why) in [
            (&[0x10, 0xe0, 0x81, 0x23, 0x05, 0x60][..], "no extension"),
            (&[0x90, 0xc0, 0x81, 0x23, 0x05, 0x60], "no rate"),
            (&[0x90, 0xa0, 0x81, 0x23, 0x60], "no index"),
            (&[0x90, 0x60, 0x05, 0x60], "no picture id"),
            (&[0x90, 0xe0, 0x81, 0x23, 0x05], "cut short"),
        ] {
            assert_eq!(rate(payload), None, "{why}");
        }
        assert_eq!(rate_of(Codec::H264, &[0x90, 0xe0, 0x81, 0x23, 0x05, 0x60]), None);
    }

    #[test]
    fn vp9_key_frames_are_seen() {
        check(Codec::Vp9, &[0x08], true);
        check(Codec::Vp9, &[0x48], false); // inter-predicted
        check(Codec::Vp9, &[0x00], false); // not the first packet
        check(Codec::Vp9, &[0xa8, 0x81, 0x23, 0x00], true); // 15-bit picture id, spatial layer 0
        check(Codec::Vp9, &[0xa8, 0x01, 0x02], false); // spatial layer 1
        check(Codec::Vp9, &[0xa8], false);
    }

    #[test]
    fn h264_key_frames_are_seen() {
        check(Codec::H264, &[0x67, 0x42], true); // SPS
        check(Codec::H264, &[0x65, 0x88], true); // IDR
        check(Codec::H264, &[0x41, 0x9a], false); // slice of another picture
        check(Codec::H264, &[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68], true); // STAP-A with an SPS
        check(Codec::H264, &[0x78, 0, 1, 0x41, 0, 9, 0x41], false); // STAP-A, second length wrong
        check(Codec::H264, &[0x7c, 0x85], true); // FU-A, start of an IDR
        check(Codec::H264, &[0x7c, 0x05], false); // FU-A, later part
    }

    #[test]
    fn h264_opens_with_its_parameter_sets() {
        for (payload, expected) in [
            (&[0x67, 0x42][..], true),
            (&[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68], true),
            (&[0x65, 0x88], false), // an IDR slice alone
            (&[0x7c, 0x85], false),
        ] {
            assert_eq!(opens(Codec::H264, payload), expected, "{payload:02x?}");
        }
        assert!(opens(Codec::Vp8, &[0x10, 0x00, 0x9d]) && !opens(Codec::Vp8, &[0x10, 0x01]));
    }

    #[test]
    fn av1_sequences_are_seen() {
        check(Codec::Av1, &[0x18, 0x0a], true);
        check(Codec::Av1, &[0x10, 0x32], false);
    }

    #[test]
    fn nothing_and_audio_start_nothing() {
        for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1, Codec::Opus] {
            check(codec, &[], false);
        }
        check(Codec::Opus, &[0x10, 0x00], false);
    }
}
