//! HTTPS from the outside: the real binary, real files, a real TLS client.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

#[expect(dead_code, reason = "of the support for the other tests some is not needed here")]
mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{SystemTime, UNIX_EPOCH};
use support::tls::{Authority, Client, NAME, WebSocket, serial};
use support::{Program, command, request, wait_until};

const TLS: &str = "[tls]\ncert_file = \"cert.pem\"\nkey_file = \"key.pem\"\n";
/// A heartbeat that does not come into the way of looking at a socket.
const QUIET: (&str, &str) = ("TERTULIA_SIGNALING__HELLO_TIMEOUT_MS", "60000");

fn start(authority: &Authority, config: &str, variables: &[(&str, &str)]) -> Program {
    let folder = tempfile::tempdir().unwrap();
    authority.issue(folder.path(), 1, 90);
    Program::start_in(folder, &format!("{TLS}{config}"), &[], variables)
}

fn unix(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

const RELOADED: &str = "tertulia_tls_reloads_total{outcome=\"ok\"}";
const NOT_RELOADED: &str = "tertulia_tls_reloads_total{outcome=\"failed\"}";
const EXPIRES: &str = "tertulia_tls_certificate_expires_seconds";

#[test]
fn a5_a_new_certificate_is_shown_without_a_restart_and_open_sockets_go_on() {
    let authority = Authority::new();
    let program = start(&authority, "", &[QUIET]);
    let client = authority.client();
    let shown = || serial(&client.connect(program.http(), NAME).unwrap());
    let mut socket = WebSocket::open(client.connect(program.http(), NAME).unwrap());
    assert_eq!((shown(), program.metric(RELOADED), program.metric(NOT_RELOADED)), (1, 0, 0));

    let ends = authority.issue(&program.file(""), 2, 60);
    wait_until("the new one is shown", || shown() == 2);
    assert_eq!(program.metric(EXPIRES), unix(ends));
    assert_eq!((program.metric(RELOADED), program.metric(NOT_RELOADED)), (1, 0));
    socket.ping();

    program.signal("HUP");
    wait_until("it is read again when told", || program.metric(RELOADED) == 2);
    socket.ping();
}

#[test]
fn a5_a_pair_that_can_not_be_used_changes_nothing_and_is_told() {
    let authority = Authority::new();
    let program = start(&authority, "", &[QUIET]);
    let client = authority.client();
    let expires = program.metric(EXPIRES);
    let mut failed = 0;
    let mut is_refused = |what: &str| {
        failed += 1;
        program.signal("HUP");
        wait_until(what, || program.metric(NOT_RELOADED) >= failed);
        failed = program.metric(NOT_RELOADED);
        assert_eq!(serial(&client.connect(program.http(), NAME).unwrap()), 1, "{what}");
        assert_eq!((program.metric(RELOADED), program.metric(EXPIRES)), (0, expires), "{what}");
    };
    let key = std::fs::read(program.file("key.pem")).unwrap();
    std::fs::write(program.file("key.pem"), "nonsense").unwrap();
    is_refused("no key");
    authority.issue(&program.file(""), 2, 60);
    std::fs::write(program.file("key.pem"), key).unwrap();
    is_refused("another's key");
    authority.issue(&program.file(""), 3, -1);
    is_refused("its time is over");
    std::fs::remove_file(program.file("cert.pem")).unwrap();
    is_refused("no file");
    let log = program.log();
    assert!(log.contains("are no pair") && log.contains("its time is over"), "{log}");
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

#[test]
fn a5_a_start_needs_a_pair_that_fits() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    authority.issue(folder.path(), 1, 90);
    std::fs::write(folder.path().join("tertulia.toml"), TLS).unwrap();
    let check = || command(folder.path()).args(["check-config", "--config", "tertulia.toml"]).output().unwrap();
    assert!(check().status.success());
    let key = std::fs::read(folder.path().join("key.pem")).unwrap();
    authority.issue(folder.path(), 2, 90);
    std::fs::write(folder.path().join("key.pem"), key).unwrap();
    let run = command(folder.path()).args(["run", "--config", "tertulia.toml"]).output().unwrap();
    for output in [check(), run] {
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("cert.pem and key.pem are no pair"), "{said}");
    }
}

