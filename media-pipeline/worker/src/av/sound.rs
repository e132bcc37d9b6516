//! Sound: to M4A (AAC), and voice notes to Ogg Opus, with the waveform that is drawn beside them.
//!
//! How long it is, is measured by what has been decoded, not believed. Gaps between packets become silence, so that what was
//! recorded with pauses keeps its time. Loudness is left as it is. Covers, titles and dates are not copied.

mod waveform;

use super::coder::{Decoder, Encoder, Sounds};
use super::ff::{Fault, Frame, MILLIS, Packet, Rational, rescale};
use super::graph::Graph;
use super::limits::RATE_MIN;
use super::mux::{Container, Header, Muxer, Times};
use super::open::{Family, Kind, Source, Track};
use super::plan::is_low_complexity;
use ffmpeg_next::ffi;
use std::fs::File;
use tertulia_media_core::{Class, Job, Limits, Outcome, Reason, Refusal};
use waveform::Waveform;

/// Samples a second of everything that is made.
const RATE: u32 = 48_000;
/// Bits a second of a voice note: Opus is transparent for speech from 24,000 on.
const VOICE_BITS: u32 = 32_000;
/// Bits a second of other sounds, at most and at least. Less than twice what it had is not needed: AAC is no worse than what
/// phones record in, and old formats are low.
const SOUND_BITS_MAX: u64 = 128_000;
const SOUND_BITS_MIN: u64 = 48_000;
/// Bits a second up to which AAC is copied as it is.
const COPIED_BITS_MAX: u64 = 160_000;
/// Pixels of pictures that are not decoded here.
const NO_PIXELS: u64 = 1;

/// What is made of a sound.
struct Plan {
    class: Class,
    container: Container,
    mime: &'static str,
    encoder: &'static str,
    sounds: Sounds,
    options: &'static [(&'static str, &'static str)],
    /// Whether its packets are copied, and decoded to be measured alone.
    is_copied: bool,
}

impl Plan {
    fn new(job: &Job, track: &Track, bytes: u64, said_ms: u64) -> Self {
        if job.class == Class::Voice {
            return Self {
                class: Class::Voice,
                container: Container::Ogg,
                mime: "audio/ogg",
                encoder: "libopus",
                sounds: Sounds {
                    rate: RATE,
                    channels: 1,
                    bit_rate: VOICE_BITS,
                    format: ffi::AVSampleFormat::AV_SAMPLE_FMT_FLT,
                },
                options: &[("application", "voip"), ("vbr", "on"), ("frame_duration", "20")],
                is_copied: false,
            };
        }
        let had = bytes.saturating_mul(8_000).checked_div(said_ms).unwrap_or(SOUND_BITS_MAX);
        let bit_rate = had.saturating_mul(2).clamp(SOUND_BITS_MIN, SOUND_BITS_MAX);
        Self {
            class: Class::Audio,
            container: Container::M4a,
            mime: "audio/mp4",
            encoder: "aac",
            sounds: Sounds {
                rate: RATE,
                channels: 2,
                bit_rate: u32::try_from(bit_rate).unwrap_or(u32::MAX),
                format: ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP,
            },
            options: &[],
            is_copied: fits(track) && had <= COPIED_BITS_MAX,
        }
    }

    /// The filters: gaps filled, then the rate, format and channels that the encoder wants.
    fn chain(&self) -> String {
        let (format, channels) = if self.sounds.channels == 1 { ("flt", "mono") } else { ("fltp", "stereo") };
        format!(
            "aresample={RATE}:async=1:min_hard_comp=0.02,aformat=sample_fmts={format}:channel_layouts={channels}:sample_rates={RATE}"
        )
    }
}

/// Whether a track is such AAC as everything plays. Its configuration must be beside it: bare streams have none.
fn fits(track: &Track) -> bool {
    let parameters = &track.parameters;
    parameters.codec() == ffi::AVCodecID::AV_CODEC_ID_AAC
        && is_low_complexity(parameters.extra())
        && matches!(parameters.channels(), 1 | 2)
        && matches!(parameters.rate(), 44_100 | 48_000)
}

/// Does a job of class `Audio` or `Voice`, or of a video without pictures: as [`super::run`].
///
/// # Errors
/// [`Reason::Empty`] if there is nothing to hear, [`Reason::TooLong`], and what opening answers.
pub(super) fn run(
    job: &Job,
    input: File,
    outputs: [File; 3],
    progress: &mut dyn FnMut(u16),
) -> Result<Outcome, Refusal> {
    let [main, ..] = outputs;
    let mut told = 0;
    let mut progress = |share: u16| {
        told = share.max(told);
        progress(told);
    };
    let again = input.try_clone().map_err(|_| Reason::StoreUnavailable)?;
    match make(job, input, &main, true, &mut progress) {
        // What can't be copied since its packets' times make no sense can still be decoded.
        Err(Failed { refusal, was_copied: true }) if refusal.reason == Reason::Damaged => {
            make(job, again, &main, false, &mut progress).map_err(|failed| failed.refusal)
        }
        made => made.map_err(|failed| failed.refusal),
    }
}

