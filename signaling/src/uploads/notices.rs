//! Whom an upload was to go to hears that it was refused, where its sender asks for that (`tell`).
//!
//! Invariant: a notice goes where a message of the sender's would go, and only among people who write to each other: to somebody they
//! share a conversation with and who has not blocked them, to a group that they may write in. Whom it does not reach, its
//! sender does not learn. It is a hint: who is not connected misses it, and so does everybody if the program ends before the refusal.

use crate::gateway::Shared;
use crate::uploads::refusal_to_wire;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tertulia_common::UserId;
use tertulia_media_core::{Reason, Refusal};
use tertulia_signaling_core::Endpoint;
use tertulia_signaling_proto::{MediaRejected, Recipient, ServerFrame};

/// Uploads under way whose refusal others are to hear of. Raising it costs about 250 bytes each; the oldest go first.
const ASKED_MAX: usize = 4_096;

/// A sender's wish that others hear of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) from: Endpoint,
    pub(crate) to: Recipient,
    pub(crate) file_name: Option<String>,
}

/// Wishes for what is not decided yet, by the upload's or the file's id.
#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<VecDeque<(String, Wish)>>);

impl Notices {
    /// It may still be refused.
    pub(crate) fn keep(&self, id: String, wish: Wish) {
        let mut asked = self.0.lock();
        if asked.len() >= ASKED_MAX {
            asked.pop_front();
        }
        asked.push_back((id, wish));
    }

    /// It is decided, or goes on under another id.
    pub(crate) fn take(&self, id: &str) -> Option<Wish> {
        let mut asked = self.0.lock();
        let at = asked.iter().position(|(known, _)| known == id)?;
        asked.remove(at).map(|(_, wish)| wish)
    }

    /// The same, and it stays.
    pub(crate) fn get(&self, id: &str) -> Option<Wish> {
        self.0.lock().iter().find(|(known, _)| known == id).map(|(_, wish)| wish.clone())
    }
}

/// `user:<id>` or `group:<conversation>`.
pub(crate) fn recipient(text: &str) -> Option<Recipient> {
    match text.split_once(':')? {
        ("user", user) => user.parse().ok().map(Recipient::User),
        ("group", group) => Some(Recipient::Group(group.to_owned())),
        _ => None,
    }
}

/// Whether it was refused for what it is: what ails its sender's storage or network is nobody else's.
fn is_the_files(reason: Reason) -> bool {
    use Reason::{
        Busy, Cancelled, ChecksumMismatch, LengthMismatch, Quota, SandboxUnavailable, Stalled, StoreUnavailable,
    };
    !matches!(
        reason,
        ChecksumMismatch | LengthMismatch | Stalled | Quota | Busy | StoreUnavailable | SandboxUnavailable | Cancelled
    )
}

/// Tells them, beside whatever goes on.
pub(crate) fn tell(shared: &Arc<Shared>, wish: Wish, refusal: &Refusal) {
    if !is_the_files(refusal.reason) {
        return;
    }
    let (shared, error) = (Arc::clone(shared), refusal_to_wire(refusal));
    tokio::spawn(async move {
        let Wish { from, to, file_name } = wish;
        let people = whom(&shared, &from, &to).await;
        let rejected = MediaRejected { media_id: None, file_name, error, from: Some(from.user), to: Some(to) };
        let frame = ServerFrame::MediaRejected(rejected);
        people.iter().for_each(|user| shared.hub.tell_user_now(user, &frame));
    });
}

async fn whom(shared: &Shared, from: &Endpoint, to: &Recipient) -> Vec<UserId> {
    let Some(chat) = &shared.chat else { return Vec::new() };
    match to {
        Recipient::User(user) => {
            let reaches = *user != from.user
                && chat.have_met(&from.user, user)
                && chat.reaches(&shared.directory, shared.clock, &from.user, user).await;
            if reaches { vec![user.clone()] } else { Vec::new() }
        }
        Recipient::Group(group) => {
            let mut members = chat.written_to(from, group).unwrap_or_default();
            members.retain(|member| *member != from.user);
            members
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(number: usize) -> Wish {
        let from = Endpoint { user: "alice".parse().unwrap(), device: "phone".parse().unwrap() };
        Wish { from, to: Recipient::Group(number.to_string()), file_name: None }
    }

    #[test]
    fn d2_who_is_to_hear_is_said_in_words_that_leave_no_doubt() {
        assert_eq!(recipient("user:bob"), Some(Recipient::User("bob".parse().unwrap())));
        assert_eq!(recipient("group:abc"), Some(Recipient::Group("abc".to_owned())));
        for bad in ["", "bob", "user:", "user:b o b", "room:x"] {
            assert_eq!(recipient(bad), None, "{bad}");
        }
    }

    #[test]
    fn d2_a_full_storage_is_told_to_nobody_else() {
        assert!(is_the_files(Reason::TooLong) && is_the_files(Reason::Unsupported));
        assert!(!is_the_files(Reason::Quota) && !is_the_files(Reason::Stalled));
    }

    #[test]
    fn d2_a_wish_is_kept_until_it_is_taken_and_the_oldest_make_room() {
        let notices = Notices::default();
        for number in 0..=ASKED_MAX {
            notices.keep(number.to_string(), wish(number));
        }
        assert_eq!(notices.take("0"), None);
        assert_eq!(notices.get("1"), Some(wish(1)));
        assert_eq!(notices.take("1"), Some(wish(1)));
        assert_eq!(notices.take("1"), None);
    }
}
