//! Streams that are there whole, written into an MP4 with its header in front: in the order of decoding, in one go.
//!
//! How long the header will be follows from the packets, so room for it is left in front, and what remains of that is a box that
//! players pass over. Where it should be too small all is written once more, and the header brought to the front afterwards.

use super::ff::{MICROS, Packet, Parameters, Rational, rescale};
use super::mux::{Container, Header, Muxer, Times};
use std::fs::File;
use tertulia_media_core::{Reason, Refusal};

/// What a header has beside its tables: of the whole, and of each stream.
const FIXED: u64 = 256;
const FIXED_EACH: u64 = 1_024;
/// Bytes up to which packets of one stream in a row are one chunk, as FFmpeg has it.
const CHUNK_MAX: u64 = 1 << 20;

/// One stream's packets.
#[derive(Clone, Copy)]
pub(crate) struct Lane<'a> {
    pub(crate) parameters: &'a Parameters,
    pub(crate) clock: Rational,
    /// In the order of decoding.
    pub(crate) packets: &'a [Packet],
    /// What their times are counted from.
    pub(crate) origin: i64,
    /// None is said to last longer.
    pub(crate) longest: i64,
}

impl Lane<'_> {
    fn times(&self, packet: &Packet) -> Times {
        let moved = |time: Option<i64>| time.map(|time| time.saturating_sub(self.origin));
        Times {
            pts: moved(packet.pts()),
            dts: moved(packet.dts()),
            duration: packet.duration().min(self.longest).max(0),
        }
    }

    /// When a packet is due, in microseconds.
    fn due(&self, packet: &Packet) -> i64 {
        let times = self.times(packet);
        rescale(times.dts.or(times.pts).unwrap_or(0), self.clock, MICROS)
    }

    /// Bytes of its tables of times, sizes and key frames, at most.
    fn tables(&self) -> u64 {
        let all = || self.packets.iter().map(|packet| self.times(packet));
        let steps =
            all().zip(all().skip(1)).map(|(one, next)| (next.dts.unwrap_or(0)).wrapping_sub(one.dts.unwrap_or(0)));
        let leads = all().map(|times| times.pts.unwrap_or(0).wrapping_sub(times.dts.unwrap_or(0)));
        let count = self.packets.len() as u64;
        // Where decoding can begin everywhere, nothing is said of it.
        let keys = self.packets.iter().filter(|packet| packet.is_key()).count() as u64 % count.max(1);
        // Four for the size, one for what is said of those that may be left out.
        count * 5 + keys * 4 + (runs(steps) + 1 + runs(leads)) * 8
    }
}

/// How often neighbours differ, and one.
fn runs<T: PartialEq>(all: impl Iterator<Item = T>) -> u64 {
    let (mut count, mut last) = (0, None);
    for one in all {
        if last.as_ref() != Some(&one) {
            count += 1;
            last = Some(one);
        }
    }
    count
}

