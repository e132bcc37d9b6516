//! What a frame says, in the words of a history.

use crate::chat::history::{Happened, Item, Role, Tick, To, Why};
use tertulia_signaling_proto::{Content, GapReason, GroupEvent, GroupRole, Message, Recipient, ServerFrame};

/// Where a message goes.
pub(super) fn place(to: &Recipient) -> To {
    match to {
        Recipient::User(to) => To::User(to.as_str().to_owned()),
        Recipient::Group(group) => To::Group(group.clone()),
    }
}

/// What a frame of the mailbox says.
pub(super) fn item(frame: ServerFrame) -> Option<Item> {
    match frame {
        ServerFrame::Message(message) => of_message(*message),
        ServerFrame::Receipts(receipts) => Some(Item::Receipts {
            position: receipts.seq,
            conversation: receipts.conversation,
            all: receipts.all.map(|all| (all.delivered_upto, all.read_upto)),
            ticks: receipts
                .receipts
                .into_iter()
                .map(|tick| Tick {
                    user: tick.user.as_str().to_owned(),
                    delivered: tick.delivered_upto,
                    read: tick.read_upto,
                })
                .collect(),
        }),
        ServerFrame::Gap(gap) => Some(Item::Gap {
            upto: gap.seq,
            why: match gap.reason {
                GapReason::Expired => Why::Age,
                GapReason::Quota => Why::Quota,
            },
        }),
        _ => None,
    }
}

fn of_message(message: Message) -> Option<Item> {
    let (position, seq, sent_at) = (message.seq, message.conversation_seq, message.sent_at);
    let from = message.from.as_str().to_owned();
    match message.content {
        Content::Text { text } => {
            let (conversation, to) = (message.conversation, place(&message.to));
            Some(Item::Message { position, conversation, seq, from, to, sent_at, body: text })
        }
        Content::System(event) => {
            let what = happened(event, &from);
            Some(Item::Entry { position, group: message.conversation, seq, from, sent_at, what })
        }
        _ => None,
    }
}

fn happened(event: GroupEvent, by: &str) -> Happened {
    let name = |user: tertulia_common::UserId| user.as_str().to_owned();
    match event {
        GroupEvent::Created { name: title, members } => {
            Happened::Created(title, members.into_iter().map(name).collect())
        }
        GroupEvent::Added { user, role: of } => Happened::Added(name(user), role(of)),
        GroupEvent::Joined => Happened::Joined(by.to_owned()),
        GroupEvent::Removed { user } => Happened::Removed(name(user)),
        GroupEvent::Left => Happened::Left(by.to_owned()),
        GroupEvent::Role { user, role: of } => Happened::Becomes(name(user), role(of)),
        GroupEvent::Changed { changes } => {
            let told = serde_json::to_string(&changes).unwrap_or_else(|error| error.to_string());
            Happened::Edited { post: changes.post.map(role), edit: changes.edit.map(role), told }
        }
        GroupEvent::Ended => Happened::Ended,
    }
}

fn role(of: GroupRole) -> Role {
    match of {
        GroupRole::Member => Role::Member,
        GroupRole::Admin => Role::Admin,
        GroupRole::Owner => Role::Owner,
    }
}
