//! Bounds that hold for everything `av` does, whatever a file says.
#![expect(unsafe_code, reason = "two settings of libavutil's that are the process's")]

use ffmpeg_next::ffi;
use std::sync::Once;

/// Pixels of a video: 4096 × 2304 and its likes. A frame of them takes up to 57 MB, and a decoder holds several.
pub(crate) const VIDEO_PIXELS_MAX: u64 = 4_096 * 2_304;
/// Pictures of a video, for each second that it may have: slow motion is recorded at 240, and not for three minutes.
pub(crate) const FRAMES_PER_SECOND_MAX: u64 = 120;
/// Packets of sound, for each second that it may have. AMR has 50, AAC 47 to 94, some AVIs some hundreds.
pub(crate) const SOUNDS_PER_SECOND_MAX: u64 = 1_000;
/// Samples a second of a sound, at least: a packet of fewer would become a thousand times as many. Telephones have 8,000.
pub(crate) const RATE_MIN: u32 = 1_000;
/// Bytes of one allocation of FFmpeg's.
const ALLOCATION_MAX: usize = 256 * 1024 * 1024;

/// Sets those that are FFmpeg's own, once for the process.
pub(crate) fn set() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        // SAFETY: both store a number, atomically.
        unsafe {
            ffi::av_log_set_level(ffi::AV_LOG_QUIET);
            ffi::av_max_alloc(ALLOCATION_MAX);
        }
    });
}
