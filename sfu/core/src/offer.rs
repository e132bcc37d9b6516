//! A client's SDP offer (RFC 9429), read and prepared before str0m sees it.
//!
//! What is read: the lines, what each sends or receives, and the order of the video codecs, which is the client's to
//! choose. What is changed, by whole lines only:
//! - Transport-wide feedback is taken out of audio lines: the estimate does not use it there, and it would add a
//!   feedback datagram for every few packets (a quarter of the cost of an audio call).
//! - Lines that receive get one stream id (`a=msid`, RFC 8830) for all, so that browsers keep a participant's voice and
//!   picture together (they synchronise within a stream).
//! - The dependency descriptor is taken out of an offer that does not bear headers of both forms (RFC 8285 §4.2, §6): with the
//!   structure of a stream it fits the long form only.
//! - Simulcast (RFC 8853) is told in its plainest form, and only where it is of use: on lines that only send pictures, of two
//!   layers or more and no more than are served. A client whose simulcast is left out sends one layer.

use crate::descriptor;
use crate::error::ConnectError;
use crate::limits::Limits;
use crate::peer::LAYERS_MAX;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use str0m::IceCreds;
use str0m::format::Codec;
use str0m::media::{MediaKind, Mid, Rid};

/// The stream that all slots of a peer belong to.
const STREAM_ID: &str = "call";

/// A line (`m=`) of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    /// The client sends on it.
    pub(crate) sends: bool,
    /// The client receives on it.
    pub(crate) receives: bool,
    /// Of the layers in which it sends, the smallest first; none where it sends one.
    pub(crate) rids: Vec<Rid>,
}

/// An offer that is ready for str0m.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) sdp: String,
    pub(crate) lines: Vec<Line>,
    /// Video codecs, the client's favourite first.
    pub(crate) video_codecs: Vec<Codec>,
    /// RED (RFC 2198) comes before Opus: the client wants to send it.
    pub(crate) wants_red: bool,
    /// A video line has transport-wide feedback. Without it a receiver says by REMB what it can take, and measures that
    /// by the packets' absolute send times.
    pub(crate) has_transport_feedback: bool,
}

/// Reads and prepares an offer.
///
/// # Errors
/// If it is too large, or not an offer of audio and video lines with a `mid` each.
pub(crate) fn prepare(offer: &str, limits: &Limits) -> Result<Offer, ConnectError> {
    let too_large = |unit, limit, actual| Err(ConnectError::OfferTooLarge { unit, limit, actual });
    if offer.len() > limits.offer_bytes_max {
        return too_large("bytes", limits.offer_bytes_max, offer.len());
    }
    let mut sections = sections(offer);
    if !sections[0].first().is_some_and(|line| line.starts_with("v=0")) {
        return Err(invalid("not SDP"));
    }
    if sections.len() < 2 {
        return Err(invalid("no media lines"));
    }
    if sections.len() - 1 > limits.offer_lines_max {
        return too_large("lines", limits.offer_lines_max, sections.len() - 1);
    }
    let session = sections.remove(0);
    let session_direction = direction(&session);

    let mut sdp = String::with_capacity(offer.len() + 64);
    push_lines(&mut sdp, &session);
    let mut prepared =
        Offer { sdp, lines: Vec::new(), video_codecs: Vec::new(), wants_red: false, has_transport_feedback: false };
    let lines = sections.iter().map(|section| read_line(section, session_direction)).collect::<Result<Vec<_>, _>>()?;
    let sees = lines.iter().any(|line| line.receives && line.kind == MediaKind::Video);
    let mut meanings = HashMap::new();
    let bears_both_forms = offer.lines().any(|line| line.trim_end() == "a=extmap-allow-mixed");
    for (section, line) in sections.iter().zip(lines) {
        read_payload_types(section, &mut meanings)?;
        if prepared.lines.iter().any(|other| other.mid == line.mid) {
            return Err(invalid("two lines with one mid"));
        }
        match line.kind {
            MediaKind::Audio => prepared.wants_red |= line.sends && wants_red(section),
            MediaKind::Video => {
                add_codecs(&mut prepared.video_codecs, section);
                prepared.has_transport_feedback |= section.iter().any(|line| is_transport_feedback(line));
            }
        }
        rewrite_section(&mut prepared.sdp, section, &line, sees, bears_both_forms);
        prepared.lines.push(line);
    }
    Ok(prepared)
}

