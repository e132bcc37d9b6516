//! Between the wire and the calls: each type of the one has its twin in the other, and only this file knows both.

use crate::exchange::Names;
use std::time::Duration;
use tertulia_chat_core::ConversationId;
use tertulia_common::{CallId, UserId};
use tertulia_signaling_core as core;
use tertulia_signaling_proto as wire;
use tertulia_signaling_proto::{ErrorBody, ErrorCode, ServerFrame};

pub(crate) fn media_kind(media: core::MediaKind) -> wire::MediaKind {
    match media {
        core::MediaKind::Voice => wire::MediaKind::Voice,
        core::MediaKind::Video => wire::MediaKind::Video,
    }
}

pub(crate) fn media_kind_from_wire(media: wire::MediaKind) -> core::MediaKind {
    match media {
        wire::MediaKind::Voice => core::MediaKind::Voice,
        wire::MediaKind::Video => core::MediaKind::Video,
    }
}

pub(crate) fn decline_reason(reason: wire::DeclineReason) -> core::DeclineReason {
    match reason {
        wire::DeclineReason::Declined => core::DeclineReason::Declined,
        wire::DeclineReason::Busy => core::DeclineReason::Busy,
    }
}

pub(crate) fn flags_from_wire(flags: wire::MediaFlags) -> core::MediaFlags {
    core::MediaFlags { mic: flags.mic, camera: flags.camera, screen: flags.screen }
}

fn flags(flags: core::MediaFlags) -> wire::MediaFlags {
    wire::MediaFlags { mic: flags.mic, camera: flags.camera, screen: flags.screen }
}

fn phase(phase: core::Phase) -> wire::Phase {
    match phase {
        core::Phase::Offered => wire::Phase::Offered,
        core::Phase::Ringing => wire::Phase::Ringing,
        core::Phase::Connecting => wire::Phase::Connecting,
        core::Phase::Active => wire::Phase::Active,
        core::Phase::Reconnecting => wire::Phase::Reconnecting,
    }
}

pub(crate) fn phase_label(phase: core::Phase) -> &'static str {
    match phase {
        core::Phase::Offered => "offered",
        core::Phase::Ringing => "ringing",
        core::Phase::Connecting => "connecting",
        core::Phase::Active => "active",
        core::Phase::Reconnecting => "reconnecting",
    }
}

pub(crate) fn end_reason(reason: core::EndReason) -> wire::EndReason {
    match reason {
        core::EndReason::Hangup => wire::EndReason::Hangup,
        core::EndReason::Declined => wire::EndReason::Declined,
        core::EndReason::Busy => wire::EndReason::Busy,
        core::EndReason::Cancelled => wire::EndReason::Cancelled,
        core::EndReason::Missed => wire::EndReason::Missed,
        core::EndReason::AnsweredElsewhere => wire::EndReason::AnsweredElsewhere,
        core::EndReason::DeclinedElsewhere => wire::EndReason::DeclinedElsewhere,
        core::EndReason::Failed => wire::EndReason::Failed,
        core::EndReason::Lost => wire::EndReason::Lost,
        core::EndReason::HandedOver => wire::EndReason::HandedOver,
        core::EndReason::Removed => wire::EndReason::Removed,
        core::EndReason::TurnedAway => wire::EndReason::TurnedAway,
        core::EndReason::LinkOver => wire::EndReason::LinkOver,
    }
}

pub(crate) fn participant(endpoint: &core::Endpoint) -> wire::Participant {
    wire::Participant { user_id: endpoint.user.clone(), device_id: endpoint.device.clone() }
}

/// The group of a call of this kind, and whether it is a conference. `group`: as the call's members know it.
fn sort(kind: core::CallKind, group: Option<&wire::CallGroup>) -> (bool, Option<wire::CallGroup>) {
    match kind {
        core::CallKind::Pair => (false, None),
        core::CallKind::Conference { .. } => (true, group.cloned()),
    }
}

fn roster(call_id: CallId, roster: core::Roster, names: &Names) -> wire::CallRoster {
    wire::CallRoster {
        call_id,
        version: roster.version,
        participants: entries(&roster.participants, names),
        conference: roster.kind != core::CallKind::Pair,
        ringing: people(&roster.ringing, names),
        hosts: roster.hosts,
        approval: roster.approval,
    }
}

