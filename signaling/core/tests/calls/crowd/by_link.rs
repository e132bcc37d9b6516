//! What people do with links in the random evenings: come by one, knock, are let in or turned away.

use super::{Crowd, Seen, Step, endpoint, user};
use crate::desk::{START, seconds};
use tertulia_signaling_core::{CallLink, Event, LinkKey, MediaKind, Request};

/// The links: of the first user, who takes everybody in; of the second, who lets them in one by one.
fn link(at: u64) -> CallLink {
    let owner = user(usize::from(at == 1));
    CallLink { key: LinkKey(at.into()), owner, approval: at == 1, expires_at: START + seconds(100_000) }
}

impl Crowd {
    /// What is about links.
    pub(super) fn take_link(&mut self, step: &Step) -> Option<()> {
        match *step {
            Step::Link { device, link: at } => {
                let call = self.id();
                let from = endpoint(device);
                let call = self.ask(device, Request::Link { call, link: link(at), media: MediaKind::Video })?.ok()?;
                let waits = self.board.waits(call, &from);
                assert_ne!(waits, self.inside(call).contains(&from), "in or before the door");
                assert_eq!(waits, self.seen[&call].waiting.contains(&from), "who waits was told so");
                assert!(!waits || (at == 1 && from.user != user(1)));
                self.reached.insert(if waits { "knocked" } else { "came by link" });
            }
            Step::Door { device, call, waiter, admit } => {
                let somewhere = self.seen.iter().find(|(_, seen)| !seen.waiting.is_empty()).map(|(call, _)| *call);
                let (call, by) = (somewhere.or_else(|| self.call(call))?, endpoint(device));
                let at = self.seen.get(&call).and_then(|seen| seen.waiting.iter().nth(waiter));
                let whom = at.map_or_else(|| user(waiter), |device| device.user.clone());
                let waits = |seen: &Seen| seen.waiting.iter().any(|device| device.user == whom);
                let waited = self.seen.get(&call).is_some_and(waits);
                self.ask(device, Request::Admit { call, user: whom.clone(), admit })?.ok()?;
                assert!(self.inside(call).contains(&by), "only hosts who are in");
                assert!(!waits(&self.seen[&call]));
                if waited {
                    assert_eq!(by.user, user(1), "only hosts who are in");
                    let is_in = self.inside(call).iter().any(|device| device.user == whom);
                    assert_eq!(is_in, admit);
                    self.reached.insert(if admit { "let in" } else { "turned away" });
                }
            }
            Step::Revoke(at) => {
                let before = self.calls.clone().into_iter().map(|call| (call, self.inside(call))).collect::<Vec<_>>();
                self.tell(Event::LinkOver { link: link(at).key });
                assert!(self.seen.values().all(|seen| at == 0 || seen.waiting.is_empty()));
                for (call, inside) in before {
                    assert_eq!(self.inside(call), inside, "those who are in stay");
                }
            }
            Step::Replaced(device) => {
                self.tell(Event::DeviceReplaced { device: endpoint(device) });
                for seen in self.seen.values_mut() {
                    seen.waiting.remove(&endpoint(device));
                }
            }
            _ => {}
        }
        Some(())
    }
}
