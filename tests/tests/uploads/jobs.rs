//! What becomes of what is to be opened: in turn, by so many workers and no more, told of, taken back, and not disturbed by
//! what broke a worker.

use crate::disk::{blobs, incoming, nothing_incoming};
use crate::tus::{create, media, piece, tus};
use crate::workers::{figure, gone, stopped, workers};
use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::Value;
use tertulia_signaling_proto::{MediaState, ServerFrame};
use tertulia_tests::media_files::{film, long_film, picture};
use tertulia_tests::server::Builder;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Client, Person, Server};

const RUNNING: &str = "tertulia_media_workers_running";

/// One worker at a time, one ready.
fn narrow() -> Builder {
    Server::builder().set("uploads.cores", 1).set("uploads.workers_ready", 1)
}

#[tokio::test]
async fn d1_progress_is_told_to_every_device_and_then_that_it_is_ready() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut phone = Client::connect(&server, "alice").await?;
    let mut bob = Client::connect(&server, "bob").await?;
    let alice = Person::new(&server, "alice");
    let (status, sent) = alice.send("?keep=true", long_film()?).await?;
    ensure!(status == 202 && sent["state"] == "processing" && sent["progress"].is_u64(), "{status}: {sent}");
    let id = sent["media_id"].as_str().context("an id")?.to_owned();
    ensure!(alice.get(&sent, "").await?.status() == 409, "it is not ready");
    let mut best = 0;
    loop {
        let told = phone.expect("media.progress or media.ready", |frame| match frame {
            ServerFrame::MediaProgress(told) => Some((told.media_id, Some(told.progress))),
            ServerFrame::MediaReady(told) if told.state == MediaState::Ready => Some((told.media_id, None)),
            _ => None,
        });
        match told.await? {
            (which, Some(progress)) if which.to_string() == id => {
                ensure!(progress >= best && progress <= 1_000, "{progress} after {best}");
                best = progress;
            }
            (which, None) if which.to_string() == id => break,
            other => anyhow::bail!("{other:?}"),
        }
    }
    ensure!(best > 0, "no progress was told");
    let heard = bob.heard_so_far().await?;
    ensure!(!heard.iter().any(|frame| format!("{frame:?}").contains("Media")), "{heard:?}");
    Ok(())
}

#[tokio::test]
async fn d1_a_job_that_runs_is_taken_back_and_leaves_nothing() -> anyhow::Result<()> {
    let server = narrow().start().await?;
    let alice = Person::new(&server, "alice");
    let at_it = stopped(&server, 1).await?;
    let (status, sent) = alice.send("?keep=true", film()?).await?;
    ensure!(status == 202, "{status}: {sent}");
    figure(&server, RUNNING, &[], 1.0).await?;
    let (_, waiting) = alice.send("?keep=true", picture("png", 64, 48)?).await?;
    alice.delete(&sent).await?;
    gone(&at_it).await?;
    ensure!(alice.get(&sent, "/status").await?.status() == 404);
    // The next in turn begins.
    ensure!(alice.made(&waiting).await?["state"] == "ready");
    nothing_incoming(&server).await?;
    ensure!(blobs(&server).len() == 3);
    // Another's job can't be taken back.
    let (_, hers) = alice.send("?keep=true", film()?).await?;
    let bob = Person::new(&server, "bob");
    ensure!(bob.with(&hers, Method::DELETE, "", Value::Null).await?.0 == 404);
    ensure!(alice.made(&hers).await?["state"] == "ready");
    Ok(())
}

