//! Networks that change, that block, and that have strangers in them.

use crate::both_hear;
use crate::world::{self, Link, World, server};
use std::net::SocketAddr;
use str0m::ice::StunMessage;
use str0m::media::MediaKind;
use str0m::net::Protocol;
use tertulia_sfu_core::Path;

fn stranger(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 9, 9, last], 1_234))
}

/// A call of two that hear each other.
fn call(seed: u64) -> (World, usize, usize) {
    let mut world = World::new(seed, Link::CLEAN);
    let (alice, bob) = world.call();
    assert!(world.run_until(2_000, both_hear));
    (world, alice, bob)
}

fn heard_since(world: &World, who: usize, ms: u64) -> Option<u64> {
    world.clients[who].heard.iter().find(|heard| heard.at_ms > ms).map(|heard| heard.at_ms)
}

// === TCP ===

#[test]
fn c6_where_udp_is_blocked_a_call_goes_by_tcp() {
    let mut world = World::new(30, Link::CLEAN);
    let (alice, bob) = (world.join(), world.join());
    for client in &mut world.clients {
        client.may_use_tcp();
    }
    world.clients[bob].blocked = Some(Protocol::Udp);
    assert!(world.run_until(10_000, |world| world.clients.iter().all(|client| client.connected > 0)), "both connect");
    for index in [alice, bob] {
        world.shard.admit(world.now, world.clients[index].id);
        world.clients[index].sending = true;
    }
    assert!(world.run_until(2_000, both_hear));
    let by = |world: &World, who: usize| world.clients[who].packets.iter().map(|(_, by)| *by).collect::<Vec<_>>();
    assert!(by(&world, bob).iter().all(|by| *by == Protocol::Tcp));
    assert!(by(&world, alice).iter().all(|by| *by == Protocol::Udp), "whoever can take UDP does");
}

#[test]
fn c6_an_answer_prefers_udp_and_names_passive_tcp_on_the_same_port() {
    let mut world = World::new(31, Link::CLEAN);
    let alice = world.join();
    let candidates: Vec<Vec<&str>> = world.clients[alice]
        .answer
        .lines()
        .filter_map(|line| line.strip_prefix("a=candidate:"))
        .map(|line| line.split(' ').collect())
        .collect();
    let of = |protocol| candidates.iter().find(|words| words[2].eq_ignore_ascii_case(protocol)).unwrap();
    let (udp, tcp) = (of("udp"), of("tcp"));
    assert_eq!(udp[4..6], tcp[4..6], "one address, one port");
    assert!(udp[3].parse::<u32>().unwrap() > tcp[3].parse::<u32>().unwrap());
    assert!(tcp.windows(2).any(|words| words == ["tcptype", "passive"]), "{tcp:?}");
}

#[test]
fn c6_media_follows_from_udp_to_tcp_and_back() {
    let (mut world, _, bob) = call(32);
    world.clients[bob].may_use_tcp();
    world.run(2_000);
    let mut last = Protocol::Udp;
    for (blocked, by) in [(Protocol::Udp, Protocol::Tcp), (Protocol::Tcp, Protocol::Udp)] {
        assert_eq!(world.clients[bob].packets.last().unwrap().1, last);
        world.clients[bob].blocked = Some(blocked);
        if by == Protocol::Udp {
            // It has given the dead way up. As browsers do on a new network: everything is tried again.
            world.offer(bob, true).unwrap();
        }
        let since = world.ms();
        let arrives =
            |world: &World| world.clients[bob].packets.last().is_some_and(|(at, used)| *at > since && *used == by);
        assert!(world.run_until(60_000, arrives), "by {by:?}");
        let since = world.ms();
        assert!(world.run_until(1_000, |world| heard_since(world, bob, since).is_some()), "media, by {by:?}");
        last = by;
    }
    assert_eq!(world.shard.counters().addresses_changed, 2);
    assert_eq!(world.clients[bob].connected, 1, "no second handshake");
}

