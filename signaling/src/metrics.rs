//! What the gateway counts.
//!
//! Invariant: no label has a value that a client chooses. Every limit that refuses something counts it, by its name.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;
use tertulia_signaling_core::{EndReason, Limit, Measure};
use tertulia_signaling_proto::{CloseCode, ErrorCode};

/// One label, with values of our own.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Code {
    code: &'static str,
}

/// See [`Code`].
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Reason {
    reason: &'static str,
}

/// See [`Code`].
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Name {
    limit: &'static str,
}

/// See [`Code`].
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Outcome {
    outcome: &'static str,
}

/// How a `hello` went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HelloOutcome {
    /// A new session, as asked for.
    New,
    /// The session goes on.
    Resumed,
    /// A new session: the old one has lost what the client misses.
    Gap,
    /// A new session: the old one is not known (any longer), or its secret was wrong.
    Unknown,
    /// Refused.
    Refused,
}

impl HelloOutcome {
    const ALL: [Self; 5] = [Self::New, Self::Resumed, Self::Gap, Self::Unknown, Self::Refused];

    fn label(self) -> Outcome {
        let outcome = match self {
            Self::New => "new",
            Self::Resumed => "resumed",
            Self::Gap => "gap",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        };
        Outcome { outcome }
    }
}

/// A limit of the gateway that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    Sockets,
    SocketsPerAddress,
    Sessions,
    DevicesPerUser,
    Requests,
    Outstanding,
    BadFrames,
    RateLimited,
    Invites,
    Rings,
    ViewWants,
    FrameBytes,
    SdpBytes,
    Queue,
    Replay,
    Write,
    SignIns,
    RequestsPerAddress,
    SocketOpens,
    Pins,
    PinsPerAddress,
    PinsPerNumber,
    PinsSending,
    TriesPerAddress,
    Links,
    LinkTries,
    LinkedDevices,
    Lookups,
    Blocks,
    DevicesSeen,
    History,
    GroupChanges,
    GroupJoins,
    Watches,
    WatchesPerSession,
    WatchRequests,
    Typing,
    CallLinks,
    CallLinkTries,
    StandardPeers,
    StandardPeersPerUser,
    Call(Limit),
}

impl Hit {
    const ALL: [Self; 49] = [
        Self::Sockets,
        Self::SocketsPerAddress,
        Self::Sessions,
        Self::DevicesPerUser,
        Self::Requests,
        Self::Outstanding,
        Self::BadFrames,
        Self::RateLimited,
        Self::Invites,
        Self::Rings,
        Self::ViewWants,
        Self::FrameBytes,
        Self::SdpBytes,
        Self::Queue,
        Self::Replay,
        Self::Write,
        Self::SignIns,
        Self::RequestsPerAddress,
        Self::SocketOpens,
        Self::Pins,
        Self::PinsPerAddress,
        Self::PinsPerNumber,
        Self::PinsSending,
        Self::TriesPerAddress,
        Self::Links,
        Self::LinkTries,
        Self::LinkedDevices,
        Self::Lookups,
        Self::Blocks,
        Self::DevicesSeen,
        Self::History,
        Self::GroupChanges,
        Self::GroupJoins,
        Self::Watches,
        Self::WatchesPerSession,
        Self::WatchRequests,
        Self::Typing,
        Self::CallLinks,
        Self::CallLinkTries,
        Self::StandardPeers,
        Self::StandardPeersPerUser,
        Self::Call(Limit::Calls),
        Self::Call(Limit::CallsPerCallee),
        Self::Call(Limit::LegsPerCall),
        Self::Call(Limit::EarlyMediaLegs),
        Self::Call(Limit::Tombstones),
        Self::Call(Limit::Participants),
        Self::Call(Limit::Parties),
        Self::Call(Limit::Waiting),
    ];

