//! Datagrams that arrive at a shard: STUN, DTLS, RTP and RTCP before there are keys, and anything else; from addresses
//! that have proved themselves and from others. Invariant: none of them panics, and what is not signed binds no address.
//!
//! The input is a list of records: `kind port len-high len-low bytes`. A random generator signs no STUN, so the target
//! does: it gets past the signature, to where attributes are used.

use super::shard::{Desk, SERVER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use std::net::SocketAddr;
use tertulia_sfu_core::{Connected, Path};

/// A browser's offer of a video call.
const OFFER: &str = include_str!("../../seeds/offer/chromium-video-call");
/// Records of one input: beyond, it only takes longer.
const RECORDS_MAX: usize = 32;

const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;

/// Reads `data` as what arrives.
pub fn target(data: &[u8]) {
    let mut desk = Desk::new();
    let client = Client::new(desk.connect(1, OFFER).as_ref().ok());
    let mut rest = data;
    for _ in 0..RECORDS_MAX {
        let [kind, port, high, low, after @ ..] = rest else { break };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (bytes, next) = after.split_at(len.min(after.len()));
        rest = next;
        let path = path(*port);
        match kind % 5 {
            0 => desk.receive(path, bytes),
            // Attributes of the input's own, in a request that is signed.
            1 => desk.receive(path, &client.request(bytes)),
            // Proves the address, and comes from there.
            2 => {
                desk.receive(path, &client.nomination());
                desk.receive(path, bytes);
            }
            // The same without a signature.
            3 => {
                let before = desk.shard.counters().dropped_stun;
                let mut forged = client.request(bytes);
                let integrity = forged.len() - 32;
                forged[integrity + 4] ^= 1;
                desk.receive(path, &forged);
                // From an address that has proved itself the stack may look at it, and refuses it too.
                assert!(desk.shard.counters().dropped_stun >= before);
            }
            _ if *port > 200 => desk.shard.disconnected(path),
            _ => desk.idle(),
        }
    }
    desk.idle();
}

/// From a port of a client's, by UDP; those above 200 by TCP.
fn path(port: u8) -> Path {
    let remote = SocketAddr::from(([127, 0, 0, 2], 1_000 + u16::from(port)));
    if port > 200 { Path::tcp(remote, SERVER.into()) } else { Path::udp(remote, SERVER.into()) }
}

/// The client's side of ICE.
struct Client {
    username: String,
    password: String,
}

impl Client {
    fn new(connected: Option<&Connected>) -> Self {
        let Some(connected) = connected else { panic!("the offer is not taken") };
        let attribute = |sdp: &str, name: &str| {
            let value = sdp.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            value.unwrap_or_else(|| panic!("no {name} in {sdp}"))
        };
        let (ours, theirs) = (attribute(&connected.answer, "a=ice-ufrag:"), attribute(OFFER, "a=ice-ufrag:"));
        Self { username: format!("{ours}:{theirs}"), password: attribute(&connected.answer, "a=ice-pwd:") }
    }

    fn nomination(&self) -> Vec<u8> {
        let mut attributes = Vec::new();
        push(&mut attributes, PRIORITY, &[0x6e, 0, 1, 0xff]);
        push(&mut attributes, USE_CANDIDATE, &[]);
        self.request(&attributes)
    }

    /// A binding request with these attributes, padded, signed and with its checksum.
    fn request(&self, attributes: &[u8]) -> Vec<u8> {
        let mut message = vec![0, 1, 0, 0];
        message.extend_from_slice(&MAGIC);
        message.extend_from_slice(b"transaction!");
        push(&mut message, USERNAME, self.username.as_bytes());
        message.extend_from_slice(attributes);
        message.resize(message.len().next_multiple_of(4), 0);
        set_length(&mut message, 24);
        let Ok(mut signature) = Hmac::<Sha1>::new_from_slice(self.password.as_bytes()) else { return message };
        signature.update(&message);
        push(&mut message, MESSAGE_INTEGRITY, &signature.finalize().into_bytes());
        set_length(&mut message, 8);
        let checksum = crc32(&message) ^ 0x5354_554e;
        push(&mut message, FINGERPRINT, &checksum.to_be_bytes());
        message
    }
}

fn push(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// The header's length: what is there, and `more` to come.
fn set_length(message: &mut [u8], more: usize) {
    let len = u16::try_from(message.len() - 20 + more).unwrap_or(u16::MAX);
    message[2..4].copy_from_slice(&len.to_be_bytes());
}

/// CRC-32 of ISO 3309, as RFC 8489 §14.7 wants it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_target_signs_is_taken_and_binds_its_address() {
        let mut desk = Desk::new();
        let client = Client::new(desk.connect(1, OFFER).as_ref().ok());
        let mut forged = client.nomination();
        let integrity = forged.len() - 32;
        forged[integrity + 4] ^= 1;
        desk.receive(path(0), &forged);
        assert_eq!(desk.shard.counters().dropped_stun, 1);
        desk.receive(path(0), &[0x80; 20]);
        assert_eq!(desk.shard.counters().dropped_unknown_address, 1);
        desk.receive(path(0), &client.nomination());
        assert_eq!(desk.shard.counters().dropped_stun, 1);
        desk.receive(path(0), &[0x80; 20]);
        assert_eq!(desk.shard.counters().dropped_unknown_address, 1, "the address is the peer's now");
    }
}
