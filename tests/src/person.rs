//! Somebody who sends and fetches files by HTTP, as a phone, a page or a stranger does.

use crate::Server;
use crate::http;
use crate::token::token;
use crate::wait::{eventually, in_time};
use anyhow::{Context, ensure};
use reqwest::{Client as Http, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// To make something of a film takes a busy machine longer than to answer.
const PATIENCES: usize = 4;

/// Somebody with a token. What they ask goes to where the server was when they were made.
#[derive(Clone, Debug)]
pub struct Person {
    to: SocketAddr,
    http: Http,
    token: String,
    device: Option<String>,
}

impl Person {
    /// A user of an app's.
    #[must_use]
    pub fn new(server: &Server, user: &str) -> Self {
        Self::with_token(server, &token(user))
    }

    /// Whoever has this token.
    #[must_use]
    pub fn with_token(server: &Server, token: &str) -> Self {
        // No connection is kept: a server that was killed is not asked by a dead one.
        let http = Http::builder().pool_max_idle_per_host(0).build();
        let http = http.unwrap_or_else(|error| panic!("a client without options: {error}"));
        Self { to: server.http(), http, token: token.to_owned(), device: None }
    }

    /// The same person at another device.
    #[must_use]
    pub fn at(&self, device: &str) -> Self {
        Self { device: Some(device.to_owned()), ..self.clone() }
    }

    /// A request to this path, with the token.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("http://{}{path}", self.to)).bearer_auth(&self.token);
        match &self.device {
            Some(device) => request.header("tertulia-device-id", device),
            None => request,
        }
    }

    /// Asks with a body of JSON; the answer's status and its JSON (null where there is none).
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn tell(&self, method: Method, path: &str, body: Value) -> anyhow::Result<(u16, Value)> {
        let asked = self.ask(method, path);
        said(if body.is_null() { asked } else { asked.json(&body) }.send().await?).await
    }

    /// Sends a file in one request.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn send(&self, query: &str, body: impl Into<reqwest::Body>) -> anyhow::Result<(u16, Value)> {
        said(self.ask(Method::POST, &format!("/v1/media{query}")).body(body).send().await?).await
    }

    /// Sends a file, and waits until it can be had.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn upload(&self, query: &str, body: impl Into<reqwest::Body>) -> anyhow::Result<Value> {
        let (status, sent) = self.send(query, body).await?;
        ensure!(status == 201 || status == 202, "{status}: {sent}");
        let made = self.made(&sent).await?;
        ensure!(made["state"] == "ready", "{made}");
        Ok(made)
    }

    /// What it is now.
    ///
    /// # Errors
    /// If there is no answer, or it is not there.
    pub async fn status(&self, media: &Value) -> anyhow::Result<Value> {
        let answer = self.get(media, "/status").await?;
        ensure!(answer.status() == 200, "{answer:?}");
        Ok(answer.json().await?)
    }

    /// What has become of it, once that is known.
    ///
    /// # Errors
    /// If it is never known.
    pub async fn made(&self, sent: &Value) -> anyhow::Result<Value> {
        let settled = || async { self.status(sent).await.ok().filter(|status| status["state"] != "processing") };
        for _ in 1..PATIENCES {
            if let Ok(made) = eventually("it is made", settled).await {
                return Ok(made);
            }
        }
        eventually("it is made", settled).await
    }

    /// `GET` of a file, or of what is below it.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn get(&self, media: &Value, rest: &str) -> anyhow::Result<Response> {
        Ok(self.ask(Method::GET, &path(media, rest)?).send().await?)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// If it can't be had whole.
    pub async fn fetch(&self, media: &Value) -> anyhow::Result<Vec<u8>> {
        let answer = self.get(media, "").await?;
        ensure!(answer.status() == 200, "{answer:?}");
        Ok(answer.bytes().await?.to_vec())
    }

    /// Does something with a file: `(POST, "/share", …)`.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn with(&self, media: &Value, method: Method, rest: &str, body: Value) -> anyhow::Result<(u16, Value)> {
        self.tell(method, &path(media, rest)?, body).await
    }

    /// Lets these have it; the file that they have.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn share(&self, media: &Value, to: &[&str]) -> anyhow::Result<Value> {
        let (status, shared) = self.with(media, Method::POST, "/share", json!({"to": to})).await?;
        ensure!(status == 200, "{status}: {shared}");
        Ok(shared)
    }

    /// Deletes it.
    ///
    /// # Errors
    /// If it can't be.
    pub async fn delete(&self, media: &Value) -> anyhow::Result<()> {
        let (status, said) = self.with(media, Method::DELETE, "", Value::Null).await?;
        ensure!(status == 204, "{status}: {said}");
        Ok(())
    }

    /// All of one's files that are listed.
    ///
    /// # Errors
    /// If they can't be had.
    pub async fn listed(&self) -> anyhow::Result<Vec<Value>> {
        let (status, mut page) = self.tell(Method::GET, "/v1/media?limit=100", Value::Null).await?;
        ensure!(status == 200, "{status}: {page}");
        match page["media"].take() {
            Value::Array(media) => Ok(media),
            other => anyhow::bail!("no list: {other}"),
        }
    }

    /// Begins a request and leaves it open: bytes of its body are sent as the test likes.
    ///
    /// # Errors
    /// If nobody listens.
    pub async fn begin(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Open> {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n", self.to, self.token);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = http::connect(self.to, None).await?;
        stream.write_all(format!("{head}\r\n").as_bytes()).await?;
        Ok(Open { stream })
    }
}

/// Where a file is.
///
/// # Errors
/// If this names none.
pub fn path(media: &Value, rest: &str) -> anyhow::Result<String> {
    Ok(format!("/v1/media/{}{rest}", media["media_id"].as_str().with_context(|| format!("no file: {media}"))?))
}

async fn said(answer: Response) -> anyhow::Result<(u16, Value)> {
    let status = answer.status().as_u16();
    let body = answer.bytes().await?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
    Ok((status, body))
}

/// A request whose body is not over. Dropping it breaks it off.
#[derive(Debug)]
pub struct Open {
    stream: TcpStream,
}

impl Open {
    /// Sends more of the body as it is.
    ///
    /// # Errors
    /// If the server takes no more.
    pub async fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(in_time("bytes to be taken", self.stream.write_all(bytes)).await??)
    }

    /// Sends more of a body in chunks.
    ///
    /// # Errors
    /// If the server takes no more.
    pub async fn chunk(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.write(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
        self.write(bytes).await?;
        self.write(b"\r\n").await
    }

    /// The answer: its head, and what came of its body before the server closed or all of it was there.
    ///
    /// # Errors
    /// If there is none.
    pub async fn answer(&mut self) -> anyhow::Result<(u16, Value)> {
        let mut raw = Vec::new();
        let read = async {
            loop {
                if let Some(whole) = whole(&raw) {
                    return Ok(whole);
                }
                ensure!(self.stream.read_buf(&mut raw).await? > 0, "no answer: {:?}", String::from_utf8_lossy(&raw));
            }
        };
        in_time("an answer", read).await?
    }
}

/// An answer, if it is whole; one that only says to go on is passed over.
fn whole(raw: &[u8]) -> Option<(u16, Value)> {
    let text = std::str::from_utf8(raw).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
    if status == 100 {
        return whole(body.as_bytes());
    }
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap_or("0");
    let body = body.get(..length.trim().parse().ok()?)?;
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}
