//! The real program, started for one test on free ports with a folder of its own, and killed when dropped.
//!
//! The binary is `$TERTULIA_BIN`, else `tertulia` beside the test's own target folder (`target/<profile>/tertulia`):
//! `cargo build -p tertulia` makes it, as `./x test` does before the tests.

use crate::http::{self, Answer};
use crate::metrics::Metrics;
use crate::token::{ED_KEY_ID, ED_PUBLIC, HS_KEY_ID, HS_SECRET};
use crate::wait::PATIENCE;
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the program writes into its ready file once every listener is bound.
#[derive(Clone, Debug, Deserialize)]
struct Ready {
    http: SocketAddr,
    operator: SocketAddr,
    #[serde(default)]
    media: Vec<SocketAddr>,
}

/// How a test wants its server.
#[derive(Debug, Default)]
pub struct Builder {
    settings: Vec<(String, String)>,
    listen: Option<String>,
    more: String,
    ready_within: Option<Duration>,
}

impl Builder {
    /// Sets one option, by its path: `set("calls.ring_timeout_ms", 1500)`.
    #[must_use]
    pub fn set(mut self, path: &str, value: impl ToString) -> Self {
        let variable = format!("TERTULIA_{}", path.to_uppercase().replace('.', "__"));
        self.settings.push((variable, value.to_string()));
        self
    }

    /// Listens for people on this address instead of on loopback.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Self {
        self.listen = Some(address.to_owned());
        self
    }

    /// Adds lines at the end of the configuration: for lists, which are not to be had by [`set`](Self::set).
    #[must_use]
    pub fn more(mut self, lines: &str) -> Self {
        self.more.push_str(lines);
        self
    }

    /// How long it may take to be ready, each time it starts.
    #[must_use]
    pub fn ready_within(mut self, time: Duration) -> Self {
        self.ready_within = Some(time);
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// If there is no binary, or it ends or is not ready in time; the error carries its log.
    pub async fn start(self) -> anyhow::Result<Server> {
        let dir = tempfile::tempdir()?;
        let (child, ready) = self.started(dir.path()).await?;
        Ok(Server { child, dir, ready, builder: self })
    }

    async fn started(&self, dir: &Path) -> anyhow::Result<(Child, Ready)> {
        let mut child = self.spawn(dir)?;
        match ready(&mut child, dir, self.ready_within.unwrap_or(PATIENCE)).await {
            Ok(ready) => Ok((child, ready)),
            Err(error) => {
                child.kill().ok();
                child.wait().ok();
                Err(error.context(log_tail(dir)))
            }
        }
    }

    /// Starts it where it is expected to refuse, and gives its exit status and its log.
    ///
    /// # Errors
    /// If there is no binary, or it runs on.
    pub async fn start_refused(self) -> anyhow::Result<(ExitStatus, String)> {
        let dir = tempfile::tempdir()?;
        let mut child = self.spawn(dir.path())?;
        let status = exit(&mut child).await;
        child.kill().ok();
        child.wait().ok();
        Ok((status?, log_tail(dir.path())))
    }

    fn spawn(&self, dir: &Path) -> anyhow::Result<Child> {
        let config = dir.join("tertulia.toml");
        let key_file = dir.join("ed25519.pem");
        std::fs::write(&key_file, ED_PUBLIC)?;
        let listen = self.listen.as_deref().unwrap_or("127.0.0.1:0");
        std::fs::write(
            &config,
            format!(
                "[http]\nlisten = \"{listen}\"\n[operator]\nlisten = \"127.0.0.1:0\"\n[data]\ndir = {data:?}\n\
                 [media]\nbind_ip = \"127.0.0.1\"\nport = 0\nadvertise = [\"127.0.0.1\"]\n\
                 [[api_keys]]\nid = \"{HS_KEY_ID}\"\nalgorithm = \"HS256\"\nsecret = \"{HS_SECRET}\"\n\
                 [[api_keys]]\nid = \"{ED_KEY_ID}\"\nalgorithm = \"EdDSA\"\npublic_key_file = {key_file:?}\n{more}\n",
                data = dir.join("data"),
                more = self.more,
            ),
        )?;
        let log = File::options().create(true).append(true).open(dir.join("log"))?;
        let binary = binary()?;
        Command::new(&binary)
            .arg("run")
            .arg("--config")
            .arg(&config)
            .arg("--ready-file")
            .arg(dir.join("ready"))
            // Debug builds on shared cores are busy with what a release build hardly notices; tests of that say otherwise.
            .env("TERTULIA_MEDIA__BUSY_ROOMS_MAX_PERCENT", "100")
            .env("TERTULIA_MEDIA__BUSY_JOINS_MAX_PERCENT", "100")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))
    }
}

