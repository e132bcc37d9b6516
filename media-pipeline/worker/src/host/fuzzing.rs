//! For the fuzz targets: what is believed of a claim is within the bounds. Invariants are `check`'s own.

use super::check;
use std::os::fd::OwnedFd;
use tertulia_media_core::{Class, Job, Outcome, PREVIEW_BYTES_MAX, Reason, Refusal, WAVEFORM_POINTS};

/// Panics if something is believed that can't be.
pub(crate) fn believed(job: &Job, claimed: Outcome, outputs: &[OwnedFd; 3]) {
    let Ok(outcome) = check::outcome(job, claimed, outputs) else { return };
    let size = rustix::fs::fstat(&outputs[0]).map(|stat| u64::try_from(stat.st_size).unwrap_or(0));
    assert_eq!(Ok(outcome.bytes), size, "the kernel's size");
    assert!(outcome.bytes > 0 && outcome.bytes <= check::main_bytes_max(outcome.class, &job.limits));
    assert!(!matches!(outcome.class, Class::Document | Class::Sealed), "nothing is made of those");
    assert!(outcome.preview.len() <= PREVIEW_BYTES_MAX && outcome.thumbhash.len() <= 25);
    assert!(outcome.preview.is_empty() || outcome.preview.starts_with("data:image/"), "{}", outcome.preview);
    assert!(outcome.preview.bytes().all(|byte| byte.is_ascii_graphic()), "it stands in a page");
    assert!(outcome.waveform.is_empty() || outcome.waveform.len() == WAVEFORM_POINTS);
    assert!(outcome.waveform.iter().all(|point| *point <= 100));
    assert!(outcome.width <= 16_384 && outcome.height <= 16_384, "{} by {}", outcome.width, outcome.height);
    let is_known = ["video/mp4", "audio/mp4", "image/jpeg", "image/png", "image/webp", "image/gif"];
    assert!(is_known.contains(&outcome.mime.as_str()) || outcome.mime.starts_with("audio/ogg"), "{}", outcome.mime);
    assert!(outcome.mime != "text/html");
}

/// Panics if a reason is believed that a worker can't know.
pub(crate) fn refused(claimed: Refusal) {
    if let Ok(refusal) = check::refusal(claimed) {
        let not_its_own =
            [Reason::Quota, Reason::Busy, Reason::WorkerCrashed, Reason::Cancelled, Reason::SandboxUnavailable];
        assert!(!not_its_own.contains(&refusal.reason), "{refusal}");
    }
}
