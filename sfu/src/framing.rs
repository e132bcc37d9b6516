//! Datagrams within a TCP connection: each is preceded by its length in two bytes (RFC 4571 §2), as ICE-TCP wants it.
//!
//! Invariant: what is kept of a connection is less than one frame and its length, and no frame is longer than
//! [`FRAME_BYTES_MAX`]: a client that sends byte by byte, or announces what it never sends, holds that much and no more.

/// Bytes of a frame. What comes here was made for UDP, so it is below the MTU; a longer one is no media.
pub(crate) const FRAME_BYTES_MAX: usize = 2_048;
/// Of the length.
pub(crate) const HEAD_BYTES: usize = 2;

/// A frame that is longer than any of ours: the connection can't go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// What has come of the next frame.
#[derive(Debug, Default)]
pub(crate) struct Deframer {
    partial: Vec<u8>,
}

impl Deframer {
    /// Takes what was read and gives every frame that is whole. Frames of no length are keep-alives, and nothing here.
    pub(crate) fn take(&mut self, mut read: &[u8], mut frame: impl FnMut(&[u8])) -> Result<(), TooLong> {
        while !self.partial.is_empty() && !read.is_empty() {
            let wanted = match length(&self.partial)? {
                Some(length) => HEAD_BYTES + length,
                None => HEAD_BYTES,
            };
            let part = read.len().min(wanted - self.partial.len());
            self.partial.extend_from_slice(&read[..part]);
            read = &read[part..];
            if let Some(length) = length(&self.partial)?
                && self.partial.len() == HEAD_BYTES + length
            {
                give(&self.partial[HEAD_BYTES..], &mut frame);
                self.partial.clear();
            }
        }
        // Nothing is left over from before: whole frames are given where they lie.
        while let Some(length) = length(read)? {
            let Some(whole) = read.get(HEAD_BYTES..HEAD_BYTES + length) else { break };
            give(whole, &mut frame);
            read = &read[HEAD_BYTES + length..];
        }
        self.partial.extend_from_slice(read);
        Ok(())
    }
}

fn give(whole: &[u8], frame: &mut impl FnMut(&[u8])) {
    if !whole.is_empty() {
        frame(whole);
    }
}

/// The length that the head says, once it is there.
fn length(bytes: &[u8]) -> Result<Option<usize>, TooLong> {
    let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes(*head));
    if length > FRAME_BYTES_MAX { Err(TooLong) } else { Ok(Some(length)) }
}

/// Puts a datagram behind what is to be sent; false if it is too long for a frame.
pub(crate) fn put(datagram: &[u8], to: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(datagram.len()) else { return false };
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(datagram);
    true
}

/// For the fuzz targets: frames are the same wherever the stream is cut, and what is kept stays below one frame. The first
/// byte says how large the pieces are.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else { return };
    let (mut at_once, mut in_pieces) = (Vec::new(), Vec::new());
    let whole = Deframer::default().take(stream, |frame| at_once.push(frame.to_vec()));
    let mut deframer = Deframer::default();
    let mut pieces = stream.chunks(usize::from(*piece).max(1));
    let cut = pieces.try_for_each(|piece| {
        let taken = deframer.take(piece, |frame| in_pieces.push(frame.to_vec()));
        assert!(deframer.partial.len() < HEAD_BYTES + FRAME_BYTES_MAX, "{} bytes are kept", deframer.partial.len());
        taken
    });
    assert!(whole == cut && at_once == in_pieces, "it matters where the stream is cut");
    let mut again = Vec::new();
    assert!(at_once.iter().all(|frame| put(frame, &mut again)));
    let mut back = Vec::new();
    assert!(Deframer::default().take(&again, |frame| back.push(frame.to_vec())).is_ok() && back == at_once);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            assert!(put(frame, &mut bytes));
        }
        bytes
    }

    fn taken(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Deframer) {
        let (mut frames, mut deframer) = (Vec::new(), Deframer::default());
        for piece in pieces {
            deframer.take(piece, |frame| frames.push(frame.to_vec())).unwrap();
        }
        (frames, deframer)
    }

    #[test]
    fn c6_frames_come_out_as_they_went_in_wherever_the_stream_is_cut() {
        let long = vec![7; FRAME_BYTES_MAX];
        let frames: [&[u8]; 4] = [b"one", &long, b"", b"3"];
        let bytes = framed(&frames);
        let given: Vec<Vec<u8>> = [frames[0], frames[1], frames[3]].map(<[u8]>::to_vec).to_vec();
        assert_eq!(taken(&[&bytes]).0, given);
        for cut in 0..bytes.len() {
            let (frames, deframer) = taken(&[&bytes[..cut], &bytes[cut..]]);
            assert!(frames == given, "cut at {cut}");
            assert!(deframer.partial.is_empty());
        }
        let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(taken(&bytewise).0, given);
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_by_its_head() {
        let head = u16::try_from(FRAME_BYTES_MAX + 1).unwrap().to_be_bytes();
        assert_eq!(Deframer::default().take(&head, |_| panic!("no frame")), Err(TooLong));
        let mut deframer = Deframer::default();
        assert_eq!(deframer.take(&head[..1], |_| panic!("no frame")), Ok(()));
        assert_eq!(deframer.take(&head[1..], |_| panic!("no frame")), Err(TooLong));
        assert!(!put(&vec![0; 65_536], &mut Vec::new()));
    }

    #[test]
    fn what_is_kept_is_less_than_a_frame() {
        let announced = [&[8, 0][..], &[1; 100]].concat();
        let (frames, deframer) = taken(&[&framed(&[&b"x"[..]; 50]), &announced]);
        assert_eq!((frames.len(), deframer.partial.len()), (50, 102));
    }
}
