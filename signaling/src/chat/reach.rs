//! Who may write to whom, as the directory was found to say: so that a message to somebody one writes to often asks nothing.
//!
//! Invariant: what is answered from memory was so when it was asked. Every change that could make it otherwise, a block or an
//! account that ends, forgets all of it after it is committed and before whoever made it hears of it (`tertulia_directory`'s
//! `watch.rs`); an answer that was on its way meanwhile is not kept. Another program that changed the database itself would be
//! heard of after [`KEPT_FOR`].

use crate::clock::Clock;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;
use tertulia_common::{Timestamp, UserId};
use tertulia_directory::{AccessChange, AccessWatch, Directory};
use tertulia_signaling_proto::ErrorCode;

/// How long an answer is kept.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Pairs that are remembered at least, twice as many at most. Raising it costs about 300 bytes each.
const PAIRS_MAX: usize = 32_768;

/// Until when, and whether it is withheld.
type Known = FxHashMap<(UserId, UserId), (Timestamp, bool)>;

/// The pairs that were asked for lately.
#[derive(Debug, Default)]
pub(super) struct Reach(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Asked for since the others became old; those, which go when there are as many of these.
    young: Known,
    old: Known,
    changes: u64,
}

impl AccessWatch for Reach {
    fn changed(&self, change: &AccessChange) {
        match change {
            AccessChange::File(_) | AccessChange::Grants(..) => {}
            AccessChange::AllGrants | AccessChange::All => {
                let mut state = self.0.lock();
                *state = State { changes: state.changes + 1, ..State::default() };
            }
        }
    }
}

impl Reach {
    /// Nothing yet, and told of every change of this directory's.
    pub(super) fn of(directory: &Directory) -> Arc<Self> {
        let reach = Arc::new(Self::default());
        let watch: Arc<dyn AccessWatch> = Arc::clone(&reach) as _;
        directory.watch_access(Arc::downgrade(&watch));
        reach
    }

    /// Whether what `from` writes to `to` is withheld, if that is known.
    pub(super) fn known(&self, now: Timestamp, pair: &(UserId, UserId)) -> Option<bool> {
        let mut state = self.0.lock();
        if let Some((until, withheld)) = state.young.get(pair).copied() {
            return (now < until).then_some(withheld);
        }
        let (until, withheld) = state.old.remove(pair).filter(|(until, _)| now < *until)?;
        state.keep(pair.clone(), (until, withheld));
        Some(withheld)
    }

    /// The same; the directory is asked if it is not known.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownUser`] if there is no such person; if the database fails.
    pub(super) async fn is_withheld(
        &self,
        directory: &Directory,
        clock: Clock,
        from: &UserId,
        to: &UserId,
    ) -> Result<bool, ErrorCode> {
        let (now, pair) = (clock.now(), (from.clone(), to.clone()));
        if let Some(withheld) = self.known(now, &pair) {
            return Ok(withheld);
        }
        let changes = self.0.lock().changes;
        let blocked = directory.has_blocked(to, from).await.map_err(|error| {
            tracing::error!(%error, "the directory did not say who is written to");
            ErrorCode::Internal
        })?;
        let withheld = blocked.ok_or(ErrorCode::UnknownUser)?;
        let mut state = self.0.lock();
        if state.changes == changes {
            state.keep(pair, (now + KEPT_FOR, withheld));
        }
        Ok(withheld)
    }
}

impl State {
    fn keep(&mut self, pair: (UserId, UserId), known: (Timestamp, bool)) {
        if self.young.len() >= PAIRS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(pair, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(number: usize) -> (UserId, UserId) {
        (format!("a{number}").parse().unwrap(), "b".parse().unwrap())
    }

    fn knows(reach: &Reach, number: usize) -> Option<bool> {
        reach.known(Timestamp(0), &pair(number))
    }

    fn keeps(reach: &Reach, number: usize) {
        reach.0.lock().keep(pair(number), (Timestamp(10), true));
    }

    #[test]
    fn what_is_known_is_known_until_something_changes_or_its_time_is_over() {
        let reach = Reach::default();
        keeps(&reach, 0);
        assert_eq!((knows(&reach, 0), knows(&reach, 1)), (Some(true), None));
        assert_eq!(reach.known(Timestamp(10), &pair(0)), None);
        for (change, known) in [
            (AccessChange::Grants(tertulia_common::MediaId::new(Timestamp(0), 0), Vec::new()), Some(true)),
            (AccessChange::AllGrants, None),
        ] {
            reach.changed(&change);
            assert_eq!(knows(&reach, 0), known, "{change:?}");
        }
        keeps(&reach, 0);
        reach.changed(&AccessChange::All);
        assert_eq!(knows(&reach, 0), None);
    }

    #[test]
    fn who_is_asked_for_often_stays_and_the_others_make_room() {
        let reach = Reach::default();
        for number in 0..5 * PAIRS_MAX {
            keeps(&reach, number);
            assert_eq!(knows(&reach, 0), Some(true), "{number}");
            let State { young, old, .. } = &*reach.0.lock();
            assert!(young.len() <= PAIRS_MAX && old.len() <= PAIRS_MAX);
        }
        assert_eq!(knows(&reach, PAIRS_MAX), None, "long not asked for");
    }
}
