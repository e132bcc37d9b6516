//! The dependency descriptor (RTP Payload Format For AV1, appendix A): which frame a packet is of, what of the picture it
//! carries, and who can do without it. It travels in the header, in clear, whatever the codec and however the payload is sealed.
//!
//! The first packet of a key frame brings a [`Structure`]: templates of frames, and decode targets, which are the ways to decode
//! the stream: so many spatial layers, at such a rate. Later packets name a template. What was not read to its end, or names what
//! is not there, is nothing: [`Descriptor::read`] says so, and never panics.

use std::sync::Arc;
use str0m::rtp::{ExtensionSerializer, ExtensionValues};

/// The header extension's name.
pub(crate) const URI: &str = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
/// Bytes of one that is taken. The largest that browsers send, with a structure of nine targets, have a hundred; more would crowd
/// out the payload of its packet.
const BYTES_MAX: usize = 160;
/// Spatial layers of a stream: AV1 numbers them in two bits.
pub(crate) const SPATIAL_MAX: usize = 4;
/// Temporal layers: three bits.
const TEMPORAL_MAX: usize = 8;
/// Decode targets of a stream: five bits.
pub(crate) const TARGETS_MAX: usize = 32;
/// Templates of a structure: six bits.
const TEMPLATES_MAX: usize = 64;

/// A spatial and a temporal layer: of a frame, the one that it is of; of a decode target, the highest that it has. Ordered by size
/// first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
}

/// What a frame is to a decode target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Indication {
    /// It does not need it.
    NotPresent,
    /// It has it, and nothing else refers to it.
    Discardable,
    /// Whoever has it can decode what follows for this target.
    Switch,
    /// It has it, and needs it.
    Required,
}

/// A frame's indications for all targets, two bits each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Indications(u64);

impl Indications {
    pub(crate) const fn of(self, target: u8) -> Indication {
        match (self.0 >> (target as u32 * 2)) & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }

    pub(crate) fn has(self, target: u8) -> bool {
        self.of(target) != Indication::NotPresent
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Template {
    layer: Point,
    indications: Indications,
    refers: bool,
}

/// How a stream is built, from one key frame to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Structure {
    id_offset: u8,
    templates: Vec<Template>,
    chains: u8,
    /// The layers of each decode target.
    pub(crate) targets: Vec<Point>,
    /// Width and height of each spatial layer, if it says so.
    pub(crate) resolutions: Vec<(u32, u32)>,
}

impl Structure {
    /// Whether all that one target has is in another too: from the other to it a decoder can go at any picture.
    pub(crate) fn is_within(&self, target: u8, other: u8) -> bool {
        self.templates.iter().all(|of| !of.indications.has(target) || of.indications.has(other))
    }

    /// Every target, a bit each.
    const fn all(&self) -> u32 {
        u32::MAX >> (32 - self.targets.len() as u32)
    }

    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let id_offset = u8::try_from(bits.take(6)?).ok()?;
        let targets = bits.take(5)? as u8 + 1;
        let mut templates = Self::read_layers(bits)?;
        for template in &mut templates {
            template.indications = bits.indications(targets)?;
        }
        for template in &mut templates {
            while bits.take(1)? == 1 {
                bits.take(4)?;
                template.refers = true;
            }
        }
        let chains = bits.non_symmetric(u32::from(targets) + 1)? as u8;
        if chains > 0 {
            for _ in 0..targets {
                bits.non_symmetric(u32::from(chains))?;
            }
            bits.skip(templates.len() * usize::from(chains) * 4)?;
        }
        let layer_of = |target: u8| {
            let its = templates.iter().filter(|template| template.indications.has(target)).map(|of| of.layer);
            its.fold(Point::default(), |a, b| Point {
                spatial: a.spatial.max(b.spatial),
                temporal: a.temporal.max(b.temporal),
            })
        };
        let targets: Vec<Point> = (0..targets).map(layer_of).collect();
        let mut resolutions = Vec::new();
        if bits.take(1)? == 1 {
            let spatial = templates.last().map_or(0, |template| template.layer.spatial);
            for _ in 0..=spatial {
                resolutions.push((bits.take(16)? + 1, bits.take(16)? + 1));
            }
        }
        Some(Self { id_offset, templates, chains, targets, resolutions })
    }

    fn read_layers(bits: &mut Bits<'_>) -> Option<Vec<Template>> {
        let (mut templates, mut layer) = (Vec::new(), Point::default());
        loop {
            if templates.len() >= TEMPLATES_MAX {
                return None;
            }
            templates.push(Template { layer, ..Template::default() });
            match bits.take(2)? {
                0 => {}
                1 => layer.temporal += 1,
                2 => layer = Point { spatial: layer.spatial + 1, temporal: 0 },
                _ => return Some(templates),
            }
            if usize::from(layer.spatial) >= SPATIAL_MAX || usize::from(layer.temporal) >= TEMPORAL_MAX {
                return None;
            }
        }
    }
}

