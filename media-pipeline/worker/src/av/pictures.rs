//! Codes pictures anew: decodes, turns, scales, thins out, encodes. What the decoder can't read is left out, and counted.
//!
//! Times are passed through, counted from the beginning of the file: what had no constant rate has none afterwards.

use super::coder::{Decoder, Encoder, Pictures};
use super::ff::{Fault, Frame, MICROS, Packet, Parameters, Rational, rescale};
use super::graph::Graph;
use super::limits::VIDEO_PIXELS_MAX;
use super::plan::{self, Colours, FRAME_RATE_MAX, Plan};
use super::reel::Reel;
use super::turn::Turn;
use ffmpeg_next::ffi;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use tertulia_media_core::{Reason, Refusal};

/// The clock of what has none that an MP4 can be counted in.
const FINE_CLOCK: Rational = Rational { num: 1, den: 90_000 };
/// Pictures may come so much too early and still count as on time: cameras are not exact.
const EARLY_US: i64 = 4_000;
/// Pictures that a decoder may hold back: what it reorders, and one for each of its threads.
const WAITING_MAX: usize = 48;
/// The graph is made anew for so many changes of size or format; a hostile file changes with every picture.
const CHANGES_MAX: u32 = 32;

/// A stream, coded.
pub(crate) struct Coded {
    pub(crate) parameters: Parameters,
    pub(crate) clock: Rational,
    pub(crate) packets: Vec<Packet>,
    /// From the beginning of the file to the end of it, in microseconds.
    pub(crate) end_us: i64,
    /// Whether some of the input could not be decoded.
    pub(crate) is_faulty: bool,
}

/// What comes of coding.
pub(crate) enum Made {
    /// A stream.
    Coded(Coded),
    /// More bytes than there is room for.
    TooMuch,
}

/// The clock that output is counted in, for an input's.
pub(crate) fn clock(input: Rational) -> Rational {
    let is_fine = input.num == 1 && (1_000..=240_000).contains(&input.den);
    if is_fine { input } else { FINE_CLOCK }
}

/// When packets are decoded that have not become pictures yet.
struct Waiting {
    times: BinaryHeap<Reverse<i64>>,
    /// Of every packet: by its place in the file, when it is decoded.
    places: HashMap<i64, i64>,
}

impl Waiting {
    fn new(reel: &Reel) -> Self {
        let places = reel.pictures.packets.iter().filter_map(|packet| Some((packet.place(), packet.dts()?))).collect();
        Self { times: BinaryHeap::new(), places }
    }

    /// When the next picture is shown, made of the packet at a place.
    ///
    /// Packets that made none leave their times behind: nothing is shown earlier than it is decoded by more than is held back.
    fn next(&mut self, place: i64, depth: usize) -> Option<i64> {
        if let Some(decoded) = self.places.get(&place) {
            let kept = self.times.iter().filter(|Reverse(time)| time <= decoded).count();
            for _ in 0..kept.saturating_sub(depth + 1) {
                self.times.pop();
            }
        }
        while self.times.len() > WAITING_MAX {
            self.times.pop();
        }
        self.times.pop().map(|Reverse(time)| time)
    }
}

struct Coder<'a> {
    reel: &'a Reel,
    plan: &'a Plan,
    threads: u32,
    turn: Turn,
    input_clock: Rational,
    clock: Rational,
    graph: Option<(Graph, [i64; 6])>,
    changes: u32,
    encoder: Encoder,
    is_new: bool,
    packets: Vec<Packet>,
    bytes: u64,
    bytes_max: u64,
    /// When each picture is shown that has gone to the encoder, in `clock`.
    times: Vec<i64>,
    due_us: i64,
    last_duration: i64,
    /// When packets are decoded that have not become pictures yet, where nothing says when they are shown.
    waiting: Option<Waiting>,
    faults: u64,
    frames: u64,
}