fn roster_changes(call_id: CallId, changes: core::RosterChanges, names: &Names) -> wire::CallRosterChanges {
    wire::CallRosterChanges {
        call_id,
        since: changes.since,
        version: changes.version,
        changed: entries(&changes.changed, names),
        gone: changes.gone.iter().map(participant).collect(),
        ringing: people(&changes.ringing, names),
        hosts: changes.hosts,
    }
}

fn entries(entries: &[core::RosterEntry], names: &Names) -> Vec<wire::RosterEntry> {
    let entry = |entry: &core::RosterEntry| wire::RosterEntry {
        name: names.of(&entry.endpoint.user).to_owned(),
        participant: participant(&entry.endpoint),
        media: flags(entry.media),
        held: entry.held,
        hand_at: entry.hand,
    };
    entries.iter().map(entry).collect()
}

fn people(users: &[UserId], names: &Names) -> Vec<wire::Person> {
    users.iter().map(|user| names.person(user)).collect()
}

/// What a device is told, as a frame.
pub(crate) fn notice(
    call_id: CallId,
    notice: core::Notice,
    names: &Names,
    group: Option<&wire::CallGroup>,
) -> ServerFrame {
    match notice {
        core::Notice::Incoming { from, media, expires_at, kind } => {
            let (conference, group) = sort(kind, group);
            ServerFrame::CallIncoming(wire::CallIncoming {
                call_id,
                from: names.person(&from),
                media: media_kind(media),
                expires_at,
                conference,
                group,
            })
        }
        core::Notice::Reaction { from, reaction } => {
            ServerFrame::CallReaction(wire::CallReaction { call_id, from: participant(&from), reaction })
        }
        core::Notice::Wait => {
            ServerFrame::CallState(wire::CallState { call_id, phase: wire::Phase::Waiting, answered_at: None })
        }
        core::Notice::Waiting(users) => waiting(call_id, &users, names),
        core::Notice::State { phase: now, answered_at } => {
            ServerFrame::CallState(wire::CallState { call_id, phase: phase(now), answered_at })
        }
        core::Notice::Roster(who) => ServerFrame::CallRoster(roster(call_id, who, names)),
        core::Notice::RosterChanges(changes) => ServerFrame::CallRosterChanges(roster_changes(call_id, changes, names)),
        core::Notice::Ended(ended) => ServerFrame::CallEnded(wire::CallEnded {
            call_id,
            reason: end_reason(ended.reason),
            duration_ms: millis(ended.duration),
        }),
    }
}

fn waiting(call_id: CallId, users: &[UserId], names: &Names) -> ServerFrame {
    ServerFrame::CallWaiting(wire::CallWaiting { call_id, people: people(users, names) })
}

/// A call of a device that has just connected: for its welcome, and what goes with it: the roster, and for a host who waits.
pub(crate) fn snapshot(
    call: core::Snapshot,
    names: &Names,
    group: Option<&wire::CallGroup>,
) -> (wire::CallSnapshot, Vec<ServerFrame>) {
    let (conference, group) = sort(call.kind, group);
    let who = call.roster.map(|who| ServerFrame::CallRoster(roster(call.call, who, names)));
    let before_the_door = (!call.waiting.is_empty()).then(|| waiting(call.call, &call.waiting, names));
    let frames = who.into_iter().chain(before_the_door).collect();
    let snapshot = wire::CallSnapshot {
        call_id: call.call,
        peer: names.person(&call.peer),
        outgoing: call.outgoing,
        media: media_kind(call.media),
        phase: phase(call.phase),
        answered_at: call.answered_at,
        held: call.held,
        conference,
        group,
    };
    (snapshot, frames)
}

/// A running call, as the other devices of one of its users see it. Devices have names in the list of devices only.
pub(crate) fn elsewhere(call: core::Running, names: &Names, group: Option<&wire::CallGroup>) -> wire::CallElsewhere {
    let (conference, group) = sort(call.kind, group);
    wire::CallElsewhere {
        call_id: call.call,
        peer: names.person(&call.peer),
        media: media_kind(call.media),
        answered_at: call.answered_at,
        device_id: call.device,
        device_name: None,
        conference,
        group,
    }
}

