//! Decoders and encoders: opened with what is allowed, fed, and drained.
//!
//! Either takes until it says `AGAIN` and gives until it says the same: whoever feeds one empties it first.
#![expect(unsafe_code, reason = "libavcodec is C")]

use super::compat;
use super::ff::{Fault, Frame, Packet, Parameters, Rational};
use super::open::{DECODERS, Track};
use ffmpeg_next::Dictionary;
use ffmpeg_next::ffi;
use std::ffi::CString;
use std::ptr::{self, NonNull};
use tertulia_media_core::{Reason, Refusal};

struct Context(NonNull<ffi::AVCodecContext>);

// SAFETY: a codec belongs to no thread; its own threads are its own matter.
unsafe impl Send for Context {}

impl Context {
    /// One for `codec`, closed as yet.
    ///
    /// # Safety
    /// `codec` must be null or one of FFmpeg's.
    unsafe fn new(codec: *const ffi::AVCodec) -> Result<Self, Fault> {
        // SAFETY: by our caller's word; answers a fresh context or null.
        NonNull::new(unsafe { ffi::avcodec_alloc_context3(codec) }).map(Self).ok_or(Fault::MEMORY)
    }

    fn get_mut(&mut self) -> &mut ffi::AVCodecContext {
        // SAFETY: ours, alive, and borrowed exclusively.
        unsafe { self.0.as_mut() }
    }

    fn get(&self) -> &ffi::AVCodecContext {
        // SAFETY: ours, alive, and only read while `self` is borrowed.
        unsafe { self.0.as_ref() }
    }

    fn open(&mut self, codec: *const ffi::AVCodec, options: Dictionary<'_>) -> Result<(), Fault> {
        // SAFETY: ours and not open yet; the options are given and taken back.
        unsafe {
            let mut options = options.disown();
            let answer = ffi::avcodec_open2(self.0.as_ptr(), codec, &raw mut options);
            drop(Dictionary::own(options));
            Fault::check(answer).map(drop)
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let mut context = self.0.as_ptr();
        // SAFETY: ours, freed once; that ends its threads.
        unsafe { ffi::avcodec_free_context(&raw mut context) };
    }
}

/// Whether there is something, and if not, whether that is for good: both are no fault.
fn gave(answer: i32) -> Result<bool, Fault> {
    match Fault(answer) {
        Fault(0..) => Ok(true),
        Fault::AGAIN | Fault::END => Ok(false),
        fault => Err(fault),
    }
}

/// Makes frames of packets.
pub(crate) struct Decoder(Context);

impl Decoder {
    /// For a stream, with so many threads, for pictures of so many pixels at most.
    ///
    /// # Errors
    /// `Unsupported` where there is no decoder for it, or none that is allowed.
    pub(crate) fn open(track: &Track, threads: u32, pixels_max: u64) -> Result<Self, Refusal> {
        // SAFETY: finds a codec by its number, or answers null.
        let codec = unsafe { ffi::avcodec_find_decoder(track.parameters.codec()) };
        if codec.is_null() {
            return Err(Reason::Unsupported.into());
        }
        // SAFETY: one of FFmpeg's codecs, as just found.
        let mut context = unsafe { Context::new(codec)? };
        // SAFETY: both are alive and ours.
        Fault::check(unsafe { ffi::avcodec_parameters_to_context(context.0.as_ptr(), track.parameters.as_ptr()) })?;
        let all = context.get_mut();
        all.pkt_timebase = track.time_base;
        compat::keep_places(all);
        // Each thread holds frames of its own: with large ones, few threads.
        let pixels = u64::from(track.parameters.width()) * u64::from(track.parameters.height());
        let spared = (pixels_max.saturating_mul(2) / pixels.max(1)).max(1);
        all.thread_count = i32::try_from(spared.min(u64::from(threads.max(1)))).unwrap_or(1);
        all.thread_type = ffi::FF_THREAD_FRAME | ffi::FF_THREAD_SLICE;
        all.max_pixels = i64::try_from(pixels_max).unwrap_or(i64::MAX);
        let mut options = Dictionary::new();
        options.set("codec_whitelist", DECODERS);
        match context.open(codec, options) {
            Ok(()) => Ok(Self(context)),
            Err(Fault::MEMORY) => Err(Reason::TooComplex.into()),
            Err(Fault::INVALID) => Err(Reason::Damaged.into()),
            Err(_) => Err(Reason::Unsupported.into()),
        }
    }

