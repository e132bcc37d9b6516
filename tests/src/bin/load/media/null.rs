//! What uploads are measured against: a server on the same HTTP library that reads bodies to nowhere.

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::post;
use futures_util::StreamExt;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

async fn read(body: Body) -> StatusCode {
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        if piece.is_err() {
            return StatusCode::BAD_REQUEST;
        }
    }
    StatusCode::CREATED
}

/// Serves on a free port of loopback until it is killed.
pub(super) async fn serve() -> anyhow::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    #[expect(clippy::print_stdout, reason = "who has started it reads its address")]
    {
        println!("{address}");
    }
    let app = Router::new().route("/v1/media", post(read)).layer(DefaultBodyLimit::disable());
    axum::serve(listener, app).await?;
    Ok(String::new())
}

/// One in a process of its own, which ends with it.
pub(super) struct Null {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Null {
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut child =
            Command::new(std::env::current_exe()?).args(["media", "null"]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("its output")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)?;
        match line.trim().parse() {
            Ok(address) => Ok(Self { child, address }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error).context(line)
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Null {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