#[test]
fn c6_media_follows_a_nomination_at_once_though_the_old_way_still_works() {
    let (mut world, _, bob) = call(45);
    let (name, password) = (world.clients[bob].username(), world.clients[bob].password().to_owned());
    let other = SocketAddr::from(([10, 0, 0, 2], server().port()));
    for path in [Path::tcp(stranger(1), server()), Path::udp(stranger(2), other), Path::tcp(stranger(1), other)] {
        let request = world::binding_request(&name, &password, true);
        world.shard.handle_datagram(world.now, path, &request);
        let answer = world.shard.poll_transmit().unwrap();
        assert_eq!((answer.proto, answer.source, answer.destination), (path.protocol, path.local, path.remote));
        world.ways.clear();
        world.run(40);
        let way = (path.protocol, path.local, path.remote);
        assert!(world.ways.contains(&way), "{way:?}");
        assert!(!world.ways.iter().any(|(_, _, to)| *to == world.clients[bob].seen_as), "nothing goes the old way");
    }
    assert_eq!(world.shard.counters().addresses_changed, 3);
}

#[test]
fn a_tcp_connection_that_ended_proves_nothing_to_the_next_of_its_address() {
    let mut world = World::new(33, Link::CLEAN);
    let bob = world.join();
    world.clients[bob].may_use_tcp();
    world.clients[bob].blocked = Some(Protocol::Udp);
    world.clients[bob].sending = true;
    assert!(world.run_until(10_000, |world| !world.clients[bob].last_media.is_empty()));
    let path = Path::tcp(world.clients[bob].tcp_seen_as, server());
    assert!(world.shard.is_proved(path) && !world.shard.is_proved(Path::udp(path.remote, path.local)));
    world.shard.disconnected(path);
    assert!(!world.shard.is_proved(path));
    let before = world.shard.counters().dropped_unknown_address;
    world.shard.handle_datagram(world.now, path, &world.clients[bob].last_media.clone());
    assert_eq!(world.shard.counters().dropped_unknown_address, before + 1);
}

// === New addresses ===

#[test]
fn c6_the_others_hear_a_peer_at_once_after_its_nat_gave_it_a_new_address() {
    let (mut world, alice, bob) = call(34);
    let moved = world.ms();
    world.clients[bob].seen_as.set_port(6_777);
    assert!(world.run_until(100, |world| heard_since(world, alice, moved + 21).is_some()));
    // Upstream and downstream are 10 ms each, a packet comes every 20: at most one packet time was lost.
    let gap = world.clients[alice].heard.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).max().unwrap();
    assert!(gap <= 40, "{gap} ms of nothing");
    assert!(world.shard.counters().trials_passed > 0);
    assert_eq!(world.shard.counters().addresses_changed, 0, "no request yet: what is sent to it goes where it went");
    assert!(world.run_until(3_000, |world| world.shard.counters().addresses_changed == 1), "its next check moves that");
    let since = world.ms() + 50;
    assert!(world.run_until(200, |world| heard_since(world, bob, since).is_some()));
    assert_eq!(world.shard.counters().trials_failed, 0);
}

#[test]
fn c6_media_follows_the_peers_own_to_an_address_that_it_has_proved_before_it_nominates_that() {
    let (mut world, _, bob) = call(46);
    let (name, password) = (world.clients[bob].username(), world.clients[bob].password().to_owned());
    let request = world::binding_request(&name, &password, false);
    world.shard.handle_datagram(world.now, Path::udp(stranger(1), server()), &request);
    world.run(500);
    assert_eq!(world.shard.counters().addresses_changed, 0, "a check alone moves nothing");
    let moved = world.ms();
    world.clients[bob].seen_as = stranger(1);
    assert!(world.run_until(3_000, |world| world.shard.counters().addresses_changed == 1));
    let took = world.ms() - moved;
    assert!((200..=240).contains(&took), "{took} ms: as soon as the old way has been silent for a while");
    let since = world.ms();
    assert!(world.run_until(100, |world| heard_since(world, bob, since).is_some()));
}

#[test]
fn c6_what_is_still_under_way_does_not_take_media_back_to_the_old_address() {
    let (mut world, _, bob) = call(47);
    let (name, password) = (world.clients[bob].username(), world.clients[bob].password().to_owned());
    let old = world.clients[bob].seen_as;
    let before = world.clients[bob].last_media.clone();
    assert!(world.run_until(100, |world| world.clients[bob].last_media != before), "a packet is under way");
    let request = world::binding_request(&name, &password, true);
    world.shard.handle_datagram(world.now, Path::udp(stranger(1), server()), &request);
    world.clients[bob].seen_as = stranger(1);
    let received = world.shard.counters().packets_received;
    world.run(9);
    assert!(world.shard.counters().packets_received > received, "and has come by the old way");
    world.ways.clear();
    world.run(5_000);
    assert!(world.ways.iter().any(|(_, _, to)| *to == stranger(1)));
    assert!(!world.ways.iter().any(|(_, _, to)| *to == old));
    assert_eq!(world.shard.counters().addresses_changed, 1);
}