    fn label(self) -> Name {
        let limit = match self {
            Self::Sockets => "sockets",
            Self::SocketsPerAddress => "sockets_per_address",
            Self::Sessions => "sessions",
            Self::DevicesPerUser => "devices_per_user",
            Self::Requests => "requests",
            Self::Outstanding => "outstanding",
            Self::BadFrames => "bad_frames",
            Self::RateLimited => "rate_limited",
            Self::Invites => "invites",
            Self::Rings => "rings_per_pair",
            Self::ViewWants => "view_wants",
            Self::FrameBytes => "frame_bytes",
            Self::SdpBytes => "sdp_bytes",
            Self::Queue => "queue",
            Self::Replay => "replay",
            Self::Write => "write_time",
            Self::SignIns => "sign_ins",
            Self::RequestsPerAddress => "http_requests_per_address",
            Self::SocketOpens => "socket_opens",
            Self::Pins => "pins",
            Self::PinsPerAddress => "pins_per_address",
            Self::PinsPerNumber => "pins_per_number",
            Self::PinsSending => "pins_sending",
            Self::TriesPerAddress => "tries_per_address",
            Self::Links => "links",
            Self::LinkTries => "link_tries",
            Self::LinkedDevices => "linked_devices",
            Self::Lookups => "lookups",
            Self::Blocks => "blocks",
            Self::DevicesSeen => "devices_seen",
            Self::History => "history_queue",
            Self::GroupChanges => "group_changes",
            Self::GroupJoins => "group_joins",
            Self::Watches => "watches",
            Self::WatchesPerSession => "watches_per_session",
            Self::WatchRequests => "watch_requests",
            Self::Typing => "typing",
            Self::CallLinks => "call_links",
            Self::CallLinkTries => "call_link_tries",
            Self::StandardPeers => "standard_peers",
            Self::StandardPeersPerUser => "standard_peers_per_user",
            Self::Call(Limit::Calls) => "calls",
            Self::Call(Limit::CallsPerCallee) => "calls_per_callee",
            Self::Call(Limit::LegsPerCall) => "legs_per_call",
            Self::Call(Limit::EarlyMediaLegs) => "early_media_legs",
            Self::Call(Limit::Tombstones) => "tombstones",
            Self::Call(Limit::Participants) => "participants",
            Self::Call(Limit::Parties) => "parties",
            Self::Call(Limit::Waiting) => "waiting",
        };
        Name { limit }
    }
}

/// The counters. What there is at a moment (sessions, queues, calls) is read when it is asked for: see `gauges`.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) sockets_opened: Counter,
    pub(crate) frames_received: Counter,
    pub(crate) frames_sent: Counter,
    pub(crate) requests: Counter,
    pub(crate) calls_placed: Counter,
    pub(crate) calls_merged: Counter,
    pub(crate) calls_handed_over: Counter,
    pub(crate) calls_restored: Counter,
    pub(crate) history_failed: Counter,
    pub(crate) call_entries: Counter,
    pub(crate) call_entries_refused: Counter,
    pins: Family<Outcome, Counter>,
    closed: Family<Reason, Counter>,
    hellos: Family<Outcome, Counter>,
    errors: Family<Code, Counter>,
    limits: Family<Name, Counter>,
    calls_ended: Family<Reason, Counter>,
    ring: Histogram,
    answer: Histogram,
    join: Histogram,
    reconnect: Histogram,
    media_connect: Histogram,
}

/// From a millisecond to four seconds: media connects.
const SHORT_S: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.4, 1.0, 4.0];
/// From 10 milliseconds to a minute: devices ring, media comes up, people answer.
const LONG_S: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 1.0, 2.0, 5.0, 15.0, 30.0, 60.0];

impl Default for Metrics {
    fn default() -> Self {
        Self {
            sockets_opened: Counter::default(),
            frames_received: Counter::default(),
            frames_sent: Counter::default(),
            requests: Counter::default(),
            calls_placed: Counter::default(),
            calls_merged: Counter::default(),
            calls_handed_over: Counter::default(),
            calls_restored: Counter::default(),
            history_failed: Counter::default(),
            call_entries: Counter::default(),
            call_entries_refused: Counter::default(),
            pins: Family::default(),
            closed: Family::default(),
            hellos: Family::default(),
            errors: Family::default(),
            limits: Family::default(),
            calls_ended: Family::default(),
            ring: Histogram::new(LONG_S),
            answer: Histogram::new(LONG_S),
            join: Histogram::new(LONG_S),
            reconnect: Histogram::new(LONG_S),
            media_connect: Histogram::new(SHORT_S),
        }
    }
}

