//! Frames with file descriptors between the program and a worker: one MessagePack value a packet, over a `SOCK_SEQPACKET` pair.
//!
//! A worker is hostile once it has seen a job. The program's side therefore reads no more than [`FRAME_BYTES_MAX`] of a packet,
//! takes no descriptor (it offers no room for any, so the kernel drops them), and has a typed error for everything else.

use crate::sandbox::{Layers, Missing, Setup};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tertulia_media_core::{Event, Job};

/// Bytes of a frame. The longest honest one is an outcome with its preview: below 4 KiB.
pub(crate) const FRAME_BYTES_MAX: usize = 8 * 1_024;
/// Descriptors that go with a job: the input, then one for each output.
pub(crate) const JOB_DESCRIPTORS: usize = 4;

/// What the program tells a worker: once each, in this order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// How to close itself in.
    Setup(Setup),
    /// What to do. With it go [`JOB_DESCRIPTORS`].
    Job(Job),
}

/// What a worker tells the program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromWorker {
    /// It is closed in, and waits for its job.
    Ready(Layers),
    /// It can't close itself in, and ends.
    Missing(Missing),
    /// It is at its job.
    Event(Event),
    /// Its own code has panicked over the job.
    Panicked,
}

/// Why a frame did not go or come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The other side is gone. An empty packet counts as that: the socket can't tell them apart.
    #[error("the other side is gone")]
    Closed,
    /// A packet of more than a frame may have.
    #[error("a frame of {0} bytes")]
    TooLong(usize),
    /// Bytes that are no frame.
    #[error("bytes that are no frame")]
    Malformed,
    /// Not the descriptors that belong to the frame.
    #[error("the wrong number of descriptors came")]
    Descriptors,
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Socket(Errno),
}

impl From<Errno> for WireError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::PIPE | Errno::CONNRESET => Self::Closed,
            other => Self::Socket(other),
        }
    }
}

/// A pair of connected sockets that keep the bounds of packets. Neither survives an exec by accident.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

pub(crate) fn encode<T: Serialize>(frame: &T) -> Result<Vec<u8>, WireError> {
    let bytes = rmp_serde::to_vec(frame).map_err(|_| WireError::Malformed)?;
    if bytes.len() > FRAME_BYTES_MAX { Err(WireError::TooLong(bytes.len())) } else { Ok(bytes) }
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    let mut rest = bytes;
    let frame = rmp_serde::from_read(&mut rest).map_err(|_| WireError::Malformed)?;
    // What follows a frame in its packet is not ours.
    if rest.is_empty() { Ok(frame) } else { Err(WireError::Malformed) }
}

/// Sends a frame. Waits for room unless told otherwise.
pub(crate) fn say<T: Serialize>(socket: impl AsFd, frame: &T, waits: bool) -> Result<(), WireError> {
    let flags = if waits { SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL | SendFlags::DONTWAIT };
    let bytes = encode(frame)?;
    retry(|| send(&socket, &bytes, flags))?;
    Ok(())
}

/// Sends a frame with descriptors, without waiting: the program sends into an empty queue.
pub(crate) fn hand<T: Serialize>(
    socket: impl AsFd,
    frame: &T,
    descriptors: &[BorrowedFd<'_>; JOB_DESCRIPTORS],
) -> Result<(), WireError> {
    let bytes = encode(frame)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(JOB_DESCRIPTORS))];
    retry(|| {
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(Errno::NOBUFS);
        }
        sendmsg(&socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    })?;
    Ok(())
}

/// Receives what a worker says, without waiting and without its descriptors: for the program's side.
pub(crate) fn hear(socket: impl AsFd) -> Result<FromWorker, WireError> {
    let mut bytes = [0; FRAME_BYTES_MAX];
    let flags = RecvFlags::TRUNC | RecvFlags::DONTWAIT;
    // Plain recv has no room for descriptors: those that were sent are closed by the kernel and never are ours.
    let (_, length) = retry(|| recv(&socket, bytes.as_mut_slice(), flags))?;
    match length {
        0 => Err(WireError::Closed),
        1..=FRAME_BYTES_MAX => decode(&bytes[..length]),
        _ => Err(WireError::TooLong(length)),
    }
}