// === Restarts that nobody was asked for ===

/// What the shard answers to a request, if it does.
fn answer_to(world: &mut World, path: Path, request: &[u8]) -> Option<Vec<u8>> {
    while world.shard.poll_transmit().is_some() {}
    world.shard.handle_datagram(world.now, path, request);
    let answer = world.shard.poll_transmit()?;
    assert_eq!(answer.destination, path.remote);
    Some(answer.contents.to_vec())
}

fn is_signed_with(password: &str, answer: &[u8]) -> bool {
    let crypto = str0m::crypto::from_feature_flags();
    let message = StunMessage::parse(answer).expect("STUN");
    message.verify(password.as_bytes(), |key, parts| crypto.sha1_hmac_provider.sha1_hmac(key, parts))
}

#[test]
fn c6_a_client_restarts_ice_by_itself_with_what_its_answer_brought() {
    let (mut world, alice, bob) = call(48);
    let (first, first_password) = (world.clients[bob].username(), world.clients[bob].password().to_owned());
    let later = world.clients[bob].later();
    assert_eq!(later.len(), 3);
    // In their order, but one may be passed over: it is void then.
    for (n, (name, password)) in [&later[0], &later[2]].into_iter().enumerate() {
        let path = Path::udp(stranger(n as u8), server());
        let request = world::binding_request(&format!("{name}:new{n}"), password, true);
        let answer = answer_to(&mut world, path, &request).expect("an answer");
        assert!(is_signed_with(password, &answer));
        let counters = world.shard.counters();
        assert_eq!((counters.restarts_unasked, counters.addresses_changed), (n as u64 + 1, n as u64 + 1));
        world.ways.clear();
        world.run(40);
        assert!(world.ways.iter().any(|(_, _, to)| *to == path.remote));
        // It may try with them again, as another restart before it has heard of us.
        let request = world::binding_request(&format!("{name}:again{n}"), password, false);
        assert!(answer_to(&mut world, path, &request).is_some());
        world.shard.handle_datagram(
            world.now,
            path,
            &world::binding_request(&format!("{name}:new{n}"), password, true),
        );
        let back = world.shard.counters().restarts_unasked;
        assert_eq!(back, n as u64 + 1, "which is no restart of its own");
    }
    let second = format!("{}:new", later[1].0);
    for (name, password) in [(first, first_password), (second, later[1].1.clone())] {
        let own = Path::udp(world.clients[bob].seen_as, server());
        assert_eq!(answer_to(&mut world, own, &world::binding_request(&name, &password, true)), None, "{name} is void");
    }
    // A restart that it asks for is one like any other, and brings new ones.
    world.offer(bob, true).unwrap();
    assert!(world.clients[bob].later().iter().all(|new| !later.contains(new)));
    let since = world.ms();
    for who in [alice, bob] {
        assert!(world.run_until(3_000, |world| heard_since(world, who, since + 100).is_some()));
    }
    assert_eq!(world.clients[bob].connected, 1, "no second handshake");
}

#[test]
fn credentials_for_later_are_worth_nothing_without_their_password_or_a_second_time() {
    let (mut world, _, bob) = call(49);
    let own_password = world.clients[bob].password().to_owned();
    let (name, password) = world.clients[bob].later().remove(0);
    let name = format!("{name}:new");
    let (near, far) = (Path::udp(stranger(1), server()), Path::udp(stranger(2), server()));
    for wrong in ["wrong-password", &own_password] {
        assert_eq!(answer_to(&mut world, near, &world::binding_request(&name, wrong, true)), None);
    }
    let counters = world.shard.counters();
    assert_eq!((counters.stun_unsigned, counters.restarts_unasked, counters.addresses_changed), (2, 0, 0));
    let request = world::binding_request(&name, &password, true);
    assert!(answer_to(&mut world, near, &request).is_some());
    assert_eq!(answer_to(&mut world, far, &request), None, "overheard, and sent from elsewhere");
    let counters = world.shard.counters();
    assert_eq!((counters.stun_replayed, counters.restarts_unasked, counters.addresses_changed), (1, 1, 1));
}

// === Strangers ===

