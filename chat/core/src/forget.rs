//! Giving up: quotas, age, devices and people that go.

use crate::conversation::Author;
use crate::group::Made;
use crate::handout::Next;
use crate::id::{DeviceRef, Position};
use crate::mailbox::{GapReason, Mailbox};
use crate::record::Record;
use crate::relay::Relay;
use tertulia_common::{Timestamp, UserId};

impl Relay {
    /// Gives up the oldest eighth of a mailbox that has grown over its limit.
    pub(crate) fn keep_quota(&mut self, device: DeviceRef, out: &mut Vec<Record>) {
        let mailbox = &self.mailboxes[device.0 as usize];
        let max = self.limits.mailbox_entries_max;
        if mailbox.depth <= max {
            return;
        }
        let surplus = (mailbox.depth - (max - max / 8)) as usize;
        let (nexts, _) = self.above(device, mailbox.acknowledged, self.reached, surplus);
        let last = nexts.iter().rfind(|next| matches!(next, Next::Entry(..)));
        if let Some(Next::Entry(upto, ..)) = last
            && self.give_up(device, *upto, Some(GapReason::Quota))
        {
            out.push(self.device_record(device));
        }
    }

    /// Gives up what has waited for too long. Exact to the hour, and never early.
    pub fn expire(&mut self, now: Timestamp, out: &mut Vec<Record>) {
        let keep = self.limits.keep;
        let mut cut = Position(0);
        while let Some(&(hour, upto)) = self.hours.front() {
            // What was sent at the end of an hour is younger than its beginning.
            if now.since(hour) <= keep + HOUR {
                break;
            }
            cut = upto;
            self.hours.pop_front();
        }
        if cut == Position(0) {
            return;
        }
        for index in 0..self.mailboxes.len() {
            let device = DeviceRef(u32::try_from(index).unwrap_or(u32::MAX));
            let mailbox = &self.mailboxes[index];
            let waits = mailbox.open && mailbox.depth > 0 && mailbox.acknowledged < cut;
            if waits && self.give_up(device, cut, Some(GapReason::Expired)) {
                out.push(self.device_record(device));
            }
        }
    }

    /// A device's mailbox is closed. If it was its user's last, what waits in it waits for the next first one.
    pub fn close(&mut self, device: DeviceRef, out: &mut Vec<Record>) {
        let Some(mailbox) = self.mailboxes.get(device.0 as usize).filter(|mailbox| mailbox.open) else { return };
        if mailbox.device.is_none() {
            return;
        }
        let owner = mailbox.user;
        out.push(self.closed(device));
        if self.users[owner.0 as usize].mailboxes.len() > 1 {
            self.end(device);
            return;
        }
        // What its user sent elsewhere was for this device alone; what others sent is for the next.
        let (nexts, _) = self.above(device, self.mailboxes[device.0 as usize].acknowledged, self.reached, usize::MAX);
        for next in nexts {
            let Next::Entry(position, conversation, _) = next else { continue };
            // Looked up by its place: paying for one sheds others, and moves the rest.
            let of = &self.conversations[conversation.0 as usize];
            let author = of.at(position).map(|index| of.entries[index].author);
            let Some(Author::Device(sender)) = author else { continue };
            if self.mailboxes[sender.0 as usize].user == owner {
                self.pay(device, conversation, position);
            }
        }
        let mailbox = &mut self.mailboxes[device.0 as usize];
        (mailbox.open, mailbox.reader, mailbox.following) = (false, None, false);
        let (acknowledged, since, depth, gap) = (mailbox.acknowledged, mailbox.since, mailbox.depth, mailbox.gap);
        self.users[owner.0 as usize].mailboxes.retain(|of| *of != device);
        let waiting = Mailbox {
            acknowledged,
            handed: acknowledged,
            depth,
            gap,
            ..Mailbox::new(owner, None, since, self.reached)
        };
        let waiting = self.add_mailbox(waiting);
        out.push(self.device_record(waiting));
    }

    /// A person is gone: they leave their groups, by the entries that are given; their mailboxes go, and what waits in them.
    pub fn remove(&mut self, now: Timestamp, user: &UserId, out: &mut Vec<Record>) -> Vec<Made> {
        let Some(&owner) = self.by_user.get(user) else { return Vec::new() };
        let made = self.leave_all(now, owner, out);
        for device in self.users[owner.0 as usize].mailboxes.clone() {
            out.push(self.closed(device));
            self.end(device);
        }
        made
    }

    pub(crate) fn end(&mut self, device: DeviceRef) {
        self.give_up(device, self.reached, None);
        let mailbox = &mut self.mailboxes[device.0 as usize];
        mailbox.open = false;
        mailbox.reader = None;
        mailbox.following = false;
        let owner = mailbox.user;
        self.users[owner.0 as usize].mailboxes.retain(|of| *of != device);
    }

    /// Gives up what waits up to there. False, and nothing has changed, if nothing did.
    pub(crate) fn give_up(&mut self, device: DeviceRef, upto: Position, reason: Option<GapReason>) -> bool {
        let mailbox = &self.mailboxes[device.0 as usize];
        let (nexts, _) = self.above(device, mailbox.acknowledged, upto, usize::MAX);
        let mut any = false;
        for next in nexts {
            if let Next::Entry(position, conversation, _) = next {
                self.pay(device, conversation, position);
                any = true;
            }
        }
        if !any {
            return false;
        }
        let mailbox = &mut self.mailboxes[device.0 as usize];
        while mailbox.owed.pop(upto).is_some() {}
        mailbox.acknowledged = mailbox.acknowledged.max(upto);
        mailbox.since = mailbox.since.max(upto);
        if let Some(reason) = reason {
            mailbox.gap = Some((upto, reason));
            // A reader that was handed all of it has lost nothing; should it go without acknowledging, the next one hears of it.
            // Another hears of it before anything that comes after.
            mailbox.gap_told = mailbox.reader.is_some() && mailbox.handed >= upto;
            mailbox.following &= mailbox.gap_told;
        }
        mailbox.handed = mailbox.handed.max(upto);
        true
    }
}

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
