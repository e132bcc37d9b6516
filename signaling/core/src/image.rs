//! What of a call outlives the process, whichever sort it is.

use crate::call::CallImage;
use crate::conference::ConferenceImage;
use serde::{Deserialize, Serialize};
use tertulia_common::{CallId, Timestamp, UserId};

/// A call as it is kept: serialise it, and give it to [`Switchboard::restore`](crate::Switchboard::restore) after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Image(pub(crate) Sort);

/// Told apart by their fields: images of calls of two are as they were before there were others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Sort {
    Conference(ConferenceImage),
    Pair(CallImage),
}

impl Image {
    /// Which call.
    #[must_use]
    pub fn call(&self) -> CallId {
        match &self.0 {
            Sort::Conference(image) => image.conference,
            Sort::Pair(image) => image.call(),
        }
    }

    /// The caller and the callee; of a conference everybody who is in it, was, or is asked in.
    #[must_use]
    pub fn users(&self) -> Vec<&UserId> {
        match &self.0 {
            Sort::Conference(image) => image.users().collect(),
            Sort::Pair(image) => image.users().into(),
        }
    }

    /// Whether it is answered and goes on.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        match &self.0 {
            Sort::Conference(_) => true,
            Sort::Pair(image) => image.is_answered(),
        }
    }

    /// When it need not be kept any longer; none while the call goes on.
    #[must_use]
    pub fn forget_at(&self) -> Option<Timestamp> {
        match &self.0 {
            Sort::Conference(_) => None,
            Sort::Pair(image) => image.forget_at(),
        }
    }
}
