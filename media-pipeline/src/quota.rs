//! How much a user may do at a time: uploads that stream in at once, and beginnings in an hour.
//!
//! Invariant: what is kept of a user is gone as soon as it allows everything again, so that the table is as large as those
//! who were busy in the last hour, and never larger than [`USERS_MAX`].

use crate::library::{LibraryError, QuotaConfig};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tertulia_common::{Timestamp, UserId};
use tertulia_media_core::{Reason, Refusal};

/// Users that are remembered. Beyond that, those who are not are refused until others are forgotten.
const USERS_MAX: usize = 100_000;
/// Users from which on a newcomer makes the table look for those it can forget.
const LOOK_FROM: usize = 1_024;
const HOUR: Duration = Duration::from_secs(3_600);
/// When somebody with too many at once may ask again.
const AT_ONCE_RETRY: Duration = Duration::from_secs(2);

/// The rates of everybody.
#[derive(Debug)]
pub(crate) struct Rates {
    config: QuotaConfig,
    state: Mutex<State>,
    /// Uploads that stream in now.
    pub(crate) streaming: Gauge,
    /// Refused for the sake of each limit.
    pub(crate) of_user_full: Counter,
    pub(crate) all_full: Counter,
    pub(crate) hour_full: Counter,
    pub(crate) table_full: Counter,
}

#[derive(Debug, Default)]
struct State {
    users: HashMap<UserId, Of>,
    /// Those who are deleting their account, with how often they are at it.
    leaving: HashMap<UserId, usize>,
    streaming: usize,
    look_at: usize,
}

/// What is known of one user.
#[derive(Debug, Default)]
struct Of {
    streaming: usize,
    /// When their hour would be empty again.
    empty_at: Timestamp,
}

/// An upload that streams in. Dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Slot {
    rates: Arc<Rates>,
    user: UserId,
}

/// A user is deleting their account: until it is dropped nothing of theirs begins.
#[derive(Debug)]
pub struct Leaving {
    rates: Arc<Rates>,
    user: UserId,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut state = self.rates.state.lock();
        if let Some(count) = state.leaving.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                state.leaving.remove(&self.user);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.rates.streaming.dec();
        let mut state = self.rates.state.lock();
        state.streaming = state.streaming.saturating_sub(1);
        if let Some(of) = state.users.get_mut(&self.user) {
            of.streaming = of.streaming.saturating_sub(1);
        }
    }
}

impl Rates {
    pub(crate) fn new(config: QuotaConfig) -> Self {
        Self {
            config,
            state: Mutex::default(),
            streaming: Gauge::default(),
            of_user_full: Counter::default(),
            all_full: Counter::default(),
            hour_full: Counter::default(),
            table_full: Counter::default(),
        }
    }

    /// This user deletes their account: what of theirs is here is about to go, and nothing may come meanwhile.
    pub(crate) fn leave(self: &Arc<Self>, user: &UserId) -> Leaving {
        *self.state.lock().leaving.entry(user.clone()).or_default() += 1;
        Leaving { rates: Arc::clone(self), user: user.clone() }
    }

    /// Lets one more upload stream in.
    pub(crate) fn stream(self: &Arc<Self>, user: &UserId, now: Timestamp) -> Result<Slot, LibraryError> {
        let mut state = self.state.lock();
        let all = self.config.all_uploads_at_once_max;
        if state.streaming >= all {
            self.all_full.inc();
            return Err(slower(Refusal::over(Reason::Busy, all as u64, all as u64 + 1), AT_ONCE_RETRY));
        }
        let mine = self.config.uploads_at_once_max;
        if state.users.get(user).is_some_and(|of| of.streaming >= mine) {
            self.of_user_full.inc();
            return Err(slower(Refusal::over(Reason::Busy, mine as u64, mine as u64 + 1), AT_ONCE_RETRY));
        }
        self.count(&mut state, user, now)?.streaming += 1;
        state.streaming += 1;
        self.streaming.inc();
        Ok(Slot { rates: Arc::clone(self), user: user.clone() })
    }

    /// Counts one beginning.
    pub(crate) fn begin(&self, user: &UserId, now: Timestamp) -> Result<(), LibraryError> {
        self.count(&mut self.state.lock(), user, now).map(|_| ())
    }