/// A group's call, as those see it who might join.
pub(crate) fn group_call(group: core::GroupKey, call: &core::GroupCall, names: &Names) -> wire::GroupCall {
    wire::GroupCall {
        group_id: group_id(group),
        call_id: call.call,
        media: media_kind(call.media),
        started_by: names.person(&call.started_by),
        started_at: call.started_at,
        participants: u32::try_from(call.participants.len()).unwrap_or(u32::MAX),
    }
}

/// Who is in a call, before one joins it.
pub(crate) fn peek(call: &core::GroupCall, names: &Names) -> wire::CallPeek {
    wire::CallPeek {
        call_id: call.call,
        media: media_kind(call.media),
        started_at: call.started_at,
        participants: call.participants.iter().map(|device| names.person(&device.user)).collect(),
    }
}

/// A group, as the wire names it.
pub(crate) fn group_id(group: core::GroupKey) -> String {
    ConversationId(group.0).to_string()
}

/// How large one of a device's pictures is wanted.
pub(crate) fn publish_wanted((source, max_height): (tertulia_sfu::Source, Option<u32>)) -> wire::PublishWanted {
    wire::PublishWanted { source: source_to_wire(source), max_height }
}

pub(crate) fn source_to_wire(source: tertulia_sfu::Source) -> wire::Source {
    match source {
        tertulia_sfu::Source::Mic => wire::Source::Mic,
        tertulia_sfu::Source::Camera => wire::Source::Camera,
        tertulia_sfu::Source::Screen => wire::Source::Screen,
    }
}

pub(crate) fn source_from_wire(source: wire::Source) -> tertulia_sfu::Source {
    match source {
        wire::Source::Mic => tertulia_sfu::Source::Mic,
        wire::Source::Camera => tertulia_sfu::Source::Camera,
        wire::Source::Screen => tertulia_sfu::Source::Screen,
    }
}

/// Why a call request is refused, as the client hears it.
pub(crate) fn call_error(error: core::CallError) -> ErrorBody {
    use core::CallError;
    let code = match error {
        CallError::SelfCall => ErrorCode::CallSelf,
        CallError::UnknownUser => ErrorCode::UnknownUser,
        CallError::UnknownCall => ErrorCode::UnknownCall,
        CallError::AlreadyInCall => ErrorCode::AlreadyInCall,
        CallError::StateMismatch | CallError::AnswerFirst => ErrorCode::CallStateMismatch,
        CallError::Over(_) => ErrorCode::CallOver,
        CallError::AnsweredElsewhere => ErrorCode::CallAnsweredElsewhere,
        CallError::NotAllowed => ErrorCode::Forbidden,
        CallError::Full { limit: core::Limit::Participants, max } => return too_many(ErrorCode::CallFull, max),
        CallError::Full { limit: core::Limit::Waiting, max } => return too_many(ErrorCode::WaitingFull, max),
        CallError::LinkOver => ErrorCode::CallLinkOver,
        CallError::TurnedAway { wait } => return retry_after(ErrorCode::TurnedAway, wait),
        CallError::Full { max, .. } => return too_many(ErrorCode::ServerFull, max),
        CallError::ShuttingDown => ErrorCode::Draining,
    };
    code.into()
}

/// An error of a limit: what it is, and what was asked for.
pub(crate) fn limit(code: ErrorCode, limit: u64, actual: u64) -> ErrorBody {
    ErrorBody { limit: Some(limit), actual: Some(actual), ..code.into() }
}

/// An error of a limit that is reached: one more was asked for.
pub(crate) fn too_many(code: ErrorCode, max: usize) -> ErrorBody {
    limit(code, max as u64, max as u64 + 1)
}

/// An error that says when to ask again.
pub(crate) fn retry_after(code: ErrorCode, wait: Duration) -> ErrorBody {
    ErrorBody { retry_after_ms: Some(millis(wait)), ..code.into() }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
