//! The program from the outside: the real binary, started on free ports with a folder of its own.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

#[expect(dead_code, reason = "of the support for the other tests some is not needed here")]
mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};
use support::{PATIENCE, Program, command, wait_until};

#[test]
fn it_runs_without_configuration_and_says_where() {
    let program = Program::start(&[]);
    assert_eq!(program.operator("GET", "/healthz").status, 200);
    assert_eq!(program.operator("GET", "/readyz").body, "ready\n");
    let metrics = program.operator("GET", "/metrics").body;
    for name in
        ["tertulia_build_info{", "tertulia_process_cpu_seconds_total ", "tertulia_http_connections ", "tertulia_calls{"]
    {
        assert!(metrics.contains(name), "{name} is missing in {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    let log = program.log();
    assert!(log.contains(&format!("open http://{}/", program.http())), "{log}");
    assert!(log.contains("demo=true"), "{log}");
    assert!(program.media() >= 1, "a shard has a port");
}

#[test]
fn variables_of_the_tests_are_no_options() {
    let program =
        Program::start(&[("TERTULIA_AIORTC_PYTHON", "/x"), ("TERTULIA_TESTS_INSIDE", "1"), ("TERTULIA_BIN", "/x")]);
    assert_eq!(program.operator("GET", "/healthz").status, 200);
}

#[test]
fn people_do_not_see_what_is_the_operators() {
    let program = Program::start(&[]);
    for path in ["/metrics", "/readyz", "/healthz"] {
        let answer = program.get(path);
        assert!(!answer.body.contains("tertulia_") && answer.body != "ready\n" && answer.body != "ok\n", "{answer:?}");
    }
    assert_eq!(program.operator("GET", "/v1/calls").status, 404);
}

#[test]
fn every_page_carries_the_policy_and_unknown_calls_a_typed_error() {
    let program = Program::start(&[]);
    let page = program.get("/calls");
    assert!(page.head.contains("frame-ancestors 'none'") && page.head.contains("nosniff"), "{page:?}");
    assert!(page.head.contains(&format!("ws://{}", program.http())), "{page:?}");
    let unknown = program.get("/v1/nope");
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("\"not_found\""), "{unknown:?}");
}

#[test]
fn sigterm_ends_it_within_the_bound_with_success() {
    let mut program = Program::start(&[("TERTULIA_DRAIN__TIMEOUT_MS", "4000")]);
    let start = Instant::now();
    program.signal("TERM");
    assert!(program.wait().success(), "{}", program.log());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(program.log().contains("ended"), "{}", program.log());
}

#[test]
fn a_request_that_never_ends_does_not_keep_it_beyond_the_bound() {
    let mut program =
        Program::start(&[("TERTULIA_DRAIN__TIMEOUT_MS", "500"), ("TERTULIA_HTTP__REQUEST_TIMEOUT_MS", "60000")]);
    let _open = program.unfinished_request();
    let start = Instant::now();
    program.signal("INT");
    assert!(program.wait().success(), "{}", program.log());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(program.log().contains("not everything ended in time"), "{}", program.log());
}

#[test]
fn c6_where_calls_are_kept_nothing_holds_it_up() {
    let mut program = Program::start(&[("TERTULIA_HTTP__REQUEST_TIMEOUT_MS", "60000")]);
    let _open = program.unfinished_request();
    let start = Instant::now();
    program.signal("TERM");
    assert!(program.wait().success(), "{}", program.log());
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut program =
        Program::start(&[("TERTULIA_DRAIN__CALLS", "end"), ("TERTULIA_HTTP__REQUEST_TIMEOUT_MS", "60000")]);
    let _open = program.unfinished_request();
    program.signal("TERM");
    wait_until("it drains", || program.operator_status("/readyz") == Some(503));
    program.signal("TERM");
    assert!(!program.wait().success());
    assert!(program.log().contains("ended at once"), "{}", program.log());
}

#[test]
fn a_service_that_is_told_to_reload_goes_on_even_if_there_is_nothing_to_reload() {
    let program = Program::start(&[]);
    program.signal("HUP");
    wait_until("it says so", || program.log().contains("there is no certificate to read again"));
    assert_eq!(program.operator("GET", "/readyz").status, 200);
}

#[test]
fn d5_a_store_that_is_gone_shows_in_readiness_and_in_the_metrics_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, away) = (folder.path().join("store"), folder.path().join("away"));
    let program = Program::start_with(&format!("[uploads.store]\nfolder = {store:?}\n"), &[]);
    let (gone, full) = ("trouble=\"store_failed\"", "trouble=\"store_full\"");
    let metric = |label: &str| program.metric(&format!("tertulia_media_store_trouble{{{label}}}"));
    assert_eq!(program.operator("GET", "/readyz").body, "ready\n");
    assert_eq!((metric(gone), metric(full)), (0, 0));
    std::fs::rename(&store, &away).unwrap();
    wait_until("it is not ready", || program.operator_status("/readyz") == Some(503));
    let said = program.operator("GET", "/readyz").body;
    assert!(said.starts_with("not ready: store_failed: "), "{said}");
    assert_eq!((metric(gone), metric(full), program.metric("tertulia_ready")), (1, 0, 0));
    std::fs::rename(&away, &store).unwrap();
    wait_until("it is ready again", || program.operator_status("/readyz") == Some(200));
    assert_eq!((metric(gone), program.metric("tertulia_ready")), (0, 1));
    // Without uploads nobody asks for the store.
    let without = Program::start(&[("TERTULIA_UPLOADS__ENABLED", "false")]);
    assert_eq!(without.operator("GET", "/readyz").body, "ready\n");
}

