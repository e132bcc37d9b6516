//! The workers' queue: durable, bounded, fair between users.
//!
//! Invariant: a job's row is there until what came of it is in the directory, so that a restart loses none. What waits here
//! is a copy of the rows in the order of turns: one job of each user, then the next of each.

mod run;

pub(crate) use run::dispatch;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::time::Duration;
use tertulia_common::{Timestamp, UserId};
use tertulia_directory::{ContentId, MediaJob};
use tertulia_media_core::{Job, Outcome, Refusal};
use tertulia_media_worker::host::Pool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Who does jobs: the pool of sandboxed processes, or a test's stand-in.
pub trait Work: Send + Sync + 'static {
    /// Does one job, telling thousandths. The outputs are written to when it is done. Cancelled, it ends soon with
    /// `Cancelled`. `Busy` says that nothing was tried: the job is as it was.
    fn run<'a>(
        &'a self,
        job: &'a Job,
        input: OwnedFd,
        outputs: [OwnedFd; 3],
        cancel: &'a CancellationToken,
        progress: &'a (dyn Fn(u16) + Send + Sync),
    ) -> BoxFuture<'a, Result<Outcome, Refusal>>;
}

impl Work for Pool {
    fn run<'a>(
        &'a self,
        job: &'a Job,
        input: OwnedFd,
        outputs: [OwnedFd; 3],
        cancel: &'a CancellationToken,
        progress: &'a (dyn Fn(u16) + Send + Sync),
    ) -> BoxFuture<'a, Result<Outcome, Refusal>> {
        Box::pin(Self::run(self, job, input, outputs, cancel.clone(), progress))
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Whose turn it is. Jobs of those who have deleted their account have a turn together.
    turns: VecDeque<Option<UserId>>,
    waiting: HashMap<Option<UserId>, VecDeque<MediaJob>>,
    known: HashMap<ContentId, Known>,
}

/// A job that waits or runs.
#[derive(Debug)]
struct Known {
    cancel: CancellationToken,
    since: Timestamp,
    is_running: bool,
    thousandths: u16,
}

impl Queue {
    /// Adds a job, once.
    pub(crate) fn push(&self, job: MediaJob, now: Timestamp) {
        let mut state = self.state.lock();
        let known = Known { cancel: CancellationToken::new(), since: now, is_running: false, thousandths: 0 };
        if state.known.contains_key(&job.content) {
            return;
        }
        state.known.insert(job.content, known);
        state.wait(job);
        drop(state);
        self.wake.notify_one();
    }

    /// The next job, when there is one. Cancel-safe.
    async fn next(&self) -> (MediaJob, CancellationToken) {
        loop {
            if let Some(next) = self.state.lock().take() {
                return next;
            }
            self.wake.notified().await;
        }
    }

    /// A job was not begun after all: it waits again.
    fn put_back(&self, job: MediaJob) {
        let mut state = self.state.lock();
        let Some(known) = state.known.get_mut(&job.content) else { return };
        known.is_running = false;
        state.wait(job);
        drop(state);
        self.wake.notify_one();
    }

    /// A job is over.
    fn over(&self, content: ContentId) {
        self.state.lock().known.remove(&content);
    }

    /// Nobody needs this job any longer. If it was waiting, its input's name comes back; if it runs, it ends by itself.
    pub(crate) fn cancel(&self, content: ContentId) -> Option<String> {
        let mut state = self.state.lock();
        let known = state.known.get(&content)?;
        known.cancel.cancel();
        if known.is_running {
            return None;
        }
        state.known.remove(&content);
        let mut input = None;
        for jobs in state.waiting.values_mut() {
            if let Some(at) = jobs.iter().position(|job| job.content == content) {
                input = jobs.remove(at).map(|job| job.input);
            }
        }
        input
    }

    /// How far a job is, in thousandths.
    pub(crate) fn progress(&self, content: ContentId) -> u16 {
        self.state.lock().known.get(&content).map_or(0, |known| known.thousandths)
    }

