//! Mutations from a seed: the same number makes the same inputs on every machine.

/// Inputs do not grow beyond this.
const BYTES_MAX: usize = 16 * 1024;
/// Changes to one input, at most.
const CHANGES_MAX: usize = 6;
/// Values at the edges of what fields hold.
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'\n'];

/// A small generator of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which must not be zero.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next_u64() % bound as u64).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.next_u64().to_le_bytes()[0]
    }
}

/// A seed with some changes: bits, bytes, pieces taken out, doubled, or taken from another seed.
pub fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut data = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(CHANGES_MAX) {
        let other = random.below(seeds.len());
        change(random, &mut data, &seeds[other]);
        data.truncate(BYTES_MAX);
    }
    data
}

fn change(random: &mut Random, data: &mut Vec<u8>, other: &[u8]) {
    let kind = random.below(9);
    if data.is_empty() || kind == 0 {
        let at = random.below(data.len() + 1);
        return data.insert(at, random.byte());
    }
    let at = random.below(data.len());
    match kind {
        1 => data[at] ^= 1 << random.below(8),
        2 => data[at] = random.byte(),
        3 => data[at] = EDGES[random.below(EDGES.len())],
        4 => data[at] = data[at].wrapping_add(random.byte() % 33).wrapping_sub(16),
        5 => data.truncate(at),
        6 => drop(data.drain(piece(random, data.len()))),
        7 => {
            let copied = data[piece(random, data.len())].to_vec();
            data.splice(at..at, copied);
        }
        _ if other.is_empty() => {}
        _ => {
            let copied = other[piece(random, other.len())].to_vec();
            let end = (at + random.below(copied.len() + 1)).min(data.len());
            data.splice(at..end, copied);
        }
    }
}

/// A piece of something that is `len` long, short ones more often.
fn piece(random: &mut Random, len: usize) -> std::ops::Range<usize> {
    let longest = if random.below(2) == 0 { len.min(16) } else { len };
    let start = random.below(len);
    start..(start + 1 + random.below(longest)).min(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_makes_the_same_inputs_and_they_differ() {
        let seeds = [b"{\"type\":\"ack\"}".to_vec(), vec![], vec![0; 300]];
        let inputs = |number| {
            let mut random = Random(number);
            (0..200).map(|_| mutate(&mut random, &seeds)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
        let mut distinct = inputs(7);
        distinct.sort();
        distinct.dedup();
        assert!(distinct.len() > 150, "{}", distinct.len());
    }
}
