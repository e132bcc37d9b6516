//! Matroska by hand: elements, and a film of JPEGs whose every word can be a lie.

/// An element: its id as it is written, its size in eight bytes, its body.
pub(super) fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    [id, &(body.len() as u64 | 1 << 56).to_be_bytes(), body].concat()
}

/// An element that holds a number.
pub(super) fn number(id: &[u8], value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// What a film is made of. Whoever lies changes a part.
#[derive(Clone)]
pub(super) struct Film {
    /// Within `Info`, besides the scale.
    pub(super) info: Vec<u8>,
    /// Nanoseconds of a tick.
    pub(super) scale: u64,
    /// Within the one track's entry, besides the usual.
    pub(super) entry: Vec<u8>,
    /// Size of the pictures, as said.
    pub(super) size: (u64, u64),
    /// Whole tracks besides.
    pub(super) tracks: Vec<u8>,
    /// What stands before the pictures.
    pub(super) before: Vec<u8>,
    /// The cluster's time, in ticks.
    pub(super) time: u64,
    /// The pictures, each with its time from the cluster's on, in ticks.
    pub(super) pictures: Vec<(i16, Vec<u8>)>,
}

impl Film {
    /// A second of ten pictures.
    pub(super) fn honest() -> Self {
        let picture = super::jpeg(64, 48);
        Self {
            info: Vec::new(),
            scale: 1_000_000,
            entry: Vec::new(),
            size: (64, 48),
            tracks: Vec::new(),
            before: Vec::new(),
            time: 0,
            pictures: (0..10).map(|at| (at * 100, picture.clone())).collect(),
        }
    }

    /// The file.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let head = element(&[0x1a, 0x45, 0xdf, 0xa3], &element(&[0x42, 0x82], b"matroska"));
        let info =
            element(&[0x15, 0x49, 0xa9, 0x66], &[number(&[0x2a, 0xd7, 0xb1], self.scale), self.info.clone()].concat());
        let picture = [number(&[0xb0], self.size.0), number(&[0xba], self.size.1)].concat();
        let usual =
            [number(&[0xd7], 1), number(&[0x73, 0xc5], 1), number(&[0x83], 1), element(&[0x86], b"V_MJPEG")].concat();
        let entry = element(&[0xae], &[usual, element(&[0xe0], &picture), self.entry.clone()].concat());
        let tracks = element(&[0x16, 0x54, 0xae, 0x6b], &[entry, self.tracks.clone()].concat());
        let block = |(time, bytes): &(i16, Vec<u8>)| {
            element(&[0xa3], &[&[0x81][..], &time.to_be_bytes(), &[0x80], bytes].concat())
        };
        let blocks: Vec<u8> = self.pictures.iter().flat_map(block).collect();
        let cluster = element(&[0x1f, 0x43, 0xb6, 0x75], &[number(&[0xe7], self.time), blocks].concat());
        let all = [info, tracks, self.before.clone(), cluster].concat();
        [head, element(&[0x18, 0x53, 0x80, 0x67], &all)].concat()
    }
}

/// A track of sound that has no packets.
pub(super) fn mute_track(place: u64) -> Vec<u8> {
    let sound = element(&[0xe1], &[element(&[0xb5], &48_000_f64.to_be_bytes()), number(&[0x9f], 2)].concat());
    let usual = [number(&[0xd7], place), number(&[0x73, 0xc5], place), number(&[0x83], 2)].concat();
    element(&[0xae], &[usual, element(&[0x86], b"A_PCM/INT/LIT"), number(&[0x62, 0x64], 16), sound].concat())
}