/// Why nothing was made, and whether it was while copying.
struct Failed {
    refusal: Refusal,
    was_copied: bool,
}

impl<T: Into<Refusal>> From<T> for Failed {
    fn from(refusal: T) -> Self {
        Self { refusal: refusal.into(), was_copied: false }
    }
}

fn make(job: &Job, input: File, main: &File, may_copy: bool, progress: &mut dyn FnMut(u16)) -> Result<Outcome, Failed> {
    let bytes = input.metadata().map_err(|_| Reason::StoreUnavailable)?.len();
    let mut source = Source::open(input, Family::Sound)?;
    let said_ms = source.said_ms();
    let track = source.best(Kind::Sound).ok_or(Reason::Empty)?;
    let index = track.index;
    let mut plan = Plan::new(job, track, bytes, said_ms);
    plan.is_copied &= may_copy;
    let was_copied = plan.is_copied;
    let failed = |refusal| Failed { refusal, was_copied };
    let mut line = Line::new(&plan, track, main, &job.limits).map_err(failed)?;
    source.select(&[index]);
    while let Some(packet) = source.next()? {
        if packet.stream() != index {
            continue;
        }
        line.packet(&packet).map_err(failed)?;
        if let Some(share) = line.heard_ms().saturating_mul(1_000).checked_div(said_ms) {
            progress(u16::try_from(share).unwrap_or(u16::MAX).min(990));
        }
    }
    let is_salvaged = source.is_faulty();
    let Heard { duration_ms, waveform, bytes } = line.finish().map_err(failed)?;
    Ok(Outcome {
        class: plan.class,
        mime: plan.mime.to_owned(),
        bytes,
        width: 0,
        height: 0,
        duration_ms,
        has_sound: true,
        is_remuxed: was_copied,
        is_salvaged,
        thumbhash: Vec::new(),
        preview: String::new(),
        waveform,
    })
}

/// What a line has made.
struct Heard {
    duration_ms: u64,
    waveform: Vec<u8>,
    bytes: u64,
}

/// From packets to packets: decoder, filters, ear, encoder, container.
struct Line {
    decoder: Decoder,
    chain: String,
    shaper: Option<Shaper>,
    encoder: Option<Encoder>,
    out: Out,
    /// The clock of what comes in, and when it began.
    clock: Rational,
    first: Option<i64>,
    waveform: Waveform,
    channels: u32,
    /// Samples a channel that have been heard.
    heard: u64,
    heard_max: u64,
}

/// The container that is written, with a bound.
struct Out {
    muxer: Muxer,
    stream: usize,
    bytes: u64,
    bytes_max: u64,
}

impl Out {
    fn put(&mut self, packet: &Packet) -> Result<(), Refusal> {
        self.bytes = self.bytes.saturating_add(packet.size() as u64);
        if self.bytes > self.bytes_max {
            return Err(Refusal::over(Reason::TooLarge, self.bytes_max, self.bytes));
        }
        self.muxer.write(self.stream, packet, Times::of(packet)).map_err(Refusal::from)
    }
}

/// Filters for sound of one shape.
struct Shaper {
    graph: Graph,
    shape: (i32, u32, String),
    /// When the next frame is expected, by those before it.
    next: i64,
}

impl Line {
    fn new(plan: &Plan, track: &Track, main: &File, limits: &Limits) -> Result<Self, Refusal> {
        let decoder = Decoder::open(track, 1, NO_PIXELS)?;
        let mut muxer = Muxer::new(main, plan.container, limits.file_bytes_max.saturating_mul(2))?;
        let encoder =
            if plan.is_copied { None } else { Some(Encoder::sounds(plan.encoder, &plan.sounds, plan.options)?) };
        let stream = match &encoder {
            Some(encoder) => muxer.add(&encoder.parameters()?, encoder.time_base())?,
            None => muxer.add(&track.parameters, track.time_base)?,
        };
        muxer.start(Header::Moved)?;
        Ok(Self {
            decoder,
            chain: plan.chain(),
            shaper: None,
            encoder,
            out: Out { muxer, stream, bytes: 0, bytes_max: limits.file_bytes_max },
            clock: track.time_base,
            first: None,
            waveform: Waveform::new(),
            channels: plan.sounds.channels,
            heard: 0,
            heard_max: u64::from(limits.audio_seconds_max) * u64::from(RATE),
        })
    }

    fn heard_ms(&self) -> u64 {
        self.heard * 1_000 / u64::from(RATE)
    }

