//! One request, raw or a form (d1): what is not what it says, stands still or breaks off leaves nothing; so many at a time.

use crate::disk::{incoming, nothing_incoming};
use anyhow::ensure;
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tertulia_tests::media_files::{noise, picture};
use tertulia_tests::wait::eventually;
use tertulia_tests::{Person, Server};

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A form with one file, and what comes before it in the form.
pub(crate) fn form(name: &str, bytes: &[u8]) -> Vec<u8> {
    let note = "--xx\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\nhello\r\n";
    let head = format!("--xx\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
    [note.as_bytes(), head.as_bytes(), bytes, b"\r\n--xx--\r\n"].concat()
}

pub(crate) const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=xx");

/// Waits until so many bytes of one file are on their way.
pub(crate) async fn is_coming(server: &Server, bytes: u64) -> anyhow::Result<()> {
    let there = || async { matches!(incoming(server)[..], [(_, have)] if have >= bytes).then_some(()) };
    eventually(&format!("{bytes} bytes are on their way"), there).await
}

/// Nothing has come of it.
async fn left_nothing(server: &Server, person: &Person) -> anyhow::Result<()> {
    nothing_incoming(server).await?;
    ensure!(person.listed().await?.is_empty(), "there is a file");
    Ok(())
}

#[tokio::test]
async fn d1_what_is_not_what_it_says_leaves_nothing() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let alice = Person::new(&server, "alice");
    let bytes = noise(1, 300_000);
    let post = |sha256: &str| alice.ask(Method::POST, "/v1/media?keep=true").header("x-content-sha256", sha256);
    let wrong = post(&hex(&Sha256::digest(b"something else"))).body(bytes.clone()).send().await?;
    let (status, said) = (wrong.status(), wrong.json::<Value>().await?);
    ensure!(status == 422 && said["error"]["code"] == "media_checksum_mismatch", "{status}: {said}");
    ensure!(post("not hexadecimal").body(bytes.clone()).send().await?.status() == 400);
    left_nothing(&server, &alice).await?;
    let right = post(&hex(&Sha256::digest(&bytes))).body(bytes.clone()).send().await?;
    ensure!(right.status() == 201, "{right:?}");
    ensure!(alice.fetch(&right.json().await?).await? == bytes);

    // Nothing at all; a form without a file; a form that ends in the middle of one.
    let bob = Person::new(&server, "bob");
    let (status, said) = bob.send("", "").await?;
    ensure!(status == 422 && said["error"]["code"] == "media_empty", "{status}: {said}");
    let whole = form("note.bin", &bytes);
    for (broken, code) in [
        (b"--xx\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--xx--\r\n".to_vec(), "media_empty"),
        (whole[..whole.len() - 100_000].to_vec(), "media_length_mismatch"),
    ] {
        let answer = bob.ask(Method::POST, "/v1/media").header(FORM.0, FORM.1).body(broken).send().await?;
        let (status, said) = (answer.status(), answer.json::<Value>().await?);
        ensure!(status == 422 && said["error"]["code"] == code, "{status}: {said}");
    }
    left_nothing(&server, &bob).await
}

#[tokio::test]
async fn d1_what_breaks_off_or_stands_still_leaves_nothing() -> anyhow::Result<()> {
    let server = Server::builder().set("uploads.stall_s", 1).start().await?;
    let alice = Person::new(&server, "alice");
    let (bytes, whole) = (noise(2, 2_000_000), form("note.bin", &noise(2, 2_000_000)));
    for (body, kind) in [(&bytes, ("content-type", "application/octet-stream")), (&whole, FORM)] {
        // Abandoned: with a length, or in chunks.
        let length = body.len().to_string();
        let mut open = alice.begin("POST", "/v1/media", &[("content-length", &length), kind]).await?;
        open.write(&body[..1_000_000]).await?;
        is_coming(&server, 300_000).await?;
        drop(open);
        left_nothing(&server, &alice).await?;
        let mut open = alice.begin("POST", "/v1/media", &[("transfer-encoding", "chunked"), kind]).await?;
        open.chunk(&body[..1_000_000]).await?;
        is_coming(&server, 300_000).await?;
        drop(open);
        left_nothing(&server, &alice).await?;
        // Stalled.
        let mut open = alice.begin("POST", "/v1/media", &[("content-length", &length), kind]).await?;
        open.write(&body[..1_000_000]).await?;
        let (status, said) = open.answer().await?;
        ensure!(status == 408 && said["error"]["code"] == "media_stalled", "{status}: {said}");
        left_nothing(&server, &alice).await?;
    }
    let stalled = server.metrics().await?.sum("tertulia_media_ingest_refused", &["media_stalled"]);
    ensure!(stalled == 0.0, "what breaks off is not what the ingest refuses");
    Ok(())
}

