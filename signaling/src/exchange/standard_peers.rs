//! Standard peers: programs that publish into a conference (WHIP, RFC 9725) or play it (WHEP, draft-ietf-wish-whep-03), without a socket.
//!
//! Each has a seat in the conference as its user's devices have, under an id that none of them may have, and is an HTTP resource, by which
//! alone it is asked for anything. What goes with a session (resuming, presence, mailboxes, pushes) is not there for it: it is told
//! nothing. Invariant: there is a resource exactly as long as its seat. It goes with its peer's removal and with its call, whoever
//! brings that about: its own DELETE, media that are gone, a host, the end of the access that let it in.

use super::{Book, Exchange, Inner, Names};
use crate::clock::random;
use crate::config::Limits;
use crate::media::{CallMedia, Ticket};
use crate::metrics::Hit;
use crate::quality::Tallies;
use crate::translate;
use rustc_hash::FxHashMap;
use tertulia_common::{CallId, DeviceId, UserId};
use tertulia_sfu::Sfu;
use tertulia_signaling_core::{Endpoint, GroupKey, MediaFlags, MediaKind, Request, STANDARD_PEER_PREFIXES};
use tertulia_signaling_proto::{CallGroup, ErrorBody, ErrorCode};

/// What a standard peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// It publishes.
    Whip,
    /// It plays.
    Whep,
}

/// Who wants in.
pub(crate) struct Newcomer {
    pub(crate) user: UserId,
    pub(crate) name: String,
    /// The device whose token it has, if it has a device's.
    pub(crate) by: Option<DeviceId>,
    pub(crate) sort: Sort,
    pub(crate) flags: MediaFlags,
}

/// Where to.
#[derive(Debug)]
pub(crate) enum Room {
    /// A conference: `member`, of its group.
    Call { call: CallId, member: bool },
    /// The call of a group, by its name. They are a member.
    Group { group: GroupKey, name: String },
}

/// Where a resource is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) sort: Sort,
    pub(crate) call: CallId,
    /// Not to be guessed.
    pub(crate) id: u128,
}

/// A resource that is there now, and what its offer is made by.
pub(crate) struct Entered {
    pub(crate) at: Address,
    pub(crate) endpoint: Endpoint,
    pub(crate) ticket: Ticket,
    pub(crate) sfu: Sfu,
}

/// What is known of a resource.
pub(crate) struct Known {
    /// Names its ICE session.
    pub(crate) tag: u128,
    /// The newest offer that was answered.
    pub(crate) offer: String,
}

struct StandardPeer {
    at: Address,
    endpoint: Endpoint,
    by: Option<DeviceId>,
    tag: u128,
    offer: String,
    /// A restart of ICE is under way.
    restarts: bool,
}

/// Those of this process.
pub(super) struct StandardPeers {
    there: FxHashMap<u128, StandardPeer>,
    max: usize,
    per_user_max: usize,
}

impl StandardPeers {
    pub(super) fn new(limits: &Limits) -> Self {
        let (max, per_user_max) = (limits.standard_peers_max as usize, limits.standard_peers_per_user_max as usize);
        Self { there: FxHashMap::default(), max, per_user_max }
    }

    pub(super) fn len(&self) -> usize {
        self.there.len()
    }

    /// The device has no peer any longer.
    pub(super) fn gone(&mut self, call: CallId, device: &Endpoint) {
        if device.is_standard_peer() {
            self.there.retain(|_, peer| peer.at.call != call || peer.endpoint != *device);
        }
    }

    /// The call is over.
    pub(super) fn over(&mut self, call: CallId) {
        self.there.retain(|_, peer| peer.at.call != call);
    }

    /// Those that are there by the token of this device.
    pub(super) fn let_in_by(&self, device: &Endpoint) -> Vec<Endpoint> {
        let by = |peer: &&StandardPeer| peer.endpoint.user == device.user && peer.by.as_ref() == Some(&device.device);
        self.there.values().filter(by).map(|peer| peer.endpoint.clone()).collect()
    }

