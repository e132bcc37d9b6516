//! Messages by plain HTTP: for back ends, and for devices that do not stay connected.
//!
//! Invariant: a message goes the way that `message.send` goes, and its device is known by its name as there.

use super::media::DEVICE_HEADER;
use super::{Bearer, JsonBody, Refusal};
use crate::authenticate::Principal;
use crate::gateway::Shared;
use crate::translate;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::sync::Arc;
use tertulia_chat_core::{ConversationId, Look, MessageId, Seq, Standing};
use tertulia_common::DeviceId;
use tertulia_signaling_proto::{ErrorCode, MessagePost, MessageSent, Messages};

/// Messages on one page, if the client does not say.
const PAGE_DEFAULT: u64 = 50;
/// The most it can ask for. Raising it makes one answer larger.
const PAGE_MAX: u64 = 100;
/// Bytes of what they say on one page, if more than one says something. Raising it lets one answer hold more memory.
const BODIES_BYTES_MAX: usize = 512 * 1024;

pub(super) async fn send(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    headers: HeaderMap,
    JsonBody(post): JsonBody<MessagePost>,
) -> Result<(StatusCode, Json<MessageSent>), Refusal> {
    let chat = shared.chat.as_ref().ok_or(ErrorCode::NoMailbox)?;
    let device = device_of(&who, &headers)?;
    let to = post.to.clone();
    let sent = chat.post(&shared.directory, shared.clock, (&who.user, &device), post).await?;
    shared.presence.sent(&who.user, &to);
    let status = if sent.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(sent)))
}

/// An account's device; or the one that an app's back end says it is.
pub(super) fn device_of(who: &Principal, headers: &HeaderMap) -> Result<DeviceId, ErrorCode> {
    if let Some(device) = &who.device {
        return Ok(device.clone());
    }
    let said = headers.get(DEVICE_HEADER).ok_or(ErrorCode::NoMailbox)?;
    said.to_str().ok().and_then(|text| text.parse().ok()).ok_or(ErrorCode::BadRequest)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    conversation: Option<String>,
    message_id: Option<String>,
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<u64>,
}

pub(super) async fn look(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Messages>, Refusal> {
    let chat = shared.chat.as_ref().ok_or(ErrorCode::NoMailbox)?;
    let Query(wanted) = wanted.map_err(|_| ErrorCode::BadRequest)?;
    let limit = wanted.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(translate::limit(ErrorCode::BadRequest, PAGE_MAX, limit).into());
    }
    // Who says no device has nothing that waits.
    let device = match device_of(&who, &headers) {
        Err(ErrorCode::NoMailbox) => None,
        device => Some(device?),
    };
    let (conversation, seq) = place(&wanted)?;
    let look = Look {
        user: who.user,
        device,
        conversation,
        seq,
        standings: standings(wanted.state.as_deref())?,
        after: wanted.cursor.as_deref().map(|cursor| from_cursor(cursor).ok_or(ErrorCode::BadRequest)).transpose()?,
        max: usize::try_from(limit).unwrap_or(usize::MAX),
        bytes_max: BODIES_BYTES_MAX,
    };
    Ok(Json(chat.look(look, to_cursor).await?))
}

/// Where it is looked: a message's name says its conversation, too.
fn place(wanted: &Wanted) -> Result<(Option<ConversationId>, Option<Seq>), ErrorCode> {
    let id = |text: &str| text.parse::<ConversationId>().map_err(|_| ErrorCode::UnknownConversation);
    let conversation = wanted.conversation.as_deref().map(id).transpose()?;
    let Some(name) = wanted.message_id.as_deref() else { return Ok((conversation, None)) };
    let (of, seq) = name.split_once('.').ok_or(ErrorCode::BadRequest)?;
    let (of, seq) = (id(of)?, seq.parse().map_err(|_| ErrorCode::BadRequest)?);
    if conversation.is_some_and(|conversation| conversation != of) {
        return Err(ErrorCode::BadRequest);
    }
    Ok((Some(of), Some(Seq(seq))))
}

fn standings(said: Option<&str>) -> Result<Vec<Standing>, ErrorCode> {
    let standing = |word: &str| match word {
        "pending" => Ok(Standing::Pending),
        "delivered" => Ok(Standing::Delivered),
        "read" => Ok(Standing::Read),
        _ => Err(ErrorCode::BadRequest),
    };
    said.unwrap_or("pending,delivered,read").split(',').map(standing).collect()
}

fn to_cursor(last: MessageId) -> String {
    let (conversation, seq) = (last.conversation.0.to_be_bytes(), last.seq.0.to_be_bytes());
    URL_SAFE_NO_PAD.encode([conversation.as_slice(), seq.as_slice()].concat())
}

fn from_cursor(text: &str) -> Option<MessageId> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (conversation, seq) = bytes.split_first_chunk::<16>()?;
    let seq = Seq(u64::from_be_bytes(seq.try_into().ok()?));
    Some(MessageId { conversation: ConversationId(u128::from_be_bytes(*conversation)), seq })
}