    fn set_progress(&self, content: ContentId, thousandths: u16) {
        if let Some(known) = self.state.lock().known.get_mut(&content) {
            known.thousandths = thousandths;
        }
    }

    /// How many wait, how many run, and how long the oldest has waited.
    pub(crate) fn figures(&self, now: Timestamp) -> (usize, usize, Duration) {
        let state = self.state.lock();
        let waiting = || state.known.values().filter(|known| !known.is_running);
        let oldest = waiting().map(|known| now.since(known.since)).max().unwrap_or_default();
        let count = waiting().count();
        (count, state.known.len() - count, oldest)
    }
}

impl State {
    fn wait(&mut self, job: MediaJob) {
        let user = job.user.clone();
        let jobs = self.waiting.entry(user.clone()).or_default();
        jobs.push_back(job);
        if jobs.len() == 1 {
            self.turns.push_back(user);
        }
    }

    fn take(&mut self) -> Option<(MediaJob, CancellationToken)> {
        while let Some(user) = self.turns.pop_front() {
            let Some(jobs) = self.waiting.get_mut(&user) else { continue };
            let job = jobs.pop_front();
            if jobs.is_empty() {
                self.waiting.remove(&user);
            } else {
                self.turns.push_back(user);
            }
            let Some(job) = job else { continue }; // cancelled while it waited
            if let Some(known) = self.known.get_mut(&job.content) {
                known.is_running = true;
                return Some((job, known.cancel.clone()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn job(content: i64, user: &str) -> MediaJob {
        let (input, class) = (format!("input{content}"), "video".to_owned());
        MediaJob { content: ContentId(content), input, user: user.parse().ok(), class, attempts: 0 }
    }

    async fn next(queue: &Queue) -> i64 {
        queue.next().await.0.content.0
    }

    #[tokio::test]
    async fn d3_who_sends_many_does_not_keep_others_waiting() {
        let queue = Queue::default();
        for content in 1..=4 {
            queue.push(job(content, "alice"), NOW);
        }
        queue.push(job(5, "bob"), NOW);
        queue.push(job(6, "carol"), NOW);
        queue.push(job(6, "carol"), NOW);
        let mut order = Vec::new();
        for _ in 0..6 {
            order.push(next(&queue).await);
        }
        assert_eq!(order, [1, 5, 6, 2, 3, 4]);
        assert_eq!(queue.figures(NOW), (0, 6, Duration::ZERO));
        queue.over(ContentId(6));
        assert_eq!(queue.figures(NOW), (0, 5, Duration::ZERO));
    }

    #[tokio::test]
    async fn d1_a_waiting_job_is_cancelled_with_its_input_and_a_running_one_is_told() {
        let queue = Queue::default();
        for content in 1..=3 {
            queue.push(job(content, "alice"), NOW);
        }
        let (first, cancel) = queue.next().await;
        assert_eq!(queue.cancel(ContentId(2)), Some("input2".to_owned()));
        assert_eq!(queue.cancel(first.content), None);
        assert!(cancel.is_cancelled());
        assert_eq!(next(&queue).await, 3);
        assert_eq!(queue.cancel(ContentId(9)), None);
        // The last one of a user that is cancelled leaves their turn empty: it is passed over.
        queue.push(job(4, "bob"), NOW);
        queue.cancel(ContentId(4));
        queue.push(job(5, "carol"), NOW);
        assert_eq!(next(&queue).await, 5);
    }

    #[tokio::test]
    async fn d3_the_age_of_the_oldest_that_waits_shows() {
        let queue = Queue::default();
        queue.push(job(1, "alice"), NOW);
        queue.push(job(2, "alice"), NOW + Duration::from_secs(5));
        assert_eq!(queue.figures(NOW + Duration::from_secs(9)), (2, 0, Duration::from_secs(9)));
        let (first, _) = queue.next().await;
        assert_eq!(queue.figures(NOW + Duration::from_secs(9)), (1, 1, Duration::from_secs(4)));
        queue.put_back(first);
        assert_eq!(queue.figures(NOW + Duration::from_secs(9)).0, 2);
    }
}