#[tokio::test]
async fn d1_a_user_has_so_much_room_so_many_files_and_so_many_uploads_at_a_time() -> anyhow::Result<()> {
    let settings =
        [("user_bytes_max", 500_000), ("user_files_max", 4), ("user_uploads_at_once", 1), ("uploads_at_once", 2)];
    let builder = settings
        .iter()
        .fold(Server::builder(), |builder, (name, value)| builder.set(&format!("uploads.{name}"), value));
    let server = builder.set("uploads.user_uploads_per_hour", 12).start().await?;
    let (alice, bob, carol) =
        (Person::new(&server, "alice"), Person::new(&server, "bob"), Person::new(&server, "carol"));
    // Room: told before a byte of it is read where the length is known, at the end where it is not.
    let first = alice.upload("?keep=true", noise(1, 300_000)).await?;
    let mut open = alice.begin("POST", "/v1/media", &[("content-length", "250000")]).await?;
    let (status, full) = open.answer().await?;
    ensure!(status == 413 && full["error"]["code"] == "media_quota", "{status}: {full}");
    ensure!(full["error"]["limit"] == 500_000 && full["error"]["actual"] == 550_000, "{full}");
    let mut open = alice.begin("POST", "/v1/media", &[("transfer-encoding", "chunked")]).await?;
    open.chunk(&noise(2, 250_000)).await?;
    open.write(b"0\r\n\r\n").await?;
    let (status, full) = open.answer().await?;
    ensure!(status == 413 && full["error"]["code"] == "media_quota", "{status}: {full}");
    // Files.
    for seed in 3..6 {
        alice.upload("?keep=true", noise(seed, 10)).await?;
    }
    let (status, full) = alice.send("", noise(6, 10)).await?;
    ensure!(status == 413 && full["error"]["code"] == "media_quota", "{status}: {full}");
    alice.delete(&first).await?;
    alice.upload("", noise(6, 10)).await?;
    nothing_incoming(&server).await?;

    // At once: of one, and of all. Each is told when to come again.
    let busy = |(status, said): (u16, Value)| {
        let error = &said["error"];
        let is_told = error["code"] == "media_busy" && error["retry_after_ms"].as_u64() > Some(0);
        ensure!(status == 503 && is_told, "{status}: {said}");
        Ok(())
    };
    let headers = [("content-length", "400000")];
    let mut bobs = bob.begin("POST", "/v1/media", &headers).await?;
    bobs.write(&noise(7, 200_000)).await?;
    eventually("bob's is on its way", || async { (incoming(&server).len() == 1).then_some(()) }).await?;
    busy(bob.send("", noise(8, 10)).await?)?;
    let mut carols = carol.begin("POST", "/v1/media", &headers).await?;
    carols.write(&noise(9, 200_000)).await?;
    eventually("carol's is on its way", || async { (incoming(&server).len() == 2).then_some(()) }).await?;
    busy(Person::new(&server, "dave").send("", noise(10, 10)).await?)?;
    drop((bobs, carols));
    nothing_incoming(&server).await?;
    // In an hour.
    let mut refused = None;
    for seed in 0..13 {
        let (status, said) = bob.send("", noise(100 + seed, 10)).await?;
        if status != 201 && said["error"]["code"] != "media_quota" {
            refused = Some((status, said));
            break;
        }
    }
    busy(refused.ok_or_else(|| anyhow::anyhow!("nobody counts"))?)?;
    let metrics = server.metrics().await?;
    for limit in ["user_quota", "user_uploads_at_once", "uploads_at_once", "user_uploads_per_hour"] {
        ensure!(metrics.sum("tertulia_media_limit_hits", &[&format!("\"{limit}\"")]) >= 1.0, "{limit}");
    }
    Ok(())
}

#[tokio::test]
async fn d1_a_form_and_a_raw_upload_of_the_same_are_the_same() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (alice, bob) = (Person::new(&server, "alice"), Person::new(&server, "bob"));
    let png = picture("png", 64, 48)?;
    let asked = alice.ask(Method::POST, "/v1/media?keep=true").header(FORM.0, FORM.1);
    let sent: Value = asked.body(form("../../etc/<dot>.png", &png)).send().await?.json().await?;
    let made = alice.made(&sent).await?;
    // A name is a name: no folders in it, and nothing that a page would take for its own.
    ensure!(made["state"] == "ready" && !made["file_name"].as_str().unwrap_or("/").contains('/'), "{made}");
    let raw = bob.upload("?keep=true", png).await?;
    ensure!(alice.fetch(&made).await? == bob.fetch(&raw).await?);
    ensure!(crate::disk::blobs(&server).len() == 3, "{:?}", crate::disk::blobs(&server));
    Ok(())
}
