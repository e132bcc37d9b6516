//! Opens an input: by its first bytes, with a demuxer of our choice, and with nothing else allowed.
//!
//! No probing: what the first bytes say is what it is read as, so a file is never two things. No protocol, no other file:
//! both the list of protocols and the function that would open one are ours, and allow none.
#![expect(unsafe_code, reason = "libavformat is C")]

use super::ff::{Fault, MICROS, MILLIS, Packet, Parameters, Rational, rescale};
use super::{boxes, compat, io};
use ffmpeg_next::Dictionary;
use ffmpeg_next::ffi;
use ffmpeg_next::format::context::Input;
use std::ffi::{CString, c_char, c_int};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::ptr;
use tertulia_media_core::{Reason, Refusal};

/// Streams that a file may have. Phones and action cameras make up to eight.
const STREAMS_MAX: usize = 64;
/// Bytes and microseconds that are looked at to learn what the streams are.
const PROBE_BYTES: &str = "8000000";
const PROBE_MICROS: &str = "5000000";
/// Faults in a row after which the rest of a file is given up.
const FAULTS_MAX: u32 = 64;

/// Decoders that may be opened, for pictures and sounds alike: what cameras, phones and their editors have made.
pub(crate) const DECODERS: &str = "h264,hevc,mpeg4,h263,h263p,mjpeg,mjpegb,vp8,vp9,libdav1d,prores,mpeg1video,mpeg2video,\
    msmpeg4v1,msmpeg4v2,msmpeg4,wmv1,wmv2,wmv3,vc1,dvvideo,flv,theora,svq1,svq3,rawvideo,huffyuv,ffvhuff,ffv1,utvideo,cinepak,\
    indeo3,indeo5,qtrle,rpza,dnxhd,png,v210,vp6,vp6f,libopus,opus,vorbis,libvorbis,aac,aac_latm,mp1,mp1float,mp2,mp2float,mp3,\
    mp3float,ac3,ac3_fixed,eac3,dca,truehd,alac,flac,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,wmav1,wmav2,qcelp,gsm,gsm_ms,\
    qdm2,qdmc,mace3,mace6,wavpack,speex,libspeex,pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,\
    pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_alaw,pcm_mulaw,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_yamaha,adpcm_swf,\
    adpcm_g722,adpcm_g726,adpcm_g726le";

/// Which containers are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// MP4, MOV, 3GP; Matroska, WebM; AVI.
    Video,
    /// Those, and what holds sound alone.
    Sound,
}

/// The demuxer for what begins so, and the pattern its name is allowed by.
fn demuxer(head: &[u8], family: Family) -> Option<&'static str> {
    let at = |from: usize, what: &[u8]| head.get(from..from + what.len()) == Some(what);
    let mov = [&b"ftyp"[..], b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"];
    if mov.iter().any(|kind| at(4, kind)) {
        return Some("mov");
    }
    if at(0, &boxes::EBML) {
        return Some("matroska");
    }
    if at(0, b"RIFF") && (at(8, b"AVI ") || at(8, b"AVIX")) {
        return Some("avi");
    }
    if family == Family::Video {
        return None;
    }
    let sounds: [(usize, &[u8], &str); 10] = [
        (0, b"OggS", "ogg"),
        (0, b"fLaC", "flac"),
        (0, b"#!AMR", "amr"),
        (0, b"caff", "caf"),
        (0, b"RIFF", "wav"),
        (0, b"RF64", "wav"),
        (0, b"FORM", "aiff"),
        (0, b"ID3", "mp3"),
        (0, b"ADIF", "aac"),
        (0, b"wvpk", "wv"),
    ];
    if let Some((_, _, name)) = sounds.iter().find(|(from, what, _)| at(*from, what)) {
        let is_other = (*name == "wav" && !at(8, b"WAVE")) || (*name == "aiff" && !at(8, b"AIF"));
        return (!is_other).then_some(name);
    }
    match head {
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Some("aac"),
        [0xff, second, ..] if second & 0xe0 == 0xe0 && second & 0x06 != 0 => Some("mp3"),
        _ => None,
    }
}

