//! Resumable uploads (d1): tus 1.0 as a client of theirs speaks it.

use crate::disk::{incoming, nothing_incoming};
use crate::send::is_coming;
use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use tertulia_tests::media_files::noise;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Person, Server};

pub(crate) const OCTETS: (&str, &str) = ("content-type", "application/offset+octet-stream");

pub(crate) fn tus(asked: RequestBuilder) -> RequestBuilder {
    asked.header("tus-resumable", "1.0.0")
}

/// `Upload-Metadata` of these pairs.
pub(crate) fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
    pairs.collect::<Vec<_>>().join(",")
}

/// Begins an upload; where it is.
pub(crate) async fn create(person: &Person, length: usize, pairs: &[(&str, &str)]) -> anyhow::Result<String> {
    let asked = tus(person.ask(Method::POST, "/v1/media/tus")).header("upload-length", length);
    let created = asked.header("upload-metadata", metadata(pairs)).send().await?;
    ensure!(created.status() == 201 && created.headers().contains_key("upload-expires"), "{created:?}");
    Ok(created.headers()["location"].to_str()?.to_owned())
}

/// More of it.
pub(crate) fn piece(person: &Person, place: &str, offset: usize, bytes: &[u8]) -> RequestBuilder {
    let asked = tus(person.ask(Method::PATCH, place)).header("upload-offset", offset).header(OCTETS.0, OCTETS.1);
    asked.body(bytes.to_vec())
}

/// How far it has come.
pub(crate) async fn offset(person: &Person, place: &str) -> anyhow::Result<usize> {
    let stands = tus(person.ask(Method::HEAD, place)).send().await?;
    ensure!(stands.status() == 200 && stands.headers()["cache-control"] == "no-store", "{stands:?}");
    Ok(stands.headers()["upload-offset"].to_str()?.parse()?)
}

/// The file that has come of it.
pub(crate) fn media(answer: &Response) -> anyhow::Result<Value> {
    let id = answer.headers().get("tertulia-media-id").with_context(|| format!("no file: {answer:?}"))?;
    Ok(serde_json::json!({"media_id": id.to_str()?}))
}

#[tokio::test]
async fn d1_a_broken_connection_is_gone_on_from_where_it_was() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let alice = Person::new(&server, "alice");
    let bytes = noise(1, 3_000_000);
    let place = create(&alice, bytes.len(), &[("filename", "note.bin"), ("keep", "true")]).await?;
    let headers = [("tus-resumable", "1.0.0"), ("upload-offset", "0"), ("content-length", "3000000"), OCTETS];
    let mut open = alice.begin("PATCH", &place, &headers).await?;
    open.write(&bytes[..2_000_000]).await?;
    is_coming(&server, 500_000).await?;
    drop(open);
    // What had come is there; how much of what was sent that is, is the network's affair.
    let at = offset(&alice, &place).await?;
    ensure!((500_000..=2_000_000).contains(&at), "{at}");
    // A client that has lost its way: refused, and nothing is changed.
    for wrong in [0, at - 1, at + 1, bytes.len()] {
        let refused = piece(&alice, &place, wrong, &bytes[..10]).send().await?;
        ensure!(refused.status() == 409, "{refused:?}");
    }
    // One that hangs on a dead connection, and comes again by another: the new one goes on.
    let headers =
        [("tus-resumable", "1.0.0"), ("upload-offset", &at.to_string()), ("content-length", "900000"), OCTETS];
    let mut dead = alice.begin("PATCH", &place, &headers).await?;
    dead.write(&bytes[at..at + 800_000]).await?;
    is_coming(&server, at as u64 + 1).await?;
    let at = offset(&alice, &place).await?;
    let (status, _) = dead.answer().await?;
    ensure!(status == 423, "{status}");
    let last = piece(&alice, &place, at, &bytes[at..]).send().await?;
    ensure!(last.status() == 204 && last.headers()["upload-offset"] == "3000000", "{last:?}");
    let made = media(&last)?;
    ensure!(alice.fetch(&made).await? == bytes);
    let made = alice.status(&made).await?;
    ensure!(made["file_name"] == "note.bin" && made["keep"] == true, "{made}");
    nothing_incoming(&server).await?;
    // Asked again, it says the same.
    let again = tus(alice.ask(Method::HEAD, &place)).send().await?;
    ensure!(
        again.headers()["upload-offset"] == "3000000" && media(&again)?["media_id"] == made["media_id"],
        "{again:?}"
    );
    Ok(())
}