#[test]
fn a_mistyped_option_is_named_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tertulia.toml");
    std::fs::write(&file, "[calls]\nring_timout_ms = 5\n").unwrap();
    for subcommand in ["check-config", "run"] {
        let output = command(folder.path()).arg(subcommand).arg("--config").arg(&file).output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("ring_timout_ms") && said.contains("tertulia.toml"), "{said}");
    }
    assert!(!folder.path().join("data").exists());
}

#[test]
fn check_config_says_what_is_in_force_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path()).arg("check-config").env("TERTULIA_CALLS__GRACE_MS", "12345").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("grace_ms = 12345"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn beyond_loopback_nobody_gets_a_demo_who_did_not_ask_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path()).env("TERTULIA_HTTP__LISTEN", "0.0.0.0:0").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("demo = true") && said.contains("api_keys"), "{said}");

    let key = "[[api_keys]]\nid = \"app\"\nalgorithm = \"HS256\"\nsecret = \"a secret of thirty-two bytes, ok\"\n";
    let beyond = [("TERTULIA_HTTP__LISTEN", "0.0.0.0:0"), ("TERTULIA_HTTP__TRUSTED_PROXIES", "[\"192.0.2.99\"]")];
    let program = Program::start_with(key, &beyond);
    let answer = program.post("/v1/demo/sign-in", "{\"name\":\"Mallory\"}");
    assert_eq!(answer.status, 404, "{answer:?}");

    let program = Program::start(&[&beyond[..], &[("TERTULIA_DEMO", "true")]].concat());
    assert_eq!(program.post("/v1/demo/sign-in", "{\"name\":\"Alice\"}").status, 200);
}

