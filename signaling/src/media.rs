//! The forwarding unit, as calls see it: which peer is whose.
//!
//! Invariant: a device has at most one peer in a call, made by its first offer and gone when its part is over. What the
//! unit says of a peer that is not in the book any longer is ignored: it was removed meanwhile.

use crate::quality::score;
use crate::translate::{participant, source_from_wire, source_to_wire};
use std::time::Duration;
use tertulia_common::{CallId, PeerId, RoomId, ShardId};
use tertulia_registry::Placement;
use tertulia_sfu::{ConnectError, Connected, Overloaded, PeerQuality, Sfu, SlotState, Source, TrackQuality, Want};
use tertulia_signaling_core::{Endpoint, MediaFlags};
use tertulia_signaling_proto as wire;
use tertulia_signaling_proto::{ErrorBody, ErrorCode};
use tokio::time::timeout;

/// One device's peer in a call.
#[derive(Clone, Debug)]
struct Peer {
    id: PeerId,
    endpoint: Endpoint,
    /// It has an answer: an offer of it now is a restart.
    answered: bool,
    /// Which of its connections the newest answer was about.
    made: u64,
    /// Offers of it that have no answer yet.
    offers: u32,
    /// What it said last that it shows, by names: whoever comes later under one of them is shown too.
    shows: Box<[wire::ViewWant]>,
}

/// The peers of one call.
#[derive(Debug, Default)]
pub(crate) struct CallMedia {
    shard: Option<ShardId>,
    peers: Vec<Peer>,
}

/// What a device needs to make its offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) call: CallId,
    pub(crate) room: RoomId,
    pub(crate) shard: ShardId,
    pub(crate) peer: PeerId,
}

/// The forwarding unit and where its rooms are.
pub(crate) struct Media {
    sfu: Sfu,
    placement: Placement,
    last_peer: u64,
}

impl Media {
    pub(crate) fn new(sfu: Sfu) -> Self {
        Self { sfu, placement: Placement::default(), last_peer: 0 }
    }

    /// The handle, for offers: they are waited for without any lock.
    pub(crate) fn sfu(&self) -> Sfu {
        self.sfu.clone()
    }

    /// How many calls have a room.
    pub(crate) fn rooms(&self) -> usize {
        self.placement.len()
    }

    /// A place for the media of a call that is about to be.
    ///
    /// # Errors
    /// [`ErrorCode::ServerFull`], with how busy the server may be and is, in per cent, where no shard has the time.
    pub(crate) fn place(&self) -> Result<ShardId, ErrorBody> {
        let placed = self.sfu.place();
        placed.map_err(|Overloaded { busy_percent, limit_percent }| too_busy(busy_percent, limit_percent))
    }

    /// The call is: its media go there.
    pub(crate) fn claim(&self, call: CallId, shard: ShardId) -> CallMedia {
        CallMedia { shard: Some(self.placement.claim(call.into(), shard)), peers: Vec::new() }
    }

    /// The peer of this device in this call: the one it has, or a new one.
    pub(crate) fn ticket(&mut self, call: CallId, media: &mut CallMedia, endpoint: &Endpoint) -> Ticket {
        let room = RoomId::from(call);
        let shard = *media.shard.get_or_insert_with(|| self.placement.claim(room, self.sfu.least_loaded()));
        let known = media.peers.iter_mut().find(|peer| peer.endpoint == *endpoint).map(|peer| {
            peer.offers += 1;
            peer.id
        });
        let peer = known.unwrap_or_else(|| {
            self.last_peer += 1;
            let id = PeerId(self.last_peer);
            let shows = Box::default();
            media.peers.push(Peer { id, endpoint: endpoint.clone(), answered: false, made: 0, offers: 1, shows });
            self.show_newcomer(shard, room, media, endpoint);
            id
        });
        Ticket { call, room, shard, peer }
    }

    /// The unit knows by a name of its own who was named in views before: those views say so now.
    fn show_newcomer(&self, shard: ShardId, room: RoomId, media: &CallMedia, newcomer: &Endpoint) {
        let names = |want: &wire::ViewWant| want.user_id == newcomer.user && want.device_id == newcomer.device;
        for viewer in media.peers.iter().filter(|peer| peer.shows.iter().any(names)) {
            self.sfu.view_again(shard, room, viewer.id, media.wants(&viewer.shows));
        }
    }

    /// Undoes what an offer did whose call has ended, or whose device has left, in the meantime.
    pub(crate) fn abandon(&self, ticket: Ticket, call_is_over: bool) {
        self.sfu.remove(ticket.shard, ticket.room, ticket.peer);
        if call_is_over {
            self.sfu.close_room(ticket.shard, ticket.room);
        }
    }

