//! Groups as people ask for them: how often, by whom, and the words of the wire for what the relay says.
//!
//! Invariant: the token of an invitation follows from its maker, the group and the client's name for it, under a key of the
//! server's own: asked again it is the same, nobody else can work it out, and only its hash is kept.

use super::{Chat, answered};
use crate::bucket::{Buckets, Rate, Wait};
use crate::clock::Clock;
use crate::metrics::{Hit, Metrics};
use crate::translate;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tertulia_chat::engine::{GroupChanged, GroupPage};
use tertulia_chat_core::{About, Ask, ClientId, ConversationId, Edit, Event, GroupView, InviteHash, Role};
use tertulia_common::UserId;
use tertulia_directory::Directory;
use tertulia_signaling_proto::{
    ErrorBody, ErrorCode, Group, GroupEvent, GroupMember, GroupPatch, GroupRole, Groups as WireGroups,
};
use tokio::sync::oneshot;

/// Users whose rates are remembered. Raising it costs about 100 bytes each.
const USERS_MAX: usize = 50_000;
/// Bytes of a token: more than anybody can guess.
const TOKEN_BYTES: usize = 24;
/// Characters of a name.
const NAME_CHARS_MAX: usize = 100;
/// Characters of a description.
const DESCRIPTION_CHARS_MAX: usize = 1_000;

/// What one person may do to groups, and the key of invitations.
#[derive(Clone)]
pub struct GroupsConfig {
    /// What tokens of invitations are made with: 32 random bytes, the same in every run.
    pub invite_key: [u8; 32],
    /// Members of a group.
    pub members_max: usize,
    /// Changes of groups one user may make in a minute, on average. Raising it lets one person make more entries for others.
    pub changes_per_minute: u32,
    /// The same at once above that average.
    pub changes_burst: u32,
    /// Invitations one user may try in a minute.
    pub joins_per_minute: u32,
}

impl std::fmt::Debug for GroupsConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { members_max, changes_per_minute, changes_burst, joins_per_minute, .. } = self;
        f.debug_struct("GroupsConfig")
            .field("members_max", members_max)
            .field("changes_per_minute", changes_per_minute)
            .field("changes_burst", changes_burst)
            .field("joins_per_minute", joins_per_minute)
            .finish_non_exhaustive()
    }
}

/// What the gateway keeps of groups: rates.
pub(crate) struct Groups {
    config: GroupsConfig,
    changes: Mutex<Buckets<UserId>>,
    joins: Mutex<Buckets<UserId>>,
}

impl Groups {
    pub(super) fn new(config: GroupsConfig) -> Self {
        let buckets = |rate| Mutex::new(Buckets::new(rate, USERS_MAX));
        let changes = buckets(Rate::per_minute(config.changes_per_minute, config.changes_burst));
        let joins = buckets(Rate::per_minute(config.joins_per_minute, config.joins_per_minute));
        Self { config, changes, joins }
    }

    /// How many are in a group at most.
    pub(crate) fn members_max(&self) -> usize {
        self.config.members_max
    }

    /// Whether a user may change a group now, or try an invitation.
    pub(crate) fn take(&self, user: &UserId, joins: bool, clock: Clock, metrics: &Metrics) -> Result<(), ErrorBody> {
        let (buckets, hit) = if joins { (&self.joins, Hit::GroupJoins) } else { (&self.changes, Hit::GroupChanges) };
        buckets.lock().take(user.clone(), clock.now()).map_err(|Wait(wait)| {
            metrics.hit(hit);
            translate::retry_after(ErrorCode::RateLimited, wait)
        })
    }

    /// The token of an invitation, for the one who makes it.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub(crate) fn token(&self, by: &UserId, group: ConversationId, client_id: ClientId) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.config.invite_key).expect("any length");
        mac.update(b"tertulia group invitation");
        mac.update(&group.0.to_be_bytes());
        mac.update(&client_id.0.to_be_bytes());
        mac.update(by.as_str().as_bytes());
        URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..TOKEN_BYTES])
    }
}

