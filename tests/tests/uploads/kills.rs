//! The program ends as by a power cut, in the middle of an upload of each kind and of a job, at several moments: what was
//! confirmed is there, what was not is gone, and no process is left.

use crate::disk::{blobs, incoming, nothing_incoming};
use crate::send::{FORM, form, is_coming};
use crate::tus::{OCTETS, create, media, offset, piece};
use crate::workers::{figure, gone, stopped, workers};
use anyhow::ensure;
use tertulia_signaling_proto::ServerFrame;
use tertulia_tests::media_files::{film, long_film, noise, picture};
use tertulia_tests::server::Builder;
use tertulia_tests::{Client, Person, Server};

/// One shard, for its port to be the same after the kill.
fn one() -> Builder {
    Server::builder().set("media.shards", 1).set("uploads.cores", 1).set("uploads.workers_ready", 1)
}

/// Ends it, sees that no process is left, and starts it again.
async fn again(server: &mut Server) -> anyhow::Result<()> {
    let left = workers(server);
    server.kill()?;
    gone(&left).await?;
    server.start_again().await
}

#[tokio::test]
async fn d1_killed_in_the_middle_of_an_upload() -> anyhow::Result<()> {
    let mut server = one().start().await?;
    let alice = Person::new(&server, "alice");
    // Confirmed, and killed in the same moment.
    let document = alice.send("?keep=true", noise(1, 500_000)).await?.1;
    again(&mut server).await?;
    ensure!(alice.fetch(&document).await? == noise(1, 500_000));
    let bytes = noise(2, 2_000_000);
    let length = bytes.len().to_string();
    let whole = form("note.bin", &bytes);
    for (body, headers) in
        [(&bytes, vec![("content-length", length.as_str())]), (&whole, vec![("content-length", "3000000"), FORM])]
    {
        let mut open = alice.begin("POST", "/v1/media?keep=true", &headers).await?;
        open.write(&body[..1_000_000]).await?;
        is_coming(&server, 300_000).await?;
        again(&mut server).await?;
        ensure!(incoming(&server).is_empty(), "{:?}", incoming(&server));
        ensure!(alice.listed().await?.len() == 1);
    }
    // Resumable: what was confirmed, and perhaps some of what was not.
    let place = create(&alice, bytes.len(), &[("keep", "true")]).await?;
    ensure!(piece(&alice, &place, 0, &bytes[..700_000]).send().await?.status() == 204);
    let headers = [("tus-resumable", "1.0.0"), ("upload-offset", "700000"), ("content-length", "1300000"), OCTETS];
    let mut open = alice.begin("PATCH", &place, &headers).await?;
    open.write(&bytes[700_000..1_500_000]).await?;
    is_coming(&server, 1_000_000).await?;
    again(&mut server).await?;
    let at = offset(&alice, &place).await?;
    ensure!((700_000..=1_500_000).contains(&at) && incoming(&server).len() == 1, "{at}");
    let last = piece(&alice, &place, at, &bytes[at..]).send().await?;
    let made = media(&last)?;
    again(&mut server).await?;
    ensure!(alice.fetch(&made).await? == bytes, "other bytes came out");
    nothing_incoming(&server).await?;
    ensure!(blobs(&server).len() == 2);
    Ok(())
}

#[tokio::test]
async fn d1_killed_before_and_while_a_worker_works() -> anyhow::Result<()> {
    let mut server = one().start().await?;
    let alice = Person::new(&server, "alice");
    // One has just begun, one waits.
    stopped(&server, 1).await?;
    let (_, begun) = alice.send("?keep=true", film()?).await?;
    figure(&server, "tertulia_media_workers_running", &[], 1.0).await?;
    let (_, waiting) = alice.send("?keep=true", picture("png", 64, 48)?).await?;
    again(&mut server).await?;
    for sent in [&begun, &waiting] {
        let made = alice.made(sent).await?;
        ensure!(made["state"] == "ready" && !alice.fetch(sent).await?.is_empty(), "{made}");
    }
    nothing_incoming(&server).await?;
    ensure!(blobs(&server).len() == 6);
    // In the middle of it, with half a file written.
    let mut phone = Client::connect(&server, "alice").await?;
    let (_, sent) = alice.send("?keep=true", long_film()?).await?;
    let told = phone.expect("media.progress", |frame| matches!(frame, ServerFrame::MediaProgress(_)).then_some(()));
    told.await?;
    again(&mut server).await?;
    let made = alice.made(&sent).await?;
    ensure!(made["state"] == "ready" && made["duration_ms"].as_u64() > Some(9_800), "{made}");
    nothing_incoming(&server).await?;
    ensure!(blobs(&server).len() == 9, "{:?}", blobs(&server));
    // Told to end, it does not wait for the job, and forgets it no more than a kill does.
    stopped(&server, 1).await?;
    let (_, sent) = alice.send("?keep=true", picture("png", 96, 48)?).await?;
    figure(&server, "tertulia_media_workers_running", &[], 1.0).await?;
    let left = workers(&server);
    ensure!(server.terminate().await?.success());
    gone(&left).await?;
    server.start_again().await?;
    ensure!(alice.made(&sent).await?["state"] == "ready");
    nothing_incoming(&server).await
}
