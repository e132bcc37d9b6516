//! Filters: a chain of them between a decoder and an encoder, in FFmpeg's own words.
#![expect(unsafe_code, reason = "libavfilter is C")]

use super::compat;
use super::ff::{Fault, Frame, Rational};
use ffmpeg_next::ffi;
use std::ffi::CString;
use std::ptr::{self, NonNull};

/// A chain of filters. What goes in must stay as it began: for other sizes or formats make another one.
pub(crate) struct Graph {
    graph: NonNull<ffi::AVFilterGraph>,
    source: NonNull<ffi::AVFilterContext>,
    sink: NonNull<ffi::AVFilterContext>,
}

// SAFETY: a graph belongs to no thread; its own threads are its own matter.
unsafe impl Send for Graph {}

impl Graph {
    /// For pictures like `like`, whose times are counted in `time_base`.
    ///
    /// # Errors
    /// If FFmpeg does not like the chain.
    pub(crate) fn pictures(like: &Frame, time_base: Rational, chain: &str, threads: u32) -> Result<Self, Fault> {
        let aspect = like.sample_aspect();
        let source = format!(
            "buffer@in=video_size={}x{}:pix_fmt={}:time_base={}/{}:pixel_aspect={}/{}{}",
            like.width(),
            like.height(),
            like.format(),
            time_base.num,
            time_base.den,
            aspect.num.max(0),
            aspect.den.max(1),
            compat::source_colours(like.colours()),
        );
        Self::new(&format!("{source},{chain},buffersink@out"), threads)
    }

    /// For sound like `like`, whose times are counted in `time_base`.
    ///
    /// # Errors
    /// If FFmpeg does not like the chain.
    pub(crate) fn sounds(like: &Frame, time_base: Rational, chain: &str) -> Result<Self, Fault> {
        // SAFETY: any number of ours is a format of FFmpeg's or answers null; the name lives for ever.
        let name = unsafe {
            let name = ffi::av_get_sample_fmt_name(std::mem::transmute::<i32, ffi::AVSampleFormat>(
                like.format().clamp(-1, 11),
            ));
            if name.is_null() {
                return Err(Fault::INVALID);
            }
            std::ffi::CStr::from_ptr(name).to_string_lossy()
        };
        let source = format!(
            "abuffer@in=sample_rate={}:sample_fmt={name}:channel_layout={}:time_base={}/{}",
            like.rate(),
            like.layout(),
            time_base.num,
            time_base.den,
        );
        Self::new(&format!("{source},{chain},abuffersink@out"), 1)
    }

    fn new(description: &str, threads: u32) -> Result<Self, Fault> {
        let is_sound = description.starts_with('a');
        let (source, sink) =
            if is_sound { (c"abuffer@in", c"abuffersink@out") } else { (c"buffer@in", c"buffersink@out") };
        let text = CString::new(description).map_err(|_| Fault::INVALID)?;
        // SAFETY: a fresh graph of ours, freed where anything fails; its filters live as long as it does.
        unsafe {
            let mut graph = NonNull::new(ffi::avfilter_graph_alloc()).ok_or(Fault::MEMORY)?;
            graph.as_mut().nb_threads = i32::try_from(threads.max(1)).unwrap_or(1);
            let (mut ins, mut outs) = (ptr::null_mut(), ptr::null_mut());
            let parsed = ffi::avfilter_graph_parse2(graph.as_ptr(), text.as_ptr(), &raw mut ins, &raw mut outs);
            ffi::avfilter_inout_free(&raw mut ins);
            ffi::avfilter_inout_free(&raw mut outs);
            let answer = Fault::check(parsed)
                .and_then(|_| Fault::check(ffi::avfilter_graph_config(graph.as_ptr(), ptr::null_mut())));
            let source = NonNull::new(ffi::avfilter_graph_get_filter(graph.as_ptr(), source.as_ptr()));
            let sink = NonNull::new(ffi::avfilter_graph_get_filter(graph.as_ptr(), sink.as_ptr()));
            match (answer, source, sink) {
                (Ok(_), Some(source), Some(sink)) => Ok(Self { graph, source, sink }),
                (answer, ..) => {
                    let mut graph = graph.as_ptr();
                    ffi::avfilter_graph_free(&raw mut graph);
                    Err(answer.err().unwrap_or(Fault::INVALID))
                }
            }
        }
    }

    /// Gives it a frame, which is empty then; nothing tells it that no more come.
    ///
    /// # Errors
    /// What it says.
    pub(crate) fn push(&mut self, frame: Option<&mut Frame>) -> Result<(), Fault> {
        let frame = frame.map_or(ptr::null_mut(), |frame| frame.as_ptr());
        // SAFETY: the source is alive; the frame is null or ours, and what it holds is taken.
        Fault::check(unsafe { ffi::av_buffersrc_add_frame_flags(self.source.as_ptr(), frame, 0) }).map(drop)
    }

    /// Whether a frame was ready, which then is in `frame`.
    ///
    /// # Errors
    /// What it says.
    pub(crate) fn pull(&mut self, frame: &mut Frame) -> Result<bool, Fault> {
        frame.clear();
        // SAFETY: the sink is alive; the frame is ours and empty.
        match Fault(unsafe { ffi::av_buffersink_get_frame(self.sink.as_ptr(), frame.as_ptr()) }) {
            Fault(0..) => Ok(true),
            Fault::AGAIN | Fault::END => Ok(false),
            fault => Err(fault),
        }
    }

    /// The clock of what comes out.
    pub(crate) fn time_base(&self) -> Rational {
        // SAFETY: the sink is alive.
        unsafe { ffi::av_buffersink_get_time_base(self.sink.as_ptr()) }
    }

    /// Makes it give so many samples at a time.
    pub(crate) fn set_frame_size(&mut self, samples: u32) {
        // SAFETY: the sink is alive.
        unsafe { ffi::av_buffersink_set_frame_size(self.sink.as_ptr(), samples) };
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let mut graph = self.graph.as_ptr();
        // SAFETY: ours, freed once; that ends its threads.
        unsafe { ffi::avfilter_graph_free(&raw mut graph) };
    }
}

/// Whether a pixel format, by its number, is red, green and blue, or an index into such.
pub(crate) fn is_rgb(format: i32) -> bool {
    if !(0..ffi::AVPixelFormat::AV_PIX_FMT_NB as i32).contains(&format) {
        return false;
    }
    // SAFETY: between the first and the last of them every number is one; the answer is null or lives for ever.
    unsafe {
        let about = ffi::av_pix_fmt_desc_get(std::mem::transmute::<i32, ffi::AVPixelFormat>(format));
        !about.is_null() && (*about).flags & (ffi::AV_PIX_FMT_FLAG_RGB | ffi::AV_PIX_FMT_FLAG_PAL) as u64 != 0
    }
}
