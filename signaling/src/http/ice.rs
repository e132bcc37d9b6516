//! STUN and TURN servers, for clients whose credentials end before their session does.

use super::{Bearer, Refusal};
use crate::authenticate::Principal;
use crate::gateway::Shared;
use crate::ice;
use axum::Json;
use axum::extract::State;
use std::sync::Arc;
use tertulia_signaling_proto::IceServers;

pub(super) async fn ice_servers(
    State(shared): State<Arc<Shared>>,
    Bearer(Principal { user, .. }): Bearer,
) -> Result<Json<IceServers>, Refusal> {
    Ok(Json(ice::told(&shared.config.ice_servers, &user, shared.clock.now())))
}
