//! What the fuzz targets reach of this crate. Nothing else uses it.
//!
//! Invariants: whatever a worker sends is a frame or a typed error, over the socket as in memory; a frame that was read can
//! be written and is the same again; what is believed of an outcome is within the bounds, whatever was claimed.

use crate::host::fuzzing::{believed, refused};
use crate::wire::{FRAME_BYTES_MAX, FromWorker, ToWorker, WireError, decode, encode, hear, pair, take};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{SendFlags, send};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::fd::OwnedFd;
use tertulia_media_core::{Class, Event, Job, Limits};

/// How outputs begin, one of each kind that there is, and one of none.
const STARTS: [&[u8]; 7] = [
    b"\0\0\0\x18ftypisom",
    b"OggS\0\x02\0\0\0\0\0\0",
    b"\xff\xd8\xff\xe0\0\x10JFIF",
    b"RIFF\x04\0\0\0WEBP",
    b"\x89PNG\r\n\x1a\n\0\0\0\r",
    b"<html><script>",
    b"",
];

/// A socket pair and outputs that a thread makes once.
struct Bench {
    ours: OwnedFd,
    theirs: OwnedFd,
    outputs: Vec<OwnedFd>,
}

impl Bench {
    fn new() -> Option<Self> {
        let (ours, theirs) = pair().ok()?;
        let output = |start: &&[u8]| {
            let file = memfd_create("output", MemfdFlags::CLOEXEC).ok()?;
            rustix::io::write(&file, start).ok()?;
            Some(file)
        };
        Some(Self { ours, theirs, outputs: STARTS.iter().map(output).collect::<Option<_>>()? })
    }

    fn output(&self, choice: u8) -> Option<OwnedFd> {
        self.outputs[usize::from(choice) % self.outputs.len()].try_clone().ok()
    }
}

thread_local! {
    static BENCH: Option<Bench> = Bench::new();
}

/// Reads `data` as a packet of a worker that was taken over. The first three bytes say which job it has, and what its main
/// output and its thumbnails begin as.
pub fn from_worker(data: &[u8]) {
    let [class, main, thumb, packet @ ..] = data else { return };
    BENCH.with(|bench| {
        let Some(bench) = bench else { return };
        let heard = over_socket(&bench.theirs, packet, || hear(&bench.ours));
        let Some(frame) = same_as(packet, heard) else { return };
        let class = Class::ALL[usize::from(*class) % Class::ALL.len()];
        let job = Job { class, limits: Limits::default(), threads: 1 };
        match frame {
            FromWorker::Event(Event::Done(outcome)) => {
                let outputs = (bench.output(*main), bench.output(*thumb), bench.output(thumb >> 4));
                let (Some(main), Some(jpeg), Some(webp)) = outputs else { return };
                believed(&job, *outcome, &[main, jpeg, webp]);
            }
            FromWorker::Event(Event::Refused(refusal)) => refused(refusal),
            _ => {}
        }
    });
}

/// Reads `data` as a packet of the program's, as a worker does.
pub fn to_worker(data: &[u8]) {
    BENCH.with(|bench| {
        let Some(bench) = bench else { return };
        let taken = over_socket(&bench.ours, data, || take(&bench.theirs));
        let taken = taken.map(|(frame, descriptors)| {
            assert!(descriptors.is_empty(), "none was sent");
            frame
        });
        same_as::<ToWorker>(data, taken);
    });
}

/// What is read of a packet that is sent. One that the kernel does not take is not read either.
fn over_socket<T>(from: &OwnedFd, packet: &[u8], read: impl FnOnce() -> Result<T, WireError>) -> Result<T, WireError> {
    send(from, packet, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    read()
}

/// The frame of a packet, if it is one: the same that memory has, and the same again when it is written and read.
fn same_as<T: Serialize + DeserializeOwned>(packet: &[u8], read: Result<T, WireError>) -> Option<T> {
    let expected = match packet.len() {
        0 => Err(WireError::Closed),
        1..=FRAME_BYTES_MAX => decode::<T>(packet),
        length => Err(WireError::TooLong(length)),
    };
    let (frame, again) = match (read, expected) {
        (Ok(frame), Ok(again)) => (frame, again),
        (Err(read), Err(expected)) => {
            assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&expected), "{read} is not {expected}");
            return None;
        }
        (read, _) => panic!("over the socket {packet:?} is a frame: {}", read.is_ok()),
    };
    let (one, other) = (encode(&frame), encode(&again));
    let (Ok(one), Ok(other)) = (one, other) else { panic!("{packet:?} can be read and not be written") };
    assert_eq!(one, other);
    let third = decode::<T>(&one).and_then(|frame| encode(&frame));
    assert!(third.is_ok_and(|third| third == one), "{one:?} is another frame when it is read again");
    Some(frame)
}
