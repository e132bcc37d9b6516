//! Changing a group: who may, what becomes of it, and the entries that say so.
//!
//! Invariants: a change is made whole or not at all, and its records are pushed together. A member gets the entry that says
//! they came, the one that says they went, and what is between; nothing else. A group that goes on has one owner. Somebody's
//! list of conversations holds every group there is: what is over stays with its last owner, so that the limit counts it.

use crate::Refusal;
use crate::conversation::{Author, Kind, Member, Role};
use crate::group::{
    About, Ask, Change, Changed, Edit, Event, Everyone, Group, GroupView, InviteHash, KnownChange, Made,
};
use crate::id::{ConvRef, ConversationId, MessageId, Position, UserRef};
use crate::record::{GroupMember, MemberRecord, Record};
use crate::relay::Relay;
use tertulia_common::{Timestamp, UserId};

/// Times that somebody may have come and gone while a device of theirs has not fetched what was in between. Raising it lets
/// them make a group's records longer.
const STAYS_MAX: usize = 8;

impl Relay {
    /// Changes a group, or finds that it was changed so before.
    ///
    /// The caller stores the bodies of what was [`Changed::made`] with their [`Record::Event`]s and says where by
    /// [`Self::placed`].
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn change(&mut self, now: Timestamp, ask: &Ask, out: &mut Vec<Record>) -> Result<Changed, Refusal> {
        let digest = ask.change.digest();
        if let Some((group, known)) = self.made_before(ask) {
            let same = known.is_none_or(|known| known == digest);
            return if same {
                Ok(Changed { group, duplicate: true, made: Vec::new() })
            } else {
                Err(Refusal::ClientIdReused)
            };
        }
        let (at, by, events) = match &ask.change {
            Change::Create { about, members } => self.create(ask, about, members)?,
            Change::Join(invite) => self.come(&ask.by, *invite)?,
            change => self.alter(ask, change)?,
        };
        let made = events.into_iter().map(|event| self.step(now, at, by, event, out)).collect();
        let known = KnownChange { by: ask.by.clone(), client_id: ask.client_id, digest };
        let max = self.limits.group_changes_known;
        if let Some(group) = &mut self.conversations[at.0 as usize].group {
            group.note(known, max);
        }
        self.written(at, out);
        Ok(Changed { group: self.conversations[at.0 as usize].id, duplicate: false, made })
    }

    /// The group of a change that was made before, with what it was then if that is still known.
    fn made_before(&self, ask: &Ask) -> Option<(ConversationId, Option<u64>)> {
        let known = |at: &ConvRef| {
            let of = &self.conversations[at.0 as usize];
            let known = of.group.as_ref()?.known(&ask.by, ask.client_id)?;
            Some((of.id, Some(known.digest)))
        };
        match &ask.change {
            Change::Create { .. } => {
                let id = ConversationId::group(&ask.by, ask.client_id);
                let at = self.by_id.get(&id)?;
                Some(known(at).unwrap_or((id, None)))
            }
            // The invitation may have ended since.
            Change::Join(_) => {
                let by = self.by_user.get(&ask.by)?;
                self.users[by.0 as usize].conversations.iter().find_map(known)
            }
            _ => known(self.by_id.get(&ask.group?)?),
        }
    }

    fn create(&mut self, ask: &Ask, about: &About, members: &[UserId]) -> Result<Planned, Refusal> {
        let (limit, conversations) = (self.limits.group_members_max, self.limits.conversations_per_user_max);
        let mut others: Vec<UserId> = Vec::new();
        for user in members {
            if *user != ask.by && !others.contains(user) {
                others.push(user.clone());
            }
        }
        if others.len() >= limit {
            return Err(Refusal::GroupFull { limit });
        }
        if !self.has_room(&ask.by) {
            return Err(Refusal::Conversations { limit: conversations });
        }
        if !others.iter().all(|user| self.has_room(user)) {
            return Err(Refusal::NotAddable);
        }
        let by = self.user(&ask.by);
        let at = self.conversation(ConversationId::group(&ask.by, ask.client_id), Kind::Group);
        self.conversations[at.0 as usize].group = Some(Box::new(Group::new(about.clone())));
        let from = self.reached;
        self.join(at, Member::new(by, Role::Owner, from));
        for user in &others {
            let user = self.user(user);
            self.join(at, Member::new(user, Role::Member, from));
        }
        others.insert(0, ask.by.clone());
        Ok((at, by, vec![Event::Created { name: about.name.clone(), members: others }]))
    }

    fn has_room(&self, user: &UserId) -> bool {
        let known = self.by_user.get(user).map(|user| &self.users[user.0 as usize]);
        known.is_none_or(|user| user.conversations.len() < self.limits.conversations_per_user_max)
    }

