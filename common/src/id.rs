//! The ids: one newtype for each thing that has one.
//!
//! Text ids (`UserId`, `DeviceId`) come from outside and are checked when parsed. Number ids are made by us: `CallId` and
//! `SessionId` are UUIDs (version 7, so that they sort by time), made from a clock reading and random bits that the
//! caller hands in. A user's id is personal data: its `Debug` is the fingerprint of [`Pii`](crate::Pii).

use crate::{Pii, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use ts_rs::TS;
use uuid::Uuid;

/// The longest user or device id, in bytes. Raising it costs memory in every map keyed by them.
pub const ID_BYTES_MAX: usize = 64;

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty, or longer than [`ID_BYTES_MAX`].
    #[error("an id has 1 to {ID_BYTES_MAX} bytes, this has {0}")]
    Length(usize),
    /// A character outside the id's alphabet.
    #[error("an id can't contain {0:?}")]
    Character(char),
    /// Not a UUID.
    #[error("not a UUID")]
    Uuid,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, TS)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        #[ts(type = "string")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as its owner wrote it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.is_empty() || text.len() > ID_BYTES_MAX {
                    return Err(IdError::Length(text.len()));
                }
                let allowed: fn(char) -> bool = $allowed;
                match text.chars().find(|c| !allowed(*c)) {
                    Some(c) => Err(IdError::Character(c)),
                    None => Ok(Self(text.into())),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
    };
}

text_id! {
    /// A person, by the id that the app gave them (`sub` of its token) or that they signed in with.
    UserId, |c| c.is_alphanumeric() || "._-@+:".contains(c)
}

text_id! {
    /// One device of a user: unique within that user only, chosen by the client and kept by it.
    DeviceId, |c| c.is_ascii_alphanumeric() || "._-".contains(c)
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user{}", Pii(self.as_str()))
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, TS)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        #[ts(type = "string")]
        pub struct $name(u128);

        impl $name {
            /// A new id, of the time it was made and 80 random bits (the high ones of `random` are not used).
            #[must_use]
            pub fn new(now: Timestamp, random: u128) -> Self {
                let mut bytes = [0; 10];
                bytes.copy_from_slice(&random.to_be_bytes()[6..]);
                Self(uuid::Builder::from_unix_timestamp_millis(now.as_millis(), &bytes).into_uuid().as_u128())
            }

            /// The id as a number.
            #[must_use]
            pub fn as_u128(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&Uuid::from_u128(self.0).hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(|id| Self(id.as_u128())).map_err(|_| IdError::Uuid)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

uuid_id! {
    /// One call, from invite to end, whatever devices come and go.
    CallId
}

uuid_id! {
    /// One signalling session: a device's conversation with the server, which may outlive several sockets.
    SessionId
}

uuid_id! {
    /// A device's own name for a message it sends: the same again from the same device is the same message.
    ClientMessageId
}

uuid_id! {
    /// One person's handle on an uploaded file: several of them may be on the same bytes.
    MediaId
}

/// A room of the forwarding unit: those who are in it hear and see each other. A call has one, of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u128);

impl From<CallId> for RoomId {
    fn from(call: CallId) -> Self {
        Self(call.0)
    }
}

/// One media connection into a room: a device's leg of a call. Unique while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// One shard of the forwarding unit: a thread with its own UDP port. A room lives on one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ids_are_checked_when_parsed() {
        assert_eq!("alice@example.org".parse::<UserId>().unwrap().as_str(), "alice@example.org");
        assert_eq!("Zoë".parse::<UserId>().unwrap().as_str(), "Zoë");
        assert_eq!("".parse::<UserId>(), Err(IdError::Length(0)));
        assert_eq!("a b".parse::<UserId>(), Err(IdError::Character(' ')));
        assert_eq!("a\nb".parse::<UserId>(), Err(IdError::Character('\n')));
        assert_eq!("x".repeat(65).parse::<DeviceId>(), Err(IdError::Length(65)));
        assert_eq!("dév".parse::<DeviceId>(), Err(IdError::Character('é')));
    }

    #[test]
    fn a_user_id_does_not_show_in_debug_output() {
        assert!(!format!("{:?}", "alice".parse::<UserId>().unwrap()).contains("alice"));
    }

    #[test]
    fn call_ids_sort_by_time_and_survive_their_text_form() {
        let early = CallId::new(Timestamp(1_000), u128::MAX);
        let late = CallId::new(Timestamp(1_001), 0);
        assert!(early < late);
        assert_eq!(early.to_string().parse::<CallId>().unwrap(), early);
        assert_eq!("nonsense".parse::<CallId>(), Err(IdError::Uuid));
    }
}
