//! The picture that stands for a video: a key frame near its beginning that is not black, upright.

use super::coder::Decoder;
use super::ff::{Fault, Frame, Packet};
use super::graph::Graph;
use super::limits::VIDEO_PIXELS_MAX;
use super::open::Track;
use super::plan;
use super::reel::Reel;
use super::turn::Turn;
use crate::image;
use ffmpeg_next::ffi;
use tertulia_media_core::{POSTER_SIDE, Reason, Refusal};

/// Key frames that are tried before a dark one is taken.
const KEYS_MAX: usize = 6;
/// Where all of them are dark, so many pictures from the beginning are looked at.
const PICTURES_MAX: usize = 90;
/// Below this mean, with less than this spread, a picture is as good as black.
const DARK_MEAN: f64 = 26.0;
const DARK_SPREAD: f64 = 14.0;
/// Every so many pixels are looked at to tell.
const STRIDE: usize = 7;

/// The best picture so far.
struct Best {
    frame: image::Frame,
    worth: f64,
}

/// Finds it.
///
/// # Errors
/// `Damaged` where not one picture can be decoded.
pub(crate) fn find(reel: &Reel) -> Result<image::Frame, Refusal> {
    let track = reel.picture().ok_or(Reason::Empty)?;
    let packets = &reel.pictures.packets;
    let keys: Vec<usize> = (0..packets.len()).filter(|at| packets[*at].is_key()).take(KEYS_MAX).collect();
    let mut best: Option<Best> = None;
    for at in &keys {
        // One at a time, each with a decoder's whole memory: few are ever looked at.
        if look(track, std::slice::from_ref(&packets[*at]), &mut best)? {
            break;
        }
    }
    if best.as_ref().is_none_or(|best| best.worth < 1.0) {
        let from = keys.first().copied().unwrap_or(0);
        let to = packets.len().min(from + PICTURES_MAX);
        look(track, &packets[from..to], &mut best)?;
    }
    best.map(|best| best.frame).ok_or_else(|| Reason::Damaged.into())
}

/// Of a key frame alone: nothing where it is not good enough, or can't be decoded.
pub(crate) fn of(track: &Track, key: &Packet) -> Option<image::Frame> {
    let mut best = None;
    let is_good = look(track, std::slice::from_ref(key), &mut best).ok()?;
    best.filter(|_| is_good).map(|best| best.frame)
}

/// Decodes pictures one after the other, keeps the best, and tells whether one was good enough.
fn look(track: &Track, packets: &[Packet], best: &mut Option<Best>) -> Result<bool, Refusal> {
    let mut decoder = Decoder::open(track, 1, VIDEO_PIXELS_MAX)?;
    let mut frame = Frame::new()?;
    for packet in packets.iter().map(Some).chain([None]) {
        if decoder.send(packet) == Err(Fault::MEMORY) {
            return Err(Fault::MEMORY.into());
        }
        while let Ok(true) = decoder.receive(&mut frame) {
            let Ok(found) = paint(track, &mut frame) else { continue };
            let worth = worth(&found);
            if best.as_ref().is_none_or(|best| worth > best.worth) {
                *best = Some(Best { frame: found, worth });
            }
            if worth >= 1.0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// A decoded picture as red, green and blue, upright and no larger than a poster.
fn paint(track: &Track, frame: &mut Frame) -> Result<image::Frame, Refusal> {
    let turn = Turn::of(track.matrix);
    let (width, height) = plan::upright(frame.width(), frame.height(), aspect(track.sample_aspect, frame), turn);
    let size = within(width, height);
    let colours = plan::Colours { input: frame.colours(), is_rgb: false };
    let clock = track.time_base;
    frame.strip();
    let chain = |is_plain| plan::still_chain(size, turn, colours, is_plain);
    let mut graph = Graph::pictures(frame, clock, &chain(false), 1)
        .or_else(|_| Graph::pictures(frame, clock, &chain(true), 1))
        .map_err(|_| Refusal::from(Reason::Unsupported))?;
    graph.push(Some(frame))?;
    graph.push(None)?;
    let mut made = Frame::new()?;
    if !graph.pull(&mut made)? || made.format() != ffi::AVPixelFormat::AV_PIX_FMT_RGB24 as i32 {
        return Err(Reason::Damaged.into());
    }
    let pixels = made.packed(made.width() as usize * 3, made.height() as usize).ok_or(Reason::Damaged)?;
    image::Frame::rgb(made.width(), made.height(), pixels)
}

/// The container's word on the shape of pixels, else the codec's.
fn aspect(said: super::ff::Rational, frame: &Frame) -> super::ff::Rational {
    if said.num > 0 { said } else { frame.sample_aspect() }
}

fn within(width: u32, height: u32) -> (u32, u32) {
    let long = width.max(height).max(1);
    let scale = f64::from(POSTER_SIDE.min(long)) / f64::from(long);
    let side = |value: u32| ((f64::from(value) * scale).round() as u32).max(1);
    (side(width), side(height))
}

/// One or more if it is neither black nor all of one shade, less the darker it is.
fn worth(frame: &image::Frame) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for pixel in frame.pixels().chunks_exact(3).step_by(STRIDE) {
        let light = f64::from(pixel[0]) * 0.299 + f64::from(pixel[1]) * 0.587 + f64::from(pixel[2]) * 0.114;
        count += 1.0;
        sum += light;
        squares += light * light;
    }
    let mean = sum / f64::max(count, 1.0);
    let spread = (squares / f64::max(count, 1.0) - mean * mean).max(0.0).sqrt();
    if mean >= DARK_MEAN || spread >= DARK_SPREAD { 1.0 } else { mean / DARK_MEAN }
}