/// What a packet's descriptor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// It is the first of its frame, and the last.
    pub(crate) first: bool,
    pub(crate) last: bool,
    pub(crate) frame: u16,
    pub(crate) layer: Point,
    pub(crate) indications: Indications,
    /// Its frame refers to others.
    pub(crate) refers: bool,
    /// How the stream is built from here on.
    pub(crate) attached: Option<Arc<Structure>>,
    /// Which targets there are from here on, a bit each.
    pub(crate) active: Option<u32>,
}

impl Descriptor {
    /// Reads a descriptor of a stream that is built like `known`; none where it is none, or of something that is not known.
    pub(crate) fn read(bytes: &[u8], known: Option<&Structure>) -> Option<Self> {
        let mut bits = Bits { bytes, at: 0 };
        let (first, last) = (bits.take(1)? == 1, bits.take(1)? == 1);
        let template = bits.take(6)? as u8;
        let frame = u16::try_from(bits.take(16)?).ok()?;
        let has_more = bytes.len() > 3;
        let mut flag = || if has_more { Some(bits.take(1)? == 1) } else { Some(false) };
        let [has_structure, has_active, own_indications, own_references, own_chains] =
            [flag()?, flag()?, flag()?, flag()?, flag()?];
        let attached = if has_structure { Some(Structure::read(&mut bits)?) } else { None };
        let structure = attached.as_ref().or(known)?;
        let targets = u8::try_from(structure.targets.len()).ok()?;
        let mut active = has_structure.then(|| structure.all());
        if has_active {
            active = Some(bits.mask(targets)?);
        }
        let index = (template + 64 - structure.id_offset) % 64;
        let template = structure.templates.get(usize::from(index))?;
        let (layer, mut indications, mut refers) = (template.layer, template.indications, template.refers);
        if own_indications {
            indications = bits.indications(targets)?;
        }
        if own_references {
            refers = bits.references()?;
        }
        if own_chains {
            bits.skip(usize::from(structure.chains) * 8)?;
        }
        let attached = attached.map(Arc::new);
        Some(Self { first, last, frame, layer, indications, refers, attached, active })
    }

    /// Whether it begins a picture that needs no other, and says how the stream is built.
    pub(crate) fn opens(&self) -> bool {
        self.first && !self.refers && self.layer.spatial == 0 && self.attached.is_some()
    }
}

