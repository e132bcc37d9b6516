//! The SDP of standard peers: what an offer is for, and the fragments by which ICE is trickled and restarted (RFC 8840).
//!
//! Invariant: who publishes receives nothing and who plays sends nothing, whatever their offers say: each line goes one way or none.

use crate::exchange::Sort;
use tertulia_signaling_core::MediaFlags;

/// RFC 8839 §5.4.
const UFRAG_BYTES: std::ops::RangeInclusive<usize> = 4..=256;
const PWD_BYTES: std::ops::RangeInclusive<usize> = 22..=256;

/// An offer, as the forwarding unit is to have it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offered {
    pub(super) sdp: String,
    /// What a publisher sends: the first picture is its camera, the second its screen.
    pub(super) flags: MediaFlags,
}

/// Reads an offer. None: it is none, or no line of it goes the way that it has to.
pub(super) fn offered(offer: &str, sort: Sort) -> Option<Offered> {
    let mut sections = sections(offer);
    let session = sections.first().filter(|session| session.first() == Some(&"v=0"))?.clone();
    let media = sections.split_off(1);
    let of_session = direction(&session).unwrap_or("sendrecv");
    let mut sdp = String::with_capacity(offer.len() + 16);
    push(&mut sdp, session.iter().filter(|line| !is_direction(line)));
    let (mut voices, mut pictures) = (0_u32, 0_u32);
    for section in media {
        let (wanted, both) = match sort {
            Sort::Whip => ("sendonly", "sendrecv"),
            Sort::Whep => ("recvonly", "sendrecv"),
        };
        let said = direction(&section).unwrap_or(of_session);
        let goes = said == wanted || said == both;
        if goes && section.first().is_some_and(|line| line.starts_with("m=audio ")) {
            voices += 1;
        } else if goes {
            pictures += 1;
        }
        push(&mut sdp, section.iter().filter(|line| !is_direction(line)));
        push(&mut sdp, [format!("a={}", if goes { wanted } else { "inactive" })].iter());
    }
    let publishes = sort == Sort::Whip;
    let flags = MediaFlags {
        mic: publishes && voices > 0,
        camera: publishes && pictures > 0,
        screen: publishes && pictures > 1,
    };
    (voices + pictures > 0).then_some(Offered { sdp, flags })
}

/// An answer without what is between our own clients and us: credentials for restarts that are not asked for.
pub(super) fn plain(answer: &str) -> String {
    let mut plain = String::with_capacity(answer.len());
    push(&mut plain, lines(answer).filter(|line| !line.starts_with("a=x-")));
    plain
}

/// What a restart of ICE is answered with: whose fragment it is, and where.
pub(super) fn frag_of(answer: &str) -> String {
    let sections = sections(answer);
    let of_session = ["a=ice-lite", "a=ice-options:", "a=group:", "a=ice-ufrag:", "a=ice-pwd:"];
    let of_media = ["m=", "a=mid:", "a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"];
    let begins = |line: &&&str, with: &[&str]| with.iter().any(|start| line.starts_with(start));
    let mut frag = String::new();
    push(&mut frag, sections.iter().take(1).flatten().filter(|line| begins(line, &of_session)));
    // All is bundled: the first line's transport is everybody's.
    push(&mut frag, sections.iter().skip(1).take(1).flatten().filter(|line| begins(line, &of_media)));
    if !frag.contains("a=end-of-candidates") {
        push(&mut frag, ["a=end-of-candidates"].iter());
    }
    frag
}

/// What a peer says of its ICE session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frag {
    credentials: Option<(String, String)>,
}

impl Frag {
    /// None: it is no fragment, or says two things.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (mut ufrag, mut pwd, mut any) = (None, None, false);
        for line in lines(text) {
            any = true;
            match line.split_once(':') {
                Some(("a=ice-ufrag", said)) if UFRAG_BYTES.contains(&said.len()) && is_ice(said) => {
                    (*ufrag.get_or_insert(said) == said).then_some(())?;
                }
                Some(("a=ice-pwd", said)) if PWD_BYTES.contains(&said.len()) && is_ice(said) => {
                    (*pwd.get_or_insert(said) == said).then_some(())?;
                }
                Some(("a=ice-ufrag" | "a=ice-pwd", _)) => return None,
                _ => (line.starts_with("a=") || line.starts_with("m=")).then_some(())?,
            }
        }
        let credentials = match (ufrag, pwd) {
            (Some(ufrag), Some(pwd)) => Some((ufrag.to_owned(), pwd.to_owned())),
            (None, None) => None,
            _ => return None,
        };
        any.then_some(Self { credentials })
    }

    /// The offer with this fragment's credentials, if they are others than its own: that is a restart.
    pub(super) fn restart_of(&self, offer: &str) -> Option<String> {
        let (ufrag, pwd) = self.credentials.as_ref()?;
        let same = lines(offer).any(|line| line.strip_prefix("a=ice-ufrag:") == Some(ufrag.as_str()));
        (!same).then(|| {
            let mut again = String::with_capacity(offer.len());
            for line in lines(offer) {
                match line.split_once(':') {
                    Some(("a=ice-ufrag", _)) => push(&mut again, [format!("a=ice-ufrag:{ufrag}")].iter()),
                    Some(("a=ice-pwd", _)) => push(&mut again, [format!("a=ice-pwd:{pwd}")].iter()),
                    // They were of the session before.
                    Some(("a=candidate", _)) => {}
                    _ => push(&mut again, [line].iter()),
                }
            }
            again
        })
    }
}

fn is_ice(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty())
}

