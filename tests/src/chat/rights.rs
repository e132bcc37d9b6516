//! Rule 9: who may do what in a group, and what they are told who may not.
//!
//! The entries of a group say who was what in it at each of its places, so what stands in it can be judged exactly. An answer was
//! decided at some moment between the question and itself; where the group was in several states meanwhile, an answer that is right
//! in one of them is right.

use super::facts::{Facts, Message};
use super::history::{Answer, Deed, Device, Done, Event, Happened, History, Role, Step, To, What};
use super::standing::Standing;
use super::{Fault, Rule};
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

/// Refusals, by the names that they have outside.
const FORBIDDEN: &str = "forbidden";
const UNKNOWN_CONVERSATION: &str = "unknown_conversation";
const UNKNOWN_USER: &str = "unknown_user";
const NOT_ADDABLE: &str = "not_addable";
const INVITE_OVER: &str = "invite_over";
/// Somebody who has come and gone as often as this may be refused for that alone: as many times may wait for a device of theirs.
const STAYS_MAX: usize = 8;

/// A group after one of its places.
#[derive(Clone, Debug)]
struct Rights {
    members: BTreeMap<String, Role>,
    post: Role,
    edit: Role,
}

impl Rights {
    /// Before it is there. What its first entry does not say is as its maker leaves it.
    fn new() -> Self {
        Self { members: BTreeMap::new(), post: Role::Member, edit: Role::Admin }
    }

    fn of(&self, user: &str) -> Option<Role> {
        self.members.get(user).copied()
    }

    /// What somebody hears who wants this now. None: it is done.
    fn refusal(&self, by: &str, deed: &Deed) -> Option<&'static str> {
        let Some(mine) = self.of(by) else { return Some(UNKNOWN_CONVERSATION) };
        let least = |role| if mine >= role { None } else { Some(FORBIDDEN) };
        match deed {
            Deed::Create(_) | Deed::Join(_) => None,
            Deed::Put(user, role) => least(Role::Admin).or_else(|| {
                let may = match self.of(user) {
                    None => *role <= mine && *role != Role::Owner,
                    Some(theirs) => *role == theirs || (theirs < mine && *role <= mine),
                };
                if may { None } else { Some(FORBIDDEN) }
            }),
            Deed::Remove(user) if user == by => None,
            Deed::Remove(user) => least(Role::Admin).or_else(|| match self.of(user) {
                None => Some(UNKNOWN_USER),
                Some(theirs) if theirs < mine => None,
                Some(_) => Some(FORBIDDEN),
            }),
            Deed::Edit { post, edit } => {
                let is_other = post.is_some_and(|post| post != self.post) || edit.is_some_and(|edit| edit != self.edit);
                least(if is_other { Role::Admin } else { self.edit })
            }
            Deed::Invite | Deed::Revoke => least(Role::Admin),
            Deed::End => least(Role::Owner),
        }
    }

    /// Whether somebody might do what an entry says, as what it says was done by them.
    fn allows(&self, by: &str, happened: &Happened) -> bool {
        let deed = match happened {
            Happened::Created(..) => return self.members.is_empty(),
            Happened::Added(user, role) if self.of(user).is_none() => Deed::Put(user.clone(), *role),
            Happened::Becomes(user, role) if self.of(user).is_some() => Deed::Put(user.clone(), *role),
            Happened::Added(..) | Happened::Becomes(..) => return false,
            Happened::Joined(user) => return user == by && self.of(by).is_none() && !self.members.is_empty(),
            Happened::Removed(user) => return user != by && self.refusal(by, &Deed::Remove(user.clone())).is_none(),
            // Whose it is hands it on first.
            Happened::Left(user) => return user == by && self.of(by).is_some_and(|role| role < Role::Owner),
            Happened::Edited { post, edit, .. } => Deed::Edit { post: *post, edit: *edit },
            Happened::Ended => Deed::End,
        };
        self.refusal(by, &deed).is_none()
    }

    fn become_so(&mut self, by: &str, happened: &Happened) {
        match happened {
            Happened::Created(_, all) => {
                self.members.extend(all.iter().map(|user| (user.clone(), Role::Member)));
                self.members.insert(by.to_owned(), Role::Owner);
            }
            Happened::Added(user, role) => drop(self.members.insert(user.clone(), *role)),
            Happened::Joined(user) => drop(self.members.insert(user.clone(), Role::Member)),
            Happened::Removed(user) | Happened::Left(user) => drop(self.members.remove(user)),
            Happened::Becomes(user, role) => {
                if *role == Role::Owner {
                    let owners = self.members.values_mut().filter(|role| **role == Role::Owner);
                    owners.for_each(|role| *role = Role::Admin);
                }
                self.members.insert(user.clone(), *role);
            }
            Happened::Edited { post, edit, .. } => {
                (self.post, self.edit) = (post.unwrap_or(self.post), edit.unwrap_or(self.edit));
            }
            Happened::Ended => self.members.clear(),
        }
    }

    /// What somebody hears who writes now.
    fn refusal_to_write(&self, by: &str) -> Option<&'static str> {
        match self.of(by) {
            None => Some(UNKNOWN_CONVERSATION),
            Some(role) if role < self.post => Some(FORBIDDEN),
            Some(_) => None,
        }
    }
}

