//! Calls of links: who comes in by one, who waits, and links that are good no longer.
//!
//! Whether a link is good is the directory's to say; it is asked before the calls' lock is taken. Invariant: who comes in while the link is
//! being revoked is in or is not; after the revoking is answered nobody new comes in.

use super::conferences::name_of;
use super::{Book, Exchange, Names};
use crate::clock::random;
use crate::media::CallMedia;
use crate::quality::Tallies;
use crate::session::Session;
use crate::translate;
use tertulia_common::{CallId, UserId};
use tertulia_signaling_core::{CallLink, Event, LinkKey, MediaKind, Request};
use tertulia_signaling_proto::{CallPeek, ErrorBody, ErrorCode, OkFrame};

impl Exchange {
    /// Starts the call of a link, goes into the one that goes on, or waits there. `owner`: the name of whose link it is. Answers whether
    /// it goes on by a call that was not there before.
    pub(crate) fn enter_by_link(
        &self,
        session: &Session,
        (link, owner): (CallLink, String),
        media: MediaKind,
        answer: impl FnOnce(Result<OkFrame, ErrorBody>),
    ) -> bool {
        let mut inner = self.inner.lock();
        if !self.hub.is_live(session) {
            answer(Err(ErrorCode::TokenInvalid.into()));
            return false;
        }
        let (now, me) = (self.clock.now(), &session.who.endpoint);
        // Into one that goes on there is a way in as long as its shard bears it.
        let shard = match inner.media.place() {
            Ok(shard) => Some(shard),
            Err(error) if inner.board.link_call(now, link.key, &me.user).is_none() => {
                answer(Err(error));
                return false;
            }
            Err(_) => None,
        };
        let call = CallId::new(now, random());
        let book = Book {
            call,
            names: Names::new([(link.owner.clone(), owner), (me.user.clone(), session.name())]),
            group: None,
            media: CallMedia::default(),
            quality: Tallies::default(),
            quality_kept_at: now,
        };
        inner.books.insert(call.into(), book);
        let entered = inner.board.request(now, me, Request::Link { call, link, media });
        let is_new = entered == Ok(call);
        if is_new {
            let super::Inner { books, media: shards, .. } = &mut *inner;
            if let (Some(book), Some(shard)) = (books.get_mut(&call.into()), shard) {
                book.media = shards.claim(call, shard);
            }
            self.hub.metrics.calls_placed.inc();
        } else {
            inner.books.remove(&call.into());
        }
        let entered = entered.map(|call| {
            // What is told of it is told below: by then it knows them by name.
            name_of(&mut inner, call, session);
            let waiting = inner.board.waits(call, me);
            if !waiting {
                inner.rouser.came_in(call, &me.user);
            }
            OkFrame { call_id: Some(call), waiting, ..OkFrame::default() }
        });
        answer(entered.map_err(translate::call_error));
        self.carry_out(&mut inner);
        is_new
    }

    /// What goes on at a link. None: nothing. Its call is for those who may come in without asking.
    pub(crate) fn look_at_link(&self, link: LinkKey, user: &UserId) -> Option<Option<CallPeek>> {
        let inner = self.inner.lock();
        let seen = inner.board.link_call(self.clock.now(), link, user)?;
        Some(seen.and_then(|call| Some(translate::peek(&call, &inner.books.get(&call.call.into())?.names))))
    }

    /// The owner of the link whose call this is.
    pub(crate) fn link_owner(&self, call: CallId) -> Option<UserId> {
        self.inner.lock().board.link_owner(call).cloned()
    }

    /// A link is good no longer. The directory knows already.
    pub(crate) fn link_over(&self, link: LinkKey) {
        self.event(&mut self.inner.lock(), Event::LinkOver { link });
    }

    /// None of a user's links is good any longer.
    pub(crate) fn links_gone(&self, owner: &UserId) {
        let mut inner = self.inner.lock();
        for link in inner.board.links_of(owner) {
            self.event(&mut inner, Event::LinkOver { link });
        }
    }
}
