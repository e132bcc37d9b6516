//! A video: what fits is copied, what does not is coded anew, stream by stream; then poster and header in front.

use super::easel::Easel;
use super::ff::{MICROS, Packet, Parameters, Rational, rescale};
use super::lanes::{self, Lane};
use super::limits::VIDEO_PIXELS_MAX;
use super::open::{Family, Source, Track};
use super::pictures::{self, Coded, Made};
use super::plan::{self, Plan};
use super::reel::{Reel, Strip};
use super::turn::Turn;
use super::{sound, tones};
use crate::image::Stills;
use std::fs::File;
use std::mem::ManuallyDrop;
use tertulia_media_core::{Class, Job, Outcome, Reason, Refusal};

/// How often coding may turn out too large before it is given up. Each attempt has less than two thirds of the bits.
const ATTEMPTS: u32 = 5;
/// Thousandths of a job: read, coded, written.
const READ: u16 = 50;
const CODED: u16 = 930;

/// Does a job of class `Video`: as [`super::run`].
pub(super) fn run(
    job: &Job,
    input: File,
    outputs: [File; 3],
    progress: &mut dyn FnMut(u16),
) -> Result<Outcome, Refusal> {
    let bytes = input.metadata().map_err(|_| Reason::Damaged)?.len();
    let source = Source::open(input.try_clone().map_err(|_| Reason::Damaged)?, Family::Video)?;
    if source.best(super::open::Kind::Video).is_none() {
        return alone(job, input, outputs, progress);
    }
    // Kept to the end, which is the process's: to free thousands of packets one by one would keep whoever waits.
    let [main, jpeg, webp] = outputs;
    let copy = |file: &File| file.try_clone().map_err(|_| Refusal::from(Reason::StoreUnavailable));
    let mut easel = Easel::new([copy(&jpeg)?, copy(&webp)?], job.threads);
    let mut first_key = |track: &Track, packet: &Packet| {
        if check_size(track).is_ok() {
            easel.see(track, packet);
        }
    };
    let reel = ManuallyDrop::new(Reel::load(source, bytes, &job.limits, &mut first_key)?);
    progress(READ);
    let Some(track) = reel.picture() else { return alone(job, input, [main, jpeg, webp], progress) };
    check_size(track)?;
    if (reel.is_faulty || reel.is_short) && !reel.is_enough(reel.length_us()) {
        return Err(Reason::Damaged.into());
    }
    Making { job, reel: &reel, track }.run(&main, easel, progress)
}

/// Sound in a container of videos: a job of another class.
fn alone(job: &Job, input: File, outputs: [File; 3], progress: &mut dyn FnMut(u16)) -> Result<Outcome, Refusal> {
    let job = Job { class: Class::Audio, ..job.clone() };
    sound::run(&job, input, outputs, progress)
}

fn check_size(track: &Track) -> Result<(), Refusal> {
    let (width, height) = (track.parameters.width(), track.parameters.height());
    let pixels = u64::from(width) * u64::from(height);
    match pixels {
        0 => Err(Reason::Damaged.into()),
        pixels if pixels > VIDEO_PIXELS_MAX => Err(Refusal::over(Reason::TooManyPixels, VIDEO_PIXELS_MAX, pixels)),
        _ => Ok(()),
    }
}

struct Making<'a> {
    job: &'a Job,
    reel: &'a Reel,
    track: &'a Track,
}

/// Bits a second up to which sound is copied, where so many are planned for what is coded.
fn most(bits: u32) -> u64 {
    u64::from(bits) * 5 / 4
}

/// One stream of the output.
struct Part<'a> {
    parameters: Parameters,
    clock: Rational,
    packets: Packets<'a>,
    /// What the packets' times are counted from, and how long each lasts at most.
    origin: i64,
    longest: i64,
    end_us: i64,
    is_faulty: bool,
}

/// The input's packets as they are, or others.
enum Packets<'a> {
    Copied(&'a [Packet]),
    Coded(Vec<Packet>),
}

impl Part<'_> {
    fn lane(&self) -> Lane<'_> {
        let packets = match &self.packets {
            Packets::Copied(packets) => packets,
            Packets::Coded(packets) => packets.as_slice(),
        };
        Lane { parameters: &self.parameters, clock: self.clock, packets, origin: self.origin, longest: self.longest }
    }
}

