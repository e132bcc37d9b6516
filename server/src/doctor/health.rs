//! Asks the program that runs whether it is ready, over its operator's listener.

use super::finding::Finding;
use crate::config::Config;
use anyhow::{Context as _, bail};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// How long an answer may take. `/readyz` itself waits a second for the directory.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of the answer that are read; it has about 200.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// `tertulia healthcheck`: fails unless the program of this configuration is ready.
pub(crate) fn check(file: Option<&Path>) -> anyhow::Result<()> {
    let answer = ask(&Config::load(file)?)?;
    if answer != "ready" {
        bail!("{answer}");
    }
    Ok(())
}

/// What `/readyz` answers.
pub(super) fn ask(config: &Config) -> anyhow::Result<String> {
    let listen = config.operator.listen;
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(ip, listen.port());
    let answer = get(address).with_context(|| format!("operator.listen at {address} does not answer"))?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.trim().to_owned());
    body.filter(|_| answer.starts_with("HTTP/1.1 ")).context("operator.listen answers in no way of ours")
}

fn get(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// How the program is.
pub(super) fn finding(running: bool, answer: Option<&anyhow::Result<String>>) -> Finding {
    match answer {
        Some(Ok(answer)) if answer == "ready" => Finding::ok("program", "it runs, and is ready for calls"),
        Some(Ok(answer)) => Finding::problem("program", format!("it runs, but: {answer}"), LOOK_AT_LOG),
        Some(Err(error)) => Finding::problem("program", format!("it runs, but {error:#}"), LOOK_AT_LOG),
        None if running => Finding::problem("program", "it runs, but can't be asked", LOOK_AT_LOG),
        None => Finding::ok("program", "it does not run on this data folder now"),
    }
}

const LOOK_AT_LOG: &str = "journalctl -u tertulia -n 50";

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn s8_a_program_that_is_not_ready_is_a_problem() {
        assert_eq!(finding(false, None).level, Level::Ok);
        assert_eq!(finding(true, Some(&Ok("ready".to_owned()))).level, Level::Ok);
        let draining = finding(true, Some(&Ok("not ready: draining".to_owned())));
        assert_eq!(draining.level, Level::Problem);
        assert!(draining.says.contains("draining"));
        assert_eq!(finding(true, Some(&Err(anyhow::anyhow!("silence")))).level, Level::Problem);
    }
}
