//! What a node that follows has asked of the owner and not heard of.
//!
//! Invariants: a device's messages are asked for one after the other, so that one that is asked again is not overtaken by the next.
//! What is pending is bounded by the inbox's limit, beside what must be done however much is.

use super::way::{Answered, Asked};
use super::{Command, GroupChanged, Rejected, Reply};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use tertulia_chat_core::{DeviceRef, Refusal, Sent};

/// Who waits for an answer.
pub(super) enum Wants {
    Opened(Reply<DeviceRef>),
    Sent(Reply<Sent>),
    Done(Reply<()>),
    Changed(Reply<GroupChanged>),
    Nobody,
}

struct Ask {
    asked: Asked,
    wants: Wants,
    /// Whose message it is.
    device: Option<DeviceRef>,
    asked_at: Option<Instant>,
}

/// All of it.
pub(super) struct Pending {
    max: usize,
    again: Duration,
    next: u64,
    asks: BTreeMap<u64, Ask>,
    lines: FxHashMap<DeviceRef, VecDeque<u64>>,
    /// To be asked now.
    due: Vec<u64>,
    /// When all are looked through for those to be asked again.
    look_at: Instant,
}

impl Pending {
    pub(super) fn new(max: usize, again: Duration) -> Self {
        Self {
            max,
            again,
            next: 0,
            asks: BTreeMap::new(),
            lines: FxHashMap::default(),
            due: Vec::new(),
            look_at: Instant::now() + again,
        }
    }

    /// Gives back who wants it if too much is pending.
    pub(super) fn add(&mut self, asked: Asked, wants: Wants, device: Option<DeviceRef>) -> Result<(), Wants> {
        if self.asks.len() >= self.max && !asked.is_owed() {
            return Err(wants);
        }
        let number = self.next;
        self.next += 1;
        self.asks.insert(number, Ask { asked, wants, device, asked_at: None });
        let line = device.map(|device| self.lines.entry(device).or_default());
        if line.is_none_or(|line| {
            line.push_back(number);
            line.len() == 1
        }) {
            self.due.push(number);
        }
        Ok(())
    }

    /// Those that are to be asked now, for the first time or again.
    pub(super) fn due(&mut self) -> Vec<(u64, Asked)> {
        let now = Instant::now();
        let mut due = std::mem::take(&mut self.due);
        if now >= self.look_at {
            self.look_at = now + self.again;
            let is_late = |ask: &Ask| ask.asked_at.is_some_and(|at| now >= at + self.again);
            due.extend(self.asks.iter().filter(|(_, ask)| is_late(ask)).map(|(number, _)| *number));
        }
        let asked = |number| {
            let ask = self.asks.get_mut(&number)?;
            ask.asked_at = Some(now);
            Some((number, ask.asked.clone()))
        };
        due.into_iter().filter_map(asked).collect()
    }

    /// Who wants to hear what became of one, and of what. What nobody knows, or has to be done anyhow, is asked again when its time comes.
    pub(super) fn answered(&mut self, number: u64, answer: &Result<Answered, Rejected>) -> Option<(Asked, Wants)> {
        let ask = self.asks.get(&number)?;
        match answer {
            Err(Rejected::Ended) => return None,
            Err(Rejected::Busy | Rejected::Full) if ask.asked.is_owed() => return None,
            _ => {}
        }
        let Ask { asked, wants, device, .. } = self.asks.remove(&number)?;
        if let Some(device) = device
            && let Some(line) = self.lines.get_mut(&device)
        {
            line.pop_front();
            self.due.extend(line.front());
            if line.is_empty() {
                self.lines.remove(&device);
            }
        }
        Some((asked, wants))
    }

    /// Nobody is asked any longer: this node decides itself.
    pub(super) fn into_commands(self) -> impl Iterator<Item = Command> {
        self.asks.into_values().map(|Ask { asked, wants, .. }| match (asked, wants) {
            (Asked::Open { user, device }, Wants::Opened(reply)) => Command::Open { user, device, reply },
            (asked, wants) => Command::Asked { asked, answer: Box::new(move |answer| wants.tell(answer)) },
        })
    }

    /// This node ends.
    pub(super) fn refuse(self) {
        self.asks.into_values().for_each(|ask| ask.wants.refuse(Rejected::Ended));
    }
}

impl Wants {
    /// `opened` is the mailbox that was asked for.
    pub(super) fn hear(self, opened: Option<DeviceRef>, answer: Result<Answered, Rejected>) {
        match self {
            // Closed since.
            Self::Opened(reply) => reply(answer.and(opened.ok_or(Rejected::Refused(Refusal::DeviceGone)))),
            wants => wants.tell(answer),
        }
    }

    fn tell(self, answer: Result<Answered, Rejected>) {
        match (self, answer) {
            (Self::Sent(reply), Ok(Answered::Sent(sent))) => reply(Ok(sent)),
            (Self::Changed(reply), Ok(Answered::Changed(changed))) => reply(Ok(changed)),
            (Self::Done(reply), Ok(_)) => reply(Ok(())),
            (wants, Err(why)) => wants.refuse(why),
            // The answer to something else: whoever asked asks again.
            (wants, Ok(_)) => wants.refuse(Rejected::Busy),
        }
    }

    pub(super) fn refuse(self, why: Rejected) {
        match self {
            Self::Opened(reply) => reply(Err(why)),
            Self::Sent(reply) => reply(Err(why)),
            Self::Done(reply) => reply(Err(why)),
            Self::Changed(reply) => reply(Err(why)),
            Self::Nobody => {}
        }
    }
}
