//! Writes the reference of the wire: TypeScript types, JSON Schema and `docs/protocol.md`, all from this crate's types.
//!
//! `cargo run -p tertulia-signaling-proto --bin reference` writes them; with `--check` it writes nothing and fails if a
//! file on disk differs. A test does the latter, so a change to the protocol without its reference does not pass.

mod conferences;
mod examples;
mod groups;
mod markdown;
mod messages;
mod presence;
mod push;
mod schema;
mod standard_peers;
mod typescript;
mod uploads;

use std::path::Path;
use std::process::ExitCode;

/// The first line of every generated file.
pub(crate) const HEADER: &str =
    "Generated from signaling/proto: cargo run -p tertulia-signaling-proto --bin reference. Do not edit.";

pub(crate) type Error = Box<dyn std::error::Error>;

#[expect(clippy::print_stderr, reason = "a command-line tool")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reference: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => return Err(format!("unknown argument {other}; there is only --check").into()),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut stale = Vec::new();
    for (path, text) in files()? {
        let file = root.join(path);
        if std::fs::read_to_string(&file).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            stale.push(path);
            continue;
        }
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&file, text)?;
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!(
        "out of date: {}. Write anew with: cargo run -p tertulia-signaling-proto --bin reference",
        stale.join(", ")
    )
    .into())
}

/// Every generated file: its path below the workspace, and its text.
fn files() -> Result<Vec<(&'static str, String)>, Error> {
    Ok(vec![
        ("web/sdk/src/proto.ts", typescript::render()?),
        ("docs/protocol.md", markdown::render()?),
        ("docs/schema/client-frame.json", schema::text(&schema::client())?),
        ("docs/schema/server-frame.json", schema::text(&schema::server())?),
        ("docs/schema/http.json", schema::text(&schema::http())?),
    ])
}
