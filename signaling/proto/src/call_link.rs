//! Call links: addresses by which people come into a call whom nobody has asked in.
//!
//! A link is made, listed and revoked by HTTP. `call.peek {link}` says what one would come into; `call.invite {to: {link}}` starts its call
//! or goes into the one that goes on. Where the link's owner lets people in one by one, they wait first: `ok {waiting}` and
//! `call.state {waiting}`, and nothing else until a host says `call.admit`, or `call.ended` says why not. Hosts who are in hear who waits by
//! `call.waiting`.

use crate::conference::CallPeek;
use crate::types::{MediaKind, Person, RequestId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia_common::{CallId, Timestamp, UserId};
use ts_rs::TS;

/// `POST /v1/call-links`.
// No `Debug` of what people write.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct CallLinkNew {
    /// What the call is called, 1 to 100 characters on one line. Whoever has the link sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
    /// What its calls are started as.
    pub media: MediaKind,
    /// Whoever comes by it waits until a host lets them in. Absent: no.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub approval: bool,
    /// How long it is good for, in seconds. Absent: as long as this server lets links be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub expires_in_s: Option<u64>,
}

/// A call link, as its owner sees it.
// No `Debug` on the token, nor of what people write.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallLink {
    /// Names it here.
    pub call_link_id: String,
    /// Whoever has it may come in. The address to give away is `/call/<token>` on the page's host. The server keeps only its hash.
    pub token: String,
    /// What the call is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
    /// What its calls are started as.
    pub media: MediaKind,
    /// Whether people wait until a host lets them in.
    pub approval: bool,
    /// When it was made.
    pub made_at: Timestamp,
    /// From then on nobody new comes in by it.
    pub expires_at: Timestamp,
}

/// `GET /v1/call-links`: this user's links that are good, the newest first.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallLinks {
    /// All of them.
    pub links: Vec<CallLink>,
}

/// What one would come into by a link.
// No `Debug` of what people write.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallLinkPeek {
    /// What the call is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
    /// What it is started as.
    pub media: MediaKind,
    /// Whose link it is.
    pub owner: Person,
    /// Whether this user would have to wait until a host lets them in.
    pub approval: bool,
    /// From then on nobody new comes in by it.
    pub expires_at: Timestamp,
    /// Whether a call goes on, or people wait for one.
    pub active: bool,
    /// The call that goes on: for those who may come in without waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub call: Option<CallPeek>,
}

impl std::fmt::Debug for CallLinkPeek {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { owner, approval, active, .. } = self;
        let mut debug = f.debug_struct("CallLinkPeek");
        debug.field("owner", &owner.user_id).field("approval", approval).field("active", active).finish_non_exhaustive()
    }
}

/// Who is in a call, before one joins it: a group call, by its id, or the one of a link.
// No `Debug` on the link.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallLook {
    /// The request's number.
    pub id: RequestId,
    /// Which call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub call_id: Option<CallId>,
    /// Or by which link: its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub link: Option<String>,
}

impl std::fmt::Debug for CallLook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("CallLook");
        debug.field("id", &self.id).field("call_id", &self.call_id).finish_non_exhaustive()
    }
}

/// Let somebody in who waits, or turn them away: hosts who are in the call may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallAdmit {
    /// The request's number.
    pub id: RequestId,
    /// Which call.
    pub call_id: CallId,
    /// Whom.
    pub user_id: UserId,
    /// In; or away: then they can't ask again for five minutes.
    pub admit: bool,
}

/// Who waits to be let in, in the order of their coming: all of them, whenever one comes or goes. To hosts who are in the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallWaiting {
    /// Which call.
    pub call_id: CallId,
    /// Who.
    pub people: Vec<Person>,
}