/// What is kept of a token. Looked up by it: how long that takes says nothing of how much of a token was right.
pub(crate) fn invite_hash(token: &str) -> InviteHash {
    InviteHash(Sha256::digest(token.as_bytes()).into())
}

impl Chat {
    /// Changes a group; when it answers, that is durable.
    pub(crate) async fn change_group(&self, ask: Ask) -> Result<GroupChanged, ErrorBody> {
        let (tell, told) = oneshot::channel();
        self.engine.change_group(ask, move |done| drop(tell.send(done)));
        answered(told).await
    }

    /// A group as a member sees it.
    pub(crate) async fn group(&self, user: &UserId, group: ConversationId) -> Result<GroupView, ErrorBody> {
        let (tell, told) = oneshot::channel();
        self.engine.group(user, group, move |done| drop(tell.send(done)));
        answered(told).await?.ok_or_else(|| ErrorCode::UnknownConversation.into())
    }

    /// A group that goes on, whoever asks.
    pub(crate) fn group_there(&self, group: ConversationId) -> Option<GroupView> {
        self.engine.group_there(group)
    }

    /// Whether these are in a group, in their order.
    pub(crate) fn are_in_group<'a>(
        &self,
        group: ConversationId,
        users: impl IntoIterator<Item = &'a UserId>,
    ) -> Vec<bool> {
        self.engine.are_in_group(group, users)
    }

    /// One page of somebody's groups.
    pub(crate) async fn groups(
        &self,
        user: &UserId,
        after: Option<ConversationId>,
        max: usize,
    ) -> Result<WireGroups, ErrorBody> {
        let (tell, told) = oneshot::channel();
        self.engine.groups(user, after, max, move |done| drop(tell.send(done)));
        let GroupPage { groups, has_more } = answered(told).await?;
        let next = groups.last().filter(|_| has_more).map(|last| last.id.to_string());
        Ok(WireGroups { groups: groups.into_iter().map(group_to_wire).collect(), next })
    }

    /// Whether somebody may add these to a group: each must be somebody, and must not have blocked them.
    pub(crate) async fn may_add(
        &self,
        directory: &Directory,
        clock: Clock,
        by: &UserId,
        users: &[UserId],
    ) -> Result<(), ErrorCode> {
        for user in users.iter().filter(|user| *user != by) {
            if self.reach.is_withheld(directory, clock, by, user).await? {
                return Err(ErrorCode::NotAddable);
            }
        }
        Ok(())
    }
}

/// What a new group is called, if that can be shown.
pub(crate) fn about(new: &tertulia_signaling_proto::GroupNew) -> Result<About, ErrorBody> {
    Ok(About {
        name: name(&new.name)?,
        description: description(new.description.as_deref().unwrap_or_default())?,
        icon: new.icon,
        post: new.post.map_or(Role::Member, role_from_wire),
        edit: new.edit.map_or(Role::Admin, role_from_wire),
    })
}

/// What becomes otherwise, if that can be shown.
pub(crate) fn edit(patch: &GroupPatch) -> Result<Edit, ErrorBody> {
    Ok(Edit {
        name: patch.name.as_deref().map(name).transpose()?,
        description: patch.description.as_deref().map(description).transpose()?,
        icon: patch.icon,
        post: patch.post.map(role_from_wire),
        edit: patch.edit.map(role_from_wire),
    })
}

fn name(text: &str) -> Result<String, ErrorBody> {
    let text = text.trim();
    let fits = (1..=NAME_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| ErrorBody {
        message: format!("A group's name has 1 to {NAME_CHARS_MAX} characters, on one line."),
        ..ErrorCode::BadRequest.into()
    })
}