    /// One packet in.
    fn packet(&mut self, packet: &Packet) -> Result<(), Refusal> {
        if self.encoder.is_none() {
            self.copy(packet)?;
        }
        self.decode(Some(packet))
    }

    /// Copies a packet with its times: what comes before zero is not to be heard, and the container says so.
    fn copy(&mut self, packet: &Packet) -> Result<(), Refusal> {
        self.out.put(packet)
    }

    /// Decodes. A packet that can't be decoded is passed over: what is around it can still be heard.
    fn decode(&mut self, packet: Option<&Packet>) -> Result<(), Refusal> {
        match self.decoder.send(packet) {
            Ok(()) | Err(Fault::INVALID | Fault::END) => {}
            Err(Fault::MEMORY) => return Err(Reason::OutOfMemory.into()),
            Err(_) => return Ok(()),
        }
        let mut frame = Frame::new()?;
        while self.decoder.receive(&mut frame).unwrap_or(false) {
            self.shape(&mut frame)?;
        }
        Ok(())
    }

    /// Through the filters, which are made anew when the sound's shape changes.
    fn shape(&mut self, frame: &mut Frame) -> Result<(), Refusal> {
        if frame.samples() == 0 || frame.rate() == 0 {
            return Ok(());
        }
        if frame.rate() < RATE_MIN {
            return Err(Reason::Unsupported.into());
        }
        frame.strip();
        let shape = (frame.format(), frame.rate(), frame.layout());
        if self.shaper.as_ref().is_some_and(|shaper| shaper.shape != shape) {
            self.drain()?;
        }
        let clock = self.clock;
        let shaper = match &mut self.shaper {
            Some(shaper) => shaper,
            empty => {
                let graph = Graph::sounds(frame, clock, &self.chain).map_err(|_| Refusal::from(Reason::Unsupported))?;
                empty.insert(Shaper { graph, shape, next: frame.time().unwrap_or(0) })
            }
        };
        let time = frame.time().unwrap_or(shaper.next);
        let first = *self.first.get_or_insert(time);
        let rate = i32::try_from(frame.rate()).map_err(|_| Reason::Damaged)?;
        let samples = i64::try_from(frame.samples()).unwrap_or(0);
        shaper.next = time.saturating_add(rescale(samples, Rational { num: 1, den: rate }, clock));
        frame.set_pts(Some(time.saturating_sub(first).max(0)));
        if let Some(encoder) = &self.encoder {
            shaper.graph.set_frame_size(encoder.frame_size());
        }
        shaper.graph.push(Some(frame)).map_err(|_| Refusal::from(Reason::Damaged))?;
        self.pull()
    }

    /// Hears, and encodes, what the filters have ready.
    fn pull(&mut self) -> Result<(), Refusal> {
        let mut frame = Frame::new()?;
        while let Some(shaper) = &mut self.shaper {
            if !shaper.graph.pull(&mut frame).map_err(|_| Refusal::from(Reason::Damaged))? {
                break;
            }
            self.hear(&frame);
            if self.heard > self.heard_max {
                let limit = self.heard_max * 1_000 / u64::from(RATE);
                return Err(Refusal::over(Reason::TooLong, limit, self.heard_ms().max(limit + 1)));
            }
            frame.set_pts(i64::try_from(self.heard - frame.samples() as u64).ok());
            self.encode(Some(&frame))?;
        }
        Ok(())
    }

    fn hear(&mut self, frame: &Frame) {
        let samples = frame.samples();
        let planes: Vec<&[f32]> = (0..self.channels).map(|channel| frame.floats(channel)).collect();
        self.waveform.hear(&planes);
        self.heard += samples as u64;
    }

    fn encode(&mut self, frame: Option<&Frame>) -> Result<(), Refusal> {
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        match encoder.send(frame) {
            Ok(()) | Err(Fault::END) => {}
            Err(fault) => return Err(fault.into()),
        }
        while let Some(packet) = encoder.receive()? {
            self.out.put(&packet)?;
        }
        Ok(())
    }

    /// Takes out what the filters still hold.
    fn drain(&mut self) -> Result<(), Refusal> {
        if let Some(shaper) = &mut self.shaper {
            shaper.graph.push(None).map_err(|_| Refusal::from(Reason::Damaged))?;
        }
        self.pull()?;
        self.shaper = None;
        Ok(())
    }

    fn finish(mut self) -> Result<Heard, Refusal> {
        self.decode(None)?;
        self.drain()?;
        if self.heard == 0 {
            return Err(Reason::Empty.into());
        }
        self.encode(None)?;
        let duration_ms =
            rescale(i64::try_from(self.heard).unwrap_or(i64::MAX), Rational { num: 1, den: 48_000 }, MILLIS);
        let duration_ms = u64::try_from(duration_ms).unwrap_or(0).max(1);
        Ok(Heard { duration_ms, waveform: self.waveform.points(), bytes: self.out.muxer.finish()? })
    }
}
