//! Frames as clients write them, well and badly, and what an implementation that is not ours makes of the same bytes.

use super::*;
use std::io::{self, Cursor, Read, Write};
use tokio_tungstenite::tungstenite;
use tungstenite::protocol::{Role, WebSocketConfig};

const MAX: usize = 70_000;

/// A frame as a client writes it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0xa2, 0x33, 0xc4];
    let mut bytes = vec![first];
    match payload.len() {
        len @ ..126 => bytes.push(0x80 | len as u8),
        len @ ..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// All that is read of bytes that come in pieces of this size, and how it ends.
fn read(bytes: &[u8], piece: usize) -> (Vec<Message>, Option<Fault>) {
    let (mut reader, mut messages) = (Reader::new(MAX), Vec::new());
    for piece in bytes.chunks(piece) {
        reader.take(piece);
        loop {
            match reader.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(fault) => return (messages, Some(fault)),
            }
        }
    }
    (messages, None)
}

fn text(text: &str) -> Message {
    Message::Text(text.to_owned())
}

#[test]
fn messages_of_every_length_are_read_however_they_are_cut() {
    let lengths = [0, 1, 3, 4, 125, 126, 127, 0xffff, 0x1_0000, MAX];
    let payloads: Vec<Vec<u8>> = lengths.iter().map(|len| (0..*len).map(|n| n as u8).collect()).collect();
    let bytes: Vec<u8> = payloads.iter().flat_map(|payload| frame(LAST | BINARY, payload)).collect();
    let expected: Vec<Message> = payloads.into_iter().map(Message::Binary).collect();
    for piece in [1, 2, 7, 16 * 1024, bytes.len()] {
        assert!(read(&bytes, piece) == (expected.clone(), None), "in pieces of {piece}");
    }
}

#[test]
fn a_message_in_several_frames_is_one_and_what_comes_in_between_is_read_first() {
    let whole = "zwölf Boxkämpfer".as_bytes();
    let (a, b) = whole.split_at(3); // within a character
    let bytes = [frame(TEXT, a), frame(LAST | PING, b"?"), frame(CONTINUED, b""), frame(LAST | CONTINUED, b)].concat();
    let expected = vec![Message::Ping(b"?".to_vec()), text("zwölf Boxkämpfer")];
    assert_eq!(read(&bytes, 5), (expected, None));
}

#[test]
fn broken_rules_are_faults_as_soon_as_they_are_seen() {
    let unmasked = vec![LAST | TEXT, 1, b'a'];
    let long_way = vec![LAST | TEXT, 0x80 | 126, 0, 5];
    let longer_way = [vec![LAST | TEXT, 0x80 | 127], 5_000_u64.to_be_bytes().to_vec()].concat();
    for (what, bytes) in [
        ("a reserved bit", frame(LAST | 0x40 | TEXT, b"a")),
        ("no mask", unmasked),
        ("an unknown opcode", frame(LAST | 0x3, b"a")),
        ("an unknown control opcode", frame(LAST | 0xb, b"a")),
        ("a ping in parts", frame(PING, b"a")),
        ("a long ping", frame(LAST | PING, &[0; 126])),
        ("nothing to continue", frame(LAST | CONTINUED, b"a")),
        ("a message within a message", [frame(TEXT, b"a"), frame(LAST | TEXT, b"b")].concat()),
        ("text that is none", frame(LAST | TEXT, b"\xff")),
        ("half a close code", frame(LAST | CLOSE, b"\x03")),
        ("a close code that stands for none", frame(LAST | CLOSE, &1005_u16.to_be_bytes())),
        ("a reason that is no text", frame(LAST | CLOSE, b"\x03\xe8\xff")),
        ("a length in more bytes than it needs", long_way),
        ("the same in eight", longer_way),
    ] {
        assert_eq!(read(&bytes, 1), (Vec::new(), Some(Fault::Protocol)), "{what}");
    }
}

#[test]
fn after_a_fault_nothing_is_read() {
    let mut reader = Reader::new(MAX);
    reader.take(&[frame(LAST | TEXT, b"\xff"), frame(LAST | TEXT, b"fine")].concat());
    assert_eq!(reader.next(), Err(Fault::Protocol));
    reader.take(&frame(LAST | TEXT, b"fine"));
    assert_eq!(reader.next(), Err(Fault::Protocol));
}

#[test]
fn too_large_is_seen_by_the_head_alone_and_over_all_frames_of_a_message() {
    let large = frame(LAST | BINARY, &vec![0; MAX + 1]);
    assert_eq!(read(&large[..14], 14), (Vec::new(), Some(Fault::TooLarge)));
    let endless = [vec![LAST | BINARY, 0x80 | 127], u64::MAX.to_be_bytes().to_vec()].concat();
    assert_eq!(read(&endless, 10), (Vec::new(), Some(Fault::TooLarge)));
    let parts = [frame(BINARY, &vec![0; MAX]), frame(CONTINUED, b"1")].concat();
    assert_eq!(read(&parts, 1_000), (Vec::new(), Some(Fault::TooLarge)));
    let empty = [frame(BINARY, b""), frame(CONTINUED, b"").repeat(FRAGMENTS_MAX as usize)].concat();
    assert_eq!(read(&empty, 1_000), (Vec::new(), Some(Fault::TooLarge)));
}

