//! The reference of messages: their HTTP call, an example of each frame and body.

use crate::markdown::Call;
use serde_json::Value;
use tertulia_common::{ClientMessageId, MediaId, Timestamp, UserId};
use tertulia_signaling_proto::{
    ClientFrame, Content, Drained, Gap, GapReason, MailboxAck, MediaClass, MediaContent, Message, MessagePost,
    MessageRead, MessageSend, MessageSent, Receipt, Receipts, Recipient, RequestId, ServerFrame, SharedFile,
};

const AT: u64 = 1_790_000_600_000;
const CONVERSATION: &str = "4f1c8e6b0a5d42c7b9d3e1f2a6c80794";

#[expect(clippy::expect_used, reason = "an example is an id")]
fn user(id: &str) -> UserId {
    id.parse().expect("an id")
}

fn text() -> Content {
    Content::Text { text: "Shall we talk at six?".to_owned() }
}

fn photo(file: Option<Box<SharedFile>>) -> Content {
    let media_id = MediaId::new(Timestamp(AT), 5);
    Content::Media(MediaContent { media_id, caption: Some("The beach".to_owned()), file })
}

fn told() -> SharedFile {
    SharedFile {
        class: MediaClass::Image,
        mime: "image/jpeg".to_owned(),
        file_name: None,
        bytes: 183_552,
        width: Some(1_600),
        height: Some(1_200),
        duration_ms: None,
        has_sound: None,
        has_thumbnail: true,
        thumbhash: Some("3OcRJYB4d3h/iIeHeEh3eIhw+j3A".to_owned()),
        preview: None,
        waveform: None,
        once: false,
    }
}

/// Their HTTP calls.
pub(crate) const CALLS: &[Call] = &[Call {
    what: "POST /v1/messages",
    about: "Sends a message as `message.send` does, by plain HTTP, with the same answer and the same refusals. 201; 200: it was sent before, by \
            the same `client_id`. It comes from the token's device; with an app's token from the one that the header `tertulia-device-id` \
            names. The device must have a mailbox (it was connected with `caps.messages` once), else `no_mailbox`; it is handed out to the \
            user's other devices, not to this one. Nothing orders two calls that are made at once. Needs a token.",
    body: Some("MessagePost"),
    answer: Some("MessageSent"),
}];

/// An example of every body.
pub(crate) fn bodies() -> serde_json::Result<Vec<(&'static str, Value)>> {
    let post = MessagePost {
        client_id: ClientMessageId::new(Timestamp(AT), 9),
        to: Recipient::User(user("bob")),
        content: text(),
    };
    let sent = MessageSent {
        conversation: CONVERSATION.to_owned(),
        conversation_seq: 14,
        sent_at: Timestamp(AT),
        duplicate: false,
        content: None,
    };
    Ok(vec![("MessagePost", serde_json::to_value(post)?), ("MessageSent", serde_json::to_value(sent)?)])
}

/// What clients send.
pub(crate) fn client() -> Vec<ClientFrame> {
    vec![
        ClientFrame::MessageSend(MessageSend {
            id: RequestId(10),
            client_id: ClientMessageId::new(Timestamp(AT), 7),
            to: Recipient::User(user("bob")),
            content: text(),
        }),
        ClientFrame::MessageSend(MessageSend {
            id: RequestId(12),
            client_id: ClientMessageId::new(Timestamp(AT), 8),
            to: Recipient::User(user("bob")),
            content: photo(None),
        }),
        ClientFrame::MessageRead(MessageRead {
            id: RequestId(11),
            conversation: CONVERSATION.to_owned(),
            read_upto: 12,
        }),
        ClientFrame::MailboxAck(MailboxAck { seq: 5_012 }),
    ]
}

/// What the server sends.
pub(crate) fn server() -> Vec<ServerFrame> {
    vec![
        ServerFrame::Message(Box::new(Message {
            seq: 5_012,
            conversation: CONVERSATION.to_owned(),
            conversation_seq: 12,
            from: user("bob"),
            to: Recipient::User(user("alice")),
            sent_at: Timestamp(AT),
            content: text(),
        })),
        ServerFrame::Message(Box::new(Message {
            seq: 5_013,
            conversation: CONVERSATION.to_owned(),
            conversation_seq: 13,
            from: user("bob"),
            to: Recipient::User(user("alice")),
            sent_at: Timestamp(AT),
            content: photo(Some(Box::new(told()))),
        })),
        ServerFrame::Receipts(Receipts {
            seq: 5_014,
            conversation: CONVERSATION.to_owned(),
            receipts: vec![Receipt { user: user("bob"), delivered_upto: 13, read_upto: 12 }],
            all: None,
        }),
        ServerFrame::Gap(Gap { seq: 4_100, reason: GapReason::Expired }),
        ServerFrame::Drained(Drained { seq: 5_014 }),
    ]
}
