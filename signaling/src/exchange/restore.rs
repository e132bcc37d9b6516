//! Calls that come back after a restart, before anybody connects.

use super::{Book, Exchange, Names};
use crate::history::Kept;
use crate::media::CallMedia;
use std::collections::HashMap;
use tertulia_common::{CallId, UserId};
use tertulia_directory::{Directory, Error, LiveCalls};
use tertulia_signaling_core::{Endpoint, Event};

impl Exchange {
    /// Takes over the calls of the run before this one. Answers with the devices that have a part in them.
    ///
    /// # Errors
    /// If the directory fails.
    pub(crate) async fn restore(&self, directory: &Directory) -> Result<Vec<Endpoint>, Error> {
        let LiveCalls { alive_at, calls } = directory.live_calls().await?;
        let mut unreadable: Vec<CallId> = Vec::new();
        let mut kept = Vec::new();
        for live in calls {
            match serde_json::from_str::<Kept>(&live.image) {
                Ok(call) => kept.push(call),
                Err(_) => unreadable.push(live.call),
            }
        }
        let names = names(directory, &kept).await?;
        let kept_until = kept.iter().filter_map(|kept| kept.image.forget_at()).max();

        let (restored, now) = {
            let mut inner = self.inner.lock();
            let now = self.clock.now();
            let alive_at = alive_at.unwrap_or(now);
            for Kept { image, quality } in kept.iter().filter(|kept| kept.image.forget_at().is_none()) {
                let named =
                    |user: &UserId| (user.clone(), names.get(user).map_or(user.as_str(), String::as_str).to_owned());
                let mut quality = *quality;
                if image.is_answered() {
                    quality.caller.interrupted(alive_at);
                    quality.callee.interrupted(alive_at);
                }
                let book = Book {
                    call: image.call(),
                    names: Names::new(image.users().into_iter().map(named)),
                    group: None,
                    media: CallMedia::default(),
                    quality,
                    quality_kept_at: now,
                };
                inner.books.insert(image.call().into(), book);
            }
            let restored = inner.board.restore(now, alive_at, kept.into_iter().map(|kept| kept.image).collect());
            unreadable.extend(&restored.refused);
            for call in &restored.refused {
                inner.books.remove(&(*call).into());
            }
            self.carry_out(&mut inner);
            self.history.restored(inner.books.values().map(|book| book.call).collect(), kept_until);
            (restored, now)
        };
        if !unreadable.is_empty() {
            tracing::error!(calls = unreadable.len(), "calls of the run before this one can't be read: they are lost");
            directory.forget_live_calls(&unreadable).await?;
        }
        self.hub.metrics.calls_restored.inc_by(restored.calls as u64);
        if restored.calls > 0 {
            let away_ms = alive_at.map_or(0, |alive_at| crate::translate::millis(now.since(alive_at)));
            tracing::info!(calls = restored.calls, away_ms, "calls of the run before this one go on");
        }
        Ok(restored.devices)
    }

    /// Time is over for devices of restored calls: those without a session are gone.
    pub(crate) fn gone_unless_back(&self, devices: Vec<Endpoint>) {
        let mut inner = self.inner.lock();
        for device in devices {
            if self.hub.session_of(&device).is_none() {
                self.event(&mut inner, Event::DeviceGone { device });
            }
        }
    }
}

/// The names of those in these calls.
async fn names(directory: &Directory, kept: &[Kept]) -> Result<HashMap<UserId, String>, Error> {
    let mut names = HashMap::new();
    for user in kept.iter().filter(|kept| kept.image.forget_at().is_none()).flat_map(|kept| kept.image.users()) {
        if !names.contains_key(user)
            && let Some(known) = directory.user(user).await?
        {
            names.insert(user.clone(), known.name);
        }
    }
    Ok(names)
}
