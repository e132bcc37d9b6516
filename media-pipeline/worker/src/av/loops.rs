//! Pictures that move without sound, as GIFs do: coded into an MP4, a tenth of the bytes, that every screen decodes in hardware.

use super::coder::{Encoder, Pictures};
use super::ff::{Frame, MILLIS, Packet, Rational};
use super::graph::Graph;
use super::lanes::{self, Lane};
use super::limits;
use super::plan::{self, Colours, Plan};
use super::turn::Turn;
use crate::image;
use std::fs::File;
use tertulia_media_core::{Job, Reason, Refusal};

/// What a loop has become.
pub(crate) struct Loop {
    pub(crate) bytes: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) duration_ms: u64,
    /// Whether what came after the last picture could not be read.
    pub(crate) is_cut: bool,
}

/// Pictures, each with the milliseconds it is to be seen.
pub(crate) type Reel<'a> = dyn Iterator<Item = Result<(image::Frame, u32), Refusal>> + 'a;

/// Codes pictures, all of them opaque and of the first one's size, into an MP4; `attempt` times it was too large already.
///
/// # Errors
/// `TooLong` with the figures, `TooLarge` where the output has no room, `Damaged` if not even the first can be read.
pub(crate) fn code(
    job: &Job,
    pictures: &mut Reel<'_>,
    main: &File,
    attempt: u32,
    about_ms: u64,
) -> Result<Loop, Refusal> {
    limits::set();
    let mut coder: Option<Coder> = None;
    let mut is_cut = false;
    for picture in pictures {
        let (picture, shown_ms) = match picture {
            Ok(picture) => picture,
            Err(refusal) if coder.is_none() => return Err(refusal),
            Err(_) => {
                is_cut = true;
                break;
            }
        };
        let coder = match &mut coder {
            Some(coder) => coder,
            empty => empty.insert(Coder::new(job, &picture, attempt, about_ms)?),
        };
        coder.take(&picture, shown_ms)?;
    }
    coder.ok_or(Reason::Damaged)?.finish(main, is_cut)
}

struct Coder {
    plan: Plan,
    graph: Graph,
    encoder: Encoder,
    packets: Vec<Packet>,
    bytes: u64,
    bytes_max: u64,
    /// When each picture begins, and when the last one ends, in milliseconds.
    times: Vec<i64>,
    end_ms: i64,
    end_ms_max: i64,
}

impl Coder {
    fn new(job: &Job, first: &image::Frame, attempt: u32, about_ms: u64) -> Result<Self, Refusal> {
        let colours = Colours { input: [2, 2, 2, 2], is_rgb: true };
        let length_us = i64::try_from(about_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let plan = Plan::new((first.width(), first.height()), 20.0, length_us, &job.limits, attempt);
        let chain = plan::chain((plan.width, plan.height), Turn::NONE, colours, false, true);
        let like = frame(first)?;
        let graph = Graph::pictures(&like, MILLIS, &chain, 1).map_err(|_| Refusal::from(Reason::Unsupported))?;
        let make = Pictures {
            width: plan.width,
            height: plan.height,
            time_base: MILLIS,
            frame_rate: Rational { num: 20, den: 1 },
            colours: colours.output(),
        };
        let options = plan.options();
        let options: Vec<_> = options.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let encoder = Encoder::pictures("libx264", &make, job.threads, &options)?;
        Ok(Self {
            plan,
            graph,
            encoder,
            packets: Vec::new(),
            bytes: 0,
            bytes_max: job.limits.video_bytes_max,
            times: Vec::new(),
            end_ms: 0,
            end_ms_max: i64::from(job.limits.video_seconds_max) * 1_000,
        })
    }

    fn take(&mut self, picture: &image::Frame, shown_ms: u32) -> Result<(), Refusal> {
        let mut frame = frame(picture)?;
        frame.set_pts(Some(self.end_ms));
        self.times.push(self.end_ms);
        self.end_ms += i64::from(shown_ms.max(1));
        if self.end_ms > self.end_ms_max {
            let figure = |value: i64| u64::try_from(value).unwrap_or(0);
            return Err(Refusal::over(Reason::TooLong, figure(self.end_ms_max), figure(self.end_ms)));
        }
        self.graph.push(Some(&mut frame))?;
        self.encode()
    }

    fn encode(&mut self) -> Result<(), Refusal> {
        let mut ready = Frame::new()?;
        while self.graph.pull(&mut ready)? {
            self.encoder.send(Some(&ready))?;
            self.collect()?;
        }
        Ok(())
    }

    fn collect(&mut self) -> Result<(), Refusal> {
        while let Some(packet) = self.encoder.receive()? {
            self.bytes += packet.size() as u64;
            self.packets.push(packet);
        }
        if self.bytes > self.bytes_max {
            return Err(Refusal::over(Reason::TooLarge, self.bytes_max, self.bytes));
        }
        Ok(())
    }

    fn finish(mut self, main: &File, is_cut: bool) -> Result<Loop, Refusal> {
        self.graph.push(None)?;
        self.encode()?;
        self.encoder.send(None)?;
        self.collect()?;
        // The container's own bytes come on top; they were planned for, and what is over is a little.
        for packet in &mut self.packets {
            let pts = packet.pts().unwrap_or(0);
            let next = self.times.partition_point(|time| *time <= pts);
            packet.set_duration(self.times.get(next).copied().unwrap_or(self.end_ms) - pts);
        }
        let (parameters, clock) = (self.encoder.parameters()?, self.encoder.time_base());
        let lane = Lane { parameters: &parameters, clock, packets: &self.packets, origin: 0, longest: i64::MAX };
        let bytes = lanes::write(main, &[lane], self.bytes_max.saturating_mul(2))?;
        if bytes > self.bytes_max {
            return Err(Refusal::over(Reason::TooLarge, self.bytes_max, bytes));
        }
        let duration_ms = u64::try_from(self.end_ms).unwrap_or(0);
        Ok(Loop { bytes, width: self.plan.width, height: self.plan.height, duration_ms, is_cut })
    }
}

fn frame(picture: &image::Frame) -> Result<Frame, Refusal> {
    let made = Frame::rgb(picture.width(), picture.height(), picture.pixels());
    made.map_err(|_| Reason::OutOfMemory.into())
}
