//! One job from its turn to its end: worked on, hashed, stored, written down; or refused.
//!
//! Invariant: the input goes only after the row says what came of it. A store that fails is tried again for as long as it
//! takes; the worker's place is free meanwhile.

use crate::ingest::{SpoolFile, Spooled};
use crate::library::rows;
use crate::library::{Inner, LibraryError};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tertulia_directory::{MediaBlob, MediaFile, MediaJob, Settled};
use tertulia_media_core::{Job, Outcome, Reason, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Runs of the program that a job may outlive without coming to an end. One that takes the program down each time is
/// given up.
const RUNS_MAX: u32 = 5;
/// Progress is told in steps of so many thousandths, no more often than this.
const PROGRESS_STEP: u16 = 10;
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Handles on one content that hear its progress.
const PROGRESS_TOLD_MAX: u64 = 64;
/// The longest wait between two tries of a store or directory that fails.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Why a job stops without an end: it is to be found again by the next run, or by another turn.
enum Stop {
    /// The program ends.
    Closing,
    /// Nobody needs it any longer.
    Cancelled,
    /// Nothing was tried: there is no room, or no pool, now.
    NotNow,
}

/// Hands jobs to workers, as many at once as configured, until the library is closed.
pub(crate) async fn dispatch(inner: Arc<Inner>) {
    let places = Arc::new(Semaphore::new(inner.config.jobs.workers.max(1)));
    loop {
        let turn = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((place, inner.queue.next().await))
        };
        let Some(Some((place, (job, cancel)))) = inner.closing.run_until_cancelled(turn).await else { return };
        let task = Arc::clone(&inner);
        inner.tasks.spawn(async move { task.do_job(job, cancel, place).await });
    }
}

impl Inner {
    async fn do_job(&self, job: MediaJob, cancel: CancellationToken, place: OwnedSemaphorePermit) {
        let content = job.content;
        let begun = self.until_it_works(&cancel, || self.parts.directory.media_job_begun(content)).await;
        match begun {
            Ok(true) => {}
            // Deleted while it waited.
            Ok(false) | Err(Stop::Cancelled) => {
                self.spool.remove(&job.input);
                return self.queue.over(content);
            }
            Err(Stop::Closing | Stop::NotNow) => return,
        }
        let ended = match self.spool.adopt(&job.input) {
            // Kept: whatever becomes of this task, the file goes with the row and not before.
            Ok(Some(input)) => {
                let path = input.path().to_owned();
                let _name = input.keep();
                self.see_through(&job, &path, &cancel, place).await
            }
            // Its input was lost with the disk: who sent it can send it again.
            Ok(None) => self.refuse(&job, Reason::StoreUnavailable.into(), &cancel).await,
            Err(_) => Err(Stop::NotNow),
        };
        match ended {
            Ok(()) | Err(Stop::Cancelled) => {
                self.spool.remove(&job.input);
                self.queue.over(content);
            }
            Err(Stop::Closing) => self.not_begun(&job).await,
            Err(Stop::NotNow) => self.later(job, &cancel).await,
        }
    }

    /// To what can't be changed any more: made and written down, or refused and written down.
    async fn see_through(
        &self,
        job: &MediaJob,
        input: &Path,
        cancel: &CancellationToken,
        place: OwnedSemaphorePermit,
    ) -> Result<(), Stop> {
        let worked = self.work_once(job, input, cancel).await;
        drop(place);
        match worked {
            Ok((outcome, outputs)) => self.publish(job, outcome, outputs, cancel).await,
            Err(_) if cancel.is_cancelled() => Err(Stop::Cancelled),
            Err(_) if self.closing.is_cancelled() => Err(Stop::Closing),
            Err(Refusal { reason: Reason::StoreUnavailable, .. }) if job.attempts + 1 < RUNS_MAX => Err(Stop::NotNow),
            Err(Refusal { reason: Reason::Busy | Reason::Cancelled, .. }) => Err(Stop::NotNow),
            Err(refusal) => self.refuse(job, refusal, cancel).await,
        }
    }

    /// Has a worker do it, if it has not taken the program down too often.
    async fn work_once(
        &self,
        job: &MediaJob,
        input: &Path,
        cancel: &CancellationToken,
    ) -> Result<(Outcome, Vec<Spooled>), Refusal> {
        if job.attempts >= RUNS_MAX {
            return Err(Reason::WorkerCrashed.into());
        }
        let began = Instant::now();
        let worked = self.work(job, input, cancel).await;
        if let Ok((outcome, _)) = &worked {
            self.figures.run_seconds.observe(outcome.class, began.elapsed());
        }
        worked
    }