impl Metrics {
    /// Every series is there from the start, at zero: a rate over a series that does not exist yet shows nothing.
    fn fill(&self) {
        CloseCode::ALL.iter().for_each(|code| drop(self.closed.get_or_create(&close_label(*code))));
        drop(self.closed.get_or_create(&CLOSED_BY_PEER));
        [PIN_SENT, PIN_FAILED, PIN_RETRIED].iter().for_each(|outcome| drop(self.pins.get_or_create(outcome)));
        HelloOutcome::ALL.iter().for_each(|outcome| drop(self.hellos.get_or_create(&outcome.label())));
        ErrorCode::ALL.iter().for_each(|code| drop(self.errors.get_or_create(&error_label(*code))));
        Hit::ALL.iter().for_each(|hit| drop(self.limits.get_or_create(&hit.label())));
        EndReason::ALL.iter().for_each(|reason| drop(self.calls_ended.get_or_create(&end_label(*reason))));
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        self.fill();
        let r = registry.sub_registry_with_prefix("tertulia_signaling");
        r.register("sockets_opened", "WebSockets opened", self.sockets_opened.clone());
        r.register("sockets_closed", "WebSockets closed, by reason", self.closed.clone());
        r.register("hellos", "hello frames, by outcome", self.hellos.clone());
        r.register("frames_received", "frames received", self.frames_received.clone());
        r.register("frames_sent", "frames sent", self.frames_sent.clone());
        r.register("requests", "requests taken on", self.requests.clone());
        r.register("errors", "error frames and HTTP errors, by code", self.errors.clone());
        r.register("limit_hits", "what a limit has refused or cut, by limit", self.limits.clone());
        r.register("call_entries", "calls that became entries of their conversations", self.call_entries.clone());
        let refused = self.call_entries_refused.clone();
        r.register("call_entries_refused", "calls whose conversations the relay let have no entry", refused);
        r.register("history_failed", "calls that could not be written to the history", self.history_failed.clone());
        r.register("pins", "PINs, by what came of them; retried: further tries of the webhook", self.pins.clone());
        r.register("media_connect_seconds", "an offer's time in the forwarding unit", self.media_connect.clone());
        let r = registry.sub_registry_with_prefix("tertulia");
        r.register("calls_placed", "calls placed", self.calls_placed.clone());
        r.register("calls_merged", "calls that crossed and became one", self.calls_merged.clone());
        r.register(
            "calls_handed_over",
            "calls that another device of a user has taken over",
            self.calls_handed_over.clone(),
        );
        r.register("calls_restored", "calls that came back after a restart", self.calls_restored.clone());
        r.register("calls_ended", "calls ended, by reason", self.calls_ended.clone());
        r.register("call_ring_seconds", "from invite to the first device that rings", self.ring.clone());
        r.register("call_answer_seconds", "from invite to answer", self.answer.clone());
        r.register("call_join_seconds", "from answer until the media of both sides is up", self.join.clone());
        r.register(
            "call_reconnect_seconds",
            "from the loss of a side's media until it is back",
            self.reconnect.clone(),
        );
    }

    pub(crate) fn hit(&self, limit: Hit) {
        self.limits.get_or_create(&limit.label()).inc();
    }

    pub(crate) fn error(&self, code: ErrorCode) {
        self.errors.get_or_create(&error_label(code)).inc();
    }

    pub(crate) fn closed(&self, code: CloseCode) {
        self.closed.get_or_create(&close_label(code)).inc();
    }

    pub(crate) fn closed_by_peer(&self) {
        self.closed.get_or_create(&CLOSED_BY_PEER).inc();
    }

