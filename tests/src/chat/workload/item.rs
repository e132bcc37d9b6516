//! What a frame says, in the words of a history.

use crate::chat::history::{Happened, Item, Tick, To, Why};
use tertulia_signaling_proto::{Content, GapReason, GroupEvent, Message, Recipient, ServerFrame};

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
    match event {
        GroupEvent::Created { name, members } => {
            Happened::Created(name, members.into_iter().map(|user| user.as_str().to_owned()).collect())
        }
        GroupEvent::Added { user, .. } => Happened::In(user.as_str().to_owned()),
        GroupEvent::Joined => Happened::In(by.to_owned()),
        GroupEvent::Removed { user } => Happened::Out(user.as_str().to_owned()),
        GroupEvent::Left => Happened::Out(by.to_owned()),
        GroupEvent::Ended => Happened::Ended,
        // What a client may have of it is in its tests; here it stands at a place.
        other @ (GroupEvent::Changed { .. } | GroupEvent::Role { .. }) => {
            let told = serde_json::to_string(&other).unwrap_or_else(|error| error.to_string());
            Happened::Else(told)
        }
    }
}