#[tokio::test]
async fn d1_bytes_may_come_with_the_creation_and_with_their_checksum() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let alice = Person::new(&server, "alice");
    let bytes = noise(2, 200_000);
    let create = |first: &[u8]| {
        let asked = tus(alice.ask(Method::POST, "/v1/media/tus")).header("upload-length", bytes.len());
        asked.header(OCTETS.0, OCTETS.1).body(first.to_vec())
    };
    let created = create(&bytes[..50_000]).send().await?;
    ensure!(created.status() == 201 && created.headers()["upload-offset"] == "50000", "{created:?}");
    let place = created.headers()["location"].to_str()?.to_owned();
    let rest = &bytes[50_000..];
    let sha1 = |of: &[u8]| format!("sha1 {}", STANDARD.encode(Sha1::digest(of)));
    let wrong = piece(&alice, &place, 50_000, rest).header("upload-checksum", sha1(b"else")).send().await?;
    ensure!(wrong.status() == 460 && wrong.json::<Value>().await?["error"]["code"] == "media_checksum_mismatch");
    ensure!(offset(&alice, &place).await? == 50_000, "what is not what it was is kept");
    let unknown = piece(&alice, &place, 50_000, rest).header("upload-checksum", "crc32 AAAA").send().await?;
    ensure!(unknown.status() == 400, "{unknown:?}");
    let right = piece(&alice, &place, 50_000, &rest[..50_000]).header("upload-checksum", sha1(&rest[..50_000]));
    ensure!(right.send().await?.status() == 204);
    let sha256 = format!("sha256 {}", STANDARD.encode(Sha256::digest(&rest[50_000..])));
    let last = piece(&alice, &place, 100_000, &rest[50_000..]).header("upload-checksum", sha256).send().await?;
    ensure!(alice.fetch(&media(&last)?).await? == bytes);
    // All of it with the creation.
    let whole = create(&bytes).send().await?;
    ensure!(whole.status() == 201 && alice.fetch(&media(&whole)?).await? == bytes);
    nothing_incoming(&server).await
}

