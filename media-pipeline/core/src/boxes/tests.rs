//! What a film says of itself, however it is cut.

use super::*;
use proptest::prelude::*;

fn atom(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes()[..], kind, body].concat()
}

fn long(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = body.len() as u64 + 16;
    [&1_u32.to_be_bytes()[..], kind, &size.to_be_bytes(), body].concat()
}

fn list(kind: &[u8; 4], entries: &[u8]) -> Vec<u8> {
    atom(kind, &[&[0, 0, 0, 0, 0, 0, 0, 1], entries].concat())
}

fn place(kind: &[u8; 4], flags: u8, name: &[u8]) -> Vec<u8> {
    atom(kind, &[&[0, 0, 0, flags], name].concat())
}

fn mvhd(scale: u32, ticks: u32) -> Vec<u8> {
    let mut body = vec![0_u8; 100];
    body[12..16].copy_from_slice(&scale.to_be_bytes());
    body[16..20].copy_from_slice(&ticks.to_be_bytes());
    atom(b"mvhd", &body)
}

fn track(place: &[u8], entry: &[u8]) -> Vec<u8> {
    let dinf = atom(b"dinf", &list(b"dref", place));
    let stbl = atom(b"stbl", &[list(b"stsd", entry), atom(b"stts", &[0; 8])].concat());
    let minf = atom(b"minf", &[atom(b"vmhd", &[0; 12]), dinf, stbl].concat());
    atom(b"trak", &[atom(b"tkhd", &[0; 84]), atom(b"mdia", &[atom(b"mdhd", &[0; 24]), minf].concat())].concat())
}

fn moov(place: &[u8], entry: &[u8]) -> Vec<u8> {
    atom(b"moov", &[mvhd(600, 1_200), track(place, entry)].concat())
}

fn honest() -> Vec<u8> {
    moov(&place(b"url ", 1, b""), &atom(b"avc1", &[0; 78]))
}

fn scan(pieces: &[&[u8]]) -> (Result<(), Refusal>, Facts) {
    let mut scanner = Scanner::new();
    let verdict = pieces.iter().try_for_each(|piece| scanner.push(piece));
    (verdict, scanner.facts())
}

#[test]
fn d3_the_place_of_the_index_and_the_claimed_length_are_known_while_it_comes() {
    let first = [atom(b"ftyp", b"isom\0\0\0\0"), honest(), atom(b"mdat", &[7; 50])].concat();
    let (verdict, facts) = scan(&[&first]);
    assert_eq!(verdict, Ok(()));
    assert_eq!((facts.moov_at, facts.duration_ms), (Some(16), Some(2_000)));
    assert!(facts.has_index_first());
    let last = [atom(b"ftyp", b"isom\0\0\0\0"), long(b"mdat", &[7; 50]), honest()].concat();
    let (_, facts) = scan(&[&last]);
    assert_eq!((facts.mdat_at, facts.moov_at), (Some(16), Some(16 + 66)));
    assert!(!facts.has_index_first());
}

#[test]
fn d2_a_length_that_says_nothing_is_none() {
    let said = |header: Vec<u8>| scan(&[&atom(b"moov", &header)]).1.duration_ms;
    assert_eq!(said(mvhd(0, 5)), None);
    assert_eq!(said(mvhd(600, u32::MAX)), None);
    assert_eq!(said(mvhd(1, u32::MAX - 1)), Some(4_294_967_294_000));
    let mut body = vec![0_u8; 112];
    body[0] = 1;
    body[20..24].copy_from_slice(&1_000_u32.to_be_bytes());
    body[24..32].copy_from_slice(&90_000_u64.to_be_bytes());
    assert_eq!(said(atom(b"mvhd", &body)), Some(90_000));
    body[20..24].copy_from_slice(&1_u32.to_be_bytes());
    body[24..32].copy_from_slice(&(u64::MAX - 1).to_be_bytes());
    assert_eq!(said(atom(b"mvhd", &body)), Some(u64::MAX));
}