    fn come(&mut self, by: &UserId, invite: InviteHash) -> Result<Planned, Refusal> {
        let at = *self.invites.get(&invite).ok_or(Refusal::NoInvite)?;
        let user = self.user(by);
        if self.conversations[at.0 as usize].member(user).is_some_and(Member::is_in) {
            return Ok((at, user, Vec::new()));
        }
        self.may_come(at, by).map_err(|refusal| match refusal {
            Refusal::NotAddable => Refusal::Conversations { limit: self.limits.conversations_per_user_max },
            other => other,
        })?;
        Ok((at, user, vec![Event::Joined]))
    }

    /// Whether there is room for somebody who is not in it.
    fn may_come(&mut self, at: ConvRef, user: &UserId) -> Result<(), Refusal> {
        self.prune(at);
        let of = &self.conversations[at.0 as usize];
        let limit = self.limits.group_members_max;
        let there = of.members.iter().filter(|member| member.is_in()).count();
        let known = self.by_user.get(user).and_then(|user| of.member(*user));
        if there >= limit || (known.is_none() && of.members.len() >= 2 * limit) {
            return Err(Refusal::GroupFull { limit });
        }
        match known {
            Some(known) if known.earlier.len() >= STAYS_MAX => Err(Refusal::NotAddable),
            None if !self.has_room(user) => Err(Refusal::NotAddable),
            _ => Ok(()),
        }
    }

    /// What a change that a member asks for comes to.
    fn alter(&mut self, ask: &Ask, change: &Change) -> Result<Planned, Refusal> {
        let at = ask.group.and_then(|id| self.by_id.get(&id).copied()).ok_or(Refusal::NoConversation)?;
        let by = *self.by_user.get(&ask.by).ok_or(Refusal::NoConversation)?;
        let of = &self.conversations[at.0 as usize];
        let group = of.group.as_ref().ok_or(Refusal::NoConversation)?;
        let mine = of.member(by).filter(|member| member.is_in()).ok_or(Refusal::NoConversation)?.role;
        let least = |role| if mine >= role { Ok(()) } else { Err(Refusal::NotAllowed) };
        let events = match change {
            Change::About(edit) => {
                let news = edit.clone().news(&group.about);
                least(if news.post.or(news.edit).is_some() { Role::Admin } else { group.about.edit })?;
                if news == Edit::default() { Vec::new() } else { vec![Event::About(news)] }
            }
            Change::Member { user, role } => {
                least(Role::Admin)?;
                self.member_events(at, mine, user, *role)?
            }
            Change::Remove { user } if *user == ask.by => self.leaving(at, by),
            Change::Remove { user } => {
                least(Role::Admin)?;
                let theirs = self.role_of(at, user).ok_or(Refusal::NoMember)?;
                if theirs >= mine {
                    return Err(Refusal::NotAllowed);
                }
                vec![Event::Removed { user: user.clone() }]
            }
            Change::End => {
                least(Role::Owner)?;
                vec![Event::Ended]
            }
            Change::Invite(invite) => {
                least(Role::Admin)?;
                self.invite(at, *invite);
                Vec::new()
            }
            Change::Create { .. } | Change::Join(_) => return Err(Refusal::NoConversation),
        };
        Ok((at, by, events))
    }

    fn role_of(&self, at: ConvRef, user: &UserId) -> Option<Role> {
        let member = self.conversations[at.0 as usize].member(*self.by_user.get(user)?)?;
        member.is_in().then_some(member.role)
    }

    fn member_events(
        &mut self,
        at: ConvRef,
        mine: Role,
        user: &UserId,
        role: Option<Role>,
    ) -> Result<Vec<Event>, Refusal> {
        let Some(theirs) = self.role_of(at, user) else {
            let role = role.unwrap_or(Role::Member);
            // A group has one owner: who is not in it yet is no owner.
            if role > mine || role == Role::Owner {
                return Err(Refusal::NotAllowed);
            }
            self.may_come(at, user)?;
            return Ok(vec![Event::Added { user: user.clone(), role }]);
        };
        match role.filter(|role| *role != theirs) {
            None => Ok(Vec::new()),
            Some(role) if theirs >= mine || role > mine => Err(Refusal::NotAllowed),
            Some(role) => Ok(vec![Event::Role { user: user.clone(), role }]),
        }
    }

    /// What happens when somebody leaves: an owner is followed by the oldest admin, or else the oldest member; the last one ends
    /// the group.
    fn leaving(&self, at: ConvRef, user: UserRef) -> Vec<Event> {
        let of = &self.conversations[at.0 as usize];
        if of.member(user).is_none_or(|member| member.role != Role::Owner) {
            return vec![Event::Left];
        }
        let others = of.members.iter().filter(|member| member.is_in() && member.user != user);
        // The first of the highest: `max_by_key` would take the last.
        let next = others.min_by_key(|member| (std::cmp::Reverse(member.role), member.from));
        match next {
            Some(next) => {
                let user = self.users[next.user.0 as usize].id.clone();
                vec![Event::Role { user, role: Role::Owner }, Event::Left]
            }
            None => vec![Event::Ended],
        }
    }

