//! What a device of a workload asks by HTTP: groups made and changed, people blocked, devices unlinked.
//!
//! Each is asked under one name until it has an answer, however often the program dies meanwhile. What was refused when it was asked
//! for the first time has changed nothing; after a second time nobody can know.

use super::actor::Actor;
use crate::chat::history::{self, Deed, Device, Role, What};
use crate::http;
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tertulia_common::{ClientMessageId, Timestamp};

/// Groups of a run.
const GROUPS_MAX: usize = 3;

/// What became of it.
enum Done {
    Yes(String),
    /// And nothing has changed.
    Refused(String),
    /// It may have been done; how it was refused the last time.
    Open(Option<String>),
}

/// Roles, as they are asked for: the most usual one twice.
const ROLES: [(&str, Role); 4] =
    [("member", Role::Member), ("member", Role::Member), ("admin", Role::Admin), ("owner", Role::Owner)];

/// Of an answer that is an invitation.
fn token(body: &str) -> Option<String> {
    let made: Value = serde_json::from_str(body).ok()?;
    Some(made["token"].as_str()?.to_owned())
}

/// How something was refused.
fn code(body: &str) -> String {
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    told["error"]["code"].as_str().unwrap_or(body).to_owned()
}

impl Actor {
    /// One of them.
    pub(super) async fn deed(&mut self) -> anyhow::Result<()> {
        let group = self.some_group();
        match (self.random.below(100), group) {
            (0..12, _) => self.blocks().await,
            (12..17, _) if !self.siblings.is_empty() => self.unlinks().await,
            (17..25, _) if self.shared.groups.lock().len() < GROUPS_MAX => self.creates().await,
            (_, None) => self.creates().await,
            (17..50, Some(group)) => self.adds(&group).await,
            (50..66, Some(group)) => {
                let whom = self.somebody();
                let (call, deed) = (format!("DELETE /{group}/members/{whom}"), Deed::Remove(whom.clone()));
                self.changes(&group, &whom, false, deed, &call, Value::Null).await
            }
            (66..72, Some(group)) => {
                let me = self.me.user.clone();
                let (call, deed) = (format!("DELETE /{group}/members/{me}"), Deed::Remove(me.clone()));
                self.changes(&group, &me, false, deed, &call, Value::Null).await
            }
            (72..82, Some(group)) => self.invites(group).await,
            (82..92, _) => self.joins().await,
            (99.., Some(group)) => self.ends(&group).await,
            (_, Some(group)) => self.edits(&group).await,
        }
    }

    fn some_group(&mut self) -> Option<String> {
        let groups = self.shared.groups.lock().clone();
        (!groups.is_empty()).then(|| groups[self.random.below(groups.len())].clone())
    }

    fn somebody(&mut self) -> String {
        self.shared.people[self.random.below(self.shared.people.len())].clone()
    }

    async fn creates(&mut self) -> anyhow::Result<()> {
        let title = format!("{} of {}, {}", self.requests, self.me.user, self.me.name);
        let mut members = vec![self.me.user.clone()];
        for user in self.shared.people.clone() {
            if user != self.me.user && self.random.below(2) == 0 {
                members.push(user);
            }
        }
        self.note(What::Creates { title: title.clone(), members: members.clone() });
        let name = self.name();
        let body = json!({"client_id": name, "name": title, "members": members[1..]});
        let deed = Deed::Create(members[1..].to_vec());
        if let Done::Yes(made) = self.asks(None, deed, &name, "POST /v1/groups", body).await? {
            let made: Value = serde_json::from_str(&made)?;
            let group = made["group_id"].as_str().context("group_id")?.to_owned();
            self.note(What::Created { title, group: group.clone() });
            self.shared.groups.lock().push(group);
        }
        Ok(())
    }

    async fn adds(&mut self, group: &str) -> anyhow::Result<()> {
        let (whom, role) = (self.somebody(), ROLES[self.random.below(4)]);
        let (call, deed) = (format!("PUT /{group}/members/{whom}"), Deed::Put(whom.clone(), role.1));
        self.changes(group, &whom, true, deed, &call, json!({"role": role.0})).await
    }

    /// Somebody comes or goes.
    async fn changes(
        &mut self,
        group: &str,
        user: &str,
        is_in: bool,
        deed: Deed,
        call: &str,
        body: Value,
    ) -> anyhow::Result<()> {
        let (group, user) = (group.to_owned(), user.to_owned());
        self.note(What::Changes { group: group.clone(), user: user.clone(), is_in });
        let (name, call) = (self.name(), call.replacen(" /", " /v1/groups/", 1));
        match self.asks(Some(&group), deed, &name, &call, body).await? {
            Done::Yes(_) => self.note(What::Changed { group, user, is_in }),
            Done::Refused(_) => self.note(What::Unchanged { group, user, is_in }),
            Done::Open(_) => {}
        }
        Ok(())
    }

    /// An invitation is made, or the last one is revoked.
    async fn invites(&mut self, group: String) -> anyhow::Result<()> {
        let name = self.name();
        if self.random.below(4) == 0 {
            let call = format!("DELETE /v1/groups/{group}/invite");
            self.asks(Some(&group), Deed::Revoke, &name, &call, Value::Null).await?;
            return Ok(());
        }
        let call = format!("POST /v1/groups/{group}/invite");
        if let Done::Yes(made) = self.asks(Some(&group), Deed::Invite, &name, &call, Value::Null).await? {
            let token = token(&made).context("token")?;
            self.shared.invites.lock().push((group, token));
        }
        Ok(())
    }

