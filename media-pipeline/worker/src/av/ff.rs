//! The few types of FFmpeg that everything in `av` speaks: faults, packets, frames, codec parameters.
//!
//! Each owns what it points at and is never null; a number that came from a file is read as a number, never as an enum.
#![expect(unsafe_code, reason = "FFmpeg is C: its structures are made, read and freed by pointer")]

use super::compat;
use super::mux::Times;
use ffmpeg_next::ffi;
use std::ptr::NonNull;
use tertulia_media_core::{Reason, Refusal};

pub(crate) use ffi::AVRational as Rational;

/// What a call of FFmpeg has answered instead of a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) i32);

impl Fault {
    /// There is not more.
    pub(crate) const END: Self = Self(ffi::AVERROR_EOF);
    /// Not now: give, or take, something first.
    pub(crate) const AGAIN: Self = Self(-ffi::EAGAIN);
    /// The bytes make no sense.
    pub(crate) const INVALID: Self = Self(ffi::AVERROR_INVALIDDATA);
    /// An allocation was refused, by the system or by our own bound.
    pub(crate) const MEMORY: Self = Self(-ffi::ENOMEM);

    /// The answer itself, unless it tells of a fault.
    pub(crate) fn check(answer: i32) -> Result<i32, Self> {
        if answer < 0 { Err(Self(answer)) } else { Ok(answer) }
    }
}

impl From<Fault> for Refusal {
    /// What reading answers: the input is to blame.
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::MEMORY => Reason::TooComplex.into(),
            Fault(code) if code == -ffi::ENOSPC || code == -ffi::EFBIG || code == -ffi::EIO => {
                Reason::StoreUnavailable.into()
            }
            _ => Reason::Damaged.into(),
        }
    }
}

/// `value` counted in `from`, counted in `to`, to the nearest.
pub(crate) fn rescale(value: i64, from: Rational, to: Rational) -> i64 {
    // SAFETY: plain arithmetic; it answers i64::MIN where the result has no room.
    unsafe { ffi::av_rescale_q(value, from, to) }
}

/// Milliseconds.
pub(crate) const MILLIS: Rational = Rational { num: 1, den: 1_000 };
/// Microseconds: what FFmpeg counts a whole file in.
pub(crate) const MICROS: Rational = Rational { num: 1, den: 1_000_000 };

fn known(value: i64) -> Option<i64> {
    (value != ffi::AV_NOPTS_VALUE).then_some(value)
}

/// A piece of a stream as it is in a file.
pub(crate) struct Packet(NonNull<ffi::AVPacket>);

// SAFETY: a packet and the reference-counted buffer it holds belong to no thread; the count is atomic.
unsafe impl Send for Packet {}
// SAFETY: what is done through `&Packet` only reads.
unsafe impl Sync for Packet {}

impl Packet {
    /// One without data.
    pub(crate) fn new() -> Result<Self, Fault> {
        // SAFETY: answers a fresh packet or null.
        NonNull::new(unsafe { ffi::av_packet_alloc() }).map(Self).ok_or(Fault::MEMORY)
    }

    /// Another one of the same data.
    pub(crate) fn duplicate(&self) -> Result<Self, Fault> {
        // SAFETY: ours and alive; answers a fresh packet or null.
        NonNull::new(unsafe { ffi::av_packet_clone(self.0.as_ptr()) }).map(Self).ok_or(Fault::MEMORY)
    }

    fn get(&self) -> &ffi::AVPacket {
        // SAFETY: ours, alive, and only read while `self` is borrowed.
        unsafe { self.0.as_ref() }
    }

    fn get_mut(&mut self) -> &mut ffi::AVPacket {
        // SAFETY: ours, alive, and borrowed exclusively.
        unsafe { self.0.as_mut() }
    }

    pub(super) fn as_ptr(&self) -> *mut ffi::AVPacket {
        self.0.as_ptr()
    }

    /// Where in the file it begins.
    pub(crate) fn place(&self) -> i64 {
        self.get().pos
    }

    /// Readies it to tell of its place, when it has become a frame.
    pub(crate) fn mark_place(&mut self) {
        compat::mark_place(self.get_mut());
    }

    /// When it is shown.
    pub(crate) fn pts(&self) -> Option<i64> {
        known(self.get().pts)
    }

    /// When it is decoded.
    pub(crate) fn dts(&self) -> Option<i64> {
        known(self.get().dts)
    }

