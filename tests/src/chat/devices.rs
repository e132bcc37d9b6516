//! Rules 1, 2, 3, 6 and 8: what came to each device, in which order, and what did not.

use super::facts::{Due, Facts};
use super::history::{Answer, Device, History, Item, What, Why};
use super::{Fault, Policy, Rule, places};
use std::collections::{BTreeMap, HashMap, HashSet};
use tertulia_common::Timestamp;

/// What has gone wrong at devices.
pub(super) fn judge(history: &History, facts: &Facts, policy: &Policy, faults: &mut Vec<Fault>) {
    for device in facts.devices.keys() {
        places::overtaken(history, facts, device, faults);
        Walk::new(facts, policy, device).along(history, faults);
    }
}

/// What exists, is due to a device, and has not come to it.
pub(super) fn lost(history: &History, facts: &Facts, missing: &mut Vec<Fault>) {
    let policy = Policy::default();
    for (device, opened) in &facts.devices {
        let mut walk = Walk::new(facts, &policy, device);
        walk.along(history, &mut Vec::new());
        if opened.done.is_none() || opened.unlink_asked.is_some() {
            continue;
        }
        for (index, message) in facts.messages.iter().enumerate() {
            if walk.due[index] == Due::Yes && message.known.is_some() && !walk.is_settled(index) {
                missing.push(walk.fault(
                    Rule::Lost,
                    Some(index),
                    message.known,
                    "it exists, and never came".to_owned(),
                ));
            }
        }
    }
}

/// One device's history, as it is gone through.
struct Walk<'a> {
    facts: &'a Facts,
    policy: &'a Policy,
    device: &'a Device,
    /// By message.
    due: Vec<Due>,
    /// Messages that are due, by position.
    positions: BTreeMap<u64, usize>,
    had: HashSet<usize>,
    /// Given up, or complained of already.
    excused: HashSet<usize>,
    /// Acknowledgements that count reach up to here, and reached when the session began.
    counts: u64,
    counted_before: u64,
    /// It asked for this session, or goes on to ask: its mailbox is read from some time after this on.
    asked: usize,
    /// In this session.
    began: usize,
    heard: HashSet<usize>,
    position: u64,
    seqs: HashMap<&'a str, u64>,
    /// On this socket.
    acknowledged: u64,
    requests: HashMap<u64, u64>,
}

impl<'a> Walk<'a> {
    fn new(facts: &'a Facts, policy: &'a Policy, device: &'a Device) -> Self {
        let due: Vec<Due> = facts.messages.iter().map(|message| facts.due(device, message)).collect();
        let at =
            |(index, due): (usize, &Due)| Some((facts.messages[index].position?, index)).filter(|_| *due == Due::Yes);
        let positions = due.iter().enumerate().filter_map(at).collect();
        Self {
            facts,
            policy,
            device,
            due,
            positions,
            had: HashSet::new(),
            excused: HashSet::new(),
            counts: 0,
            counted_before: 0,
            asked: 0,
            began: 0,
            heard: HashSet::new(),
            position: 0,
            seqs: HashMap::new(),
            acknowledged: 0,
            requests: HashMap::new(),
        }
    }

    fn along(&mut self, history: &'a History, faults: &mut Vec<Fault>) {
        for (at, when, what) in history.of(self.device) {
            self.is_allowed(at, what, faults);
            match what {
                What::Connects => self.asked = at,
                What::Welcomed => {
                    self.counted_before = self.counts;
                    self.began = self.asked;
                    self.heard.clear();
                    self.seqs.clear();
                    (self.position, self.acknowledged) = (0, 0);
                    self.requests.clear();
                }
                // What was said on the old socket may be lost: it counts only by what is answered on that socket.
                What::Resumed => {
                    self.acknowledged = 0;
                    self.requests.clear();
                }
                What::Drained => self.drained(at, faults),
                What::Sends { request, .. } => {
                    self.requests.insert(*request, self.acknowledged);
                }
                // What is new is synced, and what was said before with it. Another answer may be from memory.
                What::Answered { request, answer: Answer::Sent { duplicate: false, .. }, .. } => {
                    self.counts = self.counts.max(self.requests.remove(request).unwrap_or_default());
                }
                What::Acknowledges { upto } => self.acknowledges(at, *upto, faults),
                What::Heard(item) => self.hears(at, when, item, faults),
                _ => {}
            }
        }
    }

    /// Whoever was unlinked before it asked gets in no more.
    fn is_allowed(&mut self, at: usize, what: &What, faults: &mut Vec<Fault>) {
        let Some(unlinked) = self.facts.devices.get(self.device).and_then(|opened| opened.unlinked) else { return };
        let asked = match what {
            What::Welcomed | What::Resumed => self.asked,
            What::Answered { name, answer: Answer::Sent { duplicate: false, .. }, .. } => {
                self.facts.named(self.device, *name).map_or(0, |index| self.facts.messages[index].sent)
            }
            _ => return,
        };
        if unlinked < asked {
            faults.push(self.fault(Rule::AfterUnlinking, None, Some(at), format!("{what:?}")));
        }
    }

    /// It has it, or could have it any time, or need not.
    fn is_settled(&self, index: usize) -> bool {
        self.had.contains(&index) || self.heard.contains(&index) || self.excused.contains(&index)
    }

