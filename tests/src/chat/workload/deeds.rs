//! What a device of a workload asks by HTTP: groups made and changed, people blocked, devices unlinked.
//!
//! Each is asked under one name until it has an answer, however often the program dies meanwhile. What was refused when it was asked
//! for the first time has changed nothing; after a second time nobody can know.

use super::actor::Actor;
use crate::chat::history::{Device, What};
use crate::http;
use crate::wait::PATIENCE;
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tertulia_common::{ClientMessageId, Timestamp};

/// Groups of a run.
const GROUPS_MAX: usize = 3;

/// What became of it.
enum Done {
    Yes(String),
    /// And nothing has changed.
    Refused,
    /// It may have been done.
    Open,
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
                self.changes(&group, &whom, false, &format!("DELETE /{group}/members/{whom}"), Value::Null).await
            }
            (66..72, Some(group)) => {
                let me = self.me.user.clone();
                self.changes(&group, &me, false, &format!("DELETE /{group}/members/{me}"), Value::Null).await
            }
            (72..82, Some(group)) => self.invites(group).await,
            (82..92, _) => self.joins().await,
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
        if let Done::Yes(made) = self.ask(&name, "POST /v1/groups", body).await? {
            let made: Value = serde_json::from_str(&made)?;
            let group = made["group_id"].as_str().context("group_id")?.to_owned();
            self.note(What::Created { title, group: group.clone() });
            self.shared.groups.lock().push(group);
        }
        Ok(())
    }

    async fn adds(&mut self, group: &str) -> anyhow::Result<()> {
        let (whom, role) = (self.somebody(), ["member", "member", "admin", "owner"][self.random.below(4)]);
        let call = format!("PUT /{group}/members/{whom}");
        self.changes(group, &whom, true, &call, json!({"role": role})).await
    }

    /// Somebody comes or goes.
    async fn changes(&mut self, group: &str, user: &str, is_in: bool, call: &str, body: Value) -> anyhow::Result<()> {
        let (group, user) = (group.to_owned(), user.to_owned());
        self.note(What::Changes { group: group.clone(), user: user.clone(), is_in });
        let (name, call) = (self.name(), call.replacen(" /", " /v1/groups/", 1));
        match self.ask(&name, &call, body).await? {
            Done::Yes(_) => self.note(What::Changed { group, user, is_in }),
            Done::Refused => self.note(What::Unchanged { group, user, is_in }),
            Done::Open => {}
        }
        Ok(())
    }

    /// An invitation is made, or the last one is revoked.
    async fn invites(&mut self, group: String) -> anyhow::Result<()> {
        let name = self.name();
        if self.random.below(4) == 0 {
            self.ask(&name, &format!("DELETE /v1/groups/{group}/invite"), Value::Null).await?;
            return Ok(());
        }
        if let Done::Yes(made) = self.ask(&name, &format!("POST /v1/groups/{group}/invite"), Value::Null).await? {
            let made: Value = serde_json::from_str(&made)?;
            let token = made["token"].as_str().context("token")?.to_owned();
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
        self.changes(&group, &me, true, &format!("POST /join/{token}"), Value::Null).await
    }

    /// Its description, or who may write in it.
    async fn edits(&mut self, group: &str) -> anyhow::Result<()> {
        let post = ["member", "member", "admin"][self.random.below(3)];
        let body = json!({"description": format!("as of {}", self.requests), "post": post});
        let name = self.name();
        self.ask(&name, &format!("PATCH /v1/groups/{group}"), body).await?;
        Ok(())
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
        ensure!(matches!(done, Done::Yes(_) | Done::Open), "a linked device was not unlinked");
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
        let (start, mut again) = (Instant::now(), false);
        loop {
            ensure!(start.elapsed() < PATIENCE, "{} has no answer to {call}", self.me);
            if self.shared.is_up.load(Ordering::SeqCst) {
                let answer = http::request_with(self.shared.to, method, path, &self.token, &headers, &body).await;
                let status = answer.as_ref().map_or(0, |answer| answer.status);
                let body = answer.map_or_else(|error| error.to_string(), |answer| answer.body);
                match status {
                    200..300 => return Ok(Done::Yes(body)),
                    // Whoever is in it no longer is told so, whatever else was done.
                    401 => return Ok(Done::Open),
                    400..500 if status != 429 && (again || body.contains("unknown_conversation")) => {
                        return Ok(Done::Open);
                    }
                    400..500 if status != 429 => return Ok(Done::Refused),
                    _ => again = true,
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
