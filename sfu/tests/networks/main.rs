//! The unit on real sockets: both protocols, both families, several addresses, and those who only want to cost.
#![expect(clippy::unwrap_used, reason = "a test: what can't be is a failure")]

mod client;

use client::Client;
use prometheus_client::registry::Registry;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use str0m::net::Protocol;
use tertulia_sfu::{Config, Sfu, TcpLimits};

fn start(bind: &str, advertise: &[&str], tcp: TcpLimits) -> Unit {
    let advertise = advertise.iter().map(|text| text.parse().unwrap()).collect();
    let config = Config { shards: 1, bind: bind.parse().unwrap(), advertise, tcp: Some(tcp), ..Config::default() };
    let (sfu, mut events) = tertulia_sfu::start(config).unwrap();
    std::thread::spawn(move || while events.blocking_recv().is_some() {});
    let mut registry = Registry::default();
    sfu.register(&mut registry);
    Unit { sfu, registry }
}

struct Unit {
    sfu: Sfu,
    registry: Registry,
}

impl Unit {
    fn at(&self, ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), self.sfu.addresses()[0].port())
    }

    /// A figure, as it is published: up to half a second late.
    fn figure(&self, name: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| {
            let rest = line.strip_prefix("tertulia_sfu_")?.strip_prefix(name)?;
            let rest = rest.strip_prefix("_total").unwrap_or(rest);
            rest.strip_prefix("{shard=\"0\"} ")
        });
        line.unwrap_or_else(|| panic!("no figure {name}")).parse().unwrap()
    }

    fn wait_for(&self, name: &str, least: u64) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.figure(name) < least {
            assert!(Instant::now() < end, "{name} is {}, not {least}", self.figure(name));
            std::thread::yield_now();
        }
    }
}

/// Lets the clients live until `done`.
fn run(clients: &mut [Client], mut done: impl FnMut(&[Client]) -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done(clients) {
        assert!(Instant::now() < end, "heard: {:?}", clients.iter().map(|client| client.heard).collect::<Vec<_>>());
        for client in clients.iter_mut() {
            client.turn(true);
        }
    }
}

fn all_hear(clients: &[Client]) -> bool {
    clients.iter().all(|client| client.heard >= 20)
}

/// Whether the server closes the connection, within its time.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    match stream.read(&mut [0; 16]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn c6_one_by_udp_and_one_by_tcp_hear_each_other() {
    let unit = start("127.0.0.1", &[], TcpLimits::default());
    let server = unit.at("127.0.0.1");
    let join = |id, by| Client::join(&unit.sfu, id, by, server, None);
    let mut clients = [join(1, Protocol::Udp), join(2, Protocol::Tcp)];
    run(&mut clients, all_hear);
    unit.wait_for("tcp_frames_received", 20);
    assert_eq!((unit.figure("tcp_connections"), unit.figure("tcp_unproved")), (1, 0));
    // Its connection goes with the peer.
    unit.sfu.remove(tertulia_common::ShardId(0), tertulia_common::RoomId(1), clients[1].id);
    unit.wait_for("tcp_closed_idle", 1);
    assert_eq!(unit.figure("tcp_connections"), 0);
}

#[test]
fn c6_both_families_and_several_addresses_are_served_and_answered_from_where_they_were_asked() {
    let unit = start("::", &["127.0.0.1", "127.0.0.2", "::1"], TcpLimits::default());
    let mut clients: Vec<Client> = [
        ("127.0.0.1", Protocol::Udp),
        ("127.0.0.2", Protocol::Udp),
        ("::1", Protocol::Udp),
        ("127.0.0.2", Protocol::Tcp),
        ("::1", Protocol::Tcp),
    ]
    .iter()
    .zip(1..)
    .map(|((ip, by), id)| Client::join(&unit.sfu, id, *by, unit.at(ip), None))
    .collect();
    // Each has one slot; whoever hears has been answered by the very address that its socket is connected to.
    run(&mut clients, all_hear);
}

#[test]
fn c6_behind_a_nat_clients_are_told_the_public_address() {
    let public: IpAddr = "203.0.113.9".parse().unwrap();
    let unit = start("0.0.0.0", &["127.0.0.1", "203.0.113.9/127.0.0.3"], TcpLimits::default());
    let told = SocketAddr::new(public, unit.at("127.0.0.3").port());
    let join = |id, by| Client::join(&unit.sfu, id, by, unit.at("127.0.0.3"), Some(told));
    let mut clients = [join(1, Protocol::Udp), join(2, Protocol::Tcp)];
    run(&mut clients, all_hear);
}