impl From<Coded> for Part<'_> {
    fn from(coded: Coded) -> Self {
        let Coded { parameters, clock, packets, end_us, is_faulty } = coded;
        Self { parameters, clock, packets: Packets::Coded(packets), origin: 0, longest: i64::MAX, end_us, is_faulty }
    }
}

/// What goes into the output, and what is said of it.
struct Ready<'a> {
    pictures: Part<'a>,
    sounds: Option<Part<'a>>,
    width: u32,
    height: u32,
    is_copied: bool,
    /// How often coding was tried.
    attempts: u32,
}

impl<'a> Making<'a> {
    fn run(&self, main: &File, easel: Easel, progress: &mut dyn FnMut(u16)) -> Result<Outcome, Refusal> {
        let (stills, copied) = self.stills_beside(easel, || self.written_copy(main))?;
        // Where it was too much it is done once more: progress never goes back.
        let mut most = 0;
        let mut progress = |thousandths: u16| {
            most = most.max(thousandths);
            progress(most);
        };
        let limit = self.job.limits.video_bytes_max;
        let mut made = copied.filter(|(bytes, _)| *bytes <= limit);
        let mut attempts = 0;
        let (bytes, ready) = loop {
            if let Some(made) = made {
                break made;
            }
            let ready = self.coded(attempts, &mut progress)?;
            attempts = ready.attempts;
            progress(CODED);
            let bytes = self.write(main, &ready)?;
            made = (bytes <= limit).then_some((bytes, ready));
        };
        let reel = self.reel;
        let end_us = ready.sounds.as_ref().map_or(0, |sounds| sounds.end_us).max(ready.pictures.end_us);
        let is_mute = ready.sounds.is_none() && reel.sound().is_some();
        let is_faulty = ready.pictures.is_faulty || reel.is_faulty || reel.is_short;
        if is_faulty && !reel.is_enough(ready.pictures.end_us) {
            return Err(Reason::Damaged.into());
        }
        progress(1_000);
        Ok(Outcome {
            class: Class::Video,
            mime: "video/mp4".into(),
            bytes,
            width: ready.width,
            height: ready.height,
            duration_ms: u64::try_from(end_us / 1_000).unwrap_or(0).max(1),
            has_sound: ready.sounds.is_some(),
            is_remuxed: ready.is_copied,
            is_salvaged: is_faulty || is_mute,
            thumbhash: stills.thumbhash,
            preview: stills.preview,
            waveform: Vec::new(),
        })
    }

    /// Finishes the stills, and does something else meanwhile. What goes wrong with the stills is told first.
    fn stills_beside<T>(
        &self,
        easel: Easel,
        meanwhile: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<(Stills, T), Refusal> {
        let make = move || easel.finish(self.reel);
        if self.job.threads < 2 {
            return Ok((make()?, meanwhile()?));
        }
        std::thread::scope(|scope| {
            let stills = scope.spawn(make);
            let other = meanwhile();
            let stills = stills.join().map_err(|_| Refusal::from(Reason::Damaged))??;
            Ok((stills, other?))
        })
    }

    /// A copy, written, and how long it is. Nothing if the pictures do not fit: then nothing was done.
    fn written_copy(&self, main: &File) -> Result<Option<(u64, Ready<'a>)>, Refusal> {
        let Some(ready) = self.copied()? else { return Ok(None) };
        let bytes = self.write(main, &ready)?;
        Ok(Some((bytes, ready)))
    }

    /// Everything copied, or the pictures copied and the sound coded. Nothing if the pictures do not fit.
    fn copied(&self) -> Result<Option<Ready<'a>>, Refusal> {
        let reel = self.reel;
        if reel.is_faulty || reel.is_short || !plan::pictures_fit(self.track, &reel.pictures) {
            return Ok(None);
        }
        if plan::copied_bytes(&[&reel.pictures, &reel.sounds]) > self.job.limits.video_bytes_max {
            return Ok(None);
        }
        let pictures = self.copy(self.track, &reel.pictures)?;
        let (sounds, is_copied) = match reel.sound() {
            None => (None, true),
            Some(track) if plan::sounds_fit(track, &reel.sounds) => (Some(self.copy(track, &reel.sounds)?), true),
            Some(_) => {
                let coded = tones::code(reel, self.plan(0).sound_bits)?;
                let bytes = coded
                    .as_ref()
                    .map_or(0, |coded| coded.packets.iter().map(|packet| packet.size() as u64 + 24).sum());
                if plan::copied_bytes(&[&reel.pictures]) + bytes > self.job.limits.video_bytes_max {
                    return Ok(None);
                }
                (coded.map(Part::from), false)
            }
        };
        let (width, height) = (self.track.parameters.width(), self.track.parameters.height());
        Ok(Some(Ready { pictures, sounds, width, height, is_copied, attempts: 0 }))
    }

