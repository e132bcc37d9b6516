//! What the service, or the way to it, says: as the store's errors.
//!
//! Invariant: no name of an object, no key, no signature and nothing else that was asked is in what is made here.

use crate::store::StoreError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use std::fmt;
use std::io;

/// Codes by which services say that they, or a quota, are full. There is no common one.
const FULL: [&str; 8] = [
    "EntityTooLarge",
    "InsufficientCapacity",
    "InsufficientStorage",
    "QuotaExceeded",
    "StorageFull",
    "XMinioAdminBucketQuotaExceeded",
    "XMinioStorageFull",
    "TooManyBytes",
];
/// Codes that go away by themselves, and come with a status that says otherwise.
const PASSING: [&str; 5] = ["RequestTimeout", "SlowDown", "Throttling", "OperationAborted", "ServiceUnavailable"];
/// Characters of a service's own code that are shown.
const CODE_CHARS_MAX: usize = 48;

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doing {
    Put,
    Read,
    Look,
    Delete,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "putting",
            Self::Read => "reading",
            Self::Look => "looking",
            Self::Delete => "deleting",
        })
    }
}

/// What an error of the client is.
pub(super) fn failed<E: ProvideErrorMetadata>(doing: Doing, error: &SdkError<E, HttpResponse>) -> StoreError {
    match error {
        SdkError::TimeoutError(_) => StoreError::Unavailable(format!("{doing}: it took too long")),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            StoreError::Unavailable(format!("{doing}: it took too long"))
        }
        SdkError::DispatchFailure(_) => StoreError::Unavailable(format!("{doing}: no connection, or it broke")),
        SdkError::ServiceError(answer) => {
            of_status(doing, answer.raw().status().as_u16(), answer.err().code().unwrap_or_default())
        }
        SdkError::ResponseError(answer) => match answer.raw().status().as_u16() {
            // An answer that was good so far, and broke.
            200..=299 => StoreError::Unavailable(format!("{doing}: the answer could not be read")),
            status => of_status(doing, status, ""),
        },
        _ => StoreError::Failed(format!("{doing}: the request could not be made")),
    }
}

/// What is wrong with the file that is sent.
pub(super) fn of_spooled(error: &io::Error) -> StoreError {
    StoreError::Failed(format!("the spooled file: {error}"))
}

fn of_status(doing: Doing, status: u16, code: &str) -> StoreError {
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).take(CODE_CHARS_MAX).collect();
    let code = code.as_str();
    let said =
        || if code.is_empty() { format!("{doing}: status {status}") } else { format!("{doing}: {status} {code}") };
    match (status, code) {
        (507, _) => StoreError::Full,
        _ if FULL.contains(&code) => StoreError::Full,
        (_, "NoSuchBucket") => StoreError::Failed(format!("{doing}: there is no such bucket")),
        (404, _) => StoreError::NotFound,
        (416, _)
        | (_, "BadDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch" | "IncompleteBody") => {
            StoreError::Damaged
        }
        (_, "RequestTimeTooSkewed") => {
            StoreError::Failed(format!("{doing}: this machine's clock and the service's differ"))
        }
        (_, "NotImplemented") => StoreError::Failed(said()),
        (408 | 429 | 500..=599, _) => StoreError::Unavailable(said()),
        _ if PASSING.contains(&code) => StoreError::Unavailable(said()),
        _ => StoreError::Failed(said()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d5_what_a_service_says_is_told_apart_by_what_to_do_about_it() {
        let said = |status, code| of_status(Doing::Put, status, code);
        assert_eq!(said(507, ""), StoreError::Full);
        assert_eq!(said(400, "XMinioStorageFull"), StoreError::Full);
        assert_eq!(said(404, "NoSuchKey"), StoreError::NotFound);
        assert_eq!(said(400, "BadDigest"), StoreError::Damaged);
        assert!(said(503, "SlowDown").is_transient());
        assert!(said(400, "RequestTimeout").is_transient());
        for (status, code) in [(404, "NoSuchBucket"), (403, "AccessDenied"), (501, "NotImplemented"), (301, "")] {
            assert!(matches!(said(status, code), StoreError::Failed(_)), "{status} {code}");
        }
    }

    #[test]
    fn d5_a_services_own_words_are_cut_to_a_code() {
        let long = "Evil \"code\"\n".repeat(40);
        let StoreError::Failed(text) = of_status(Doing::Read, 400, &long) else { panic!("another error") };
        assert!(text.len() < 80 && !text.contains(['\n', '"']), "{text}");
    }
}