fn description(text: &str) -> Result<String, ErrorBody> {
    let text = text.trim();
    let fits = text.chars().count() <= DESCRIPTION_CHARS_MAX && !text.contains('\0');
    fits.then(|| text.to_owned()).ok_or_else(|| ErrorBody {
        message: format!("A group's description has at most {DESCRIPTION_CHARS_MAX} characters."),
        ..ErrorCode::BadRequest.into()
    })
}

pub(crate) fn group_to_wire(view: GroupView) -> Group {
    let GroupView { id, about, members, has_invite, last } = view;
    Group {
        group_id: id.to_string(),
        name: about.name,
        description: about.description,
        icon: about.icon,
        post: role_to_wire(about.post),
        edit: role_to_wire(about.edit),
        members: members.into_iter().map(|(user_id, role)| GroupMember { user_id, role: role_to_wire(role) }).collect(),
        has_invite,
        conversation_seq: last.0,
    }
}

pub(super) fn event_to_wire(event: Event) -> GroupEvent {
    match event {
        Event::Created { name, members } => GroupEvent::Created { name, members },
        Event::About(Edit { name, description, icon, post, edit }) => {
            let (post, edit) = (post.map(role_to_wire), edit.map(role_to_wire));
            GroupEvent::Changed { changes: GroupPatch { name, description, icon, post, edit } }
        }
        Event::Added { user, role } => GroupEvent::Added { user, role: role_to_wire(role) },
        Event::Joined => GroupEvent::Joined,
        Event::Removed { user } => GroupEvent::Removed { user },
        Event::Left => GroupEvent::Left,
        Event::Role { user, role } => GroupEvent::Role { user, role: role_to_wire(role) },
        Event::Ended => GroupEvent::Ended,
    }
}

pub(crate) fn role_from_wire(role: GroupRole) -> Role {
    match role {
        GroupRole::Member => Role::Member,
        GroupRole::Admin => Role::Admin,
        GroupRole::Owner => Role::Owner,
    }
}

fn role_to_wire(role: Role) -> GroupRole {
    match role {
        Role::Member => GroupRole::Member,
        Role::Admin => GroupRole::Admin,
        Role::Owner => GroupRole::Owner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m2_an_invitations_token_is_the_same_again_and_anothers_with_anything_else() {
        let groups = |key| {
            let (changes_per_minute, changes_burst, joins_per_minute) = (1, 1, 1);
            let invite_key = [key; 32];
            Groups::new(GroupsConfig {
                invite_key,
                members_max: 2,
                changes_per_minute,
                changes_burst,
                joins_per_minute,
            })
        };
        let user = |name: &str| name.parse::<UserId>().unwrap();
        let (alice, bob) = (user("alice"), user("bob"));
        let token = groups(1).token(&alice, ConversationId(1), ClientId(1));
        assert_eq!(token, groups(1).token(&alice, ConversationId(1), ClientId(1)));
        let others = [
            groups(2).token(&alice, ConversationId(1), ClientId(1)),
            groups(1).token(&bob, ConversationId(1), ClientId(1)),
            groups(1).token(&alice, ConversationId(2), ClientId(1)),
            groups(1).token(&alice, ConversationId(1), ClientId(2)),
        ];
        for other in others {
            assert!(other != token && other.len() == token.len());
            assert!(invite_hash(&other) != invite_hash(&token));
        }
        assert_eq!(token.len() * 6 / 8, TOKEN_BYTES);
    }

    #[test]
    fn m2_names_are_one_line_and_neither_empty_nor_long() {
        assert_eq!(name("  Walks ").unwrap(), "Walks");
        assert!(name(&"ñ".repeat(NAME_CHARS_MAX)).is_ok());
        for wrong in ["", " ", "a\nb", &"ñ".repeat(NAME_CHARS_MAX + 1)] {
            assert_eq!(name(wrong).unwrap_err().code, ErrorCode::BadRequest);
        }
        assert!(description(&"x".repeat(DESCRIPTION_CHARS_MAX + 1)).is_err());
        assert!(description("two\nlines").is_ok());
    }
}
