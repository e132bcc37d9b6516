//! Messages for those who are away: what it costs to keep them, to hand them out, and to start with many of them.

use super::{SETTLE, User, Window, comes, everybody, name, person};
use crate::chat::window::Counted;
use anyhow::ensure;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tertulia_tests::Server;

/// Messages of one sender without an answer, where it sends as fast as it may.
const OUTSTANDING: u64 = 24;
/// How long nothing may move.
const STUCK: Duration = Duration::from_secs(60);

/// Who is away, messages for each, who writes.
type Crowd = (usize, u64, usize);

/// Waits until a count has come so far, as long as it moves.
pub(crate) async fn reaches(what: &str, wanted: u64, count: impl Fn() -> u64) -> anyhow::Result<()> {
    let (mut last, mut moved) = (count(), Instant::now());
    while last < wanted {
        ensure!(moved.elapsed() < STUCK, "{last} of {wanted} are {what}, and nothing moves");
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = count();
        if now != last {
            (last, moved) = (now, Instant::now());
        }
    }
    Ok(())
}

/// Everybody comes once, and leaves; then they are written to.
async fn writers(server: &Server, start: Instant, counted: &Arc<Counted>, crowd: Crowd) -> anyhow::Result<Vec<User>> {
    let (users, _, senders) = crowd;
    for user in everybody(server, users, start, counted).await? {
        user.leaves().await?;
    }
    let mut writers = Vec::new();
    for number in users..users + senders {
        writers.push(comes(server, number, start, counted).await?);
    }
    tokio::time::sleep(SETTLE).await;
    Ok(writers)
}

async fn writes(writers: &[User], counted: &Counted, (users, per, senders): Crowd) -> anyhow::Result<u64> {
    let (before, all) = (counted.confirmed.load(Relaxed), users as u64 * per);
    let confirmed = || counted.confirmed.load(Relaxed) - before;
    let mut sent = 0;
    while sent < all {
        ensure!(counted.refused.load(Relaxed) == 0, "messages were refused");
        let room = (OUTSTANDING * senders as u64).saturating_sub(sent - confirmed()).min(all - sent);
        for next in sent..sent + room {
            // Each writes to everybody in turn, as the XMPP client does.
            writers[next as usize % senders].say.send(person(next as usize % users)?)?;
        }
        sent += room;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    reaches("confirmed", all, confirmed).await?;
    Ok(all)
}

/// The lines for the report.
pub(super) async fn offline(
    server: &Server,
    start: Instant,
    counted: &Arc<Counted>,
    crowd: Crowd,
) -> anyhow::Result<String> {
    let writers = writers(server, start, counted, crowd).await?;
    let users = crowd.0;
    let open = Window::opens(server.pid(), counted)?;
    let all = writes(&writers, counted, crowd).await?;
    let stored = open.closes(&format!("{all} for {users} who are away"))?;
    tokio::time::sleep(SETTLE).await;
    let open = Window::opens(server.pid(), counted)?;
    let before = counted.received.load(Relaxed);
    let mut back = Vec::new();
    for number in 0..users {
        back.push(comes(server, number, start, counted).await?);
    }
    reaches("handed out", all, || counted.received.load(Relaxed) - before).await?;
    let drained = open.closes(&format!("{users} come back and get them, with their logins"))?;
    Ok(format!("{stored}\n{drained}"))
}

/// The line for the report.
pub(super) async fn restart(
    server: &mut Server,
    start: Instant,
    counted: &Arc<Counted>,
    crowd: Crowd,
) -> anyhow::Result<String> {
    let writers = writers(server, start, counted, crowd).await?;
    let all = writes(&writers, counted, crowd).await?;
    drop(writers);
    server.kill()?;
    let killed = Instant::now();
    server.start_again().await?;
    let ready = killed.elapsed();
    let before = counted.received.load(Relaxed);
    let back = comes(server, 0, start, counted).await?;
    reaches("handed out after the start", crowd.1, || counted.received.load(Relaxed) - before).await?;
    drop(back);
    Ok(format!(
        "killed with {all} queued: ready after {:.2} s, {} has its {} messages after {:.2} s",
        ready.as_secs_f64(),
        name(0),
        crowd.1,
        killed.elapsed().as_secs_f64(),
    ))
}
