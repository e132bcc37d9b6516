//! MP4s taken apart: boxes changed anywhere within, sizes made right again.

/// A box.
pub(super) fn block(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, body].concat()
}

/// Bytes of a box's body before the boxes within.
fn own(kind: &[u8; 4]) -> usize {
    match kind {
        b"dref" | b"stsd" => 8,
        b"meta" => 4,
        b"avc1" | b"encv" => 78,
        b"mp4a" | b"enca" => 28,
        _ => 0,
    }
}

/// Changes the bodies of all boxes that a path of kinds leads to.
pub(super) fn edit(bytes: &[u8], path: &[&[u8; 4]], change: &dyn Fn(&mut Vec<u8>)) -> Vec<u8> {
    let (mut at, mut all) = (0, Vec::new());
    while at + 8 <= bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let kind: [u8; 4] = bytes[at + 4..at + 8].try_into().unwrap();
        let mut body = bytes[at + 8..at + size].to_vec();
        if Some(&&kind) == path.first() {
            if path.len() == 1 {
                change(&mut body);
            } else {
                let inner = edit(&body[own(&kind)..], &path[1..], change);
                body.splice(own(&kind).., inner);
            }
        }
        all.extend(block(&kind, &body));
        at += size;
    }
    all
}

/// Writes a word at a place of each such box.
pub(super) fn word(bytes: &[u8], path: &[&[u8; 4]], at: usize, value: u32) -> Vec<u8> {
    edit(bytes, path, &|body| body[at..at + 4].copy_from_slice(&value.to_be_bytes()))
}

/// Puts another body into each such box.
pub(super) fn replace(bytes: &[u8], path: &[&[u8; 4]], with: &[u8]) -> Vec<u8> {
    edit(bytes, path, &|body| *body = with.to_vec())
}

/// A table: version and flags, a count, and words.
pub(super) fn words(count: u32, words: &[u32]) -> Vec<u8> {
    [0, count].iter().chain(words).flat_map(|word| word.to_be_bytes()).collect()
}

/// The body of the first box of a kind at the top.
pub(super) fn body<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> &'a [u8] {
    let mut at = 0;
    loop {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if &bytes[at + 4..at + 8] == kind {
            return &bytes[at + 8..at + size];
        }
        at += size;
    }
}