#[tokio::test]
async fn d1_what_is_taken_back_or_given_up_goes() -> anyhow::Result<()> {
    let server = Server::builder().set("uploads.resumable_s", 2).set("uploads.collect_every_s", 1).start().await?;
    let alice = Person::new(&server, "alice");
    let bytes = noise(3, 100_000);
    let place = create(&alice, bytes.len(), &[]).await?;
    ensure!(piece(&alice, &place, 0, &bytes[..50_000]).send().await?.status() == 204);
    let ended = tus(alice.ask(Method::DELETE, &place)).send().await?;
    ensure!(ended.status() == 204, "{ended:?}");
    nothing_incoming(&server).await?;
    let after = piece(&alice, &place, 50_000, &bytes[50_000..]).send().await?;
    ensure!(after.status() == 404, "{after:?}");

    let place = create(&alice, bytes.len(), &[]).await?;
    ensure!(piece(&alice, &place, 0, &bytes[..50_000]).send().await?.status() == 204);
    ensure!(incoming(&server).len() == 1);
    nothing_incoming(&server).await?;
    let after = piece(&alice, &place, 50_000, &bytes[50_000..]).send().await?;
    ensure!([404, 410].contains(&after.status().as_u16()), "{after:?}");
    ensure!(server.metrics().await?.sum("tertulia_media_tus_expired", &[]) == 1.0);
    ensure!(alice.listed().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn d1_what_can_not_be_is_refused_at_its_creation_and_by_its_first_bytes() -> anyhow::Result<()> {
    let server = Server::builder().more("[uploads.limits]\nimage_bytes_max = 50000\nvideo_bytes_max = 50000\naudio_bytes_max = 50000\nfile_bytes_max = 200000").start().await?;
    let alice = Person::new(&server, "alice");
    let ask = || tus(alice.ask(Method::POST, "/v1/media/tus"));
    let said = |name: &'static str, value: &str| ask().header(name, value.to_owned());
    for (asked, status, code) in [
        (alice.ask(Method::POST, "/v1/media/tus").header("upload-length", 5), 412, "bad_request"),
        (ask(), 400, "bad_request"),
        (said("upload-defer-length", "1"), 400, "bad_request"),
        (said("upload-length", "five"), 400, "bad_request"),
        (said("upload-length", "5").header("upload-concat", "partial"), 400, "bad_request"),
        (said("upload-length", "5").header("upload-metadata", "as !!!"), 400, "bad_request"),
        (said("upload-length", "5").header("upload-metadata", metadata(&[("as", "king")])), 400, "bad_request"),
        (said("upload-length", "200001"), 413, "media_too_large"),
        (said("upload-length", "0"), 422, "media_empty"),
    ] {
        let answer = asked.send().await?;
        ensure!(answer.status() == status && answer.headers()["tus-resumable"] == "1.0.0", "{answer:?}");
        ensure!(answer.json::<Value>().await?["error"]["code"] == code, "{status}");
    }
    nothing_incoming(&server).await?;
    // Its class is seen in its first bytes: it is refused for good, before the rest has come.
    let place = create(&alice, 60_000, &[]).await?;
    let png = [&b"\x89PNG\r\n\x1a\n"[..], &noise(4, 9_992)].concat();
    let refused = piece(&alice, &place, 0, &png).send().await?;
    ensure!(refused.status() == 413, "{refused:?}");
    let error = refused.json::<Value>().await?["error"].clone();
    ensure!(error["limit"] == 50_000 && error["actual"] == 60_000, "{error}");
    ensure!(tus(alice.ask(Method::HEAD, &place)).send().await?.status() == 404);
    nothing_incoming(&server).await?;
    // What is offered says so.
    let offered = alice.ask(Method::OPTIONS, "/v1/media/tus").send().await?;
    ensure!(offered.status() == 204 && offered.headers()["tus-max-size"] == "200000", "{offered:?}");
    for extension in ["creation", "creation-with-upload", "checksum", "expiration", "termination"] {
        ensure!(offered.headers()["tus-extension"].to_str()?.split(',').any(|one| one == extension), "{extension}");
    }
    Ok(())
}

#[tokio::test]
async fn d1_a_person_has_so_many_unfinished_uploads() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (alice, bob) = (Person::new(&server, "alice"), Person::new(&server, "bob"));
    let mut places = Vec::new();
    let refused = loop {
        let asked = tus(alice.ask(Method::POST, "/v1/media/tus")).header("upload-length", 10).send().await?;
        if asked.status() != 201 {
            break asked;
        }
        ensure!(places.len() < 1_000, "nobody counts");
        places.push(asked.headers()["location"].to_str()?.to_owned());
    };
    ensure!(refused.status() == 503 && refused.headers().contains_key("retry-after"), "{refused:?}");
    ensure!(refused.json::<Value>().await?["error"]["code"] == "media_busy");
    create(&bob, 10, &[]).await?;
    ensure!(tus(alice.ask(Method::DELETE, &places[0])).send().await?.status() == 204);
    create(&alice, 10, &[]).await?;
    // By a client that can speak only GET and POST.
    let ended = tus(alice.ask(Method::POST, &places[1])).header("x-http-method-override", "DELETE").send().await?;
    ensure!(ended.status() == 204, "{ended:?}");
    let files = places.len();
    eventually("the files of those that are left", || async { (incoming(&server).len() == files).then_some(()) }).await
}
