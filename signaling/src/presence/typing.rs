//! That somebody types, on its way.
//!
//! Invariant: it is kept nowhere. It goes to sockets that are there and read, of sessions that asked for it and are not away; whoever is refused by a block
//! learns nothing of it.

use super::{Frame, Presence};
use crate::chat::Chat;
use crate::hub::Hub;
use crate::metrics::Hit;
use crate::session::{Passed, Session};
use tertulia_chat_core::ConversationId;
use tertulia_common::{SessionId, UserId};
use tertulia_signaling_proto::{ErrorBody, ErrorCode, Recipient, ServerFrame, Typing, TypingSend, TypingWhat};

/// Of one session a second, on average and at once.
pub(super) const SENT: (u32, u32) = (2, 10);
/// To one session a second, on average and at once: in a large group many may type.
pub(super) const HEARD: (u32, u32) = (10, 20);

impl Presence {
    /// The session's person types, or no longer.
    pub(crate) fn typing(
        &self,
        hub: &Hub,
        chat: Option<&Chat>,
        session: &Session,
        typing: TypingSend,
    ) -> Result<(), ErrorBody> {
        self.take(&self.typings, session.who.id, Hit::Typing)?;
        let from = &session.who.endpoint.user;
        let TypingSend { to, what, .. } = typing;
        let hears = match &to {
            Recipient::User(to) => self.core.lock().hears(to, from),
            Recipient::Group(group) => self.in_group(chat, group, from)?,
        };
        if what != TypingWhat::None {
            self.acted(from);
        }
        let mut frame = Frame::new(ServerFrame::Typing(Typing { from: from.clone(), to, what }));
        for to in hears {
            if self.pass(hub, to, &mut frame) {
                self.counters.typing.inc();
            } else {
                self.counters.typing_dropped.inc();
            }
        }
        Ok(())
    }

    /// Sessions of a group's members that want to know, if this person is one of them.
    fn in_group(&self, chat: Option<&Chat>, group: &str, from: &UserId) -> Result<Vec<SessionId>, ErrorCode> {
        let (Some(chat), Ok(group)) = (chat, group.parse::<ConversationId>()) else {
            return Err(ErrorCode::UnknownConversation);
        };
        let hears = self.core.lock().hears_group(group, from);
        let asked = [from].into_iter().chain(hears.iter().map(|(_, user)| user));
        let mut are_in = chat.are_in_group(group, asked).into_iter();
        if !are_in.next().unwrap_or(false) {
            return Err(ErrorCode::UnknownConversation);
        }
        Ok(hears.iter().zip(are_in).filter(|(_, is_in)| *is_in).map(|((session, _), _)| *session).collect())
    }

    fn pass(&self, hub: &Hub, to: SessionId, frame: &mut Frame) -> bool {
        let may_hear = self.heard.lock().take(to, self.clock.now()).is_ok();
        let session = hub.session(to).filter(|_| may_hear);
        session.is_some_and(|session| session.pass(frame.encoded(session.who.codec)) == Passed::Taken)
    }
}
