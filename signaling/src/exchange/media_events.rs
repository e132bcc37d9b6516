//! What the forwarding unit says, translated: peers become devices, rooms become calls.

use super::{Exchange, Inner};
use tertulia_common::{PeerId, RoomId};
use tertulia_sfu::Event as MediaEvent;
use tertulia_signaling_core::{Endpoint, Event};
use tertulia_signaling_proto::{CallQuality, CallSlots, ServerFrame};
use tokio::sync::mpsc::Receiver;

impl Exchange {
    /// Follows the forwarding unit until it is gone. Then no call can go on.
    pub(crate) async fn follow_media(&self, mut events: Receiver<MediaEvent>) {
        while let Some(event) = events.recv().await {
            self.media_event(event);
        }
        tracing::warn!("the forwarding unit has stopped: every call ends");
        self.shut_down();
    }

    /// One thing that the forwarding unit says.
    pub(crate) fn media_event(&self, event: MediaEvent) {
        let mut inner = self.inner.lock();
        match event {
            MediaEvent::Up { room, peer } => {
                let up = whose(&inner, room, peer, |call, device| Event::MediaUp { call, device });
                up.into_iter().for_each(|event| self.event(&mut inner, event));
            }
            MediaEvent::Down { room, peer } => {
                let down = whose(&inner, room, peer, |call, device| Event::MediaDown { call, device });
                down.into_iter().for_each(|event| self.event(&mut inner, event));
            }
            MediaEvent::Gone { room, peer, reason } => {
                tracing::debug!(?room, ?peer, ?reason, "a peer is over");
                let gone = whose(&inner, room, peer, |call, device| Event::MediaDown { call, device });
                if let Some(book) = inner.books.get_mut(&room) {
                    book.media.forget(peer);
                }
                gone.into_iter().for_each(|event| self.event(&mut inner, event));
            }
            MediaEvent::Slots { room, peer, slots } => {
                let Some(book) = inner.books.get(&room) else { return };
                let Some(endpoint) = book.media.endpoint_of(peer) else { return };
                let slots = CallSlots { call_id: book.call, slots: book.media.slots(slots) };
                self.hub.tell(endpoint, &ServerFrame::CallSlots(slots));
            }
            MediaEvent::Quality { room, peers } => {
                let Some(book) = inner.books.get(&room) else { return };
                let participants = book.media.quality(&peers);
                let frame = ServerFrame::CallQuality(CallQuality { call_id: book.call, participants });
                let measured = peers.iter().filter_map(|figures| book.media.endpoint_of(figures.peer));
                measured.for_each(|endpoint| self.hub.tell_now(endpoint, &frame));
            }
        }
    }
}

fn whose(
    inner: &Inner,
    room: RoomId,
    peer: PeerId,
    event: impl FnOnce(tertulia_common::CallId, Endpoint) -> Event,
) -> Option<Event> {
    let book = inner.books.get(&room)?;
    Some(event(book.call, book.media.endpoint_of(peer)?.clone()))
}
