//! Errors on the wire: a stable code, a plain sentence, and what to do next. Internal text never leaves the server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a client can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Ask again.
    Retry,
    /// Ask again after `retry_after_ms`.
    RetryAfter,
    /// What you hold is out of date: forget it and open a new session.
    Resync,
    /// Get a new token.
    Reauth,
    /// You may not.
    Forbidden,
    /// The request makes no sense as it is.
    Invalid,
    /// A limit is reached; `limit` and `actual` say which.
    Limit,
    /// Our fault.
    Internal,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $class:ident, $sentence:literal;)*) => {
        /// What is wrong. The names are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What a client can do about it.
            #[must_use]
            pub fn class(self) -> ErrorClass {
                match self { $(Self::$name => ErrorClass::$class,)* }
            }

            /// A sentence for people.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

error_codes! {
    /// Not a frame of this protocol.
    BadFrame = Invalid, "The frame could not be read.";
    /// The socket's first frame must be `hello`, and only the first.
    HelloExpected = Invalid, "The first frame must be hello, and only the first.";
    /// A request's id must be higher than those before it.
    RequestIdNotRising = Invalid, "The request's id is not higher than the one before it.";
    /// The token is missing, malformed, or not signed with a key of this server.
    TokenInvalid = Reauth, "The token is not valid.";
    /// The token's time is over.
    TokenExpired = Reauth, "The token has expired.";
    /// You may not do this.
    Forbidden = Forbidden, "You may not do this.";
    /// There is no such thing here.
    NotFound = Invalid, "There is no such thing here.";
    /// A body or parameter is not what is expected.
    BadRequest = Invalid, "The request could not be understood.";
    /// There is no such user.
    UnknownUser = Invalid, "There is no such person here.";
    /// There is no such call, or you have no part in it.
    UnknownCall = Invalid, "There is no such call.";
    /// A call to yourself.
    CallSelf = Invalid, "You can't call yourself.";
    /// This device is in another call.
    AlreadyInCall = Invalid, "This device is already in a call.";
    /// The call is not where this request makes sense.
    CallStateMismatch = Invalid, "The call is not in a state where this is possible.";
    /// The call has ended.
    CallOver = Invalid, "The call has ended.";
    /// Another device of yours was quicker.
    CallAnsweredElsewhere = Invalid, "The call was answered on another device.";
    /// Not a phone number that can be called.
    PhoneInvalid = Invalid, "This is not a phone number. Write it with its country code, as in +34 612 345 678.";
    /// The PIN is not the one that was sent.
    PinWrong = Invalid, "The PIN is not right.";
    /// The PIN has expired, too many were tried, or there never was one: ask for a new one.
    RegistrationOver = Invalid, "This PIN can't be used any more. Ask for a new one.";
    /// The PIN could not be sent.
    PinNotSent = Retry, "The PIN could not be sent. Try again.";
    /// The link code is wrong, was used, or has expired.
    LinkOver = Invalid, "This code is not valid any more. Make a new one on the other device.";
    /// Only the primary device of an account may do this.
    PrimaryOnly = Forbidden, "Only your main device may do this.";
    /// Only an account of this server has this; a user of an app's own does not.
    AccountOnly = Forbidden, "This needs an account on this server.";
    /// Plain HTTP came from elsewhere than this machine or a trusted proxy.
    TlsRequired = Forbidden, "Use https: this server takes no plain HTTP from elsewhere.";
    /// The SDP offer can't be used.
    SdpInvalid = Invalid, "The offer could not be used.";
    /// Too many requests a second.
    RateLimited = RetryAfter, "Too many requests.";
    /// Too many requests without an answer.
    TooManyOutstanding = Limit, "Too many requests are waiting for an answer.";
    /// A frame or body is too large.
    TooLarge = Limit, "This is too large.";
    /// Too many calls, rooms or peers on this server.
    ServerFull = Limit, "The server can't take another call now.";
    /// As many devices are in this call as may be.
    CallFull = Limit, "This call is full.";
    /// Too many connections of one user or address.
    TooManyConnections = Limit, "Too many connections.";
    /// There are as many of these as one may have (linked devices, blocked people); `limit` says how many.
    TooMany = Limit, "You can't add more of these. Remove one first.";
    /// There is no such conversation, or you are not in it.
    UnknownConversation = Invalid, "There is no such conversation.";
    /// This person may not be added to a group by you; why is their own affair.
    NotAddable = Forbidden, "This person can't be added. Send them an invitation.";
    /// The invitation was revoked, or there never was one.
    InviteOver = Invalid, "This invitation is not valid any more.";
    /// The call link was revoked, its time is over, or there never was one.
    CallLinkOver = Invalid, "This call link is not valid any more.";
    /// A host of the call has turned you away.
    TurnedAway = RetryAfter, "The host has not let you in.";
    /// As many people wait to be let into this call as may.
    WaitingFull = Limit, "Too many people are waiting to be let in.";
    /// This `client_id` was used for another message of this device.
    ClientIdReused = Invalid, "This message's id was used for another one.";
    /// The device did not say in its `hello` that it takes messages, or this server relays none.
    NoMailbox = Invalid, "This device takes no messages.";
    /// Pushes can't go where this subscription says, or its keys are none.
    PushRefused = Invalid, "Notifications can't be sent to this browser.";
    /// The message could not be made durable: send it again, under the same `client_id`.
    MessageNotStored = Retry, "The message could not be sent. Try again.";
    /// More bytes than this class may have; figures in bytes.
    MediaTooLarge = Limit, "This file is too large.";
    /// A longer video or sound than allowed; figures in milliseconds.
    MediaTooLong = Limit, "This is too long.";
    /// A picture of more pixels than allowed.
    MediaTooManyPixels = Limit, "This picture has too many pixels.";
    /// More frames, streams or parts than anything honest has.
    MediaTooComplex = Limit, "This file is too complex to be opened safely.";
    /// Nothing we can play, and not sent as a document.
    MediaUnsupported = Invalid, "This kind of file can't be played. Send it as a document.";
    /// It begins as what it says, and does not go on as that.
    MediaDamaged = Invalid, "This file is damaged.";
    /// Nothing to see or hear in it.
    MediaEmpty = Invalid, "There is nothing in this file.";
    /// Copy protection.
    MediaEncrypted = Invalid, "This file is copy-protected.";
    /// It wants to open other files or addresses.
    MediaExternal = Invalid, "This file refers to other files, which is not allowed.";
    /// Its bytes are not those of the checksum that came with them.
    MediaChecksumMismatch = Retry, "The file was damaged on its way. Send it again.";
    /// Its length is not what was said.
    MediaLengthMismatch = Retry, "The file's length is not what was announced.";
    /// It stopped coming.
    MediaStalled = Retry, "The upload stopped for too long.";
    /// The uploads of this user hold as much as they may; figures in bytes.
    MediaQuota = Limit, "Your storage is full. Delete something first.";
    /// Too many uploads at once, or too many jobs in the queue.
    MediaBusy = RetryAfter, "Too many files are being handled. Try again in a moment.";
    /// The store can't take it.
    MediaStoreUnavailable = Retry, "The file could not be stored. Try again.";
    /// It took longer to open than anything honest needs.
    MediaTimedOut = Invalid, "It took too long to open this file.";
    /// It wanted more memory than it may have.
    MediaOutOfMemory = Invalid, "This file needs too much memory to be opened.";
    /// What opens files broke on it, twice.
    MediaWorkerCrashed = Invalid, "This file could not be opened safely.";
    /// The server lacks what makes opening strangers' files safe, or takes no uploads.
    MediaSandboxUnavailable = Internal, "This server can't open media safely, so it does not.";
    /// Whoever sent it took it back.
    MediaCancelled = Invalid, "It was cancelled.";
    /// It is not ready yet, or was refused.
    MediaNotReady = Invalid, "This is not ready yet.";
    /// A view-once file that this person has opened already, or on another device.
    MediaOpened = Invalid, "This was opened already.";
    /// The claim was used, has expired, or there is no such file here: upload it.
    ClaimOver = Invalid, "This has to be uploaded.";
    /// The resumable upload is at another offset, which `actual` says.
    UploadOffset = Resync, "The upload goes on from another place.";
    /// Another request is writing to this upload.
    UploadLocked = Retry, "This upload is being written by another request.";
    /// The server is about to go.
    Draining = Retry, "The server is restarting.";
    /// Our fault.
    Internal = Internal, "Something went wrong on the server.";
}

/// An error as frames and HTTP answers carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct ErrorBody {
    /// What is wrong.
    pub code: ErrorCode,
    /// What to do about it.
    pub class: ErrorClass,
    /// For people.
    pub message: String,
    /// The limit that was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub limit: Option<u64>,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub actual: Option<u64>,
    /// When to ask again, in milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub retry_after_ms: Option<u64>,
}

