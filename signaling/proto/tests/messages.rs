//! Messages in every codec: as they are kept, as clients send them.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use serde_json::{Value, json};
use tertulia_common::{ClientMessageId, Timestamp, UserId};
use tertulia_signaling_proto::{
    ClientFrame, Codec, Content, MailboxAck, Message, MessageHead, MessageSend, Recipient, RequestId, ServerFrame,
};

/// The same value in each codec.
fn encoded(codec: Codec, value: &Value) -> Vec<u8> {
    match codec {
        Codec::Json => value.to_string().into_bytes(),
        Codec::Msgpack | Codec::Compact => rmp_serde::to_vec_named(value).unwrap(),
    }
}

#[test]
fn m1_a_message_with_its_content_as_it_is_kept_is_the_frame_that_it_would_be() {
    let texts = ["See you at six?".to_owned(), "Grüße 👋".repeat(40), "x".repeat(70_000), String::new()];
    let (from, conversation) = ("alice".parse().unwrap(), "0123456789abcdef0123456789abcdef".to_owned());
    for text in texts {
        for to in [Recipient::User("bob".parse().unwrap()), Recipient::Group(conversation.clone())] {
            let content = Content::Text { text: text.clone() };
            let kept = content.to_bytes();
            let message = Message {
                seq: 5_012,
                conversation: conversation.clone(),
                conversation_seq: 12,
                from: UserId::clone(&from),
                to,
                sent_at: Timestamp(1_790_000_000_000),
                content,
            };
            let (seq, conversation_seq, sent_at) = (message.seq, message.conversation_seq, message.sent_at);
            let (conversation, from, to) = (&message.conversation, &message.from, &message.to);
            let head = MessageHead { seq, conversation, conversation_seq, from, to, sent_at };
            for codec in Codec::ALL {
                let frame = codec.encode_message(head, &kept).unwrap();
                assert_eq!(frame, codec.encode_server(&ServerFrame::Message(Box::new(message.clone()))), "{codec:?}");
            }
        }
    }
}

#[test]
fn m1_what_clients_often_say_of_messages_survives_every_codec_wherever_the_type_stands() {
    let client_id = ClientMessageId::new(Timestamp(1_790_000_000_000), 7);
    let send = MessageSend {
        id: RequestId(300),
        client_id,
        to: Recipient::Group("0123456789abcdef0123456789abcdef".to_owned()),
        content: Content::Text { text: "type".to_owned() },
    };
    for codec in Codec::ALL {
        for received in [None, Some(0), Some(70_000)] {
            let ack = ClientFrame::MailboxAck(MailboxAck { seq: 5_000_000_000, received });
            assert_eq!(codec.decode_client(&codec.encode_client(&ack)).unwrap(), ack);
        }
        let frame = ClientFrame::MessageSend(send.clone());
        assert_eq!(codec.decode_client(&codec.encode_client(&frame)).unwrap(), frame);
    }
    let late = json!({"new": {"type": "ack", "deep": [1, {"er": "x"}]}, "seq": 7, "type": "mailbox.ack"});
    for codec in Codec::ALL {
        let ack = ClientFrame::MailboxAck(MailboxAck { seq: 7, received: None });
        assert_eq!(codec.decode_client(&encoded(codec, &late)).unwrap(), ack);
        for bad in [
            json!({"type": "mailbox.ack"}),
            json!({"type": "message.send", "id": 1, "client_id": "no", "to": {"user": "bob"}, "content": {"type": "text", "text": "t"}}),
            json!({"type": "message.send", "id": 1, "client_id": client_id, "to": {"user": "bob"}, "content": {"text": "t"}}),
        ] {
            assert!(codec.decode_client(&encoded(codec, &bad)).is_err(), "{bad}");
        }
    }
}