    /// Lets the device's media flow, if it has a peer.
    pub(crate) fn admit(&self, call: CallId, media: &CallMedia, endpoint: &Endpoint) {
        if let (Some(shard), Some(peer)) = (media.shard, media.peer_of(endpoint)) {
            self.sfu.admit(shard, call.into(), peer);
        }
    }

    /// Stops the device's media, if it has a peer, until it is let flow again.
    pub(crate) fn hold(&self, call: CallId, media: &CallMedia, endpoint: &Endpoint) {
        if let (Some(shard), Some(peer)) = (media.shard, media.peer_of(endpoint)) {
            self.sfu.hold(shard, call.into(), peer);
        }
    }

    /// The device says what it sends now: whoever comes late is shown nothing of what it has turned off.
    pub(crate) fn went_dark(&self, call: CallId, media: &CallMedia, endpoint: &Endpoint, flags: MediaFlags) {
        let (Some(shard), Some(peer)) = (media.shard, media.peer_of(endpoint)) else { return };
        for (source, is_on) in [(Source::Camera, flags.camera), (Source::Screen, flags.screen)] {
            if !is_on {
                self.sfu.forget_pictures(shard, call.into(), peer, source);
            }
        }
    }

    /// What the device shows. False if too many say so at once: then nothing has changed.
    pub(crate) fn view(
        &self,
        call: CallId,
        media: &mut CallMedia,
        endpoint: &Endpoint,
        shows: &[wire::ViewWant],
    ) -> bool {
        let (Some(shard), Some(peer)) = (media.shard, media.peer_of(endpoint)) else { return true };
        let taken = self.sfu.view(shard, call.into(), peer, media.wants(shows));
        if taken && let Some(viewer) = media.peers.iter_mut().find(|viewer| viewer.id == peer) {
            viewer.shows = shows.into();
        }
        taken
    }

    /// Removes the device's peer, if it has one.
    pub(crate) fn remove(&self, call: CallId, media: &mut CallMedia, endpoint: &Endpoint) {
        if let (Some(shard), Some(peer)) = (media.shard, media.peer_of(endpoint)) {
            self.sfu.remove(shard, call.into(), peer);
            media.forget(peer);
        }
    }

    /// Closes the call's room, if it has one.
    pub(crate) fn close(&self, call: CallId, media: &mut CallMedia) {
        if let Some(shard) = media.shard.take() {
            self.sfu.close_room(shard, call.into());
            self.placement.release(call.into(), shard);
        }
        media.peers.clear();
    }
}

