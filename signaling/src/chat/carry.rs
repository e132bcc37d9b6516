//! Messages that carry files: whoever gets the message may fetch the file, and nobody else.
//!
//! Invariants: what a message says of a file is what the directory knows of it, whoever sends it. The grant is durable before the
//! message is, and hangs on the message's own name: after a crash between the two the sender says both again, and nothing of it
//! happens twice. Who is given a group's file is exactly who gets the message: the relay refuses it if the group has changed since
//! it was asked, and then it is asked again.

use super::{Asked, Chat, ErrorBody, digest, rejected_to_wire, sent_to_wire};
use crate::uploads::{library_error_to_wire, to_shared};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use tertulia_chat::engine::{Reader, Rejected};
use tertulia_chat_core::{ClientId, Refusal, Sent, Submit, To};
use tertulia_common::{DeviceId, MediaId, UserId};
use tertulia_media_pipeline::library::{Caller, Library, MediaView};
use tertulia_signaling_proto::{Content, ErrorCode, MediaClass, MediaContent, MessageSent, VoiceContent};
use tokio::sync::oneshot;

/// How often a message's group may change between the look at its members and the message's place. Raising it lets a sender
/// wait longer in a group that is being rebuilt; above, the client asks again.
const TRIES: usize = 8;

/// A file that a message is to carry.
pub(super) struct Carried {
    /// As its sender names it.
    id: MediaId,
    caption: Option<String>,
    is_voice: bool,
}

impl Carried {
    /// What of a content is carried, if anything is.
    pub(super) fn of(content: &Content) -> Option<Self> {
        match content {
            Content::Media(MediaContent { media_id, caption, .. }) => {
                Some(Self { id: *media_id, caption: caption.clone(), is_voice: false })
            }
            Content::Voice(VoiceContent { media_id, .. }) => {
                Some(Self { id: *media_id, caption: None, is_voice: true })
            }
            _ => None,
        }
    }

    /// What those get whom the message is for. A voice note is one that was sent as one.
    fn told(self, view: MediaView) -> Result<Content, ErrorBody> {
        let media_id = view.id;
        let file = to_shared(view);
        if self.is_voice != (file.class == MediaClass::Voice) {
            return Err(ErrorCode::BadRequest.into());
        }
        let file = Some(Box::new(file));
        Ok(match self.is_voice {
            true => Content::Voice(VoiceContent { media_id, file }),
            false => Content::Media(MediaContent { media_id, caption: self.caption, file }),
        })
    }
}

/// As its sender may say it: the server alone says what a file is.
pub(super) fn check(content: &Content) -> Result<(), ErrorBody> {
    let (caption, file) = match content {
        Content::Media(MediaContent { caption, file, .. }) => (caption.as_deref(), file),
        Content::Voice(VoiceContent { file, .. }) => (None, file),
        _ => return Ok(()),
    };
    if file.is_some() || caption.is_some_and(|words| words.trim().is_empty()) {
        return Err(ErrorCode::BadRequest.into());
    }
    let (limit, actual) = (MediaContent::CAPTION_CHARS_MAX, caption.map_or(0, |words| words.chars().count()));
    if actual > limit {
        return Err(crate::translate::limit(ErrorCode::TooLarge, limit as u64, actual as u64));
    }
    Ok(())
}

/// What is to be given before a message is durable, and taken back if it is refused.
struct Giving<'a> {
    library: &'a Library,
    owner: &'a UserId,
    id: MediaId,
    reference: String,
    given: HashSet<UserId>,
}

impl Giving<'_> {
    /// Exactly these have it by this message.
    async fn to(&mut self, people: Vec<UserId>) -> Result<(), ErrorBody> {
        let now: HashSet<UserId> = people.iter().cloned().collect();
        let gone: Vec<UserId> = self.given.difference(&now).cloned().collect();
        self.library.carried(self.owner, self.id, &people, &self.reference).await.map_err(library_error_to_wire)?;
        self.given = now;
        self.take_back(gone).await;
        Ok(())
    }

    async fn take_back(&self, people: Vec<UserId>) {
        if people.is_empty() {
            return;
        }
        if let Err(error) = self.library.not_carried(self.id, &people, &self.reference).await {
            tracing::error!(%error, "what a refused message was to carry is still shared");
        }
    }
}