    /// Says when it is shown and decoded.
    pub(crate) fn set_times(&mut self, pts: Option<i64>, dts: Option<i64>) {
        let packet = self.get_mut();
        packet.pts = pts.unwrap_or(ffi::AV_NOPTS_VALUE);
        packet.dts = dts.unwrap_or(ffi::AV_NOPTS_VALUE);
    }

    /// How long it is shown. Zero: not known.
    pub(crate) fn duration(&self) -> i64 {
        self.get().duration.max(0)
    }

    /// Says how long it is shown.
    pub(crate) fn set_duration(&mut self, duration: i64) {
        self.get_mut().duration = duration;
    }

    /// Bytes.
    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.get().size).unwrap_or(0)
    }

    /// The stream it belongs to.
    pub(crate) fn stream(&self) -> usize {
        usize::try_from(self.get().stream_index).unwrap_or(usize::MAX)
    }

    /// Whether decoding can begin here.
    pub(crate) fn is_key(&self) -> bool {
        self.get().flags & ffi::AV_PKT_FLAG_KEY != 0
    }

    /// Whether it is decoded, and not shown: it lies outside of what an edit list shows.
    pub(crate) fn is_hidden(&self) -> bool {
        self.get().flags & ffi::AV_PKT_FLAG_DISCARD != 0
    }

    /// Whether the file ended in the midst of it.
    pub(crate) fn is_cut(&self) -> bool {
        self.get().flags & ffi::AV_PKT_FLAG_CORRUPT != 0
    }

    /// Whether from here on the stream is coded in another way.
    pub(crate) fn changes_codec(&self) -> bool {
        let mut size = 0_usize;
        let [extra, parameters] =
            [ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA, ffi::AVPacketSideDataType::AV_PKT_DATA_PARAM_CHANGE]
                // SAFETY: our packet is alive; the answer is only compared with null.
                .map(|kind| unsafe { !ffi::av_packet_get_side_data(self.0.as_ptr(), kind, &raw mut size).is_null() });
        extra || parameters
    }

    /// Becomes a view of another's data, with times of its own, in a stream: nothing else of it is seen. It holds nothing before.
    ///
    /// # Safety
    /// The other one must live until [`Self::show_nothing`].
    pub(super) unsafe fn show(&mut self, other: &Self, stream: usize, times: Times) {
        let (data, size, flags) = (other.get().data, other.get().size, other.get().flags);
        let packet = self.get_mut();
        (packet.data, packet.size, packet.flags) = (data, size, flags);
        packet.stream_index = i32::try_from(stream).unwrap_or(i32::MAX);
        packet.pos = -1;
        packet.duration = times.duration;
        self.set_times(times.pts, times.dts);
    }

    /// Ends that.
    pub(super) fn show_nothing(&mut self) {
        let packet = self.get_mut();
        (packet.data, packet.size) = (std::ptr::null_mut(), 0);
    }

    /// Changes the clock of its times.
    pub(crate) fn rescale(&mut self, from: Rational, to: Rational) {
        // SAFETY: ours and borrowed exclusively.
        unsafe { ffi::av_packet_rescale_ts(self.0.as_ptr(), from, to) };
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        let mut packet = self.0.as_ptr();
        // SAFETY: ours, freed once.
        unsafe { ffi::av_packet_free(&raw mut packet) };
    }
}

/// A picture, or some sound, decoded.
pub(crate) struct Frame(NonNull<ffi::AVFrame>);

// SAFETY: as for packets.
unsafe impl Send for Frame {}

impl Frame {
    /// An empty one.
    pub(crate) fn new() -> Result<Self, Fault> {
        // SAFETY: answers a fresh frame or null.
        NonNull::new(unsafe { ffi::av_frame_alloc() }).map(Self).ok_or(Fault::MEMORY)
    }

    fn get(&self) -> &ffi::AVFrame {
        // SAFETY: ours, alive, and only read while `self` is borrowed.
        unsafe { self.0.as_ref() }
    }

    fn get_mut(&mut self) -> &mut ffi::AVFrame {
        // SAFETY: ours, alive, and borrowed exclusively.
        unsafe { self.0.as_mut() }
    }

    pub(super) fn as_ptr(&self) -> *mut ffi::AVFrame {
        self.0.as_ptr()
    }

