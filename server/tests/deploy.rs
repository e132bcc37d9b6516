//! What is in `deploy/`, against the program and the tools that read it: `./x test deploy`, which installs those tools.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]
#![expect(dead_code, reason = "of the support for the other tests some is not needed here")]

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::Program;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(deploy().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; ./x test deploy brings it"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{text}");
    text
}

/// The lines `  key: value` of some YAML of ours, for one key.
fn values<'a>(yaml: &'a str, key: &str) -> Vec<&'a str> {
    let lines = yaml.lines().map(|line| line.trim().trim_start_matches("- "));
    lines
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(|value| value.trim().trim_matches('"'))
        .collect()
}

// === Alerts and dashboard ===

fn expressions_of_rules() -> String {
    let rules = read("prometheus/tertulia.rules.yml");
    let lines = rules.lines().filter(|line| !line.trim_start().starts_with(['#', '-']) && !line.contains("summary:"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every query of the dashboard.
fn expressions_of_dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("grafana/tertulia.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array());
    let queries = panels.flatten().map(|target| target["expr"].as_str().unwrap().to_owned());
    let annotations = dashboard["annotations"]["list"].as_array().unwrap().iter();
    queries.chain(annotations.map(|annotation| annotation["expr"].as_str().unwrap().to_owned())).collect()
}

/// The figures that an expression names, each with the labels it is chosen by: `name{limit="calls"}` or `limit=~"calls|pins"`.
fn figures(expression: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for (at, _) in expression.match_indices("tertulia_") {
        let rest = &expression[at..];
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
        let labels = found.entry(name.to_owned()).or_default();
        let Some(chosen) = rest[name.len()..].strip_prefix('{').and_then(|rest| rest.split('}').next()) else {
            continue;
        };
        for label in chosen.split(',') {
            let (key, value) = label.split_once('=').unwrap_or_else(|| panic!("{expression}"));
            let values = value.trim_start_matches('~').trim_matches('"').split('|');
            // Those of Prometheus itself.
            if !["instance", "job"].contains(&key) {
                labels.extend(values.map(|value| format!("{key}=\"{value}\"")));
            }
        }
    }
    found
}

/// What the program tells in all its parts: with a certificate of its own, and as it comes.
fn told() -> String {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let config = format!("[tls]\ncert_file = {cert:?}\nkey_file = {key:?}\n");
    let with_tls = Program::start_with(&config, &[]).operator("GET", "/metrics").body;
    let plain = Program::start(&[]);
    // An answer, so that its status is told.
    assert_eq!(plain.get("/").status, 200);
    with_tls + &plain.operator("GET", "/metrics").body
}

#[test]
fn s8_every_figure_of_the_alerts_and_the_dashboard_is_told_by_the_program() {
    let told = told();
    let mut missing = String::new();
    for expression in expressions_of_dashboard().into_iter().chain([expressions_of_rules()]) {
        for (name, labels) in figures(&expression) {
            let series: Vec<&str> = told
                .lines()
                .filter(|line| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['{', ' '])))
                .collect();
            if series.is_empty() && !name.starts_with("tertulia_http_connections_refused") {
                writeln!(missing, "{name}").unwrap();
            }
            let absent = |label: &&String| !series.iter().any(|line| line.contains(label.as_str()));
            for label in labels.iter().filter(absent).filter(|label| !label.contains("connections_max")) {
                writeln!(missing, "{name}{{{label}}}").unwrap();
            }
        }
    }
    assert!(missing.is_empty(), "not in /metrics:\n{missing}");
}

#[test]
fn s8_each_alert_fires_and_stays_silent() {
    let rules = read("prometheus/tertulia.rules.yml");
    let tests = read("prometheus/tertulia.test.yml");
    let alerts = values(&rules, "alert");
    assert!(alerts.len() >= 20, "{alerts:?}");
    let cases: BTreeSet<&str> = values(&tests, "name").into_iter().collect();
    for alert in alerts {
        for case in [format!("{alert} fires"), format!("{alert} is silent")] {
            assert!(cases.contains(case.as_str()), "no test: {case}");
        }
    }
    let prometheus = deploy().join("prometheus");
    run(Command::new("promtool").current_dir(&prometheus).args(["check", "rules", "tertulia.rules.yml"]));
    run(Command::new("promtool").current_dir(&prometheus).args(["test", "rules", "tertulia.test.yml"]));
    run(Command::new("promtool").current_dir(&prometheus).args(["check", "config", "prometheus.yml"]));
}

#[test]
fn s8_the_dashboards_queries_are_queries() {
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    let queries = expressions_of_dashboard();
    assert!(queries.len() >= 50, "{}", queries.len());
    for (number, query) in queries.iter().enumerate() {
        let query = query.replace("$__rate_interval", "5m").replace("$instance", ".*");
        writeln!(rules, "  - record: query_{number}\n    expr: {}", Value::from(query)).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries.yml");
    std::fs::write(&file, rules).unwrap();
    run(Command::new("promtool").args(["check", "rules"]).arg(&file));
}

#[test]
fn s8_the_dashboard_has_a_row_for_each_concern_and_no_panel_over_another() {
    let dashboard: Value = serde_json::from_str(&read("grafana/tertulia.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let rows: Vec<&str> = panels.iter().filter(|p| p["type"] == "row").map(|p| p["title"].as_str().unwrap()).collect();
    assert_eq!(rows, ["Now", "Calls", "Quality", "Media", "Signalling", "Accounts", "Messages", "Uploads", "Process"]);
    let mut taken = BTreeSet::new();
    for panel in panels {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + w <= 24, "{}", panel["title"]);
        let places = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y)));
        for place in places {
            assert!(taken.insert(place), "{} is over another", panel["title"]);
        }
    }
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}