/// What stands in groups was done by those who might.
pub(super) fn judge(facts: &Facts, faults: &mut Vec<Fault>) {
    for conversation in facts.places.keys() {
        after_each(facts, conversation, faults);
    }
}

/// A group after each of its places, as far as they are known.
fn after_each(facts: &Facts, group: &str, faults: &mut Vec<Fault>) -> Vec<Rights> {
    let mut all = vec![Rights::new()];
    for (seq, index) in facts.places.get(group).into_iter().flatten() {
        let message = &facts.messages[*index];
        let (Some(before), To::Group(_)) = (all.last(), &message.to) else { break };
        // Whose group it is, and who is in it, is not known where its beginning is not.
        let begins = || matches!(message.entry, Some(Happened::Created(..)));
        if *seq != all.len() as u64 || (before.members.is_empty() && *seq == 1 && !begins()) {
            break;
        }
        let by = message.from.user.as_str();
        let (mut after, may) = match &message.entry {
            Some(happened) => {
                let mut after = before.clone();
                after.become_so(by, happened);
                (after, before.allows(by, happened))
            }
            None => (before.clone(), before.refusal_to_write(by).is_none()),
        };
        if !may {
            let seen = format!("{by} was {:?} in it, and {:?} may write", before.of(by), before.post);
            faults.push(fault(Rule::NotAllowed, message, seen));
            // Once is enough: what follows is judged as if they might.
            after.members.entry(by.to_owned()).or_insert(Role::Member);
        }
        all.push(after);
    }
    all
}

fn fault(rule: Rule, message: &Message, seen: String) -> Fault {
    Fault { rule, device: None, message: Some(message.name()), at: message.known, seen }
}

/// Whether a message may have been refused when it was sent, in a group that changed before a later one was taken: its sender, who did
/// not hear of that, sends it again.
pub(super) fn may_be_refused(facts: &Facts, message: &Message, later: &Message) -> bool {
    let (To::Group(group), Some(known)) = (&message.to, later.known) else { return false };
    let groups = after_each(facts, group, &mut Vec::new());
    let states = between(facts, group, message.sent, known).and_then(|range| groups.get(range));
    states.is_none_or(|states| states.iter().any(|state| state.refusal_to_write(&message.from.user).is_some()))
}

/// Where a group may have been between two events; None: that is not known.
fn between(facts: &Facts, group: &str, asked: usize, told: usize) -> Option<RangeInclusive<usize>> {
    let places = facts.places.get(group);
    let last = |is: &dyn Fn(&Message) -> bool| {
        let mut places = places.into_iter().flatten().rev();
        let last = places.find(|(_, index)| is(&facts.messages[**index])).map(|(seq, _)| *seq);
        usize::try_from(last.unwrap_or_default()).ok()
    };
    let from = last(&|message| message.known.is_some_and(|known| known < asked))?;
    let upto = last(&|message| message.sent < told)?;
    Some(from..=upto.max(from))
}

