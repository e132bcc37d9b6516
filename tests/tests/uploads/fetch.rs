//! What is handed out, and how (d4, d5): thumbnails, previews, ranges, caching, links, and nothing that a browser would run.

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client as Http, Method, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};
use tertulia_common::MediaId;
use tertulia_tests::media_files::{codecs, film, noise, picture};
use tertulia_tests::person::path;
use tertulia_tests::{Person, Server};

pub(crate) fn now_s() -> anyhow::Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// A link that ends at this moment, signed with the server's own key.
pub(crate) fn signed(server: &Server, media: &Value, end_s: u64) -> anyhow::Result<String> {
    let id: MediaId = media["media_id"].as_str().context("an id")?.parse()?;
    let keys = std::fs::read_to_string(server.data_dir().join("media/links.key"))?;
    let digits = keys.get(..64).context("a key")?;
    let key: Vec<u8> =
        (0..64).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16)).collect::<Result<_, _>>()?;
    let name = Sha256::new().chain_update("tertulia media link key 1").chain_update(&key).finalize();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key)?;
    for part in [&b"tertulia media link 1"[..], &id.as_u128().to_be_bytes(), &end_s.to_be_bytes(), b"main"] {
        mac.update(part);
    }
    let tag = crate::send::hex(&mac.finalize().into_bytes());
    path(media, &format!("?exp={end_s}&sig={}{tag}", crate::send::hex(&name[..4])))
}

/// A link by its owner's wish: the file's, its thumbnail's.
pub(crate) async fn linked(owner: &Person, media: &Value) -> anyhow::Result<(String, String)> {
    let (status, link) = owner.with(media, Method::POST, "/link", json!({"expires_in_s": 600})).await?;
    ensure!(status == 201, "{status}: {link}");
    let text = |name: &str| link[name].as_str().unwrap_or_default().to_owned();
    Ok((text("path"), text("thumbnail_path")))
}

async fn anyone(server: &Server, path: &str) -> anyhow::Result<Response> {
    Ok(Http::new().get(format!("http://{}{path}", server.http())).send().await?)
}

#[tokio::test]
async fn d4_pictures_and_films_have_thumbnails_in_two_formats_and_a_tiny_preview() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let alice = Person::new(&server, "alice");
    for (bytes, width, height) in
        [(picture("jpg", 640, 480)?, 640, 480), (picture("png", 640, 480)?, 640, 480), (film()?, 320, 240)]
    {
        let made = alice.upload("", bytes).await?;
        ensure!(made["width"] == width && made["height"] == height && made["has_thumbnail"] == true, "{made}");
        let preview = made["preview"].as_str().context("a preview")?;
        let (kind, data) = preview.split_once(";base64,").context("a data URI")?;
        ensure!(preview.len() < 2_048 && kind.starts_with("data:image/"), "{preview}");
        let preview = codecs(&STANDARD.decode(data)?)?;
        ensure!(preview.contains(','), "no picture: {preview}");
        let hash = STANDARD.decode(made["thumbhash"].as_str().context("a hash")?)?;
        ensure!((5..=25).contains(&hash.len()), "{hash:?}");
        for (query, accept, mime, codec) in [
            ("", "*/*", "image/jpeg", "mjpeg"),
            ("", "image/avif,image/webp,*/*", "image/webp", "webp"),
            ("?format=jpeg", "image/webp", "image/jpeg", "mjpeg"),
            ("?format=webp", "*/*", "image/webp", "webp"),
        ] {
            let asked = alice.ask(Method::GET, &path(&made, &format!("/thumbnail{query}"))?);
            let thumbnail = asked.header("accept", accept).send().await?;
            ensure!(thumbnail.headers()["content-type"] == mime, "{query} {accept}: {thumbnail:?}");
            ensure!(thumbnail.headers().contains_key("vary") == query.is_empty(), "{query}: {thumbnail:?}");
            let seen = codecs(&thumbnail.bytes().await?)?;
            let ratio = format!("{codec},{width},{height}");
            ensure!(seen.trim() == ratio || seen.starts_with(codec), "{seen}, not {ratio}");
        }
        let unknown = alice.get(&made, "/thumbnail?format=gif").await?;
        ensure!(unknown.status() == 400, "{unknown:?}");
    }
    Ok(())
}