#[test]
fn d3_films_whose_data_are_elsewhere_are_refused() {
    let entry = atom(b"avc1", &[0; 78]);
    for kind in [b"url ", b"urn ", b"alis", b"rsrc", b"cios"] {
        assert_eq!(scan(&[&moov(&place(kind, 0, b"file:///etc/passwd\0"), &entry)]).0, Err(Reason::External.into()));
        assert_eq!(scan(&[&moov(&place(kind, 1, b"file:///etc/passwd\0"), &entry)]).0, Ok(()));
        assert_eq!(scan(&[&moov(&place(kind, 0, b"\0\0\0\0"), &entry)]).0, Ok(()), "an empty name is none");
    }
    // The second of two.
    let two = [place(b"url ", 1, b""), place(b"url ", 0, b"http://192.0.2.1/\0")].concat();
    assert_eq!(scan(&[&moov(&two, &entry)]).0, Err(Reason::External.into()));
    assert_eq!(scan(&[&atom(b"moov", &atom(b"rmra", &[0; 8]))]).0, Err(Reason::External.into()));
}

#[test]
fn d3_copy_protected_films_are_refused_at_their_index() {
    let here = place(b"url ", 1, b"");
    for kind in [b"encv", b"enca", b"drmi", b"drms"] {
        let both = [atom(b"avc1", &[0; 78]), atom(kind, &[0; 78])].concat();
        let film = [moov(&here, &both), atom(b"mdat", &[0; 20])].concat();
        assert_eq!(scan(&[&film]).0, Err(Reason::Encrypted.into()));
    }
}

#[test]
fn d3_a_refusal_stays() {
    let mut scanner = Scanner::new();
    assert!(scanner.push(&atom(b"moov", &atom(b"rmra", b""))).is_err());
    assert_eq!(scanner.push(&honest()), Ok(()), "what comes after it is not read");
    assert_eq!(scanner.facts().duration_ms, None);
}

#[test]
fn d3_sizes_that_lie_end_where_their_parents_end() {
    // A track that claims four gigabytes lies in an index of its true size: what follows the index is read as boxes again.
    let mut film = atom(b"moov", &atom(b"trak", &[0; 40]));
    film[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
    film.extend_from_slice(&honest());
    assert_eq!(scan(&[&film]).1.duration_ms, Some(2_000));
    // Sizes below a header, and 64 bits of ones.
    for size in 2..8_u32 {
        let bad = [&size.to_be_bytes()[..], b"free", &honest()].concat();
        assert_eq!(scan(&[&bad]), (Ok(()), Facts::default()), "the end, as far as we are concerned");
    }
    let endless = [&1_u32.to_be_bytes()[..], b"mdat", &u64::MAX.to_be_bytes(), &honest()].concat();
    assert_eq!(scan(&[&endless]).1.moov_at, None);
    // An index that goes on to the end.
    let mut open = honest();
    open[..4].copy_from_slice(&0_u32.to_be_bytes());
    assert_eq!(scan(&[&open]).1.duration_ms, Some(2_000));
    // A header that its parent cuts short is no header.
    let cut = [atom(b"moov", b"\0\0\0\x20tra"), atom(b"mdat", b"")].concat();
    assert_eq!(scan(&[&cut]).1.mdat_at, Some(15));
}

/// Films that are nearly right.
fn films() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop_oneof![
        Just(honest()),
        Just(atom(b"ftyp", b"isom\0\0\0\0")),
        Just(atom(b"mdat", &[1; 90])),
        Just(long(b"free", &[0; 9])),
        Just(moov(&place(b"url ", 0, b"\0\0\0\0\0x"), &atom(b"avc1", &[0; 30]))),
        Just(moov(&place(b"alis", 0, b"\0"), &atom(b"encv", &[0; 30]))),
        Just(atom(b"moof", &[0; 12])),
    ];
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (proptest::collection::vec(parts, 1..5), changes).prop_map(|(parts, changes)| {
        let mut film = parts.concat();
        changes.into_iter().for_each(|(index, byte)| *index.get_mut(&mut film) = byte);
        film
    })
}

proptest! {
    #[test]
    fn d3_any_cutting_gives_the_same_verdict(
        film in films(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let whole = scan(&[&film]);
        let bytes: Vec<&[u8]> = film.chunks(1).collect();
        prop_assert_eq!(scan(&bytes), whole);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(film.len())).collect();
        cuts.extend([0, film.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &film[cut[0]..cut[1]]).collect();
        prop_assert_eq!(scan(&pieces), whole);
    }
}
