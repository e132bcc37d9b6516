//! What differs between FFmpeg's versions, from 5.1 (Debian 12) to 8 (Ubuntu 26.04). No other file knows which one it is.
//!
//! `build.rs` says it (`ffmpeg_6_1`: this one or newer). Whatever it is, the same input makes the same of everything but what
//! FFmpeg's own encoders make of it.
#![expect(unsafe_code, reason = "FFmpeg is C: its structures are read and freed by pointer")]

use ffmpeg_next::ffi;

/// H.264's own numbers of its profiles, which FFmpeg has given other names: baseline, main, high.
pub(super) const H264_PROFILES: [i32; 3] = [66, 77, 100];
/// What FFmpeg adds to them: constrained, pictures that need no other.
pub(super) const H264_CONSTRAINTS: i32 = (1 << 9) | (1 << 11);

/// Readies a packet that was read to tell of its place, when it has become a frame.
pub(super) fn mark_place(packet: &mut ffi::AVPacket) {
    #[cfg(ffmpeg_6_0)]
    {
        packet.opaque = std::ptr::without_provenance_mut(usize::try_from(packet.pos).unwrap_or(0));
    }
    #[cfg(not(ffmpeg_6_0))]
    let _ = packet;
}

/// Has a decoder carry over what [`mark_place`] has left in packets.
pub(super) fn keep_places(decoder: &mut ffi::AVCodecContext) {
    #[cfg(ffmpeg_6_0)]
    {
        decoder.flags |= ffi::AV_CODEC_FLAG_COPY_OPAQUE.cast_signed();
    }
    #[cfg(not(ffmpeg_6_0))]
    let _ = decoder;
}

/// Where in the file the packet begins that a frame was made of.
pub(super) fn place(frame: &ffi::AVFrame) -> i64 {
    #[cfg(ffmpeg_6_0)]
    return i64::try_from(frame.opaque.addr()).unwrap_or(-1);
    #[cfg(not(ffmpeg_6_0))]
    return frame.pkt_pos;
}

/// How long a frame is shown, by its packet. Zero or less: not known.
pub(super) fn duration(frame: &ffi::AVFrame) -> i64 {
    #[cfg(ffmpeg_6_0)]
    return frame.duration;
    #[cfg(not(ffmpeg_6_0))]
    return frame.pkt_duration;
}

/// Whether a frame is two fields in one.
pub(super) fn is_interlaced(frame: &ffi::AVFrame) -> bool {
    #[cfg(ffmpeg_6_1)]
    return frame.flags & ffi::AV_FRAME_FLAG_INTERLACED != 0;
    #[cfg(not(ffmpeg_6_1))]
    return frame.interlaced_frame != 0;
}

/// What a container says of a whole stream: where, and how many bytes.
///
/// # Safety
/// `stream` must point at a stream that is alive.
pub(super) unsafe fn side_data(
    stream: *const ffi::AVStream,
    kind: ffi::AVPacketSideDataType,
) -> Option<(*const u8, usize)> {
    #[cfg(ffmpeg_6_1)]
    // SAFETY: alive by our caller's word, as are the parameters it owns; the answer is null or one of their entries.
    let (data, size) = unsafe {
        let all = &*(*stream).codecpar;
        let entry = ffi::av_packet_side_data_get(all.coded_side_data, all.nb_coded_side_data, kind).as_ref();
        entry.map_or((std::ptr::null_mut(), 0), |entry| (entry.data, entry.size))
    };
    #[cfg(not(ffmpeg_6_1))]
    // SAFETY: alive by our caller's word; the answer is null or so many bytes.
    let (data, size) = unsafe {
        let mut size = 0;
        (ffi::av_stream_get_side_data(stream, kind, &raw mut size), size)
    };
    (!data.is_null()).then_some((data.cast_const(), size))
}

/// Forgets what parameters carry beside a codec's own: newer versions would write it into the output.
pub(super) fn forget_side_data(parameters: &mut ffi::AVCodecParameters) {
    #[cfg(ffmpeg_6_1)]
    // SAFETY: borrowed exclusively; each entry is freed, the pointer and the count set to nothing.
    unsafe {
        ffi::av_packet_side_data_free(&raw mut parameters.coded_side_data, &raw mut parameters.nb_coded_side_data);
    }
    #[cfg(not(ffmpeg_6_1))]
    let _ = parameters;
}

/// What a source of pictures is told of their matrix and range: newer versions believe this, and not each picture.
pub(super) fn source_colours([_, _, matrix, range]: [i32; 4]) -> String {
    #[cfg(ffmpeg_7_0)]
    {
        let known = |value: i32, end: u32, unknown: i32| {
            if u32::try_from(value).is_ok_and(|value| value < end) { value } else { unknown }
        };
        let matrix = known(matrix, ffi::AVColorSpace::AVCOL_SPC_NB as u32, 2);
        let range = known(range, ffi::AVColorRange::AVCOL_RANGE_NB as u32, 0);
        format!(":colorspace={matrix}:range={range}")
    }
    #[cfg(not(ffmpeg_7_0))]
    {
        let _ = (matrix, range);
        String::new()
    }
}