    /// Whether there is room for one more of the user's.
    fn room_for(&self, user: &UserId) -> Result<(), (Hit, ErrorBody)> {
        if self.there.len() >= self.max {
            return Err((Hit::StandardPeers, translate::too_many(ErrorCode::ServerFull, self.max)));
        }
        if self.there.values().filter(|peer| peer.endpoint.user == *user).count() >= self.per_user_max {
            return Err((Hit::StandardPeersPerUser, translate::too_many(ErrorCode::TooMany, self.per_user_max)));
        }
        Ok(())
    }

    /// A user's own.
    fn of(&mut self, user: &UserId, at: Address) -> Option<&mut StandardPeer> {
        self.there.get_mut(&at.id).filter(|peer| peer.at == at && peer.endpoint.user == *user)
    }
}

impl Exchange {
    /// Takes a standard peer in, as `call.join` does a device. A publisher starts the call of a group where none goes on, and nobody
    /// rings for that: who is behind a program may not know that it started.
    pub(crate) fn enter_standard(&self, newcomer: &Newcomer, room: Room, offer: &str) -> Result<Entered, ErrorBody> {
        let mut inner = self.inner.lock();
        inner.standard.room_for(&newcomer.user).map_err(|(hit, error)| {
            self.hub.metrics.hit(hit);
            error
        })?;
        let endpoint = Endpoint { user: newcomer.user.clone(), device: new_device(newcomer.sort) };
        let entered = self.go_in(&mut inner, newcomer, &endpoint, room);
        let call = entered.inspect_err(|_| self.carry_out(&mut inner)).map_err(hidden)?;
        let at = Address { sort: newcomer.sort, call, id: random() };
        let (tag, offer) = (random(), offer.to_owned());
        let peer =
            StandardPeer { at, endpoint: endpoint.clone(), by: newcomer.by.clone(), tag, offer, restarts: false };
        inner.standard.there.insert(at.id, peer);
        if let Some(book) = inner.books.get_mut(&call.into()) {
            book.names.add(&newcomer.user, newcomer.name.clone());
        }
        inner.rouser.came_in(call, &newcomer.user);
        let flags = newcomer.flags;
        // It is in: what it sends is told with the roster that says so.
        inner.board.request(self.clock.now(), &endpoint, Request::Media { call, flags }).ok();
        self.carry_out(&mut inner);
        let (ticket, sfu) = self.ticket_of(&mut inner, &endpoint, call)?;
        Ok(Entered { at, endpoint, ticket, sfu })
    }

    fn go_in(
        &self,
        inner: &mut Inner,
        newcomer: &Newcomer,
        endpoint: &Endpoint,
        room: Room,
    ) -> Result<CallId, ErrorBody> {
        let now = self.clock.now();
        let (call, member) = match room {
            Room::Call { call, member } => (call, member),
            Room::Group { group, name } => match inner.board.group_call(group) {
                Some(going) => (going.call, true),
                None if newcomer.sort == Sort::Whip => return self.start_for(inner, newcomer, endpoint, (group, name)),
                None => return Err(ErrorCode::UnknownCall.into()),
            },
        };
        if !inner.board.is_conference(call) {
            return Err(ErrorCode::UnknownCall.into());
        }
        inner.board.request(now, endpoint, Request::Join { call, member }).map_err(translate::call_error)
    }

