//! Limits (d2): at the first byte too many, with the figures, and measured, not believed. All of them are settings.

use crate::disk::nothing_incoming;
use crate::send::{FORM, form};
use anyhow::ensure;
use serde_json::Value;
use tertulia_signaling_proto::{ErrorCode, ServerFrame};
use tertulia_tests::media_files::{
    film, matroska, noise, phone_film, picture, png_bomb, with_matroska_header_of, with_mp4_header_of,
};
use tertulia_tests::{Client, Person, Server};

const MIB: u64 = 1024 * 1024;
/// What the kernel and a refused body's last bytes may take beyond what the server has asked for.
const ON_THE_WAY: u64 = 16 * MIB;

fn is_over(status: u16, said: &Value, code: &str, limit: u64, actual: u64) -> anyhow::Result<()> {
    let error = &said["error"];
    ensure!(status == 413 && error["code"] == code && error["class"] == "limit", "{status}: {said}");
    ensure!(error["limit"] == limit && error["actual"] == actual, "{said}");
    Ok(())
}

#[tokio::test]
async fn d2_16_mb_of_video_100_mb_of_anything_and_nothing_is_read_in_vain() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let phone = Client::connect(&server, "alice").await?;
    let limits = phone.welcome().uploads.ok_or_else(|| anyhow::anyhow!("no limits"))?;
    ensure!(limits.video_bytes_max == 16 * MIB && limits.video_seconds_max == 180, "{limits:?}");
    ensure!(limits.file_bytes_max == 100 * MIB, "{limits:?}");
    let alice = Person::new(&server, "alice");
    // Told by what is announced: not a byte of it is sent, and of a film only what tells that it is one.
    let length = (100 * MIB + 1).to_string();
    let mut open = alice.begin("POST", "/v1/media", &[("content-length", &length)]).await?;
    let (status, said) = open.answer().await?;
    is_over(status, &said, "media_too_large", 100 * MIB, 100 * MIB + 1)?;
    let length = (16 * MIB + 1).to_string();
    for headers in
        [vec![("content-length", length.as_str())], vec![("content-length", &length), ("expect", "100-continue")]]
    {
        let mut open = alice.begin("POST", "/v1/media", &headers).await?;
        open.write(&film()?[..4_096]).await?;
        let (status, said) = open.answer().await?;
        is_over(status, &said, "media_too_large", 16 * MIB, 16 * MIB + 1)?;
    }
    // The same as a document is taken: its first bytes are no reason to refuse it.
    let mut open = alice.begin("POST", "/v1/media?as=document", &[("content-length", &length)]).await?;
    open.write(&[film()?, noise(2, 1_000_000)].concat()).await?;
    crate::send::is_coming(&server, 500_000).await?;
    drop(open);
    nothing_incoming(&server).await
}

#[tokio::test]
async fn d2_a_body_of_unknown_length_is_not_read_to_its_end() -> anyhow::Result<()> {
    let server = Server::builder().more("[uploads.limits]\nvideo_bytes_max = 300000\nimage_bytes_max = 300000\naudio_bytes_max = 300000\nfile_bytes_max = 2000000").start().await?;
    let alice = Person::new(&server, "alice");
    let head = film()?;
    let document = noise(1, 64 * 1024);
    for (query, first, limit, kind) in [
        ("", &head, 300_000, None),
        ("?as=document", &head, 2_000_000, None),
        ("?as=sealed", &document, 2_000_000, None),
        ("", &document, 2_000_000, None),
        ("", &head, 300_000, Some(FORM)),
        ("", &document, 2_000_000, Some(FORM)),
    ] {
        let headers = [Some(("transfer-encoding", "chunked")), kind];
        let headers: Vec<_> = headers.into_iter().flatten().collect();
        let mut open = alice.begin("POST", &format!("/v1/media{query}"), &headers).await?;
        let mut taken = 0;
        let begin = if kind.is_some() { form("film.avi", first).split_off(0) } else { first.clone() };
        let begin = if kind.is_some() { begin[..begin.len() - 10].to_vec() } else { begin };
        let mut sent = open.chunk(&begin).await;
        while sent.is_ok() && taken < 200 * MIB {
            sent = open.chunk(&document).await;
            taken += document.len() as u64;
        }
        ensure!(taken < limit + ON_THE_WAY, "{taken} bytes were read of what is refused at {limit}");
    }
    nothing_incoming(&server).await?;
    // Whoever looks at the answer while it sends gets it, with the figures.
    let mut open = alice.begin("POST", "/v1/media", &[("transfer-encoding", "chunked")]).await?;
    open.chunk(&noise(1, 2_000_001)).await?;
    let (status, said) = open.answer().await?;
    ensure!(status == 413 && said["error"]["limit"] == 2_000_000, "{status}: {said}");
    ensure!((2_000_001..2_200_000).contains(&said["error"]["actual"].as_u64().unwrap_or(0)), "{said}");
    let refused = server.metrics().await?.sum("tertulia_media_ingest_refused", &["media_too_large"]);
    ensure!(refused == 7.0, "{refused}");
    Ok(())
}

