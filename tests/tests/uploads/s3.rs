//! The whole way with a bucket as the store (d5): the real program on a real S3 server, well and in bad times.

mod bucket;

use crate::disk::{blobs, nothing_incoming};
use crate::fetch::linked;
use crate::send::hex;
use crate::tus::{create, media, piece, tus};
use crate::workers::{figure, gone, workers};
use anyhow::ensure;
use bucket::{Bucket, Fault, Kind, SECRET_KEY};
use reqwest::{Client as Http, Method};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tertulia_tests::Person;
use tertulia_tests::media_files::{codecs, film, noise, picture};
use tertulia_tests::person::path;
use tertulia_tests::wait::eventually;

#[tokio::test]
async fn d5_a_film_a_picture_and_a_large_document_live_in_a_bucket() -> anyhow::Result<()> {
    let bucket = Bucket::open().await?;
    let server = bucket.server().start().await?;
    let (alice, bob) = (Person::new(&server, "alice"), Person::new(&server, "bob"));
    let played = alice.upload("?keep=true", film()?).await?;
    let shown = alice.upload("?keep=true", picture("jpg", 320, 200)?).await?;
    // More than one request to the bucket.
    let bytes = noise(1, 17 * 1024 * 1024);
    let document = alice.upload("?keep=true", bytes.clone()).await?;
    ensure!(bucket.objects().contains(&hex(&Sha256::digest(&bytes))), "{:?}", bucket.objects());
    ensure!(bucket.objects().len() == 7 && blobs(&server).is_empty(), "{:?}", bucket.objects());
    ensure!(codecs(&alice.fetch(&played).await?)?.contains("h264,320,240"));
    let thumbnail = alice.get(&shown, "/thumbnail?format=webp").await?;
    ensure!(codecs(&thumbnail.bytes().await?)?.starts_with("webp,320,200"));
    let part = alice.ask(Method::GET, &path(&document, "")?).header("range", "bytes=16777210-16777230").send().await?;
    ensure!(part.status() == 206 && part.bytes().await? == bytes[16_777_210..=16_777_230]);
    let (link, _) = linked(&alice, &document).await?;
    let linked = Http::new().get(format!("http://{}{link}", server.http())).send().await?;
    ensure!(linked.bytes().await? == bytes, "other bytes by link");
    // The same again by somebody else: the bucket is not given it twice. And what is deleted leaves it.
    bucket.set(Fault::Say(Kind::Puts, 500));
    let bobs = bob.upload("", bytes.clone()).await?;
    ensure!(bucket.hit() == 0 && bob.fetch(&bobs).await? == bytes);
    nothing_incoming(&server).await?;
    ensure!(!server.log().contains(SECRET_KEY));
    Ok(())
}