/// Writes them, with at most so many bytes, and answers how many they have become.
///
/// # Errors
/// If the container can't hold them, or there is no room.
pub(crate) fn write(file: &File, lanes: &[Lane<'_>], bytes_max: u64) -> Result<u64, Refusal> {
    let order = order(lanes);
    write_into(file, lanes, &order, bytes_max, room(lanes, &order))
}

/// The same, with so much room for the header.
fn write_into(file: &File, lanes: &[Lane<'_>], order: &[usize], bytes_max: u64, room: u64) -> Result<u64, Refusal> {
    match write_with(file, lanes, order, bytes_max, Header::Before(room)) {
        Err(fault) if fault.reason != Reason::StoreUnavailable => {
            write_with(file, lanes, order, bytes_max, Header::Moved)
        }
        other => other,
    }
}

fn write_with(
    file: &File,
    lanes: &[Lane<'_>],
    order: &[usize],
    bytes_max: u64,
    header: Header,
) -> Result<u64, Refusal> {
    let mut muxer = Muxer::new(file, Container::Mp4, bytes_max)?;
    for lane in lanes {
        muxer.add(lane.parameters, lane.clock)?;
    }
    muxer.start(header)?;
    for (stream, packet) in walk(lanes, order) {
        muxer.write(stream, packet, lanes[stream].times(packet))?;
    }
    muxer.finish()
}

/// Whose packet comes next, and next, by when it is due.
fn order(lanes: &[Lane<'_>]) -> Vec<usize> {
    let mut heads: Vec<_> =
        lanes.iter().map(|lane| lane.packets.iter().map(|packet| lane.due(packet)).peekable()).collect();
    let mut order = Vec::with_capacity(lanes.iter().map(|lane| lane.packets.len()).sum());
    loop {
        let due = heads.iter_mut().enumerate().filter_map(|(stream, head)| Some((*head.peek()?, stream)));
        let Some((_, stream)) = due.min() else { return order };
        let _due = heads[stream].next();
        order.push(stream);
    }
}

/// The packets in that order.
fn walk<'a>(lanes: &[Lane<'a>], order: &[usize]) -> impl Iterator<Item = (usize, &'a Packet)> {
    let mut heads: Vec<_> = lanes.iter().map(|lane| lane.packets.iter()).collect();
    order.iter().filter_map(move |stream| Some((*stream, heads[*stream].next()?)))
}

/// Bytes of the header of what is written so, at most, and a few more.
fn room(lanes: &[Lane<'_>], order: &[usize]) -> u64 {
    let each = |lane: &Lane<'_>| FIXED_EACH + lane.parameters.extra().len() as u64 + lane.tables();
    FIXED + lanes.iter().map(each).sum::<u64>() + chunks(lanes, order)
}

/// Bytes of the tables of chunks: where each is, and how many packets it has where that changes.
fn chunks(lanes: &[Lane<'_>], order: &[usize]) -> u64 {
    let mut counts: Vec<Vec<u32>> = lanes.iter().map(|_| Vec::new()).collect();
    let (mut last, mut bytes) = (None, 0);
    for (stream, packet) in walk(lanes, order) {
        let size = packet.size() as u64;
        match counts[stream].last_mut() {
            Some(count) if last == Some(stream) && bytes + size < CHUNK_MAX => {
                *count += 1;
                bytes += size;
            }
            _ => {
                counts[stream].push(1);
                bytes = size;
            }
        }
        last = Some(stream);
    }
    counts.iter().map(|counts| counts.len() as u64 * 4 + runs(counts.iter()) * 12).sum()
}

#[cfg(test)]
#[expect(unsafe_code, reason = "packets of a codec that is not asked")]
mod tests {
    use super::super::boxes;
    use super::*;
    use ffmpeg_next::ffi;

    const CLOCK: Rational = Rational { num: 1, den: 48_000 };
    const BYTES_MAX: u64 = 1 << 24;

    /// Plain AAC, stereo, 48 kHz, by what the container asks of it.
    fn parameters() -> Parameters {
        let parameters = Parameters::new().expect("memory");
        // SAFETY: ours; the configuration is theirs to free, and has the room behind it that decoders want.
        unsafe {
            let all = &mut *parameters.as_ptr();
            all.codec_type = ffi::AVMediaType::AVMEDIA_TYPE_AUDIO;
            all.codec_id = ffi::AVCodecID::AV_CODEC_ID_AAC;
            (all.sample_rate, all.frame_size) = (48_000, 1_024);
            ffi::av_channel_layout_default(&raw mut all.ch_layout, 2);
            all.extradata = ffi::av_mallocz(64).cast();
            all.extradata_size = 2;
            all.extradata.copy_from_nonoverlapping([0x11, 0x90].as_ptr(), 2);
        }
        parameters
    }

    /// So many packets of sizes and lengths that change.
    fn packets(count: i64) -> Vec<Packet> {
        let mut time = 0;
        let one = |at: i64| {
            let mut packet = Packet::new().expect("memory");
            let size = 200 + at % 7 * 50;
            // SAFETY: ours, and empty; its bytes are all written.
            unsafe {
                assert_eq!(ffi::av_new_packet(packet.as_ptr(), i32::try_from(size).expect("small")), 0);
                (*packet.as_ptr()).flags |= ffi::AV_PKT_FLAG_KEY;
                (*packet.as_ptr()).data.write_bytes(at as u8, usize::try_from(size).expect("small"));
            }
            packet.set_times(Some(time), Some(time));
            packet.set_duration(1_024);
            time += if at % 3 == 0 { 1_024 } else { 1_030 };
            packet
        };
        (0..count).map(one).collect()
    }

    fn kinds(file: &File) -> Vec<(String, u64)> {
        let all = boxes::top(file).expect("readable");
        all.iter().map(|one| (String::from_utf8_lossy(&one.kind).into_owned(), one.size)).collect()
    }

    #[test]
    fn d3_room_for_the_header_is_enough_and_not_much_more() {
        let parameters = parameters();
        for counts in [[1, 1], [5, 400], [4_000, 3_000]] {
            let all = counts.map(packets);
            let lanes: Vec<Lane<'_>> = all
                .iter()
                .map(|packets| Lane { parameters: &parameters, clock: CLOCK, packets, origin: 0, longest: 2_000 })
                .collect();
            let file = tempfile::tempfile().expect("a file");
            let bytes = write(&file, &lanes, BYTES_MAX).expect("written");
            assert_eq!(bytes, file.metadata().expect("there").len());
            let found = kinds(&file);
            let names: Vec<&str> = found.iter().map(|(kind, _)| kind.as_str()).collect();
            assert_eq!(names, ["ftyp", "moov", "free", "free", "mdat"], "{counts:?}");
            // What is said of packets that may be left out is not needed here: a byte for each.
            let spare = 2_500 + (counts[0] + counts[1]).unsigned_abs();
            assert!(found[2].1 < spare, "{counts:?}: {found:?}");
        }
    }

    #[test]
    fn d3_a_header_without_enough_room_is_moved_to_the_front() {
        let (parameters, packets) = (parameters(), packets(1_000));
        let lane = Lane { parameters: &parameters, clock: CLOCK, packets: &packets, origin: 0, longest: 2_000 };
        let file = tempfile::tempfile().expect("a file");
        let order = order(&[lane]);
        let fault = write_with(&file, &[lane], &order, BYTES_MAX, Header::Before(100)).expect_err("too little room");
        assert_eq!(fault.reason, Reason::Damaged);
        write_into(&file, &[lane], &order, BYTES_MAX, 100).expect("written");
        let names: Vec<String> = kinds(&file).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(names, ["ftyp", "moov", "free", "mdat"]);
    }

    #[test]
    fn d3_streams_take_turns_by_when_they_are_due() {
        let (parameters, all) = (parameters(), [packets(4), packets(4)]);
        let lane = |at: usize, origin| Lane {
            parameters: &parameters,
            clock: CLOCK,
            packets: &all[at],
            origin,
            longest: 2_000,
        };
        assert_eq!(order(&[lane(0, 0), lane(1, 0)]), [0, 1, 0, 1, 0, 1, 0, 1]);
        assert_eq!(order(&[lane(0, 0), lane(1, 1_500)]), [1, 1, 0, 1, 0, 1, 0, 0]);
    }
}