#[test]
fn a_tcp_client_that_does_not_read_loses_packets_and_holds_nobody_up() {
    let limits = TcpLimits { queue_bytes_max: 32 * 1024, ..TcpLimits::default() };
    let unit = start("127.0.0.1", &[], limits);
    let server = unit.at("127.0.0.1");
    let join = |id, by| Client::join(&unit.sfu, id, by, server, None);
    let mut clients = [join(1, Protocol::Udp), join(2, Protocol::Tcp)];
    run(&mut clients, all_hear);
    (clients[0].size, clients[0].burst) = (1_000, 10);
    let (end, heard) = (Instant::now() + Duration::from_secs(20), clients[0].heard);
    while unit.figure("tcp_send_dropped") == 0 {
        assert!(Instant::now() < end, "nothing was dropped");
        clients[0].turn(true);
        clients[1].turn(false);
    }
    assert!(clients[0].heard > heard, "the other hears on");
    (clients[0].size, clients[0].burst) = (80, 1);
    // When it reads again it goes on, on the same connection.
    let heard = clients[1].heard;
    run(&mut clients, |clients| clients[1].heard > heard + 200);
    assert_eq!(unit.figure("tcp_accepted"), 1);
}

#[test]
fn a_tcp_connection_that_proves_nothing_is_closed() {
    let limits = TcpLimits { proof_max: Duration::from_millis(300), ..TcpLimits::default() };
    let unit = start("127.0.0.1", &[], limits);
    let connect = || TcpStream::connect(unit.at("127.0.0.1")).unwrap();
    let (mut silent, mut slow, mut wrong, mut large) = (connect(), connect(), connect(), connect());
    slow.write_all(&[0]).unwrap(); // half of a length, and never more
    wrong.write_all(&[0, 4, 22, 254, 255, 0]).unwrap(); // DTLS before STUN
    large.write_all(&[0xff, 0xff, 0, 1]).unwrap();
    for stream in [&mut wrong, &mut large, &mut silent, &mut slow] {
        assert!(is_closed(stream));
    }
    unit.wait_for("tcp_closed_unproved", 3);
    unit.wait_for("tcp_closed_malformed", 1);
    // A request of nobody is not answered, and proves nothing.
    let mut stranger = connect();
    let mut request = vec![0, 28, 0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42];
    request.resize(30, 0);
    stranger.write_all(&request).unwrap();
    assert!(is_closed(&mut stranger));
}

#[test]
fn a_tcp_connection_of_a_peer_that_fell_silent_is_closed() {
    let limits = TcpLimits { idle_max: Duration::from_secs(1), ..TcpLimits::default() };
    let unit = start("127.0.0.1", &[], limits);
    let join = |id, by| Client::join(&unit.sfu, id, by, unit.at("127.0.0.1"), None);
    let mut clients = [join(1, Protocol::Udp), join(2, Protocol::Tcp)];
    run(&mut clients, all_hear);
    assert_eq!(unit.figure("tcp_closed_idle"), 0, "while it speaks it stays");
    unit.wait_for("tcp_closed_idle", 1);
    assert_eq!(unit.figure("peers"), 2, "its peer may come back by another");
}

#[test]
fn a_flood_keeps_neither_those_who_come_nor_those_who_speak_from_being_heard() {
    let unit = start("127.0.0.1", &[], TcpLimits::default());
    let server = unit.at("127.0.0.1");
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ends = Ends(&over);
        scope.spawn(|| {
            let socket = std::net::UdpSocket::bind("127.0.0.9:0").unwrap();
            // A request of nobody, as large as they come.
            let mut request = vec![0, 1, 4, 0, 0x21, 0x12, 0xa4, 0x42];
            request.resize(20 + 1_024, 0);
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                drop(socket.send_to(&request, server));
            }
        });
        unit.wait_for("datagrams_received", 10_000);
        let join = |id, by| Client::join(&unit.sfu, id, by, server, None);
        let mut clients = [join(1, Protocol::Udp), join(2, Protocol::Tcp)];
        run(&mut clients, all_hear);
    });
    let dropped = unit.figure("dropped_stun") + unit.figure("dropped_malformed");
    assert!(dropped >= 10_000, "{dropped}");
}

/// Ends a thread, however its scope is left.
struct Ends<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn tcp_connections_are_limited_and_the_oldest_unproved_goes_first() {
    let limits = TcpLimits { unproved_max: 3, per_address_max: 5, ..TcpLimits::default() };
    let unit = start("127.0.0.1", &[], limits);
    let mut strangers: Vec<TcpStream> = (0..10).map(|_| TcpStream::connect(unit.at("127.0.0.1")).unwrap()).collect();
    for stream in &mut strangers[..7] {
        assert!(is_closed(stream), "crowded out by those that came later");
    }
    unit.wait_for("tcp_closed_unproved", 7);
    assert_eq!(unit.figure("tcp_unproved"), 3);
    // Peers get through all the same, and theirs are not crowded out; one address has so many and no more.
    let join = |id| Client::join(&unit.sfu, id, Protocol::Tcp, unit.at("127.0.0.1"), None);
    let mut clients = [join(1), join(2)];
    run(&mut clients, all_hear);
    strangers.truncate(0);
    unit.wait_for("tcp_accepted", 12);
    let mut strangers: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(unit.at("127.0.0.1")).unwrap()).collect();
    assert!(is_closed(&mut strangers[3]), "the sixth of its address");
    unit.wait_for("tcp_refused", 1);
    let heard = clients[1].heard;
    run(&mut clients, |clients| clients[1].heard > heard + 20);
}
