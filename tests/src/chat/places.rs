//! Rule 4: places in conversations.

use super::facts::{Due, Facts, Message};
use super::history::{Answer, Deed, Device, Done, History, Item, Step, To, What};
use super::{Fault, Rule, rights};
use std::collections::{BTreeMap, HashMap};

/// What was sent later stands later, and a conversation is one pair's.
pub(super) fn judge(facts: &Facts, faults: &mut Vec<Fault>) {
    let mut whose: HashMap<&str, Vec<&str>> = HashMap::new();
    for (conversation, places) in &facts.places {
        let mut latest: Option<&Message> = None;
        for message in places.values().map(|index| &facts.messages[*index]) {
            if let Some(latest) = latest.filter(|latest| message.answered.is_some_and(|at| at < latest.sent)) {
                let seen = format!("before it stands {}, sent after its answer", latest.name());
                faults.push(fault(Rule::Overtaken, message, seen));
            }
            if latest.is_none_or(|latest| latest.sent < message.sent) {
                latest = Some(message);
            }
            let To::User(to) = &message.to else { continue };
            let mut pair = vec![message.from.user.as_str(), to.as_str()];
            pair.sort_unstable();
            if whose.entry(conversation).or_insert_with(|| pair.clone()) != &pair {
                faults.push(fault(
                    Rule::PlaceTaken,
                    message,
                    format!("{conversation} is of {:?}", whose[&**conversation]),
                ));
            }
        }
    }
}

fn fault(rule: Rule, message: &Message, seen: String) -> Fault {
    Fault { rule, device: None, message: Some(message.name()), at: message.known, seen }
}

/// What one device sent later on the same socket stands later.
pub(super) fn overtaken(history: &History, facts: &Facts, device: &Device, faults: &mut Vec<Fault>) {
    // By conversation: what was sent on this socket, in order.
    let mut socket: HashMap<&To, Vec<usize>> = HashMap::new();
    for (at, _, what) in history.of(device) {
        match what {
            What::Welcomed | What::Resumed => socket.clear(),
            What::Sends { name, to, .. } => {
                let Some(index) = facts.named(device, *name) else { continue };
                let message = &facts.messages[index];
                let before = socket.entry(to).or_default();
                if message.sent == at {
                    let seq = |message: &Message| message.place.as_ref().map(|(_, seq, _)| *seq);
                    let passed = before.iter().map(|index| &facts.messages[*index]).find(|earlier| {
                        let both = seq(earlier).zip(seq(message));
                        !earlier.refused
                            && !rights::may_be_refused(facts, earlier, message)
                            && both.is_some_and(|(earlier, later)| earlier > later)
                    });
                    if let Some(passed) = passed {
                        let seen = format!("it stands before {}, sent before it on the same socket", passed.name());
                        faults.push(Fault { device: Some(device.clone()), ..fault(Rule::Overtaken, message, seen) });
                    }
                }
                before.push(index);
            }
            _ => {}
        }
    }
}

/// Places that no message has. While an answer is outstanding its message may stand there: for good, if its device was unlinked before
/// it had one, and the message was for nobody else, or was given up. Of a group's entry nobody but those who hear it knows where it stands.
pub(super) fn holes(facts: &Facts, all_is_kept: bool, missing: &mut Vec<Fault>) {
    for (conversation, places) in &facts.places {
        let last = places.keys().next_back().copied().unwrap_or_default();
        let holes: Vec<u64> = (1..=last).filter(|seq| !places.contains_key(seq)).collect();
        let outstanding = facts.messages.iter().filter(|message| {
            let for_somebody = || facts.devices.keys().any(|device| facts.due(device, message) == Due::Yes);
            is_outstanding(facts, message, conversation) && (!all_is_kept || !for_somebody())
        });
        let outstanding = outstanding.count();
        let in_a_group = places.values().any(|index| matches!(facts.messages[*index].to, To::Group(_)));
        if holes.len() > outstanding && (all_is_kept || !in_a_group) {
            let seen = format!("{conversation} has {last} places, and nothing at {holes:?}");
            missing.push(Fault { rule: Rule::Hole, device: None, message: None, at: None, seen });
        }
    }
}

/// Whether a message may stand in a conversation without an answer that anybody will ever get.
fn is_outstanding(facts: &Facts, message: &Message, conversation: &str) -> bool {
    let unlinked = facts.devices.get(&message.from).is_some_and(|from| from.unlink_asked.is_some());
    let may_stand_there = match &message.to {
        To::Group(group) => group == conversation,
        To::User(to) => facts.places.get(conversation).into_iter().flat_map(BTreeMap::values).any(|index| {
            let other = &facts.messages[*index];
            let pair = [&message.from.user, to];
            matches!(&other.to, To::User(to) if pair.contains(&to) && pair.contains(&&other.from.user)
                && (pair[0] == pair[1]) == (*to == other.from.user))
        }),
    };
    unlinked && message.known.is_none() && may_stand_there
}

/// How many devices the history speaks of, and what they did: for those who look whether a workload did anything.
#[must_use]
pub(super) fn tally(history: &History) -> BTreeMap<&'static str, usize> {
    let mut tally = BTreeMap::new();
    for event in &history.events {
        let kind = match &event.step {
            Step::Killed => "kills",
            Step::Device(_, What::Sends { .. }) => "sends",
            Step::Device(_, What::Heard(Item::Entry { .. })) => "entries",
            Step::Device(_, What::Heard(Item::Gap { .. })) => "gaps",
            Step::Device(_, What::Heard(Item::Receipts { all: Some(_), .. })) => "figures of all",
            Step::Device(_, What::Heard(_)) => "heard",
            Step::Device(_, What::Acknowledges { .. }) => "acknowledgements",
            Step::Device(_, What::Welcomed) => "sessions",
            Step::Device(_, What::Resumed) => "resumes",
            Step::Device(_, What::Changed { .. } | What::Created { .. }) => "changes of groups",
            Step::Device(_, What::Answered { answer: Answer::Refused { .. }, .. }) => "refused",
            Step::Device(_, What::Blocked { .. }) => "blocks",
            Step::Device(_, What::Unlinked { .. }) => "unlinked",
            Step::Device(_, What::Told { done: Done::Refused(_), .. }) => "deeds refused",
            Step::Device(_, What::Asks { deed: Deed::End, .. }) => "ends of groups",
            _ => continue,
        };
        *tally.entry(kind).or_default() += 1;
    }
    tally
}
