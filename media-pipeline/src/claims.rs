//! Claims by proof of possession: who has a file already need not send it again.
//!
//! Invariant: a challenge is made without a look at what is here, so that it can't tell; a claim is tried once; nothing but
//! its proof decides, compared in constant time.

use crate::library::{Challenge, LibraryError};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use sha2::Sha256;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tertulia_common::{Timestamp, UserId};
use tertulia_media_core::{Reason, Refusal, Treatment};

/// Claims that may wait for their proof. Each takes some 200 bytes.
const PENDING_MAX: usize = 8_192;
/// The same of one user.
const PENDING_OF_USER_MAX: usize = 32;
/// How long a proof may take: a phone reads 100 MB in a few seconds.
const VALID: Duration = Duration::from_secs(120);
/// When somebody with too many may ask again.
const RETRY: Duration = Duration::from_secs(10);

/// A claim that waits for its proof.
pub(crate) struct Pending {
    user: UserId,
    pub(crate) sha256: [u8; 32],
    pub(crate) bytes: u64,
    pub(crate) treatment: Treatment,
    nonce: [u8; 32],
    until: Timestamp,
}

impl Pending {
    /// Whether this is the proof, of the file with this H2.
    pub(crate) fn is_proof(&self, h2: &[u8; 32], proof: &[u8; 32]) -> bool {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(h2).expect("any key is fine");
        mac.update(&self.nonce);
        // Constant in time: `verify_slice` is.
        mac.verify_slice(proof).is_ok()
    }
}

/// The claims that wait.
#[derive(Default)]
pub(crate) struct Claims {
    state: Mutex<State>,
    pub(crate) refused: Counter,
}

#[derive(Default)]
struct State {
    pending: HashMap<u128, Pending>,
    /// In the order of their ends.
    order: VecDeque<u128>,
    of_user: HashMap<UserId, usize>,
}

impl State {
    fn remove(&mut self, claim: u128) -> Option<Pending> {
        let pending = self.pending.remove(&claim)?;
        if let Some(count) = self.of_user.get_mut(&pending.user) {
            *count -= 1;
            if *count == 0 {
                self.of_user.remove(&pending.user);
            }
        }
        Some(pending)
    }

    fn forget_old(&mut self, now: Timestamp) {
        while let Some(claim) = self.order.front().copied() {
            match self.pending.get(&claim) {
                Some(pending) if pending.until > now => break,
                Some(_) | None => {
                    self.remove(claim);
                    self.order.pop_front();
                }
            }
        }
    }
}

impl Claims {
    /// A challenge for whoever says that they have this. `random` is the operating system's.
    pub(crate) fn begin(
        &self,
        user: &UserId,
        (sha256, bytes, treatment): ([u8; 32], u64, Treatment),
        random: [u8; 48],
        now: Timestamp,
    ) -> Result<Challenge, LibraryError> {
        let mut state = self.state.lock();
        state.forget_old(now);
        let mine = state.of_user.get(user).copied().unwrap_or_default();
        // The order holds those that were tried until their time is over: it is bounded with them.
        if state.order.len() >= PENDING_MAX || mine >= PENDING_OF_USER_MAX {
            self.refused.inc();
            let refusal = Refusal::from(Reason::Busy);
            return Err(LibraryError::Slower { refusal, retry_after: RETRY });
        }
        let (mut claim, mut nonce) = ([0; 16], [0; 32]);
        claim.copy_from_slice(&random[..16]);
        nonce.copy_from_slice(&random[16..]);
        let claim = u128::from_be_bytes(claim);
        let pending = Pending { user: user.clone(), sha256, bytes, treatment, nonce, until: now + VALID };
        state.pending.insert(claim, pending);
        state.order.push_back(claim);
        *state.of_user.entry(user.clone()).or_default() += 1;
        Ok(Challenge { claim, nonce, valid_for: VALID })
    }

    /// Takes a claim to try it: it is this user's, and in time. Another's stays where it is.
    pub(crate) fn take(&self, user: &UserId, claim: u128, now: Timestamp) -> Option<Pending> {
        let mut state = self.state.lock();
        let pending = state.pending.get(&claim)?;
        if pending.user != *user {
            return None;
        }
        state.remove(claim).filter(|pending| pending.until > now)
    }

    /// Forgets what a user has claimed and not proved.
    pub(crate) fn forget(&self, user: &UserId) {
        let mut state = self.state.lock();
        let mine: Vec<u128> =
            state.pending.iter().filter(|(_, pending)| pending.user == *user).map(|(claim, _)| *claim).collect();
        for claim in mine {
            state.remove(claim);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn random(number: u16) -> [u8; 48] {
        let mut random = [7; 48];
        random[..2].copy_from_slice(&number.to_be_bytes());
        random
    }

    fn begin(claims: &Claims, name: &str, number: u16, now: Timestamp) -> Result<Challenge, LibraryError> {
        claims.begin(&user(name), ([1; 32], 5, Treatment::Auto), random(number), now)
    }

    #[test]
    fn d6_a_claim_is_its_users_tried_once_and_in_time() {
        let claims = Claims::default();
        let challenge = begin(&claims, "alice", 1, NOW).unwrap();
        assert!(claims.take(&user("bob"), challenge.claim, NOW).is_none());
        let pending = claims.take(&user("alice"), challenge.claim, NOW).unwrap();
        assert!(claims.take(&user("alice"), challenge.claim, NOW).is_none(), "once");

        let proof = |key: [u8; 32]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(&challenge.nonce);
            mac.finalize().into_bytes().into()
        };
        assert!(pending.is_proof(&[2; 32], &proof([2; 32])));
        assert!(!pending.is_proof(&[2; 32], &proof([3; 32])));

        let challenge = begin(&claims, "alice", 2, NOW).unwrap();
        assert!(claims.take(&user("alice"), challenge.claim, NOW + VALID).is_none());
    }

    #[test]
    fn d6_claims_are_bounded_for_each_and_for_all_and_old_ones_make_room() {
        let claims = Claims::default();
        let mut number = 0;
        for person in 0..PENDING_MAX / PENDING_OF_USER_MAX {
            for _ in 0..PENDING_OF_USER_MAX {
                number += 1;
                begin(&claims, &format!("u{person}"), number, NOW).unwrap();
            }
            number += 1;
            assert!(begin(&claims, &format!("u{person}"), number, NOW).is_err());
        }
        assert!(begin(&claims, "another", 0, NOW).is_err());
        begin(&claims, "another", 0, NOW + VALID).unwrap();
        let state = claims.state.lock();
        assert_eq!((state.pending.len(), state.order.len(), state.of_user.len()), (1, 1, 1));
    }
}