/// Codes the pictures of a reel by a plan, into at most so many bytes.
///
/// # Errors
/// `Damaged` where nothing can be decoded.
pub(crate) fn code(
    reel: &Reel,
    plan: &Plan,
    threads: u32,
    bytes_max: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Made, Refusal> {
    let track = reel.picture().ok_or(Reason::Empty)?;
    let mut decoder = Decoder::open(track, threads, VIDEO_PIXELS_MAX)?;
    let rate = track_rate(reel);
    let output_clock = clock(track.time_base);
    let colours = Colours { input: track.parameters.colours(), is_rgb: false };
    let encoder = open_encoder(plan, output_clock, rate, colours, threads)?;
    let mut coder = Coder {
        reel,
        plan,
        threads,
        turn: Turn::of(track.matrix),
        input_clock: track.time_base,
        clock: output_clock,
        graph: None,
        changes: 0,
        encoder,
        is_new: true,
        packets: Vec::with_capacity(reel.pictures.packets.len()),
        bytes: 0,
        bytes_max,
        times: Vec::with_capacity(reel.pictures.packets.len()),
        due_us: i64::MIN,
        last_duration: 0,
        waiting: reel.pictures.packets.iter().any(|packet| packet.pts().is_none()).then(|| Waiting::new(reel)),
        faults: 0,
        frames: 0,
    };
    let total = reel.pictures.packets.len() as u64;
    let mut frame = Frame::new()?;
    for (done, packet) in reel.pictures.packets.iter().enumerate() {
        coder.decode(&mut decoder, Some(packet), &mut frame)?;
        if coder.bytes > bytes_max {
            return Ok(Made::TooMuch);
        }
        progress(done as u64, total);
    }
    coder.decode(&mut decoder, None, &mut frame)?;
    drop(decoder);
    coder.finish()
}

/// Pictures a second that the encoder plans its bits by.
fn track_rate(reel: &Reel) -> f64 {
    let rate = reel.pictures.rate();
    if rate > 0.0 { rate.clamp(1.0, f64::from(FRAME_RATE_MAX)) } else { 25.0 }
}

fn open_encoder(plan: &Plan, clock: Rational, rate: f64, colours: Colours, threads: u32) -> Result<Encoder, Refusal> {
    let make = Pictures {
        width: plan.width,
        height: plan.height,
        time_base: clock,
        frame_rate: Rational { num: (rate * 1_000.0).round() as i32, den: 1_000 },
        colours: colours.output(),
    };
    let options = plan.options();
    let options: Vec<_> = options.iter().map(|(key, value)| (*key, value.as_str())).collect();
    Encoder::pictures("libx264", &make, threads, &options)
}

impl Coder<'_> {
    fn decode(&mut self, decoder: &mut Decoder, packet: Option<&Packet>, frame: &mut Frame) -> Result<(), Refusal> {
        if let Err(fault) = decoder.send(packet) {
            if fault == Fault::MEMORY {
                return Err(fault.into());
            }
            self.faults += 1;
        }
        if let (Some(waiting), Some(dts)) = (&mut self.waiting, packet.and_then(Packet::dts)) {
            waiting.times.push(Reverse(dts));
        }
        loop {
            match decoder.receive(frame) {
                Ok(true) => self.take(frame, decoder.depth())?,
                Ok(false) => return Ok(()),
                Err(Fault::MEMORY) => return Err(Fault::MEMORY.into()),
                Err(_) => self.faults += 1,
            }
            if self.faults > self.reel.pictures.packets.len() as u64 * 2 + 64 {
                return Err(Reason::Damaged.into());
            }
        }
    }

    /// A decoded picture: given a time, turned and scaled, encoded; unless it comes before its time.
    fn take(&mut self, frame: &mut Frame, depth: usize) -> Result<(), Refusal> {
        if frame.is_broken() {
            self.faults += 1;
        }
        // AVI says when pictures are decoded alone: as many are shown, in order, at the same times.
        let time = match &mut self.waiting {
            Some(waiting) => waiting.next(frame.place(), depth),
            None => frame.time(),
        };
        let Some(time) = time else {
            frame.clear();
            return Ok(());
        };
        let time_us = rescale(time, self.input_clock, MICROS).saturating_sub(self.reel.origin_us());
        let step = 1_000_000 / i64::from(FRAME_RATE_MAX);
        if time_us.saturating_add(EARLY_US) < self.due_us {
            frame.clear();
            return Ok(());
        }
        self.due_us =
            if time_us.saturating_sub(self.due_us) > step { time_us } else { self.due_us }.saturating_add(step);
        let origin = rescale(self.reel.origin_us(), MICROS, self.input_clock);
        let mut pts = rescale(time.saturating_sub(origin), self.input_clock, self.clock).max(0);
        if self.times.is_empty() {
            // Nothing is shown before it: it is shown from the beginning on.
            pts = 0;
        }
        if self.times.last().is_some_and(|last| pts <= *last) {
            frame.clear();
            return Ok(());
        }
        self.last_duration = rescale(frame.duration(), self.input_clock, self.clock);
        self.times.push(pts);
        frame.set_pts(Some(pts));
        frame.forget_kind();
        frame.strip();
        self.filter(frame)
    }

    fn filter(&mut self, frame: &mut Frame) -> Result<(), Refusal> {
        let aspect = frame.sample_aspect();
        let like = [
            i64::from(frame.width()),
            i64::from(frame.height()),
            i64::from(frame.format()),
            i64::from(aspect.num),
            i64::from(aspect.den),
            frame.colours().iter().fold(0, |all, one| all * 512 + i64::from(*one)),
        ];
        if self.graph.as_ref().is_none_or(|(_, of)| *of != like) {
            self.drain_graph()?;
            self.changes += 1;
            if self.changes > CHANGES_MAX {
                return Err(Refusal::over(Reason::TooComplex, u64::from(CHANGES_MAX), u64::from(self.changes)));
            }
            self.graph = Some((self.new_graph(frame)?, like));
        }
        if let Some((graph, _)) = &mut self.graph {
            graph.push(Some(frame))?;
        }
        self.encode_ready()
    }

    fn new_graph(&mut self, frame: &Frame) -> Result<Graph, Refusal> {
        let colours = Colours { input: frame.colours(), is_rgb: is_rgb(frame) };
        if self.is_new {
            // Only the first picture tells what colours they really are in.
            self.encoder = open_encoder(self.plan, self.clock, track_rate(self.reel), colours, self.threads)?;
            self.is_new = false;
        }
        let size = (self.plan.width, self.plan.height);
        let chain = |is_plain| plan::chain(size, self.turn, colours, frame.is_interlaced(), is_plain);
        Graph::pictures(frame, self.clock, &chain(false), self.threads)
            .or_else(|_| Graph::pictures(frame, self.clock, &chain(true), self.threads))
            .map_err(|_| Reason::Unsupported.into())
    }

    fn drain_graph(&mut self) -> Result<(), Refusal> {
        if let Some((graph, _)) = &mut self.graph {
            graph.push(None)?;
            self.encode_ready()?;
        }
        self.graph = None;
        Ok(())
    }

    fn encode_ready(&mut self) -> Result<(), Refusal> {
        let mut ready = Frame::new()?;
        loop {
            let Some((graph, _)) = &mut self.graph else { return Ok(()) };
            if !graph.pull(&mut ready)? {
                return Ok(());
            }
            // Filters that look at fields count in halves.
            let counted = graph.time_base();
            ready.set_pts(ready.pts().map(|pts| rescale(pts, counted, self.clock)));
            ready.forget_kind();
            self.frames += 1;
            self.encoder.send(Some(&ready))?;
            self.collect()?;
        }
    }

    fn collect(&mut self) -> Result<(), Refusal> {
        while let Some(packet) = self.encoder.receive()? {
            self.bytes += packet.size() as u64;
            self.packets.push(packet);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Made, Refusal> {
        self.drain_graph()?;
        if self.frames == 0 {
            return Err(Reason::Damaged.into());
        }
        self.encoder.send(None)?;
        self.collect()?;
        if self.bytes > self.bytes_max {
            return Ok(Made::TooMuch);
        }
        let last = self.times.last().copied().unwrap_or(0);
        let longest = self.reel.pictures.last_duration_us();
        let longest = rescale(longest, MICROS, self.clock);
        let before = self.times.len().checked_sub(2).map_or(0, |at| last - self.times[at]);
        let duration = if self.last_duration > 0 { self.last_duration.min(longest.max(before)) } else { before };
        let end = last.saturating_add(duration.max(1));
        for packet in &mut self.packets {
            // What is shown next ends it: the encoder has forgotten how long it lasts.
            let Some(pts) = packet.pts() else { continue };
            let next = self.times.partition_point(|time| *time <= pts);
            packet.set_duration(self.times.get(next).copied().unwrap_or(end) - pts);
        }
        Ok(Made::Coded(Coded {
            parameters: self.encoder.parameters()?,
            clock: self.clock,
            packets: self.packets,
            end_us: rescale(end, self.clock, MICROS),
            is_faulty: self.faults > 0,
        }))
    }
}

/// Whether a picture is in red, green and blue.
fn is_rgb(frame: &Frame) -> bool {
    super::graph::is_rgb(frame.format()) && frame.colours()[2] != ffi::AVColorSpace::AVCOL_SPC_BT709 as i32
}