#[tokio::test]
async fn d2_seconds_are_measured_not_believed() -> anyhow::Result<()> {
    let server = Server::builder().more("[uploads.limits]\nvideo_seconds_max = 2").start().await?;
    let mut phone = Client::connect(&server, "alice").await?;
    ensure!(phone.welcome().uploads.as_ref().is_some_and(|limits| limits.video_seconds_max == 2));
    let alice = Person::new(&server, "alice");
    // Four seconds, whatever the header says, and whatever is done with them: copied or coded anew.
    for (what, bytes) in [
        ("as it is", phone_film()?),
        ("a header of one second", with_mp4_header_of(phone_film()?, 1)?),
        ("Matroska, a header of one second", with_matroska_header_of(matroska()?, 1.0)?),
    ] {
        let (status, sent) = alice.send("", bytes).await?;
        ensure!(status == 202, "{what}: {status}: {sent}");
        let refused = alice.made(&sent).await?;
        let error = &refused["error"];
        ensure!(refused["state"] == "refused" && error["code"] == "media_too_long", "{what}: {refused}");
        let actual = error["actual"].as_u64().unwrap_or_default();
        ensure!(error["limit"] == 2_000 && actual > 2_000 && actual < 4_500, "{what}: {refused}");
        let told = phone.expect("media.rejected", |frame| match frame {
            ServerFrame::MediaRejected(told) => Some(told.clone()),
            _ => None,
        });
        let told = told.await?;
        ensure!(told.error.code == ErrorCode::MediaTooLong && told.error.actual == Some(actual), "{told:?}");
        ensure!(alice.get(&sent, "").await?.status() != 200, "{what}: it can be had");
    }
    // A second in a file that says it were a thousand: taken, and its duration is the true one.
    let short = with_matroska_header_of(matroska()?, 1_000.0)?;
    let (status, sent) = alice.send("?as=document&keep=true", short.clone()).await?;
    ensure!(status == 201 && alice.fetch(&sent).await? == short, "a document's seconds are not counted: {sent}");
    let made = alice.upload("", film()?).await?;
    ensure!(made["duration_ms"].as_u64().is_some_and(|ms| (900..1_200).contains(&ms)), "{made}");
    nothing_incoming(&server).await
}

#[tokio::test]
async fn d2_a_header_that_says_too_much_is_no_reason_to_refuse() -> anyhow::Result<()> {
    let server = Server::builder().more("[uploads.limits]\nvideo_seconds_max = 90").start().await?;
    let alice = Person::new(&server, "alice");
    for long in [with_mp4_header_of(phone_film()?, 1_000)?, with_matroska_header_of(matroska()?, 1_000.0)?] {
        let made = alice.upload("", long).await?;
        ensure!(made["duration_ms"].as_u64().is_some_and(|ms| (3_900..4_300).contains(&ms)), "{made}");
    }
    Ok(())
}

#[tokio::test]
async fn d2_pixels_are_counted_before_they_are_opened() -> anyhow::Result<()> {
    let server = Server::builder().more("[uploads.limits]\nimage_pixels_max = 10000").start().await?;
    let alice = Person::new(&server, "alice");
    for (bytes, pixels) in [
        (picture("png", 128, 96)?, 128 * 96),
        (picture("jpg", 128, 96)?, 128 * 96),
        (picture("webp", 128, 96)?, 128 * 96),
        (png_bomb(60_000, 60_000), 3_600_000_000_u64),
        (png_bomb(0x7FFF_FFFF, 0x7FFF_FFFF), 0x7FFF_FFFF * 0x7FFF_FFFF),
    ] {
        let (_, sent) = alice.send("", bytes).await?;
        let refused = if sent["error"].is_null() { alice.made(&sent).await? } else { sent };
        let error = &refused["error"];
        ensure!(error["code"] == "media_too_many_pixels" && error["limit"] == 10_000, "{pixels}: {refused}");
        ensure!(error["actual"] == pixels, "{pixels}: {refused}");
    }
    let made = alice.upload("", picture("png", 100, 100)?).await?;
    ensure!(made["width"] == 100, "{made}");
    nothing_incoming(&server).await
}
