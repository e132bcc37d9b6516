//! Dependency descriptors as a publisher writes them: for streams of so many layers, in the order in which browsers number their
//! templates and targets. Written from the specification, apart from what reads it.

/// How a stream is built: `L{spatial}T{temporal}`, or with `_KEY` where only key frames refer from one size to the next smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    pub(crate) key_only: bool,
}

/// One frame of such a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    pub(crate) key: bool,
    /// How many frames back those are that it refers to.
    pub(crate) refers: Vec<u16>,
}

/// Bits, the highest of a byte first.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    count: usize,
}

impl BitWriter {
    pub(crate) fn put(&mut self, bits: usize, value: u32) {
        for bit in (0..bits).rev() {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= (((value >> bit) & 1) as u8) << (7 - self.count % 8);
            }
            self.count += 1;
        }
    }

    /// AV1 specification §4.10.7.
    pub(crate) fn put_non_symmetric(&mut self, count: u32, value: u32) {
        let mut width = 0;
        while (count >> width) != 0 {
            width += 1;
        }
        let short = (1 << width) - count;
        if value < short {
            self.put(width - 1, value);
        } else {
            self.put(width - 1, (value + short) >> 1);
            self.put(1, (value + short) & 1);
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Mode {
    pub(crate) const fn new(spatial: u8, temporal: u8, key_only: bool) -> Self {
        Self { spatial, temporal, key_only }
    }

    /// The temporal layers of the pictures, one after the other.
    fn pattern(self) -> &'static [u8] {
        match self.temporal {
            1 => &[0],
            2 => &[0, 1],
            _ => &[0, 2, 1, 2],
        }
    }

    /// The frames of a picture: the `index`th since a key frame, which is the first.
    pub(crate) fn picture(self, index: usize) -> Vec<Frame> {
        let at = index % self.pattern().len();
        let temporal = self.pattern()[at];
        // How many pictures back the one is that a frame refers to.
        let back = match (self.temporal, at) {
            (1, _) | (2, 1) | (3, 1 | 3) => 1,
            (2, _) | (3, 2) => 2,
            _ => 4,
        };
        let frame = |spatial: u8| {
            let key = index == 0;
            let mut refers = Vec::new();
            if !key {
                refers.push(back * u16::from(self.spatial));
            }
            if spatial > 0 && (key || !self.key_only) {
                refers.push(1);
            }
            Frame { spatial, temporal, key, refers }
        };
        (0..self.spatial).map(frame).collect()
    }

    /// Every kind of frame there is, by layer.
    pub(crate) fn templates(self) -> Vec<Frame> {
        let mut templates: Vec<Frame> = Vec::new();
        for index in 0..=self.pattern().len() {
            for frame in self.picture(index) {
                if !templates.contains(&frame) {
                    templates.push(frame);
                }
            }
        }
        templates.sort_by_key(|frame| (frame.spatial, frame.temporal, !frame.key));
        templates
    }

    /// What a frame is to the target of these layers: `-`, `D`, `S` or `R`.
    pub(crate) fn indication(self, frame: &Frame, spatial: u8, temporal: u8) -> char {
        if frame.temporal > temporal || frame.spatial > spatial {
            '-'
        } else if frame.spatial == spatial {
            if frame.temporal == 0 || frame.temporal < temporal { 'S' } else { 'D' }
        } else if frame.key {
            'S'
        } else if self.key_only {
            '-'
        } else {
            'R'
        }
    }

    fn targets(self) -> impl Iterator<Item = (u8, u8)> {
        (0..self.spatial).flat_map(move |spatial| (0..self.temporal).map(move |temporal| (spatial, temporal)))
    }

    /// The number of the target of these layers.
    pub(crate) fn target(self, spatial: u8, temporal: u8) -> u8 {
        spatial * self.temporal + temporal
    }

    fn put_structure(self, to: &mut BitWriter, id_offset: u32) {
        let templates = self.templates();
        let count = u32::from(self.spatial * self.temporal);
        to.put(6, id_offset);
        to.put(5, count - 1);
        for pair in templates.windows(2) {
            let next = if pair[1].spatial > pair[0].spatial { 2 } else { pair[1].temporal - pair[0].temporal };
            to.put(2, u32::from(next));
        }
        to.put(2, 3);
        for template in &templates {
            for (spatial, temporal) in self.targets() {
                to.put(2, "-DSR".find(self.indication(template, spatial, temporal)).unwrap_or(0) as u32);
            }
        }
        for template in &templates {
            for back in &template.refers {
                to.put(1, 1);
                to.put(4, u32::from(back - 1));
            }
            to.put(1, 0);
        }
        let chains = u32::from(self.spatial);
        to.put_non_symmetric(count + 1, chains);
        for (spatial, _) in self.targets() {
            to.put_non_symmetric(chains, u32::from(spatial));
        }
        for _ in 0..templates.len() * usize::from(self.spatial) {
            to.put(4, 9);
        }
        to.put(1, 1);
        for spatial in 0..self.spatial {
            let height = 720 >> (self.spatial - 1 - spatial);
            to.put(16, height * 16 / 9 - 1);
            to.put(16, height - 1);
        }
    }

    /// The descriptor of a packet. With `structure` it brings that, with `active` it says which targets there are.
    pub(crate) fn descriptor(
        self,
        frame: &Frame,
        number: u16,
        (first, last): (bool, bool),
        structure: bool,
        active: Option<u32>,
    ) -> Vec<u8> {
        const ID_OFFSET: u32 = 60;
        let index = self.templates().iter().position(|template| template == frame).unwrap_or(0) as u32;
        let mut to = BitWriter::default();
        to.put(1, u32::from(first));
        to.put(1, u32::from(last));
        to.put(6, (index + ID_OFFSET) % 64);
        to.put(16, u32::from(number));
        if structure || active.is_some() {
            to.put(1, u32::from(structure));
            to.put(1, u32::from(active.is_some()));
            to.put(3, 0);
        }
        if structure {
            self.put_structure(&mut to, ID_OFFSET);
        }
        if let Some(active) = active {
            to.put(usize::from(self.spatial * self.temporal), active);
        }
        to.into_bytes()
    }
}