    async fn joins(&mut self) -> anyhow::Result<()> {
        let invites = self.shared.invites.lock().clone();
        if invites.is_empty() {
            return Ok(());
        }
        // Mostly the latest: those before it are void.
        let back = self.random.below(4) / 3 * self.random.below(invites.len());
        let (group, token) = invites[invites.len() - 1 - back].clone();
        let me = self.me.user.clone();
        let call = format!("POST /join/{token}");
        self.changes(&group, &me, true, Deed::Join(token), &call, Value::Null).await
    }

    /// Its description, and now and then who may write in it, or edit.
    async fn edits(&mut self, group: &str) -> anyhow::Result<()> {
        let mut body = json!({"description": format!("as of {}", self.requests)});
        let (mut post, mut edit) = (None, None);
        for (right, key) in [(&mut post, "post"), (&mut edit, "edit")] {
            if self.random.below(2) == 0 {
                let role = ROLES[self.random.below(3)];
                (*right, body[key]) = (Some(role.1), role.0.into());
            }
        }
        let (name, call) = (self.name(), format!("PATCH /v1/groups/{group}"));
        self.asks(Some(group), Deed::Edit { post, edit }, &name, &call, body).await?;
        Ok(())
    }

    /// It is over, if that is this user's to say.
    async fn ends(&mut self, group: &str) -> anyhow::Result<()> {
        let (name, call) = (self.name(), format!("DELETE /v1/groups/{group}"));
        if let Done::Yes(_) = self.asks(Some(group), Deed::End, &name, &call, Value::Null).await? {
            self.shared.groups.lock().retain(|other| other != group);
        }
        Ok(())
    }

    /// Asks something of a group: what, and what came of it, are written down.
    async fn asks(
        &mut self,
        group: Option<&str>,
        deed: Deed,
        name: &str,
        call: &str,
        body: Value,
    ) -> anyhow::Result<Done> {
        let (request, group) = (self.requests, group.map(str::to_owned));
        let invites = deed == Deed::Invite;
        self.note(What::Asks { request, group, deed });
        let done = self.ask(name, call, body).await?;
        let told = match &done {
            Done::Yes(body) => Some(history::Done::Yes(token(body).filter(|_| invites))),
            Done::Refused(why) | Done::Open(Some(why)) => Some(history::Done::Refused(why.clone())),
            Done::Open(None) => None,
        };
        if let Some(done) = told {
            self.note(What::Told { request, done });
        }
        Ok(done)
    }

    async fn blocks(&mut self) -> anyhow::Result<()> {
        let (user, is_blocked) = (self.somebody(), self.random.below(2) == 0);
        if user == self.me.user {
            return Ok(());
        }
        self.note(What::Blocks { user: user.clone(), is_blocked });
        let (method, name) = (if is_blocked { "PUT" } else { "DELETE" }, self.name());
        if let Done::Yes(_) = self.ask(&name, &format!("{method} /v1/blocks/{user}"), Value::Null).await? {
            self.note(What::Blocked { user, is_blocked });
        }
        Ok(())
    }

    async fn unlinks(&mut self) -> anyhow::Result<()> {
        let Some(device) = self.siblings.pop() else { return Ok(()) };
        self.note(What::Unlinks { device: device.clone() });
        self.shared.unlinked.lock().insert(Device::new(&self.me.user, &device));
        let name = self.name();
        let done = self.ask(&name, &format!("DELETE /v1/devices/{device}"), Value::Null).await?;
        // It is not there any more: an earlier try has done it.
        ensure!(matches!(done, Done::Yes(_) | Done::Open(_)), "a linked device was not unlinked");
        self.note(What::Unlinked { device });
        Ok(())
    }

    /// A name of this device's own.
    fn name(&mut self) -> String {
        self.requests += 1;
        let number = u128::from(self.number) << 40 | u128::from(self.requests);
        ClientMessageId::new(Timestamp(1_790_000_000_000), number).to_string()
    }

    async fn ask(&mut self, name: &str, call: &str, body: Value) -> anyhow::Result<Done> {
        let (method, path) = call.split_once(' ').context("a method and a path")?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("tertulia-client-id", name), ("content-type", "application/json")];
        let mut again = false;
        loop {
            if self.shared.is_up.load(Ordering::SeqCst) {
                let answer = http::request_with(self.shared.to, method, path, &self.token, &headers, &body).await;
                let status = answer.as_ref().map_or(0, |answer| answer.status);
                let body = answer.map_or_else(|error| error.to_string(), |answer| answer.body);
                match status {
                    200..300 => return Ok(Done::Yes(body)),
                    // Whoever is in it no longer is told so, whatever else was done.
                    401 => return Ok(Done::Open(None)),
                    400..500 if status != 429 && (again || body.contains("unknown_conversation")) => {
                        return Ok(Done::Open(Some(code(&body))));
                    }
                    400..500 if status != 429 => return Ok(Done::Refused(code(&body))),
                    _ => again = true,
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
