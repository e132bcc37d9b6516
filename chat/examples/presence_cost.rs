//! What it costs to tell many watchers of one person that they have come or gone, in the core alone: without encoding, without sockets.
//! `cargo run --release -p tertulia-chat --example presence_cost`.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::error::Error;
use std::time::{Duration, Instant};
use tertulia_chat_core::presence::{Audience, Facts, LEAVING, PERIOD, Presence, PresenceLimits, Privacy, Wanted};
use tertulia_common::{SessionId, Timestamp, UserId};

/// Comings and goings of each trial.
const CHANGES: u32 = 200;
/// Whom else each watcher watches: they do nothing.
const OTHERS: usize = 20;
const OPEN: Privacy = Privacy { online: Audience::Everyone, last_seen: Audience::Everyone };

fn main() -> Result<(), Box<dyn Error>> {
    println!("watchers   ns a frame   µs a change   frames a change   µs to watch {} people", OTHERS + 1);
    for watchers in [1, 100, 1_000, 10_000] {
        trial(watchers)?;
    }
    Ok(())
}

fn trial(watchers: usize) -> Result<(), Box<dyn Error>> {
    let (mut core, mut now) = (Presence::new(PresenceLimits::default()), Timestamp(1_000_000_000));
    let star: UserId = "star".parse()?;
    let own = SessionId::new(now, 0);
    let mut users: Vec<UserId> = (0..OTHERS).map(|n| format!("other{n}").parse()).collect::<Result<_, _>>()?;
    users.push(star.clone());
    let facts = users.iter().map(|user| (user.clone(), Facts { privacy: OPEN, ..Facts::default() })).collect();
    let wanted = Wanted { users, groups: Vec::new() };
    let begun = Instant::now();
    for n in 1..=watchers {
        let (session, user) = (SessionId::new(now, n as u128), format!("watcher{n}").parse()?);
        let generation = core.generation();
        core.watch(now, (session, &user), &wanted, generation, OPEN, &facts)?;
    }
    let watching = begun.elapsed();
    let (mut frames, mut took) = (0_u64, Duration::ZERO);
    for change in 0..CHANGES {
        let begun = Instant::now();
        core.set(now, own, &star, change % 2 == 0);
        for at in [now, now + LEAVING] {
            frames += std::iter::from_fn(|| core.poll(at)).count() as u64;
        }
        took += begun.elapsed();
        now = now + LEAVING + PERIOD;
    }
    let a_change = took / CHANGES;
    println!(
        "{watchers:8}   {:10.0}   {:11.1}   {:15.1}   {:11.1}",
        took.as_nanos() as f64 / frames as f64,
        a_change.as_nanos() as f64 / 1e3,
        frames as f64 / f64::from(CHANGES),
        watching.as_nanos() as f64 / 1e3 / watchers as f64,
    );
    Ok(())
}