/// Bits, the highest of a byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// A number of so many bits, 32 at most.
    fn take(&mut self, count: usize) -> Option<u32> {
        let end = self.at + count;
        if end > self.bytes.len() * 8 {
            return None;
        }
        let mut number = 0;
        while self.at < end {
            let byte = *self.bytes.get(self.at / 8)?;
            number = number << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(number)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// A number below `count`, in as few bits as that takes (AV1 specification §4.10.7).
    fn non_symmetric(&mut self, count: u32) -> Option<u32> {
        let width = u32::BITS - count.leading_zeros();
        let short = (1u32 << width) - count;
        let number = self.take(width as usize - 1)?;
        if number < short { Some(number) } else { Some((number << 1) - short + self.take(1)?) }
    }

    fn indications(&mut self, targets: u8) -> Option<Indications> {
        let mut all = 0;
        for target in 0..u32::from(targets) {
            all |= u64::from(self.take(2)?) << (target * 2);
        }
        Some(Indications(all))
    }

    /// The bits of so many targets. The last comes first: its bit is the highest.
    fn mask(&mut self, targets: u8) -> Option<u32> {
        self.take(usize::from(targets))
    }

    /// A frame's own references. Whether there are any.
    fn references(&mut self) -> Option<bool> {
        let mut any = false;
        loop {
            let size = self.take(2)? as usize;
            if size == 0 {
                return Some(any);
            }
            self.skip(size * 4)?;
            any = true;
        }
    }
}

/// For the fuzz targets: reads `data` as a key frame's descriptor, then its end as one of a frame after it.
///
/// Invariant checked: what is read names only what its structure has.
pub fn fuzz(data: &[u8]) {
    let Some(opening) = Descriptor::read(data, None) else { return };
    let Some(structure) = &opening.attached else { return };
    assert!(
        (1..=TARGETS_MAX).contains(&structure.targets.len())
            && (1..=TEMPLATES_MAX).contains(&structure.templates.len())
    );
    let after = data.get(data.len().saturating_sub(7)..).and_then(|end| Descriptor::read(end, Some(structure)));
    for read in [Some(&opening), after.as_ref()].into_iter().flatten() {
        assert!(usize::from(read.layer.spatial) < SPATIAL_MAX && usize::from(read.layer.temporal) < TEMPORAL_MAX);
        assert!(read.active.is_none_or(|active| active & !structure.all() == 0));
        for target in 0..structure.targets.len() as u8 {
            assert!(structure.is_within(target, target));
        }
    }
}

/// A descriptor as it came, to be sent on.
#[derive(Debug)]
pub(crate) struct Raw {
    len: u8,
    bytes: [u8; BYTES_MAX],
}

impl Raw {
    fn new(from: &[u8]) -> Option<Self> {
        let mut bytes = [0; BYTES_MAX];
        bytes.get_mut(..from.len()).filter(|_| from.len() >= 3)?.copy_from_slice(from);
        Some(Self { len: u8::try_from(from.len()).ok()?, bytes })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A descriptor with a frame number of the slot's own.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) raw: Arc<Raw>,
    pub(crate) frame: u16,
}

/// Has the stack read and write descriptors. They are longer than a header's short form holds when they bring a structure.
#[derive(Debug)]
pub(crate) struct Serializer;

impl ExtensionSerializer for Serializer {
    fn write_to(&self, buf: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(numbered) = values.user_values.get::<Numbered>() else { return 0 };
        let bytes = numbered.raw.bytes();
        let Some(to) = buf.get_mut(..bytes.len()) else { return 0 };
        to.copy_from_slice(bytes);
        if let Some(frame) = to.get_mut(1..3) {
            frame.copy_from_slice(&numbered.frame.to_be_bytes());
        }
        bytes.len()
    }

    fn parse_value(&self, buf: &[u8], values: &mut ExtensionValues) -> bool {
        Raw::new(buf).map(|raw| values.user_values.set(raw)).is_some()
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        /// What a header's short form holds.
        const SHORT_MAX: usize = 16;
        values.user_values.get::<Numbered>().is_some_and(|numbered| numbered.raw.bytes().len() > SHORT_MAX)
    }
}

#[cfg(test)]
#[path = "../tests/sim/describe.rs"]
pub(crate) mod describe;

#[cfg(test)]
mod tests {
    use super::describe::{BitWriter, Mode};
    use super::*;
    use proptest::prelude::*;

    const MODES: [Mode; 6] = [
        Mode::new(1, 2, false),
        Mode::new(1, 3, false),
        Mode::new(2, 1, false),
        Mode::new(3, 3, false),
        Mode::new(3, 3, true),
        Mode::new(4, 3, false),
    ];

    #[test]
    fn c7_what_was_written_of_every_frame_of_every_structure_is_read() {
        for mode in MODES {
            let key = &mode.picture(0)[0];
            let bytes = mode.descriptor(key, 7, (true, false), true, None);
            let opening = Descriptor::read(&bytes, None).unwrap();
            assert!(opening.opens() && !opening.last, "{mode:?}");
            let structure = opening.attached.unwrap();
            assert_eq!(opening.active, Some(structure.all()));
            assert_eq!(structure.resolutions.last(), Some(&(1_280, 720)));
            let points =
                (0..mode.spatial).flat_map(|spatial| (0..mode.temporal).map(move |temporal| (spatial, temporal)));
            let points: Vec<Point> = points.map(|(spatial, temporal)| Point { spatial, temporal }).collect();
            assert_eq!(structure.targets, points, "{mode:?}");
            for frame in mode.templates() {
                let said = mode.descriptor(&frame, 65_535, (false, true), false, Some(1));
                let read = Descriptor::read(&said, Some(&structure)).unwrap();
                assert_eq!((read.first, read.last, read.frame, read.active), (false, true, 65_535, Some(1)));
                assert_eq!((read.layer.spatial, read.layer.temporal), (frame.spatial, frame.temporal));
                assert_eq!(read.refers, !frame.refers.is_empty());
                for point in &points {
                    let target = mode.target(point.spatial, point.temporal);
                    let expected = match mode.indication(&frame, point.spatial, point.temporal) {
                        '-' => Indication::NotPresent,
                        'D' => Indication::Discardable,
                        'S' => Indication::Switch,
                        _ => Indication::Required,
                    };
                    assert_eq!(read.indications.of(target), expected, "{mode:?} {frame:?} {point:?}");
                }
            }
        }
    }

    #[test]
    fn c7_a_packet_by_hand() {
        // First of frame 0x1234, template 5; nothing else.
        let structure = {
            let mode = Mode::new(1, 2, false);
            let bytes = mode.descriptor(&mode.picture(0)[0], 0, (true, true), true, None);
            Descriptor::read(&bytes, None).unwrap().attached.unwrap()
        };
        assert_eq!(Descriptor::read(&[0x80 | 61, 0x12, 0x34], None), None, "of what is not known");
        let read = Descriptor::read(&[0x80 | 61, 0x12, 0x34], Some(&structure)).unwrap();
        assert_eq!((read.first, read.last, read.frame, read.layer.temporal), (true, false, 0x1234, 0));
        assert_eq!(Descriptor::read(&[0x80 | 5, 0x12, 0x34], Some(&structure)), None, "no such template");
        // Its own indications (D, S), one reference of 5 frames back in 4 bits and one in 12, then its chain.
        let mut to = BitWriter::default();
        for (bits, value) in
            [(8, 0x40 | 61), (16, 9), (5, 0b00111), (4, 0b0110), (2, 1), (4, 4), (2, 3), (12, 99), (2, 0), (8, 1)]
        {
            to.put(bits, value);
        }
        let bytes = to.into_bytes();
        let read = Descriptor::read(&bytes, Some(&structure)).unwrap();
        assert_eq!([0, 1].map(|target| read.indications.of(target)), [Indication::Discardable, Indication::Switch]);
        assert!(read.refers && read.last);
        for len in 0..bytes.len() {
            if len != 3 {
                assert_eq!(Descriptor::read(&bytes[..len], Some(&structure)), None, "cut short at {len}");
            }
        }
    }

    #[test]
    fn c7_what_has_too_many_layers_is_refused() {
        let layers = |steps: &[u32]| {
            let mut to = BitWriter::default();
            to.put(24, 0x80_0000);
            to.put(5, 0b10000);
            to.put(11, 0);
            steps.iter().for_each(|step| to.put(2, *step));
            to.put(2, 3);
            (0..4_000).for_each(|_| to.put(1, 0));
            Descriptor::read(&to.into_bytes(), None)
        };
        assert!(layers(&[1, 1, 1, 2, 2, 2]).is_some());
        assert_eq!(layers(&[2, 2, 2, 2]), None, "a fifth size");
        assert_eq!(layers(&[1; 8]), None, "a ninth rate");
        assert_eq!(layers(&[0; 64]), None, "too many templates");
    }

    #[test]
    fn c7_a_target_is_within_another_where_a_decoder_can_go_down_at_any_picture() {
        for (key_only, goes_down) in [(false, true), (true, false)] {
            let mode = Mode::new(3, 3, key_only);
            let bytes = mode.descriptor(&mode.picture(0)[0], 0, (true, true), true, None);
            let structure = Descriptor::read(&bytes, None).unwrap().attached.unwrap();
            assert!(structure.is_within(mode.target(2, 0), mode.target(2, 2)), "fewer pictures");
            assert!(!structure.is_within(mode.target(2, 2), mode.target(2, 0)));
            assert_eq!(structure.is_within(mode.target(0, 2), mode.target(2, 2)), goes_down, "smaller ones");
        }
    }

    #[test]
    fn a_descriptor_is_sent_on_with_a_number_of_its_own() {
        let mut values = ExtensionValues::default();
        assert!(!Serializer.parse_value(&[1, 2], &mut values) && !Serializer.parse_value(&[0; 161], &mut values));
        for len in [3, 16, 17, 160] {
            let came: Vec<u8> = (0..len).map(|at| at as u8).collect();
            assert!(Serializer.parse_value(&came, &mut values));
            let raw = values.user_values.get_arc::<Raw>().unwrap();
            assert_eq!(raw.bytes(), came);
            values.user_values.set(Numbered { raw, frame: 0xabcd });
            let mut buf = [0; 200];
            assert_eq!(Serializer.write_to(&mut buf, &values), len);
            assert_eq!((buf[0], &buf[1..3], &buf[3..len]), (0, &[0xab, 0xcd][..], &came[3..]));
            assert_eq!(Serializer.requires_two_byte_form(&values), len > 16);
            assert_eq!(Serializer.write_to(&mut buf[..2], &values), 0, "no room");
        }
        assert_eq!(Serializer.write_to(&mut [0; 200], &ExtensionValues::default()), 0);
    }

    proptest! {
        #[test]
        fn c7_nothing_that_a_stranger_writes_is_more_than_refused(
            mode in 0..MODES.len(), bytes in prop::collection::vec(any::<u8>(), 0..200), flips in prop::collection::vec(any::<(u8, u8)>(), 0..6)
        ) {
            crate::fuzzing::descriptor(&bytes);
            let mode = MODES[mode];
            let mut near = mode.descriptor(&mode.picture(0)[0], 3, (true, false), true, Some(3));
            for (at, with) in flips {
                let at = usize::from(at) % near.len();
                near[at] ^= with;
            }
            crate::fuzzing::descriptor(&near);
        }
    }
}
