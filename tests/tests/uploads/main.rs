//! Uploads end to end: real files through the real program, its sandboxed workers included.

mod cdn;
mod claims;
mod disk;
mod fetch;
mod jobs;
mod kills;
mod kinds;
mod life;
mod limits;
mod notices;
mod s3;
mod send;
mod tus;
mod workers;

use anyhow::{Context, ensure};
use disk::incoming;
use reqwest::{Client as Http, Method, RequestBuilder};
use serde_json::Value;
use tertulia_signaling_proto::{ErrorCode, MediaState, ServerFrame};
use tertulia_tests::media_files::{codecs, ffmpeg, film};
use tertulia_tests::{Client, Person, Server};

#[tokio::test]
async fn d3_a_film_becomes_what_plays_everywhere_and_its_owner_hears_of_it() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut phone = Client::connect(&server, "alice").await?;
    let alice = Person::new(&server, "alice");
    let (status, sent) = alice.send("?file_name=beach.avi", film()?).await?;
    ensure!(status == 202 && sent["state"] == "processing" && sent["class"] == "video", "{status}: {sent}");
    let told = phone.expect("media.ready", |frame| match frame {
        ServerFrame::MediaReady(media) => Some(media.clone()),
        _ => None,
    });
    let told = told.await?;
    ensure!(told.state == MediaState::Ready && told.media_id.to_string() == sent["media_id"], "{told:?}");
    let made = alice.made(&sent).await?;
    ensure!(made["width"] == 320 && made["height"] == 240 && made["has_sound"] == true, "{made}");
    ensure!(made["preview"].as_str().is_some_and(|uri| uri.starts_with("data:image/") && uri.len() < 2_048), "{made}");

    // The whole, a part, and not again what one has.
    let whole = alice.get(&made, "").await?;
    let etag = whole.headers()["etag"].to_str()?.to_owned();
    ensure!(whole.headers()["content-type"] == "video/mp4" && whole.headers()["x-content-type-options"] == "nosniff");
    let whole = whole.bytes().await?;
    ensure!(codecs(&whole)?.contains("h264,320,240"), "{}", codecs(&whole)?);
    let path = format!("/v1/media/{}", made["media_id"].as_str().context("an id")?);
    let part = alice.ask(Method::GET, &path).header("range", "bytes=4-7").send().await?;
    ensure!(part.status() == 206 && part.bytes().await? == whole.slice(4..8), "a range");
    let again = alice.ask(Method::GET, &path).header("if-none-match", &etag).send().await?;
    ensure!(again.status() == 304, "{again:?}");
    // The poster, twice: the second time from memory.
    for _ in 0..2 {
        let poster = alice.get(&made, "/thumbnail?format=webp").await?;
        ensure!(poster.headers()["content-type"] == "image/webp", "{poster:?}");
        ensure!(codecs(&poster.bytes().await?)?.starts_with("webp,320,240"), "a poster");
    }
    let metrics = server.metrics().await?;
    ensure!(metrics.sum("tertulia_media_cache_hits", &[]) >= 1.0, "nothing came from memory");
    ensure!(metrics.sum("tertulia_media_sandbox_layer", &["seccomp"]) >= 1.0, "no seccomp");

    // Who is nobody to it sees nothing; with a link anyone sees it, and with a changed one nobody.
    let bob = Person::new(&server, "bob");
    ensure!(bob.get(&made, "").await?.status() == 404 && bob.get(&made, "/status").await?.status() == 404);
    let link: Value =
        alice.ask(Method::POST, &format!("{path}/link")).json(&serde_json::json!({})).send().await?.json().await?;
    let url = format!("http://{}{}", server.http(), link["path"].as_str().context("a link")?);
    let linked = Http::new().get(&url).send().await?;
    ensure!(linked.headers()["cache-control"].to_str()?.starts_with("public"), "{linked:?}");
    ensure!(linked.bytes().await? == whole, "other bytes by link");
    let forged =
        if url.ends_with('0') { format!("{}1", &url[..url.len() - 1]) } else { format!("{}0", &url[..url.len() - 1]) };
    ensure!(Http::new().get(&forged).send().await?.status() == 404, "a changed link opens it");
    ensure!(incoming(&server).is_empty(), "something was left behind");
    Ok(())
}

