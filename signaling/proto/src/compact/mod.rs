//! Compact frames: MessagePack frames in which names and ids are short.
//!
//! Of a short message's frame most is names of fields. Here a field that [`KEYS`] knows is its place there, a number; so is a `type`
//! that [`TYPES`] knows. A UUID in its usual form is the 16 bytes that it stands for, and 32 hex digits an extension with theirs. All
//! else is as in a MessagePack frame, names that came later included: so the frames of all versions are read.
//!
//! Invariant: [`unpack`] gives what [`pack`] was given, byte for byte but for the widths of strings' heads; whatever comes, it writes
//! at most [`GROWTH_MAX`] times as much as it reads, and goes no deeper than [`DEPTH_MAX`].

mod names;

pub use names::{KEYS, TYPES};

use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// Nesting that a frame may have; the deepest of ours has 5. Raising it lets a hostile frame use more stack.
pub(crate) const DEPTH_MAX: usize = 16;
/// A name of one byte becomes at most as many, with its head. What frames really are grows to three times their size.
const GROWTH_MAX: usize = 24;
/// The extension that stands for 32 hex digits.
const HEX: u8 = 1;
/// The key whose values [`TYPES`] numbers.
const TYPE: &[u8] = b"type";
const ID_BYTES: usize = 16;
/// Where a UUID has its hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Why bytes are no compact frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It ends in the middle of something.
    #[error("it ends too early")]
    Short,
    /// Something comes after it.
    #[error("something comes after its end")]
    Long,
    /// A number that is no name, or something that frames have not.
    #[error("it has what no frame has")]
    Strange,
    /// It is nested too deeply.
    #[error("it is nested too deeply")]
    Deep,
}

type Numbers = FxHashMap<&'static [u8], u8>;