    /// Gives it a packet; nothing tells it that no more come.
    ///
    /// # Errors
    /// What it says. After an error it can be given the next one.
    pub(crate) fn send(&mut self, packet: Option<&Packet>) -> Result<(), Fault> {
        let packet = packet.map_or(ptr::null_mut(), Packet::as_ptr);
        // SAFETY: open and ours; the packet is null or alive.
        Fault::check(unsafe { ffi::avcodec_send_packet(self.0.0.as_ptr(), packet) }).map(drop)
    }

    /// Whether a frame was ready, which then is in `frame`.
    ///
    /// # Errors
    /// What it says. After an error it can be asked and given more.
    pub(crate) fn receive(&mut self, frame: &mut Frame) -> Result<bool, Fault> {
        // SAFETY: open and ours, as is the frame, which is emptied first.
        gave(unsafe { ffi::avcodec_receive_frame(self.0.0.as_ptr(), frame.as_ptr()) })
    }
}

/// Has the decoders of what phones send compute their tables, which they keep for the process.
pub(super) fn warm_up() {
    for codec in [ffi::AVCodecID::AV_CODEC_ID_H264, ffi::AVCodecID::AV_CODEC_ID_AAC] {
        // SAFETY: finds a codec by its number, or answers null.
        let codec = unsafe { ffi::avcodec_find_decoder(codec) };
        // SAFETY: null, or one of FFmpeg's.
        let Ok(mut context) = (unsafe { Context::new(codec) }) else { continue };
        context.get_mut().thread_count = 1;
        // Nothing depends on it.
        let _closed = context.open(codec, Dictionary::new()).is_err();
    }
}

impl Decoder {
    /// How many pictures it holds back to give them in the order in which they are shown.
    pub(crate) fn depth(&self) -> usize {
        usize::try_from(self.0.get().has_b_frames).unwrap_or(0)
    }
}

/// What an encoder of pictures makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pictures {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The clock of its frames.
    pub(crate) time_base: Rational,
    /// About how many a second: what it plans its bits by.
    pub(crate) frame_rate: Rational,
    /// Primaries, transfer, matrix and range, as in [`Frame::colours`].
    pub(crate) colours: [i32; 4],
}

/// What an encoder of sound makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sounds {
    /// Samples a second.
    pub(crate) rate: u32,
    /// Channels, in their usual arrangement.
    pub(crate) channels: u32,
    /// Bits a second.
    pub(crate) bit_rate: u32,
    /// Number of the format of its samples.
    pub(crate) format: ffi::AVSampleFormat,
}

/// Makes packets of frames.
pub(crate) struct Encoder(Context);

impl Encoder {
    fn prepare(name: &str) -> Result<(Context, *const ffi::AVCodec), Refusal> {
        let name = CString::new(name).map_err(|_| Reason::Unsupported)?;
        // SAFETY: finds a codec by its name, or answers null.
        let codec = unsafe { ffi::avcodec_find_encoder_by_name(name.as_ptr()) };
        if codec.is_null() {
            return Err(Reason::Unsupported.into());
        }
        // SAFETY: one of FFmpeg's codecs, as just found.
        let mut context = unsafe { Context::new(codec)? };
        context.get_mut().flags |= ffi::AV_CODEC_FLAG_GLOBAL_HEADER as i32;
        Ok((context, codec))
    }

    fn finish(mut context: Context, codec: *const ffi::AVCodec, options: &[(&str, &str)]) -> Result<Self, Refusal> {
        let mut all = Dictionary::new();
        for (key, value) in options {
            all.set(key, value);
        }
        context.open(codec, all)?;
        Ok(Self(context))
    }