async fn ready(child: &mut Child, dir: &Path, within: Duration) -> anyhow::Result<Ready> {
    let start = Instant::now();
    loop {
        if let Ok(text) = std::fs::read_to_string(dir.join("ready")) {
            return serde_json::from_str(&text).with_context(|| format!("the ready file: {text}"));
        }
        if let Some(status) = child.try_wait()? {
            bail!("the server ended: {status}");
        }
        ensure!(start.elapsed() < within, "the server is not ready");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn exit(child: &mut Child) -> anyhow::Result<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        ensure!(start.elapsed() < PATIENCE, "the server runs on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn log_tail(dir: &Path) -> String {
    let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

fn binary() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("TERTULIA_BIN") {
        return Ok(path.into());
    }
    // A test runs from target/<profile>/deps, a tool of ours from target/<profile>.
    let own = std::env::current_exe()?;
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join("tertulia")).find(|path| path.is_file());
    found.context("no `tertulia` beside the tests: run `cargo build -p tertulia` first, or set TERTULIA_BIN")
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    dir: TempDir,
    ready: Ready,
    builder: Builder,
}

impl Server {
    /// Starts one with its defaults, on loopback, with two API keys (see [`token`](crate::token)).
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub async fn start() -> anyhow::Result<Self> {
        Self::builder().start().await
    }

    /// One with other options.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where people connect.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.ready.http
    }

    /// Where the operator looks.
    #[must_use]
    pub fn operator(&self) -> SocketAddr {
        self.ready.operator
    }

    /// The media addresses, one a shard.
    #[must_use]
    pub fn media(&self) -> &[SocketAddr] {
        &self.ready.media
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder of all that it keeps.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Whether a file of its data folder has these bytes in it.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn keeps(&self, bytes: &[u8]) -> std::io::Result<bool> {
        holds(&self.data_dir(), bytes)
    }

    /// Everything it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// `GET` on the people's listener.
    ///
    /// # Errors
    /// If there is no HTTP answer.
    pub async fn get(&self, path: &str, bearer: Option<&str>) -> anyhow::Result<Answer> {
        http::request(self.http(), "GET", path, bearer, None).await
    }

    /// `POST` on the people's listener.
    ///
    /// # Errors
    /// If there is no HTTP answer.
    pub async fn post(&self, path: &str, bearer: Option<&str>, body: &str) -> anyhow::Result<Answer> {
        http::request(self.http(), "POST", path, bearer, Some(body)).await
    }

    /// Any request on the people's listener.
    ///
    /// # Errors
    /// If there is no HTTP answer.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        bearer: Option<&str>,
        body: Option<&str>,
    ) -> anyhow::Result<Answer> {
        http::request(self.http(), method, path, bearer, body).await
    }

    /// One scrape.
    ///
    /// # Errors
    /// If the operator's listener does not answer.
    pub async fn metrics(&self) -> anyhow::Result<Metrics> {
        let answer = http::request(self.operator(), "GET", "/metrics", None, None).await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(Metrics::parse(&answer.body))
    }

    /// Whether the process still runs.
    #[must_use]
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it as a power cut does (SIGKILL).
    ///
    /// # Errors
    /// If it can't be waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again where it was: its folder, its ports. Media has to have one shard (`media.shards`).
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let [media] = self.ready.media[..] else { bail!("media.shards = 1, for its one port to be the same") };
        self.builder.listen = Some(self.ready.http.to_string());
        self.builder.settings.push(("TERTULIA_MEDIA__PORT".to_owned(), media.port().to_string()));
        std::fs::remove_file(self.dir.path().join("ready"))?;
        (self.child, self.ready) = self.builder.started(self.dir.path()).await?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// If it runs on.
    pub async fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        // The shell's own `kill`: the standard library has no gentle signal, and the tool is not on every machine.
        Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.pid())).status()?;
        exit(&mut self.child).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "a failed test shows what the server had to say")]
            {
                eprintln!("--- the server's log ---\n{}", log_tail(self.dir.path()));
            }
        }
    }
}

fn holds(folder: &Path, bytes: &[u8]) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            holds(&path, bytes)?
        } else {
            // A file may go while we look.
            std::fs::read(&path).is_ok_and(|file| file.windows(bytes.len()).any(|part| part == bytes))
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
