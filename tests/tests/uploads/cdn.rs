//! A CDN in front (d5): nginx, caching what links lead to, in front of the real program.
//!
//! `./x test` brings an nginx into the path. Without one this fails: it never skips.

use crate::fetch::{linked, now_s, signed};
use anyhow::{Context, ensure};
use reqwest::{Client as Http, Response};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tertulia_tests::media_files::{film, noise, picture};
use tertulia_tests::wait::eventually;
use tertulia_tests::{Person, Server};

/// An nginx in front of a server, ended when dropped.
struct Cdn {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Drop for Cdn {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Cdn {
    async fn before(server: &Server) -> anyhow::Result<Self> {
        let mut log = String::new();
        // Its port has to be chosen for it: somebody else may be quicker.
        for _ in 0..5 {
            let mut cdn = Self::start(server)?;
            let is_up = || std::future::ready(cdn.is_up());
            if eventually("nginx listens", is_up).await? {
                return Ok(cdn);
            }
            log = String::from_utf8_lossy(&std::fs::read(cdn.folder.path().join("log"))?).into_owned();
        }
        anyhow::bail!("nginx does not start: {log}")
    }

    /// Whether it listens; false if it has ended.
    fn is_up(&mut self) -> Option<bool> {
        if !matches!(self.process.try_wait(), Ok(None)) {
            return Some(false);
        }
        TcpStream::connect(self.address).ok().map(|_| true)
    }

    /// With nothing but what a cache needs to be told: everything else is in the headers that the server sends.
    fn start(server: &Server) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let at = folder.path().to_str().context("a path")?;
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String = temporary.iter().map(|kind| format!("{kind}_temp_path {at}/{kind};\n")).collect();
        let config = format!(
            "daemon off;\nmaster_process off;\nworker_processes 1;\npid {at}/pid;\nerror_log stderr error;\n\
             events {{ worker_connections 64; }}\nhttp {{\n{temporary}access_log off;\n\
             proxy_cache_path {at}/cache keys_zone=media:1m max_size=64m;\n\
             server {{\n listen {address};\n location /v1/media/ {{\n\
             proxy_pass http://{upstream};\n proxy_http_version 1.1;\n\
             proxy_cache media;\n proxy_cache_key $uri$is_args$args;\n proxy_cache_lock on;\n\
             add_header x-cache $upstream_cache_status always;\n }}\n }}\n}}\n",
            upstream = server.http()
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config)?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(file);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let process = process.context("no nginx in the path: install it; `./x test` brings one")?;
        Ok(Self { process, address, folder })
    }

    async fn get(&self, path: &str, headers: &[(&'static str, &str)]) -> anyhow::Result<(String, Response)> {
        let asked = Http::new().get(format!("http://{}{path}", self.address));
        let asked = headers.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value));
        let answer = asked.send().await?;
        let cached = answer.headers().get("x-cache").and_then(|value| value.to_str().ok()).unwrap_or("-");
        Ok((cached.to_owned(), answer))
    }
}

/// Answers that the server itself has given with a file in them.
async fn served(server: &Server) -> anyhow::Result<f64> {
    let metrics = server.metrics().await?;
    Ok(metrics.sum("tertulia_http_answers", &["\"200\""]) + metrics.sum("tertulia_http_answers", &["\"206\""]))
}

#[tokio::test]
async fn d5_nginx_keeps_what_a_link_leads_to_and_serves_its_parts() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let cdn = Cdn::before(&server).await?;
    let alice = Person::new(&server, "alice");
    for bytes in [film()?, picture("png", 320, 200)?, noise(1, 300_000)] {
        let made = alice.upload("?keep=true", bytes).await?;
        let whole = alice.fetch(&made).await?;
        let (link, thumbnail) = linked(&alice, &made).await?;
        let thumbnail = (!thumbnail.is_empty()).then_some(thumbnail);
        for path in [Some(&link), thumbnail.as_ref()].into_iter().flatten() {
            let (cached, first) = cdn.get(path, &[]).await?;
            ensure!(cached == "MISS" && first.status() == 200, "{cached}: {first:?}");
            let etag = first.headers()["etag"].to_str()?.to_owned();
            let first = first.bytes().await?;
            let before = served(&server).await?;
            let (cached, second) = cdn.get(path, &[]).await?;
            ensure!(cached == "HIT" && second.headers()["x-content-type-options"] == "nosniff", "{cached}: {second:?}");
            ensure!(second.headers().contains_key("content-security-policy"), "{second:?}");
            ensure!(second.headers().contains_key("content-disposition"), "{second:?}");
            ensure!(second.bytes().await? == first);
            let end = first.len() - 1;
            let (cached, part) = cdn.get(path, &[("range", &format!("bytes=10-{}", end - 1))]).await?;
            ensure!(cached == "HIT" && part.status() == 206, "{cached}: {part:?}");
            ensure!(
                part.headers()["content-range"] == format!("bytes 10-{}/{}", end - 1, end + 1).as_str(),
                "{part:?}"
            );
            ensure!(part.bytes().await? == first.slice(10..end));
            let (cached, same) = cdn.get(path, &[("if-none-match", &etag)]).await?;
            ensure!(cached == "HIT" && same.status() == 304, "{cached}: {same:?}");
            ensure!(served(&server).await? == before, "the server was asked again");
        }
        ensure!(cdn.get(&link, &[]).await?.1.bytes().await? == whole, "other bytes by the cache");
    }
    Ok(())
}

