//! JSON and MessagePack, from the same types. MessagePack frames are maps with the same field names as the JSON; in compact ones the
//! names are numbers ([`crate::compact`]).

use crate::compact::{self, DEPTH_MAX};
use crate::{ClientFrame, Content, Message, Recipient, RequestId, ServerFrame};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tertulia_common::{Timestamp, UserId};

/// How a socket's frames are written, chosen by its subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// `tertulia.v1.json`: text frames.
    Json,
    /// `tertulia.v1.msgpack`: binary frames.
    Msgpack,
    /// `tertulia.v1.compact`: binary frames, in which names and ids are short.
    Compact,
}

/// A frame that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not a frame.
    #[error("not a JSON frame: {0}")]
    Json(#[from] serde_json::Error),
    /// Not MessagePack, or not a frame.
    #[error("not a MessagePack frame: {0}")]
    Msgpack(#[from] rmp_serde::decode::Error),
    /// Not a compact frame.
    #[error("not a compact frame: {0}")]
    Compact(#[from] compact::Fault),
}

impl Codec {
    /// All; where a client offers several, the first.
    pub const ALL: [Self; 3] = [Self::Json, Self::Msgpack, Self::Compact];

    /// Whether its frames are text.
    #[must_use]
    pub fn is_text(self) -> bool {
        self == Self::Json
    }

    /// Its place in [`Self::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The WebSocket subprotocol.
    #[must_use]
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "tertulia.v1.json",
            Self::Msgpack => "tertulia.v1.msgpack",
            Self::Compact => "tertulia.v1.compact",
        }
    }

    /// The codec of a subprotocol.
    #[must_use]
    pub fn of_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.subprotocol() == name)
    }

    /// Reads a client's frame.
    ///
    /// # Errors
    /// If the bytes are not a frame of this codec.
    pub fn decode_client(self, bytes: &[u8]) -> Result<ClientFrame, DecodeError> {
        match self {
            Self::Json => self.decode(bytes),
            Self::Msgpack => often(bytes).unwrap_or_else(|| self.decode(bytes)),
            Self::Compact => Self::Msgpack.decode_client(&compact::unpack(bytes)?),
        }
    }

    /// The `id` of a request that could not be read otherwise, so that its refusal can say which request it was.
    #[must_use]
    pub fn request_id_of(self, bytes: &[u8]) -> Option<RequestId> {
        #[derive(Deserialize)]
        struct OnlyId {
            id: Option<RequestId>,
        }
        self.decode::<OnlyId>(bytes).ok()?.id
    }

    /// Reads a server's frame.
    ///
    /// # Errors
    /// If the bytes are not a frame of this codec.
    pub fn decode_server(self, bytes: &[u8]) -> Result<ServerFrame, DecodeError> {
        self.decode(bytes)
    }

    /// Writes a client's frame.
    #[must_use]
    pub fn encode_client(self, frame: &ClientFrame) -> Vec<u8> {
        self.encode(frame)
    }

    /// Writes a server's frame.
    #[must_use]
    pub fn encode_server(self, frame: &ServerFrame) -> Vec<u8> {
        self.encode(frame)
    }

    /// Writes a message's frame with the content as the relay keeps it ([`crate::Content::to_bytes`]), the same bytes as
    /// [`Self::encode_server`]: in MessagePack it is put in as it is. None: it can't be read.
    #[must_use]
    pub fn encode_message(self, head: MessageHead<'_>, content: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Json => {
                let MessageHead { seq, conversation, conversation_seq, from, to, sent_at } = head;
                let (conversation, from, to) = (conversation.to_owned(), from.clone(), to.clone());
                let content = Content::from_bytes(content)?;
                let message = Message { seq, conversation, conversation_seq, from, to, sent_at, content };
                Some(self.encode_server(&ServerFrame::Message(Box::new(message))))
            }
            Self::Msgpack => {
                let mut frame = self.encode(&Unfilled {
                    frame_type: "message",
                    seq: head.seq,
                    conversation: head.conversation,
                    conversation_seq: head.conversation_seq,
                    from: head.from,
                    to: head.to,
                    sent_at: head.sent_at,
                    content: (),
                });
                // Nothing, in one byte, stands where the content goes: it is the last field.
                frame.pop();
                frame.extend_from_slice(content);
                Some(frame)
            }
            Self::Compact => compact::pack(&Self::Msgpack.encode_message(head, content)?).ok(),
        }
    }

    fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, DecodeError> {
        match self {
            Self::Json => Ok(serde_json::from_slice(bytes)?),
            Self::Msgpack => decode_msgpack(bytes),
            Self::Compact => Self::Msgpack.decode(&compact::unpack(bytes)?),
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "our frames are structs of text, numbers and lists: no writer can fail on them"
    )]
    fn encode<T: Serialize>(self, frame: &T) -> Vec<u8> {
        match self {
            Self::Json => serde_json::to_vec(frame).expect("a frame is JSON"),
            Self::Msgpack => rmp_serde::to_vec_named(frame).expect("a frame is MessagePack"),
            Self::Compact => compact::pack(&Self::Msgpack.encode(frame)).expect("a frame is MessagePack"),
        }
    }
}

fn decode_msgpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(DEPTH_MAX);
    Ok(T::deserialize(&mut reader)?)
}

/// Frames that come often, read at once: where the type is one field of many, serde keeps all of a frame apart until it has seen it.
fn often(bytes: &[u8]) -> Option<Result<ClientFrame, DecodeError>> {
    match compact::type_of(bytes)? {
        b"message.send" => Some(decode_msgpack(bytes).map(ClientFrame::MessageSend)),
        b"mailbox.ack" => Some(decode_msgpack(bytes).map(ClientFrame::MailboxAck)),
        _ => None,
    }
}

/// A message beside what it says.
#[derive(Clone, Copy, Debug)]
pub struct MessageHead<'a> {
    /// See [`Message`], as the others.
    pub seq: u64,
    /// Its conversation.
    pub conversation: &'a str,
    /// Its place there.
    pub conversation_seq: u64,
    /// Who sent it.
    pub from: &'a UserId,
    /// To whom.
    pub to: &'a Recipient,
    /// When.
    pub sent_at: Timestamp,
}

/// A message's frame before its content is there.
#[derive(Serialize)]
struct Unfilled<'a> {
    #[serde(rename = "type")]
    frame_type: &'static str,
    seq: u64,
    conversation: &'a str,
    conversation_seq: u64,
    from: &'a UserId,
    to: &'a Recipient,
    sent_at: Timestamp,
    content: (),
}