/// What a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Pictures that move.
    Video,
    /// Sound.
    Sound,
    /// Anything else: covers, subtitles, positions, time codes.
    Other,
}

/// A stream of an input.
pub(crate) struct Track {
    /// Its number in packets.
    pub(crate) index: usize,
    /// What it is.
    pub(crate) kind: Kind,
    /// What it is coded in.
    pub(crate) parameters: Parameters,
    /// The clock of its packets.
    pub(crate) time_base: Rational,
    /// How its pictures are to be turned, as a display matrix.
    pub(crate) matrix: Option<[i32; 9]>,
    /// How much wider than high its pixels are: the container's word, else the codec's.
    pub(crate) sample_aspect: Rational,
    /// Whether its maker wants it chosen.
    pub(crate) is_default: bool,
}

impl Track {
    /// Another one like it.
    pub(crate) fn duplicate(&self) -> Result<Self, Fault> {
        Ok(Self { parameters: self.parameters.duplicate()?, ..*self })
    }
}

/// An open input.
pub(crate) struct Source {
    input: Input,
    tracks: Vec<Track>,
    faults: u32,
    is_faulty: bool,
    end: Option<u64>,
}

/// What the input's function for opening other files answers: no.
///
/// # Safety
/// Called by FFmpeg only; looks at none of its arguments.
unsafe extern "C" fn refuse_open(
    _format: *mut ffi::AVFormatContext,
    _io: *mut *mut ffi::AVIOContext,
    _url: *const c_char,
    _flags: c_int,
    _options: *mut *mut ffi::AVDictionary,
) -> c_int {
    -ffi::EACCES
}

impl Source {
    /// Opens it and learns what its streams are.
    ///
    /// # Errors
    /// `Unsupported` for what no demuxer of ours reads, `Encrypted` and `External` for what a header says so of,
    /// `TooComplex` for too much of anything, `Damaged` for the rest.
    pub(crate) fn open(file: File, family: Family) -> Result<Self, Refusal> {
        let mut head = [0_u8; 16];
        let count = file.read_at(&mut head, 0).map_err(|_| Reason::Damaged)?;
        if count == 0 {
            return Err(Reason::Empty.into());
        }
        let name = demuxer(&head[..count], family).ok_or(Reason::Unsupported)?;
        if name == "mov" {
            boxes::check(&file)?;
        }
        let is_sized = matches!(name, "mov" | "matroska" | "avi");
        let end = if is_sized { boxes::end_beyond(&file).unwrap_or(None) } else { None };
        let source = Self { input: open(file, name)?, tracks: Vec::new(), faults: 0, is_faulty: end.is_some(), end };
        source.with_tracks()
    }

    fn with_tracks(mut self) -> Result<Self, Refusal> {
        // SAFETY: the context is open and ours.
        let count = unsafe { (*self.input.as_ptr()).nb_streams as usize };
        if count > STREAMS_MAX {
            return Err(Reason::TooComplex.into());
        }
        for index in 0..count {
            // SAFETY: so many entries are there, and each points at a stream that lives as long as the context.
            let (track, is_encrypted) = unsafe {
                let stream = *(*self.input.as_ptr()).streams.add(index);
                (track(index, stream)?, is_encrypted(stream))
            };
            if is_encrypted && track.kind != Kind::Other {
                return Err(Reason::Encrypted.into());
            }
            self.tracks.push(track);
        }
        Ok(self)
    }

    /// Its streams.
    pub(crate) fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Its streams alone: the input is closed.
    pub(crate) fn into_tracks(self) -> Vec<Track> {
        self.tracks
    }

    /// The stream of a kind that is worth most: the default one, the larger picture, the first.
    pub(crate) fn best(&self, kind: Kind) -> Option<&Track> {
        let worth = |track: &&Track| {
            let area = u64::from(track.parameters.width()) * u64::from(track.parameters.height());
            (track.is_default, area, std::cmp::Reverse(track.index))
        };
        self.tracks.iter().filter(|track| track.kind == kind).max_by_key(worth)
    }