    /// Has a worker do it. The outputs are whole and on the disk.
    async fn work(
        &self,
        job: &MediaJob,
        input: &Path,
        cancel: &CancellationToken,
    ) -> Result<(Outcome, Vec<Spooled>), Refusal> {
        let broken = |_| Refusal::from(Reason::StoreUnavailable);
        let class = job.class.parse().map_err(|()| Refusal::from(Reason::Unsupported))?;
        let order = Job { class, limits: self.config.limits, threads: self.config.jobs.threads.max(1) };
        let source = OwnedFd::from(File::open(input).map_err(broken)?);
        let mut files: Vec<SpoolFile> = Vec::new();
        for _ in 0..3 {
            files.push(self.spool.create(0)?);
        }
        let fd = |at: usize| files[at].as_fd().try_clone_to_owned().map_err(broken);
        let outputs = [fd(0)?, fd(1)?, fd(2)?];
        let (tell, told) = watch::channel(0);
        let progress = move |thousandths: u16| {
            tell.send_replace(thousandths.min(1_000));
        };
        let stop = cancel.child_token();
        let outcome = tokio::select! {
            outcome = self.parts.work.run(&order, source, outputs, &stop, &progress) => outcome?,
            never = self.tell_progress(job, told) => match never {},
            () = self.closing.cancelled() => return Err(Reason::Cancelled.into()),
        };
        let mut whole = Vec::new();
        for file in files {
            whole.push(file.finish().await?);
        }
        if whole[0].bytes() == 0 {
            return Err(Reason::Empty.into());
        }
        Ok((outcome, whole))
    }

    async fn tell_progress(&self, job: &MediaJob, mut told: watch::Receiver<u16>) -> std::convert::Infallible {
        let mut last = 0;
        loop {
            if told.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            let now = *told.borrow_and_update();
            if now < last + PROGRESS_STEP {
                continue;
            }
            last = now;
            self.queue.set_progress(job.content, now);
            if let Ok(handles) = self.parts.directory.media_on(job.content, PROGRESS_TOLD_MAX).await {
                for MediaFile { owner, id, .. } in handles {
                    self.parts.events.progress(&owner, id, now);
                }
            }
            tokio::time::sleep(PROGRESS_EVERY).await;
        }
    }

    /// Stores what was made and writes it down, however long that takes.
    async fn publish(
        &self,
        job: &MediaJob,
        outcome: Outcome,
        outputs: Vec<Spooled>,
        cancel: &CancellationToken,
    ) -> Result<(), Stop> {
        let mut blobs = Vec::new();
        for output in &outputs {
            let key = self.until_it_works(cancel, || output.sha256()).await?;
            blobs.push((output.bytes() > 0).then_some(MediaBlob { key, bytes: output.bytes() }));
        }
        let (Some(main), thumbs) = (blobs[0], [blobs[1], blobs[2]]) else { return Err(Stop::Cancelled) };
        let made = rows::made(outcome, main, thumbs);
        let settled = self
            .until_it_works(cancel, || async {
                let mut puts = Vec::new();
                for (blob, output) in blobs.iter().zip(&outputs) {
                    if let Some(blob) = blob {
                        puts.push(self.put(*blob, output).await?);
                    }
                }
                match self.parts.directory.media_made(job.content, &made, &puts, self.now()).await? {
                    Settled::Stale => Err(LibraryError::from(Refusal::from(Reason::StoreUnavailable))),
                    settled => Ok(settled),
                }
            })
            .await?;
        self.figures.result(None);
        if let Settled::Done(handles) = settled {
            for media in handles {
                match self.own_view(media) {
                    Ok(view) => self.parts.events.ready(view),
                    Err(error) => tracing::warn!(%error, "a file that is ready can't be told of"),
                }
            }
        }
        Ok(())
    }

    /// Writes down that nothing can be made of it, and tells those who have it.
    async fn refuse(&self, job: &MediaJob, refusal: Refusal, cancel: &CancellationToken) -> Result<(), Stop> {
        let (row, stay) = (rows::refusal_row(refusal), self.config.collect.idle);
        let written = || self.parts.directory.media_refused(job.content, &row, self.now(), stay);
        if let Settled::Done(handles) = self.until_it_works(cancel, written).await? {
            self.figures.result(Some(refusal.reason));
            for media in handles {
                self.parts.events.rejected(&media.owner, media.device.as_ref(), media.id, refusal);
            }
        }
        Ok(())
    }

    /// Puts a job back that was not tried.
    async fn later(&self, mut job: MediaJob, cancel: &CancellationToken) {
        self.not_begun(&job).await;
        // In memory it counts, so that a job which fails for want of room each time comes to an end.
        job.attempts += 1;
        let wait = tokio::time::sleep(self.config.jobs.store_retry);
        tokio::select! {
            () = wait => self.queue.put_back(job),
            () = self.closing.cancelled() => {}
            () = cancel.cancelled() => {
                self.spool.remove(&job.input);
                self.queue.over(job.content);
            }
        }
    }

    async fn not_begun(&self, job: &MediaJob) {
        if let Err(error) = self.parts.directory.media_job_put_back(job.content).await {
            tracing::debug!(%error, "a job counts as begun though it was not");
        }
    }

    /// Tries until it works, with waits that double.
    async fn until_it_works<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
        &self,
        cancel: &CancellationToken,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, Stop> {
        let mut wait = self.config.jobs.store_retry;
        loop {
            let error = tokio::select! {
                biased;
                done = attempt() => match done {
                    Ok(done) => return Ok(done),
                    Err(error) => error,
                },
                () = cancel.cancelled() => return Err(Stop::Cancelled),
                () = self.closing.cancelled() => return Err(Stop::Closing),
            };
            tracing::warn!(%error, "what came of a job can't be kept yet");
            tokio::select! {
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(RETRY_MAX),
                () = cancel.cancelled() => return Err(Stop::Cancelled),
                () = self.closing.cancelled() => return Err(Stop::Closing),
            }
        }
    }
}