/// Puts our ICE credentials into an answer, in place of those that str0m drew for a restart.
pub(crate) fn with_credentials(answer: &str, ours: &IceCreds) -> String {
    let (ufrag, password) = (&ours.ufrag, &ours.pass);
    let mut text = String::with_capacity(answer.len());
    for line in answer.lines() {
        match line.split_once(':') {
            Some(("a=ice-ufrag", _)) => push_line(&mut text, &format!("a=ice-ufrag:{ufrag}")),
            Some(("a=ice-pwd", _)) => push_line(&mut text, &format!("a=ice-pwd:{password}")),
            // A candidate may name the fragment that it belongs to (RFC 8838 §8.2).
            Some(("a=candidate", candidate)) => {
                let candidate = candidate.split_once(" ufrag ").map_or(candidate, |(candidate, _)| candidate);
                push_line(&mut text, &format!("a=candidate:{candidate}"));
            }
            _ => push_line(&mut text, line),
        }
    }
    text
}

/// Adds the credentials that the client may restart ICE with by itself: lines of our own, which others pass over.
pub(crate) fn with_later<'a>(answer: &str, later: impl Iterator<Item = &'a IceCreds>) -> String {
    let (session, media) = answer.split_at(answer.find("\nm=").map_or(answer.len(), |before| before + 1));
    let mut text = session.to_owned();
    for credentials in later {
        push_line(&mut text, &format!("a=x-restart:{} {}", credentials.ufrag, credentials.pass));
    }
    text + media
}

fn invalid(why: &str) -> ConnectError {
    ConnectError::OfferInvalid(why.to_owned())
}

/// The session's lines, then those of each `m=` section.
fn sections(offer: &str) -> Vec<Vec<&str>> {
    let mut sections = vec![Vec::new()];
    for line in offer.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    sections
}

/// `(sends, receives)`, if the lines say so.
fn direction(lines: &[&str]) -> Option<(bool, bool)> {
    lines.iter().find_map(|line| match *line {
        "a=sendrecv" => Some((true, true)),
        "a=sendonly" => Some((true, false)),
        "a=recvonly" => Some((false, true)),
        "a=inactive" => Some((false, false)),
        _ => None,
    })
}

fn read_line(section: &[&str], session_direction: Option<(bool, bool)>) -> Result<Line, ConnectError> {
    let kind = match section[0] {
        line if line.starts_with("m=audio ") => MediaKind::Audio,
        line if line.starts_with("m=video ") => MediaKind::Video,
        line if line.starts_with("m=application ") => return Err(invalid("data channels are not served")),
        _ => return Err(invalid("a line that is neither audio nor video")),
    };
    if section[0].split(' ').nth(1).is_none_or(|port| port.parse::<u16>().is_err()) {
        return Err(invalid("a line without a port"));
    }
    let mid =
        section.iter().find_map(|line| line.strip_prefix("a=mid:")).ok_or_else(|| invalid("a line without a mid"))?;
    // str0m keeps 16 bytes and an alphabet: an id that it would change can't be told apart from another.
    if mid.is_empty() || mid.len() > 16 || !mid.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(invalid("a mid that is not 1 to 16 letters and digits"));
    }
    // RFC 8866 §6.7: sendrecv where nothing else is said.
    let (sends, receives) = direction(section).or(session_direction).unwrap_or((true, true));
    let rids = if sends && !receives && kind == MediaKind::Video { simulcast(section) } else { Vec::new() };
    Ok(Line { mid: mid.into(), kind, sends, receives, rids })
}

/// The layers that a section sends, in the order of its `a=simulcast` line: the first of each group of alternatives, whether
/// or not it is paused at first (RFC 8853 §5.1). None where there is nothing to choose, or what we can't tell apart.
fn simulcast(section: &[&str]) -> Vec<Rid> {
    let mut words = section.iter().find_map(|line| line.strip_prefix("a=simulcast:")).unwrap_or_default().split(' ');
    let sent = words.by_ref().skip_while(|word| *word != "send").nth(1).unwrap_or_default();
    let first = |group: &'_ str| group.split(',').next().unwrap_or_default().trim_start_matches('~').to_owned();
    let ids: Vec<String> = sent.split(';').map(first).collect();
    let is_sent = |id: &String| {
        let described = |line: &&str| {
            let mut words = line.strip_prefix("a=rid:").unwrap_or_default().split(' ');
            words.next() == Some(id) && words.next() == Some("send")
        };
        section.iter().any(described)
    };
    // str0m keeps 8 bytes and an alphabet: an id that it would change can't be told apart from another.
    let usable =
        |id: &String| (1..=8).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric()) && is_sent(id);
    let distinct = ids.iter().collect::<BTreeSet<_>>().len() == ids.len();
    if !(2..=LAYERS_MAX).contains(&ids.len()) || !distinct || !ids.iter().all(usable) {
        return Vec::new();
    }
    ids.iter().map(|id| Rid::from(id.as_str())).collect()
}

