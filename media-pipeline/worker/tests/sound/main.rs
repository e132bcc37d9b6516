//! Sounds and voice notes through the worker's own door, in this process; the command line tool `ffmpeg` makes the inputs and
//! decodes what comes out.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod hostile;
mod kinds;
mod make;
mod shape;

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use tertulia_media_core::{Class, Job, Limits, Outcome, Refusal};

/// What a job has made.
struct Made {
    outcome: Outcome,
    main: Vec<u8>,
}

fn job(class: Class) -> Job {
    Job { class, limits: Limits::default(), threads: 1 }
}

fn run(job: &Job, bytes: &[u8]) -> Result<Made, Refusal> {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(bytes).unwrap();
    let outputs = [(); 3].map(|()| tempfile::tempfile().unwrap());
    let ours = [0, 1, 2].map(|index: usize| outputs[index].try_clone().unwrap());
    let mut told = 0;
    let outcome = tertulia_media_worker::av::run(job, input, outputs, &mut |thousandths| {
        assert!((told..=1_000).contains(&thousandths), "progress only grows");
        told = thousandths;
    })?;
    let [main, thumb_jpeg, thumb_webp] = ours.map(contents);
    assert_eq!(outcome.bytes, main.len() as u64);
    assert!(thumb_jpeg.is_empty() && thumb_webp.is_empty(), "sounds have no thumbnail");
    assert!(outcome.thumbhash.is_empty() && outcome.preview.is_empty() && (outcome.width, outcome.height) == (0, 0));
    Ok(Made { outcome, main })
}

fn contents(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}
