//! Answers that are no success: their status, and the typed error they carry.

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tertulia_signaling_proto::{ErrorBody, ErrorCode, WireError};

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: ErrorBody,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        ErrorBody::from(code).into()
    }
}

impl From<ErrorBody> for Refusal {
    fn from(error: ErrorBody) -> Self {
        let status = match error.code {
            ErrorCode::TokenInvalid | ErrorCode::TokenExpired => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden
            | ErrorCode::PrimaryOnly
            | ErrorCode::AccountOnly
            | ErrorCode::NotAddable
            | ErrorCode::TurnedAway
            | ErrorCode::TlsRequired => StatusCode::FORBIDDEN,
            ErrorCode::NotFound
            | ErrorCode::UnknownUser
            | ErrorCode::UnknownCall
            | ErrorCode::UnknownConversation
            | ErrorCode::InviteOver
            | ErrorCode::CallLinkOver => StatusCode::NOT_FOUND,
            ErrorCode::TooLarge | ErrorCode::MediaTooLarge | ErrorCode::MediaQuota => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::MediaTooLong
            | ErrorCode::MediaTooManyPixels
            | ErrorCode::MediaTooComplex
            | ErrorCode::MediaDamaged
            | ErrorCode::MediaEmpty
            | ErrorCode::MediaEncrypted
            | ErrorCode::MediaExternal
            | ErrorCode::MediaTimedOut
            | ErrorCode::MediaOutOfMemory
            | ErrorCode::MediaWorkerCrashed
            | ErrorCode::MediaChecksumMismatch
            | ErrorCode::MediaLengthMismatch => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::MediaUnsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::MediaStalled => StatusCode::REQUEST_TIMEOUT,
            ErrorCode::UploadLocked => StatusCode::LOCKED,
            ErrorCode::MediaOpened | ErrorCode::MediaCancelled => StatusCode::GONE,
            ErrorCode::RateLimited | ErrorCode::TooManyConnections | ErrorCode::TooManyOutstanding => {
                StatusCode::TOO_MANY_REQUESTS
            }
            ErrorCode::ServerFull
            | ErrorCode::CallFull
            | ErrorCode::WaitingFull
            | ErrorCode::Draining
            | ErrorCode::PinNotSent
            | ErrorCode::MediaBusy
            | ErrorCode::MediaStoreUnavailable
            | ErrorCode::MessageNotStored
            | ErrorCode::MediaSandboxUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::AlreadyInCall
            | ErrorCode::CallStateMismatch
            | ErrorCode::CallOver
            | ErrorCode::CallAnsweredElsewhere
            | ErrorCode::MediaNotReady
            | ErrorCode::ClaimOver
            | ErrorCode::ClientIdReused
            | ErrorCode::NoMailbox
            | ErrorCode::UploadOffset
            | ErrorCode::TooMany => StatusCode::CONFLICT,
            ErrorCode::BadFrame
            | ErrorCode::HelloExpected
            | ErrorCode::RequestIdNotRising
            | ErrorCode::BadRequest
            | ErrorCode::CallSelf
            | ErrorCode::PhoneInvalid
            | ErrorCode::PinWrong
            | ErrorCode::RegistrationOver
            | ErrorCode::LinkOver
            | ErrorCode::PushRefused
            | ErrorCode::SdpInvalid => StatusCode::BAD_REQUEST,
        };
        Self { status, error }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, error } = self;
        let (code, retry_after) = (error.code, error.retry_after_ms);
        let mut response = (status, Json(WireError { error })).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(ms) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        response.extensions_mut().insert(code);
        response
    }
}

/// The directory failed.
pub(super) fn internal(error: &tertulia_directory::Error) -> Refusal {
    tracing::error!(%error, "the directory did not answer");
    ErrorCode::Internal.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_status_that_is_an_error() {
        for code in ErrorCode::ALL {
            let status = Refusal::from(*code).status;
            assert!(status.is_client_error() || status.is_server_error(), "{code:?}");
        }
    }
}