/// The codec names of a section's payload types, in the order of its `m=` line.
fn codecs_in_order<'a>(section: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let types = section[0].split(' ').skip(3);
    types.filter_map(|pt| {
        section.iter().find_map(|line| {
            let (number, codec) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            (number == pt).then(|| codec.split('/').next().unwrap_or(codec))
        })
    })
}

/// What a payload type stands for, in what two sides have to agree about: its encoding, and of its parameters those that make
/// it another one.
#[derive(Debug, Default, PartialEq, Eq)]
struct Meaning {
    encoding: String,
    parameters: BTreeSet<String>,
}

/// Adds what a section says of its payload types.
///
/// # Errors
/// If a type means something else than in a section before: all lines share one transport (RFC 9143 §9.1), where nobody could
/// tell which is meant. The stack takes it for certain that no offer says so.
fn read_payload_types(section: &[&str], meanings: &mut HashMap<u8, Meaning>) -> Result<(), ConnectError> {
    let mut here: HashMap<u8, Meaning> = HashMap::new();
    for line in section {
        let (is_map, said) = match (line.strip_prefix("a=rtpmap:"), line.strip_prefix("a=fmtp:")) {
            (Some(said), _) => (true, said),
            (_, Some(said)) => (false, said),
            _ => continue,
        };
        let Some((number, said)) = said.split_once(' ') else { continue };
        let Ok(number) = number.parse() else { continue };
        let meaning = here.entry(number).or_default();
        let said = said.trim().to_ascii_lowercase();
        if !is_map {
            let parameters = said.split(';').map(str::trim).filter(|parameter| makes_another(parameter));
            meaning.parameters.extend(parameters.map(str::to_owned));
        } else if meaning.encoding.is_empty() {
            meaning.encoding = said;
        } else if meaning.encoding != said {
            return Err(invalid("a payload type that means two things"));
        }
    }
    for (number, meaning) in here {
        match meanings.entry(number) {
            Entry::Vacant(vacant) => drop(vacant.insert(meaning)),
            Entry::Occupied(known) if *known.get() == meaning => {}
            Entry::Occupied(_) => return Err(invalid("a payload type that means two things")),
        }
    }
    Ok(())
}

/// Whether a format parameter tells one payload type from another of the same codec.
fn makes_another(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or(parameter).trim_end();
    matches!(name, "apt" | "packetization-mode" | "profile-level-id" | "profile-id" | "profile" | "level-idx" | "tier")
}

