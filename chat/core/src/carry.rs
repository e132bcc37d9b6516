//! What goes with a message and is given to those it is for before the message is: who they are, and whether it was sent.
//!
//! Invariant: a message to [`To::GroupAt`](crate::To::GroupAt) is for exactly those who were told of that version, or is refused.

use crate::Refusal;
use crate::id::{ClientId, ConversationId, DeviceRef};
use crate::relay::Relay;
use tertulia_common::UserId;

impl Relay {
    /// Whom a message from this device to a group would be for, its sender among them, and the version that says so.
    ///
    /// # Errors
    /// As [`Relay::send`] would refuse it.
    pub fn written_to(&self, from: DeviceRef, group: ConversationId) -> Result<(u64, Vec<UserId>), Refusal> {
        let mailbox = self.mailboxes.get(from.0 as usize).filter(|mailbox| mailbox.open).ok_or(Refusal::DeviceGone)?;
        let known = *self.by_id.get(&group).ok_or(Refusal::NoConversation)?;
        let of = &self.conversations[known.0 as usize];
        if of.group.is_none() {
            return Err(Refusal::NoConversation);
        }
        self.may_write(mailbox.user, known)?;
        let there = of.members.iter().filter(|member| member.is_in());
        Ok((of.version, there.map(|member| self.users[member.user.0 as usize].id.clone()).collect()))
    }

    /// Whether this device has sent something by this name: it would be answered as before, or refused.
    #[must_use]
    pub fn knows(&self, from: DeviceRef, client_id: ClientId) -> bool {
        self.mailboxes.get(from.0 as usize).is_some_and(|mailbox| mailbox.sent.find(client_id).is_some())
    }
}
