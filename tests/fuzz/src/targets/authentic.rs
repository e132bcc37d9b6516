//! What a participant sends, whatever is in it: RTP headers and their extensions, payloads, and every kind of RTCP, all as
//! authentic as can be. Invariant: nothing panics, and the other side is still heard afterwards.
//!
//! The input is a list of records: `kind at len bytes`. In `bytes` the words `MINE` and `SLOT` stand for the SSRC that the
//! participant sends with, and that of what it receives: both are drawn anew in each call.

use super::call::Call;
use super::open::{self, TAG_BYTES};
use super::shard::SERVER;
use str0m::media::MediaKind;
use tertulia_sfu_core::Path;

/// Records of one input: beyond, it only takes longer.
const RECORDS_MAX: usize = 48;
/// Where RTP has its sequence number and its SSRC.
const SEQ: std::ops::Range<usize> = 2..4;
const SSRC: std::ops::Range<usize> = 8..12;
/// SRTCP's last word says that it is encrypted, and its number.
const ENCRYPTED: u32 = 1 << 31;

/// Reads `data` as what a participant sends.
pub fn target(data: &[u8]) {
    let mut call = Call::new(open::crypto());
    let mut rest = data;
    for number in 0..RECORDS_MAX {
        let [kind, at, len, after @ ..] = rest else { break };
        let (bytes, next) = after.split_at(usize::from(*len).min(after.len()));
        rest = next;
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        match kind % 5 {
            0 => call.clients[0].write(MediaKind::Audio, *at, bytes),
            1 => call.clients[0].write(MediaKind::Video, *at, bytes),
            2 => call.clients[1].write(MediaKind::Audio, *at, bytes),
            3 => rtp(&mut call, number, usize::from(*at), bytes),
            _ => rtcp(&mut call, number, bytes),
        }
        call.turn();
    }
    let before = call.desk.shard.counters().packets_received;
    for _ in 0..4 {
        call.clients[1].write(MediaKind::Audio, 1, b"still there");
        call.turn();
    }
    assert!(call.desk.shard.counters().packets_received > before, "the other side is not heard any more");
}

/// The newest packet again, with a later number, and `bytes` in place of what it has from `at`.
fn rtp(call: &mut Call, number: u16, at: usize, bytes: &[u8]) {
    let mut packet = call.newest.clone();
    packet.truncate(packet.len().saturating_sub(TAG_BYTES));
    let Some(seq) = packet.get(SEQ).and_then(|seq| <[u8; 2]>::try_from(seq).ok()) else { return };
    let seq = u16::from_be_bytes(seq).wrapping_add(500 + number);
    packet[SEQ].copy_from_slice(&seq.to_be_bytes());
    packet.truncate(at.min(packet.len()));
    packet.extend(named(call, bytes));
    packet.extend([0; TAG_BYTES]);
    send(call, &packet);
}

fn rtcp(call: &mut Call, number: u16, bytes: &[u8]) {
    let mut packet = named(call, bytes);
    packet.extend([0; TAG_BYTES]);
    packet.extend((ENCRYPTED | (1_000 + u32::from(number))).to_be_bytes());
    send(call, &packet);
}

fn send(call: &mut Call, datagram: &[u8]) {
    let me = call.clients[0].me;
    call.desk.receive(Path::udp(me, SERVER.into()), datagram);
}

/// Puts the call's SSRCs where they are named.
fn named(call: &Call, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (name, packet) in [(b"MINE", &call.newest), (b"SLOT", &call.newest_received)] {
        let Some(ssrc) = packet.get(SSRC) else { continue };
        for at in 0..bytes.len().saturating_sub(name.len() - 1) {
            if bytes[at..].starts_with(name) {
                bytes[at..at + name.len()].copy_from_slice(ssrc);
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_target_sends_is_authentic() {
        let mut call = Call::new(open::crypto());
        for _ in 0..8 {
            call.clients[0].write(MediaKind::Audio, 1, b"one");
            call.clients[1].write(MediaKind::Audio, 1, b"two");
            call.turn();
        }
        assert!(!call.newest.is_empty() && !call.newest_received.is_empty());
        let before = call.desk.shard.counters();
        // Behind the headers and their extensions: another payload.
        let payload = call.newest.len() - TAG_BYTES - b"one".len();
        rtp(&mut call, 1, payload, b"of my own");
        // A NACK of a packet on the slot (RFC 4585 §6.2.1).
        rtcp(&mut call, 1, b"\x81\xcd\0\x03MINESLOT\0\x01\0\0");
        call.turn();
        let after = call.desk.shard.counters();
        assert_eq!(after.dropped_malformed, before.dropped_malformed);
        assert!(after.packets_received > before.packets_received, "{after:?}");
    }
}