    /// A picture of 8 bits each of red, green and blue, row by row without gaps.
    ///
    /// # Errors
    /// `INVALID` if there are not as many pixels as that, `MEMORY` if there is no room for them.
    pub(crate) fn rgb(width: u32, height: u32, pixels: &[u8]) -> Result<Self, Fault> {
        let row = width as usize * 3;
        if row == 0 || height == 0 || pixels.len() != row * height as usize {
            return Err(Fault::INVALID);
        }
        let mut fresh = Self::new()?;
        let frame = fresh.get_mut();
        frame.format = ffi::AVPixelFormat::AV_PIX_FMT_RGB24 as i32;
        frame.width = i32::try_from(width).map_err(|_| Fault::INVALID)?;
        frame.height = i32::try_from(height).map_err(|_| Fault::INVALID)?;
        frame.sample_aspect_ratio = Rational { num: 1, den: 1 };
        // SAFETY: ours, with its format and size set, and without memory so far.
        Fault::check(unsafe { ffi::av_frame_get_buffer(fresh.0.as_ptr(), 0) })?;
        let (data, stride) =
            (fresh.get().data[0], usize::try_from(fresh.get().linesize[0]).map_err(|_| Fault::INVALID)?);
        if data.is_null() || stride < row {
            return Err(Fault::INVALID);
        }
        for (at, pixels) in pixels.chunks_exact(row).enumerate() {
            // SAFETY: the buffer is nobody else's and has `stride` bytes for each of `height` lines; a row is no longer than that.
            unsafe { std::ptr::copy_nonoverlapping(pixels.as_ptr(), data.add(at * stride), row) };
        }
        Ok(fresh)
    }

    /// Empties it.
    pub(crate) fn clear(&mut self) {
        // SAFETY: ours and borrowed exclusively.
        unsafe { ffi::av_frame_unref(self.0.as_ptr()) };
    }

    /// When it is shown, as well as the decoder can tell.
    pub(crate) fn time(&self) -> Option<i64> {
        known(self.get().best_effort_timestamp).or(known(self.get().pts))
    }

    /// Where in the file the packet begins that it was made of.
    pub(crate) fn place(&self) -> i64 {
        compat::place(self.get())
    }

    /// Its time as filters and encoders read it.
    pub(crate) fn pts(&self) -> Option<i64> {
        known(self.get().pts)
    }

    /// Says when it is shown.
    pub(crate) fn set_pts(&mut self, pts: Option<i64>) {
        self.get_mut().pts = pts.unwrap_or(ffi::AV_NOPTS_VALUE);
    }

    /// How long it is shown, by its packet. Zero: not known.
    pub(crate) fn duration(&self) -> i64 {
        compat::duration(self.get()).max(0)
    }

    /// Lets the encoder choose what kind of picture it makes of it.
    pub(crate) fn forget_kind(&mut self) {
        self.get_mut().pict_type = ffi::AVPictureType::AV_PICTURE_TYPE_NONE;
    }

    /// Forgets its own display matrix, closed captions and the like.
    pub(crate) fn strip(&mut self) {
        let frame = self.get_mut();
        // SAFETY: ours and borrowed exclusively; each entry that is there is freed.
        unsafe {
            while frame.nb_side_data > 0 {
                let kind = (**frame.side_data).type_;
                ffi::av_frame_remove_side_data(frame, kind);
            }
            ffi::av_dict_free(&raw mut frame.metadata);
        }
    }

    /// Pixels across.
    pub(crate) fn width(&self) -> u32 {
        u32::try_from(self.get().width).unwrap_or(0)
    }

    /// Pixels down.
    pub(crate) fn height(&self) -> u32 {
        u32::try_from(self.get().height).unwrap_or(0)
    }

    /// Number of its pixel or sample format.
    pub(crate) fn format(&self) -> i32 {
        self.get().format
    }

    /// How much wider than high its pixels are.
    pub(crate) fn sample_aspect(&self) -> Rational {
        self.get().sample_aspect_ratio
    }

    /// Whether it is two fields in one.
    pub(crate) fn is_interlaced(&self) -> bool {
        compat::is_interlaced(self.get())
    }

    /// Whether the decoder had to make parts of it up.
    pub(crate) fn is_broken(&self) -> bool {
        self.get().decode_error_flags != 0 || self.get().flags & ffi::AV_FRAME_FLAG_CORRUPT != 0
    }

