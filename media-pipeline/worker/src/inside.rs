//! The process's side: closes itself in, takes one job, does it, ends.
//!
//! Invariant: no byte of a stranger's is read before [`sandbox::enter`] has returned.

use crate::sandbox::{self, Missing};
use crate::wire::{self, FromWorker, JOB_DESCRIPTORS, ToWorker, WireError};
use crate::{av, heap, image};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tertulia_media_core::{Class, Event, Job, Outcome, Reason, Refusal};

/// The shortest time between two reports of progress. Shorter wakes the program more often for no eye's benefit.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// All of it, in the unit of progress.
const WHOLE: u16 = 1_000;

/// What does a job: the input, the outputs in their order, and where to tell of progress.
pub type Run = fn(&Job, File, [File; 3], &mut dyn FnMut(u16)) -> Result<Outcome, Refusal>;

/// The worker's whole life. Standard input is the socket to the program; there is nothing else.
///
/// To be called before anything else has run: no thread, no runtime, no log.
#[must_use]
pub fn main() -> ExitCode {
    main_with(by_class)
}

/// The same, with another hand at the job: for tests, which put a hostile one there.
#[doc(hidden)]
#[must_use]
pub fn main_with(run: Run) -> ExitCode {
    match live(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(end) => {
            // Read by the program until the worker is ready, and by nobody after: the program tells of the rest.
            let _unheard = writeln!(std::io::stderr(), "media worker: {end}").is_err();
            ExitCode::FAILURE
        }
    }
}

/// Why a worker ends without having done a job.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("{0}")]
    Socket(#[from] sandbox::SocketError),
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("the sandbox lacks {}: {}", .0.layer, .0.why)]
    Sandbox(Missing),
    #[error("the program said something out of turn")]
    OutOfTurn,
}

fn live(run: Run) -> Result<(), End> {
    sandbox::socket()?;
    let socket = std::io::stdin();
    let (ToWorker::Setup(setup), _) = wire::take(&socket)? else { return Err(End::OutOfTurn) };
    match sandbox::enter(&setup, warm_up) {
        Ok(layers) => wire::say(&socket, &FromWorker::Ready(layers), true)?,
        Err(missing) => {
            wire::say(&socket, &FromWorker::Missing(missing.clone()), true)?;
            return Err(End::Sandbox(missing));
        }
    }
    let (ToWorker::Job(job), descriptors) = (match wire::take(&socket) {
        // It was never needed.
        Err(WireError::Closed) => return Ok(()),
        other => other?,
    }) else {
        return Err(End::OutOfTurn);
    };
    let descriptors: [OwnedFd; JOB_DESCRIPTORS] = descriptors.try_into().map_err(|_| WireError::Descriptors)?;
    let [input, main, jpeg, webp] = descriptors.map(File::from);
    let mut pace = Pace::default();
    let mut progress = |thousandths: u16| {
        if let Some(thousandths) = pace.due(thousandths, Instant::now()) {
            // Progress that finds no room is not worth waiting for.
            let _dropped = wire::say(&socket, &FromWorker::Event(Event::Progress(thousandths)), false).is_err();
        }
    };
    let result = catch_unwind(AssertUnwindSafe(|| run(&job, input, [main, jpeg, webp], &mut progress)));
    let last = match result {
        Ok(Ok(outcome)) => FromWorker::Event(Event::Done(Box::new(outcome))),
        Ok(Err(refusal)) => FromWorker::Event(Event::Refused(refusal)),
        Err(_) => FromWorker::Panicked,
    };
    Ok(wire::say(&socket, &last, true)?)
}

/// What libraries look up in files or set up once: while they can, and before it costs a job's time.
fn warm_up() {
    heap::warm_up();
    av::warm_up();
    image::warm_up();
}

fn by_class(job: &Job, input: File, outputs: [File; 3], progress: &mut dyn FnMut(u16)) -> Result<Outcome, Refusal> {
    match job.class {
        Class::Video | Class::Audio | Class::Voice => av::run(job, input, outputs, progress),
        Class::Image => image::run(job, input, outputs, progress),
        Class::Document | Class::Sealed => Err(Reason::Unsupported.into()),
    }
}

/// Which reports of progress are worth a frame: those that say more, and not too many.
#[derive(Debug, Default)]
struct Pace {
    told: u16,
    at: Option<Instant>,
}

impl Pace {
    fn due(&mut self, thousandths: u16, now: Instant) -> Option<u16> {
        let thousandths = thousandths.min(WHOLE);
        let is_early = self.at.is_some_and(|at| now.duration_since(at) < PROGRESS_INTERVAL);
        if thousandths <= self.told || is_early {
            return None;
        }
        self.told = thousandths;
        self.at = Some(now);
        Some(thousandths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_only_rises_and_is_paced() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.due(0, start), None, "nothing is done yet");
        assert_eq!(pace.due(10, start), Some(10));
        assert_eq!(pace.due(20, start), None, "too early");
        assert_eq!(pace.due(10, start + PROGRESS_INTERVAL), None, "nothing new");
        assert_eq!(pace.due(60_000, start + PROGRESS_INTERVAL), Some(WHOLE));
        assert_eq!(pace.due(1_000, start + PROGRESS_INTERVAL * 9), None);
    }
}
