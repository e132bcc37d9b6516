//! The names of things in the relay.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use tertulia_common::{IdError, UserId};

/// A conversation: between two people its id follows from theirs, a group's is drawn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConversationId(pub u128);

impl ConversationId {
    /// The conversation of two people, or of one with themselves. The order does not matter.
    #[must_use]
    pub fn direct(one: &UserId, other: &UserId) -> Self {
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        let mut hash = Sha256::new();
        for part in ["tertulia direct conversation", first.as_str(), second.as_str()] {
            // Lengths make the parts' borders part of the hash. Ids have at most 64 bytes.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self::of(hash)
    }

    /// The group that somebody makes under a name of their client's own: asked again, it is the same.
    #[must_use]
    pub fn group(by: &UserId, client_id: ClientId) -> Self {
        let mut hash = Sha256::new();
        for part in ["tertulia group".as_bytes(), by.as_str().as_bytes(), &client_id.0.to_be_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self::of(hash)
    }

    fn of(hash: Sha256) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        Self(u128::from_be_bytes(id))
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ConversationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 32 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(IdError::Uuid);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| IdError::Uuid)
    }
}

/// A sender's own name for a message: the same again from the same device is the same message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u128);

/// The place of a message in its conversation: 1, 2, 3, … without a hole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId {
    /// Where it was sent.
    pub conversation: ConversationId,
    /// Its place there.
    pub seq: Seq,
}

/// Where something stands among everything that mailboxes show. Rises, with holes as each device sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// Where the store keeps a body. Its meaning is the store's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BodyRef {
    /// The store's file.
    pub file: u64,
    /// Where in it.
    pub offset: u32,
    /// How long, in bytes.
    pub len: u32,
}

/// A device in a running relay. Worth nothing in another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceRef(pub u32);

/// A user in a running relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UserRef(pub(crate) u32);

/// A conversation in a running relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConvRef(pub(crate) u32);

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    #[test]
    fn a_conversation_of_two_is_the_same_from_both_sides_and_nobody_elses() {
        let id = ConversationId::direct(&user("alice"), &user("bob"));
        assert_eq!(id, ConversationId::direct(&user("bob"), &user("alice")));
        assert_ne!(id, ConversationId::direct(&user("alice"), &user("bo")));
        assert_ne!(ConversationId::direct(&user("ab"), &user("c")), ConversationId::direct(&user("a"), &user("bc")));
        assert_eq!(id.to_string().parse::<ConversationId>().unwrap(), id);
    }

    #[test]
    fn a_conversations_text_form_is_one_only() {
        for wrong in ["", "0", "zz", "+0000000000000000000000000000000", "ABCDEF00000000000000000000000000"] {
            assert!(wrong.parse::<ConversationId>().is_err(), "{wrong}");
        }
    }
}
