//! Files, variables and what they make of each other; the example file says what is true.

use super::*;
use std::collections::BTreeSet;
use toml::{Table, Value};

const EXAMPLE: &str = include_str!("../../../tertulia.example.toml");

fn parse(text: &str) -> anyhow::Result<Config> {
    Config::parse(text, [])
}

fn with_variable(text: &str, name: &str, value: &str) -> anyhow::Result<Config> {
    Config::parse(text, [(name.to_owned(), value.to_owned())])
}

fn error(result: anyhow::Result<Config>) -> String {
    format!("{:#}", result.expect_err("must be refused"))
}

#[test]
fn it_runs_with_no_configuration_at_all_as_a_demo_on_loopback() {
    let config = parse("").unwrap();
    assert!(config.is_demo() && config.http.listen.ip().is_loopback() && config.operator.listen.ip().is_loopback());
}

#[test]
fn an_unknown_key_is_named() {
    assert!(error(parse("[calls]\nring_timout_ms = 1")).contains("ring_timout_ms"));
    assert!(error(parse("[cals]\nring_timeout_ms = 1")).contains("cals"));
    assert!(error(parse("[signaling]\nheartbeats = 1")).contains("heartbeats"));
    let key = "[[api_keys]]\nid = \"a\"\nalgorithm = \"HS256\"\nsecrets = \"x\"";
    assert!(error(parse(key)).contains("secrets"));
}

#[test]
fn an_unknown_variable_is_named() {
    for name in ["TERTULIA_CALLS__RING", "TERTULIA_DEMOO", "TERTULIA_CALLS", "TERTULIA_HTTP__LISTEN__IP", "TERTULIA_"] {
        assert!(error(with_variable("", name, "1")).contains(name), "{name}");
    }
}