fn numbers(names: &[&'static str]) -> Numbers {
    (0..=u8::MAX).zip(names).map(|(number, name)| (name.as_bytes(), number)).collect()
}

static KEY_NUMBERS: LazyLock<Numbers> = LazyLock::new(|| numbers(&KEYS));
static TYPE_NUMBERS: LazyLock<Numbers> = LazyLock::new(|| numbers(&TYPES));

/// A MessagePack frame with names, as a compact one.
///
/// # Errors
/// If it is not MessagePack.
pub(crate) fn pack(frame: &[u8]) -> Result<Vec<u8>, Fault> {
    Walk::<Packing>::over(frame, frame.len())
}

/// A compact frame, as a MessagePack one with names.
///
/// # Errors
/// See [`Fault`].
pub(crate) fn unpack(frame: &[u8]) -> Result<Vec<u8>, Fault> {
    Walk::<Unpacking>::over(frame, 3 * frame.len())
}

/// What the `type` of a MessagePack frame with names says. None: it is no map, is broken before it, or has none.
pub(crate) fn type_of(frame: &[u8]) -> Option<&[u8]> {
    // What is before it is packed in vain: we write it first, and so do most.
    let mut walk = Walk::<Packing> { left: frame, out: Vec::new(), way: std::marker::PhantomData };
    let head = walk.byte().ok()?;
    let fields = match head {
        0x80..=0x8f => usize::from(head & 0x0f),
        0xde => walk.len(2).ok()?,
        _ => return None,
    };
    for _ in 0..fields {
        let head = walk.byte().ok()?;
        let is_type = walk.text(head).ok()?? == TYPE;
        if is_type {
            let head = walk.byte().ok()?;
            return walk.text(head).ok()?;
        }
        walk.value(false, 1).ok()?;
    }
    None
}

/// One of the two ways.
trait Way {
    /// A key. True: its value is a `type`.
    fn key(walk: &mut Walk<'_, Self>) -> Result<bool, Fault>
    where
        Self: Sized;
    /// A value that is neither a list nor a map. `head` has been read.
    fn scalar(walk: &mut Walk<'_, Self>, head: u8, is_type: bool) -> Result<(), Fault>
    where
        Self: Sized;
}

struct Packing;
struct Unpacking;

struct Walk<'a, W> {
    left: &'a [u8],
    out: Vec<u8>,
    way: std::marker::PhantomData<W>,
}

impl<'a, W: Way> Walk<'a, W> {
    fn over(frame: &'a [u8], room: usize) -> Result<Vec<u8>, Fault> {
        let mut walk = Self { left: frame, out: Vec::with_capacity(room), way: std::marker::PhantomData };
        walk.value(false, 0)?;
        debug_assert!(walk.out.len() <= GROWTH_MAX * frame.len());
        if walk.left.is_empty() { Ok(walk.out) } else { Err(Fault::Long) }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (taken, left) = self.left.split_at_checked(len).ok_or(Fault::Short)?;
        self.left = left;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    /// A length of so many bytes.
    fn len(&mut self, width: usize) -> Result<usize, Fault> {
        Ok(self.take(width)?.iter().fold(0, |len, byte| (len << 8) | usize::from(*byte)))
    }

    /// The text whose head was read; none if it is none.
    fn text(&mut self, head: u8) -> Result<Option<&'a [u8]>, Fault> {
        let len = match head {
            0xa0..=0xbf => usize::from(head & 0x1f),
            0xd9 => self.len(1)?,
            0xda => self.len(2)?,
            0xdb => self.len(4)?,
            _ => return Ok(None),
        };
        self.take(len).map(Some)
    }

    fn put_text(&mut self, text: &[u8]) {
        let len = text.len();
        match len {
            ..32 => self.out.push(0xa0 | len as u8),
            32..0x100 => self.out.extend_from_slice(&[0xd9, len as u8]),
            0x100..0x1_0000 => {
                self.out.push(0xda);
                self.out.extend_from_slice(&(len as u16).to_be_bytes());
            }
            _ => {
                self.out.push(0xdb);
                self.out.extend_from_slice(&(len as u32).to_be_bytes());
            }
        }
        self.out.extend_from_slice(text);
    }

    /// A number below 256.
    fn put_number(&mut self, number: u8) {
        if number >= 0x80 {
            self.out.push(0xcc);
        }
        self.out.push(number);
    }

    fn value(&mut self, is_type: bool, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::Deep);
        }
        let head = self.byte()?;
        let (items, width) = match head {
            0x80..=0x9f => (usize::from(head & 0x0f), 0),
            0xdc | 0xde => (self.len(2)?, 2),
            0xdd | 0xdf => (self.len(4)?, 4),
            _ => return W::scalar(self, head, is_type),
        };
        self.out.push(head);
        self.out.extend_from_slice(&items.to_be_bytes()[size_of::<usize>() - width..]);
        let is_map = matches!(head, 0x80..=0x8f | 0xde | 0xdf);
        for _ in 0..items {
            let is_type = is_map && W::key(self)?;
            self.value(is_type, depth + 1)?;
        }
        Ok(())
    }

    /// A number, or what is no number, as it is.
    fn copy(&mut self, head: u8) -> Result<(), Fault> {
        let width = match head {
            // Small numbers, nothing, false, true.
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 0,
            0xcc | 0xd0 => 1,
            0xcd | 0xd1 => 2,
            0xca | 0xce | 0xd2 => 4,
            0xcb | 0xcf | 0xd3 => 8,
            _ => return Err(Fault::Strange),
        };
        self.out.push(head);
        let bytes = self.take(width)?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

impl Way for Packing {
    fn key(walk: &mut Walk<'_, Self>) -> Result<bool, Fault> {
        let head = walk.byte()?;
        let key = walk.text(head)?.ok_or(Fault::Strange)?;
        match KEY_NUMBERS.get(key) {
            Some(number) => walk.put_number(*number),
            None => walk.put_text(key),
        }
        Ok(key == TYPE)
    }

    fn scalar(walk: &mut Walk<'_, Self>, head: u8, is_type: bool) -> Result<(), Fault> {
        let Some(text) = walk.text(head)? else { return walk.copy(head) };
        if let Some(number) = TYPE_NUMBERS.get(text).filter(|_| is_type) {
            walk.put_number(*number);
        } else if let Some(id) = of_uuid(text) {
            walk.out.extend_from_slice(&[0xc4, ID_BYTES as u8]);
            walk.out.extend_from_slice(&id);
        } else if let Some(id) = of_hex(text) {
            walk.out.extend_from_slice(&[0xd8, HEX]);
            walk.out.extend_from_slice(&id);
        } else {
            walk.put_text(text);
        }
        Ok(())
    }
}

impl Way for Unpacking {
    fn key(walk: &mut Walk<'_, Self>) -> Result<bool, Fault> {
        let head = walk.byte()?;
        if let Some(key) = walk.text(head)? {
            walk.put_text(key);
            return Ok(key == TYPE);
        }
        let key = walk.name(head, &KEYS)?.ok_or(Fault::Strange)?;
        walk.put_text(key);
        Ok(key == TYPE)
    }

    fn scalar(walk: &mut Walk<'_, Self>, head: u8, is_type: bool) -> Result<(), Fault> {
        if let Some(text) = walk.text(head)? {
            walk.put_text(text);
            return Ok(());
        }
        if is_type {
            let name = walk.name(head, &TYPES)?.ok_or(Fault::Strange)?;
            walk.put_text(name);
            return Ok(());
        }
        match head {
            0xc4 if walk.byte()? == ID_BYTES as u8 => {
                let digits = digits(walk.take(ID_BYTES)?);
                let mut text = Vec::with_capacity(digits.len() + HYPHENS.len());
                for digit in digits {
                    if HYPHENS.contains(&text.len()) {
                        text.push(b'-');
                    }
                    text.push(digit);
                }
                walk.put_text(&text);
                Ok(())
            }
            0xd8 if walk.byte()? == HEX => {
                let digits = digits(walk.take(ID_BYTES)?);
                walk.put_text(&digits);
                Ok(())
            }
            0xc4 | 0xd8 => Err(Fault::Strange),
            _ => walk.copy(head),
        }
    }
}

impl Walk<'_, Unpacking> {
    /// The name of the number whose head was read; none if it is no number.
    fn name(&mut self, head: u8, names: &[&'static str]) -> Result<Option<&'static [u8]>, Fault> {
        let number = match head {
            0x00..=0x7f => head,
            0xcc => self.byte()?,
            _ => return Ok(None),
        };
        names.get(usize::from(number)).map(|name| Some(name.as_bytes())).ok_or(Fault::Strange)
    }
}

fn digits(id: &[u8]) -> Vec<u8> {
    id.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0x0f)]]).collect()
}

/// The bytes of 32 lower-case hex digits.
fn of_hex(text: &[u8]) -> Option<[u8; ID_BYTES]> {
    if text.len() != 2 * ID_BYTES {
        return None;
    }
    let digit = |at: u8| match at {
        b'0'..=b'9' => Some(at - b'0'),
        b'a'..=b'f' => Some(at - b'a' + 10),
        _ => None,
    };
    let mut id = [0; ID_BYTES];
    for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(id)
}

/// The bytes of a UUID as we write it.
fn of_uuid(text: &[u8]) -> Option<[u8; ID_BYTES]> {
    if text.len() != 2 * ID_BYTES + HYPHENS.len() || HYPHENS.iter().any(|at| text[*at] != b'-') {
        return None;
    }
    let mut digits = [0; 2 * ID_BYTES];
    let mut rest = text.iter().enumerate().filter(|(at, _)| !HYPHENS.contains(at)).map(|(_, digit)| *digit);
    digits.iter_mut().zip(&mut rest).for_each(|(digit, of)| *digit = of);
    of_hex(&digits)
}

#[cfg(test)]
mod tests;