    fn copy(&self, track: &Track, strip: &'a Strip) -> Result<Part<'a>, Refusal> {
        let clock = track.time_base;
        Ok(Part {
            parameters: track.parameters.duplicate()?,
            clock,
            packets: Packets::Copied(&strip.packets),
            origin: rescale(self.reel.origin_us(), MICROS, clock),
            longest: rescale(strip.last_duration_us(), MICROS, clock).max(1),
            end_us: strip.end_us.saturating_sub(self.reel.origin_us()),
            is_faulty: false,
        })
    }

    /// The sound for pictures that are coded: copied where it fits and is not much more than was planned, else coded.
    fn sound(&self, bits: u32) -> Result<Option<Part<'a>>, Refusal> {
        let reel = self.reel;
        let is_whole = !reel.is_faulty && !reel.is_short;
        match reel.sound() {
            Some(track) if is_whole && plan::sounds_fit(track, &reel.sounds) && reel.sounds.bits() <= most(bits) => {
                Ok(Some(self.copy(track, &reel.sounds)?))
            }
            _ => Ok(tones::code(reel, bits)?.map(Part::from)),
        }
    }

    fn plan(&self, attempt: u32) -> Plan {
        let (reel, all) = (self.reel, &self.track.parameters);
        let turn = Turn::of(self.track.matrix);
        let upright = plan::upright(all.width(), all.height(), self.track.sample_aspect, turn);
        Plan::new(upright, reel.pictures.rate(), reel.length_us(), &self.job.limits, attempt)
    }

    /// Pictures and sound coded, as small as it takes; so many attempts were too much already.
    fn coded(&self, attempts: u32, progress: &mut dyn FnMut(u16)) -> Result<Ready<'a>, Refusal> {
        let (reel, limit) = (self.reel, self.job.limits.video_bytes_max);
        let threads = self.job.threads.max(1);
        let first = self.plan(0);
        std::thread::scope(|scope| {
            let code_sound = || self.sound(first.sound_bits);
            // With one thread, one thing after the other.
            let waiting = (threads > 1).then(|| scope.spawn(code_sound));
            let mut sounds = if waiting.is_none() { Some(code_sound()?) } else { None };
            let mut waiting = waiting;
            for attempt in attempts..ATTEMPTS {
                let plan = self.plan(attempt);
                let room = limit.saturating_sub(most(plan.sound_bits) / 8 * (reel.length_us() as u64 / 1_000_000 + 1));
                let mut told = |done: u64, total: u64| {
                    let span = u64::from(CODED - READ);
                    progress(READ + u16::try_from(done * span / total.max(1)).unwrap_or(0));
                };
                let made = pictures::code(reel, &plan, threads, room, &mut told)?;
                if let Some(handle) = waiting.take() {
                    sounds = Some(handle.join().map_err(|_| Refusal::from(Reason::Damaged))??);
                }
                let Made::Coded(coded) = made else { continue };
                let (width, height) = (plan.width, plan.height);
                let (sounds, attempts) = (sounds.flatten(), attempt + 1);
                return Ok(Ready { pictures: coded.into(), sounds, width, height, is_copied: false, attempts });
            }
            Err(Refusal::over(Reason::TooLarge, limit, limit + 1))
        })
    }

    /// Writes what is ready, and answers how long it has become.
    fn write(&self, main: &File, ready: &Ready<'_>) -> Result<u64, Refusal> {
        let parts = [Some(&ready.pictures), ready.sounds.as_ref()];
        let lanes: Vec<Lane<'_>> = parts.into_iter().flatten().map(Part::lane).collect();
        lanes::write(main, &lanes, self.job.limits.video_bytes_max.saturating_mul(2))
    }
}
