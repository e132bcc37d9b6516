//! `tertulia doctor` and `tertulia healthcheck`, beside a program that runs and without one.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]
#![expect(dead_code, reason = "of the support for the other tests some is not needed here")]

mod support;

use serde_json::Value;
use std::process::{Command, Output};
use support::Program;

/// A command with the addresses at which the program listens, as its configuration would have them.
fn beside(program: &Program, words: &[&str]) -> Command {
    let mut command = program.command();
    let folder = command.get_current_dir().unwrap().to_owned();
    let ready: Value = serde_json::from_slice(&std::fs::read(folder.join("ready")).unwrap()).unwrap();
    command.args(words).args(["--config", "tertulia.toml"]);
    command.env("TERTULIA_HTTP__LISTEN", ready["http"].as_str().unwrap());
    command.env("TERTULIA_OPERATOR__LISTEN", ready["operator"].as_str().unwrap());
    command
}

fn findings(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn says<'a>(findings: &'a [Value], check: &str) -> Vec<&'a str> {
    findings
        .iter()
        .filter(|finding| finding["check"] == check)
        .map(|finding| finding["says"].as_str().unwrap())
        .collect()
}

#[test]
fn s8_doctor_knows_the_program_that_runs_and_finds_nothing_wrong_with_it() {
    let mut program = Program::start(&[]);
    let output = beside(&program, &["doctor", "--json"]).output().unwrap();
    let found = findings(&output);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(says(&found, "program"), ["it runs, and is ready for calls"]);
    let store = says(&found, "store");
    assert!(store[0].ends_with("media/blobs: files can be written and taken away"), "{store:?}");
    assert!(says(&found, "libraries")[0].starts_with("libavcodec "), "{found:?}");
    let ours = format!("is the running program's (process {})", program.pid());
    let ports = says(&found, "ports");
    assert_eq!(ports.iter().filter(|port| port.ends_with(&ours)).count(), 2, "{ports:?}");
    assert!(found.iter().all(|finding| finding["level"] == "ok" || finding["todo"].is_string()), "{found:?}");
    assert!(beside(&program, &["healthcheck"]).status().unwrap().success());

    let (mut doctor, mut health) = (beside(&program, &["doctor", "--json"]), beside(&program, &["healthcheck"]));
    program.signal("TERM");
    program.wait();
    assert_eq!(says(&findings(&doctor.output().unwrap()), "program"), ["it does not run on this data folder now"]);
    assert!(!health.status().unwrap().success());
}

#[test]
fn s8_doctor_fails_and_says_what_to_do_when_something_is_in_the_way() {
    let program = Program::start(&[]);
    // Another one, that wants the same port and has a folder of its own.
    let output = beside(&program, &["doctor"]).env("TERTULIA_DATA__DIR", "other").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "a program of ours has them: {text}");
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = beside(&program, &["doctor"]).env("TERTULIA_HTTP__LISTEN", &address).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let line = text.lines().find(|line| line.starts_with("PROBLEM")).unwrap();
    assert!(line.contains(&address) && line.contains(&format!("process {}", std::process::id())), "{text}");
    assert!(text.contains("→ stop that") && text.contains("\n1 problem, "), "{text}");
}

#[test]
fn s8_doctor_says_what_is_wrong_with_a_configuration() {
    let program = Program::start(&[]);
    let output = beside(&program, &["doctor", "--json"]).env("TERTULIA_CALLS__GRACE_MS", "0").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let found = findings(&output);
    assert!(says(&found, "configuration")[0].contains("calls.grace_ms"), "{found:?}");
    assert_eq!(found.len(), 1, "without a configuration there is nothing else to look at");

    // It holds together, and names a secret that is not there.
    let mut command = program.command();
    let file = command.get_current_dir().unwrap().join("relay.toml");
    std::fs::write(&file, "[[ice_servers]]\nurls = [\"turns:127.0.0.1:1\"]\nsecret_file = \"turn.secret\"\n").unwrap();
    let output = command.args(["doctor", "--json", "--config", "relay.toml"]).output().unwrap();
    let said = says(&findings(&output), "configuration")[0].to_owned();
    assert!(output.status.code() == Some(1) && said.contains("turn.secret"), "{said}");
    let output = program.command().args(["check-config", "--config", "relay.toml"]).output().unwrap();
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("turn.secret"));
}