#[test]
fn a5_slow_and_broken_handshakes_are_cut_off_and_counted() {
    let authority = Authority::new();
    let program = start(&authority, "handshake_timeout_ms = 400\n", &[]);
    // Nothing, the beginning of a ClientHello, and what is neither TLS nor HTTP.
    let mut streams: Vec<TcpStream> = ["", "\u{16}\u{3}\u{1}", "\u{5}\u{1}\u{0}nonsense"]
        .iter()
        .map(|said| {
            let mut stream = program.connect();
            stream.write_all(said.as_bytes()).unwrap();
            stream
        })
        .collect();
    for stream in &mut streams {
        let ended = stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        assert!(matches!(ended, Ok(_) | Err(ErrorKind::ConnectionReset)), "{ended:?}");
    }
    wait_until("their places are free", || program.metric("tertulia_http_connections") == 0);
    let count = |outcome: &str| program.metric(&format!("tertulia_tls_handshakes_total{{outcome=\"{outcome}\"}}"));
    assert_eq!((count("timed_out"), count("failed"), count("ok")), (2, 1, 0));
    assert_eq!(authority.client().get(program.http(), NAME, "/v1/nope", "").status, 404);
    assert_eq!(count("ok"), 1);
}

#[test]
fn a5_a_flood_of_handshakes_gets_one_addresss_share() {
    let authority = Authority::new();
    let limits = [("TERTULIA_HTTP__CONNECTIONS_PER_ADDRESS_MAX", "4"), ("TERTULIA_TLS__HANDSHAKE_TIMEOUT_MS", "1500")];
    let program = start(&authority, "", &limits);
    let flood: Vec<TcpStream> = (0..40).map(|_| program.connect()).collect();
    let refused = "tertulia_http_connections_refused_total{limit=\"connections_per_address_max\"}";
    wait_until("all but its share is closed", || {
        program.operator("GET", "/metrics").body.contains(refused) && program.metric(refused) == 36
    });
    assert!(program.metric("tertulia_http_connections") <= 4);
    wait_until("the flood is over without its help", || program.metric("tertulia_http_connections") == 0);
    assert_eq!(authority.client().get(program.http(), NAME, "/v1/nope", "").status, 404);
    drop(flood);
}

#[test]
fn a5_one_address_begins_so_many_handshakes_and_no_more() {
    let authority = Authority::new();
    let program = start(&authority, "handshakes_per_address_per_s = 1\n", &[]);
    let client = authority.client();
    let limited = || program.metric("tertulia_tls_handshakes_total{outcome=\"limited\"}");
    // Ten at once, and perhaps one or two more for the time that they take.
    let done = (0..40).filter(|_| client.connect(program.http(), NAME).is_ok()).count();
    assert!((10..=20).contains(&done), "{done}");
    wait_until("those beyond are counted", || limited() == 40 - i64::try_from(done).unwrap());
    wait_until("it may again", || client.connect(program.http(), NAME).is_ok());
}

#[test]
fn a5_who_comes_in_plain_is_sent_on_and_no_token_is_taken() {
    let authority = Authority::new();
    let program = start(&authority, "redirect_listen = \"127.0.0.1:0\"\n", &[]);
    let (https, redirect) = (program.http(), program.redirect().unwrap());
    for plain in [https, redirect] {
        let page = request(plain, "GET", "/calls?a=b", "", "").unwrap();
        assert_eq!(page.status, 308, "{page:?}");
        assert!(page.head.contains(&format!("location: https://{https}/calls?a=b\r\n")), "{page:?}");
        let call = request(plain, "GET", "/v1/calls", "authorization: Bearer x\r\n", "").unwrap();
        assert!(call.status == 403 && call.body.contains("\"tls_required\""), "{call:?}");
        assert!(!call.head.contains("strict-transport-security"), "{call:?}");
    }
    // What a client says in its Host can not break out of the header.
    let odd = support::request_on(&mut program.connect(), "GET", "/", "host: a/b@c\r\n", "").unwrap();
    assert_eq!(odd.status, 403, "{odd:?}");
    assert_eq!(program.metric("tertulia_tls_handshakes_total{outcome=\"plain\"}"), 3);
}