#[tokio::test]
async fn d5_parts_are_served_as_players_and_caches_ask_for_them() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let alice = Person::new(&server, "alice");
    let bytes = noise(1, 100_000);
    let made = alice.upload("?file_name=caf%C3%A9%22.bin", bytes.clone()).await?;
    let at = path(&made, "")?;
    let (link, _) = linked(&alice, &made).await?;
    let etag = alice.get(&made, "").await?.headers()["etag"].to_str()?.to_owned();
    for by_link in [false, true] {
        let ask = |method: Method, headers: &[(&'static str, &str)]| {
            let asked = if by_link {
                Http::new().request(method, format!("http://{}{link}", server.http()))
            } else {
                alice.ask(method, &at)
            };
            headers.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value)).send()
        };
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-99", 0..100),
            ("bytes=99990-", 99_990..100_000),
            ("bytes=99990-200000", 99_990..100_000),
            ("bytes=-10", 99_990..100_000),
        ] {
            let answer = ask(Method::GET, &[("range", range)]).await?;
            let said = format!("bytes {}-{}/100000", part.start, part.end - 1);
            ensure!(
                answer.status() == 206 && answer.headers()["content-range"] == said.as_str(),
                "{range}: {answer:?}"
            );
            ensure!(answer.headers()["etag"] == etag.as_str(), "{answer:?}");
            ensure!(answer.bytes().await? == bytes[part], "{range}");
        }
        for range in ["bytes=100000-", "bytes=-0"] {
            let answer = ask(Method::GET, &[("range", range)]).await?;
            ensure!(
                answer.status() == 416 && answer.headers()["content-range"] == "bytes */100000",
                "{range}: {answer:?}"
            );
        }
        // What can't be read is passed over, and so is a part of something else.
        let whole = [
            &[("range", "bytes=9-1")][..],
            &[("range", "lines=1-2")],
            &[("range", "bytes=0-1"), ("if-range", "\"other\"")],
            &[("range", "bytes=0-1"), ("if-range", "Wed, 21 Oct 2099 07:28:00 GMT")],
        ];
        for headers in whole {
            let answer = ask(Method::GET, headers).await?;
            ensure!(answer.status() == 200 && answer.bytes().await? == bytes, "{headers:?}");
        }
        let same = ask(Method::GET, &[("range", "bytes=0-1"), ("if-range", &etag)]).await?;
        ensure!(same.status() == 206, "{same:?}");
        for known in [etag.clone(), format!("W/{etag}"), "*".to_owned(), format!("\"other\", {etag}")] {
            let answer = ask(Method::GET, &[("if-none-match", &known)]).await?;
            ensure!(answer.status() == 304 && answer.headers()["etag"] == etag.as_str(), "{known}: {answer:?}");
            ensure!(answer.headers().contains_key("cache-control") && answer.bytes().await?.is_empty());
        }
        let head = ask(Method::HEAD, &[]).await?;
        ensure!(head.status() == 200 && head.headers()["content-length"] == "100000", "{head:?}");
        ensure!(head.headers()["accept-ranges"] == "bytes" && head.bytes().await?.is_empty());
        let caching = ask(Method::GET, &[]).await?.headers()["cache-control"].to_str()?.to_owned();
        ensure!(
            caching.starts_with(if by_link { "public, max-age=" } else { "private, " })
                && caching.contains("immutable"),
            "{caching}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn d5_nothing_that_is_served_runs_in_a_browser() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let alice = Person::new(&server, "alice");
    let page = "<!doctype html><script>alert(document.domain)</script>";
    let svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    for (name, query, body) in [
        ("page.html", "", page),
        ("page.html", "&as=document", page),
        ("drawing.svg", "&as=document", svg),
        ("drawing.svg", "&as=sealed", svg),
        ("a%22%0D%0Aset-cookie:%20x=1.html", "", page),
    ] {
        let made = alice.upload(&format!("?file_name={name}{query}"), body).await?;
        let (link, _) = linked(&alice, &made).await?;
        for answer in [alice.get(&made, "").await?, anyone(&server, &link).await?] {
            let text =
                |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            ensure!(text("x-content-type-options") == "nosniff", "{name}: {answer:?}");
            ensure!(
                text("content-security-policy").contains("default-src 'none'")
                    && text("content-security-policy").contains("sandbox"),
                "{name}: {answer:?}"
            );
            ensure!(text("content-disposition").starts_with("attachment"), "{name}: {answer:?}");
            ensure!(
                !text("content-type").contains("html") && !text("content-type").contains("svg"),
                "{name}: {answer:?}"
            );
            ensure!(!answer.headers().contains_key("set-cookie"), "{name}: {answer:?}");
        }
    }
    // What was made by us is shown, still without a chance to run; its name has the ending of what it is.
    let made = alice.upload("?file_name=holiday.png", picture("png", 64, 48)?).await?;
    let shown = alice.get(&made, "").await?;
    let disposition = shown.headers()["content-disposition"].to_str()?;
    ensure!(disposition.starts_with("inline") && disposition.contains("holiday."), "{shown:?}");
    ensure!(
        shown.headers()["x-content-type-options"] == "nosniff"
            && shown.headers().contains_key("content-security-policy")
    );
    Ok(())
}