impl From<ErrorCode> for ErrorBody {
    fn from(code: ErrorCode) -> Self {
        let message = code.sentence().to_owned();
        Self { code, class: code.class(), message, limit: None, actual: None, retry_after_ms: None }
    }
}

/// The body of an HTTP answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct WireError {
    /// What is wrong.
    pub error: ErrorBody,
}

/// Why the server closes a socket. 4000 to 4499: connect again and resume. 4500 to 4999: do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The client reads too slowly: its outgoing queue is full.
    SlowReader = 4000,
    /// No answer to `ping`.
    HeartbeatTimeout = 4001,
    /// The server is about to go.
    Draining = 4002,
    /// The server is full; wait before connecting again.
    Busy = 4003,
    /// The first frame was not a `hello`, or did not come in time.
    HelloExpected = 4500,
    /// The token is not valid, or no longer: get a new one first.
    Unauthenticated = 4501,
    /// Another socket has taken this device's place.
    Displaced = 4502,
    /// Too many frames that could not be read.
    ProtocolViolation = 4503,
    /// A frame was larger than `limits.frame_bytes_max`.
    FrameTooLarge = 4504,
    /// Too many requests in spite of `rate_limited` answers.
    RateLimited = 4505,
    /// This device was unlinked, another primary device has come, or the account was deleted.
    Revoked = 4506,
}

impl CloseCode {
    /// Every code.
    pub const ALL: &[Self] = &[
        Self::SlowReader,
        Self::HeartbeatTimeout,
        Self::Draining,
        Self::Busy,
        Self::HelloExpected,
        Self::Unauthenticated,
        Self::Displaced,
        Self::ProtocolViolation,
        Self::FrameTooLarge,
        Self::RateLimited,
        Self::Revoked,
    ];

    /// The number on the wire.
    #[must_use]
    pub fn code(self) -> u16 {
        self as u16
    }

    /// The close frame's reason.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::SlowReader => "slow reader",
            Self::HeartbeatTimeout => "no answer to ping",
            Self::Draining => "the server is restarting",
            Self::Busy => "the server is full",
            Self::HelloExpected => "hello expected",
            Self::Unauthenticated => "not authenticated",
            Self::Displaced => "another socket has taken this device's place",
            Self::ProtocolViolation => "too many bad frames",
            Self::FrameTooLarge => "frame too large",
            Self::RateLimited => "too many requests",
            Self::Revoked => "this device's access has ended",
        }
    }
}