    pub(crate) fn pin_sent(&self) {
        self.pins.get_or_create(&PIN_SENT).inc();
    }

    pub(crate) fn pin_failed(&self) {
        self.pins.get_or_create(&PIN_FAILED).inc();
    }

    pub(crate) fn pin_retried(&self) {
        self.pins.get_or_create(&PIN_RETRIED).inc();
    }

    pub(crate) fn hello(&self, outcome: HelloOutcome) {
        self.hellos.get_or_create(&outcome.label()).inc();
    }

    pub(crate) fn call_ended(&self, reason: EndReason) {
        self.calls_ended.get_or_create(&end_label(reason)).inc();
    }

    pub(crate) fn media_connected(&self, took: Duration) {
        self.media_connect.observe(took.as_secs_f64());
    }

    pub(crate) fn measured(&self, measure: Measure) {
        match measure {
            Measure::Rang(took) => self.ring.observe(took.as_secs_f64()),
            Measure::Answered(took) => self.answer.observe(took.as_secs_f64()),
            Measure::Joined(took) => self.join.observe(took.as_secs_f64()),
            Measure::Reconnected(took) => self.reconnect.observe(took.as_secs_f64()),
            Measure::Merged => drop(self.calls_merged.inc()),
            Measure::HandedOver => drop(self.calls_handed_over.inc()),
            Measure::LimitHit(limit) => self.hit(Hit::Call(limit)),
        }
    }
}

const PIN_SENT: Outcome = Outcome { outcome: "sent" };
const PIN_FAILED: Outcome = Outcome { outcome: "failed" };
const PIN_RETRIED: Outcome = Outcome { outcome: "retried" };
const CLOSED_BY_PEER: Reason = Reason { reason: "peer" };

fn close_label(code: CloseCode) -> Reason {
    let reason = match code {
        CloseCode::SlowReader => "slow_reader",
        CloseCode::HeartbeatTimeout => "heartbeat_timeout",
        CloseCode::Draining => "draining",
        CloseCode::Busy => "busy",
        CloseCode::HelloExpected => "hello_expected",
        CloseCode::Unauthenticated => "unauthenticated",
        CloseCode::Displaced => "displaced",
        CloseCode::ProtocolViolation => "protocol_violation",
        CloseCode::FrameTooLarge => "frame_too_large",
        CloseCode::RateLimited => "rate_limited",
        CloseCode::Revoked => "revoked",
    };
    Reason { reason }
}

fn end_label(reason: EndReason) -> Reason {
    let reason = match reason {
        EndReason::Hangup => "hangup",
        EndReason::Declined => "declined",
        EndReason::Busy => "busy",
        EndReason::Cancelled => "cancelled",
        EndReason::Missed => "missed",
        EndReason::AnsweredElsewhere => "answered_elsewhere",
        EndReason::DeclinedElsewhere => "declined_elsewhere",
        EndReason::Failed => "failed",
        EndReason::Lost => "lost",
        EndReason::HandedOver => "handed_over",
        EndReason::Removed => "removed",
        EndReason::TurnedAway => "turned_away",
        EndReason::LinkOver => "link_over",
    };
    Reason { reason }
}

