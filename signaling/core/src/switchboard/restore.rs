//! Calls that come back after a restart of the server.

use super::Switchboard;
use crate::call::Call;
use crate::conference::Conference;
use crate::image::Sort;
use crate::index::Footprint;
use crate::{EndReason, Endpoint, Image};
use tertulia_common::{CallId, Timestamp};

/// What has come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// How many calls go on.
    pub calls: usize,
    /// Devices that have a part in them. Of those that do not open a session in time,
    /// [`Event::DeviceGone`](crate::Event::DeviceGone) has to be said.
    pub devices: Vec<Endpoint>,
    /// Calls whose image could not be used: of another version, or contradicting itself.
    pub refused: Vec<CallId>,
}

impl Switchboard {
    /// Takes over the calls of the run before this one, which was last seen alive at `alive_at`. To be called before anything
    /// else. Calls whose time was over meanwhile end as of the moment when it was; answered ones end if the server was away
    /// for longer than [`Timeouts::outage`](crate::Timeouts::outage). Nobody is told anything: nobody is there yet.
    pub fn restore(&mut self, now: Timestamp, alive_at: Timestamp, mut images: Vec<Image>) -> Restored {
        let mut restored = Restored::default();
        // Those that have ended go into the queue of the finished in the order of their ends.
        images.sort_by_key(|image| (image.forget_at(), image.call()));
        let mut back = Vec::new();
        for image in images {
            let id = image.call();
            let image = match image.0 {
                Sort::Conference(image) => {
                    let call = Conference::restore(now, &self.timeouts, image);
                    if let Some(group) = call.group() {
                        self.groups.insert(group, id);
                    }
                    if let Some(link) = call.link() {
                        self.links.insert(link, id);
                    }
                    self.begin(now, call);
                    back.push(id);
                    continue;
                }
                Sort::Pair(image) => image,
            };
            let call = Call::restore(now, &self.timeouts, image).filter(|_| !self.calls.contains_key(&id));
            let Some(call) = call else {
                restored.refused.push(id);
                continue;
            };
            self.index.update(&call, Footprint::default());
            if let Some(invite) = call.merged() {
                self.merged.insert(invite, id);
            }
            self.calls.insert(id, call);
            back.push(id);
        }
        let too_old = now - alive_at > self.timeouts.outage;
        for id in back.iter().filter(|_| too_old) {
            let answered_at = self.calls.get(id).and_then(Call::answered_at);
            if let Some(answered_at) = answered_at {
                self.step(alive_at.max(answered_at), *id, |call, cx| call.end(cx, EndReason::Lost));
            }
            self.step_conference(alive_at, *id, |call, cx| call.end(cx, EndReason::Lost));
        }
        self.handle_timeout(now);
        let live = back.iter().filter_map(|id| self.calls.get(id)).filter(|call| call.phase().is_some());
        for call in live {
            restored.calls += 1;
            restored.devices.extend(call.devices());
        }
        let conferences = back.iter().filter_map(|id| self.conferences.get(id)).filter(|call| !call.is_over());
        for call in conferences {
            restored.calls += 1;
            restored.devices.extend(call.devices());
        }
        restored.devices.sort_unstable();
        restored.devices.dedup();
        restored
    }
}