/// Receives what the program says, and what goes with it: for the worker's side. Waits.
pub(crate) fn take(socket: impl AsFd) -> Result<(ToWorker, Vec<OwnedFd>), WireError> {
    let mut bytes = [0; FRAME_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(JOB_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = retry(|| recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC))?;
    let descriptors: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if got.flags.contains(ReturnFlags::CTRUNC) {
        return Err(WireError::Descriptors);
    }
    match got.bytes {
        0 => Err(WireError::Closed),
        _ if got.flags.contains(ReturnFlags::TRUNC) => Err(WireError::TooLong(FRAME_BYTES_MAX + 1)),
        length => Ok((decode(&bytes[..length])?, descriptors)),
    }
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use tertulia_media_core::{Class, Limits, Outcome, PREVIEW_BYTES_MAX, Reason, Refusal, WAVEFORM_POINTS};

    fn job() -> Job {
        Job { class: Class::Video, limits: Limits::default(), threads: 2 }
    }

    fn files() -> [File; JOB_DESCRIPTORS] {
        std::array::from_fn(|_| tempfile::tempfile().expect("a file"))
    }

    fn open_descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").expect("the list of them").count()
    }

    #[test]
    fn a_job_comes_with_its_descriptors() {
        let (ours, theirs) = pair().expect("a pair");
        let files = files();
        hand(&ours, &ToWorker::Job(job()), &files.each_ref().map(AsFd::as_fd)).expect("sent");
        let (frame, descriptors) = take(&theirs).expect("received");
        assert!(matches!(frame, ToWorker::Job(it) if it == job()));
        assert_eq!(descriptors.len(), JOB_DESCRIPTORS);
    }

    /// As long as an honest one can be.
    fn longest() -> FromWorker {
        FromWorker::Event(Event::Done(Box::new(Outcome {
            class: Class::Voice,
            mime: "audio/ogg; codecs=opus".into(),
            bytes: u64::MAX,
            width: u32::MAX,
            height: u32::MAX,
            duration_ms: u64::MAX,
            has_sound: true,
            is_remuxed: true,
            is_salvaged: true,
            thumbhash: vec![255; 32],
            preview: "x".repeat(PREVIEW_BYTES_MAX),
            waveform: vec![100; WAVEFORM_POINTS],
        })))
    }

    #[test]
    fn the_longest_honest_outcome_fits_a_frame() {
        let frame = encode(&longest()).expect("fits");
        assert!(frame.len() < FRAME_BYTES_MAX / 2, "{}", frame.len());
    }

    #[test]
    fn whatever_a_worker_sends_is_a_frame_or_a_typed_error() {
        let (ours, theirs) = pair().expect("a pair");
        assert!(matches!(hear(&ours), Err(WireError::Socket(Errno::AGAIN))), "silence");
        let refused = FromWorker::Event(Event::Refused(Refusal::from(Reason::Damaged)));
        let mut whole = encode(&refused).expect("encodes");
        for cut in 1..whole.len() {
            send(&theirs, &whole[..cut], SendFlags::empty()).expect("sent");
            assert!(matches!(hear(&ours), Err(WireError::Malformed)), "cut at {cut}");
        }
        whole.push(0);
        send(&theirs, &whole, SendFlags::empty()).expect("sent");
        assert!(matches!(hear(&ours), Err(WireError::Malformed)), "something after the frame");
        send(&theirs, &vec![0xff; FRAME_BYTES_MAX + 1], SendFlags::empty()).expect("sent");
        assert!(matches!(hear(&ours), Err(WireError::TooLong(_))));
        // Every first byte of MessagePack, with lengths that promise far more than there is.
        for first in 0..=u8::MAX {
            let mut bytes = vec![first];
            bytes.extend([0xff; 64]);
            send(&theirs, &bytes, SendFlags::empty()).expect("sent");
            assert!(hear(&ours).is_err(), "{first:#x}");
        }
        send(&theirs, &[], SendFlags::empty()).expect("sent");
        assert!(matches!(hear(&ours), Err(WireError::Closed)), "an empty packet");
        drop(theirs);
        assert!(matches!(hear(&ours), Err(WireError::Closed)));
        assert!(matches!(say(&ours, &ToWorker::Job(job()), false), Err(WireError::Closed)));
    }

    #[test]
    fn a_frame_with_bytes_changed_is_another_frame_or_an_error() {
        let whole = encode(&longest()).expect("encodes");
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move |most: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % most as u64).expect("small")
        };
        let mut frames = 0;
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..=next(4) {
                // Most of a frame is one long text: what has a structure is before it.
                let most = if next(2) == 0 { 120 } else { whole.len() };
                let at = next(most);
                bytes[at] = u8::try_from(next(256)).expect("a byte");
            }
            if let Ok(frame) = decode::<FromWorker>(&bytes) {
                frames += 1;
                assert!(encode(&frame).is_ok(), "no longer than what came");
            }
        }
        assert!((1_000..19_000).contains(&frames), "{frames} of them are frames: both ways are tried");
    }

    #[test]
    fn descriptors_from_a_worker_never_arrive() {
        let (ours, theirs) = pair().expect("a pair");
        let files = files();
        let count = open_descriptors();
        let frame = encode(&FromWorker::Panicked).expect("encodes");
        let many = vec![files[0].as_fd(); 200];
        for _ in 0..8 {
            let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(200))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(&many)));
            sendmsg(&theirs, &[IoSlice::new(&frame)], &mut control, SendFlags::empty()).expect("sent");
            assert!(matches!(hear(&ours), Ok(FromWorker::Panicked)));
        }
        // Other tests of this binary open files too: two thousand would show.
        assert!(open_descriptors() < count + 200);
    }

    #[test]
    fn a_worker_takes_no_more_descriptors_than_a_job_has() {
        let (ours, theirs) = pair().expect("a pair");
        let files = files();
        let frame = encode(&ToWorker::Job(job())).expect("encodes");
        let many = vec![files[0].as_fd(); JOB_DESCRIPTORS + 4];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(JOB_DESCRIPTORS + 4))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&many)));
        sendmsg(&ours, &[IoSlice::new(&frame)], &mut control, SendFlags::empty()).expect("sent");
        assert!(matches!(take(&theirs), Err(WireError::Descriptors)));
    }
}