fn add_codecs(codecs: &mut Vec<Codec>, section: &[&str]) {
    for name in codecs_in_order(section) {
        let codec = match name.to_ascii_uppercase().as_str() {
            "VP8" => Codec::Vp8,
            "VP9" => Codec::Vp9,
            "H264" => Codec::H264,
            "AV1" => Codec::Av1,
            _ => continue,
        };
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
}

fn wants_red(section: &[&str]) -> bool {
    let mut in_order = codecs_in_order(section).map(str::to_ascii_lowercase);
    in_order.find(|name| name == "red" || name == "opus").is_some_and(|first| first == "red")
}

fn is_transport_feedback(line: &str) -> bool {
    line.starts_with("a=rtcp-fb:") && line.ends_with(" transport-cc")
        || line.starts_with("a=extmap:") && line.contains("transport-wide-cc-extensions")
}

fn rewrite_section(sdp: &mut String, section: &[&str], line: &Line, sees: bool, bears_both_forms: bool) {
    for text in section {
        let of_source = line.receives && text.starts_with("a=msid:");
        let of_simulcast = text.starts_with("a=simulcast:") || text.starts_with("a=rid:");
        let of_descriptor = !bears_both_forms && text.starts_with("a=extmap:") && text.contains(descriptor::URI);
        // Who sends sound has nothing to adapt, nor has who hears and sees nothing: feedback would cost both ends packets.
        let is_told = line.kind == MediaKind::Video || line.receives && sees;
        if of_source || of_descriptor || of_simulcast || !is_told && is_transport_feedback(text) {
            continue;
        }
        push_line(sdp, text);
    }
    if line.receives {
        push_line(sdp, &format!("a=msid:{STREAM_ID} {}", line.mid));
    }
    if !line.rids.is_empty() {
        let ids: Vec<&str> = line.rids.iter().map(|rid| &**rid).collect();
        ids.iter().for_each(|id| push_line(sdp, &format!("a=rid:{id} send")));
        push_line(sdp, &format!("a=simulcast:send {}", ids.join(";")));
    }
}

fn push_lines(sdp: &mut String, lines: &[&str]) {
    for line in lines {
        push_line(sdp, line);
    }
}

fn push_line(sdp: &mut String, line: &str) {
    sdp.push_str(line);
    sdp.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\na=mid:0\r\na=sendonly\r\na=msid:mine mic\r\n\
        a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=rtpmap:63 red/48000/2\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 98 97 96\r\na=mid:1\r\na=recvonly\r\n\
        a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=rtpmap:98 VP9/90000\r\na=rtcp-fb:96 transport-cc\r\n";

    #[test]
    fn reads_lines_codecs_and_red() {
        let offer = prepare(OFFER, &Limits::default()).unwrap();
        let line = |mid: &str, kind, sends, receives| Line { mid: mid.into(), kind, sends, receives, rids: vec![] };
        assert_eq!(offer.lines, [line("0", MediaKind::Audio, true, false), line("1", MediaKind::Video, false, true)]);
        assert_eq!(offer.video_codecs, [Codec::Vp9, Codec::Vp8], "the order of the m= line counts");
        assert!(offer.wants_red && offer.has_transport_feedback);
        assert!(!prepare(&OFFER.replace("transport-", "other-"), &Limits::default()).unwrap().has_transport_feedback);
        assert!(!prepare(&OFFER.replace("63 111", "111 63"), &Limits::default()).unwrap().wants_red);
    }

    #[test]
    fn transport_feedback_stays_on_video_and_on_sound_for_who_sees() {
        let sdp = prepare(OFFER, &Limits::default()).unwrap().sdp;
        let (audio, video) = sdp.split_once("m=video").unwrap();
        assert!(!audio.contains("transport"), "{audio}");
        assert_eq!(video.matches("transport").count(), 2);
        let hears = OFFER.replace("a=sendonly", "a=recvonly");
        for (offer, of_sound) in
            [(hears.clone(), 2), (hears.replace("a=mid:1\r\na=recvonly", "a=mid:1\r\na=sendonly"), 0)]
        {
            let sdp = prepare(&offer, &Limits::default()).unwrap().sdp;
            let (audio, _) = sdp.split_once("m=video").unwrap();
            assert_eq!(audio.matches("transport").count(), of_sound, "{sdp}");
        }
    }

    #[test]
    fn slots_share_one_stream_and_sources_keep_theirs() {
        let sdp = prepare(OFFER, &Limits::default()).unwrap().sdp;
        assert!(sdp.contains("a=msid:mine mic\r\n") && sdp.contains("a=msid:call 1\r\n"), "{sdp}");
        let both_ways = prepare(&OFFER.replace("a=sendonly", "a=sendrecv"), &Limits::default()).unwrap().sdp;
        assert!(!both_ways.contains("a=msid:mine") && both_ways.contains("a=msid:call 0\r\n"), "{both_ways}");
    }

    #[test]
    fn c7_simulcast_is_taken_where_a_line_only_sends_pictures() {
        let offer = |direction: &str, said: &str| {
            let sdp = format!("v=0\r\nm=video 9 X 96\r\na=mid:1\r\na={direction}\r\na=rtpmap:96 VP8/90000\r\n{said}");
            let offer = prepare(&sdp, &Limits::default()).unwrap();
            (offer.lines[0].rids.iter().map(|rid| rid.to_string()).collect::<Vec<_>>(), offer.sdp)
        };
        let three =
            "a=rid:q send\r\na=rid:h send max-height=360\r\na=rid:f send pt=96\r\na=simulcast:send q;~h,x;f\r\n";
        let (rids, sdp) = offer("sendonly", three);
        assert_eq!(rids, ["q", "h", "f"]);
        assert!(sdp.ends_with("a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send q;h;f\r\n"), "{sdp}");
        assert_eq!(sdp.matches("simulcast").count(), 1);
        for (direction, from, to) in [
            ("sendrecv", "q", "q"),
            ("recvonly", "q", "q"),
            ("sendonly", "rid:q", "rid:other"),
            ("sendonly", "send q;~h,x;f", "send q"),
            ("sendonly", "send q;~h,x;f", "send q;q"),
            ("sendonly", "send q;~h,x;f", "send q;h;f;x"),
            ("sendonly", "send q;~h,x;f", "recv q;h;f"),
            ("sendonly", "send q;~h,x;f", ""),
            ("sendonly", "q", "muchtoolong"),
            ("sendonly", "q", "-"),
        ] {
            let (rids, sdp) = offer(direction, &three.replace(from, to));
            assert!(
                rids.is_empty() && !sdp.contains("a=rid") && !sdp.contains("a=simulcast"),
                "{direction} {to}: {sdp}"
            );
        }
    }

    #[test]
    fn c7_dependency_descriptors_are_taken_where_headers_of_both_forms_are() {
        let descriptor = format!("a=extmap:9 {}\r\n", descriptor::URI);
        let with = |mixed: &str| {
            let sdp = format!("v=0\r\n{mixed}m=video 9 X 96\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n{descriptor}");
            prepare(&sdp, &Limits::default()).unwrap().sdp.contains(&descriptor)
        };
        assert!(with("a=extmap-allow-mixed\r\n"));
        assert!(!with(""), "it would be sent in a form that the client may not read");
    }

    #[test]
    fn refuses_what_is_not_a_media_offer() {
        let refused = |offer: &str| prepare(offer, &Limits::default()).unwrap_err();
        for offer in [
            "",
            "v=0",
            "\u{0}",
            "m=audio 9 X 0",
            &OFFER.replace("m=audio 9", "m=audio 99999"),
            &OFFER.replace("a=mid:1", "a=mid:0"),
            &OFFER.replace("a=mid:1\r\n", ""),
        ] {
            assert!(matches!(refused(offer), ConnectError::OfferInvalid(_)), "{offer:?}");
        }
        let with_data = format!("{OFFER}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n");
        assert!(matches!(refused(&with_data), ConnectError::OfferInvalid(_)));
        assert!(matches!(refused(&"x".repeat(70_000)), ConnectError::OfferTooLarge { unit: "bytes", .. }));
        let many = (0..40).fold("v=0\r\n".to_owned(), |sdp, i| sdp + &format!("m=audio 9 X 0\r\na=mid:{i}\r\n"));
        assert!(matches!(refused(&many), ConnectError::OfferTooLarge { unit: "lines", limit: 31, actual: 40 }));
    }

    #[test]
    fn refuses_a_payload_type_that_means_two_things() {
        let said = |first: &str, second: &str| {
            let video = |mid: u8, said: &str| format!("m=video 9 X 102 103\r\na=mid:{mid}\r\n{said}\r\n");
            prepare(&format!("v=0\r\n{}{}", video(1, first), video(2, second)), &Limits::default())
        };
        let h264 = "a=rtpmap:102 H264/90000\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
        assert!(said(h264, h264).is_ok());
        assert!(said(h264, &h264.replace("H264", "h264")).is_ok());
        assert!(said(h264, &h264.replace("level-asymmetry-allowed=1", "x-google-start-bitrate=800")).is_ok());
        for (from, to) in [("42e01f", "42001f"), ("42e01f", "42%01f"), ("mode=1", "mode=0"), ("H264", "VP8")] {
            let refused = said(h264, &h264.replace(from, to)).unwrap_err();
            assert!(matches!(refused, ConnectError::OfferInvalid(_)), "{to}: {refused:?}");
        }
        assert!(said(&format!("{h264}\r\na=rtpmap:102 VP8/90000"), "").is_err());
    }

    #[test]
    fn an_answer_carries_our_credentials() {
        let credentials = |ufrag: &str, pass: &str| IceCreds { ufrag: ufrag.to_owned(), pass: pass.to_owned() };
        let ours = credentials("ours", "secret");
        let answer = with_credentials("v=0\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\na=mid:0\r\n", &ours);
        assert_eq!(answer, "v=0\r\na=ice-ufrag:ours\r\na=ice-pwd:secret\r\na=mid:0\r\n");
        let later = [credentials("one", "1"), credentials("two", "2")];
        let answer = with_later("v=0\r\ns=-\r\nm=audio 9 X 0\r\na=mid:0\r\n", later.iter());
        let expected = "v=0\r\ns=-\r\na=x-restart:one 1\r\na=x-restart:two 2\r\nm=audio 9 X 0\r\na=mid:0\r\n";
        assert_eq!(answer, expected);
    }
}