#[tokio::test]
async fn d2_the_first_byte_over_a_limit_ends_it_with_figures_and_the_other_device_hears() -> anyhow::Result<()> {
    let server = Server::builder().more("[uploads.limits]\nvideo_bytes_max = 50000\nimage_bytes_max = 50000\naudio_bytes_max = 50000\nfile_bytes_max = 200000").start().await?;
    let mut tablet = Client::connect_as(&server, "alice", "tablet", tertulia_signaling_proto::Codec::Json).await?;
    let alice = Person::new(&server, "alice");
    let mut film = film()?;
    film.resize(60_000, 0);
    let (status, refused) = alice.send("", film.clone()).await?;
    let error = &refused["error"];
    ensure!(status == 413 && error["code"] == "media_too_large", "{status}: {refused}");
    ensure!(error["limit"] == 50_000 && error["actual"].as_u64() > Some(50_000), "{refused}");
    let told = tablet.expect("media.rejected", |frame| match frame {
        ServerFrame::MediaRejected(told) => Some(told.clone()),
        _ => None,
    });
    let told = told.await?;
    ensure!(told.error.code == ErrorCode::MediaTooLarge && told.error.limit == Some(50_000), "{told:?}");
    // As a document it passes untouched, and is for download only.
    let (status, document) = alice.send("?as=document&file_name=film.avi", film.clone()).await?;
    ensure!(status == 201 && document["class"] == "document", "{status}: {document}");
    let got = alice.get(&document, "").await?;
    ensure!(got.headers()["content-disposition"].to_str()?.starts_with("attachment"), "{got:?}");
    ensure!(got.bytes().await? == film, "a document was touched");
    let (status, refused) = alice.send("?as=document", vec![7; 200_001]).await?;
    ensure!(status == 413 && refused["error"]["limit"] == 200_000, "{status}: {refused}");
    ensure!(incoming(&server).is_empty(), "something was left behind");
    Ok(())
}

#[tokio::test]
async fn d1_an_upload_in_pieces_goes_on_after_a_kill() -> anyhow::Result<()> {
    // One shard, for its port to be the same after the kill.
    let mut server = Server::builder().set("media.shards", 1).start().await?;
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let tus = |ask: RequestBuilder| ask.header("tus-resumable", "1.0.0");
    let piece = |ask: RequestBuilder, offset: usize, piece: &[u8]| {
        tus(ask)
            .header("upload-offset", offset)
            .header("content-type", "application/offset+octet-stream")
            .body(piece.to_vec())
    };
    let place = {
        let alice = Person::new(&server, "alice");
        let asked = tus(alice.ask(Method::POST, "/v1/media/tus")).header("upload-length", bytes.len());
        let created = asked.header("upload-metadata", "filename bm90ZS5iaW4=,as c2VhbGVk").send().await?;
        ensure!(created.status() == 201, "{created:?}");
        let place = created.headers()["location"].to_str()?.to_owned();
        let first = piece(alice.ask(Method::PATCH, &place), 0, &bytes[..100_000]).send().await?;
        ensure!(first.status() == 204 && first.headers()["upload-offset"] == "100000", "{first:?}");
        place
    };
    server.kill()?;
    server.start_again().await?;
    let (alice, bob) = (Person::new(&server, "alice"), Person::new(&server, "bob"));
    ensure!(tus(bob.ask(Method::HEAD, &place)).send().await?.status() == 404, "another's upload");
    let stands = tus(alice.ask(Method::HEAD, &place)).send().await?;
    ensure!(stands.headers()["upload-offset"] == "100000", "{stands:?}");
    let wrong = piece(alice.ask(Method::PATCH, &place), 5, &bytes[..1]).send().await?;
    ensure!(wrong.status() == 409, "{wrong:?}");
    let broken = piece(alice.ask(Method::PATCH, &place), 100_000, &bytes[100_000..200_000]);
    let broken = broken.header("upload-checksum", "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=").send().await?;
    ensure!(broken.status() == 460, "{broken:?}");
    let last = piece(alice.ask(Method::PATCH, &place), 100_000, &bytes[100_000..]).send().await?;
    ensure!(last.status() == 204, "{last:?}");
    let id = last.headers()["tertulia-media-id"].to_str()?.to_owned();
    let got = alice.ask(Method::GET, &format!("/v1/media/{id}")).send().await?;
    ensure!(got.bytes().await? == bytes, "other bytes came out");
    Ok(())
}

#[tokio::test]
async fn d7_a_form_with_a_picture_and_a_player_that_names_a_playlist() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let alice = Person::new(&server, "alice");
    let png = ffmpeg("dot.png", &["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=1:duration=1", "-frames:v", "1"])?;
    let (head, tail) =
        ("--xx\r\ncontent-disposition: form-data; name=\"file\"; filename=\"dot.png\"\r\n\r\n", "\r\n--xx--\r\n");
    let form = [head.as_bytes(), &png, tail.as_bytes()].concat();
    let asked = alice.ask(Method::POST, "/v1/media").header("content-type", "multipart/form-data; boundary=xx");
    let sent: Value = asked.body(form).send().await?.json().await?;
    ensure!(sent["class"] == "image" && sent["file_name"] == "dot.png", "{sent}");
    let made = alice.made(&sent).await?;
    ensure!(made["state"] == "ready" && made["width"] == 64, "{made}");
    // What only sounds like a film opens nothing, whatever its name: it is a document, or it is refused.
    let playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n".to_vec();
    let (_, sent) = alice.send("?file_name=film.mp4", playlist).await?;
    ensure!(sent["class"] == "document" || sent["error"]["code"] == "media_unsupported", "{sent}");
    Ok(())
}