    fn start_for(
        &self,
        inner: &mut Inner,
        newcomer: &Newcomer,
        endpoint: &Endpoint,
        (group, name): (GroupKey, String),
    ) -> Result<CallId, ErrorBody> {
        let (shard, now) = (inner.media.place()?, self.clock.now());
        let call = CallId::new(now, random());
        let book = Book {
            call,
            names: Names::new([(newcomer.user.clone(), newcomer.name.clone())]),
            group: Some(CallGroup { group_id: translate::group_id(group), name }),
            media: CallMedia::default(),
            quality: Tallies::default(),
            quality_kept_at: now,
        };
        inner.books.insert(call.into(), book);
        let media = if newcomer.flags.camera { MediaKind::Video } else { MediaKind::Voice };
        let started = inner.board.request(now, endpoint, Request::Start { call, group, media, ring: Vec::new() });
        match started {
            Ok(_) => {
                let Inner { books, media, .. } = inner;
                if let Some(book) = books.get_mut(&call.into()) {
                    book.media = media.claim(call, shard);
                }
                self.hub.metrics.calls_placed.inc();
            }
            Err(_) => drop(inner.books.remove(&call.into())),
        }
        started.map_err(translate::call_error)
    }

    /// A user's resource, if there is such a one.
    pub(crate) fn standard(&self, user: &UserId, at: Address) -> Option<Known> {
        let mut inner = self.inner.lock();
        inner.standard.of(user, at).map(|peer| Known { tag: peer.tag, offer: peer.offer.clone() })
    }

    /// Before a restart of ICE, of the session of this tag.
    pub(crate) fn begin_restart(&self, user: &UserId, at: Address) -> Result<(Endpoint, Ticket, Sfu), ErrorBody> {
        let mut inner = self.inner.lock();
        let peer = inner.standard.of(user, at).ok_or(ErrorCode::NotFound)?;
        if std::mem::replace(&mut peer.restarts, true) {
            return Err(ErrorCode::CallStateMismatch.into());
        }
        let endpoint = peer.endpoint.clone();
        let ticket = self.ticket_of(&mut inner, &endpoint, at.call);
        if let Some(peer) = inner.standard.of(user, at).filter(|_| ticket.is_err()) {
            peer.restarts = false;
        }
        ticket.map(|(ticket, sfu)| (endpoint, ticket, sfu))
    }

    /// After it: the offer that was answered, if it was. Answers with the tag of the ICE session from now on.
    pub(crate) fn end_restart(&self, user: &UserId, at: Address, answered: Option<String>) -> Option<u128> {
        let mut inner = self.inner.lock();
        let peer = inner.standard.of(user, at)?;
        peer.restarts = false;
        if let Some(offer) = answered {
            (peer.offer, peer.tag) = (offer, random());
        }
        Some(peer.tag)
    }

    /// Ends a user's resource. False if there is none.
    pub(crate) fn end_standard(&self, user: &UserId, at: Address) -> bool {
        let mut inner = self.inner.lock();
        let Some(endpoint) = inner.standard.of(user, at).map(|peer| peer.endpoint.clone()) else { return false };
        self.hang_up(&mut inner, &endpoint);
        // What the call does not know of any longer is not there either.
        inner.standard.there.remove(&at.id);
        true
    }

    fn ticket_of(&self, inner: &mut Inner, endpoint: &Endpoint, call: CallId) -> Result<(Ticket, Sfu), ErrorBody> {
        let admission = inner.board.admit_media(self.clock.now(), call, endpoint);
        self.carry_out(inner);
        admission.map_err(translate::call_error)?;
        let Inner { books, media, .. } = inner;
        let book = books.get_mut(&call.into()).ok_or(ErrorCode::UnknownCall)?;
        Ok((media.ticket(call, &mut book.media, endpoint), media.sfu()))
    }
}

/// Whoever may not come in learns nothing of the call.
fn hidden(error: ErrorBody) -> ErrorBody {
    match error.code {
        ErrorCode::Forbidden | ErrorCode::CallOver => ErrorCode::UnknownCall.into(),
        _ => error,
    }
}

#[expect(clippy::expect_used, reason = "a prefix and 32 hexadecimal digits are a device id")]
fn new_device(sort: Sort) -> DeviceId {
    let [whip, whep] = STANDARD_PEER_PREFIXES;
    let prefix = if sort == Sort::Whip { whip } else { whep };
    format!("{prefix}{:032x}", random()).parse().expect("letters, digits and a dash are allowed")
}