impl CallMedia {
    /// The devices that have a peer.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.peers.iter().map(|peer| &peer.endpoint)
    }

    /// Whether the device has a peer.
    pub(crate) fn has(&self, endpoint: &Endpoint) -> bool {
        self.peer_of(endpoint).is_some()
    }

    /// The device's peer.
    pub(crate) fn peer_of(&self, endpoint: &Endpoint) -> Option<PeerId> {
        self.peers.iter().find(|peer| peer.endpoint == *endpoint).map(|peer| peer.id)
    }

    /// Whose peer it is.
    pub(crate) fn endpoint_of(&self, id: PeerId) -> Option<&Endpoint> {
        self.peers.iter().find(|peer| peer.id == id).map(|peer| &peer.endpoint)
    }

    /// What is shown, of those who are there.
    fn wants(&self, shows: &[wire::ViewWant]) -> Vec<Want> {
        let want = |want: &wire::ViewWant| {
            let is_of = |peer: &&Peer| peer.endpoint.user == want.user_id && peer.endpoint.device == want.device_id;
            let publisher = self.peers.iter().find(is_of)?.id;
            Some(Want { publisher, source: source_from_wire(want.source), max_height: want.max_height })
        };
        shows.iter().filter_map(want).collect()
    }

    /// The peer has got its answer, about this connection of it.
    pub(crate) fn answered(&mut self, id: PeerId, made: u64) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) {
            if made > peer.made {
                peer.shows = Box::default(); // a new connection begins without a view
            }
            (peer.answered, peer.made) = (true, peer.made.max(made));
            peer.offers = peer.offers.saturating_sub(1);
        }
    }

    /// The offer was refused: a peer that never had an answer does not exist.
    pub(crate) fn refused(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) {
            peer.offers = peer.offers.saturating_sub(1);
        }
        self.peers.retain(|peer| peer.id != id || peer.answered || peer.offers > 0);
    }

    /// Whether no later connection of the peer has been answered.
    pub(crate) fn is_newest(&self, id: PeerId, made: u64) -> bool {
        self.peers.iter().any(|peer| peer.id == id && peer.made <= made)
    }

    /// A connection of the peer is over. Whether the peer is without one now: another may have been made since, as after a reload, and
    /// what is said of the earlier one comes late. One that an offer is under way for stays known by its name.
    pub(crate) fn gone(&mut self, id: PeerId, made: u64) -> bool {
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id && peer.made <= made) else { return false };
        peer.answered = false;
        if peer.offers == 0 {
            self.forget(id);
        }
        true
    }

    /// The peer is to be removed.
    pub(crate) fn forget(&mut self, id: PeerId) {
        self.peers.retain(|peer| peer.id != id);
    }

    /// How many peers there are.
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Slots, as the client hears of them.
    pub(crate) fn slots(&self, slots: Vec<SlotState>) -> Vec<wire::Slot> {
        slots.into_iter().map(|slot| self.slot(slot)).collect()
    }

    fn slot(&self, slot: SlotState) -> wire::Slot {
        let carries = slot.carries.and_then(|(peer, source)| Some((self.endpoint_of(peer)?, source)));
        match carries {
            Some((endpoint, carried)) => wire::Slot {
                mid: slot.mid,
                participant: Some(participant(endpoint)),
                source: Some(source_to_wire(carried)),
            },
            None => wire::Slot { mid: slot.mid, participant: None, source: None },
        }
    }

    /// Who speaks, and everybody who hears so.
    pub(crate) fn speakers(&self, call_id: CallId, speakers: &[PeerId]) -> (Vec<Endpoint>, wire::ServerFrame) {
        let speakers = speakers.iter().filter_map(|peer| self.endpoint_of(*peer)).map(participant).collect();
        let frame = wire::ServerFrame::CallSpeakers(wire::CallSpeakers { call_id, speakers });
        (self.endpoints().cloned().collect(), frame)
    }

    /// Figures, as the clients hear of them.
    pub(crate) fn quality(&self, peers: &[PeerQuality]) -> Vec<wire::ParticipantQuality> {
        let of_peer = |figures: &PeerQuality| {
            let endpoint = self.endpoint_of(figures.peer)?;
            Some(wire::ParticipantQuality {
                user_id: endpoint.user.clone(),
                device_id: endpoint.device.clone(),
                rtt_ms: figures.rtt_ms,
                estimate_bps: figures.estimate_bps,
                up: track(&figures.up),
                down: track(&figures.down),
                score: score(figures),
            })
        };
        peers.iter().filter_map(of_peer).collect()
    }
}

fn track(figures: &TrackQuality) -> wire::TrackQuality {
    wire::TrackQuality { bitrate_bps: figures.bitrate_bps, loss: figures.loss, jitter_ms: figures.jitter_ms }
}

/// How long an offer may take in the forwarding unit. It takes about a millisecond: longer means that its shard is stuck.
const OFFER_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes the offer.
pub(crate) async fn connect(sfu: &Sfu, ticket: Ticket, offer: String) -> Result<Connected, ErrorBody> {
    let Ticket { call, room, shard, peer } = ticket;
    let Ok(outcome) = timeout(OFFER_TIMEOUT, sfu.connect(shard, room, peer, offer)).await else {
        tracing::error!(%call, ?shard, "a shard does not answer");
        sfu.remove(shard, room, peer);
        return Err(ErrorCode::Internal.into());
    };
    outcome.map_err(|error| {
        tracing::debug!(%call, ?peer, %error, "an offer was refused");
        match error {
            ConnectError::OfferInvalid(_) | ConnectError::Panicked | ConnectError::OtherRoom => {
                ErrorCode::SdpInvalid.into()
            }
            ConnectError::OfferTooLarge { limit, actual, .. } => too_much(ErrorCode::TooLarge, limit, actual),
            ConnectError::Full { limit, .. } => too_much(ErrorCode::ServerFull, limit, limit + 1),
            ConnectError::Overloaded { busy_percent, limit_percent } => too_busy(busy_percent, limit_percent),
            ConnectError::Stopping => ErrorCode::Draining.into(),
        }
    })
}

/// How soon to try again: a shard's load is smoothed over three seconds.
const BUSY_FOR: Duration = Duration::from_secs(3);

fn too_busy(busy_percent: u8, limit_percent: u8) -> ErrorBody {
    let error = crate::translate::retry_after(ErrorCode::ServerFull, BUSY_FOR);
    ErrorBody { limit: Some(limit_percent.into()), actual: Some(busy_percent.into()), ..error }
}

fn too_much(code: ErrorCode, limit: usize, actual: usize) -> ErrorBody {
    crate::translate::limit(code, limit as u64, actual as u64)
}
