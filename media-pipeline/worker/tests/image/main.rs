//! Pictures through the worker's own door, in this process: what comes out is decoded again and looked at.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod hostile;
mod looks;
mod make;
mod modern;
mod moving;
mod privacy;

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use tertulia_media_core::{Class, Job, Limits, Outcome, Refusal};

/// What a job has made.
struct Made {
    outcome: Outcome,
    main: Vec<u8>,
    thumb_jpeg: Vec<u8>,
    thumb_webp: Vec<u8>,
}

/// Red, green and blue at places of a picture.
struct Seen {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Seen {
    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let from = (y * self.width + x) * 3;
        [self.pixels[from], self.pixels[from + 1], self.pixels[from + 2]]
    }
}

fn job() -> Job {
    job_of(Limits::default())
}

fn job_of(limits: Limits) -> Job {
    Job { class: Class::Image, limits, threads: 1 }
}

fn run(job: &Job, bytes: &[u8]) -> Result<Made, Refusal> {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(bytes).unwrap();
    let outputs = [(); 3].map(|()| tempfile::tempfile().unwrap());
    let ours = [0, 1, 2].map(|index: usize| outputs[index].try_clone().unwrap());
    let mut told = 0;
    let outcome = tertulia_media_worker::image::run(job, input, outputs, &mut |thousandths| {
        assert!((told..=1_000).contains(&thousandths), "progress only grows");
        told = thousandths;
    })?;
    let [main, thumb_jpeg, thumb_webp] = ours.map(contents);
    assert_eq!(outcome.bytes, main.len() as u64);
    Ok(Made { outcome, main, thumb_jpeg, thumb_webp })
}

fn contents(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

fn see_jpeg(bytes: &[u8]) -> Seen {
    let image = turbojpeg::decompress(bytes, turbojpeg::PixelFormat::RGB).unwrap();
    Seen { width: image.width, height: image.height, pixels: image.pixels }
}

/// Red, green, blue and opacity of a WebP.
fn see_webp(bytes: &[u8]) -> image::RgbaImage {
    image::load_from_memory_with_format(bytes, image::ImageFormat::WebP).unwrap().to_rgba8()
}

/// Whether two colours look the same: JPEG is not exact.
fn is_near(left: [u8; 3], right: [u8; 3], tolerance: u8) -> bool {
    left.iter().zip(right).all(|(left, right)| left.abs_diff(right) <= tolerance)
}
