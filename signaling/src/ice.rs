//! STUN and TURN servers as clients are told of them: with fixed credentials, or with ones made for a user and a time.
//!
//! The latter is coturn's REST scheme (`use-auth-secret`; draft-uberti-behave-turn-rest-00): the user name is
//! `<end, in seconds since 1970>:<who>`, the password is `base64(HMAC-SHA1(secret, user name))`. The relay checks it without
//! asking us. Invariant: the shared secret never leaves this module, and `<who>` tells the relay nobody's id.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::fmt;
use std::time::Duration;
use tertulia_common::{Timestamp, UserId};
use tertulia_signaling_proto as wire;

/// A STUN or TURN server.
#[derive(Clone, Debug)]
pub struct IceServer {
    /// `stun:`, `turn:`, `stuns:` and `turns:` URLs.
    pub urls: Vec<String>,
    /// What lets clients in.
    pub access: IceAccess,
}

/// What lets clients into a STUN or TURN server.
#[derive(Clone)]
pub enum IceAccess {
    /// Nothing is needed.
    Open,
    /// The same for everyone, for ever.
    Fixed {
        /// The user name.
        username: String,
        /// The password.
        credential: String,
    },
    /// Made for each user and time, from what we share with the server.
    Shared {
        /// coturn's `static-auth-secret`.
        secret: String,
        /// How long they are good for. Shorter: what is stolen is of little use; longer: calls outlast it.
        ttl: Duration,
    },
}

impl fmt::Debug for IceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Fixed { .. } => "Fixed",
            Self::Shared { .. } => "Shared",
        })
    }
}

/// What a user is told now.
pub(crate) fn told(servers: &[IceServer], user: &UserId, now: Timestamp) -> wire::IceServers {
    let mut expires_at: Option<Timestamp> = None;
    let ice_servers = servers.iter().map(|server| {
        let (username, credential) = match &server.access {
            IceAccess::Open => (None, None),
            IceAccess::Fixed { username, credential } => (Some(username.clone()), Some(credential.clone())),
            IceAccess::Shared { secret, ttl } => {
                let end_s = now.as_millis() / 1_000 + ttl.as_secs();
                let end = Timestamp(end_s * 1_000);
                expires_at = Some(expires_at.map_or(end, |earlier| earlier.min(end)));
                let username = format!("{end_s}:{}", fingerprint(secret, user));
                let credential = STANDARD.encode(sign(secret, &username));
                (Some(username), Some(credential))
            }
        };
        wire::IceServer { urls: server.urls.clone(), username, credential }
    });
    wire::IceServers { ice_servers: ice_servers.collect(), expires_at }
}

/// The same for one person, so that the relay's quotas hold; by which nobody without the secret can tell who it is.
fn fingerprint(secret: &str, user: &UserId) -> String {
    sign(secret, &format!("user {}", user.as_str())).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
fn sign(secret: &str, text: &str) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "north wind";
    const NOW: Timestamp = Timestamp(1_794_956_800_750);

    fn shared(ttl_s: u64) -> IceServer {
        let access = IceAccess::Shared { secret: SECRET.to_owned(), ttl: Duration::from_secs(ttl_s) };
        IceServer { urls: vec!["turn:turn.example.org".to_owned()], access }
    }

    fn of(user: &str, servers: &[IceServer]) -> wire::IceServers {
        told(servers, &user.parse().unwrap(), NOW)
    }

    #[test]
    fn c6_a_password_is_what_coturn_expects() {
        // printf 1795000000:c0ffee0123456789 | openssl dgst -sha1 -hmac 'north wind' -binary | base64
        assert_eq!(STANDARD.encode(sign(SECRET, "1795000000:c0ffee0123456789")), "6GnwDqrsa9xWViZzjouMPx3S3cM=");
        // printf 'user alice' | openssl dgst -sha1 -hmac 'north wind'
        assert_eq!(fingerprint(SECRET, &"alice".parse().unwrap()), "ca8958336fed7a7f");
    }

    #[test]
    fn c6_credentials_are_of_a_user_and_a_time() {
        let alice = of("alice", &[shared(43_200)]);
        let server = &alice.ice_servers[0];
        let username = server.username.as_deref().unwrap();
        assert_eq!(username, "1795000000:ca8958336fed7a7f");
        assert_eq!(server.credential.as_deref().unwrap(), STANDARD.encode(sign(SECRET, username)));
        assert_eq!(alice.expires_at, Some(Timestamp(1_795_000_000_000)));
        assert_ne!(of("bob", &[shared(43_200)]).ice_servers[0].username, server.username);
        assert_eq!(of("alice", &[shared(43_200), shared(600)]).expires_at, Some(Timestamp(1_794_957_400_000)));
    }

    #[test]
    fn what_is_fixed_or_open_does_not_end() {
        let fixed = IceAccess::Fixed { username: "u".to_owned(), credential: "p".to_owned() };
        let servers = [fixed, IceAccess::Open].map(|access| IceServer { urls: vec!["stun:s".to_owned()], access });
        let told = of("alice", &servers);
        assert_eq!(told.expires_at, None);
        assert_eq!(told.ice_servers[0].credential.as_deref(), Some("p"));
        assert_eq!((&told.ice_servers[1].username, &told.ice_servers[1].credential), (&None, &None));
    }

    #[test]
    fn no_secret_shows() {
        assert!(!format!("{:?}", shared(60)).contains(SECRET));
    }
}
