//! Writes a container: MP4 and M4A with their header in front, Ogg.
//!
//! Of the input nothing gets into it but coded pictures and sounds: no titles, no places, no dates, no chapters.
#![expect(unsafe_code, reason = "libavformat is C")]

use super::ff::{Fault, Packet, Parameters, Rational};
use super::{front, io};
use ffmpeg_next::Dictionary;
use ffmpeg_next::ffi;
use ffmpeg_next::format::context::Output;
use ffmpeg_next::format::output_to_stream;
use std::fs::File;
use tertulia_media_core::{Reason, Refusal};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// Pictures, with or without sound.
    Mp4,
    /// Sound alone, as MP4.
    M4a,
    /// Sound alone, as Ogg.
    Ogg,
}

/// How an MP4's header gets in front of what it tells of. An Ogg has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// It is brought there when all is written.
    Moved,
    /// So many bytes are left for it: where it is longer, ending fails.
    Before(u64),
}

/// When a packet is decoded and shown, and how long, in its stream's clock. Zero: how long is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) pts: Option<i64>,
    pub(crate) dts: Option<i64>,
    pub(crate) duration: i64,
}

impl Times {
    /// A packet's own.
    pub(crate) fn of(packet: &Packet) -> Self {
        Self { pts: packet.pts(), dts: packet.dts(), duration: packet.duration() }
    }
}

/// A container that is being written.
pub(crate) struct Muxer {
    output: Output,
    file: File,
    container: Container,
    header: Header,
    /// What packets are shown to FFmpeg by: it looks at one, and keeps nothing.
    shown: Packet,
    /// The clocks of the packets that are given, per stream.
    clocks: Vec<Rational>,
}

impl Muxer {
    /// In `file`, which is emptied, with at most `bytes_max` bytes.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn new(file: &File, container: Container, bytes_max: u64) -> Result<Self, Refusal> {
        let file = file.try_clone().map_err(|_| Reason::StoreUnavailable)?;
        file.set_len(0).map_err(|_| Reason::StoreUnavailable)?;
        let name = match container {
            Container::Mp4 => "mp4",
            Container::M4a => "ipod",
            Container::Ogg => "ogg",
        };
        let writer = io::writer(file.try_clone().map_err(|_| Reason::StoreUnavailable)?, bytes_max)?;
        let mut output = output_to_stream(writer, None, Some(name)).map_err(|_| Reason::Unsupported)?;
        // SAFETY: fresh and ours. No word about the program that wrote it, so the same input makes the same bytes.
        unsafe { (*output.as_mut_ptr()).flags |= ffi::AVFMT_FLAG_BITEXACT };
        let (header, shown) = (Header::Moved, Packet::new()?);
        Ok(Self { output, file, container, header, shown, clocks: Vec::new() })
    }

    /// Adds a stream whose packets' times are counted in `clock`, and answers its number.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(crate) fn add(&mut self, parameters: &Parameters, clock: Rational) -> Result<usize, Fault> {
        // SAFETY: the context is ours and not begun; the stream it answers is its own.
        unsafe {
            let stream = ffi::avformat_new_stream(self.output.as_mut_ptr(), std::ptr::null());
            if stream.is_null() {
                return Err(Fault::MEMORY);
            }
            Fault::check(ffi::avcodec_parameters_copy((*stream).codecpar, parameters.as_ptr()))?;
            (*(*stream).codecpar).codec_tag = 0;
            (*stream).time_base = clock;
            (*stream).sample_aspect_ratio = (*(*stream).codecpar).sample_aspect_ratio;
        }
        self.clocks.push(clock);
        Ok(self.clocks.len() - 1)
    }

    /// Begins, once all streams are there.
    ///
    /// # Errors
    /// If the container can't hold what it is to hold.
    pub(crate) fn start(&mut self, header: Header) -> Result<(), Fault> {
        let mut options = Dictionary::new();
        self.header = header;
        if let Header::Before(bytes) = header {
            options.set("moov_size", &bytes.to_string());
        }
        // SAFETY: ours and not begun; the options are given and taken back.
        unsafe {
            let mut options = options.disown();
            let answer = ffi::avformat_write_header(self.output.as_mut_ptr(), &raw mut options);
            drop(Dictionary::own(options));
            Fault::check(answer).map(drop)
        }
    }

    /// Writes a packet into a stream, with times in that stream's clock: nothing else of it but whether decoding can begin there.
    ///
    /// Packets come in the order in which they are to stand: nothing is queued.
    ///
    /// # Errors
    /// If its times make no sense to the container, or there is no room.
    pub(crate) fn write(&mut self, stream: usize, packet: &Packet, times: Times) -> Result<(), Fault> {
        let Some(clock) = self.clocks.get(stream) else { return Err(Fault::INVALID) };
        // SAFETY: ours and begun; it has the stream; the packet's data live longer than the call, and are forgotten after it.
        unsafe {
            self.shown.show(packet, stream, times);
            self.shown.rescale(*clock, (**(*self.output.as_ptr()).streams.add(stream)).time_base);
            let answer = ffi::av_write_frame(self.output.as_mut_ptr(), self.shown.as_ptr());
            self.shown.show_nothing();
            Fault::check(answer).map(drop)
        }
    }

    /// Ends it, and answers how many bytes it has.
    ///
    /// # Errors
    /// If there is no room.
    pub(crate) fn finish(self) -> Result<u64, Refusal> {
        let Self { mut output, file, container, header, .. } = self;
        // SAFETY: ours and begun; it is ended once. What is behind it is flushed when it goes.
        let ended = Fault::check(unsafe { ffi::av_write_trailer(output.as_mut_ptr()) });
        // SAFETY: ours and alive, as is the I/O it was given.
        let wrote = Fault::check(unsafe {
            ffi::avio_flush((*output.as_mut_ptr()).pb);
            (*(*output.as_mut_ptr()).pb).error
        });
        drop(output);
        ended?;
        wrote?;
        if container != Container::Ogg && header == Header::Moved {
            front::bring(&file).map_err(|_| Reason::StoreUnavailable)?;
        }
        Ok(file.metadata().map_err(|_| Reason::StoreUnavailable)?.len())
    }
}
