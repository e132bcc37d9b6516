//! How long a file lives and for whom (d10): collected when nobody has it, forwarded without a copy, seen once, gone with its
//! owner.

use crate::claims::{challenge, proof, prove};
use crate::disk::{blobs, blobs_are, nothing_incoming};
use crate::fetch::{linked, now_s, signed};
use crate::tus::{create, piece, tus};
use anyhow::ensure;
use reqwest::{Client as Http, Method};
use serde_json::{Value, json};
use tertulia_tests::media_files::{long_film, noise, picture};
use tertulia_tests::person::path;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Client, Person, Server};

/// A server that forgets in seconds, and people who are there.
async fn forgetful(people: &[&str]) -> anyhow::Result<(Server, Vec<Person>)> {
    let settings = ["idle_s", "doomed_s", "collect_every_s"];
    let builder = settings.iter().fold(Server::builder(), |builder, name| builder.set(&format!("uploads.{name}"), 1));
    let server = builder.set("media.shards", 1).start().await?;
    for person in people {
        drop(Client::connect(&server, person).await?);
    }
    let people = people.iter().map(|person| Person::new(&server, person)).collect();
    Ok((server, people))
}

async fn is_gone(person: &Person, media: &Value) -> anyhow::Result<()> {
    eventually("it is gone", || async { (person.get(media, "").await.ok()?.status() == 404).then_some(()) }).await
}

#[tokio::test]
async fn d10_what_nobody_keeps_or_has_goes_and_nothing_else() -> anyhow::Result<()> {
    let (server, people) = forgetful(&["alice", "bob", "carol"]).await?;
    let [alice, bob, carol] = &people[..] else { anyhow::bail!("three") };
    let kept = alice.upload("?keep=true", noise(1, 10_000)).await?;
    let shared = alice.upload("", noise(2, 10_000)).await?;
    alice.share(&shared, &["bob"]).await?;
    let idle = alice.upload("", picture("png", 64, 48)?).await?;
    let (link, _) = linked(alice, &idle).await?;
    is_gone(alice, &idle).await?;
    ensure!(Http::new().get(format!("http://{}{link}", server.http())).send().await?.status() == 404);
    blobs_are(&server, 2).await?;
    // Forwarded: one blob, and a handle of Bob's that outlives Alice's.
    let forwarded = bob.share(&shared, &["carol"]).await?;
    ensure!(forwarded["media_id"] != shared["media_id"], "{forwarded}");
    ensure!(carol.fetch(&forwarded).await? == noise(2, 10_000) && blobs(&server).len() == 2);
    ensure!(carol.get(&shared, "").await?.status() == 404, "by the first owner's id");
    alice.delete(&shared).await?;
    is_gone(bob, &shared).await?;
    ensure!(carol.fetch(&forwarded).await? == noise(2, 10_000));
    // Taken back from the last who had it.
    let (status, said) = bob.with(&forwarded, Method::DELETE, "/share/carol", Value::Null).await?;
    ensure!(status == 204, "{status}: {said}");
    is_gone(carol, &forwarded).await?;
    blobs_are(&server, 1).await?;
    ensure!(alice.fetch(&kept).await? == noise(1, 10_000));
    let (status, said) = alice.with(&kept, Method::DELETE, "/keep", Value::Null).await?;
    ensure!(status == 204, "{status}: {said}");
    is_gone(alice, &kept).await?;
    blobs_are(&server, 0).await
}

