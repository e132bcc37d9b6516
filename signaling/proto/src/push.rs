//! The bodies of the HTTP calls about push: waking a device that is not connected.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `GET /v1/push`: how this device is woken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct PushState {
    /// The server's key, for the browser's `pushManager.subscribe` (`applicationServerKey`, base64url).
    pub public_key: String,
    /// This device is subscribed.
    pub subscribed: bool,
}

/// `PUT /v1/push`: a browser's subscription, as its `toJSON()` gives it.
// No `Debug`: whoever knows it can send to the browser.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct PushSubscription {
    /// Where pushes go: a push service that this server allows.
    pub endpoint: String,
    /// What they are sealed with.
    pub keys: PushKeys,
}

/// The keys of a [`PushSubscription`].
// No `Debug`, either.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct PushKeys {
    /// The browser's public key (P-256, base64url).
    pub p256dh: String,
    /// The subscription's secret (16 bytes, base64url).
    pub auth: String,
}