    /// For pictures in 8-bit 4:2:0.
    ///
    /// # Errors
    /// If there is no such encoder, or it does not like what it is to make.
    pub(crate) fn pictures(
        name: &str,
        make: &Pictures,
        threads: u32,
        options: &[(&str, &str)],
    ) -> Result<Self, Refusal> {
        let (mut context, codec) = Self::prepare(name)?;
        let all = context.get_mut();
        all.width = i32::try_from(make.width).map_err(|_| Reason::TooManyPixels)?;
        all.height = i32::try_from(make.height).map_err(|_| Reason::TooManyPixels)?;
        all.pix_fmt = ffi::AVPixelFormat::AV_PIX_FMT_YUV420P;
        all.time_base = make.time_base;
        all.framerate = make.frame_rate;
        all.sample_aspect_ratio = Rational { num: 1, den: 1 };
        all.thread_count = i32::try_from(threads.max(1)).unwrap_or(1);
        // SAFETY: four fields of the size of an int, written as ints; all come from `plan`, which knows what the names mean.
        unsafe {
            (&raw mut all.color_primaries).cast::<i32>().write(make.colours[0]);
            (&raw mut all.color_trc).cast::<i32>().write(make.colours[1]);
            (&raw mut all.colorspace).cast::<i32>().write(make.colours[2]);
            (&raw mut all.color_range).cast::<i32>().write(make.colours[3]);
        }
        Self::finish(context, codec, options)
    }

    /// For sound.
    ///
    /// # Errors
    /// As for pictures.
    pub(crate) fn sounds(name: &str, make: &Sounds, options: &[(&str, &str)]) -> Result<Self, Refusal> {
        let (mut context, codec) = Self::prepare(name)?;
        let all = context.get_mut();
        all.sample_rate = i32::try_from(make.rate).map_err(|_| Reason::Unsupported)?;
        all.sample_fmt = make.format;
        all.bit_rate = i64::from(make.bit_rate);
        all.time_base = Rational { num: 1, den: all.sample_rate };
        all.thread_count = 1;
        // SAFETY: writes a layout that owns nothing into a field that held none.
        unsafe { ffi::av_channel_layout_default(&raw mut all.ch_layout, i32::try_from(make.channels).unwrap_or(2)) };
        Self::finish(context, codec, options)
    }

    /// Gives it a frame; nothing tells it that no more come.
    ///
    /// # Errors
    /// What it says.
    pub(crate) fn send(&mut self, frame: Option<&Frame>) -> Result<(), Fault> {
        let frame = frame.map_or(ptr::null_mut(), Frame::as_ptr);
        // SAFETY: open and ours; the frame is null or alive.
        Fault::check(unsafe { ffi::avcodec_send_frame(self.0.0.as_ptr(), frame) }).map(drop)
    }

    /// The next packet that is ready, if any.
    ///
    /// # Errors
    /// What it says.
    pub(crate) fn receive(&mut self) -> Result<Option<Packet>, Fault> {
        let packet = Packet::new()?;
        // SAFETY: open and ours, as is the packet.
        let is_there = gave(unsafe { ffi::avcodec_receive_packet(self.0.0.as_ptr(), packet.as_ptr()) })?;
        Ok(is_there.then_some(packet))
    }

    /// What it makes, for a container.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(crate) fn parameters(&self) -> Result<Parameters, Fault> {
        let mut fresh = Parameters::new()?;
        // SAFETY: both are ours and alive.
        Fault::check(unsafe { ffi::avcodec_parameters_from_context(fresh.as_ptr(), self.0.0.as_ptr()) })?;
        fresh.forget_side_data();
        Ok(fresh)
    }

    /// The clock of its packets.
    pub(crate) fn time_base(&self) -> Rational {
        self.0.get().time_base
    }

    /// Samples that it wants in a frame. Zero: any number.
    pub(crate) fn frame_size(&self) -> u32 {
        u32::try_from(self.0.get().frame_size).unwrap_or(0)
    }
}