/// The session's lines, then those of each `m=` section.
fn sections(text: &str) -> Vec<Vec<&str>> {
    let mut sections = vec![Vec::new()];
    for line in lines(text) {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    sections
}

fn is_direction(line: &str) -> bool {
    matches!(line, "a=sendrecv" | "a=sendonly" | "a=recvonly" | "a=inactive")
}

fn direction<'a>(section: &[&'a str]) -> Option<&'a str> {
    section.iter().find(|line| is_direction(line)).and_then(|line| line.strip_prefix("a="))
}

fn push(text: &mut String, lines: impl Iterator<Item = impl AsRef<str>>) {
    for line in lines {
        text.push_str(line.as_ref());
        text.push_str("\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\na=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:theirs\r\na=ice-pwd:theirsecretofmanyletters\r\na=sendonly\r\n\
        a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 106\r\na=mid:1\r\na=ice-ufrag:theirs\r\na=ice-pwd:theirsecretofmanyletters\r\na=sendonly\r\n";

    fn flags(offer: &str, sort: Sort) -> Option<(bool, bool, bool)> {
        offered(offer, sort).map(|Offered { flags: MediaFlags { mic, camera, screen }, .. }| (mic, camera, screen))
    }

    #[test]
    fn c9_a_publisher_sends_what_its_lines_say() {
        assert_eq!(flags(OFFER, Sort::Whip), Some((true, true, false)));
        let two = format!("{OFFER}m=video 9 UDP/TLS/RTP/SAVPF 106\r\na=mid:2\r\na=sendonly\r\n");
        assert_eq!(flags(&two, Sort::Whip), Some((true, true, true)));
        assert_eq!(flags(&OFFER.replacen("sendonly", "recvonly", 1), Sort::Whip), Some((false, true, false)));
        assert_eq!(flags(&OFFER.replace("a=sendonly\r\n", ""), Sort::Whip), Some((true, true, false)), "RFC 8866 §6.7");
        for none in ["v=0\r\n", "", "x", &OFFER.replace("sendonly", "recvonly"), &OFFER.replace("sendonly", "inactive")]
        {
            assert_eq!(flags(none, Sort::Whip), None, "{none}");
        }
    }

    #[test]
    fn c9_who_plays_sends_nothing_and_who_publishes_receives_nothing() {
        let both = OFFER.replace("sendonly", "sendrecv");
        let ways = |sdp: &str| lines(sdp).filter(|line| is_direction(line)).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(ways(&offered(&both, Sort::Whip).unwrap().sdp), ["a=sendonly", "a=sendonly"]);
        let played = offered(&both, Sort::Whep).unwrap();
        assert_eq!((ways(&played.sdp), played.flags), (vec!["a=recvonly".to_owned(); 2], MediaFlags::default()));
        let one = OFFER.replacen("sendonly", "recvonly", 1);
        assert_eq!(ways(&offered(&one, Sort::Whep).unwrap().sdp), ["a=recvonly", "a=inactive"]);
        assert_eq!(offered(OFFER, Sort::Whep), None);
        let by_session = OFFER.replace("a=sendonly\r\n", "").replace("a=group", "a=recvonly\r\na=group");
        assert_eq!(ways(&offered(&by_session, Sort::Whep).unwrap().sdp), ["a=recvonly", "a=recvonly"]);
        assert_eq!(offered(&by_session, Sort::Whip), None);
    }

    #[test]
    fn c9_fragments_trickle_or_restart() {
        let trickled = "a=ice-ufrag:theirs\r\na=ice-pwd:theirsecretofmanyletters\r\nm=audio 9 X 0\r\na=mid:0\r\n\
            a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n";
        assert_eq!(Frag::read(trickled).unwrap().restart_of(OFFER), None);
        assert_eq!(Frag::read("a=end-of-candidates\r\n").unwrap().restart_of(OFFER), None);
        let restart = Frag::read(&trickled.replace("theirs", "others")).unwrap().restart_of(OFFER).unwrap();
        assert_eq!(restart.matches("a=ice-ufrag:others\r\n").count(), 2);
        assert_eq!(restart.matches("a=ice-pwd:othersecretofmanyletters\r\n").count(), 2);
        assert!(!restart.contains("theirs") && !restart.contains("a=candidate") && restart.starts_with("v=0\r\n"));
        for wrong in [
            "",
            "\r\n",
            "hello",
            "v=0\r\n",
            "a=ice-ufrag:theirs\r\n",
            "a=ice-pwd:theirsecretofmanyletters\r\n",
            "a=ice-ufrag:abc\r\na=ice-pwd:theirsecretofmanyletters\r\n",
            "a=ice-ufrag:theirs\r\na=ice-pwd:short\r\n",
            "a=ice-ufrag:the irs\r\na=ice-pwd:theirsecretofmanyletters\r\n",
            "a=ice-ufrag:theirs\r\na=ice-ufrag:others\r\na=ice-pwd:theirsecretofmanyletters\r\n",
        ] {
            assert_eq!(Frag::read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn c9_a_restart_is_answered_with_whose_session_it_is_and_where() {
        let answer = "v=0\r\ns=-\r\na=ice-lite\r\na=x-restart:a b\r\na=group:BUNDLE 0 1\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=setup:passive\r\na=ice-ufrag:ours\r\na=ice-pwd:secret\r\n\
            a=candidate:1 1 udp 1 192.0.2.2 9 typ host\r\nm=video 9 UDP/TLS/RTP/SAVPF 106\r\na=mid:1\r\n";
        let expected = "a=ice-lite\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
            a=ice-ufrag:ours\r\na=ice-pwd:secret\r\na=candidate:1 1 udp 1 192.0.2.2 9 typ host\r\na=end-of-candidates\r\n";
        assert_eq!(frag_of(answer), expected);
        assert!(!plain(answer).contains("x-restart") && plain(answer).contains("a=setup:passive\r\n"));
    }
}
