//! The reference of messages: their HTTP call, an example of each frame and body.

use crate::markdown::Call;
use serde_json::Value;
use tertulia_common::{ClientMessageId, MediaId, Timestamp, UserId};
use tertulia_signaling_proto::{
    ClientFrame, Content, DeliveryState, Drained, FoundMessage, Gap, GapReason, MailboxAck, MediaClass, MediaContent,
    Message, MessagePost, MessageRead, MessageSend, MessageSent, Messages, Receipt, Receipts, Recipient, RequestId,
    ServerFrame, SharedFile,
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

const LOOK: Call = Call {
    what: "GET /v1/messages?conversation=&message_id=&state=&cursor=&limit=",
    about: "What waits for this device, with what it says, and how far what this user has sent has come. Nothing is acknowledged by it. By \
            conversation and place; `next` is the `cursor` of the next page (`limit`: 1 to 100, 50 if not said). A page may be short, or \
            empty, and have a next; what is sent meanwhile puts nothing twice and leaves nothing out. `state`: some of \
            `pending,delivered,read`. `message_id`: a conversation, a dot, a place in it. The device is known as in `POST /v1/messages`; of \
            one without a mailbox only what was sent is shown. \
            What it does not know: what was acknowledged (no content, and of others' messages nothing), and of what was sent more than the \
            latest 64 of each device, unless somebody waits for it; what a device that is unlinked has sent is forgotten. In a group a \
            message is `delivered` and `read` when all who are in it have come so far; who has left sees what waits from their time, and no \
            states. 404 (`unknown_conversation`): there is none, or one of others. Needs a token.",
    body: None,
    answer: Some("Messages"),
};

/// Their HTTP calls.
pub(crate) const CALLS: &[Call] = &[
    LOOK,
    Call {
        what: "POST /v1/messages",
        about: "Sends a message as `message.send` does, by plain HTTP, with the same answer and the same refusals. 201; 200: it was sent before, by \
            the same `client_id`. It comes from the token's device; with an app's token from the one that the header `tertulia-device-id` \
            names. The device must have a mailbox (it was connected with `caps.messages` once), else `no_mailbox`; it is handed out to the \
            user's other devices, not to this one. Nothing orders two calls that are made at once. Needs a token.",
        body: Some("MessagePost"),
        answer: Some("MessageSent"),
    },
];

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
    let waits = FoundMessage {
        message_id: format!("{CONVERSATION}.12"),
        conversation: CONVERSATION.to_owned(),
        conversation_seq: 12,
        from: user("bob"),
        to: Recipient::User(user("alice")),
        sent_at: Timestamp(AT),
        state: DeliveryState::Pending,
        client_id: None,
        content: Some(text()),
    };
    let own = FoundMessage {
        message_id: format!("{CONVERSATION}.14"),
        conversation_seq: 14,
        from: user("alice"),
        to: Recipient::User(user("bob")),
        state: DeliveryState::Delivered,
        client_id: Some(ClientMessageId::new(Timestamp(AT), 9)),
        content: None,
        ..waits.clone()
    };
    let page = Messages { messages: vec![waits, own], next: Some("TxyOawpdQse50-HypsgHlAAAAAAAAAAO".to_owned()) };
    Ok(vec![
        ("MessagePost", serde_json::to_value(post)?),
        ("MessageSent", serde_json::to_value(sent)?),
        ("Messages", serde_json::to_value(page)?),
    ])
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
        ClientFrame::MailboxAck(MailboxAck { seq: 5_012, received: Some(37) }),
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