    /// Colours: primaries, transfer, matrix, range, by their numbers in ITU-T H.273 (range: 1 limited, 2 full).
    pub(crate) fn colours(&self) -> [i32; 4] {
        let frame = self.get();
        // SAFETY: four fields of the size of an int each, read as ints: a file may have put any number into them.
        unsafe {
            [
                (&raw const frame.color_primaries).cast::<i32>().read(),
                (&raw const frame.color_trc).cast::<i32>().read(),
                (&raw const frame.colorspace).cast::<i32>().read(),
                (&raw const frame.color_range).cast::<i32>().read(),
            ]
        }
    }

    /// Samples per channel.
    pub(crate) fn samples(&self) -> usize {
        usize::try_from(self.get().nb_samples).unwrap_or(0)
    }

    /// Samples a second.
    pub(crate) fn rate(&self) -> u32 {
        u32::try_from(self.get().sample_rate).unwrap_or(0)
    }

    /// Channels.
    pub(crate) fn channels(&self) -> u32 {
        u32::try_from(self.get().ch_layout.nb_channels).unwrap_or(0)
    }

    /// The arrangement of its channels, in words that filters understand.
    pub(crate) fn layout(&self) -> String {
        layout_name(&self.get().ch_layout)
    }

    /// The samples of a channel, if they are floats of which each channel has its own.
    pub(crate) fn floats(&self, channel: u32) -> &[f32] {
        let frame = self.get();
        let planar = frame.format == ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP as i32;
        let mono = frame.format == ffi::AVSampleFormat::AV_SAMPLE_FMT_FLT as i32 && self.channels() == 1;
        if !(planar || mono) || channel >= self.channels() || frame.extended_data.is_null() {
            return &[];
        }
        // SAFETY: such a frame has a plane for each channel, of as many aligned floats as it has samples, while it lives.
        unsafe {
            let plane = *frame.extended_data.add(channel as usize);
            if plane.is_null() { &[] } else { std::slice::from_raw_parts(plane.cast::<f32>(), self.samples()) }
        }
    }

    /// The first plane, `rows` lines of `row_bytes` of it, line after line.
    ///
    /// Packed formats alone: the caller knows how many bytes a pixel or sample has.
    pub(crate) fn packed(&self, row_bytes: usize, rows: usize) -> Option<Vec<u8>> {
        let frame = self.get();
        let stride = usize::try_from(frame.linesize[0]).ok()?;
        if frame.data[0].is_null() || stride < row_bytes || rows > self.height().max(1) as usize {
            return None;
        }
        let mut all = Vec::with_capacity(row_bytes * rows);
        for row in 0..rows {
            // SAFETY: plane 0 has `stride` bytes for each of the frame's lines (one, for packed sound), and no more are read.
            all.extend_from_slice(unsafe { std::slice::from_raw_parts(frame.data[0].add(row * stride), row_bytes) });
        }
        Some(all)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut frame = self.0.as_ptr();
        // SAFETY: ours, freed once.
        unsafe { ffi::av_frame_free(&raw mut frame) };
    }
}

/// What a layout is called, for filters. One without a name is given as so many channels in their usual arrangement.
pub(super) fn layout_name(layout: &ffi::AVChannelLayout) -> String {
    let mut text = [0_u8; 128];
    // SAFETY: writes at most `len` bytes, with a zero at the end.
    let length = unsafe { ffi::av_channel_layout_describe(layout, text.as_mut_ptr().cast(), text.len()) };
    let is_native = layout.order == ffi::AVChannelOrder::AV_CHANNEL_ORDER_NATIVE;
    // Whether the zero is counted differs between FFmpeg's versions.
    let name = std::ffi::CStr::from_bytes_until_nul(&text).ok().and_then(|name| name.to_str().ok());
    match name.filter(|name| is_native && length > 0 && !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => default_layout(layout.nb_channels),
    }
}

fn default_layout(channels: i32) -> String {
    match channels {
        1 => "mono".into(),
        2 => "stereo".into(),
        3 => "2.1".into(),
        4 => "4.0".into(),
        5 => "5.0".into(),
        6 => "5.1".into(),
        7 => "6.1".into(),
        8 => "7.1".into(),
        other => format!("{other}C"),
    }
}

/// What a stream is coded in, apart from the stream it was read from.
pub(crate) struct Parameters(NonNull<ffi::AVCodecParameters>);

// SAFETY: plain data and a buffer of our own.
unsafe impl Send for Parameters {}
// SAFETY: what is done through `&Parameters` only reads.
unsafe impl Sync for Parameters {}

