//! What every request passes before its route: whose word is taken, and whose page may ask.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

#[expect(dead_code, reason = "of the support for the other tests some is not needed here")]
mod support;

use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use support::{Answer, Program, request};

const PROXY: (&str, &str) = ("TERTULIA_HTTP__TRUSTED_PROXIES", "[\"127.0.0.1\"]");
const DEMO: (&str, &str) = ("TERTULIA_DEMO", "true");
const ONE_SOCKET: (&str, &str) = ("TERTULIA_SIGNALING__SOCKETS_PER_ADDRESS_MAX", "1");

/// Opens a WebSocket; the status of the answer, and what keeps it open.
fn open_socket(program: &Program, headers: &str) -> (u16, TcpStream) {
    let mut stream = program.connect();
    let head = format!(
        "GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: tertulia.v1.json\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    (std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap(), stream)
}

fn of(client: &str) -> String {
    format!("x-forwarded-for: {client}\r\nx-forwarded-proto: https\r\n")
}

#[test]
fn a5_an_address_that_a_client_makes_up_does_not_get_it_more_sockets() {
    let program = Program::start(&[ONE_SOCKET]);
    let (first, _open) = open_socket(&program, &of("203.0.113.1"));
    let (second, _refused) = open_socket(&program, &of("203.0.113.2"));
    assert_eq!((first, second), (101, 429), "both are of this machine");
}

#[test]
fn a5_a_trusted_proxy_is_believed_and_does_not_count_as_one_client() {
    let one_connection = ("TERTULIA_HTTP__CONNECTIONS_PER_ADDRESS_MAX", "1");
    let program = Program::start(&[PROXY, DEMO, ONE_SOCKET, one_connection]);
    let _idle: Vec<TcpStream> = (0..5).map(|_| program.connect()).collect();
    let (first, _open) = open_socket(&program, &of("203.0.113.1"));
    let (other, _open_too) = open_socket(&program, &of("203.0.113.2"));
    let (again, _refused) = open_socket(&program, &of("198.51.100.9, 203.0.113.1"));
    assert_eq!((first, other, again), (101, 101, 429), "what the client wrote itself is left of what the proxy heard");
}

#[test]
fn a5_what_came_to_a_proxy_in_plain_is_refused_or_sent_on() {
    let program = Program::start(&[PROXY, DEMO, ("TERTULIA_HTTP__PUBLIC_HOSTS", "[\"calls.example.org\"]")]);
    let get = |path: &str, proto: &str| {
        let headers =
            format!("host: calls.example.org\r\nx-forwarded-for: 203.0.113.1\r\nx-forwarded-proto: {proto}\r\n");
        support::request_on(&mut program.connect(), "GET", path, &headers, "").unwrap()
    };
    let call = get("/v1/calls", "http");
    assert!(call.status == 403 && call.body.contains("\"tls_required\""), "{call:?}");
    let page = get("/calls", "http");
    assert!(page.status == 308 && page.head.contains("location: https://calls.example.org/calls\r\n"), "{page:?}");
    let (socket, _refused) = open_socket(&program, "x-forwarded-for: 203.0.113.1\r\nx-forwarded-proto: http\r\n");
    assert_eq!(socket, 403);
    let secure = get("/v1/calls", "https");
    assert!(secure.status == 401 && secure.head.contains("strict-transport-security: max-age="), "{secure:?}");
}

#[test]
fn c6_relays_are_told_to_who_signs_in_with_credentials_that_end() {
    let config = "[[ice_servers]]\nurls = [\"turn:turn.example.org\"]\nsecret = \"north wind\"\nttl_s = 600\n";
    let program = Program::start_with(config, &[]);
    let signed_in = program.post("/v1/demo/sign-in", "{\"name\":\"Alice\"}").body;
    let token = signed_in.split('"').find(|part| part.matches('.').count() == 2).unwrap();
    let told = program.get_with("/v1/ice-servers", &format!("authorization: Bearer {token}\r\n"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let username = told.body.split("\"username\":\"").nth(1).unwrap();
    let end: u64 = username.split(':').next().unwrap().parse().unwrap();
    assert!(told.status == 200 && (now + 590..=now + 601).contains(&end), "{told:?}");
    assert!(told.body.contains(&format!("\"expires_at\":{}", end * 1_000)), "{told:?}");
    assert!(told.body.contains("\"credential\":\"") && !told.body.contains("north wind"), "{told:?}");
    for headers in ["", "authorization: Bearer nonsense\r\n"] {
        let refused = program.get_with("/v1/ice-servers", headers);
        assert!(refused.status == 401 && !refused.body.contains("credential"), "{refused:?}");
    }
}

fn with_origin(program: &Program, method: &str, path: &str, origin: &str, more: &str) -> Answer {
    request(program.http(), method, path, &format!("origin: {origin}\r\n{more}"), "").unwrap()
}

#[test]
fn a5_a_page_of_an_allowed_origin_may_call_and_no_other() {
    let app = "https://app.example.org";
    let program = Program::start(&[("TERTULIA_HTTP__ALLOWED_ORIGINS", "[\"https://app.example.org\"]")]);
    let ask = "access-control-request-method: DELETE\r\naccess-control-request-headers: authorization\r\n";
    let leave = with_origin(&program, "OPTIONS", "/v1/account", app, ask);
    assert_eq!(leave.status, 204, "{leave:?}");
    for line in [
        "access-control-allow-origin: https://app.example.org",
        "access-control-allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers: authorization, content-type",
        "access-control-max-age: 600",
        "vary: origin",
    ] {
        assert!(leave.head.contains(&format!("\r\n{line}")), "{line} is missing in {leave:?}");
    }
    assert!(!leave.head.contains("allow-credentials"), "{leave:?}");
    let call = with_origin(&program, "GET", "/v1/calls", app, "");
    assert!(
        call.status == 401 && call.head.contains("access-control-allow-origin: https://app.example.org"),
        "{call:?}"
    );

    let evil = "https://evil.example";
    let denied = with_origin(&program, "OPTIONS", "/v1/account", evil, ask);
    assert_eq!(denied.status, 403, "{denied:?}");
    let unread = with_origin(&program, "GET", "/v1/calls", evil, "");
    for answer in [&denied, &unread] {
        assert!(!answer.head.contains("access-control-allow"), "{answer:?}");
        assert!(answer.head.contains("vary: origin"), "a cache must know: {answer:?}");
    }
    assert!(!with_origin(&program, "GET", "/", app, "").head.contains("access-control-allow"), "pages are no API");
    assert_eq!(open_socket(&program, "origin: https://app.example.org\r\n").0, 101);
    assert_eq!(open_socket(&program, "origin: https://evil.example\r\n").0, 403);

    let closed = Program::start(&[]);
    assert!(!with_origin(&closed, "GET", "/v1/calls", app, "").head.contains("access-control-allow"));
    assert_eq!(with_origin(&closed, "OPTIONS", "/v1/account", app, ask).status, 403);
}

#[test]
fn a5_a_name_that_another_site_lets_point_here_gets_nothing_of_a_demo() {
    let program = Program::start(&[("TERTULIA_HTTP__PUBLIC_HOSTS", "[\"calls.test\"]")]);
    let get = |path: &str, host: &str| {
        support::request_on(&mut program.connect(), "GET", path, &format!("host: {host}\r\n"), "").unwrap()
    };
    for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"] {
        let call = get("/v1/nope", host);
        assert!(call.status == 403 && call.body.contains("\"forbidden\""), "{host}: {call:?}");
        assert_eq!(get("/", host).status, 403, "{host}");
    }
    for host in ["localhost", "localhost:1", "127.0.0.1:8080", "[::1]", "calls.test"] {
        assert_eq!(get("/v1/nope", host).status, 404, "{host}");
    }
    // Where a token is needed, it decides.
    let production = Program::start(&[("TERTULIA_DEMO", "false")]);
    let answer =
        support::request_on(&mut production.connect(), "GET", "/v1/nope", "host: calls.example.org\r\n", "").unwrap();
    assert_eq!(answer.status, 404);
}