#[tokio::test]
async fn d5_a_bucket_in_bad_times_loses_nothing_that_was_confirmed() -> anyhow::Result<()> {
    let bucket = Bucket::open().await?;
    let server = bucket.server().start().await?;
    let alice = Person::new(&server, "alice");
    let kept = alice.upload("?keep=true", noise(1, 100_000)).await?;
    let faults = [
        Fault::Say(Kind::Puts, 500),
        Fault::Say(Kind::Puts, 503),
        Fault::Say(Kind::Puts, 507),
        Fault::DoAndSay(Kind::Puts, 500),
        Fault::Reset(Kind::Puts),
    ];
    for (seed, fault) in (10..).zip(faults) {
        bucket.set(fault);
        // A document: refused, with a reason that says to try again. A resumable one stays until it can be kept. A picture
        // was taken already: it is made and waits.
        let bytes = noise(seed, 50_000);
        let (status, refused) = alice.send("?keep=true", bytes.clone()).await?;
        let error = &refused["error"];
        ensure!(status == 503 && error["code"] == "media_store_unavailable", "{fault:?}: {status}: {refused}");
        ensure!(error["class"] == "retry", "{fault:?}: {refused}");
        let whole = noise(seed + 100, 50_000);
        let place = create(&alice, whole.len(), &[("keep", "true")]).await?;
        let last = piece(&alice, &place, 0, &whole).send().await?;
        ensure!(last.status() == 503, "{fault:?}: {last:?}");
        let width = u32::try_from(seed * 16)?;
        let (status, sent) = alice.send("?keep=true", picture("png", width, 48)?).await?;
        ensure!(status == 202, "{fault:?}: {status}: {sent}");
        figure(&server, "tertulia_media_jobs_running", &[], 1.0).await?;
        let hit = bucket.hit();
        eventually("the picture is put in vain", || async { (bucket.hit() > hit).then_some(()) }).await?;
        ensure!(alice.fetch(&kept).await? == noise(1, 100_000), "{fault:?}");
        ensure!(alice.status(&sent).await?["state"] == "processing", "{fault:?}");

        bucket.set(Fault::None);
        let document = alice.upload("?keep=true", bytes.clone()).await?;
        ensure!(alice.fetch(&document).await? == bytes, "{fault:?}");
        let taken = eventually("it is taken", || async {
            media(&tus(alice.ask(Method::HEAD, &place)).send().await.ok()?).ok()
        });
        ensure!(alice.fetch(&taken.await?).await? == whole, "{fault:?}");
        let made = alice.made(&sent).await?;
        ensure!(made["state"] == "ready" && made["width"] == width, "{fault:?}: {made}");
        nothing_incoming(&server).await?;
    }
    // Slow: later, but well.
    bucket.set(Fault::Slow(Kind::Puts, Duration::from_millis(300)));
    let made = alice.upload("?keep=true", picture("png", 80, 48)?).await?;
    ensure!(!alice.fetch(&made).await?.is_empty());
    nothing_incoming(&server).await
}

#[tokio::test]
async fn d5_a_bucket_that_does_not_give_what_it_has_is_told_of() -> anyhow::Result<()> {
    let bucket = Bucket::open().await?;
    let server = bucket.server().start().await?;
    let alice = Person::new(&server, "alice");
    let kept = alice.upload("?keep=true", noise(1, 3_000_000)).await?;
    bucket.set(Fault::Say(Kind::Gets, 500));
    let answer = alice.get(&kept, "").await?;
    ensure!(
        answer.status() == 503 && answer.headers().get("cache-control").is_none_or(|value| value == "no-store"),
        "{answer:?}"
    );
    let said: serde_json::Value = answer.json().await?;
    ensure!(said["error"]["code"] == "media_store_unavailable", "{said}");
    // It breaks off: fewer bytes than were promised, so that nobody takes it for the whole.
    bucket.set(Fault::Reset(Kind::Gets));
    let answer = alice.get(&kept, "").await?;
    ensure!(answer.status() != 200 || answer.bytes().await.is_err(), "it looks whole");
    bucket.set(Fault::None);
    ensure!(alice.fetch(&kept).await? == noise(1, 3_000_000));
    Ok(())
}

#[tokio::test]
async fn d5_killed_while_what_was_made_goes_to_the_bucket() -> anyhow::Result<()> {
    let bucket = Bucket::open().await?;
    let mut server = bucket.server().start().await?;
    let alice = Person::new(&server, "alice");
    bucket.set(Fault::Hang(Kind::Puts));
    let (_, sent) = alice.send("?keep=true", picture("png", 64, 48)?).await?;
    eventually("it is put", || async { (bucket.hit() > 0).then_some(()) }).await?;
    // A document at the same time: it is not confirmed, so it is not there afterwards.
    let document = noise(1, 10_000);
    let mut open = alice.begin("POST", "/v1/media?keep=true", &[("content-length", "10000")]).await?;
    open.write(&document).await?;
    eventually("it is put, too", || async { (bucket.hit() > 1).then_some(()) }).await?;
    let left = workers(&server);
    server.kill()?;
    gone(&left).await?;
    bucket.set(Fault::None);
    server.start_again().await?;
    let made = alice.made(&sent).await?;
    ensure!(made["state"] == "ready" && !alice.fetch(&sent).await?.is_empty(), "{made}");
    ensure!(alice.listed().await?.len() == 1);
    nothing_incoming(&server).await?;
    let made = alice.upload("?keep=true", document.clone()).await?;
    ensure!(alice.fetch(&made).await? == document);
    Ok(())
}
