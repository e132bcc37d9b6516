//! Groups, as sessions ask the engine for them: changes, and what a group is now.
//!
//! Invariant: what is told of a group is durable: it is looked at by the committer, and answered with its batch.

use super::{Engine, Rejected, Reply};
use tertulia_chat_core::{Ask, Changed, ConversationId, GroupView};
use tertulia_common::UserId;

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChanged {
    /// Which group, and whether the change was made before.
    pub changed: Changed,
    /// The group as it is now. None: who asked is not in it.
    pub view: Option<GroupView>,
}

/// One page of somebody's groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPage {
    /// By their ids.
    pub groups: Vec<GroupView>,
    /// There are more after these.
    pub has_more: bool,
}

/// What is asked of the committer.
pub(crate) enum GroupCommand {
    Change { ask: Ask, reply: Reply<GroupChanged> },
    View { user: UserId, group: ConversationId, reply: Reply<Option<GroupView>> },
    List { user: UserId, after: Option<ConversationId>, max: usize, reply: Reply<GroupPage> },
}

impl GroupCommand {
    pub(crate) fn refuse(self, why: &Rejected) {
        match self {
            Self::Change { reply, .. } => reply(Err(why.clone())),
            Self::View { reply, .. } => reply(Err(why.clone())),
            Self::List { reply, .. } => reply(Err(why.clone())),
        }
    }
}

impl Engine {
    /// Changes a group. The answer comes when it is durable, from the committer's thread: it must not wait for anything.
    pub fn change_group(&self, ask: Ask, answer: impl FnOnce(Result<GroupChanged, Rejected>) + Send + 'static) {
        self.ask(GroupCommand::Change { ask, reply: Box::new(answer) }.into());
    }

    /// A group as a member sees it; none for anybody else.
    pub fn group(
        &self,
        user: &UserId,
        group: ConversationId,
        answer: impl FnOnce(Result<Option<GroupView>, Rejected>) + Send + 'static,
    ) {
        self.ask(GroupCommand::View { user: user.clone(), group, reply: Box::new(answer) }.into());
    }

    /// Whether these are in a group, in their order: as it is decided, perhaps not durable yet.
    pub fn are_in_group<'a>(&self, group: ConversationId, users: impl IntoIterator<Item = &'a UserId>) -> Vec<bool> {
        let relay = self.shared.relay.lock();
        users.into_iter().map(|user| relay.is_in_group(user, group)).collect()
    }

    /// A group that goes on, whoever asks: as it is decided, perhaps not durable yet.
    pub fn group_there(&self, group: ConversationId) -> Option<GroupView> {
        self.shared.relay.lock().group_there(group)
    }

    /// The groups that somebody is in, at most so many after one.
    pub fn groups(
        &self,
        user: &UserId,
        after: Option<ConversationId>,
        max: usize,
        answer: impl FnOnce(Result<GroupPage, Rejected>) + Send + 'static,
    ) {
        self.ask(GroupCommand::List { user: user.clone(), after, max, reply: Box::new(answer) }.into());
    }
}