/// Answers that do not fit what stands in groups. Only where everything that stands there has come: what nobody knows yet may be why.
pub(super) fn answers(history: &History, facts: &Facts, faults: &mut Vec<Fault>) {
    let answers = Answers::gather(history, facts);
    answers.deeds(faults);
    for (at, Event { step, .. }) in history.events.iter().enumerate() {
        if let Step::Device(device, What::Answered { request, name, answer: Answer::Refused { is_final: true, why } }) =
            step
        {
            let Some(asked) = answers.sent.get(&(device, *request)) else { continue };
            let Some(message) = facts.named(device, *name).map(|index| &facts.messages[index]) else { continue };
            let reasons = match &message.to {
                // Whoever is there may be written to: who does not want that is not to be known by it.
                To::User(_) => Some(vec![None]),
                To::Group(group) => answers.states(group, *asked, at).map(|states| {
                    let mut reasons: Vec<_> = states.iter().map(|state| state.refusal_to_write(&device.user)).collect();
                    // Who was in it once may learn that it is there.
                    if reasons.contains(&Some(UNKNOWN_CONVERSATION)) {
                        reasons.push(Some(FORBIDDEN));
                    }
                    reasons
                }),
            };
            if reasons.is_some_and(|reasons| !reasons.contains(&Some(why.as_str()))) {
                let device = Some(device.clone());
                faults.push(Fault {
                    device,
                    at: Some(at),
                    ..fault(Rule::Unfounded, message, format!("refused: {why}"))
                });
            }
        }
    }
}

/// Something that was asked of a group, and what came of it.
struct Asked<'a> {
    by: &'a Device,
    group: Option<&'a str>,
    deed: &'a Deed,
    asked: usize,
    told: Option<(usize, &'a Done)>,
}

impl Asked<'_> {
    /// It is done, by an answer from before then.
    fn is_done_before(&self, at: usize) -> bool {
        matches!(self.told, Some((told, Done::Yes(_))) if told < at)
    }

    fn token(&self) -> Option<&str> {
        match self.told {
            Some((_, Done::Yes(token))) => token.as_deref(),
            _ => None,
        }
    }
}

struct Answers<'a> {
    facts: &'a Facts,
    groups: HashMap<&'a str, Vec<Rights>>,
    asked: Vec<Asked<'a>>,
    /// By device and request: when a message was sent by it.
    sent: HashMap<(&'a Device, u64), usize>,
}

impl<'a> Answers<'a> {
    fn gather(history: &'a History, facts: &'a Facts) -> Self {
        let groups = facts.places.keys().map(|group| (group.as_str(), after_each(facts, group, &mut Vec::new())));
        let mut answers = Self { facts, groups: groups.collect(), asked: Vec::new(), sent: HashMap::new() };
        let mut requests = HashMap::new();
        for (at, Event { step, .. }) in history.events.iter().enumerate() {
            let Step::Device(by, what) = step else { continue };
            match what {
                What::Sends { request, .. } => drop(answers.sent.insert((by, *request), at)),
                What::Asks { request, group, deed } => {
                    requests.insert((by, *request), answers.asked.len());
                    answers.asked.push(Asked { by, group: group.as_deref(), deed, asked: at, told: None });
                }
                What::Told { request, done } => {
                    if let Some(&index) = requests.get(&(by, *request)) {
                        answers.asked[index].told = Some((at, done));
                    }
                }
                _ => {}
            }
        }
        answers
    }

    fn states(&self, group: &str, asked: usize, told: usize) -> Option<&[Rights]> {
        self.groups.get(group)?.get(between(self.facts, group, asked, told)?)
    }

