//! FFmpeg: the one module that speaks to it. Video to MP4, sounds to M4A and Ogg Opus, posters.
//!
//! Everything happens on descriptors that are open: no path, no device, no environment is needed at run time. Outputs are
//! read as well as written (an MP4's header is moved to the front), by `pread` and `pwrite`.

mod boxes;
mod coder;
mod compat;
mod easel;
mod ff;
mod front;
mod graph;
mod io;
mod lanes;
mod limits;
pub(crate) mod loops;
mod mux;
mod open;
mod pictures;
mod plan;
mod poster;
mod reel;
mod sound;
mod tones;
mod turn;
mod video;

use std::fs::File;
use tertulia_media_core::{Class, Job, Outcome, Reason, Refusal};

/// Does a job of class `Video`, `Audio` or `Voice`: reads the input, writes the outputs in the order of
/// [`Output::ALL`](tertulia_media_core::Output::ALL), and tells its progress in thousandths.
///
/// # Errors
/// If the input can't be made playable, or is more than its limits.
pub fn run(job: &Job, input: File, outputs: [File; 3], progress: &mut dyn FnMut(u16)) -> Result<Outcome, Refusal> {
    limits::set();
    match job.class {
        Class::Video => video::run(job, input, outputs, progress),
        Class::Audio | Class::Voice => sound::run(job, input, outputs, progress),
        Class::Image | Class::Document | Class::Sealed => Err(Reason::Unsupported.into()),
    }
}

/// FFmpeg's libraries as they are loaded, each with its version.
#[must_use]
pub fn versions() -> Vec<(&'static str, String)> {
    use ffmpeg_next::software::{resampling, scaling};
    use ffmpeg_next::{codec, filter, format, util};
    let text = |version: u32| format!("{}.{}.{}", version >> 16, version >> 8 & 0xff, version & 0xff);
    let all = [
        ("libavcodec", codec::version()),
        ("libavformat", format::version()),
        ("libavfilter", filter::version()),
        ("libavutil", util::version()),
        ("libswscale", scaling::version()),
        ("libswresample", resampling::version()),
    ];
    all.into_iter().map(|(name, version)| (name, text(version))).collect()
}

/// Of what everything is made into, those that this FFmpeg can't make: their encoders' names.
#[must_use]
pub fn missing_encoders() -> Vec<&'static str> {
    let is_missing = |name: &&str| ffmpeg_next::encoder::find_by_name(name).is_none();
    ["libx264", "aac", "libopus"].into_iter().filter(is_missing).collect()
}

/// Loads what is loaded at first use, and makes FFmpeg silent: what it writes may quote a stranger's file.
///
/// To be called before the process is closed in. Libraries are mapped by then; tables are computed in memory.
pub fn warm_up() {
    limits::set();
    coder::warm_up();
}

#[cfg(test)]
mod tests {
    #[test]
    fn s8_the_libraries_tell_their_versions_and_have_the_encoders_that_are_needed() {
        let versions = super::versions();
        assert_eq!(versions.len(), 6);
        for (name, version) in versions {
            let numbers: Vec<u32> = version.split('.').map(|number| number.parse().expect("a number")).collect();
            assert!(numbers.len() == 3 && numbers[0] > 0, "{name} {version}");
        }
        assert!(super::missing_encoders().is_empty(), "{:?}", super::missing_encoders());
    }
}
