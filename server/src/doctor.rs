//! `tertulia doctor`: looks at the machine as an operator would, and says what to do. `tertulia healthcheck`: one question
//! to the program that runs, for containers.
//!
//! A check is a function from facts to findings, so that every answer can be tested; what reads the machine is beside it and
//! decides nothing. Nothing is changed but for a file that is written into the data folder and taken away again.

mod certificate;
mod finding;
mod folder;
mod health;
mod libraries;
mod machine;
mod ports;
mod reach;
mod sandbox;
mod store;

pub(crate) use health::check as healthcheck;

use crate::config::Config;
use anyhow::bail;
use finding::{Finding, Level};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// Looks at everything, writes down what was found, and fails if something is in the way.
pub(crate) fn examine(file: Option<&Path>, as_json: bool) -> anyhow::Result<()> {
    let findings = findings(file);
    let text = if as_json { serde_json::to_string_pretty(&findings)? + "\n" } else { finding::text(&findings) };
    std::io::stdout().write_all(text.as_bytes())?;
    match findings.iter().filter(|finding| finding.level == Level::Problem).count() {
        0 => Ok(()),
        1 => bail!("one problem"),
        count => bail!("{count} problems"),
    }
}

fn findings(file: Option<&Path>) -> Vec<Finding> {
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(error) => return vec![Finding::problem("configuration", format!("{error:#}"), todo(&error))],
    };
    let mut findings = vec![configuration(file, &config)];
    let running = folder::is_in_use(&config.data.dir);
    findings.push(health::finding(running, running.then(|| health::ask(&config)).as_ref()));
    findings.extend(ports::check(&config, running));
    findings.extend(certificate::check(&config));
    findings.extend(reach::check(&config));
    findings.extend(folder::check(&config));
    findings.extend(machine::check(&config));
    findings.extend(store::check(&config));
    findings.extend(sandbox::check(&config));
    findings.extend(libraries::check(&config));
    findings
}

fn configuration(file: Option<&Path>, config: &Config) -> Finding {
    let from = file.map_or_else(|| "the defaults and the environment".to_owned(), |file| file.display().to_string());
    match config.check_files() {
        Ok(()) => Finding::ok("configuration", format!("{from}: it holds together, and so do the files it names")),
        Err(error) => Finding::problem("configuration", format!("{from}: {error:#}"), todo(&error)),
    }
}

fn todo(error: &anyhow::Error) -> &'static str {
    let denied = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    if denied.map(std::io::Error::kind).any(|kind| kind == ErrorKind::PermissionDenied) {
        return "run doctor with sudo; the program's own user has to be able to read it, too";
    }
    "correct it; `tertulia check-config` says the same, and what is in force when it holds"
}
