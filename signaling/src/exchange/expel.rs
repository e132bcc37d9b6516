//! The end of a device's access: unlinked, displaced by another primary device, or its account deleted.

use super::Exchange;
use crate::session::Closing;
use tertulia_signaling_core::{Endpoint, Event, Request};
use tertulia_signaling_proto::CloseCode;

impl Exchange {
    /// The device hangs up whatever it is in, rings no more, and its session is over. Whoever calls this has seen to it
    /// that its token counts no longer.
    pub(crate) fn expel(&self, device: &Endpoint) {
        let mut inner = self.inner.lock();
        let now = self.clock.now();
        for call in inner.board.snapshots_for(device) {
            // Where it only rings it can't hang up: that ends with its session.
            inner.board.request(now, device, Request::Hangup { call: call.call }).ok();
            self.carry_out(&mut inner);
        }
        match self.hub.session_of(device) {
            Some(session) => drop(self.end_locked(&mut inner, &session, Closing::Code(CloseCode::Revoked), false)),
            None => self.event(&mut inner, Event::DeviceGone { device: device.clone() }),
        }
    }
}