#[test]
fn forged_media_of_a_peer_is_tried_counted_and_changes_nothing() {
    let (mut world, alice, bob) = call(35);
    world.run(500);
    let mut forged = world.clients[bob].last_media.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    for ahead in 1..=20u16 {
        // Far ahead, as one who would have the real ones dropped as late.
        let seq = u16::from_be_bytes([forged[2], forged[3]]).wrapping_add(ahead * 100);
        forged[2..4].copy_from_slice(&seq.to_be_bytes());
        world.shard.handle_datagram(world.now, Path::udp(stranger(1), server()), &forged);
    }
    let counters = world.shard.counters();
    assert_eq!((counters.trials_failed, counters.trials_passed, counters.addresses_changed), (20, 0, 0));
    world.run(1_000);
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let numbers = world.clients[alice].numbers(kind);
        let whole: Vec<u64> = (numbers[0]..numbers[0] + numbers.len() as u64).collect();
        assert_eq!(numbers, whole, "{kind:?} without a gap");
    }
    assert!(world.clients[bob].packets.last().unwrap().0 + 50 > world.ms(), "and bob still hears");
}

#[test]
fn media_that_was_heard_before_is_not_heard_again_from_elsewhere() {
    let (mut world, alice, bob) = call(36);
    let replayed = world.clients[bob].last_media.clone();
    world.run(200);
    let forwarded = |world: &World| world.shard.counters().packets_forwarded;
    let before = (forwarded(&world), world.clients[alice].heard.len());
    world.shard.handle_datagram(world.now, Path::udp(stranger(1), server()), &replayed);
    assert_eq!(world.shard.counters().trials_failed, 1);
    assert_eq!((forwarded(&world), world.clients[alice].heard.len()), before);
}

#[test]
fn a_flood_of_forged_media_costs_a_bounded_number_of_trials() {
    let (mut world, alice, bob) = call(37);
    let mut forged = world.clients[bob].last_media.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let sent_before = world.shard.counters().datagrams_sent;
    for n in 0..20_000u32 {
        forged[2..4].copy_from_slice(&(n as u16).to_be_bytes());
        let path = Path::udp(stranger((n % 200) as u8), server());
        world.shard.handle_datagram(world.now, path, &forged);
    }
    let counters = world.shard.counters();
    assert!(counters.trials_failed <= 50, "{} packets were decrypted in vain", counters.trials_failed);
    assert_eq!(counters.trials_failed + counters.trials_limited, 20_000);
    assert_eq!(counters.datagrams_sent, sent_before);
    // Another peer's new address is not shut out by it.
    let moved = world.ms();
    world.clients[alice].seen_as.set_port(6_888);
    assert!(world.run_until(100, |world| heard_since(world, bob, moved + 21).is_some()));
    assert!(world.shard.counters().trials_passed > 0);
}

// === Floods ===

#[test]
fn a_flood_of_requests_is_not_answered_and_costs_a_bounded_number_of_signatures() {
    let (mut world, alice, bob) = call(38);
    let before = world.shard.counters();
    let name = world.clients[bob].username();
    let forged = world::binding_request(&name, "wrong-password", true);
    let nobody = world::binding_request("000000001zzzzzzzz:x", "wrong-password", true);
    for n in 0..20_000u32 {
        let path = Path::udp(stranger((n % 200) as u8), server());
        world.shard.handle_datagram(world.now, path, if n % 2 == 0 { &forged } else { &nobody });
    }
    let after = world.shard.counters();
    assert_eq!(after.dropped_stun - before.dropped_stun, 20_000);
    assert!(after.stun_unsigned <= 20, "{} signatures were computed in vain", after.stun_unsigned);
    assert_eq!(after.stun_unsigned + after.stun_limited, 10_000, "and none for a name that is not right in full");
    assert!(world.shard.poll_transmit().is_none(), "a stranger gets no byte back");
    // Others come from a new address as if nothing were, and once it is over so does the one that was attacked.
    world.clients[alice].seen_as.set_port(6_888);
    assert!(world.run_until(3_000, |world| world.shard.counters().addresses_changed == 1));
    world.clients[bob].seen_as.set_port(6_999);
    assert!(world.run_until(3_000, |world| world.shard.counters().addresses_changed == 2));
}

