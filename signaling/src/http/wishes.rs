//! What a user wants: settings, and whom they do not want to hear of.

use super::{Bearer, JsonBody, Refusal, internal};
use crate::authenticate::Principal;
use crate::gateway::Shared;
use crate::hello;
use crate::metrics::Hit;
use crate::presence::audience_from_wire;
use crate::translate;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use std::sync::Arc;
use tertulia_common::UserId;
use tertulia_directory::Error;
use tertulia_signaling_proto::{Blocks, ErrorBody, ErrorCode, Person, ServerFrame, Settings, SettingsPatch};

pub(super) async fn settings(
    State(shared): State<Arc<Shared>>,
    Bearer(Principal { user, .. }): Bearer,
) -> Result<Json<Settings>, Refusal> {
    Ok(Json(settings_of(&shared, &user).await?))
}

async fn settings_of(shared: &Shared, user: &UserId) -> Result<Settings, Refusal> {
    let until = shared.directory.do_not_disturb(user).await.map_err(|error| internal(&error))?;
    let privacy = shared.directory.privacy(user).await.map_err(|error| internal(&error))?;
    Ok(hello::settings(until, privacy))
}

pub(super) async fn patch_settings(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    JsonBody(patch): JsonBody<SettingsPatch>,
) -> Result<Json<Settings>, Refusal> {
    let user = &who.user;
    let SettingsPatch { do_not_disturb_until, online, last_seen } = patch;
    if patch != SettingsPatch::default() {
        present(&shared, &who).await?;
    }
    if let Some(until) = do_not_disturb_until {
        let until = (until.as_millis() > 0).then_some(until);
        shared.directory.set_do_not_disturb(user, until).await.map_err(|error| internal(&error))?;
    }
    if online.is_some() || last_seen.is_some() {
        let (online, last_seen) = (online.map(audience_from_wire), last_seen.map(audience_from_wire));
        let (all, user) = (Arc::clone(&shared), user.clone());
        let changed = shared.presence.changing(async move {
            let privacy = all.directory.set_privacy(&user, online, last_seen).await?;
            all.presence.privacy(&user, privacy);
            Ok(())
        });
        changed.await.map_err(|error| internal(&error))?;
    }
    let settings = settings_of(&shared, user).await?;
    if patch != SettingsPatch::default() {
        shared.hub.tell_user(user, &ServerFrame::Settings(settings));
    }
    Ok(Json(settings))
}

pub(super) async fn blocks(
    State(shared): State<Arc<Shared>>,
    Bearer(Principal { user, .. }): Bearer,
) -> Result<Json<Blocks>, Refusal> {
    let limit = shared.accounts.limits.blocks_max.into();
    let found = shared.directory.blocks_of(&user, limit).await.map_err(|error| internal(&error))?;
    let person = |user: tertulia_directory::User| Person {
        user_id: user.id,
        name: user.name,
        online: None,
        deleted: user.deleted,
    };
    Ok(Json(Blocks { blocked: found.into_iter().map(person).collect() }))
}

pub(super) async fn block(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    whom: Result<Path<UserId>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let Path(whom) = whom.map_err(|_| ErrorCode::UnknownUser)?;
    if whom == who.user {
        let message = "You can't block yourself.".to_owned();
        return Err(ErrorBody { message, ..ErrorCode::BadRequest.into() }.into());
    }
    present(&shared, &who).await?;
    let max = shared.accounts.limits.blocks_max.into();
    let (all, user) = (Arc::clone(&shared), who.user);
    let changed = shared.presence.changing(async move {
        all.directory.block(&user, &whom, max).await?;
        all.reach_changed(&user, &whom, true);
        Ok(())
    });
    changed.await.map_err(|error| match error {
        Error::UnknownUser => ErrorCode::UnknownUser.into(),
        Error::Full { max } => {
            shared.metrics.hit(Hit::Blocks);
            Refusal::from(translate::limit(ErrorCode::TooMany, max, max + 1))
        }
        error => internal(&error),
    })?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn unblock(
    State(shared): State<Arc<Shared>>,
    Bearer(Principal { user, .. }): Bearer,
    whom: Result<Path<UserId>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let Path(whom) = whom.map_err(|_| ErrorCode::UnknownUser)?;
    let all = Arc::clone(&shared);
    let changed = shared.presence.changing(async move {
        all.directory.unblock(&user, &whom).await?;
        all.reach_changed(&user, &whom, false);
        Ok(())
    });
    changed.await.map_err(|error| internal(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// An app's user may ask for something before they have ever connected.
pub(super) async fn present(shared: &Shared, who: &Principal) -> Result<(), Refusal> {
    if !who.is_account {
        let name = who.name.as_ref().map(|name| name.as_str());
        shared.directory.ensure_user(&who.user, name).await.map_err(|error| internal(&error))?;
    }
    Ok(())
}