#[tokio::test]
async fn d10_what_is_on_its_way_is_not_collected() -> anyhow::Result<()> {
    let (server, people) = forgetful(&["alice", "bob"]).await?;
    let [alice, bob] = &people[..] else { anyhow::bail!("two") };
    // The same bytes again and again, each time as the collection is about to take them: at whatever step it is, what was
    // confirmed is there.
    let bytes = noise(3, 200_000);
    let mut rounds = 0;
    for wait in 0..4_u32 {
        let first = alice.upload("", bytes.clone()).await?;
        let place = create(bob, bytes.len(), &[("keep", "true")]).await?;
        ensure!(piece(bob, &place, 0, &bytes[..100_000]).send().await?.status() == 204);
        is_gone(alice, &first).await?;
        for _ in 0..wait {
            // A little later in the collection each time.
            server.metrics().await?;
        }
        if wait == 3 {
            blobs_are(&server, 0).await?;
        }
        let last = piece(bob, &place, 100_000, &bytes[100_000..]).send().await?;
        let kept = crate::tus::media(&last)?;
        let again = alice.upload("?keep=true", bytes.clone()).await?;
        ensure!(bob.fetch(&kept).await? == bytes && alice.fetch(&again).await? == bytes);
        bob.delete(&kept).await?;
        alice.delete(&again).await?;
        rounds += 1;
    }
    ensure!(rounds == 4);
    blobs_are(&server, 0).await
}

#[tokio::test]
async fn d10_seen_once_by_each_on_one_device_and_then_by_nobody() -> anyhow::Result<()> {
    let (server, people) = forgetful(&["alice", "bob", "carol", "mallory"]).await?;
    let [alice, bob, carol, mallory] = &people[..] else { anyhow::bail!("four") };
    let bytes = picture("png", 64, 48)?;
    let (status, said) = alice.send("?view_once=nobody-here", bytes.clone()).await?;
    ensure!(status == 404 && said["error"]["code"] == "unknown_user", "{status}: {said}");
    let made = alice.upload("?view_once=bob,carol", bytes.clone()).await?;
    let post = |person: &Person, rest: &'static str| {
        let (person, made) = (person.clone(), made.clone());
        async move { person.with(&made, Method::POST, rest, Value::Null).await }
    };
    // Nothing of it shows beforehand, and it is in no list, no link, no claim; who sent it can't look, who it is not for does
    // not learn that it is there.
    ensure!(made["view_once"] == true && made["preview"].is_null() && made["has_thumbnail"] == false, "{made}");
    ensure!(alice.listed().await?.is_empty() && bob.listed().await?.is_empty());
    for (person, status) in [(alice, 403), (bob, 403), (mallory, 404)] {
        ensure!(person.get(&made, "").await?.status() == status);
        ensure!([403, 404].contains(&person.get(&made, "/thumbnail").await?.status().as_u16()));
        let (linked, said) = person.with(&made, Method::POST, "/link", json!({})).await?;
        ensure!(linked == status, "{linked}: {said}");
        let (shared, said) = person.with(&made, Method::POST, "/share", json!({"to": ["mallory"]})).await?;
        ensure!(shared == status, "{shared}: {said}");
    }
    let forged = signed(&server, &made, now_s()? + 600)?;
    ensure!(Http::new().get(format!("http://{}{forged}", server.http())).send().await?.status() == 404);
    let begun = challenge(bob, &bytes, "auto").await?;
    ensure!(prove(bob, &begun, &proof(&begun, &bytes)?).await?.0 == 409);
    ensure!(post(alice, "/open").await?.0 == 403 && post(mallory, "/open").await?.0 == 404);

    // Bob opens it on his phone: there it can be had, in parts too, and is kept by no cache; his tablet is late.
    let (phone, tablet) = (bob.at("phone"), bob.at("tablet"));
    let (status, lease) = post(&phone, "/open").await?;
    ensure!(status == 200 && lease["expires_at"].as_u64() > Some(now_s()? * 1_000), "{status}: {lease}");
    ensure!(post(&phone, "/open").await? == (200, lease), "the same lease again");
    let whole = phone.get(&made, "").await?;
    ensure!(whole.headers()["cache-control"] == "no-store", "{whole:?}");
    let whole = whole.bytes().await?;
    let part = phone.ask(Method::GET, &path(&made, "")?).header("range", "bytes=1-9").send().await?;
    ensure!(part.status() == 206 && part.bytes().await? == whole.slice(1..10));
    let (status, late) = post(&tablet, "/open").await?;
    ensure!(status == 410 && late["error"]["code"] == "media_opened", "{status}: {late}");
    ensure!(tablet.get(&made, "").await?.status() == 410);
    ensure!(post(&tablet, "/opened").await?.0 == 404, "a device that has not opened it can't end it");
    ensure!(phone.get(&made, "").await?.status() == 200);
    ensure!(post(&phone, "/opened").await?.0 == 204);
    for device in [&phone, &tablet] {
        ensure!(device.get(&made, "").await?.status() == 410 && post(device, "/open").await?.0 == 410);
    }
    // Carol's time is her own; after her, it is gone from the disk.
    ensure!(post(carol, "/open").await?.0 == 200);
    ensure!(carol.get(&made, "").await?.bytes().await? == whole);
    ensure!(blobs(&server).len() == 3);
    ensure!(post(carol, "/opened").await?.0 == 204);
    is_gone(carol, &made).await?;
    blobs_are(&server, 0).await
}

