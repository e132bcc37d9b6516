//! MP4 and MOV: other files, encryption, tables that lie, loops, headers out of all proportion.

use super::Answer::{Either, Made, Refused};
use super::boxes::{block, body, edit, replace, word, words};
use super::{BROKEN, Hostile, base, film, jpeg, prove};
use std::io::Write as _;
use tertulia_media_core::Reason::{
    self, Damaged, Empty, Encrypted, External, TooComplex, TooLong, TooManyPixels, Unsupported,
};

const CODED: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac";
const TABLE: &[&[u8; 4]] = &[b"moov", b"trak", b"mdia", b"minf", b"stbl"];
/// Tables that lie: damaged, too much, or as much as is true.
const LIES: &[Reason] = &[Damaged, Empty, TooComplex, TooLong];

fn table(kind: &'static [u8; 4]) -> Vec<&'static [u8; 4]> {
    [TABLE, &[kind]].concat()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// A header that is packed, and says how long it will be.
fn packed(header: &[u8], said: u32) -> Vec<u8> {
    let data = [&said.to_be_bytes()[..], header].concat();
    block(b"moov", &block(b"cmov", &[block(b"dcom", b"zlib"), block(b"cmvd", &data)].concat()))
}

/// Everything but the header.
fn without_header(whole: &[u8]) -> Vec<u8> {
    let (mut at, mut all) = (0, Vec::new());
    while at + 8 <= whole.len() {
        let size = u32::from_be_bytes(whole[at..at + 4].try_into().unwrap()) as usize;
        if &whole[at + 4..at + 8] != b"moov" {
            all.extend(&whole[at..at + size]);
        }
        at += size;
    }
    all
}

fn entry(kind: &[u8; 4], name: &[u8]) -> Vec<u8> {
    [&words(1, &[])[..], &block(kind, &[&[0; 4], name].concat())].concat()
}

#[test]
fn d3_what_refers_to_other_files_or_is_locked_is_refused() {
    let path = [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"];
    prove(|desk| {
        let whole = base(desk, "in.mov", CODED);
        let external = |kind, name: &[u8]| replace(&whole, &path, &entry(kind, name));
        let header = body(&external(b"url ", b"file:///etc/hostname\0"), b"moov").to_vec();
        let header = block(b"moov", &header);
        let hidden = [without_header(&whole), packed(&deflated(&header), header.len() as u32)].concat();
        let behind = |count| {
            let crowd = block(b"free", b"").repeat(count);
            [&body_first(&whole)[..], &crowd, &rest(&external(b"url ", b"http://127.0.0.1:9/\0"))].concat()
        };
        let key = "-encryption_scheme cenc-aes-ctr -encryption_key 00112233445566778899aabbccddeeff \
            -encryption_kid 112233445566778899aabbccddeeff00";
        let locked = base(desk, "locked.mp4", &format!("{CODED} {key}"));
        let relabelled = edit(&locked, &table(b"stsd"), &|body| {
            let name = if &body[12..16] == b"encv" { b"avc1" } else { b"mp4a" };
            body[12..16].copy_from_slice(name);
        });
        vec![
            film("a file's address", external(b"url ", b"file:///etc/hostname\0"), Refused(&[External])),
            film("a web address", external(b"url ", b"http://127.0.0.1:9/a.mov\0"), Refused(&[External])),
            film("a name", external(b"urn ", b"urn:x\0http://127.0.0.1:9/\0"), Refused(&[External])),
            film(
                "an alias",
                external(b"alis", &[b"\0\0\0\0".repeat(40), b"/etc/hostname".to_vec()].concat()),
                Refused(&[External]),
            ),
            film("a resource", external(b"rsrc", b"/etc/hostname"), Refused(&[External])),
            // What it names is not opened: its own bytes are shown.
            film("in a packed header", hidden, Either(&[External, Damaged, Empty, Unsupported])),
            film("behind a crowd of boxes", behind(30_000), Refused(&[External])),
            film("behind a larger crowd", behind(150_000), Refused(&[TooComplex])),
            film("locked", locked, Refused(&[Encrypted])),
            film("locked, and says it is not", relabelled, Refused(&[Encrypted])),
        ]
    });
}

fn body_first(whole: &[u8]) -> Vec<u8> {
    let size = u32::from_be_bytes(whole[..4].try_into().unwrap()) as usize;
    whole[..size].to_vec()
}

fn rest(whole: &[u8]) -> Vec<u8> {
    whole[body_first(whole).len()..].to_vec()
}

#[test]
fn d3_tables_that_lie_are_measured_or_refused() {
    const MANY: u32 = u32::MAX;
    prove(|desk| {
        let whole = base(desk, "in.mp4", CODED);
        let with = |kind: &'static [u8; 4], body: Vec<u8>| replace(&whole, &table(kind), &body);
        let mut all = vec![
            film("stts of no count", with(b"stts", words(0, &[])), Either(LIES)),
            film("stts says more than is there", with(b"stts", words(MANY, &[1, 1])), Either(LIES)),
            film("stts of endless samples", with(b"stts", words(1, &[MANY, 1])), Either(LIES)),
            film("stts of no time", with(b"stts", words(1, &[10_000, 0])), Either(LIES)),
            film("stts of endless time", with(b"stts", words(1, &[10_000, 0x7fff_ffff])), Either(LIES)),
            film("stts that goes back", with(b"stts", words(1, &[10_000, 0xffff_fff0])), Either(LIES)),
            film("ctts of endless count", with(b"ctts", words(MANY, &[1, 1])), Either(LIES)),
            film("stsz of endless samples", with(b"stsz", words(1, &[MANY])), Either(LIES)),
            film("stsz of ten million samples", with(b"stsz", words(1, &[10_000_000])), Either(LIES)),
            film("stsz of endless bytes", with(b"stsz", words(0x7fff_ffff, &[20])), Either(LIES)),
            film("stsc that goes back", with(b"stsc", words(3, &[9, 1, 1, 5, 1, 1, 1, 1, 1])), Either(LIES)),
            film("stsc of endless samples", with(b"stsc", words(1, &[1, MANY, 1])), Either(LIES)),
            film("stco beyond the end", with(b"stco", words(2, &[MANY, MANY - 1])), Either(LIES)),
            film("stco of endless count", with(b"stco", words(MANY, &[48])), Either(LIES)),
            film("stss of endless count", with(b"stss", words(MANY, &[1])), Either(LIES)),
            film("stsd of endless count", word(&whole, &table(b"stsd"), 4, MANY), Either(LIES)),
            film("stsd of nothing", with(b"stsd", words(1, &[0, 0])), Refused(&[Damaged, Empty, Unsupported])),
            film(
                "a codec nobody knows",
                edit(&whole, &table(b"stsd"), &|body| body[12..16].copy_from_slice(b"zzzz")),
                Refused(&[Unsupported, Damaged, Empty]),
            ),
        ];
        for value in [0, 1, 0x7fff_ffff, MANY] {
            for (kind, path) in [("mvhd", vec![b"moov", b"mvhd"]), ("mdhd", vec![b"moov", b"trak", b"mdia", b"mdhd"])] {
                all.push(film(format!("{kind} counts in {value}"), word(&whole, &path, 12, value), Either(LIES)));
                all.push(film(format!("{kind} is {value} long"), word(&whole, &path, 16, value), Either(LIES)));
            }
        }
        for (at, name) in [(40, "a"), (44, "b"), (76, "width")] {
            for value in [0, 0x7fff_ffff, 0x8000_0000] {
                let changed = word(&whole, &[b"moov", b"trak", b"tkhd"], at, value);
                all.push(film(format!("tkhd's {name} is {value:#x}"), changed, Either(LIES)));
            }
        }
        all
    });
}

#[test]
fn d3_edits_and_fragments_that_never_end_are_refused_or_end() {
    prove(|desk| {
        let whole = base(desk, "in.mp4", CODED);
        let edits = |count: u32, edit: [u32; 3]| {
            let body = words(count, &edit.repeat(count.min(100_000) as usize));
            replace(&whole, &[b"moov", b"trak", b"edts", b"elst"], &body)
        };
        let pieces = base(desk, "f.mp4", &format!("{CODED} -g 2 -movflags +frag_keyframe+empty_moov+dash"));
        let in_piece = |kind: &'static [u8; 4], at, value| word(&pieces, &[b"moof", b"traf", kind], at, value);
        let endless = [&words(1, &[1, 90_000, 0, 0])[..], &u16::MAX.to_be_bytes(), &[0; 4]].concat();
        let index = block(b"sidx", &[endless, [0_u8; 12].repeat(65_535)].concat());
        let looped = [body_first(&pieces), index.repeat(4), rest(&pieces)].concat();
        let empty = [&pieces[..], &block(b"moof", &block(b"mfhd", &[0; 8])).repeat(50_000)].concat();
        vec![
            film("a hundred thousand edits of all", edits(100_000, [1_000, 0, 0x1_0000]), Either(LIES)),
            film("a hundred thousand edits of nothing", edits(100_000, [1_000, u32::MAX, 0x1_0000]), Either(LIES)),
            film("edits of endless count", edits(u32::MAX, [1_000, 0, 0x1_0000]), Either(LIES)),
            film("an edit of endless length", edits(1, [u32::MAX, 0, 0x1_0000]), Either(LIES)),
            film("an edit from beyond the end", edits(1, [1_000, 0x7fff_ffff, 0x1_0000]), Either(LIES)),
            film("an edit of no speed", edits(1, [1_000, 0, 0]), Either(LIES)),
            film("an index that points at itself", looped, Either(LIES)),
            film("a run of endless samples", in_piece(b"trun", 4, u32::MAX), Either(LIES)),
            film("a run of ten million samples", in_piece(b"trun", 4, 10_000_000), Either(LIES)),
            film("a run that begins before the file", in_piece(b"trun", 8, 0x8000_0000), Either(LIES)),
            film("a piece at the end of time", in_piece(b"tfdt", 4, 0x7fff_ffff), Either(LIES)),
            film("a piece of no track", in_piece(b"tfhd", 4, 77), Either(LIES)),
            film("fifty thousand empty pieces", empty, Either(LIES)),
        ]
    });
}

#[test]
fn d3_headers_out_of_all_proportion_are_refused() {
    prove(|desk| {
        let whole = base(desk, "in.mp4", CODED);
        let rest = without_header(&whole);
        let header = block(b"moov", body(&whole, b"moov"));
        let zeros = deflated(&vec![0; 60_000_000]);
        let mut deep = Vec::new();
        for _ in 0..3_000 {
            deep = block(b"udta", &deep);
        }
        let tracks = block(b"moov", &[body(&whole, b"moov"), &block(b"trak", b"").repeat(100_000)].concat());
        let mut large = rest.clone();
        large.extend(94_000_000_u32.to_be_bytes());
        large.extend(b"moov");
        large.extend(body(&whole, b"moov"));
        let large = Hostile {
            length: rest.len() as u64 + 94_000_000,
            ..film("90 MB of header", large, Refused(&[TooComplex]))
        };
        let claims = [&rest[..], &94_000_000_u32.to_be_bytes(), b"moov", body(&whole, b"moov")].concat();
        let wide =
            |size: u64| [&rest[..], &1_u32.to_be_bytes(), b"moov", &size.to_be_bytes(), body(&whole, b"moov")].concat();
        let picture = |side: u16| {
            edit(&whole, &table(b"stsd"), &|body| {
                if &body[12..16] == b"avc1" {
                    body[40..44].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
                }
            })
        };
        vec![
            large,
            film("says that it has 90 MB of header", claims, Refused(&[TooComplex, Damaged])),
            film("a header of 2^63 bytes", wide(1 << 63), Refused(&[TooComplex, Damaged])),
            film("a header of 2^64 bytes", wide(u64::MAX), Refused(&[TooComplex, Damaged])),
            film("a packed header", [&rest[..], &packed(&deflated(&header), header.len() as u32)].concat(), Made),
            film(
                "a packed header that swells",
                [&rest[..], &packed(&zeros, 60_000_000)].concat(),
                Refused(&[Damaged, Empty, TooComplex]),
            ),
            film(
                "a packed header that says it swells",
                [&rest[..], &packed(&zeros[..999], u32::MAX)].concat(),
                Refused(&[Damaged, Empty, TooComplex]),
            ),
            film(
                "boxes within boxes",
                [&rest[..], &block(b"moov", &[body(&whole, b"moov"), &deep].concat())].concat(),
                Either(BROKEN),
            ),
            film("a hundred thousand tracks", [&rest[..], &tracks].concat(), Refused(&[TooComplex, Damaged])),
            film("a header that never came", rest.clone(), Refused(&[Damaged, Empty])),
            film("an eighth of a header", whole[..rest.len() + header.len() / 8].to_vec(), Refused(&[Damaged, Empty])),
            film("two headers", [&whole[..], &header].concat(), Either(BROKEN)),
            film("pictures of 65535 × 65535", picture(65_535), Either(&[TooManyPixels, Damaged])),
            film("pictures of 0 × 0", picture(0), Either(&[Damaged, Empty])),
        ]
    });
}

#[test]
fn d3_pictures_larger_than_their_container_says_are_refused() {
    prove(|desk| {
        let small = base(desk, "in.mov", "-c:v png -an");
        // 30000 × 30000 pixels of one bit, all alike: 112 MB in 109 kB.
        let header = [&30_000_u32.to_be_bytes()[..], &30_000_u32.to_be_bytes(), &[1, 0, 0, 0, 0]].concat();
        let bomb = super::pictures::png(&header, &deflated(&vec![0; 30_000 * 3_751]));
        let swollen = with_samples(&small, &bomb);
        let photo = base(desk, "p.mov", "-c:v mjpeg -an");
        let mut large = jpeg(64, 48);
        let frame = large.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        large[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
        let strip = std::fs::read(desk.make("s.mov", "-f lavfi -i color=red:s=65500x2:r=5:d=1 -c:v mjpeg")).unwrap();
        let line =
            std::fs::read(desk.make("l.mov", "-f lavfi -i color=red:s=1x65534:r=5:d=1,format=rgb24 -c:v png")).unwrap();
        let dot =
            std::fs::read(desk.make("d.mov", "-f lavfi -i color=red:s=1x1:r=5:d=1,format=rgb24 -c:v png")).unwrap();
        vec![
            film("a PNG of 30000 × 30000 in a small film", swollen, Refused(&[Damaged, TooManyPixels, TooComplex])),
            film(
                "a JPEG of 65535 × 65535 in a small film",
                with_samples(&photo, &large),
                Refused(&[Damaged, TooManyPixels]),
            ),
            film("65500 pixels across, two down", strip, Made),
            film("one pixel across, 65534 down", line, Either(&[Unsupported])),
            film("one pixel", dot, Made),
        ]
    });
}

/// A film of one track whose every sample is this one.
fn with_samples(whole: &[u8], sample: &[u8]) -> Vec<u8> {
    let first = [&body_first(whole)[..], &block(b"mdat", sample)].concat();
    let at = first.len() - sample.len();
    let header = block(b"moov", body(whole, b"moov"));
    let header = replace(&header, &table(b"stco"), &words(1, &[at as u32]));
    let header = replace(&header, &table(b"stsc"), &words(1, &[1, 1, 1]));
    let header = replace(&header, &table(b"stts"), &words(1, &[1, 1_024]));
    [first, replace(&header, &table(b"stsz"), &words(0, &[1, sample.len() as u32]))].concat()
}
