//! The committer's part of nodes that follow: what they ask is decided as what sessions of this node ask.

use super::Committer;
use crate::engine::groups::GroupCommand;
use crate::engine::way::{Answer, Answered, Asked};
use crate::engine::{Command, NOBODY, Reader};
use crate::store::StoreError;
use tertulia_chat_core::{DeviceRef, Position, Relay};
use tertulia_common::{DeviceId, Timestamp, UserId};

/// The number of a device that is not there: whatever it asks is refused as a closed one's.
const NO_DEVICE: DeviceRef = DeviceRef(u32::MAX);

impl Committer<'_> {
    pub(super) fn asked(
        &mut self,
        relay: &mut Relay,
        now: Timestamp,
        asked: Asked,
        answer: Answer,
    ) -> Result<(), StoreError> {
        let reader = |relay: &Relay, user: &UserId, device: &DeviceId| Reader {
            device: relay.device(user, device).unwrap_or(NO_DEVICE),
            number: NOBODY,
        };
        let command = match asked {
            Asked::Open { user, device } => {
                Command::Open { user, device, reply: Box::new(|opened| answer(opened.map(|_| Answered::Done))) }
            }
            Asked::Send { user, device, submit, body, had } => {
                let from = reader(relay, &user, &device);
                self.had(relay, from.device, had)?;
                Command::Send { from, submit, body, reply: Box::new(|sent| answer(sent.map(Answered::Sent))) }
            }
            Asked::Note { note, body } => {
                Command::Note { note, body, reply: Box::new(|noted| answer(noted.map(Answered::Sent))) }
            }
            Asked::Read { user, device, conversation, upto } => {
                let reader = reader(relay, &user, &device);
                let reply = Box::new(|read: Result<(), _>| answer(read.map(|()| Answered::Done)));
                Command::Read { reader, conversation, upto, reply }
            }
            Asked::Change(ask) => {
                let reply = Box::new(|changed: Result<_, _>| answer(changed.map(Answered::Changed)));
                GroupCommand::Change { ask, reply }.into()
            }
            Asked::Acknowledge { user, device, upto } => {
                let Reader { device, .. } = reader(relay, &user, &device);
                self.had(relay, device, upto)?;
                self.tell(answer, Ok(Answered::Done));
                return Ok(());
            }
            Asked::Close { user, device } => {
                self.decide(relay, now, Command::Close { user, device })?;
                self.tell(answer, Ok(Answered::Done));
                return Ok(());
            }
            Asked::Remove { user } => {
                self.decide(relay, now, Command::Remove { user })?;
                self.tell(answer, Ok(Answered::Done));
                return Ok(());
            }
        };
        self.decide(relay, now, command)
    }

    fn had(&mut self, relay: &mut Relay, device: DeviceRef, upto: Position) -> Result<(), StoreError> {
        relay.acknowledge_elsewhere(device, upto, &mut self.records);
        self.write(relay)
    }
}
