//! The latest messages of one device by their client's id, so that sending one again is answered and not repeated.
//!
//! Bounded by count: a client must not have more messages unconfirmed than this holds, which its limits tell it.

use crate::id::ClientId;
use crate::record::SentRecord;
use std::collections::VecDeque;

/// What is known of a device's latest messages, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dedup {
    sent: VecDeque<SentRecord>,
}

impl Dedup {
    pub(crate) fn find(&self, client_id: ClientId) -> Option<&SentRecord> {
        // What is sent again is mostly the newest.
        self.sent.iter().rev().find(|known| known.client_id == client_id)
    }

    pub(crate) fn add(&mut self, sent: SentRecord, max: usize) {
        if self.find(sent.client_id).is_some() {
            return;
        }
        while self.sent.len() >= max.max(1) {
            self.sent.pop_front();
        }
        self.sent.push_back(sent);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SentRecord> {
        self.sent.iter()
    }

    /// Puts what a crash made us hear in another order back into the order of sending.
    pub(crate) fn sort(&mut self) {
        self.sent.make_contiguous().sort_by_key(|known| (known.sent_at, known.conversation, known.seq));
    }
}
