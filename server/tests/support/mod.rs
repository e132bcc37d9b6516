//! Starts the program for a test and speaks plain HTTP to it.

pub(crate) mod tls;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a condition.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The program, to be run in this folder on free ports.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tertulia"));
    command.current_dir(folder).stdin(Stdio::null());
    for (name, value) in [
        ("TERTULIA_HTTP__LISTEN", "127.0.0.1:0"),
        ("TERTULIA_OPERATOR__LISTEN", "127.0.0.1:0"),
        ("TERTULIA_MEDIA__SHARDS", "1"),
    ] {
        command.env(name, value);
    }
    command
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A running program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    folder: TempDir,
    http: SocketAddr,
    operator: SocketAddr,
    redirect: Option<SocketAddr>,
    media: usize,
}

impl Program {
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_with("", variables)
    }

    pub(crate) fn start_with(config: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config, &[], variables)
    }

    /// In a folder that is there, and with more words on its command line.
    pub(crate) fn start_in(folder: TempDir, config: &str, words: &[&str], variables: &[(&str, &str)]) -> Self {
        std::fs::write(folder.path().join("tertulia.toml"), config).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut child = command(folder.path())
            .args(["run", "--config", "tertulia.toml", "--ready-file", "ready"])
            .args(words)
            .stdout(File::create(folder.path().join("out")).unwrap())
            .envs(variables.iter().copied())
            .stderr(log)
            .spawn()
            .unwrap();
        let ready = folder.path().join("ready");
        wait_until("it is ready", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("it ended ({status}): {}", std::fs::read_to_string(folder.path().join("log")).unwrap());
            }
            ready.exists()
        });
        let text = std::fs::read_to_string(&ready).unwrap();
        let quoted: Vec<&str> = text.split('"').collect();
        let address = |name: &str| -> Option<SocketAddr> {
            let at = quoted.iter().position(|part| *part == name)?;
            let bound: SocketAddr = quoted[at + 2].parse().unwrap();
            let ip = if bound.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { bound.ip() };
            Some((ip, bound.port()).into())
        };
        let media =
            quoted.iter().skip_while(|part| **part != "media").skip(1).filter(|part| part.contains(':')).count();
        Self {
            http: address("http").unwrap(),
            operator: address("operator").unwrap(),
            redirect: address("redirect"),
            media: media - 1,
            child,
            folder,
        }
    }

    /// Another command beside it, with the same folder.
    pub(crate) fn command(&self) -> Command {
        command(self.folder.path())
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where it hears those who come in plain.
    pub(crate) fn redirect(&self) -> Option<SocketAddr> {
        self.redirect
    }

    /// A file of its folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The metric of this name and these labels, as it is written.
    pub(crate) fn metric(&self, name: &str) -> i64 {
        let text = self.operator("GET", "/metrics").body;
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("{name} is missing in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many media ports it has.
    pub(crate) fn media(&self) -> usize {
        self.media
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.http).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    pub(crate) fn get_with(&self, path: &str, headers: &str) -> Answer {
        request(self.http, "GET", path, headers, "").unwrap()
    }

    pub(crate) fn try_get(&self, path: &str) -> Option<Answer> {
        request(self.http, "GET", path, "", "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        request(self.http, "POST", path, "content-type: application/json\r\n", body).unwrap()
    }

    pub(crate) fn operator(&self, method: &str, path: &str) -> Answer {
        request(self.operator, method, path, "", "").unwrap()
    }

    /// None if it is no longer there.
    pub(crate) fn operator_status(&self, path: &str) -> Option<u16> {
        request(self.operator, "GET", path, "", "").map(|answer| answer.status)
    }

    /// A request whose body never comes; it has been seen by the server when this returns.
    pub(crate) fn unfinished_request(&self) -> TcpStream {
        let mut stream = self.connect();
        let head = "POST /v1/demo/sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
                    content-length: 20\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        // The server asks for the body when it begins to read it.
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100");
        stream
    }

    pub(crate) fn signal(&self, name: &str) {
        // The shell's own `kill`: the standard library sends no gentle signal.
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").arg("-c").arg(kill).status().unwrap().success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

pub(crate) fn request(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Option<Answer> {
    let headers = format!("host: {address}\r\n{headers}");
    request_on(&mut connect(address)?, method, path, &headers, body)
}

/// One request on a connection, TLS or not; `headers` name the host.
pub(crate) fn request_on(
    stream: &mut (impl Read + Write),
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Option<Answer> {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n");
    // A refusal may come, and the connection end, before all is written.
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).ok();
    let mut answer = Vec::new();
    let mut chunk = [0; 8192];
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..count]);
    }
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
