//! The committer's part of groups: changes are decided and written like messages, looks are answered with the batch.

use super::Committer;
use crate::engine::groups::{GroupChanged, GroupCommand, GroupPage};
use crate::engine::{Rejected, count};
use crate::store::StoreError;
use tertulia_chat_core::{Made, Relay};
use tertulia_common::Timestamp;

impl Committer<'_> {
    pub(super) fn groups(
        &mut self,
        relay: &mut Relay,
        now: Timestamp,
        command: GroupCommand,
    ) -> Result<(), StoreError> {
        match command {
            GroupCommand::Change { reply, .. } if self.store.is_short() => {
                count(&self.shared.counters.full, 1);
                self.told.push(Box::new(move || reply(Err(Rejected::Full))));
            }
            GroupCommand::Change { ask, reply } => {
                let changed = relay.change(now, &ask, &mut self.records);
                if let Ok(changed) = &changed {
                    let counters = &self.shared.counters;
                    count(if changed.duplicate { &counters.duplicates } else { &counters.group_changes }, 1);
                    self.made(relay, &changed.made)?;
                }
                let done = changed.map(|changed| {
                    let view = relay.group(&ask.by, changed.group);
                    GroupChanged { changed, view }
                });
                self.tell(reply, done);
            }
            GroupCommand::View { user, group, reply } => {
                let view = relay.group(&user, group);
                self.tell(reply, Ok(view));
            }
            GroupCommand::List { user, after, max, reply } => {
                let (groups, has_more) = relay.groups(&user, after, max);
                self.tell(reply, Ok(GroupPage { groups, has_more }));
            }
        }
        Ok(())
    }

    /// Writes what a change has made of groups.
    pub(super) fn made(&mut self, relay: &mut Relay, made: &[Made]) -> Result<(), StoreError> {
        for made in made {
            self.bodies.insert(made.position, made.event.to_bytes().into());
        }
        self.write(relay)
    }
}