#[tokio::test]
async fn d1_a_worker_that_dies_costs_its_job_a_retry_and_no_other_anything() -> anyhow::Result<()> {
    let server = narrow().start().await?;
    let mut phone = Client::connect(&server, "alice").await?;
    let (alice, bob) = (Person::new(&server, "alice"), Person::new(&server, "bob"));
    // Once: nobody notices.
    let first = stopped(&server, 1).await?;
    let (_, sent) = alice.send("?keep=true", film()?).await?;
    figure(&server, RUNNING, &[], 1.0).await?;
    for worker in &first {
        worker.kill()?;
    }
    ensure!(alice.made(&sent).await?["state"] == "ready");
    figure(&server, "tertulia_media_worker_retries", &[], 1.0).await?;

    // Twice: a typed refusal, and what waits behind it is none the worse.
    let first = stopped(&server, 1).await?;
    let (_, bad) = alice.send("?keep=true", picture("png", 96, 48)?).await?;
    figure(&server, RUNNING, &[], 1.0).await?;
    let (_, good) = bob.send("?keep=true", picture("png", 80, 48)?).await?;
    let second = eventually("another is ready", || async {
        let others: Vec<_> = workers(&server).into_iter().filter(|worker| !first.contains(worker)).collect();
        let is_ready = server.metrics().await.ok()?.sum("tertulia_media_workers_ready", &[]) == 1.0;
        (is_ready && others.len() == 1).then_some(others)
    });
    let second = second.await?;
    for worker in &second {
        worker.stop()?;
    }
    for worker in &first {
        worker.kill()?;
    }
    figure(&server, "tertulia_media_worker_retries", &[], 2.0).await?;
    for worker in &second {
        worker.kill()?;
    }
    let refused = alice.made(&bad).await?;
    let error = &refused["error"];
    ensure!(refused["state"] == "refused" && error["code"] == "media_worker_crashed", "{refused}");
    ensure!(bob.made(&good).await?["state"] == "ready");
    let told = phone.expect("media.rejected", |frame| match frame {
        ServerFrame::MediaRejected(told) => told.media_id.map(|id| id.to_string()),
        _ => None,
    });
    ensure!(told.await? == bad["media_id"]);
    // The same bytes are not tried on a third one.
    let (status, again) = bob.send("?keep=true", picture("png", 96, 48)?).await?;
    ensure!(status == 422 && again["error"]["code"] == "media_worker_crashed", "{status}: {again}");
    nothing_incoming(&server).await
}

#[tokio::test]
async fn d1_so_many_jobs_may_wait_and_who_finds_no_room_is_told_when_to_come_again() -> anyhow::Result<()> {
    let server = narrow().set("uploads.queue_max", 2).set("uploads.user_queue_max", 1).start().await?;
    let (alice, bob, carol) =
        (Person::new(&server, "alice"), Person::new(&server, "bob"), Person::new(&server, "carol"));
    stopped(&server, 1).await?;
    let (status, first) = alice.send("?keep=true", film()?).await?;
    ensure!(status == 202, "{status}: {first}");
    let busy = |(status, said): (u16, Value)| {
        let error = &said["error"];
        ensure!(status == 503 && error["code"] == "media_busy", "{status}: {said}");
        ensure!(error["retry_after_ms"].as_u64() > Some(0) && error["class"] == "retry_after", "{said}");
        Ok(())
    };
    busy(alice.send("", picture("png", 64, 48)?).await?)?;
    ensure!(bob.send("?keep=true", picture("png", 80, 48)?).await?.0 == 202);
    busy(carol.send("", picture("png", 96, 48)?).await?)?;
    // A resumable one need not be sent again: it is whole, and is taken when there is room.
    let png = picture("png", 96, 48)?;
    let place = create(&carol, png.len(), &[("keep", "true")]).await?;
    let last = piece(&carol, &place, 0, &png).send().await?;
    ensure!(last.headers().contains_key("retry-after"), "{last:?}");
    busy((last.status().as_u16(), last.json().await?))?;
    // What needs no worker is not kept waiting; what is here already is not either.
    ensure!(carol.send("?as=document&keep=true", png).await?.0 == 201);
    ensure!(incoming(&server).len() >= 3);
    let full = server.metrics().await?.sum("tertulia_media_limit_hits", &["\"queue\""]);
    ensure!(full == 3.0, "{full}");
    alice.delete(&first).await?;
    let taken = eventually("it is taken", || async {
        let stands = tus(carol.ask(Method::HEAD, &place)).send().await.ok()?;
        media(&stands).ok()
    });
    ensure!(carol.made(&taken.await?).await?["state"] == "ready");
    nothing_incoming(&server).await
}

#[tokio::test]
async fn d1_there_are_never_more_workers_than_configured() -> anyhow::Result<()> {
    let server = narrow().start().await?;
    let people: Vec<Person> = (0..4).map(|n| Person::new(&server, &format!("person{n}"))).collect();
    let uploads = people.iter().enumerate().flat_map(|(n, person)| {
        (0..3_usize).map(move |m| async move {
            let width = u32::try_from(64 + 16 * (3 * n + m))?;
            person.upload("?keep=true", picture("png", width, 48)?).await
        })
    });
    let watching = async {
        let mut most = 0;
        loop {
            // One at a job, one ready; one that was killed counts until it has been waited for.
            most = most.max(workers(&server).len());
            ensure!(most <= 2, "{most} at once");
            let running = server.metrics().await?.sum(RUNNING, &[]);
            ensure!(running <= 1.0, "{running} at jobs at once");
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = futures_util::future::try_join_all(uploads) => ensure!(done?.len() == 12),
        broken = watching => return broken,
    }
    figure(&server, "tertulia_media_worker_jobs", &["done"], 12.0).await
}
