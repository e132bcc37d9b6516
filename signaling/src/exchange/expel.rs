//! The end of a device's access: unlinked, displaced by another primary device, or its account deleted.

use super::{Exchange, Inner};
use crate::session::Closing;
use tertulia_common::{DeviceId, UserId};
use tertulia_signaling_core::{Endpoint, Event, Request};
use tertulia_signaling_proto::CloseCode;

impl Exchange {
    /// The user's devices that have a session, or are in a call.
    pub(crate) fn devices_of(&self, user: &UserId) -> Vec<DeviceId> {
        let inner = self.inner.lock();
        let connected = self.hub.devices(user).into_iter().map(|(device, _)| device);
        let talking = inner.books.values().flat_map(|book| book.media.endpoints());
        let talking = talking.filter(|peer| peer.user == *user).map(|peer| peer.device.clone());
        // After a restart a call may go on whose device has not come back yet.
        let seated = inner.board.running_for(user).into_iter().map(|call| call.device);
        connected.chain(talking).chain(seated).collect()
    }

    /// The device hangs up whatever it is in, rings no more, and its session is over. Whoever calls this has seen to it
    /// that its token counts no longer.
    pub(crate) fn expel(&self, device: &Endpoint) {
        let mut inner = self.inner.lock();
        self.hang_up(&mut inner, device);
        for peer in inner.standard.let_in_by(device) {
            self.hang_up(&mut inner, &peer);
        }
        match self.hub.session_of(device) {
            Some(session) => drop(self.end_locked(&mut inner, &session, Closing::Code(CloseCode::Revoked), false)),
            None => self.event(&mut inner, Event::DeviceGone { device: device.clone() }),
        }
    }

    /// The device hangs up whatever it is in.
    pub(super) fn hang_up(&self, inner: &mut Inner, device: &Endpoint) {
        for call in inner.board.snapshots_for(device) {
            // Where it only rings it can't hang up: that ends with its session.
            inner.board.request(self.clock.now(), device, Request::Hangup { call: call.call }).ok();
            self.carry_out(inner);
        }
    }
}
