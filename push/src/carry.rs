//! Tries something until it is done, refused, or too late.

use reqwest::{Response, StatusCode};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Between the first two tries; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(250);

/// How a try went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// It was taken.
    Done,
    /// It may go better in a moment, and not before so long.
    Later(&'static str, Duration),
    /// It will not.
    Refused(StatusCode),
}

impl Carried {
    /// What an answer says.
    #[must_use]
    pub fn told(answer: Result<Response, reqwest::Error>) -> Self {
        let response = match answer {
            Err(error) if error.is_timeout() => return Self::Later("no answer in time", Duration::ZERO),
            Err(_) => return Self::Later("no connection", Duration::ZERO),
            Ok(response) => response,
        };
        let wait = response.headers().get(reqwest::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = Duration::from_secs(wait.and_then(|text| text.parse().ok()).unwrap_or_default());
        match response.status() {
            status if status.is_success() => Self::Done,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Self::Later("it asks to wait", wait),
            status if status.is_server_error() => Self::Later("it has failed", wait),
            status => Self::Refused(status),
        }
    }
}

/// Why it was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It was refused.
    Refused(StatusCode),
    /// The time was over, and what was wrong last.
    Late(&'static str),
}

/// Tries until `end`, with pauses that grow; `again` is told before each further try, with what was wrong.
///
/// # Errors
/// [`Failed`]: refused, or too late.
pub async fn carry<T: Future<Output = Carried>>(
    end: Instant,
    mut again: impl FnMut(&'static str),
    mut try_once: impl FnMut() -> T,
) -> Result<(), Failed> {
    let mut pause = BACKOFF;
    loop {
        let tried = timeout_at(end, try_once()).await;
        match tried.unwrap_or(Carried::Later("no answer in time", Duration::ZERO)) {
            Carried::Done => return Ok(()),
            Carried::Refused(status) => return Err(Failed::Refused(status)),
            Carried::Later(why, wait) => {
                // Others wait at the same moment: not all at once again.
                let jitter = f64::from(getrandom::u32().unwrap_or_default() >> 24) / 512.0;
                let rest = pause.mul_f64(1.0 + jitter).max(wait);
                if end.saturating_duration_since(Instant::now()) <= rest {
                    return Err(Failed::Late(why));
                }
                again(why);
                sleep(rest).await;
                pause *= 2;
            }
        }
    }
}
