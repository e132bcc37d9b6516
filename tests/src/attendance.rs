//! Who is in a call, as a client keeps it: rosters, and in a call of many the changes to them.

use crate::Client;
use tertulia_common::CallId;
use tertulia_signaling_proto::{Participant, ServerFrame};

/// What one device knows of who is in a call.
#[derive(Debug, Default)]
pub struct Attendance {
    version: u32,
    there: Vec<Participant>,
    /// Rosters that were told whole, and changes that were made.
    pub told: (usize, usize),
}

impl Attendance {
    /// Those who are in, in the order of their coming.
    #[must_use]
    pub fn there(&self) -> &[Participant] {
        &self.there
    }

    /// Takes what a frame says of it.
    pub fn take(&mut self, frame: &ServerFrame) {
        match frame {
            ServerFrame::CallRoster(roster) if roster.version > self.version => {
                self.version = roster.version;
                self.there = roster.participants.iter().map(|entry| entry.participant.clone()).collect();
                self.told.0 += 1;
            }
            ServerFrame::CallRosterChanges(changes) if (changes.since..changes.version).contains(&self.version) => {
                self.version = changes.version;
                self.there.retain(|one| !changes.gone.contains(one));
                for entry in &changes.changed {
                    if !self.there.contains(&entry.participant) {
                        self.there.push(entry.participant.clone());
                    }
                }
                self.told.1 += 1;
            }
            _ => {}
        }
    }

    /// Follows what a client hears until it is so.
    ///
    /// # Errors
    /// If it is not in time.
    pub async fn until(
        &mut self,
        client: &mut Client,
        call: CallId,
        what: &str,
        so: impl Fn(&[Participant]) -> bool,
    ) -> anyhow::Result<()> {
        let pick = |frame: &ServerFrame| match frame {
            ServerFrame::CallRoster(roster) => (roster.call_id == call).then(|| frame.clone()),
            ServerFrame::CallRosterChanges(changes) => (changes.call_id == call).then(|| frame.clone()),
            _ => None,
        };
        while !so(&self.there) {
            let frame = client.expect(what, pick).await?;
            self.take(&frame);
        }
        Ok(())
    }
}
