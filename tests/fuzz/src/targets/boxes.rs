//! Boxes of a film as they stream by. Invariants: the verdict is the same however the film is cut; what is said of places lies
//! within the film.
//!
//! The first byte says how long the pieces are.

use tertulia_media_core::Refusal;
use tertulia_media_core::boxes::{Facts, Scanner};

/// Reads `data` as a film, whole, in pieces, and byte by byte.
pub fn target(data: &[u8]) {
    let Some((&piece, film)) = data.split_first() else { return };
    let whole = scan(film, film.len().max(1));
    assert_eq!(whole, scan(film, usize::from(piece).max(1)), "in pieces of {piece} it is another film");
    assert_eq!(whole, scan(film, 1), "byte by byte it is another film");
    let Facts { moov_at, mdat_at, .. } = whole.1;
    for at in [moov_at, mdat_at].into_iter().flatten() {
        let name = usize::try_from(at).ok().and_then(|at| film.get(at + 4..at + 8));
        assert!(matches!(name, Some(b"moov" | b"mdat")), "there is no such box at {at}");
    }
}

fn scan(film: &[u8], piece: usize) -> (Result<(), Refusal>, Facts) {
    let mut scanner = Scanner::new();
    let verdict = film.chunks(piece).try_for_each(|piece| scanner.push(piece));
    (verdict, scanner.facts())
}