#[tokio::test]
async fn d5_nginx_gives_nothing_to_who_may_not_have_it() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let cdn = Cdn::before(&server).await?;
    let alice = Person::new(&server, "alice");
    let made = alice.upload("?keep=true", picture("png", 320, 200)?).await?;
    let id = made["media_id"].as_str().context("an id")?;
    // By a token: for that browser alone, however often.
    let bearer = format!("Bearer {}", tertulia_tests::token::token("alice"));
    for _ in 0..2 {
        let (cached, answer) = cdn.get(&format!("/v1/media/{id}"), &[("authorization", &bearer)]).await?;
        ensure!(cached == "MISS" && answer.status() == 200, "{cached}: {answer:?}");
        let (cached, answer) = cdn.get(&format!("/v1/media/{id}"), &[]).await?;
        ensure!(cached == "MISS" && answer.status() == 401, "{cached}: {answer:?}");
    }
    // By a link that has ended, or that was changed: nothing, and the refusal is not kept.
    let (link, _) = linked(&alice, &made).await?;
    let over = signed(&server, &made, now_s()? - 1)?;
    for path in [&over, &format!("{}0", &link[..link.len() - 1]), &format!("{link}0")] {
        if *path == link {
            continue;
        }
        for _ in 0..2 {
            let (cached, answer) = cdn.get(path, &[]).await?;
            ensure!(cached == "MISS" && [400, 404].contains(&answer.status().as_u16()), "{path}: {cached}: {answer:?}");
        }
    }
    // By one that ends while it is kept: until its end, and no longer.
    let end = now_s()? + 3;
    let ends = signed(&server, &made, end)?;
    let (_, answer) = cdn.get(&ends, &[]).await?;
    ensure!(answer.status() == 200 || now_s()? >= end, "{answer:?}");
    let refused = || async {
        let (_, answer) = cdn.get(&ends, &[]).await.ok()?;
        (answer.status() == 404).then_some(())
    };
    eventually("the link's end", refused).await?;
    // What is to be seen once is not kept.
    drop(tertulia_tests::Client::connect(&server, "bob").await?);
    let once = alice.upload("?view_once=bob", noise(2, 1_000)).await?;
    let bob = Person::new(&server, "bob");
    ensure!(bob.with(&once, reqwest::Method::POST, "/open", Value::Null).await?.0 == 200);
    let path = format!("/v1/media/{}", once["media_id"].as_str().context("an id")?);
    let bearer = format!("Bearer {}", tertulia_tests::token::token("bob"));
    for _ in 0..2 {
        let (cached, answer) = cdn.get(&path, &[("authorization", &bearer)]).await?;
        ensure!(cached == "MISS" && answer.status() == 200, "{cached}: {answer:?}");
    }
    Ok(())
}