    /// Reads only the streams of these numbers from now on.
    pub(crate) fn select(&mut self, wanted: &[usize]) {
        for track in &self.tracks {
            let discard = if wanted.contains(&track.index) {
                ffi::AVDiscard::AVDISCARD_DEFAULT
            } else {
                ffi::AVDiscard::AVDISCARD_ALL
            };
            // SAFETY: the context is ours and borrowed exclusively, and has as many streams as there are tracks or more.
            unsafe { (**(*self.input.as_mut_ptr()).streams.add(track.index)).discard = discard };
        }
    }

    /// The next packet of the selected streams; nothing at the end, however that comes.
    pub(crate) fn next(&mut self) -> Result<Option<Packet>, Fault> {
        let mut packet = Packet::new()?;
        loop {
            // SAFETY: the context and the packet are ours and alive.
            match Fault(unsafe { ffi::av_read_frame(self.input.as_mut_ptr(), packet.as_ptr()) }) {
                Fault(0..) => {
                    self.faults = 0;
                    self.is_faulty |= packet.is_cut();
                    packet.mark_place();
                    return Ok(Some(packet));
                }
                Fault::END => return Ok(None),
                Fault::MEMORY => return Err(Fault::MEMORY),
                fault => {
                    self.is_faulty = true;
                    self.faults += 1;
                    if (fault != Fault::INVALID && fault != Fault::AGAIN) || self.faults > FAULTS_MAX {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Whether something was missing or broken in what was read so far.
    pub(crate) fn is_faulty(&self) -> bool {
        self.is_faulty
    }

    /// Where it says that it ends, where that is beyond the end of the file.
    pub(crate) fn end(&self) -> Option<u64> {
        self.end
    }

    /// How long it is, by its header, in milliseconds: an opinion.
    pub(crate) fn said_ms(&self) -> u64 {
        // SAFETY: the context is open and ours.
        let duration = unsafe { (*self.input.as_ptr()).duration };
        if duration <= 0 { 0 } else { u64::try_from(rescale(duration, MICROS, MILLIS)).unwrap_or(0) }
    }
}

fn open(file: File, name: &'static str) -> Result<Input, Refusal> {
    let mut io = io::reader(file)?;
    let mut options = Dictionary::new();
    for (key, value) in [
        ("format_whitelist", name),
        ("codec_whitelist", DECODERS),
        ("protocol_whitelist", "none"),
        ("probesize", PROBE_BYTES),
        ("analyzeduration", PROBE_MICROS),
        ("ignore_chapters", "1"),
    ] {
        options.set(key, value);
    }
    // One more: where some demuxers of newer versions find more than this, they are content with a part of the file.
    options.set("max_streams", &(STREAMS_MAX + 1).to_string());
    let name = CString::new(name).map_err(|_| Reason::Unsupported)?;
    // SAFETY: a fresh context is given our I/O, our demuxer and our function for opening others before it is opened;
    // opening frees it where it fails, and else it goes to the wrapper, which closes it before the I/O goes.
    unsafe {
        let demuxer = ffi::av_find_input_format(name.as_ptr());
        let mut format = ffi::avformat_alloc_context();
        if format.is_null() || demuxer.is_null() {
            ffi::avformat_free_context(format);
            return Err(Reason::Unsupported.into());
        }
        (*format).pb = io.as_mut_ptr();
        (*format).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
        (*format).io_open = Some(refuse_open);
        let mut options = options.disown();
        let opened =
            Fault::check(ffi::avformat_open_input(&raw mut format, ptr::null(), demuxer.cast(), &raw mut options));
        drop(Dictionary::own(options));
        opened.map_err(blamed)?;
        let mut input = Input::wrap_with_custom_io(format, io);
        Fault::check(ffi::avformat_find_stream_info(input.as_mut_ptr(), ptr::null_mut())).map_err(blamed)?;
        Ok(input)
    }
}

/// Why an input can't be opened: demuxers call a header that breaks off a fault of input or output.
fn blamed(fault: Fault) -> Refusal {
    if fault == Fault::MEMORY { fault.into() } else { Reason::Damaged.into() }
}

/// # Safety
/// `stream` must point at a stream that is alive.
unsafe fn track(index: usize, stream: *mut ffi::AVStream) -> Result<Track, Fault> {
    // SAFETY: alive by our caller's word, as are the parameters it owns.
    let (stream, parameters) = unsafe { (&*stream, Parameters::copy((*stream).codecpar)?) };
    let is_cover = stream.disposition & (ffi::AV_DISPOSITION_ATTACHED_PIC | ffi::AV_DISPOSITION_TIMED_THUMBNAILS) != 0;
    let kind = match parameters.get().codec_type {
        ffi::AVMediaType::AVMEDIA_TYPE_VIDEO if !is_cover => Kind::Video,
        ffi::AVMediaType::AVMEDIA_TYPE_AUDIO => Kind::Sound,
        _ => Kind::Other,
    };
    let sample_aspect =
        if stream.sample_aspect_ratio.num > 0 { stream.sample_aspect_ratio } else { parameters.sample_aspect() };
    Ok(Track {
        index,
        kind,
        time_base: stream.time_base,
        // SAFETY: the stream is alive.
        matrix: unsafe { matrix(stream) },
        sample_aspect,
        is_default: stream.disposition & ffi::AV_DISPOSITION_DEFAULT != 0,
        parameters,
    })
}

/// # Safety
/// `stream` must be alive.
unsafe fn matrix(stream: *const ffi::AVStream) -> Option<[i32; 9]> {
    // SAFETY: alive by our caller's word.
    let (data, size) = unsafe { compat::side_data(stream, ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX)? };
    if size < 36 {
        return None;
    }
    // SAFETY: at least nine numbers of four bytes, as just asked; wherever they begin.
    Some(std::array::from_fn(|at| unsafe { data.cast::<i32>().add(at).read_unaligned() }))
}

/// Whether a stream says that it is encrypted: MP4 by its encryption boxes, WebM by its key's name.
///
/// # Safety
/// `stream` must point at a stream that is alive.
unsafe fn is_encrypted(stream: *mut ffi::AVStream) -> bool {
    // SAFETY: alive by our caller's word; both calls only look.
    unsafe {
        let init = ffi::AVPacketSideDataType::AV_PKT_DATA_ENCRYPTION_INIT_INFO;
        compat::side_data(stream, init).is_some()
            || !ffi::av_dict_get((*stream).metadata, c"enc_key_id".as_ptr(), ptr::null(), 0).is_null()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_what_begins_like_a_list_of_other_files_has_no_demuxer() {
        for head in
            ["#EXTM3U\n#EXT-X-ENDLIST", "ffconcat version 1.0\n", "v=0\r\no=- 0 0 IN IP4 ", "<?xml version=\"1.0\"?>"]
        {
            assert_eq!(demuxer(head.as_bytes(), Family::Sound), None, "{head}");
        }
    }

    #[test]
    fn d3_each_container_has_its_own_demuxer() {
        assert_eq!(demuxer(b"\0\0\0\x20ftypisom", Family::Video), Some("mov"));
        assert_eq!(demuxer(b"\x1a\x45\xdf\xa3\x01", Family::Video), Some("matroska"));
        assert_eq!(demuxer(b"RIFF\0\0\0\0AVI LIST", Family::Video), Some("avi"));
        assert_eq!(demuxer(b"RIFF\0\0\0\0WAVEfmt ", Family::Sound), Some("wav"));
        assert_eq!(demuxer(b"RIFF\0\0\0\0WEBPVP8 ", Family::Sound), None);
        assert_eq!(demuxer(b"OggS\0", Family::Video), None);
    }
}