#[test]
fn a2_a_token_of_the_command_line_opens_the_server() {
    let program = Program::start(&[]);
    let output = program.command().args(["token", "--user", "alice", "--name", "Alice"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let token = String::from_utf8(output.stdout).unwrap();
    let with = |token: &str| program.get_with("/v1/calls", &format!("authorization: Bearer {}\r\n", token.trim()));
    assert_eq!(with(&token).status, 200);
    assert_eq!(with("nonsense").status, 401);
}

#[test]
fn a_slow_client_is_cut_off() {
    let program = Program::start(&[("TERTULIA_HTTP__HEADER_TIMEOUT_MS", "200")]);
    // One that says nothing, and one that says a little and stops.
    for said in ["", "GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: "] {
        let mut stream = program.connect();
        stream.write_all(said.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer).map_err(|error| error.kind());
        assert!(matches!(ended, Ok(_) | Err(ErrorKind::ConnectionReset)), "{said:?}: {ended:?}");
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{said:?}");
    }
}

#[test]
fn a_connection_that_is_no_websocket_does_not_live_for_ever() {
    let program = Program::start(&[("TERTULIA_HTTP__CONNECTION_TIMEOUT_MS", "300")]);
    let mut stream = program.connect();
    // Busy all the time, and still: after its time the server answers one more request at most, and closes.
    let start = Instant::now();
    let mut buffer = [0; 4096];
    loop {
        let asked = stream.write_all(b"GET /v1/nope HTTP/1.1\r\nhost: localhost\r\n\r\n");
        if asked.is_err() || matches!(stream.read(&mut buffer), Ok(0) | Err(_)) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "the connection lives on");
    }
    assert!(start.elapsed() >= Duration::from_millis(250), "it may live for its time");
}

#[test]
fn one_address_gets_its_share_of_connections() {
    let program = Program::start(&[("TERTULIA_HTTP__CONNECTIONS_PER_ADDRESS_MAX", "2")]);
    let first = program.connect();
    let _second = program.connect();
    let mut third = program.connect();
    let mut nothing = [0; 1];
    assert!(matches!(third.read(&mut nothing), Ok(0) | Err(_)), "closed at once");
    let metrics = program.operator("GET", "/metrics").body;
    assert!(
        metrics.contains("tertulia_http_connections_refused_total{limit=\"connections_per_address_max\"} 1"),
        "{metrics}"
    );
    drop(first);
    wait_until("a place is free", || program.try_get("/v1/nope").is_some_and(|answer| answer.status == 404));
}

#[test]
fn headers_without_end_are_refused() {
    let program = Program::start(&[]);
    let answer = program.get_with("/", &format!("x-large: {}\r\n", "x".repeat(64 * 1024)));
    assert_eq!(answer.status, 431, "{answer:?}");
    let answer = program.get_with("/", &"x-many: 1\r\n".repeat(100));
    assert_eq!(answer.status, 431, "{answer:?}");
}

#[test]
fn a_websocket_leaves_the_places_of_http() {
    let program =
        Program::start(&[("TERTULIA_HTTP__CONNECTIONS_MAX", "1"), ("TERTULIA_HTTP__CONNECTION_TIMEOUT_MS", "300")]);
    let mut socket = program.connect();
    let head = "GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: tertulia.v1.json\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    let start = Instant::now();
    wait_until("its place is free, beyond the time of a plain connection too", || {
        program.try_get("/v1/nope").is_some() && start.elapsed() > Duration::from_millis(600)
    });
    let metrics = program.operator("GET", "/metrics").body;
    assert!(metrics.contains("tertulia_signaling_sockets 1\n"), "{metrics}");
}

#[test]
fn two_programs_do_not_share_a_data_folder() {
    let program = Program::start(&[]);
    let output = program.command().output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("another tertulia runs on the data folder"), "{said}");
}

#[test]
fn it_takes_as_many_open_files_as_it_may() {
    let program = Program::start(&[]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let fields: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(fields[3], fields[4], "soft and hard: {line}");
}

#[test]
fn a_taken_port_is_named() {
    let program = Program::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let taken = program.http().to_string();
    let output = command(folder.path()).env("TERTULIA_HTTP__LISTEN", &taken).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("http.listen = {taken}")), "{said}");
}

#[test]
fn logs_can_be_read_by_machines() {
    let program = Program::start(&[("TERTULIA_LOG__FORMAT", "json")]);
    let log = program.log();
    let line = log.lines().find(|line| line.contains("Tertulia is ready")).unwrap();
    assert!(line.starts_with('{') && line.ends_with('}') && line.contains("\"level\":\"INFO\""), "{line}");
}