    fn invite(&mut self, at: ConvRef, invite: Option<InviteHash>) {
        let Some(group) = &mut self.conversations[at.0 as usize].group else { return };
        if let Some(earlier) = std::mem::replace(&mut group.invite, invite) {
            self.invites.remove(&earlier);
        }
        if let Some(invite) = invite {
            self.invites.insert(invite, at);
        }
    }

    /// One entry: what it says becomes so at its position.
    fn step(&mut self, now: Timestamp, at: ConvRef, by: UserRef, event: Event, out: &mut Vec<Record>) -> Made {
        // The one that comes gets it, and so does the one that goes: what it says becomes so at its place.
        self.apply(at, by, &event, Position(self.reached.0 + 1));
        let (id, position, audience) = self.append(now, at, Author::Change(by), false, out);
        let MessageId { conversation, seq } = id;
        let by = self.users[by.0 as usize].id.clone();
        out.push(Record::Event { conversation, seq, position, sent_at: now, by });
        self.appended(at, position, audience, out);
        Made { id, position, at: now, event }
    }

    fn apply(&mut self, at: ConvRef, by: UserRef, event: &Event, position: Position) {
        match event {
            Event::Created { .. } => {}
            Event::About(edit) => {
                if let Some(group) = &mut self.conversations[at.0 as usize].group {
                    edit.apply(&mut group.about);
                }
            }
            Event::Added { user, role } => {
                let user = self.user(user);
                self.enter(at, user, *role, position);
            }
            Event::Joined => self.enter(at, by, Role::Member, position),
            Event::Removed { user } => {
                let user = self.user(user);
                self.leave(at, user, position);
            }
            Event::Left => self.leave(at, by, position),
            Event::Role { user, role } => {
                let user = self.user(user);
                let of = &mut self.conversations[at.0 as usize];
                if *role == Role::Owner {
                    let earlier = of.members.iter_mut().filter(|member| member.role == Role::Owner);
                    earlier.for_each(|member| member.role = Role::Admin);
                }
                if let Some(member) = of.member_mut(user) {
                    member.role = *role;
                }
            }
            Event::Ended => {
                self.invite(at, None);
                let of = &mut self.conversations[at.0 as usize];
                let there = of.members.iter_mut().filter(|member| member.until.is_none());
                there.for_each(|member| member.until = Some(position));
                if let Some(group) = &mut of.group {
                    group.ended = true;
                }
            }
        }
    }

    fn enter(&mut self, at: ConvRef, user: UserRef, role: Role, position: Position) {
        let (from, since) = (Position(position.0 - 1), self.conversations[at.0 as usize].last);
        match self.conversations[at.0 as usize].member_mut(user) {
            Some(member) => {
                member.earlier.extend(member.until.take().map(|until| (member.from, until)));
                (member.role, member.from, member.since) = (role, from, since);
            }
            None => self.join(at, Member { since, ..Member::new(user, role, from) }),
        }
    }

    fn leave(&mut self, at: ConvRef, user: UserRef, position: Position) {
        if let Some(member) = self.conversations[at.0 as usize].member_mut(user) {
            member.until = Some(position);
            // Whoever comes back is what they are made then.
            member.role = Role::Member;
        }
        // The others may all have what this one had not.
        self.conversations[at.0 as usize].left = true;
        self.gather(at);
    }

    /// Somebody's account is gone: they leave their groups, without hearing of it.
    pub(crate) fn leave_all(&mut self, now: Timestamp, user: UserRef, out: &mut Vec<Record>) -> Vec<Made> {
        let mut made = Vec::new();
        for at in self.users[user.0 as usize].conversations.clone() {
            let of = &self.conversations[at.0 as usize];
            if of.group.is_none() || of.member(user).is_none_or(|member| !member.is_in()) {
                continue;
            }
            for event in self.leaving(at, user) {
                made.push(self.step(now, at, user, event, out));
            }
            self.written(at, out);
        }
        made
    }

    /// The group has changed: what it is now is to be durable.
    fn written(&mut self, at: ConvRef, out: &mut Vec<Record>) {
        self.prune(at);
        self.conversations[at.0 as usize].version += 1;
        out.extend(self.group_record(at));
    }

