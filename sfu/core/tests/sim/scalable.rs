//! Cameras that come as one stream of layers, sealed: of their packets nothing can be read but the dependency descriptor.

use crate::describe::{Frame, Mode};
use crate::world::Client;
use std::time::Instant;
use str0m::format::Codec;
use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Input, Rtc};

const URI: &str = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
/// Packets of a frame, and bytes of each, by its size: 120, 240 and 720 kbit/s at thirty pictures a second.
const PARTS: [(u8, usize); 3] = [(1, 500), (1, 1_000), (3, 1_000)];

/// What a client sends.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) mode: Mode,
    /// How many sizes it sends, and whether it says so.
    pub(crate) spatial: u8,
    pub(crate) says: bool,
    said: u8,
    picture: usize,
    frame: u16,
}

impl Stream {
    /// One whose frames are numbered from `frame` on.
    pub(crate) fn new(mode: Mode, frame: u16) -> Self {
        Self { mode, spatial: mode.spatial, says: true, said: mode.spatial, picture: 0, frame }
    }

    /// The targets of the sizes that it sends.
    fn active(&self) -> u32 {
        u32::MAX >> (31 - self.mode.target(self.spatial - 1, self.mode.temporal - 1))
    }
}

/// What came with a packet of such a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) descriptor: Vec<u8>,
    pub(crate) marker: bool,
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    pub(crate) key: bool,
    pub(crate) part: u8,
    /// Its frame's number as it was sent, and of those that it refers to.
    pub(crate) frame: u16,
    pub(crate) refers: Vec<u16>,
}

impl Described {
    /// Reads what [`Client::write_scalable`] wrote at `at`.
    pub(crate) fn of(packet: &RtpPacket, at: usize) -> Option<Self> {
        let descriptor = packet.header.ext_vals.user_values.get::<Said>()?.0.clone();
        let [spatial, temporal, key, part, high, low, count, rest @ ..] = packet.payload.get(at..)? else {
            return None;
        };
        let refers = rest.chunks_exact(2).take(usize::from(*count)).map(|word| u16::from_be_bytes([word[0], word[1]]));
        Some(Self {
            descriptor,
            marker: packet.header.marker,
            spatial: *spatial,
            temporal: *temporal,
            key: *key == 1,
            part: *part,
            frame: u16::from_be_bytes([*high, *low]),
            refers: refers.collect(),
        })
    }

    pub(crate) fn is_whole(parts: usize, spatial: u8) -> bool {
        parts == usize::from(PARTS[usize::from(spatial)].0)
    }

    /// The number of its frame, as its receiver sees it.
    pub(crate) fn number(&self) -> u16 {
        u16::from_be_bytes([self.descriptor[1], self.descriptor[2]])
    }
}

/// A descriptor as it is sent and comes.
#[derive(Debug)]
struct Said(Vec<u8>);

#[derive(Debug)]
struct Serializer;

impl ExtensionSerializer for Serializer {
    fn write_to(&self, buf: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(Said(bytes)) = values.user_values.get::<Said>() else { return 0 };
        buf[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, buf: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(Said(buf.to_vec()));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values.user_values.get::<Said>().is_some_and(|said| said.0.len() > 16)
    }
}

impl Client {
    /// Sends and takes pictures of such a codec, and dependency descriptors.
    pub(crate) fn speaks(&mut self, codec: Codec, now: Instant) {
        self.speaks_with(codec, true, now);
    }

    /// The same, with or without descriptors.
    pub(crate) fn speaks_with(&mut self, codec: Codec, descriptors: bool, now: Instant) {
        let config = Rtc::builder().set_rtp_mode(true).clear_codecs().enable_opus(true, false);
        let config = match codec {
            Codec::Vp9 => config.enable_vp9(true),
            Codec::H264 => config.enable_h264(true),
            _ => config.enable_av1(true),
        };
        let taken = Extension::with_serializer(URI, Serializer);
        self.rtc = if descriptors { config.set_extension(12, taken) } else { config }.build(now);
        let candidate = Candidate::host(self.seen_as, "udp");
        self.rtc.add_local_candidate(candidate.expect("an address of its own"));
        self.h264 = codec == Codec::H264;
    }

    /// Writes a piece of sound of so many bytes, which it gives no number.
    pub(crate) fn write_sound(&mut self, now: Instant, bytes: usize) {
        let pt = self.rtc.codec_config().find(|params| params.spec().codec.is_audio()).map(|params| params.pt());
        let (mid, seq) = (self.sends[0].0, self.seqs[0]);
        self.seqs[0] += 1;
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).expect("a line of its own");
        stream.write_rtp(RtpWrite::new(pt.expect("a codec"), seq.into(), 0, now, vec![0; bytes]));
        self.rtc.handle_input(Input::Timeout(now)).expect("time goes on");
    }

    /// Writes the next picture of its stream.
    pub(crate) fn write_scalable(&mut self, now: Instant, time: u32) {
        let Some(mut stream) = self.scalable.take() else { return };
        if std::mem::take(&mut self.keyframes_wanted[0]) {
            stream.picture = 0;
            self.keyframes_sent += 1;
        }
        let frames: Vec<Frame> = stream.mode.picture(stream.picture);
        for frame in &frames {
            let (parts, bytes) = PARTS[usize::from(frame.spatial)];
            for part in (0..parts).filter(|_| frame.spatial < stream.spatial) {
                let (first, last) = (part == 0, part + 1 == parts);
                let opens = frame.key && frame.spatial == 0 && first;
                let news =
                    stream.says && stream.said != stream.spatial || opens && stream.spatial < stream.mode.spatial;
                let active = (news && frame.spatial == 0 && first).then(|| stream.active());
                if active.is_some() {
                    stream.said = stream.spatial;
                }
                let said = stream.mode.descriptor(frame, stream.frame, (first, last), opens, active);
                let mut body = vec![frame.spatial, frame.temporal, u8::from(frame.key), part];
                body.extend_from_slice(&stream.frame.to_be_bytes());
                body.push(frame.refers.len() as u8);
                for back in &frame.refers {
                    body.extend_from_slice(&stream.frame.wrapping_sub(*back).to_be_bytes());
                }
                let marker = last && frame.spatial + 1 == stream.spatial;
                self.write_described(now, time, marker, said, &body, bytes);
            }
            stream.frame = stream.frame.wrapping_add(1);
        }
        stream.picture += 1;
        self.scalable = Some(stream);
    }

    fn write_described(&mut self, now: Instant, time: u32, marker: bool, said: Vec<u8>, body: &[u8], bytes: usize) {
        self.numbers[1] += 1;
        let mut payload = vec![0xff; 14];
        payload.extend_from_slice(&self.numbers[1].to_be_bytes());
        payload.extend_from_slice(&self.id.0.to_be_bytes());
        payload.push(0);
        payload.extend_from_slice(body);
        payload.resize(bytes, 0xff);
        let mut values = ExtensionValues::default();
        values.user_values.set(Said(said));
        let pt = self.rtc.codec_config().find(|params| !params.spec().codec.is_audio()).map(|params| params.pt());
        let (mid, _) = self.sends[1];
        let seq = self.seqs[1];
        self.seqs[1] += 1;
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).expect("a line of its own");
        let write = RtpWrite::new(pt.expect("a codec"), seq.into(), time, now, payload);
        stream.write_rtp(write.marker(marker).nackable(true).ext_vals(values));
        self.rtc.handle_input(Input::Timeout(now)).expect("time goes on");
    }
}