#[test]
fn s8_the_operators_guide_says_what_each_alert_means() {
    let guide = read("../docs/operations.md");
    let rules = read("prometheus/tertulia.rules.yml");
    let silent: Vec<&str> =
        values(&rules, "alert").into_iter().filter(|alert| !guide.contains(&format!("`{alert}`"))).collect();
    assert!(silent.is_empty(), "docs/operations.md does not name {silent:?}");
}

// === The service ===

#[test]
fn the_service_is_one_that_systemd_takes_and_it_may_do_little() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("tertulia.service");
    let text = read("systemd/tertulia.service");
    // The program is where it was built.
    std::fs::write(&unit, text.replace("/usr/local/bin/tertulia", env!("CARGO_BIN_EXE_tertulia"))).unwrap();
    let said = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit));
    assert!(!said.contains("tertulia.service"), "{said}");
    // Exposure of 2 out of 10, where 10 is what a service without any of this has.
    run(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=20"]).arg(&unit));
}

#[test]
fn the_service_waits_longer_for_the_end_than_the_program_takes() {
    let unit = read("systemd/tertulia.service");
    let option = |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
    let program = Program::start(&[]);
    let config = program.command().arg("check-config").output().unwrap();
    let config = String::from_utf8(config.stdout).unwrap();
    let drain: u64 = config.lines().find_map(|line| line.strip_prefix("timeout_ms = ")).unwrap().parse().unwrap();
    assert!(option("TimeoutStopSec").parse::<u64>().unwrap() * 1000 > drain, "{config}");
    let files: u64 = option("LimitNOFILE").parse().unwrap();
    let number = |name: &str| -> u64 {
        config.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ")).unwrap().parse().unwrap()
    };
    assert!(files > number("sockets_max") + number("connections_max"), "{files} files are too few");
}

// === The container ===

#[test]
fn the_container_is_pinned_copies_what_is_there_and_does_not_run_as_root() {
    let text = read("docker/Dockerfile").replace("\\\n", " ");
    let lines: Vec<(&str, &str)> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect();
    let of =
        |word: &str| lines.iter().filter(|(name, _)| *name == word).map(|(_, rest)| rest.trim()).collect::<Vec<_>>();
    let stages = of("FROM");
    assert!(stages.len() >= 2, "one stage would ship the compiler");
    for stage in &stages {
        let image = stage.split(' ').next().unwrap();
        assert_pinned(image);
    }
    for copy in of("COPY") {
        let words: Vec<&str> = copy.split_whitespace().collect();
        let (_, sources) = words.split_last().unwrap();
        if sources[0].starts_with("--from=") {
            let stage = format!(" AS {}", &sources[0]["--from=".len()..]);
            assert!(stages.iter().any(|from| from.ends_with(&stage)), "{copy}");
            continue;
        }
        for source in sources {
            assert!(deploy().join("..").join(source).exists(), "{copy}: {source} is not there");
        }
    }
    let user = of("USER");
    assert!(user.last().is_some_and(|user| !user.starts_with("root") && !user.starts_with('0')), "{user:?}");
    let last_stage = text.rsplit("FROM ").next().unwrap();
    assert!(last_stage.contains("\nUSER "), "the last stage decides who runs it");
    assert!(of("HEALTHCHECK")[0].contains("\"healthcheck\"") && !of("EXPOSE").is_empty());
    let rust = std::fs::read_to_string(deploy().join("../Cargo.toml")).unwrap();
    let wanted = rust.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(stages.iter().any(|stage| stage.starts_with(&format!("rust:{wanted}"))), "Rust {wanted}: {stages:?}");
}

#[track_caller]
fn assert_pinned(image: &str) {
    let tag = image.rsplit_once(':').map(|(_, tag)| tag);
    let tag = tag.unwrap_or_else(|| panic!("{image} has no tag"));
    assert!(tag != "latest" && tag.contains('.'), "{image} changes under us");
}

#[test]
fn the_composition_mounts_what_is_there_and_is_pinned() {
    let text = read("docker/compose.yaml");
    let images = values(&text, "image");
    assert!(images.len() >= 2);
    images.into_iter().for_each(assert_pinned);
    // What the operator makes; the comment at the top says how.
    let made = ["./tertulia.toml", "./turn.secret", "./tls", "./turnserver.conf"];
    let mounts = text.lines().filter_map(|line| line.trim().strip_prefix("- ./").or(line.trim().strip_prefix("- ../")));
    let mut count = 0;
    for line in text.lines().map(str::trim).filter(|line| line.starts_with("- .")) {
        let source = line.trim_start_matches("- ").split(':').next().unwrap();
        count += 1;
        if made.contains(&source) {
            assert!(
                text.lines().take_while(|line| line.starts_with('#')).any(|line| line.contains(&source[2..])),
                "{source}"
            );
        } else {
            assert!(deploy().join("docker").join(source).exists(), "{source} is not there");
        }
    }
    assert_eq!(count, mounts.count());
    assert!(text.contains("no-new-privileges") && text.contains("cap_drop: [ALL]"));
}