    /// Forgets who has left and has everything that was theirs.
    fn prune(&mut self, at: ConvRef) {
        let of = &mut self.conversations[at.0 as usize];
        let ended = of.group.as_ref().is_some_and(|group| group.ended);
        let mut gone = Vec::new();
        let (users, mailboxes) = (&self.users, &self.mailboxes);
        of.members.retain_mut(|member| {
            let open = users[member.user.0 as usize].mailboxes.iter();
            let had = open.map(|device| mailboxes[device.0 as usize].acknowledged).min();
            member.earlier.retain(|(_, until)| had.is_some_and(|had| *until > had));
            let waits = member.until.is_none_or(|until| had.is_some_and(|had| until > had));
            let stays = waits || !member.earlier.is_empty() || (ended && member.role == Role::Owner);
            if !stays {
                gone.push(member.user);
            }
            stays
        });
        for user in gone {
            self.users[user.0 as usize].conversations.retain(|of| *of != at);
        }
    }

    /// A group as a member sees it.
    #[must_use]
    pub fn group(&self, user: &UserId, id: ConversationId) -> Option<GroupView> {
        let (at, user) = (*self.by_id.get(&id)?, *self.by_user.get(user)?);
        self.view(at, user)
    }

    /// A group that goes on, whoever asks: for the server's own use.
    #[must_use]
    pub fn group_there(&self, id: ConversationId) -> Option<GroupView> {
        let at = *self.by_id.get(&id)?;
        let group = self.conversations[at.0 as usize].group.as_ref()?;
        if group.ended { None } else { self.view_of(at) }
    }

    fn view(&self, at: ConvRef, user: UserRef) -> Option<GroupView> {
        self.conversations[at.0 as usize].member(user).filter(|member| member.is_in())?;
        self.view_of(at)
    }

    fn view_of(&self, at: ConvRef) -> Option<GroupView> {
        let of = &self.conversations[at.0 as usize];
        let group = of.group.as_ref()?;
        let mut there: Vec<&Member> = of.members.iter().filter(|member| member.is_in()).collect();
        there.sort_by_key(|member| member.from);
        Some(GroupView {
            id: of.id,
            about: group.about.clone(),
            members: there.iter().map(|of| (self.users[of.user.0 as usize].id.clone(), of.role)).collect(),
            has_invite: group.invite.is_some(),
            last: of.last,
        })
    }

    /// Whether somebody is in a group.
    #[must_use]
    pub fn is_in_group(&self, user: &UserId, id: ConversationId) -> bool {
        let (Some(user), Some(at)) = (self.by_user.get(user), self.by_id.get(&id)) else { return false };
        let of = &self.conversations[at.0 as usize];
        of.group.is_some() && of.member(*user).is_some_and(Member::is_in)
    }

    /// The groups that somebody is in, by their ids, at most so many after one; and whether there are more.
    #[must_use]
    pub fn groups(&self, user: &UserId, after: Option<ConversationId>, max: usize) -> (Vec<GroupView>, bool) {
        let Some(&user) = self.by_user.get(user) else { return (Vec::new(), false) };
        let of = |at: &ConvRef| &self.conversations[at.0 as usize];
        let mut all: Vec<ConvRef> = self.users[user.0 as usize].conversations.clone();
        all.retain(|at| {
            let of = of(at);
            let there = of.group.is_some() && of.member(user).is_some_and(Member::is_in);
            there && after.is_none_or(|after| of.id > after)
        });
        all.sort_unstable_by_key(|at| of(at).id);
        let more = all.len() > max;
        (all.into_iter().take(max).filter_map(|at| self.view(at, user)).collect(), more)
    }

    /// How far everybody in a group has come, as it was told.
    pub(crate) fn everyone(&self, at: ConvRef) -> Everyone {
        let of = &self.conversations[at.0 as usize];
        let there = of.members.iter().filter(|member| member.is_in());
        let figures = there.map(|of| (of.told.0.max(of.since), of.told.1.max(of.since), of.user));
        Everyone::of(figures, of.last)
    }

    pub(crate) fn group_record(&self, at: ConvRef) -> Option<Record> {
        let of = &self.conversations[at.0 as usize];
        let group = of.group.as_ref()?;
        let member = |member: &Member| GroupMember {
            member: MemberRecord {
                user: self.users[member.user.0 as usize].id.clone(),
                role: member.role,
                from: member.from,
                until: member.until,
                delivered: member.told.0,
                read: member.told.1,
            },
            earlier: member.earlier.clone(),
            since: member.since,
            wrote: member.wrote,
        };
        Some(Record::Group {
            id: of.id,
            version: of.version,
            about: group.about.clone(),
            invite: group.invite,
            ended: group.ended,
            members: of.members.iter().map(member).collect(),
            changes: group.changes.iter().cloned().collect(),
            last: of.last,
            receipts_at: of.receipts_at,
        })
    }
}

/// Which group, who changes it, and what happens.
type Planned = (ConvRef, UserRef, Vec<Event>);
