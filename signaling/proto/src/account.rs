//! The bodies of the HTTP calls about accounts, devices, settings and blocks; and the frames that carry the same.

use crate::presence::Audience;
use crate::types::Person;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use tertulia_common::{DeviceId, Timestamp, UserId};
use ts_rs::TS;

/// `POST /v1/register`: asks for a PIN to be sent. The answer is the same whether or not the number has an account.
// No `Debug` on the number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The phone number, best with its country code: `+34 612 345 678`.
    pub phone: String,
}

/// Its answer (202).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Registered {
    /// For `verify`.
    pub registration_id: String,
    /// The number as it was understood (E.164).
    pub phone: String,
    /// How long the PIN is good for, in seconds.
    pub expires_in_s: u32,
    /// When another PIN may be asked for, in seconds.
    pub again_in_s: u32,
}

/// `POST /v1/register/verify`: the PIN. Makes the account if there is none, and this device its primary one; the primary
/// device before it loses its access.
// No `Debug` on the PIN.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Of `Registered`.
    pub registration_id: String,
    /// What was sent to the phone.
    pub pin: String,
    /// How this device is listed: "Ana's phone". 1 to 60 characters.
    pub device_name: String,
    /// How others see this person. Absent: the account's name, or, for a new one, the number's last digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
    /// Also end the access of all linked devices: for whoever has come by a number that was somebody else's, or has lost one.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub unlink_others: bool,
}

/// A device's access (201 of `verify`, and of a link that was approved). The token is shown this once.
// No `Debug` on the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct DeviceAccess {
    /// Who you are.
    pub user_id: UserId,
    /// Which device this is, for good.
    pub device_id: DeviceId,
    /// For `hello` and `Authorization: Bearer`.
    pub token: String,
}

/// `POST /v1/devices/link`: a new device asks to be linked. Needs no token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct LinkBegin {
    /// How this device will be listed. 1 to 60 characters.
    pub device_name: String,
}

/// Its answer (201): show the code, and ask with the secret until it is approved.
// No `Debug` on the secret and the code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct LinkBegun {
    /// For `GET /v1/devices/link/{link_id}`.
    pub link_id: String,
    /// To be typed or scanned on a device that has the account: `ABCD-EFGH`.
    pub code: String,
    /// `Authorization: Bearer` of that call. Whoever has it gets the access, once the code is approved.
    pub secret: String,
    /// How long the code is good for, in seconds.
    pub expires_in_s: u32,
}

/// `GET /v1/devices/link/{link_id}`: where it stands. It may be held back for some seconds until there is something to say.
// No `Debug`: it carries a token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LinkState {
    /// Nobody has approved it yet.
    Waiting,
    /// Someone looks at it on their device.
    Seen,
    /// It is linked. Told once.
    Approved(DeviceAccess),
}

/// `POST /v1/devices/link/inspect` and `…/approve`: the code, on a device that has the account.
// No `Debug` on the code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct LinkCode {
    /// As the new device shows it; small letters, blanks and a missing hyphen are forgiven.
    pub code: String,
}

/// Answer of `inspect`: what the person is about to let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct LinkFound {
    /// What the new device calls itself.
    pub device_name: String,
    /// The network it asks from, as this server sees it.
    pub address: String,
    /// When it asked.
    pub asked_at: Timestamp,
}

/// A device of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Device {
    /// Which.
    pub device_id: DeviceId,
    /// What it called itself.
    pub name: String,
    /// The one that was registered by PIN; the others were linked.
    pub primary: bool,
    /// Since when.
    pub linked_at: Timestamp,
    /// When it was last connected; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub seen_at: Option<Timestamp>,
    /// Whether it is connected now.
    pub online: bool,
}

/// `GET /v1/devices`, answer of `POST /v1/devices/link/approve`, and the frame `devices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Devices {
    /// The primary one first, then the newest first.
    pub devices: Vec<Device>,
}

/// `GET /v1/settings`, the answer of `PATCH`, the frame `settings`, and in `welcome`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Settings {
    /// No device rings; whoever calls is shown as missed. Until this moment, by the server's clock; absent: it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub do_not_disturb_until: Option<Timestamp>,
    /// Who sees that this user is here.
    #[serde(default)]
    pub online: Audience,
    /// Who sees when they last were.
    #[serde(default)]
    pub last_seen: Audience,
}

/// `PATCH /v1/settings`: what is absent stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct SettingsPatch {
    /// Do not disturb until this moment; 0 turns it off. Far in the future: until turned off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub do_not_disturb_until: Option<Timestamp>,
    /// Who sees that this user is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub online: Option<Audience>,
    /// Who sees when they last were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub last_seen: Option<Audience>,
}

/// `GET /v1/profile` and the answer of `PATCH`: this user, as they see themselves.
// No `Debug` on the number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Profile {
    /// Your id.
    pub user_id: UserId,
    /// How others see you.
    pub name: String,
    /// Your number (E.164); absent for users of an app's own and of the demo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub phone: Option<String>,
}

/// `PATCH /v1/profile`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct ProfilePatch {
    /// How others see you, 1 to 40 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
}

/// `POST /v1/contacts/lookup`: who has this number, to call them. 404 if nobody has; asked for too often, it is refused.
// No `Debug` on the number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// The phone number.
    pub phone: String,
}

/// `GET /v1/blocks`: whom this user has blocked. They never ring here, and are not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Blocks {
    /// The newest first.
    pub blocked: Vec<Person>,
}

macro_rules! opaque_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), " { .. }"))
            }
        }
    )*};
}
opaque_debug!(Register, Verify, DeviceAccess, LinkBegun, LinkState, LinkCode, Profile, ProfilePatch, Lookup);