#[expect(clippy::too_many_lines, reason = "a line for each code")]
fn error_label(code: ErrorCode) -> Code {
    let code = match code {
        ErrorCode::BadFrame => "bad_frame",
        ErrorCode::UnknownConversation => "unknown_conversation",
        ErrorCode::NotAddable => "not_addable",
        ErrorCode::InviteOver => "invite_over",
        ErrorCode::CallLinkOver => "call_link_over",
        ErrorCode::TurnedAway => "turned_away",
        ErrorCode::WaitingFull => "waiting_full",
        ErrorCode::ClientIdReused => "client_id_reused",
        ErrorCode::NoMailbox => "no_mailbox",
        ErrorCode::PushRefused => "push_refused",
        ErrorCode::MessageNotStored => "message_not_stored",
        ErrorCode::HelloExpected => "hello_expected",
        ErrorCode::RequestIdNotRising => "request_id_not_rising",
        ErrorCode::TokenInvalid => "token_invalid",
        ErrorCode::TokenExpired => "token_expired",
        ErrorCode::Forbidden => "forbidden",
        ErrorCode::NotFound => "not_found",
        ErrorCode::BadRequest => "bad_request",
        ErrorCode::UnknownUser => "unknown_user",
        ErrorCode::UnknownCall => "unknown_call",
        ErrorCode::CallSelf => "call_self",
        ErrorCode::AlreadyInCall => "already_in_call",
        ErrorCode::CallStateMismatch => "call_state_mismatch",
        ErrorCode::CallOver => "call_over",
        ErrorCode::CallAnsweredElsewhere => "call_answered_elsewhere",
        ErrorCode::PhoneInvalid => "phone_invalid",
        ErrorCode::PinWrong => "pin_wrong",
        ErrorCode::RegistrationOver => "registration_over",
        ErrorCode::PinNotSent => "pin_not_sent",
        ErrorCode::LinkOver => "link_over",
        ErrorCode::PrimaryOnly => "primary_only",
        ErrorCode::AccountOnly => "account_only",
        ErrorCode::TlsRequired => "tls_required",
        ErrorCode::SdpInvalid => "sdp_invalid",
        ErrorCode::RateLimited => "rate_limited",
        ErrorCode::TooManyOutstanding => "too_many_outstanding",
        ErrorCode::TooLarge => "too_large",
        ErrorCode::ServerFull => "server_full",
        ErrorCode::CallFull => "call_full",
        ErrorCode::TooManyConnections => "too_many_connections",
        ErrorCode::TooMany => "too_many",
        ErrorCode::MediaTooLarge => "media_too_large",
        ErrorCode::MediaTooLong => "media_too_long",
        ErrorCode::MediaTooManyPixels => "media_too_many_pixels",
        ErrorCode::MediaTooComplex => "media_too_complex",
        ErrorCode::MediaUnsupported => "media_unsupported",
        ErrorCode::MediaDamaged => "media_damaged",
        ErrorCode::MediaEmpty => "media_empty",
        ErrorCode::MediaEncrypted => "media_encrypted",
        ErrorCode::MediaExternal => "media_external",
        ErrorCode::MediaChecksumMismatch => "media_checksum_mismatch",
        ErrorCode::MediaLengthMismatch => "media_length_mismatch",
        ErrorCode::MediaStalled => "media_stalled",
        ErrorCode::MediaQuota => "media_quota",
        ErrorCode::MediaBusy => "media_busy",
        ErrorCode::MediaStoreUnavailable => "media_store_unavailable",
        ErrorCode::MediaTimedOut => "media_timed_out",
        ErrorCode::MediaOutOfMemory => "media_out_of_memory",
        ErrorCode::MediaWorkerCrashed => "media_worker_crashed",
        ErrorCode::MediaSandboxUnavailable => "media_sandbox_unavailable",
        ErrorCode::MediaCancelled => "media_cancelled",
        ErrorCode::MediaNotReady => "media_not_ready",
        ErrorCode::MediaOpened => "media_opened",
        ErrorCode::ClaimOver => "claim_over",
        ErrorCode::UploadOffset => "upload_offset",
        ErrorCode::UploadLocked => "upload_locked",
        ErrorCode::Draining => "draining",
        ErrorCode::Internal => "internal",
    };
    Code { code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_there_from_the_start_and_error_labels_are_the_wire_names() {
        let metrics = Metrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        metrics.hit(Hit::Queue);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains("tertulia_signaling_limit_hits_total{limit=\"queue\"} 1"), "{text}");
        assert!(text.contains("tertulia_calls_ended_total{reason=\"missed\"} 0"), "{text}");
        for code in ErrorCode::ALL {
            let wire = serde_json::to_value(code).unwrap();
            assert_eq!(wire.as_str(), Some(error_label(*code).code));
        }
    }
}
