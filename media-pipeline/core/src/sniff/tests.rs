//! What files begin as.

use super::*;
use proptest::prelude::*;

fn ftyp(major: &[u8; 4], compatible: &[&[u8; 4]]) -> Vec<u8> {
    let mut file = u32::try_from(16 + 4 * compatible.len()).unwrap().to_be_bytes().to_vec();
    file.extend_from_slice(b"ftyp");
    file.extend_from_slice(major);
    file.extend_from_slice(&[0; 4]);
    compatible.iter().for_each(|brand| file.extend_from_slice(*brand));
    file.extend_from_slice(b"\0\0\0\x08free");
    file
}

fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let mut all = id.to_vec();
    all.extend_from_slice(&(0x1000_0000 | u32::try_from(body.len()).unwrap()).to_be_bytes());
    all.extend_from_slice(body);
    all
}

fn matroska(doc_type: &[u8], kinds: &[u8]) -> Vec<u8> {
    let tracks: Vec<u8> = kinds.iter().flat_map(|kind| element(&[0xae], &element(&[0x83], &[*kind]))).collect();
    let mut file = element(&[0x1a, 0x45, 0xdf, 0xa3], &element(&[0x42, 0x82], doc_type));
    // A segment of unknown length, as live recorders write it.
    file.extend_from_slice(&[0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    file.extend_from_slice(&element(&[0x15, 0x49, 0xa9, 0x66], b"info"));
    file.extend_from_slice(&element(&[0x16, 0x54, 0xae, 0x6b], &tracks));
    file
}

fn ogg(streams: &[&[u8]]) -> Vec<u8> {
    let mut file = Vec::new();
    for stream in streams {
        file.extend_from_slice(b"OggS\0\x02");
        file.extend_from_slice(&[0; 20]);
        file.extend_from_slice(&[1, u8::try_from(stream.len()).unwrap()]);
        file.extend_from_slice(stream);
    }
    file.extend_from_slice(b"OggS\0\0");
    file
}

/// Two frames of 48 kHz, 128 kbit/s, layer 3.
fn mp3() -> Vec<u8> {
    let mut frame = vec![0xff, 0xfb, 0x94, 0x00];
    frame.resize(384, 0);
    frame.repeat(2)
}

/// Two frames of 16 bytes.
fn adts() -> Vec<u8> {
    let mut frame = vec![0xff, 0xf1, 0x4c, 0x80, 0x02, 0x1f, 0xfc];
    frame.resize(16, 0);
    frame.repeat(2)
}

fn format(head: impl AsRef<[u8]>) -> Format {
    sniff(head.as_ref()).format
}

#[test]
fn d3_boxes_are_told_by_their_brands() {
    assert_eq!(format(ftyp(b"isom", &[b"iso2", b"avc1", b"mp41"])), Format::Mp4);
    assert_eq!(format(ftyp(b"mp42", &[])), Format::Mp4);
    assert_eq!(format(ftyp(b"XYZW", &[b"isom"])), Format::Mp4, "an unknown brand is still a film");
    assert_eq!(format(ftyp(b"qt  ", &[])), Format::Mov);
    assert_eq!(format(ftyp(b"3gp5", &[b"isom"])), Format::ThreeGp);
    assert_eq!(format(ftyp(b"3g2a", &[])), Format::ThreeGp);
    assert_eq!(format(ftyp(b"M4A ", &[b"isom", b"mp42"])), Format::M4a);
    assert_eq!(format(ftyp(b"heic", &[b"mif1"])), Format::Heic);
    assert_eq!(format(ftyp(b"mif1", &[b"miaf", b"avif"])), Format::Avif);
    assert_eq!(format(ftyp(b"mif1", &[b"heic"])), Format::Heic);
    assert_eq!(format(ftyp(b"crx ", &[b"isom"])), Format::Other, "a raw picture is no film");
    // Cut within the brands, or with none at all.
    assert_eq!(format(&ftyp(b"isom", &[b"iso2"])[..9]), Format::Mp4);
}

#[test]
fn d3_films_of_before_there_were_brands_are_films() {
    for kind in [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"] {
        assert_eq!(format([&8_u32.to_be_bytes()[..], kind].concat()), Format::Mov);
    }
    assert_eq!(format(b"\0\0\0\x01mdat\0\0\0\0\x10\0\0\0"), Format::Mov, "a size of 64 bits");
    assert_eq!(format(b"I'm free on Tuesday"), Format::Text);
    assert_eq!(format(b"\0\0\0\x04moov"), Format::Other, "a box is at least its own header");
}

#[test]
fn d3_matroska_says_what_it_is_and_whether_it_is_sound() {
    assert_eq!(format(matroska(b"webm", &[1, 2])), Format::WebM);
    assert_eq!(format(matroska(b"matroska\0\0", &[2, 1, 17])), Format::Matroska);
    assert_eq!(format(matroska(b"webm", &[2])), Format::MatroskaSound);
    assert_eq!(format(matroska(b"matroska", &[2, 2])), Format::MatroskaSound);
    assert_eq!(format(matroska(b"webm", &[])), Format::WebM);
    let cut = matroska(b"webm", &[2]);
    assert_eq!(format(&cut[..cut.len() - 1]), Format::WebM, "what is not seen whole may have pictures");
    assert_eq!(format(matroska(b"something", &[1])), Format::Other);
}

#[test]
fn d8_sounds_are_told_apart() {
    assert_eq!(format(mp3()), Format::Mp3);
    assert_eq!(format(adts()), Format::Aac);
    assert_eq!(format([&b"ID3\x04\0\0\0\0\0\x02xx"[..], &mp3()].concat()), Format::Mp3);
    assert_eq!(format([&b"ID3\x04\0\0\0\0\0\x02xx"[..], &adts()].concat()), Format::Aac);
    assert_eq!(format(b"ID3\x03\0\0\0\x7f\x7f\x7f cover"), Format::Mp3, "the tag is longer than what is seen");
    assert_eq!(format(ogg(&[b"OpusHead\x01\x01"])), Format::OggSound);
    assert_eq!(format(ogg(&[b"fishead\0", b"\x01vorbis"])), Format::OggSound);
    assert_eq!(format(b"RIFF\0\0\0\0WAVEfmt "), Format::Wav);
    assert_eq!(format(b"#!AMR-WB\n\x0c"), Format::Amr);
    assert_eq!(format(b"fLaC\0\0\0\x22"), Format::Flac);
    // UTF-16 begins as a frame does, but goes on as none.
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain("Hello, hello, hello!".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(format(utf16), Format::Other);
    let mut broken = mp3();
    broken[384] = 0;
    assert_eq!(format(broken), Format::Other);
}

#[test]
fn d7_pictures_are_told_apart() {
    assert_eq!(format(b"\xff\xd8\xff\xe1\0\x10Exif"), Format::Jpeg);
    assert_eq!(format(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Format::Png);
    assert_eq!(format(b"GIF89a\x01\0"), Format::Gif);
    assert_eq!(format(b"RIFF\x10\0\0\0WEBPVP8 "), Format::WebP);
}

#[test]
fn d2_what_is_video_but_not_accepted_passes_as_a_document_only() {
    let mut transport = vec![0_u8; 188 * 3];
    (0..3).for_each(|packet| transport[packet * 188] = 0x47);
    let mut timed = vec![0_u8; 192 * 3];
    (0..3).for_each(|packet| timed[4 + packet * 192] = 0x47);
    let films: [Vec<u8>; 9] = [
        transport,
        timed,
        b"\0\0\x01\xba\x44".to_vec(),
        b"FLV\x01\x05".to_vec(),
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9".to_vec(),
        b".RMF\0\0\0\x12".to_vec(),
        ogg(&[b"\x80theora\x03", b"\x01vorbis"]),
        ogg(&[b"\x01vorbis", b"\x80theora\x03"]),
        b"\0\0\0\x01\x67\x64\0\x1f".to_vec(),
    ];
    for film in films {
        let sniffed = sniff(&film);
        assert_eq!(sniffed.kind(), Kind::OtherVideo, "{sniffed:?}");
        assert_eq!(class_for(sniffed, Treatment::Auto), Err(Reason::Unsupported.into()));
        assert_eq!(class_for(sniffed, Treatment::Voice), Err(Reason::Unsupported.into()));
        assert_eq!(class_for(sniffed, Treatment::Document), Ok(Class::Document));
        assert_eq!(class_for(sniffed, Treatment::Sealed), Ok(Class::Sealed));
    }
}

#[test]
fn d3_text_that_players_follow_is_for_download_only() {
    let followed: [&str; 12] = [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\nfile:///etc/passwd\n",
        "\u{feff}  #EXTM3U\n",
        "ffconcat version 1.0\nfile /etc/passwd\n",
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
        "<smil><body/></smil>",
        "<?xml version=\"1.0\"?>\n<!-- > --><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\">",
        "<?xml version='1.0'?><!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' [<!ENTITY x 'y'>]><svg/>",
        "<svg:svg xmlns:svg='http://www.w3.org/2000/svg'/>",
        "<SVG onload='alert(1)'>",
        "[playlist]\nFile1=/etc/passwd\n",
        "<SmoothStreamingMedia/>",
        "<asx version=\"3.0\"><entry/></asx>",
    ];
    for text in followed {
        let sniffed = sniff(text.as_bytes());
        assert_eq!(sniffed.format, Format::Follower, "{text}");
        assert_eq!(class_for(sniffed, Treatment::Auto), Err(Reason::Unsupported.into()));
        assert_eq!(class_for(sniffed, Treatment::Document), Ok(Class::Document));
        assert_eq!(mime_of_document(sniffed, Some("film.mp4")), OCTETS);
    }
    for text in ["#EXTINF", "<html><svg/></html>", "a < b", "<?xml version='1.0'?><note/>", "ffconcat"] {
        assert_eq!(format(text), Format::Text, "{text}");
    }
}

#[test]
fn d9_what_is_sealed_is_sealed_whatever_it_looks_like() {
    for head in [&b"\xff\xd8\xff\xe0"[..], b"#EXTM3U", &ftyp(b"isom", &[]), b"\x17\x92"] {
        assert_eq!(class_for(sniff(head), Treatment::Sealed), Ok(Class::Sealed));
    }
    assert_eq!(class_for(sniff(b""), Treatment::Sealed), Err(Reason::Empty.into()));
}

#[test]
fn d1_each_class_comes_from_what_it_begins_as() {
    let class = |head: &[u8], treatment| class_for(sniff(head), treatment);
    assert_eq!(class(&ftyp(b"isom", &[]), Treatment::Auto), Ok(Class::Video));
    assert_eq!(class(&ftyp(b"M4A ", &[]), Treatment::Auto), Ok(Class::Audio));
    assert_eq!(class(b"GIF89a", Treatment::Auto), Ok(Class::Image));
    assert_eq!(class(b"%PDF-1.7", Treatment::Auto), Ok(Class::Document));
    assert_eq!(class(&ftyp(b"3gp4", &[]), Treatment::Voice), Ok(Class::Voice));
    assert_eq!(class(b"GIF89a", Treatment::Voice), Err(Reason::Unsupported.into()));
    // Two things at once are what they begin as.
    assert_eq!(class(&[&b"%PDF-1.7\n"[..], &ftyp(b"isom", &[])].concat(), Treatment::Auto), Ok(Class::Document));
    assert_eq!(class(&[&b"\xff\xd8\xff\xe0"[..], b"<script>"].concat(), Treatment::Auto), Ok(Class::Image));
}

#[test]
fn d1_documents_get_a_type_that_no_browser_runs() {
    let mime = |head: &[u8], name| mime_of_document(sniff(head), name);
    assert_eq!(mime(b"%PDF-1.7", Some("a.html")), "application/pdf");
    assert_eq!(mime(b"PK\x03\x04", Some("letter.DOCX")), ZIP_WORD);
    assert_eq!(mime(b"PK\x03\x04", Some("letter.html")), "application/zip");
    assert_eq!(mime(b"hello", Some("notes.txt")), "text/plain");
    assert_eq!(mime(b"<html><script>", Some("page.html")), OCTETS);
    assert_eq!(mime(b"<svg/>", Some("page.svg")), OCTETS);
    assert_eq!(mime(b"\0\x01\x02", Some("notes.txt")), OCTETS, "binary is not text, whatever its name");
    assert_eq!(mime(b"hello", None), OCTETS);
}

const ZIP_WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

proptest! {
    #[test]
    fn d1_any_bytes_are_something(head in proptest::collection::vec(any::<u8>(), 0..600), start in 0..12_usize) {
        let starts: [&[u8]; 12] = [
            b"", b"\0\0\0\x20ftyp", b"\x1a\x45\xdf\xa3", b"OggS\0\x02", b"ID3\x04", b"\xff\xfb", b"\xff\xf1", b"RIFF",
            b"<?xml", b"<!doctype ", b"\0\0\0\x14ftypmif1", b"\x1a\x45\xdf\xa3\x84\x42\x82\x81",
        ];
        let head = [starts[start], &head].concat();
        let sniffed = sniff(&head);
        prop_assert_eq!(sniffed.format == Format::Nothing, head.is_empty());
        for treatment in Treatment::ALL {
            if let Ok(class) = class_for(sniffed, treatment) {
                let untouched = matches!(treatment, Treatment::Document | Treatment::Sealed);
                prop_assert!(!untouched || !class.is_processed());
            }
        }
        let mime = mime_of_document(sniffed, Some("x.html"));
        prop_assert!(!mime.contains("html") && !mime.contains("svg") && !mime.contains("script"));
    }

    #[test]
    fn d1_what_comes_after_the_head_does_not_count(mut file in proptest::collection::vec(any::<u8>(), HEAD_BYTES..HEAD_BYTES + 64)) {
        let whole = sniff(&file);
        file.truncate(HEAD_BYTES);
        prop_assert_eq!(whole, sniff(&file));
    }
}