#[test]
fn a_request_that_was_overheard_moves_nothing_when_it_comes_again_from_elsewhere() {
    let (mut world, _, bob) = call(44);
    let (name, password) = (world.clients[bob].username(), world.clients[bob].password().to_owned());
    let request = world::binding_request(&name, &password, true);
    let own = Path::udp(world.clients[bob].seen_as, server());
    world.shard.handle_datagram(world.now, own, &request);
    while world.shard.poll_transmit().is_some() {}
    world.shard.handle_datagram(world.now, Path::udp(stranger(1), server()), &request);
    assert_eq!((world.shard.counters().stun_replayed, world.shard.counters().addresses_changed), (1, 0));
    assert!(world.shard.poll_transmit().is_none(), "nor is it answered");
    // A new one from there does.
    let request = world::binding_request(&name, &password, true);
    world.shard.handle_datagram(world.now, Path::udp(stranger(1), server()), &request);
    assert_eq!(world.shard.counters().addresses_changed, 1);
    assert!(world.shard.poll_transmit().is_some());
}

#[test]
fn dtls_from_an_unproved_address_reaches_nobody() {
    let (mut world, _, _) = call(39);
    let before = world.shard.counters();
    // The head of a ClientHello: handshake, DTLS 1.0, epoch 0.
    let hello = [&[22u8, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 1][..], &[0; 99]].concat();
    for n in 0..1_000u32 {
        let path = Path::udp(stranger((n % 200) as u8), server());
        world.shard.handle_datagram(world.now, path, &hello);
        world.shard.handle_datagram(world.now, Path::tcp(path.remote, path.local), &hello);
    }
    let after = world.shard.counters();
    assert_eq!(after.dropped_unknown_address - before.dropped_unknown_address, 2_000);
    assert!(world.shard.poll_transmit().is_none());
}

#[test]
fn a_peer_can_not_come_from_any_number_of_addresses() {
    let (mut world, _, bob) = call(40);
    let (name, password) = (world.clients[bob].username(), world.clients[bob].password().to_owned());
    for port in 10_000..10_100 {
        let request = world::binding_request(&name, &password, false);
        let from = SocketAddr::from(([10, 9, 9, 9], port));
        world.shard.handle_datagram(world.now, Path::udp(from, server()), &request);
    }
    assert!((40..=41).contains(&world.shard.counters().addresses_limited), "{:?}", world.shard.counters());
    let since = world.ms();
    assert!(world.run_until(200, |world| heard_since(world, bob, since + 50).is_some()), "where its media goes stays");
}

// === Something to hear ===

/// The longest that a client heard nothing but STUN.
fn longest_silence(world: &World, who: usize, since: u64) -> u64 {
    let times: Vec<u64> = world.clients[who].packets.iter().map(|(at, _)| *at).filter(|at| *at >= since).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(u64::MAX)
}

#[test]
fn c6_a_connected_peer_hears_something_every_quarter_second_though_nobody_speaks() {
    let mut world = World::new(41, Link::CLEAN);
    let (alice, bob) = world.call();
    for who in [alice, bob] {
        world.clients[who].sending = false; // not one packet
    }
    world.run(1_000);
    let heartbeats = world.shard.counters().heartbeats;
    let since = world.ms();
    world.run(10_000);
    for who in [alice, bob] {
        let longest = longest_silence(&world, who, since);
        assert!(longest <= 255, "{longest} ms of nothing");
    }
    let beats = world.shard.counters().heartbeats - heartbeats;
    assert!((30..=80).contains(&beats), "{beats} for two in ten seconds, beside the reports");
    // On hold too, or the client would take its way for dead.
    world.shard.hold(world.now, world.clients[bob].id);
    let since = world.ms();
    world.run(3_000);
    assert!(longest_silence(&world, bob, since) <= 255);
}

#[test]
fn c6_when_everyone_falls_silent_a_peer_hears_enough_and_not_too_much() {
    let (mut world, alice, bob) = call(43);
    world.run(3_000);
    for who in [alice, bob] {
        world.clients[who].sending = false;
    }
    world.run(3_000);
    let since = world.ms();
    world.run(10_000);
    assert!(longest_silence(&world, bob, since) <= 255);
    // The stack's own filling up to 50 kbit/s would be 1,900.
    let heard = world.clients[bob].packets.iter().filter(|(at, _)| *at >= since).count();
    assert!(heard <= 300, "{heard} packets in ten seconds, to say nothing");
}

#[test]
fn a_heartbeat_is_not_sent_where_media_flows_nor_while_it_rings() {
    let (mut world, _, _) = call(42);
    let before = world.shard.counters().heartbeats;
    world.run(5_000);
    assert_eq!(world.shard.counters().heartbeats, before);
    let carol = world.join();
    assert!(world.run_until(5_000, |world| world.clients[carol].connected > 0));
    world.run(5_000);
    assert_eq!(world.shard.counters().heartbeats, before, "connected, not admitted");
}
