//! Files that are two things at once: taken as the one that their first bytes say, and nothing of the other comes out.

use super::Answer::{Made, Refused};
use super::boxes::block;
use super::{base, jpeg, prove};
use crate::room::table_of;
use std::fs;
use tertulia_media_core::Class;
use tertulia_media_core::Reason::Unsupported;

const SECRET: &str = "<script>alert('polyglot')</script>";

#[test]
fn d7_nothing_of_what_else_a_file_is_comes_out() {
    struct Both(&'static str, Class, Vec<u8>);
    table_of(
        |desk| {
            let film = base(desk, "in.mp4", "-c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart");
            let size = u32::from_be_bytes(film[..4].try_into().unwrap()) as usize;
            let free = block(b"free", SECRET.as_bytes());
            let photo = jpeg(64, 48);
            let comment = [&[0xff, 0xfe][..], &(SECRET.len() as u16 + 2).to_be_bytes(), SECRET.as_bytes()].concat();
            let drawing = fs::read(desk.make("in.png", "-f lavfi -i testsrc2=s=64x48:d=1 -frames:v 1")).unwrap();
            let gif = fs::read(desk.make("in.gif", "-f lavfi -i testsrc2=s=64x48:r=10:d=1")).unwrap();
            let zip = [b"PK\x03\x04", SECRET.as_bytes()].concat();
            let mkv = base(desk, "in.mkv", "-c:v libx264 -pix_fmt yuv420p -c:a aac");
            let moov = film.windows(4).position(|kind| kind == b"moov").unwrap() - 4;
            vec![
                Both("a film and an archive", Class::Video, [&film[..], &zip].concat()),
                Both("a film and a page", Class::Video, [&film, &free[..]].concat()),
                Both("a film and a page behind its name", Class::Video, {
                    // Places in the header count from the file's beginning, so the page takes the place of what is free there.
                    assert_eq!(size, moov);
                    let late = base(desk, "late.mp4", "-c:v libx264 -pix_fmt yuv420p -c:a aac");
                    [&late[..], &free, &zip].concat()
                }),
                Both("a film of Matroska and an archive", Class::Video, [&mkv[..], &zip].concat()),
                Both("a photograph and a program", Class::Image, [&photo[..2], &comment, &photo[2..]].concat()),
                Both("a photograph and an archive", Class::Image, [&photo[..], &zip].concat()),
                Both("a drawing and an archive", Class::Image, [&drawing[..], &zip].concat()),
                Both("a picture that moves and an archive", Class::Image, [&gif[..], &zip].concat()),
            ]
        },
        |both| both.0.to_owned(),
        |desk, Both(_, class, bytes)| {
            let made = desk.run(*class, &desk.file("both", bytes)).unwrap();
            for output in [&made.main, &made.jpeg, &made.webp] {
                let bytes = fs::read(output).unwrap();
                assert!(!bytes.is_empty() && !bytes.windows(8).any(|eight| eight == b"polyglot"), "{output:?}");
            }
        },
    );
}

#[test]
fn d3_what_begins_as_a_document_is_no_film() {
    prove(|desk| {
        let film_bytes = base(desk, "in.mp4", "-c:v libx264 -pix_fmt yuv420p -c:a aac");
        let behind = |head: &[u8]| [head, &film_bytes].concat();
        vec![
            super::film("a film", film_bytes.clone(), Made),
            super::film("a document with a film in it", behind(b"%PDF-1.7\n"), Refused(&[Unsupported])),
            super::film("an archive with a film in it", behind(b"PK\x03\x04"), Refused(&[Unsupported])),
            super::film("a page with a film in it", behind(b"<html>"), Refused(&[Unsupported])),
            super::film("a program with a film in it", behind(b"\x7fELF"), Refused(&[Unsupported])),
            super::film("a film behind nothing", behind(b"\0\0\0\0\0\0\0\0"), Refused(&[Unsupported])),
        ]
    });
}