    fn deeds(&self, faults: &mut Vec<Fault>) {
        for asked in &self.asked {
            let Some((told, done)) = asked.told else { continue };
            let by = asked.by.user.as_str();
            let blocked = |user: &String| self.facts.is_blocked(user, by, asked.asked, told);
            // What each moment between the two gives.
            let reasons = match (asked.group, asked.deed) {
                (_, Deed::Create(members)) => {
                    Some(members.iter().map(blocked).fold(vec![None], |reasons, blocked| match blocked {
                        Standing::In => vec![Some(NOT_ADDABLE)],
                        Standing::Open => [reasons, vec![Some(NOT_ADDABLE)]].concat(),
                        Standing::Never | Standing::Out => reasons,
                    }))
                }
                (Some(group), Deed::Join(token)) => self.to_join(by, group, token, asked.asked, told),
                (Some(group), deed) => self.states(group, asked.asked, told).map(|states| {
                    let mut reasons: Vec<_> = states.iter().map(|state| state.refusal(by, deed)).collect();
                    if let Deed::Put(user, _) = deed {
                        let comes = states.iter().any(|state| state.of(by).is_some() && state.of(user).is_none());
                        let never_in = states.iter().all(|state| state.of(user).is_none());
                        match blocked(user) {
                            // Whoever is not in it is asked for first.
                            Standing::In if never_in && user != by => {
                                reasons.iter_mut().filter(|why| why.is_none()).for_each(|why| *why = Some(NOT_ADDABLE));
                                reasons.push(Some(NOT_ADDABLE));
                            }
                            Standing::In | Standing::Open if comes => reasons.push(Some(NOT_ADDABLE)),
                            _ if comes && self.comings(group, user) >= STAYS_MAX => reasons.push(Some(NOT_ADDABLE)),
                            _ => {}
                        }
                    }
                    reasons
                }),
                (None, _) => None,
            };
            let Some(reasons) = reasons else { continue };
            let (fits, rule) = match done {
                Done::Yes(_) => (reasons.contains(&None), Rule::NotAllowed),
                // Made before, and left since: what was done is not shown.
                Done::Refused(why) if matches!(asked.deed, Deed::Create(_)) && why == UNKNOWN_CONVERSATION => continue,
                Done::Refused(why) => (reasons.contains(&Some(why.as_str())), Rule::Unfounded),
            };
            if !fits {
                let seen = format!("{:?} of {:?}: {done:?}, where it is one of {reasons:?}", asked.deed, asked.group);
                faults.push(Fault { rule, device: Some(asked.by.clone()), message: None, at: Some(told), seen });
            }
        }
    }

    /// How often somebody came into a group.
    fn comings(&self, group: &str, user: &str) -> usize {
        let places = self.facts.places.get(group).into_iter().flatten();
        let entries = places.filter_map(|(_, index)| self.facts.messages[*index].entry.as_ref());
        entries.filter(|entry| entry.moves() == Some((user, true))).count()
    }

    /// What somebody hears who comes with an invitation.
    fn to_join(
        &self,
        by: &str,
        group: &str,
        token: &str,
        asked: usize,
        told: usize,
    ) -> Option<Vec<Option<&'static str>>> {
        let states = self.states(group, asked, told)?;
        let of_it = || self.asked.iter().filter(|other| other.group == Some(group));
        let made = of_it().find(|made| made.token() == Some(token))?;
        let made_at = made.told.map_or(usize::MAX, |(at, _)| at);
        let others = || {
            let others = of_it().filter(|other| matches!(other.deed, Deed::Invite | Deed::Revoke));
            others.filter(|other| other.asked != made.asked)
        };
        let is_over = |state: &Rights| state.members.is_empty();
        let is_void =
            others().any(|other| other.asked > made_at && other.is_done_before(asked)) || states.iter().all(is_over);
        let may_be_void =
            states.iter().any(is_over) || others().any(|other| other.asked < told && !other.is_done_before(made.asked));
        let mut reasons = Vec::new();
        if !is_void {
            reasons.push(None);
        }
        if is_void || may_be_void {
            reasons.push(Some(INVITE_OVER));
        }
        // They came, and were removed before they were shown it.
        if !is_void && states.iter().any(|state| state.of(by).is_none()) {
            let removed = |state: &Rights| state.of(by).is_some();
            if states.iter().any(removed) {
                reasons.push(Some(UNKNOWN_CONVERSATION));
            }
        }
        if self.comings(group, by) >= STAYS_MAX {
            reasons.push(Some("too_many"));
        }
        Some(reasons)
    }
}
