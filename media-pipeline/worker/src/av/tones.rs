//! Codes sound anew as AAC-LC, stereo, 48 kHz, from the beginning of the pictures on: gaps become silence.

use super::coder::{Decoder, Encoder, Sounds};
use super::ff::{Fault, Frame, MICROS, Packet, Rational, rescale};
use super::graph::Graph;
use super::limits::RATE_MIN;
use super::pictures::Coded;
use super::reel::Reel;
use ffmpeg_next::ffi;
use tertulia_media_core::{Reason, Refusal};

/// Samples a second, and channels, of what is made.
pub(crate) const RATE: u32 = 48_000;
pub(crate) const CHANNELS: u32 = 2;
/// As for pictures.
const CHANGES_MAX: u32 = 32;

struct Coder<'a> {
    reel: &'a Reel,
    input_clock: Rational,
    graph: Option<(Graph, [u32; 3])>,
    /// Samples that have come out of the graphs so far.
    samples: i64,
    changes: u32,
    encoder: Encoder,
    packets: Vec<Packet>,
    faults: u64,
}

/// Codes the sound of a reel, with so many bits a second. Nothing where none of it can be decoded.
///
/// # Errors
/// Where that is not the sound's own fault.
pub(crate) fn code(reel: &Reel, bits: u32) -> Result<Option<Coded>, Refusal> {
    let Some(track) = reel.sound() else { return Ok(None) };
    let Ok(mut decoder) = Decoder::open(track, 1, 1) else { return Ok(None) };
    let make =
        Sounds { rate: RATE, channels: CHANNELS, bit_rate: bits, format: ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP };
    let mut coder = Coder {
        reel,
        input_clock: track.time_base,
        graph: None,
        samples: 0,
        changes: 0,
        encoder: Encoder::sounds("aac", &make, &[])?,
        packets: Vec::new(),
        faults: 0,
    };
    let mut frame = Frame::new()?;
    for packet in reel.sounds.packets.iter().map(Some).chain([None]) {
        coder.decode(&mut decoder, packet, &mut frame)?;
    }
    coder.finish()
}

impl Coder<'_> {
    fn decode(&mut self, decoder: &mut Decoder, packet: Option<&Packet>, frame: &mut Frame) -> Result<(), Refusal> {
        if let Err(fault) = decoder.send(packet) {
            if fault == Fault::MEMORY {
                return Err(fault.into());
            }
            self.faults += 1;
        }
        loop {
            match decoder.receive(frame) {
                Ok(true) => self.take(frame)?,
                Ok(false) => return Ok(()),
                Err(Fault::MEMORY) => return Err(Fault::MEMORY.into()),
                Err(_) => self.faults += 1,
            }
            if self.faults > self.reel.sounds.packets.len() as u64 * 2 + 64 {
                return Ok(());
            }
        }
    }

    fn take(&mut self, frame: &mut Frame) -> Result<(), Refusal> {
        if frame.rate() < RATE_MIN || frame.channels() == 0 || frame.samples() == 0 {
            return Ok(());
        }
        let origin = self.reel.origin_us();
        let time = frame.time().map(|time| rescale(time, self.input_clock, MICROS).saturating_sub(origin));
        frame.set_pts(time);
        frame.strip();
        let like = [frame.rate(), frame.channels(), u32::try_from(frame.format()).unwrap_or(0)];
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

    fn new_graph(&self, frame: &Frame) -> Result<Graph, Refusal> {
        let from = self.samples;
        let chain = format!(
            "aresample={RATE}:async=1:min_hard_comp=0.03:first_pts={from},\
             aformat=sample_fmts=fltp:channel_layouts=stereo:sample_rates={RATE}"
        );
        let mut graph = Graph::sounds(frame, MICROS, &chain).map_err(|_| Refusal::from(Reason::Unsupported))?;
        graph.set_frame_size(self.encoder.frame_size());
        Ok(graph)
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
            ready.set_pts(Some(self.samples));
            self.samples += i64::try_from(ready.samples()).unwrap_or(0);
            self.encoder.send(Some(&ready))?;
            self.collect()?;
        }
    }

    fn collect(&mut self) -> Result<(), Refusal> {
        while let Some(packet) = self.encoder.receive()? {
            self.packets.push(packet);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Option<Coded>, Refusal> {
        self.drain_graph()?;
        if self.samples == 0 {
            return Ok(None);
        }
        self.encoder.send(None)?;
        self.collect()?;
        let clock = self.encoder.time_base();
        Ok(Some(Coded {
            parameters: self.encoder.parameters()?,
            clock,
            packets: self.packets,
            end_us: rescale(self.samples, clock, MICROS),
            is_faulty: self.faults > 0,
        }))
    }
}