    fn count<'a>(&self, state: &'a mut State, user: &UserId, now: Timestamp) -> Result<&'a mut Of, LibraryError> {
        if state.leaving.contains_key(user) {
            return Err(slower(Reason::Busy.into(), AT_ONCE_RETRY));
        }
        let max = self.config.uploads_per_hour_max.max(1);
        if state.users.len() >= state.look_at.max(LOOK_FROM) {
            state.users.retain(|_, of| of.streaming > 0 || of.empty_at > now);
            // Looked at again when it has doubled: a newcomer costs a look now and then, not each time.
            state.look_at = state.users.len().saturating_mul(2);
        }
        if state.users.len() >= USERS_MAX && !state.users.contains_key(user) {
            self.table_full.inc();
            return Err(slower(Reason::Busy.into(), AT_ONCE_RETRY));
        }
        let of = state.users.entry(user.clone()).or_default();
        // Each beginning fills its part of the hour; the hour runs empty by itself.
        let filled = of.empty_at.max(now) + HOUR / max;
        if filled.since(now) > HOUR {
            let wait = filled.since(now) - HOUR;
            self.hour_full.inc();
            return Err(slower(Refusal::over(Reason::Busy, max.into(), u64::from(max) + 1), wait));
        }
        of.empty_at = filled;
        Ok(of)
    }
}

fn slower(refusal: Refusal, retry_after: Duration) -> LibraryError {
    LibraryError::Slower { refusal, retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn rates(at_once: usize, all: usize, hour: u32) -> Arc<Rates> {
        Arc::new(Rates::new(QuotaConfig {
            uploads_at_once_max: at_once,
            all_uploads_at_once_max: all,
            uploads_per_hour_max: hour,
            ..QuotaConfig::default()
        }))
    }

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    #[test]
    fn d1_uploads_at_once_are_bounded_for_each_and_for_all() {
        let rates = rates(2, 3, 1_000);
        let first = rates.stream(&user("alice"), NOW).unwrap();
        let _second = rates.stream(&user("alice"), NOW).unwrap();
        assert!(matches!(rates.stream(&user("alice"), NOW), Err(LibraryError::Slower { .. })));
        let _bobs = rates.stream(&user("bob"), NOW).unwrap();
        assert!(matches!(rates.stream(&user("carol"), NOW), Err(LibraryError::Slower { .. })));
        drop(first);
        rates.stream(&user("carol"), NOW).unwrap();
        assert_eq!((rates.of_user_full.get(), rates.all_full.get(), rates.streaming.get()), (1, 1, 2));
    }

    #[test]
    fn d1_an_hour_holds_so_many_and_empties_by_itself() {
        let rates = rates(9, 9, 4);
        for _ in 0..4 {
            rates.begin(&user("alice"), NOW).unwrap();
        }
        let Err(LibraryError::Slower { retry_after, .. }) = rates.begin(&user("alice"), NOW) else { panic!() };
        assert_eq!((retry_after, rates.hour_full.get()), (HOUR / 4, 1));
        rates.begin(&user("bob"), NOW).unwrap();
        assert!(rates.begin(&user("alice"), NOW + (retry_after - Duration::from_millis(1))).is_err());
        rates.begin(&user("alice"), NOW + retry_after).unwrap();
    }

    #[test]
    fn a9_nothing_of_a_users_begins_while_they_delete_their_account() {
        let rates = rates(9, 9, 100);
        let (once, twice) = (rates.leave(&user("alice")), rates.leave(&user("alice")));
        for held in [once, twice] {
            assert!(matches!(rates.begin(&user("alice"), NOW), Err(LibraryError::Slower { .. })));
            assert!(rates.stream(&user("alice"), NOW).is_err());
            rates.begin(&user("bob"), NOW).unwrap();
            drop(held);
        }
        rates.begin(&user("alice"), NOW).unwrap();
        assert!(rates.state.lock().leaving.is_empty());
    }

    #[test]
    fn d1_whoever_has_been_quiet_is_forgotten() {
        let rates = rates(9, 9, 4);
        for number in 0..LOOK_FROM {
            rates.begin(&user(&format!("u{number}")), NOW).unwrap();
        }
        rates.begin(&user("late"), NOW + HOUR).unwrap();
        assert_eq!(rates.state.lock().users.len(), 1);
    }
}