impl Parameters {
    /// Empty ones.
    pub(crate) fn new() -> Result<Self, Fault> {
        // SAFETY: answers fresh parameters or null.
        NonNull::new(unsafe { ffi::avcodec_parameters_alloc() }).map(Self).ok_or(Fault::MEMORY)
    }

    /// A copy of those at `from`, but for what the container says beside the codec's own.
    ///
    /// # Safety
    /// `from` must point at parameters that are alive.
    pub(super) unsafe fn copy(from: *const ffi::AVCodecParameters) -> Result<Self, Fault> {
        let mut fresh = Self::new()?;
        // SAFETY: both are alive; by our caller's word and as just made.
        Fault::check(unsafe { ffi::avcodec_parameters_copy(fresh.0.as_ptr(), from) })?;
        fresh.forget_side_data();
        Ok(fresh)
    }

    /// Another one like it.
    pub(crate) fn duplicate(&self) -> Result<Self, Fault> {
        // SAFETY: ours and alive.
        unsafe { Self::copy(self.0.as_ptr()) }
    }

    /// Forgets what they carry beside the codec's own: nothing of it gets into an output.
    pub(super) fn forget_side_data(&mut self) {
        // SAFETY: ours, alive, and borrowed exclusively.
        compat::forget_side_data(unsafe { self.0.as_mut() });
    }

    pub(super) fn get(&self) -> &ffi::AVCodecParameters {
        // SAFETY: ours, alive, and only read while `self` is borrowed.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn as_ptr(&self) -> *mut ffi::AVCodecParameters {
        self.0.as_ptr()
    }

    /// Which codec.
    pub(crate) fn codec(&self) -> ffi::AVCodecID {
        self.get().codec_id
    }

    /// Number of its pixel or sample format; -1: not known.
    pub(crate) fn format(&self) -> i32 {
        self.get().format
    }

    /// Pixels across.
    pub(crate) fn width(&self) -> u32 {
        u32::try_from(self.get().width).unwrap_or(0)
    }

    /// Pixels down.
    pub(crate) fn height(&self) -> u32 {
        u32::try_from(self.get().height).unwrap_or(0)
    }

    /// The codec's own numbers for profile and level.
    pub(crate) fn profile(&self) -> (i32, i32) {
        (self.get().profile, self.get().level)
    }

    /// Samples a second.
    pub(crate) fn rate(&self) -> u32 {
        u32::try_from(self.get().sample_rate).unwrap_or(0)
    }

    /// Channels.
    pub(crate) fn channels(&self) -> u32 {
        u32::try_from(self.get().ch_layout.nb_channels).unwrap_or(0)
    }

    /// Whether its pictures are whole, by what the file says: neither fields nor unknown.
    pub(crate) fn is_interlaced(&self) -> bool {
        // SAFETY: a field of the size of an int, read as one.
        let order = unsafe { (&raw const self.get().field_order).cast::<i32>().read() };
        order > ffi::AVFieldOrder::AV_FIELD_PROGRESSIVE as i32
    }

    /// How much wider than high its pixels are, by the codec.
    pub(crate) fn sample_aspect(&self) -> Rational {
        self.get().sample_aspect_ratio
    }

    /// Colours: primaries, transfer, matrix, range, as in [`Frame::colours`].
    pub(crate) fn colours(&self) -> [i32; 4] {
        let all = self.get();
        // SAFETY: as in `Frame::colours`.
        unsafe {
            [
                (&raw const all.color_primaries).cast::<i32>().read(),
                (&raw const all.color_trc).cast::<i32>().read(),
                (&raw const all.color_space).cast::<i32>().read(),
                (&raw const all.color_range).cast::<i32>().read(),
            ]
        }
    }

    /// The codec's configuration: parameter sets and the like.
    pub(crate) fn extra(&self) -> &[u8] {
        let all = self.get();
        let size = usize::try_from(all.extradata_size).unwrap_or(0);
        if all.extradata.is_null() || size == 0 {
            return &[];
        }
        // SAFETY: so many bytes are there, and live as long as the parameters do.
        unsafe { std::slice::from_raw_parts(all.extradata, size) }
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        let mut all = self.0.as_ptr();
        // SAFETY: ours, freed once.
        unsafe { ffi::avcodec_parameters_free(&raw mut all) };
    }
}