#[test]
fn a5_browsers_are_told_to_come_back_by_https_where_that_can_be_kept() {
    let authority = Authority::new();
    let program = start(&authority, "[http]\npublic_hosts = [\"calls.example.org\"]", &[]);
    for path in ["/", "/v1/nope"] {
        let answer = authority.client().get(program.http(), NAME, path, "");
        assert!(answer.head.contains("strict-transport-security: max-age=31536000"), "{answer:?}");
        assert!(answer.head.contains("x-content-type-options: nosniff"), "{answer:?}");
    }
    let page = authority.client().get(program.http(), NAME, "/", "");
    assert!(page.head.contains(&format!("connect-src 'self' wss://{NAME}:{};", program.http().port())), "{page:?}");
    let api = authority.client().get(program.http(), NAME, "/v1/calls", "");
    assert!(api.status == 401 && api.head.contains("cache-control: no-store"), "{api:?}");
    let headers = "host: localhost\r\n";
    let mut stream = authority.client().connect(program.http(), NAME).unwrap();
    let local = support::request_on(&mut stream, "GET", "/", headers, "").unwrap();
    assert!(!local.head.contains("strict-transport-security"), "every program on localhost would be bound: {local:?}");
    assert!(!Program::start(&[]).get("/").head.contains("strict-transport-security"));
}

#[test]
fn a5_plain_http_from_beyond_this_machine_is_refused() {
    let beyond = [
        ("TERTULIA_HTTP__LISTEN", "0.0.0.0:0"),
        ("TERTULIA_HTTP__TRUSTED_PROXIES", "[\"192.0.2.99\"]"),
        ("TERTULIA_DEMO", "true"),
    ];
    let program = Program::start(&beyond);
    let from_outside = SocketAddr::new(own_address(), program.http().port());
    let spoofed = "x-forwarded-proto: https\r\nx-forwarded-for: 127.0.0.1\r\n";
    for headers in ["", spoofed] {
        let call = request(from_outside, "GET", "/v1/calls", headers, "").unwrap();
        assert!(call.status == 403 && call.body.contains("\"tls_required\""), "{call:?}");
        let page = request(from_outside, "GET", "/", headers, "").unwrap();
        assert!(page.status == 403 && page.body.contains("https"), "{page:?}");
    }
    assert_eq!(program.get("/v1/calls").status, 401, "on this machine it goes on");
}

/// The address by which this machine reaches others.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").expect("this machine is on a network");
    socket.local_addr().unwrap().ip()
}

#[test]
fn a5_lan_serves_https_with_a_certificate_that_its_own_authority_signs() {
    // A port that is taken, as by a program that was left running.
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start_in(folder, "", &["--lan"], &[("TERTULIA_HTTP__LISTEN", &listen)]);
    assert_ne!(program.http().port(), taken.local_addr().unwrap().port());
    assert!(program.log().contains("another port is taken instead"), "{}", program.log());

    let authority = std::fs::read_to_string(program.file("data/local-ca.pem")).unwrap();
    let client = Client::trusting(&authority);
    let ip = own_address();
    let at = SocketAddr::new(ip, program.http().port());
    let page = client.get(at, &ip.to_string(), "/v1/nope", "");
    assert!(page.status == 404 && !page.head.contains("strict-transport-security"), "{page:?}");
    assert_eq!(client.get(program.http(), "127.0.0.1", "/local-ca.pem", "").body, authority);
    assert!(client.connect(at, "8.8.8.8").is_err(), "it is for these addresses only");

    wait_until("it has said where to go", || {
        let said = std::fs::read_to_string(program.file("out")).unwrap();
        said.contains(&format!("https://{at}/\n")) && said.contains('█') && said.contains("data/local-ca.pem")
    });
    let plain = request(at, "GET", "/", "", "").unwrap();
    assert!(plain.status == 308 && plain.head.contains(&format!("location: https://{at}/")), "{plain:?}");
    let mut stream = client.connect(at, &ip.to_string()).unwrap();
    let headers = format!("host: {at}\r\ncontent-type: application/json\r\n");
    let signed_in =
        support::request_on(&mut stream, "POST", "/v1/demo/sign-in", &headers, "{\"name\":\"Ana\"}").unwrap();
    assert_eq!(signed_in.status, 200, "it is a demo: {signed_in:?}");
}