#[tokio::test]
async fn d5_a_link_opens_one_variant_of_one_file_until_its_end() -> anyhow::Result<()> {
    let server = Server::builder().set("uploads.link_ttl_max_s", 3_600).start().await?;
    let alice = Person::new(&server, "alice");
    let (made, other) =
        (alice.upload("", picture("png", 64, 48)?).await?, alice.upload("", picture("png", 96, 48)?).await?);
    let (link, thumbnail) = linked(&alice, &made).await?;
    ensure!(anyone(&server, &link).await?.status() == 200 && anyone(&server, &thumbnail).await?.status() == 200);
    // Ours is made as the server makes its own: so what is refused below is refused for its end alone.
    let now = now_s()?;
    ensure!(anyone(&server, &signed(&server, &made, now + 600)?).await?.status() == 200);
    ensure!(anyone(&server, &signed(&server, &made, now - 1)?).await?.status() == 404, "it has ended");
    ensure!(anyone(&server, &signed(&server, &made, 0)?).await?.status() == 404);

    let (id, other_id) = (made["media_id"].as_str().context("id")?, other["media_id"].as_str().context("id")?);
    let query = link.split_once('?').context("a query")?.1;
    let (exp, sig) = query.split_once("&sig=").context("a signature")?;
    let end: u64 = exp.trim_start_matches("exp=").parse()?;
    let flipped = if sig.ends_with('0') { "1" } else { "0" };
    for (what, wrong) in [
        ("another file", link.replace(id, other_id)),
        ("another variant", link.replace('?', "/thumbnail?")),
        ("another variant by its format", link.replace('?', "/thumbnail?format=webp&")),
        ("another format", thumbnail.replace("format=jpeg", "format=webp")),
        ("the file by its thumbnail's", thumbnail.replace("/thumbnail", "").replace("format=jpeg&", "")),
        ("a later end", link.replace(&end.to_string(), &(end + 60).to_string())),
        ("a changed signature", format!("{}{flipped}", &link[..link.len() - 1])),
        ("a shorter signature", link[..link.len() - 2].to_owned()),
        ("no signature", link.replace(sig, "")),
    ] {
        let answer = anyone(&server, &wrong).await?;
        ensure!(answer.status() == 404, "{what}: {wrong}: {answer:?}");
    }
    for half in [format!("/v1/media/{id}?{exp}"), format!("/v1/media/{id}?sig={sig}")] {
        ensure!(anyone(&server, &half).await?.status() == 400, "{half}");
    }
    // A wish for longer than is allowed is cut.
    let (_, long) = alice.with(&made, Method::POST, "/link", json!({"expires_in_s": 4_000_000})).await?;
    let ends = long["expires_at"].as_u64().context("an end")? / 1_000;
    ensure!((now + 3_600..now + 3_600 + 120).contains(&ends), "{long}");
    // What is deleted has no links any more.
    alice.delete(&made).await?;
    ensure!(anyone(&server, &link).await?.status() == 404 && anyone(&server, &thumbnail).await?.status() == 404);
    Ok(())
}
