//! What the forwarding unit says, translated: peers become devices, rooms become calls.

use super::{Book, Exchange, Inner};
use crate::quality::Tally;
use crate::translate;
use std::time::Duration;
use tertulia_common::{PeerId, RoomId, Timestamp};
use tertulia_sfu::{Event as MediaEvent, PeerQuality};
use tertulia_signaling_core::{Endpoint, Event};
use tertulia_signaling_proto::{CallPublish, CallQuality, CallSlots, ServerFrame};
use tokio::sync::mpsc::Receiver;

/// How often the figures of a call are written while it goes on. Raising it makes a restart forget more of them.
const KEEP_QUALITY_EVERY: Duration = Duration::from_secs(10);

/// In a call of more than these each hears their own figures alone: what all are told of all grows with the square.
const FIGURES_OF_ALL_MAX: usize = 32;

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
                // A device that takes over is in the call from here on.
                self.tally(&mut inner, room, peer, Tally::resumed);
            }
            MediaEvent::Down { room, peer } => {
                self.tally(&mut inner, room, peer, Tally::interrupted);
                let down = whose(&inner, room, peer, |call, device| Event::MediaDown { call, device });
                down.into_iter().for_each(|event| self.event(&mut inner, event));
            }
            MediaEvent::Gone { room, peer, made, reason } => {
                tracing::debug!(?room, ?peer, ?reason, "a peer is over");
                let gone = whose(&inner, room, peer, |call, device| Event::MediaDown { call, device });
                if inner.books.get(&room).is_some_and(|book| book.media.is_newest(peer, made)) {
                    self.tally(&mut inner, room, peer, Tally::interrupted);
                }
                let book = inner.books.get_mut(&room);
                if book.is_some_and(|book| book.media.gone(peer, made)) {
                    let device = gone.as_ref().and_then(standard_peer).cloned();
                    gone.into_iter().for_each(|event| self.event(&mut inner, event));
                    device.into_iter().for_each(|device| self.hang_up(&mut inner, &device));
                }
            }
            MediaEvent::Slots { room, peer, slots } => {
                let Some(book) = inner.books.get(&room) else { return };
                let Some(endpoint) = book.media.endpoint_of(peer) else { return };
                let slots = CallSlots { call_id: book.call, slots: book.media.slots(slots) };
                self.hub.tell(endpoint, &ServerFrame::CallSlots(slots));
            }
            MediaEvent::Speakers { room, speakers } => {
                let Some(book) = inner.books.get(&room).filter(|book| inner.board.is_conference(book.call)) else {
                    return;
                };
                let (to, frame) = book.media.speakers(book.call, &speakers);
                self.hub.tell_each_now(&to, &frame);
            }
            MediaEvent::Publish { room, peer, wanted } => {
                let Some(book) = inner.books.get(&room).filter(|book| inner.board.is_conference(book.call)) else {
                    return;
                };
                let Some(endpoint) = book.media.endpoint_of(peer) else { return };
                let wanted = wanted.into_iter().map(translate::publish_wanted).collect();
                let frame = CallPublish { call_id: book.call, wanted };
                self.hub.tell(endpoint, &ServerFrame::CallPublish(frame));
            }
            MediaEvent::Quality { room, peers } => {
                self.tally_figures(&mut inner, room, &peers);
                let Some(book) = inner.books.get(&room) else { return };
                let frame = |peers: &[PeerQuality]| {
                    let participants = book.media.quality(peers);
                    ServerFrame::CallQuality(CallQuality { call_id: book.call, participants })
                };
                if peers.len() <= FIGURES_OF_ALL_MAX {
                    let measured = peers.iter().filter_map(|figures| book.media.endpoint_of(figures.peer));
                    self.hub.tell_each_now(&measured.cloned().collect::<Vec<_>>(), &frame(&peers));
                    return;
                }
                for figures in &peers {
                    if let Some(endpoint) = book.media.endpoint_of(figures.peer) {
                        self.hub.tell_now(endpoint, &frame(std::slice::from_ref(figures)));
                    }
                }
            }
        }
    }

    /// Notes what has become of the media of a device that is in an answered call.
    fn tally(&self, inner: &mut Inner, room: RoomId, peer: PeerId, note: fn(&mut Tally, Timestamp)) {
        let now = self.clock.now();
        if let Some(tally) = tally_of(inner, room, peer) {
            note(tally, now);
        }
    }

    /// Adds up figures, and has them written from time to time: a restart loses no more.
    fn tally_figures(&self, inner: &mut Inner, room: RoomId, peers: &[PeerQuality]) {
        let (now, mut any) = (self.clock.now(), false);
        for figures in peers {
            if let Some(tally) = tally_of(inner, room, figures.peer) {
                tally.add(figures);
                any = true;
            }
        }
        let due = |book: &mut Book| {
            let due = any && now.since(book.quality_kept_at) >= KEEP_QUALITY_EVERY;
            due.then(|| {
                book.quality_kept_at = now;
                book.call
            })
        };
        if let Some(call) = inner.books.get_mut(&room).and_then(due) {
            self.keep(inner, call);
        }
    }
}

/// The figures of the side of a peer whose device is in the call.
fn tally_of(inner: &mut Inner, room: RoomId, peer: PeerId) -> Option<&mut Tally> {
    let book = inner.books.get_mut(&room)?;
    let caller = inner.board.seat_of(book.call, book.media.endpoint_of(peer)?)?;
    Some(if caller { &mut book.quality.caller } else { &mut book.quality.callee })
}

/// Whose media it was, if that was all there is of it: a standard peer can't connect anew, it comes as another one.
fn standard_peer(gone: &Event) -> Option<&Endpoint> {
    match gone {
        Event::MediaDown { device, .. } => Some(device).filter(|device| device.is_standard_peer()),
        _ => None,
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