#[test]
fn a_variable_overrides_the_file_as_the_type_of_its_option() {
    let file = "[calls]\nring_timeout_ms = 1\ngrace_ms = 7";
    let config = with_variable(file, "TERTULIA_CALLS__RING_TIMEOUT_MS", "1500").unwrap();
    assert_eq!((config.calls.ring_timeout_ms, config.calls.grace_ms), (1_500, 7));
    let config = with_variable("", "TERTULIA_MEDIA__ADVERTISE", r#"["203.0.113.5", "::1"]"#).unwrap();
    assert_eq!(config.media.advertise.len(), 2);
    let config = with_variable("", "TERTULIA_MEDIA__BIND_IP", "127.0.0.1").unwrap();
    assert!(config.media.bind_ip.unwrap().is_loopback());
    assert!(!with_variable("", "TERTULIA_DEMO", "false").unwrap().is_demo());
    // Text that looks like a number stays text.
    assert_eq!(with_variable("", "TERTULIA_DATA__DIR", "7").unwrap().data.dir, Path::new("7"));
    assert!(error(with_variable("", "TERTULIA_CALLS__GRACE_MS", "soon")).contains("TERTULIA_CALLS__GRACE_MS"));
    assert!(
        error(with_variable("demo = true", "TERTULIA_HTTP__LISTEN", "everywhere")).contains("TERTULIA_HTTP__LISTEN")
    );
}

#[test]
fn beyond_loopback_the_demo_is_off_unless_it_is_set() {
    let listen = "http.listen = \"0.0.0.0:8080\"\nhttp.trusted_proxies = [\"10.0.0.1\"]\n";
    let refused = error(parse(listen));
    assert!(refused.contains("demo = true") && refused.contains("api_keys"), "{refused}");
    assert!(parse(&format!("demo = true\n{listen}")).unwrap().is_demo());
    let key = "[[api_keys]]\nid = \"app\"\nalgorithm = \"HS256\"\nsecret = \"a secret of thirty-two bytes, ok\"";
    assert!(!parse(&format!("{listen}{key}")).unwrap().is_demo());
}

#[test]
fn values_that_can_not_hold_are_refused_by_name() {
    for (text, name) in [
        ("[calls]\ngrace_ms = 0", "calls.grace_ms"),
        ("[http]\nconnections_max = 0", "http.connections_max"),
        ("[media]\nroom_peers_max = 1", "media.room_peers_max"),
        ("[media]\nbusy_joins_max_percent = 101", "media.busy_joins_max_percent"),
        ("[media]\nadvertise = [\"0.0.0.0\"]", "media.advertise"),
        ("[signaling]\nheartbeat_s = 0", "heartbeat_s"),
        ("[log]\nlevel = \"very=loud=indeed\"", "log.level"),
    ] {
        assert!(error(parse(text)).contains(name), "{text}");
    }
}

#[test]
fn no_secret_shows() {
    let text = "[[api_keys]]\nid = \"app\"\nalgorithm = \"HS256\"\nsecret = \"hush\"\n\
                [[ice_servers]]\nurls = [\"turn:t.example.org\"]\nusername = \"u\"\ncredential = \"hush\"\n\
                [[ice_servers]]\nurls = [\"turn:t.example.org\"]\nsecret = \"hush\"";
    let config = parse(text).unwrap();
    let shown = format!("{config:?} {}", toml::to_string(&config).unwrap());
    assert!(!shown.contains("hush"), "{shown}");
    assert!(!format!("{:?}", config.ice().unwrap()).contains("hush"));
}

#[test]
fn a2_our_own_key_is_made_once_for_us_alone_and_not_where_apps_have_keys() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let with_data = |text: &str| {
        let mut config = parse(text).unwrap();
        config.data.dir = folder.path().join("data");
        config
    };
    let app = "[[api_keys]]\nid = \"app\"\nalgorithm = \"HS256\"\nsecret = \"a secret of thirty-two bytes, ok\"";
    let production = with_data(&format!("demo = false\n{app}"));
    let user = "alice".parse().unwrap();
    let ttl = std::time::Duration::from_secs(60);
    let app_token = api_keys(&production).unwrap().mint("app", &user, None, ttl).unwrap();
    assert!(!production.data.dir.exists());
    assert_eq!(signing_key_id(&production).unwrap(), "app");

    let demo = with_data("");
    assert_eq!(signing_key_id(&demo).unwrap(), INTERNAL_KEY_ID);
    let token = api_keys(&demo).unwrap().mint(INTERNAL_KEY_ID, &user, None, ttl).unwrap();
    assert!(api_keys(&demo).unwrap().verify(&token).is_ok(), "the second start has the same key");
    assert!(api_keys(&demo).unwrap().verify(&app_token).is_err());
    assert!(api_keys(&production).unwrap().verify(&token).is_err());

    let file = demo.data.dir.join("internal.key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(api_keys(&demo).unwrap_err().to_string().contains("chmod 600"));
    assert_eq!(std::fs::read_dir(&demo.data.dir).unwrap().count(), 1, "no draft remains");
}

#[test]
fn a_key_without_a_secret_or_with_our_own_id_is_refused() {
    for (text, said) in [
        ("[[api_keys]]\nid = \"a\"\nalgorithm = \"HS256\"", "secret_file"),
        ("[[api_keys]]\nid = \"internal\"\nalgorithm = \"HS256\"\nsecret = \"x\"", "internal"),
        ("[[api_keys]]\nid = \"a\"\nalgorithm = \"HS256\"\nsecret = \"short\"", "32"),
        ("[[api_keys]]\nid = \"a\"\nalgorithm = \"EdDSA\"\npublic_key_file = \"/nowhere.pem\"", "/nowhere.pem"),
    ] {
        let refused = format!("{:#}", check_keys(&parse(text).unwrap()).unwrap_err());
        assert!(refused.contains(said), "{refused}");
    }
}

/// The example with its options in force: `#key = …` is a default, `# key = …` (with a blank) an example without one.
fn example(with_examples: bool) -> String {
    let is_option = |line: &str| {
        let name = line.split_once(" = ").map_or(line, |(name, _)| name);
        line.starts_with('[') || (line.contains(" = ") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let uncomment = |line: &'static str| match line.strip_prefix('#') {
        Some(option) if is_option(option) => Some(option),
        Some(rest) => rest.strip_prefix(' ').filter(|option| with_examples && is_option(option)),
        None => Some(line),
    };
    EXAMPLE.lines().filter_map(uncomment).collect::<Vec<_>>().join("\n")
}

/// Every option by its path.
fn paths(table: &Table) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (name, value) in table {
        let inner: Vec<&Table> = match value {
            Value::Table(inner) => vec![inner],
            Value::Array(list) => list.iter().filter_map(Value::as_table).collect(),
            _ => vec![],
        };
        if inner.is_empty() {
            found.insert(name.clone());
        }
        found.extend(inner.into_iter().flat_map(paths).map(|path| format!("{name}.{path}")));
    }
    found
}

#[test]
fn the_example_file_shows_every_default_as_it_is() {
    let shown: Table = toml::from_str(&example(false)).unwrap();
    assert_eq!(shown, Table::try_from(Config::default()).unwrap());
}

#[test]
fn the_example_file_shows_every_option_that_has_no_default() {
    let text = example(true);
    let config: Config = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let shown = paths(&toml::from_str::<Table>(&text).unwrap());
    let without_default = [
        "demo",
        "tls.cert_file",
        "tls.key_file",
        "tls.redirect_listen",
        "accounts.region",
        "accounts.pin_sender",
        "accounts.webhook_url",
        "accounts.webhook_secret",
        "accounts.webhook_secret_file",
        "media.bind_ip",
        "media.advertise",
        "chat.key_files",
        "push.key_file",
        "push.webhook_url",
        "push.webhook_secret",
        "push.webhook_secret_file",
        "uploads.link_key_file",
        "uploads.store.folder",
        "uploads.store.s3.bucket",
        "uploads.store.s3.prefix",
        "uploads.store.s3.region",
        "uploads.store.s3.endpoint_url",
        "uploads.store.s3.force_path_style",
        "uploads.store.s3.plain_http",
        "uploads.store.s3.access_key_id",
        "uploads.store.s3.secret_key",
        "uploads.store.s3.secret_key_file",
        "uploads.store.s3.ca_file",
        "uploads.store.s3.send_checksums",
        "uploads.store.s3.connect_timeout_ms",
        "uploads.store.s3.request_timeout_ms",
        "uploads.store.s3.attempts_max",
        "api_keys.id",
        "api_keys.algorithm",
        "api_keys.secret",
        "api_keys.secret_file",
        "api_keys.public_key_file",
        "ice_servers.urls",
        "ice_servers.username",
        "ice_servers.credential",
        "ice_servers.secret",
        "ice_servers.secret_file",
        "ice_servers.ttl_s",
    ];
    let defaults = paths(&Table::try_from(Config::default()).unwrap());
    let all: BTreeSet<String> = defaults.into_iter().chain(without_default.map(str::to_owned)).collect();
    assert_eq!(shown, all);
    // What is in force can be written, and is the same again: no option is lost on the way.
    assert_eq!(paths(&Table::try_from(&config).unwrap()), all);
}

#[test]
fn the_example_file_as_it_is_changes_nothing() {
    assert_eq!(toml::from_str::<Table>(EXAMPLE).unwrap(), Table::new());
}
