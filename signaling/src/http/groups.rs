//! Groups: making and changing them, their members, invitations.
//!
//! Invariant: who is not in a group hears of it what they would hear if there were none.

use super::group_icon::{self, Showing};
use super::{Bearer, JsonBody, Refusal};
use crate::authenticate::Principal;
use crate::chat::{Chat, group_edit, group_to_wire, invite_hash, new_group, role_from_wire};
use crate::clock::random;
use crate::gateway::Shared;
use crate::translate;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use std::sync::Arc;
use tertulia_chat_core::{Ask, Change, ClientId, ConversationId};
use tertulia_common::{ClientMessageId, UserId};
use tertulia_signaling_core::GroupKey;
use tertulia_signaling_proto::{ErrorCode, Group, GroupInvite, GroupMemberPut, GroupNew, GroupPatch, Groups};

/// Groups on one page, if the client does not say.
const PAGE_DEFAULT: u64 = 10;
/// The most it can ask for. Raising it makes one answer larger: each has all its members.
const PAGE_MAX: u64 = 20;
/// The client's own name for a change.
const CLIENT_ID_HEADER: &str = "tertulia-client-id";

/// Who asks, under which name of their client's own.
pub(super) struct Asker {
    who: Principal,
    client_id: ClientId,
}

impl FromRequestParts<Arc<Shared>> for Asker {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let Bearer(who) = Bearer::from_request_parts(parts, shared).await?;
        let client_id = match parts.headers.get(CLIENT_ID_HEADER) {
            None => random(),
            Some(value) => {
                let id = value.to_str().ok().and_then(|text| text.parse::<ClientMessageId>().ok());
                id.ok_or(ErrorCode::BadRequest)?.as_u128()
            }
        };
        Ok(Self { who, client_id: ClientId(client_id) })
    }
}

impl Asker {
    fn ask(&self, group: Option<ConversationId>, change: Change) -> Ask {
        Ask { by: self.who.user.clone(), client_id: self.client_id, group, change }
    }

    /// A change of a group that is there; the group as it is then, for who is still in it.
    async fn change(&self, shared: &Shared, group: ConversationId, change: Change) -> Result<Option<Group>, Refusal> {
        let chat = chat(shared)?;
        chat.groups.take(&self.who.user, false, shared.clock, &shared.metrics)?;
        let leaving = match &change {
            Change::Remove { user } => vec![user.clone()],
            Change::End => {
                let there = chat.group_there(group).map(|there| there.members).unwrap_or_default();
                there.into_iter().map(|(user, _)| user).collect()
            }
            _ => Vec::new(),
        };
        let key = GroupKey(group.0);
        let was_in_call = shared.exchange.group_call(key).is_some();
        let done = chat.change_group(self.ask(Some(group), change)).await?;
        let is_in_call = shared.exchange.group_call(key).is_some();
        shared.exchange.group_changed(key, |users| chat.are_in_group(group, users));
        if was_in_call || is_in_call {
            shared.exchange.left_group(key, &leaving, chat);
        }
        Ok(done.view.map(group_to_wire))
    }
}

pub(super) fn chat(shared: &Shared) -> Result<&Chat, Refusal> {
    shared.chat.as_ref().ok_or_else(|| ErrorCode::NotFound.into())
}

pub(super) type Which = Result<Path<String>, PathRejection>;
type Whom = Result<Path<(String, String)>, PathRejection>;

fn id(text: &str) -> Result<ConversationId, Refusal> {
    text.parse().map_err(|_| ErrorCode::UnknownConversation.into())
}

pub(super) fn group(which: Which) -> Result<ConversationId, Refusal> {
    id(&which.map_err(|_| ErrorCode::UnknownConversation)?.0)
}