impl Chat {
    /// Sends a message that carries a file, and answers when it is durable, or refused.
    pub(super) async fn send_carried(
        &self,
        from: Reader,
        (user, device): (&UserId, &DeviceId),
        asked: Asked,
        carried: Carried,
    ) -> Result<MessageSent, ErrorBody> {
        let library = self.library.as_ref().ok_or(ErrorCode::MediaSandboxUnavailable)?;
        let caller = Caller { user: user.clone(), device: device.clone() };
        let digest = digest(&asked.body);
        if self.engine.knows(from, asked.client_id) {
            // Answered as before, whatever has become of its file. Nothing new is stored by it.
            let sent = self.put(from, &asked, asked.to.clone(), digest, asked.body.clone()).await;
            let sent = sent.map_err(|rejected| rejected_to_wire(&rejected))?;
            let view = library.to_carry(&caller, carried.id).await.ok();
            let content = view.and_then(|view| carried.told(view).ok()).map(Box::new);
            return Ok(MessageSent { content, ..sent_to_wire(sent) });
        }
        let view = library.to_carry(&caller, carried.id).await.map_err(library_error_to_wire)?;
        let id = view.id;
        let content = carried.told(view)?;
        let body: Bytes = content.to_bytes().into();
        let reference = reference(device, asked.client_id);
        let mut giving = Giving { library, owner: user, id, reference, given: HashSet::new() };
        for _ in 0..TRIES {
            let to = self.give(from, user, &asked, &mut giving).await?;
            match self.put(from, &asked, to, digest, body.clone()).await {
                Ok(sent) => return Ok(MessageSent { content: Some(Box::new(content)), ..sent_to_wire(sent) }),
                Err(Rejected::Refused(Refusal::Changed)) => {}
                Err(rejected) => {
                    // The same name was taken by another message meanwhile: what that one gives stays. What was not refused for
                    // good the client says again.
                    if matches!(&rejected, Rejected::Refused(why) if *why != Refusal::ClientIdReused) {
                        giving.take_back(giving.given.iter().cloned().collect()).await;
                    }
                    return Err(rejected_to_wire(&rejected));
                }
            }
        }
        Err(ErrorCode::MessageNotStored.into())
    }

    /// Gives the file to whom the message is for, as they are now. Where it goes, if they are still those.
    async fn give(&self, from: Reader, user: &UserId, asked: &Asked, giving: &mut Giving<'_>) -> Result<To, ErrorBody> {
        let (to, people) = match &asked.to {
            To::User(_) if asked.withheld => (asked.to.clone(), vec![user.clone()]),
            To::User(other) => (asked.to.clone(), vec![user.clone(), other.clone()]),
            To::Group(group) | To::Conversation(group) | To::GroupAt(group, _) => {
                let there = self.engine.written_to(from, *group);
                let (version, people) = there.map_err(|rejected| rejected_to_wire(&rejected))?;
                (To::GroupAt(*group, version), people)
            }
        };
        giving.to(people).await?;
        Ok(to)
    }

    async fn put(&self, from: Reader, asked: &Asked, to: To, digest: u64, body: Bytes) -> Result<Sent, Rejected> {
        let Asked { client_id, withheld, .. } = *asked;
        let submit = Submit { to, client_id, digest, body_bytes: body.len(), withheld };
        let (tell, told) = oneshot::channel();
        // Nobody hears it if the asker is gone: they ask again.
        self.engine.send(from, submit, body, move |sent| drop(tell.send(sent)));
        told.await.unwrap_or(Err(Rejected::Ended))
    }
}

/// The message's name in the directory: of its sender's messages no other has it.
fn reference(device: &DeviceId, client_id: ClientId) -> String {
    let hash = Sha256::new().chain_update(client_id.0.to_be_bytes()).chain_update(device.as_str()).finalize();
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
