//! Reads what a client sends: frames of RFC 6455, put together to messages.
//!
//! It is handed bytes as they come and keeps no more of them than it must: of an idle socket nothing. Invariant: whatever
//! comes, it holds at most one message of the largest size, one frame that is not whole yet, and what was handed in with it.
//! Nothing is set aside for what a frame's head only promises. After a fault nothing is read any longer.

/// Frames that one message may come in. Raising it lets a client send more empty ones before they count as anything.
const FRAGMENTS_MAX: u32 = 1_024;
/// The longest payload of a ping, a pong or a close frame (RFC 6455 §5.5).
pub(super) const CONTROL_BYTES_MAX: usize = 125;
const MASK_BYTES: usize = 4;

const CONTINUED: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;
pub(super) const LAST: u8 = 0x80;

/// What a client has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// To be answered by a pong with the same bytes.
    Ping(Vec<u8>),
    /// An answer to a ping, or just so.
    Pong,
    /// Nothing comes after it. With its code, if it has one.
    Close(Option<u16>),
}

/// Why a client's bytes can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A frame or message is larger than it may be.
    TooLarge,
    /// A rule of RFC 6455 is broken.
    Protocol,
}

#[derive(Debug)]
struct Fragments {
    is_text: bool,
    bytes: Vec<u8>,
    count: u32,
}

/// A frame's head.
#[derive(Clone, Copy, Debug)]
struct Head {
    last: bool,
    opcode: u8,
    mask: [u8; MASK_BYTES],
    /// Where in the bytes its payload begins, and how long it is.
    begin: usize,
    len: usize,
}

/// Reads one client's frames.
#[derive(Debug)]
pub(crate) struct Reader {
    message_max: usize,
    /// From the beginning of a frame; what is before `at` has been read.
    bytes: Vec<u8>,
    at: usize,
    /// Of a message that comes in several frames.
    fragments: Option<Box<Fragments>>,
    fault: Option<Fault>,
}

impl Reader {
    /// For messages of at most so many bytes.
    pub(crate) fn new(message_max: usize) -> Self {
        Self { message_max, bytes: Vec::new(), at: 0, fragments: None, fault: None }
    }

    /// Takes what has come. To be called only when [`Self::next`] has found nothing whole.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, if it is whole.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Fault> {
        let read = self.fault.map_or_else(|| self.read(), Err);
        if let Err(fault) = read {
            *self = Self { fault: Some(fault), ..Self::new(self.message_max) };
        }
        read
    }

    fn read(&mut self) -> Result<Option<Message>, Fault> {
        while let Some((head, payload)) = self.frame()? {
            match (head.opcode, head.last) {
                (PING, _) => return Ok(Some(Message::Ping(payload))),
                (PONG, _) => return Ok(Some(Message::Pong)),
                (CLOSE, _) => return close(&payload).map(Some),
                (CONTINUED, last) => {
                    if let Some(message) = self.continued(payload, last)? {
                        return Ok(Some(message));
                    }
                }
                (opcode, true) => return whole(opcode == TEXT, payload).map(Some),
                (opcode, false) => {
                    let first = Fragments { is_text: opcode == TEXT, bytes: payload, count: 1 };
                    self.fragments = Some(Box::new(first));
                }
            }
        }
        Ok(None)
    }

    fn continued(&mut self, payload: Vec<u8>, last: bool) -> Result<Option<Message>, Fault> {
        let mut fragments = self.fragments.take().ok_or(Fault::Protocol)?;
        fragments.count += 1;
        if fragments.count > FRAGMENTS_MAX {
            return Err(Fault::TooLarge);
        }
        fragments.bytes.extend_from_slice(&payload);
        if last {
            return whole(fragments.is_text, fragments.bytes).map(Some);
        }
        self.fragments = Some(fragments);
        Ok(None)
    }

    /// The next frame, if it is whole: its head and its payload in clear.
    fn frame(&mut self) -> Result<Option<(Head, Vec<u8>)>, Fault> {
        let Some(head) = self.head()? else { return Ok(None) };
        let end = head.begin + head.len;
        let Some(masked) = self.bytes.get(head.begin..end) else { return Ok(None) };
        let mut payload = masked.to_vec();
        unmask(&mut payload, head.mask);
        self.at = end;
        if self.at == self.bytes.len() {
            // Most sockets are idle: they keep nothing.
            (self.bytes, self.at) = (Vec::new(), 0);
        }
        Ok(Some((head, payload)))
    }

    /// The next frame's head, if it is whole. What it says is checked before the rest is waited for.
    fn head(&self) -> Result<Option<Head>, Fault> {
        let bytes = &self.bytes[self.at..];
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let (last, reserved, opcode) = (first & LAST != 0, first & 0x70, first & 0x0f);
        let (masked, short) = (second & 0x80 != 0, second & 0x7f);
        if reserved != 0 || !masked {
            return Err(Fault::Protocol);
        }
        let allowed = match opcode {
            CONTINUED => self.fragments.is_some(),
            TEXT | BINARY => self.fragments.is_none(),
            CLOSE | PING | PONG => last && usize::from(short) <= CONTROL_BYTES_MAX,
            _ => false,
        };
        if !allowed {
            return Err(Fault::Protocol);
        }
        let (len, size) = match (short, rest) {
            (126, &[a, b, ..]) => (u64::from(u16::from_be_bytes([a, b])), 2),
            (127, &[a, b, c, d, e, f, g, h, ..]) => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 8),
            (126 | 127, _) => return Ok(None),
            (short, _) => (u64::from(short), 0),
        };
        // A length is written in as few bytes as it needs.
        let least = match size {
            0 => 0,
            2 => 126,
            _ => 0x1_0000,
        };
        if len < least {
            return Err(Fault::Protocol);
        }
        let before = self.fragments.as_ref().filter(|_| opcode == CONTINUED).map_or(0, |earlier| earlier.bytes.len());
        let len = usize::try_from(len).ok().filter(|len| *len <= self.message_max.saturating_sub(before));
        let len = len.ok_or(Fault::TooLarge)?;
        let Some(mask) = rest[size..].first_chunk::<MASK_BYTES>() else { return Ok(None) };
        Ok(Some(Head { last, opcode, mask: *mask, begin: self.at + 2 + size + MASK_BYTES, len }))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; MASK_BYTES]) {
    let (words, rest) = payload.as_chunks_mut::<MASK_BYTES>();
    let key = u32::from_ne_bytes(mask);
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

fn whole(is_text: bool, bytes: Vec<u8>) -> Result<Message, Fault> {
    match is_text {
        true => String::from_utf8(bytes).map(Message::Text).map_err(|_| Fault::Protocol),
        false => Ok(Message::Binary(bytes)),
    }
}

fn close(payload: &[u8]) -> Result<Message, Fault> {
    match payload {
        [] => Ok(Message::Close(None)),
        &[a, b, ref reason @ ..] => {
            let code = u16::from_be_bytes([a, b]);
            // RFC 6455 §7.4: those that may be on the wire.
            let allowed = matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999);
            match allowed && std::str::from_utf8(reason).is_ok() {
                true => Ok(Message::Close(Some(code))),
                false => Err(Fault::Protocol),
            }
        }
        [_] => Err(Fault::Protocol),
    }
}

mod fuzz;
#[doc(hidden)]
pub use fuzz::fuzz;

#[cfg(test)]
mod tests;