#[test]
fn between_messages_and_for_a_mere_promise_nothing_is_kept() {
    let mut reader = Reader::new(MAX);
    reader.take(&frame(LAST | BINARY, &vec![1; 60_000]));
    assert!(matches!(reader.next(), Ok(Some(Message::Binary(_)))));
    assert_eq!((reader.next(), reader.bytes.capacity()), (Ok(None), 0));
    reader.take(&frame(LAST | BINARY, &vec![1; 60_000])[..20]);
    assert_eq!(reader.next(), Ok(None));
    assert!(reader.bytes.capacity() < 1_000);
}

fn has_text_in_parts(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(MAX);
    bytes.chunks(1).any(|byte| {
        reader.take(byte);
        while matches!(reader.next(), Ok(Some(_))) {}
        reader.fragments.as_ref().is_some_and(|fragments| fragments.is_text)
    })
}

/// A client's bytes, for a library that wants to write too.
struct Stream(Cursor<Vec<u8>>);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What an implementation that is not ours reads, up to a close frame, and whether it meets a fault.
fn read_by_another(bytes: &[u8]) -> (Vec<Message>, bool) {
    let config = WebSocketConfig::default().max_message_size(Some(MAX)).max_frame_size(Some(MAX));
    let stream = Stream(Cursor::new(bytes.to_vec()));
    let (mut socket, mut messages) =
        (tungstenite::WebSocket::from_raw_socket(stream, Role::Server, Some(config)), Vec::new());
    loop {
        messages.push(match socket.read() {
            Ok(tungstenite::Message::Text(text)) => Message::Text(text.to_string()),
            Ok(tungstenite::Message::Binary(bytes)) => Message::Binary(bytes.to_vec()),
            Ok(tungstenite::Message::Ping(bytes)) => Message::Ping(bytes.to_vec()),
            Ok(tungstenite::Message::Pong(_) | tungstenite::Message::Frame(_)) => Message::Pong,
            Ok(tungstenite::Message::Close(close)) => {
                messages.push(Message::Close(close.map(|close| close.code.into())));
                return (messages, false);
            }
            Err(tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
                return (messages, false);
            }
            Err(_) => return (messages, true),
        });
    }
}

/// Small, and the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }
}

/// Frames, most of them good; and, one time in two, one byte of all that is another.
fn session(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(6) {
        let opcode = [TEXT, TEXT, BINARY, BINARY, CONTINUED, PING, PONG, CLOSE][random.below(8)];
        let last = if opcode >= CLOSE || random.below(3) > 0 { LAST } else { 0 };
        let len = [0, 2, 20, 125, 126, 300][random.below(6)];
        let mut payload: Vec<u8> = (0..len).map(|_| b'a' + random.below(26) as u8).collect();
        if opcode == CLOSE && len > 0 {
            payload[..2].copy_from_slice(&(998 + random.below(20) as u16).to_be_bytes());
        }
        bytes.extend(frame(last | opcode, &payload));
    }
    if random.below(2) == 0 {
        let at = random.below(bytes.len());
        bytes[at] = random.below(256) as u8;
    }
    bytes
}

#[test]
fn another_implementation_reads_the_same() {
    let (mut random, mut faults, mut closed, mut stricter) = (Random(7), 0, 0, 0);
    for _ in 0..20_000 {
        let bytes = session(&mut random);
        let (mut messages, fault) = read(&bytes, 1 + random.below(bytes.len()));
        // We see by its head what it sees by the whole frame: let it be whole.
        let padding = vec![0; if fault.is_some() { 2 * MAX } else { 0 }];
        let (theirs, their_fault) = read_by_another(&[&bytes[..], &padding].concat());
        if their_fault && messages.starts_with(&theirs) && has_text_in_parts(&bytes) {
            // It looks at each part of a text, we look at the whole: we may read a ping in between that it does not.
            continue;
        }
        if let Some(close) = messages.iter().position(|message| matches!(message, Message::Close(_))) {
            // What comes after it is not looked at.
            messages.truncate(close + 1);
            closed += 1;
            assert_eq!((&messages, false), (&theirs, their_fault), "{bytes:x?}");
            continue;
        }
        faults += usize::from(fault.is_some());
        if theirs.last() == Some(&Message::Close(Some(1002))) {
            // A close code that may not be on the wire: it hands over the one that it answers with.
            assert_eq!((fault, messages.len() + 1), (Some(Fault::Protocol), theirs.len()), "{bytes:x?}");
            continue;
        }
        if (&messages, fault.is_some()) != (&theirs, their_fault) {
            // It takes lengths that are written in more bytes than they need.
            assert!(fault == Some(Fault::Protocol) && theirs.starts_with(&messages), "{bytes:x?}");
            stricter += 1;
        }
    }
    assert!(stricter < 200, "{stricter} times stricter: that is more than lengths");
    assert!(faults > 2_000 && closed > 2_000, "{faults} faults, {closed} closed: the sessions try too little");
}