fn member(whom: Whom) -> Result<(ConversationId, UserId), Refusal> {
    let Path((group, user)) = whom.map_err(|_| ErrorCode::UnknownConversation)?;
    Ok((id(&group)?, user.parse().map_err(|_| ErrorCode::UnknownUser)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<u64>,
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Groups>, Refusal> {
    let Query(Page { after, limit }) = page.map_err(|_| ErrorCode::BadRequest)?;
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(translate::limit(ErrorCode::BadRequest, PAGE_MAX, limit).into());
    }
    let after = after.as_deref().map(id).transpose()?;
    let max = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(Json(chat(&shared)?.groups(&who.user, after, max).await?))
}

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    JsonBody(new): JsonBody<GroupNew>,
) -> Result<(StatusCode, Json<Group>), Refusal> {
    let chat = chat(&shared)?;
    let mut about = new_group(&new)?;
    let limit = chat.groups.members_max();
    // Before anything is asked about so many.
    if new.members.len() > limit {
        return Err(translate::limit(ErrorCode::TooMany, limit as u64, new.members.len() as u64).into());
    }
    chat.groups.take(&who.user, false, shared.clock, &shared.metrics)?;
    super::wishes::present(&shared, &who).await?;
    let showing = Showing::of(&shared, &who, about.icon).await?;
    about.icon = showing.as_ref().map(|showing| showing.icon);
    chat.may_add(&shared.directory, shared.clock, &who.user, &new.members).await?;
    let change = Change::Create { about, members: new.members };
    let client_id = ClientId(new.client_id.as_u128());
    let done = chat.change_group(Ask { by: who.user, client_id, group: None, change }).await?;
    let status = if done.changed.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    // Made before, and left since.
    let view = done.view.ok_or(ErrorCode::UnknownConversation)?;
    if let Some(showing) = showing.filter(|showing| view.about.icon == Some(showing.icon)) {
        showing.keep(view.id).await?;
    }
    Ok((status, Json(group_to_wire(view))))
}

pub(super) async fn view(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    which: Which,
) -> Result<Json<Group>, Refusal> {
    Ok(Json(group_to_wire(chat(&shared)?.group(&who.user, group(which)?).await?)))
}

pub(super) async fn patch(
    State(shared): State<Arc<Shared>>,
    asker: Asker,
    which: Which,
    JsonBody(patch): JsonBody<GroupPatch>,
) -> Result<Json<Group>, Refusal> {
    let (group, mut edit) = (group(which)?, group_edit(&patch)?);
    // Only members learn whether they may show it.
    let before = chat(&shared)?.group(&asker.who.user, group).await?.about.icon;
    let Some(asked) = edit.icon else { return still_in(asker.change(&shared, group, Change::About(edit)).await?) };
    let showing = Showing::of(&shared, &asker.who, asked).await?;
    let icon = showing.as_ref().map(|showing| showing.icon);
    edit.icon = Some(icon);
    if let Some(showing) = &showing {
        showing.keep(group).await?;
    }
    let changed = asker.change(&shared, group, Change::About(edit)).await;
    match &changed {
        Ok(Some(view)) => group_icon::let_go(&shared, group, [before, icon], view.icon).await,
        Ok(None) => {}
        Err(_) => group_icon::let_go(&shared, group, [None, icon], before).await,
    }
    still_in(changed?)
}

fn still_in(view: Option<Group>) -> Result<Json<Group>, Refusal> {
    view.map(Json).ok_or_else(|| ErrorCode::UnknownConversation.into())
}

pub(super) async fn end(State(shared): State<Arc<Shared>>, asker: Asker, which: Which) -> Result<StatusCode, Refusal> {
    let group = group(which)?;
    let before = chat(&shared)?.group(&asker.who.user, group).await.ok().and_then(|view| view.about.icon);
    asker.change(&shared, group, Change::End).await?;
    group_icon::let_go(&shared, group, [before, None], None).await;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn put_member(
    State(shared): State<Arc<Shared>>,
    asker: Asker,
    whom: Whom,
    body: Bytes,
) -> Result<Json<Group>, Refusal> {
    let (group, user) = member(whom)?;
    let put = if body.is_empty() { Ok(GroupMemberPut::default()) } else { serde_json::from_slice(&body) };
    let GroupMemberPut { role } = put.map_err(|_| ErrorCode::BadRequest)?;
    let chat = chat(&shared)?;
    let view = chat.group(&asker.who.user, group).await?;
    if !view.members.iter().any(|(there, _)| *there == user) {
        chat.may_add(&shared.directory, shared.clock, &asker.who.user, std::slice::from_ref(&user)).await?;
    }
    let change = Change::Member { user, role: role.map(role_from_wire) };
    still_in(asker.change(&shared, group, change).await?)
}

pub(super) async fn remove_member(
    State(shared): State<Arc<Shared>>,
    asker: Asker,
    whom: Whom,
) -> Result<StatusCode, Refusal> {
    let (group, user) = member(whom)?;
    asker.change(&shared, group, Change::Remove { user }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn invite(
    State(shared): State<Arc<Shared>>,
    asker: Asker,
    which: Which,
) -> Result<(StatusCode, Json<GroupInvite>), Refusal> {
    let group = group(which)?;
    let token = chat(&shared)?.groups.token(&asker.who.user, group, asker.client_id);
    asker.change(&shared, group, Change::Invite(Some(invite_hash(&token)))).await?;
    Ok((StatusCode::CREATED, Json(GroupInvite { token })))
}

pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    asker: Asker,
    which: Which,
) -> Result<StatusCode, Refusal> {
    asker.change(&shared, group(which)?, Change::Invite(None)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn join(
    State(shared): State<Arc<Shared>>,
    asker: Asker,
    token: Which,
) -> Result<Json<Group>, Refusal> {
    let Path(token) = token.map_err(|_| ErrorCode::InviteOver)?;
    let chat = chat(&shared)?;
    chat.groups.take(&asker.who.user, true, shared.clock, &shared.metrics)?;
    super::wishes::present(&shared, &asker.who).await?;
    let done = chat.change_group(asker.ask(None, Change::Join(invite_hash(&token)))).await?;
    still_in(done.view.map(group_to_wire))
}
