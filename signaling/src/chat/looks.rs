//! What waits for a device and what its user has sent, as HTTP asks for it.

use super::{Chat, answered, content_of};
use std::sync::Arc;
use tertulia_chat_core::{Found, Look, Looked, MessageId, Standing};
use tertulia_common::UserId;
use tertulia_signaling_proto::{DeliveryState, ErrorBody, ErrorCode, FoundMessage, Messages, Recipient};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

impl Chat {
    /// Whether two are together in a conversation, or a group.
    pub(crate) fn have_met(&self, one: &UserId, other: &UserId) -> bool {
        self.engine.have_met(one, other)
    }

    /// One page. Nothing is acknowledged by it.
    pub(crate) async fn look(&self, look: Look, cursor: impl Fn(MessageId) -> String) -> Result<Messages, ErrorBody> {
        let (tell, told) = oneshot::channel();
        self.engine.look(look, move |looked| drop(tell.send(looked)));
        let Looked { found, next, .. } = answered(told).await?;
        let engine = Arc::clone(&self.engine);
        // Bodies are read from the disk.
        let read = spawn_blocking(move || {
            let content = |found: &Found| {
                let entry = found.waits.as_ref()?;
                content_of(entry, &engine.body(entry).ok()?)
            };
            found.into_iter().map(|found| (content(&found), found)).collect::<Vec<_>>()
        });
        let read = read.await.map_err(|_| ErrorCode::Internal)?;
        let messages = read.into_iter().map(|(content, found)| FoundMessage { content, ..to_wire(found) }).collect();
        Ok(Messages { messages, next: next.map(cursor) })
    }
}

fn to_wire(found: Found) -> FoundMessage {
    let Found { id: MessageId { conversation, seq }, sender, to, sent_at, standing, client_id, waits: _ } = found;
    FoundMessage {
        message_id: format!("{conversation}.{}", seq.0),
        conversation: conversation.to_string(),
        conversation_seq: seq.0,
        from: sender,
        to: to.map_or_else(|| Recipient::Group(conversation.to_string()), Recipient::User),
        sent_at,
        state: match standing {
            Standing::Pending => DeliveryState::Pending,
            Standing::Delivered => DeliveryState::Delivered,
            Standing::Read => DeliveryState::Read,
        },
        // A name of the wire, as it was said.
        client_id: client_id.and_then(|id| format!("{:032x}", id.0).parse().ok()),
        content: None,
    }
}