    fn fault(&self, rule: Rule, message: Option<usize>, at: Option<usize>, seen: String) -> Fault {
        let message = message.map(|index| self.facts.messages[index].name());
        Fault { rule, device: Some(self.device.clone()), message, at, seen }
    }

    fn drained(&mut self, at: usize, faults: &mut Vec<Fault>) {
        for (index, message) in self.facts.messages.iter().enumerate() {
            let waited = message.answered.is_some_and(|answered| answered < self.began);
            if waited && self.due[index] == Due::Yes && !self.is_settled(index) {
                faults.push(self.fault(Rule::DrainedEarly, Some(index), Some(at), "it had waited".to_owned()));
                self.excused.insert(index);
            }
        }
    }

    fn acknowledges(&mut self, at: usize, upto: u64, faults: &mut Vec<Fault>) {
        let covered: Vec<usize> = self.positions.range(..=upto).map(|(_, index)| *index).collect();
        for index in covered {
            if !self.is_settled(index) {
                let seen = format!("it acknowledged {upto} and never heard this, which is below");
                faults.push(self.fault(Rule::Buried, Some(index), Some(at), seen));
                self.excused.insert(index);
            }
        }
        let now = self.heard.iter().filter(|index| self.facts.messages[**index].position.is_some_and(|at| at <= upto));
        self.had.extend(now.copied().collect::<Vec<_>>());
        self.acknowledged = self.acknowledged.max(upto);
    }

    fn hears(&mut self, at: usize, when: Timestamp, item: &'a Item, faults: &mut Vec<Fault>) {
        match item {
            Item::Message { position, conversation, seq, .. }
            | Item::Entry { position, group: conversation, seq, .. } => {
                if let Some(index) = self.facts.of_item(item) {
                    self.hears_message(at, index, (*position, conversation, *seq), faults);
                }
            }
            Item::Receipts { position, .. } => {
                if *position <= self.position {
                    let seen = format!("receipts at position {position} after {}", self.position);
                    faults.push(self.fault(Rule::OutOfOrder, None, Some(at), seen));
                }
                self.position = self.position.max(*position);
            }
            Item::Gap { upto, why } => self.hears_gap(at, when, *upto, *why, faults),
        }
    }

    fn hears_message(&mut self, at: usize, index: usize, place: (u64, &'a str, u64), faults: &mut Vec<Fault>) {
        let (position, conversation, seq) = place;
        let mut complain = |rule, seen: String| faults.push(self.fault(rule, Some(index), Some(at), seen));
        if let Due::No(rule) = self.due[index] {
            complain(rule, "it is not for this device".to_owned());
        }
        let last = self.seqs.get(conversation).copied().unwrap_or_default();
        if self.heard.contains(&index) {
            complain(Rule::Twice, "in one session".to_owned());
        } else if position <= self.counts {
            complain(Rule::AfterAcknowledgement, format!("position {position}, acknowledged up to {}", self.counts));
        } else if position <= self.position || seq <= last {
            let seen = format!("position {position} after {}, place {seq} after {last}", self.position);
            complain(Rule::OutOfOrder, seen);
        }
        self.heard.insert(index);
        let below = self.facts.places.get(conversation).into_iter().flat_map(|of| of.range(..seq));
        let earlier = below.chain(self.positions.range(..position)).map(|(_, index)| *index);
        let skipped: HashSet<usize> =
            earlier.filter(|earlier| self.due[*earlier] == Due::Yes && !self.is_settled(*earlier)).collect();
        for skipped in skipped {
            let seen = format!("{} came first", self.facts.messages[index].name());
            faults.push(self.fault(Rule::Skipped, Some(skipped), Some(at), seen));
            self.excused.insert(skipped);
        }
        self.position = self.position.max(position);
        self.seqs.insert(conversation, seq.max(last));
    }

    fn hears_gap(&mut self, at: usize, when: Timestamp, upto: u64, why: Why, faults: &mut Vec<Fault>) {
        // What it has acknowledged since it came may have been heard of after the quota was kept.
        let since = self.counted_before;
        let waiting = || {
            let messages = self.facts.messages.iter().enumerate().filter(|(index, message)| {
                let due = matches!(self.due[*index], Due::Yes | Due::Maybe);
                due && message.sent < at && message.position.is_none_or(|position| position > since)
            });
            messages.map(|(_, message)| message)
        };
        let has_cause = match why {
            Why::Quota => waiting().count() as u64 > self.policy.entries_max,
            Why::Age => waiting().any(|message| {
                message.place.as_ref().is_some_and(|(.., sent_at)| when.since(*sent_at) > self.policy.keep)
            }),
        };
        if !has_cause {
            let seen = format!("everything up to {upto} was given up for {why:?}, and {} waited", waiting().count());
            faults.push(self.fault(Rule::PrematureGap, None, Some(at), seen));
        }
        self.excused.extend(self.positions.range(..=upto).map(|(_, index)| *index));
        // What nobody has heard was given up everywhere, or is yet to come: it has no position that is known.
        let nobodys = self.facts.messages.iter().enumerate().filter(|(_, message)| message.position.is_none());
        self.excused.extend(nobodys.filter(|(_, message)| message.sent < at).map(|(index, _)| index));
    }
}
