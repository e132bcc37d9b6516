//! Lists of other files, by whatever name and in whatever wrapping: refused, and nothing of what they name is asked for.

use super::Answer::Refused;
use super::boxes::block;
use super::{BROKEN, Hostile, as_class, film, prove};
use crate::room::bait;
use tertulia_media_core::Class;
use tertulia_media_core::Reason::Unsupported;

#[test]
fn d3_lists_of_other_files_are_refused_and_nothing_is_fetched() {
    let url = format!("http://{}/a.mp4", bait().local_addr().unwrap());
    let texts = [
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{url}\n#EXT-X-ENDLIST\n"),
        format!("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"{url}\"\n#EXTINF:4,\n{url}\n"),
        format!("ffconcat version 1.0\nfile {url}\n"),
        format!("ffconcat version 1.0\nfile file:///etc/hostname\n# {url}\n"),
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n".into(),
        format!("<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><BaseURL>{url}</BaseURL></MPD>"),
        format!("<smil><body><video src=\"{url}\"/></body></smil>"),
        format!("<ASX VERSION=\"3.0\"><ENTRY><REF HREF=\"{url}\"/></ENTRY></ASX>"),
        format!("[playlist]\nFile1={url}\nNumberOfEntries=1\n"),
        format!("<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e SYSTEM \"{url}\">]><playlist>&e;</playlist>"),
        format!("[Reference]\nRef1={url}\n"),
        format!("RTSPtext {url}\n"),
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"{url}\"/></svg>"),
    ];
    prove(|_| {
        let mut all: Vec<Hostile> = Vec::new();
        // What has lists of its own among sounds and pictures.
        for (class, text) in
            [(Class::Audio, &texts[0]), (Class::Voice, &texts[8]), (Class::Image, texts.last().unwrap())]
        {
            let name = format!("{class:?} of a list");
            all.push(as_class(class, name, text.as_bytes().to_vec(), Refused(&[Unsupported])));
        }
        for text in &texts {
            let name = text[..text.len().min(24)].to_owned();
            all.push(film(&name, text.as_bytes().to_vec(), Refused(&[Unsupported])));
            let wrapped = [block(b"ftyp", b"isom\0\0\0\0"), text.as_bytes().to_vec()].concat();
            all.push(film(format!("behind the first box: {name}"), wrapped, Refused(BROKEN)));
        }
        all
    });
    assert!(bait().accept().is_err(), "somebody has come for what a list names");
}
