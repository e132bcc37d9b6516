//! A call that is up, with an attacker beside it: payloads of the caller's own choosing, and copies of its packets that were
//! changed on the way or come from elsewhere. Invariant: nothing panics, and nobody but the peer itself ends the peer.
//!
//! The input is a list of records: `kind at len bytes`. Each input has its own handshake, so this is a slow target.

use super::call::Call;
use super::shard::SERVER;
use std::net::SocketAddr;
use str0m::media::MediaKind;
use tertulia_sfu_core::Path;

/// Records of one input: beyond, it only takes longer.
const RECORDS_MAX: usize = 48;

/// Reads `data` as what happens in a call.
pub fn target(data: &[u8]) {
    let mut call = Call::new(str0m::crypto::from_feature_flags());
    let me = call.clients[0].me;
    let mut rest = data;
    for _ in 0..RECORDS_MAX {
        let [kind, at, len, after @ ..] = rest else { break };
        let (bytes, next) = after.split_at(usize::from(*len).min(after.len()));
        rest = next;
        match kind % 6 {
            0 => call.clients[0].write(MediaKind::Audio, *at, bytes),
            1 => call.clients[0].write(MediaKind::Video, *at, bytes),
            2 => forge(&mut call, me, usize::from(*at), bytes),
            3 => forge(&mut call, elsewhere(*kind), usize::from(*at), bytes),
            4 => call.desk.receive(Path::udp(elsewhere(*at), SERVER.into()), bytes),
            _ => call.desk.receive(Path::tcp(elsewhere(*at), SERVER.into()), bytes),
        }
        call.turn();
    }
    call.turn();
    assert_eq!(call.desk.shard.counters().peers, 2, "someone else has ended a peer");
}

fn elsewhere(port: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 9], 2_000 + u16::from(port)))
}

/// Hands in the newest packet, changed: `bytes` laid over it from `at`.
fn forge(call: &mut Call, source: SocketAddr, at: usize, bytes: &[u8]) {
    let mut forged = call.newest.clone();
    for (byte, with) in forged.iter_mut().skip(at).zip(bytes) {
        *byte ^= with;
    }
    call.desk.receive(Path::udp(source, SERVER.into()), &forged);
}
