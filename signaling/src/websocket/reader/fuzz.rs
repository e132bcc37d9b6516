//! What a client sends, however it is cut. Invariants: the messages and the fault are the same however the bytes come; no
//! message is larger than it may be; the reader holds no more than a message and a frame; at rest it holds nothing.

use super::{CONTROL_BYTES_MAX, Fault, MASK_BYTES, Message, Reader};

/// The head of the longest frame.
const HEAD_BYTES_MAX: usize = 2 + 8 + MASK_BYTES;

/// Reads `data` as what a connection brings: the first byte says in pieces of how many bytes it comes, the second how large a
/// message may be.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let [piece, size, stream @ ..] = data else { return };
    let message_max = [16, CONTROL_BYTES_MAX, 300, 70_000][usize::from(size % 4)];
    let whole = read(stream, stream.len().max(1), message_max);
    let cut = read(stream, usize::from(*piece).max(1), message_max);
    assert!(whole == cut, "in pieces of {piece} it is read as {cut:?}, at once as {whole:?}");
}

fn read(stream: &[u8], piece: usize, message_max: usize) -> (Vec<Message>, Option<Fault>) {
    let (mut reader, mut messages) = (Reader::new(message_max), Vec::new());
    for piece in stream.chunks(piece) {
        reader.take(piece);
        loop {
            match reader.next() {
                Ok(Some(message)) => {
                    check(&message, message_max);
                    messages.push(message);
                }
                Ok(None) => break,
                Err(fault) => {
                    assert_eq!(reader.next(), Err(fault), "after a fault nothing is read");
                    return (messages, Some(fault));
                }
            }
        }
        let waiting = reader.bytes.len() - reader.at;
        // A frame of which all is there would have been read.
        assert!(waiting < HEAD_BYTES_MAX + message_max.max(CONTROL_BYTES_MAX), "{waiting} bytes are held");
        let fragments = reader.fragments.as_ref().map_or(0, |fragments| fragments.bytes.len());
        assert!(fragments <= message_max, "{fragments} bytes of a message are held");
        assert!(waiting > 0 || reader.bytes.capacity() == 0, "a socket at rest holds a buffer");
    }
    (messages, None)
}

fn check(message: &Message, message_max: usize) {
    match message {
        Message::Text(text) => assert!(text.len() <= message_max),
        Message::Binary(bytes) => assert!(bytes.len() <= message_max),
        Message::Ping(bytes) => assert!(bytes.len() <= CONTROL_BYTES_MAX.min(message_max)),
        Message::Close(Some(code)) => assert!((1_000..5_000).contains(code)),
        Message::Pong | Message::Close(None) => {}
    }
}