#[tokio::test]
async fn d10_a_lease_outlives_a_restart_and_is_no_second_one() -> anyhow::Result<()> {
    let (mut server, people) = forgetful(&["alice", "bob"]).await?;
    let [alice, bob] = &people[..] else { anyhow::bail!("two") };
    let made = alice.upload("?view_once=bob", noise(5, 1_000)).await?;
    let (phone, tablet) = (bob.at("phone"), bob.at("tablet"));
    let (status, lease) = phone.with(&made, Method::POST, "/open", Value::Null).await?;
    ensure!(status == 200, "{status}: {lease}");
    server.kill()?;
    server.start_again().await?;
    ensure!(phone.fetch(&made).await? == noise(5, 1_000));
    ensure!(tablet.with(&made, Method::POST, "/open", Value::Null).await?.0 == 410);
    Ok(())
}

#[tokio::test]
async fn d10_an_account_takes_everything_with_it() -> anyhow::Result<()> {
    let (server, people) = forgetful(&["alice", "bob"]).await?;
    let [alice, bob] = &people[..] else { anyhow::bail!("two") };
    let kept = alice.upload("?keep=true", picture("jpg", 64, 48)?).await?;
    let shared = alice.upload("?keep=true", noise(6, 1_000)).await?;
    let once = alice.upload("?view_once=bob", noise(7, 1_000)).await?;
    alice.share(&shared, &["bob"]).await?;
    let bobs = bob.upload("?keep=true", noise(8, 1_000)).await?;
    bob.share(&bobs, &["alice"]).await?;
    let (link, thumbnail) = linked(alice, &kept).await?;
    // Under way: a resumable upload, a film that is worked on, and a request.
    let place = create(alice, 10_000, &[]).await?;
    ensure!(piece(alice, &place, 0, &[7; 5_000]).send().await?.status() == 204);
    let (status, film) = alice.send("?keep=true", long_film()?).await?;
    ensure!(status == 202, "{status}: {film}");
    let (status, said) = alice.tell(Method::DELETE, "/v1/account", Value::Null).await?;
    ensure!(status == 204, "{status}: {said}");
    for media in [&shared, &once] {
        is_gone(bob, media).await?;
        ensure!(bob.with(media, Method::POST, "/open", Value::Null).await?.0 == 404);
    }
    for path in [link, thumbnail] {
        let answer = Http::new().get(format!("http://{}{path}", server.http())).send().await?;
        ensure!(answer.status() == 404, "{path}: {answer:?}");
    }
    ensure!(tus(bob.ask(Method::HEAD, &place)).send().await?.status() == 404);
    nothing_incoming(&server).await?;
    blobs_are(&server, 1).await?;
    ensure!(bob.fetch(&bobs).await? == noise(8, 1_000), "another's file went too");
    Ok(())
}
