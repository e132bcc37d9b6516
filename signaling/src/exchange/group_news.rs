//! What members of a group hear of its call while they are not in it, and who is a member no longer.
//!
//! Invariant: a group's members hear of its call once a pause at most, however many come and go; the last thing that they hear is how it
//! is. Who is in the call hears the roster instead. Whoever leaves a group hears last that there is no call for them there.

use super::Exchange;
use crate::chat::Chat;
use crate::translate;
use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use std::sync::Arc;
use std::time::Duration;
use tertulia_chat::engine::Engine;
use tertulia_chat_core::ConversationId;
use tertulia_common::UserId;
use tertulia_signaling_core::{Endpoint, GroupKey};
use tertulia_signaling_proto::{GroupCall, GroupCallChanged, ServerFrame};
use tokio::sync::Notify;
use tokio::time::sleep;

/// How long changes are collected. Raising it shows later who is in a call; lowering it makes a crowd that joins cost its group more.
const PAUSE: Duration = Duration::from_millis(250);

/// The groups whose calls have changed.
#[derive(Debug, Default)]
pub(crate) struct GroupNews {
    /// At most one for each call that goes on, and those that have just ended.
    due: Mutex<FxHashSet<GroupKey>>,
    wake: Notify,
    /// Held while it is looked up who is a member, and those are told: what is told of one moment comes before what is told of a later one.
    telling: Mutex<()>,
}

impl GroupNews {
    pub(super) fn changed(&self, group: GroupKey) {
        self.due.lock().insert(group);
        self.wake.notify_one();
    }

    /// Tells the members of groups. Never ends.
    pub(crate) async fn run(self: Arc<Self>, exchange: Arc<Exchange>, engine: Arc<Engine>) {
        loop {
            self.wake.notified().await;
            sleep(PAUSE).await;
            let due = std::mem::take(&mut *self.due.lock());
            for group in due {
                tell(&exchange, &engine, group);
            }
        }
    }
}

fn tell(exchange: &Exchange, engine: &Engine, group: GroupKey) {
    let _telling = exchange.news.telling.lock();
    let Some(there) = engine.group_there(ConversationId(group.0)) else { return };
    exchange.group_is_called(group, &there.about.name);
    let going = exchange.group_call(group);
    let inside = going.as_ref().map(|(_, inside)| inside.as_slice()).unwrap_or_default();
    let outside = |(user, _): &(UserId, _)| {
        let devices = exchange.showing_devices(user).into_iter();
        devices.filter(|device| !inside.contains(device)).collect::<Vec<Endpoint>>()
    };
    let to: Vec<Endpoint> = there.members.iter().flat_map(outside).collect();
    let call = going.as_ref().map(|(call, _)| call.clone());
    let changed = GroupCallChanged { group_id: translate::group_id(group), call };
    exchange.tell_group(&to, &ServerFrame::CallGroup(Box::new(changed)));
}

impl Exchange {
    /// These have left a group, or it is over: if they are out of it, there is no call for them there any longer.
    pub(crate) fn left_group(&self, group: GroupKey, users: &[UserId], chat: &Chat) {
        let _telling = self.news.telling.lock();
        let are_in = chat.are_in_group(ConversationId(group.0), users);
        let out = users.iter().zip(are_in).filter(|(_, is_in)| !is_in);
        let to: Vec<Endpoint> = out.flat_map(|(user, _)| self.showing_devices(user)).collect();
        let changed = GroupCallChanged { group_id: translate::group_id(group), call: None };
        self.tell_group(&to, &ServerFrame::CallGroup(Box::new(changed)));
    }

    /// The calls of a user's groups that go on, for their welcome.
    pub(crate) fn group_calls_for(&self, user: &UserId, chat: &Chat) -> Vec<GroupCall> {
        let is_in = |group: &GroupKey| chat.are_in_group(ConversationId(group.0), [user]) == [true];
        let groups = self.groups_in_call().into_iter().filter(is_in);
        groups.filter_map(|group| Some(self.group_call(group)?.0)).collect()
    }
}
