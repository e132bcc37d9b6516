//! AVI: indexes that are missing, broken or point at themselves, clocks at their ends, lists of files hidden in subtitles.

use super::Answer::{Either, Made, Refused};
use super::{Hostile, film, jpeg, prove};
use tertulia_media_core::Reason::{self, Damaged, Empty, TooComplex, TooLong, Unsupported};

const LIES: &[Reason] = &[Damaged, Empty, TooComplex, TooLong];

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    sized(kind, body, body.len() as u32)
}

/// A chunk that says it is so long.
fn sized(kind: &[u8; 4], body: &[u8], said: u32) -> Vec<u8> {
    let fill = vec![0; body.len() % 2];
    [&kind[..], &said.to_le_bytes(), body, &fill].concat()
}

fn list(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    chunk(b"LIST", &[&kind[..], body].concat())
}

fn words(all: &[u32]) -> Vec<u8> {
    all.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What a film of JPEGs is made of.
#[derive(Clone)]
struct Film {
    micros: u32,
    frames: u32,
    scale: u32,
    rate: u32,
    start: u32,
    length: u32,
    /// Bytes of the picture format, as said.
    format: u32,
    /// Within the picture stream's list, and whole streams besides.
    stream: Vec<u8>,
    streams: Vec<u8>,
    /// What stands before the pictures, within their list.
    before: Vec<u8>,
    pictures: Vec<Vec<u8>>,
    /// The index: for each picture, what to add to its place and its size. None: there is no index.
    index: Option<(u32, u32)>,
    /// What the file says it is long, if another than it is.
    said: Option<u32>,
}

impl Film {
    fn honest() -> Self {
        Self {
            micros: 100_000,
            frames: 10,
            scale: 1,
            rate: 10,
            start: 0,
            length: 10,
            format: 40,
            stream: Vec::new(),
            streams: Vec::new(),
            before: Vec::new(),
            pictures: vec![jpeg(64, 48); 10],
            index: Some((0, 0)),
            said: None,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let head = chunk(b"avih", &words(&[self.micros, 100_000, 0, 0x10, self.frames, 0, 1, 0, 64, 48, 0, 0, 0, 0]));
        let about = [self.scale, self.rate, self.start, self.length, 0, 0, 0, 0, 0];
        let stream = chunk(b"strh", &[&b"vidsMJPG"[..], &words(&[0, 0, 0]), &words(&about)].concat());
        let format = [&words(&[40, 64, 48, 24 << 16 | 1])[..], b"MJPG", &words(&[64 * 48 * 3, 0, 0, 0, 0])].concat();
        let stream = list(b"strl", &[stream, sized(b"strf", &format, self.format), self.stream.clone()].concat());
        let head = list(b"hdrl", &[head, stream, self.streams.clone()].concat());
        let (mut movie, mut index) = (self.before.clone(), Vec::new());
        for picture in &self.pictures {
            let at = movie.len() as u32 + 4;
            let (more, longer) = self.index.unwrap_or_default();
            index.extend(b"00dc");
            index.extend(words(&[0x10, at.wrapping_add(more), (picture.len() as u32).wrapping_add(longer)]));
            movie.extend(chunk(b"00dc", picture));
        }
        let index = if self.index.is_some() { chunk(b"idx1", &index) } else { Vec::new() };
        let all = [&b"AVI "[..], &head, &list(b"movi", &movie), &index].concat();
        let said = self.said.unwrap_or(all.len() as u32);
        [&b"RIFF"[..], &said.to_le_bytes(), &all].concat()
    }
}

fn but(name: impl Into<String>, answer: super::Answer, change: impl FnOnce(&mut Film)) -> Hostile {
    let mut made = Film::honest();
    change(&mut made);
    film(name, made.bytes(), answer)
}

#[test]
fn d3_indexes_that_are_missing_or_broken_do_not_matter() {
    prove(|_| {
        vec![
            but("honest", Made, |_| {}),
            but("no index", Made, |made| made.index = None),
            but("an index beyond the end", Made, |made| made.index = Some((0x7fff_0000, 0))),
            but("an index a little off", Either(LIES), |made| made.index = Some((3, 0))),
            but("an index of endless pictures", Either(LIES), |made| made.index = Some((0, 0x7fff_0000))),
            but("no length", Made, |made| made.said = Some(0)),
            but("the length of a stream", Either(LIES), |made| made.said = Some(u32::MAX)),
            but("a list of ten thousand lists", Either(LIES), |made| made.before = list(b"rec ", b"").repeat(10_000)),
            but("junk of endless length", Either(LIES), |made| made.before = sized(b"JUNK", b"", u32::MAX)),
            but("a picture of endless length", Either(LIES), |made| made.before = sized(b"00dc", b"", u32::MAX)),
            but("a hundred thousand empty pictures", Either(LIES), |made| {
                made.before = chunk(b"00dc", b"").repeat(100_000)
            }),
        ]
    });
}

#[test]
fn d3_an_index_of_indexes_that_points_at_itself_ends() {
    prove(|_| {
        let mut made = Film::honest();
        let index = |place: u64, count: u32| {
            let entry = [&place.to_le_bytes()[..], &words(&[32, 1])].concat();
            let head = [&4_u16.to_le_bytes()[..], &[0, 0], &count.to_le_bytes(), b"00dc", &words(&[0, 0, 0])].concat();
            chunk(b"indx", &[head, entry.repeat(count as usize)].concat())
        };
        made.stream = index(0, 1);
        let at = made.bytes().windows(4).position(|four| four == b"indx").unwrap() as u64;
        let mut all = Vec::new();
        for count in [1, 2, 30] {
            made.stream = index(at, count);
            all.push(film(format!("{count} entries"), made.bytes(), Either(LIES)));
        }
        all
    });
}

#[test]
fn d3_clocks_of_an_avi_at_their_ends() {
    prove(|_| {
        let mut all = Vec::new();
        for value in [0, u32::MAX] {
            all.push(but(format!("scale {value}"), Either(LIES), |made| made.scale = value));
            all.push(but(format!("rate {value}"), Either(LIES), |made| made.rate = value));
            all.push(but(format!("from {value} on"), Either(LIES), |made| made.start = value));
            all.push(but(format!("{value} long"), Either(LIES), |made| made.length = value));
            all.push(but(format!("{value} frames"), Either(LIES), |made| made.frames = value));
            all.push(but(format!("{value} µs"), Either(LIES), |made| made.micros = value));
            all.push(but(format!("a format of {value} bytes"), Either(&[Damaged, Empty, Unsupported]), |made| {
                made.format = value
            }));
        }
        all
    });
}

#[test]
fn d3_lists_of_files_hidden_in_subtitles_are_not_opened() {
    prove(|_| {
        let mut all = Vec::new();
        for text in [
            "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nconcat:http://127.0.0.1:9/|file:///etc/hostname\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile /etc/hostname\n",
            "1\n00:00:00,000 --> 00:00:01,000\nan honest subtitle\n",
        ] {
            let about =
                chunk(b"strh", &[&b"txts\0\0\0\0"[..], &words(&[0, 0, 0, 1, 10, 0, 10, 0, 0, 0, 0, 0])].concat());
            let name = [&b"GAB2\0"[..], &2_u16.to_le_bytes(), &words(&[2]), b"x\0", &4_u16.to_le_bytes()].concat();
            let body = [&name[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
            all.push(but(&text[..7], Made, |made| {
                made.streams = list(b"strl", &[about, chunk(b"strf", b"")].concat());
                made.before = chunk(b"01tx", &body);
            }));
        }
        all
    });
}

#[test]
fn d3_more_streams_than_anything_honest_has() {
    prove(|_| {
        let silent =
            chunk(b"strh", &[&b"auds\0\0\0\0"[..], &words(&[0, 0, 0, 1, 8_000, 0, 10, 0, 0, 0, 1, 0])].concat());
        let format = chunk(
            b"strf",
            &[&1_u16.to_le_bytes()[..], &1_u16.to_le_bytes(), &words(&[8_000, 8_000, 8 << 16 | 1])].concat(),
        );
        let stream = list(b"strl", &[silent, format].concat());
        vec![
            but("nine", Made, |made| made.streams = stream.repeat(8)),
            but("a hundred", Refused(&[TooComplex, Damaged]), |made| made.streams = stream.repeat(99)),
        ]
    });
}
