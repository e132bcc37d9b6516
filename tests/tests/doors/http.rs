//! Every HTTP call of docs/protocol.md.

use crate::{DOCS, strangers};
use anyhow::{Context, ensure};
use serde_json::json;
use tertulia_tests::Server;
use tertulia_tests::accounts::{Account, Carrier, phone_number};
use tertulia_tests::http::Answer;
use tertulia_tests::token::token;

/// Who gets through.
#[derive(Clone, Copy, Debug, PartialEq)]
enum For {
    /// Everyone.
    Everyone,
    /// Whoever has the link's secret.
    Link,
    /// Whoever has a token that counts.
    User,
    /// Devices of accounts.
    Account,
    /// The primary device of an account (and users of an app's own).
    PrimaryOrApp,
}

struct Door {
    /// As the reference has it.
    call: &'static str,
    body: &'static str,
    open_for: For,
    /// What someone gets who may.
    status: u16,
}

const fn door(call: &'static str, body: &'static str, open_for: For, status: u16) -> Door {
    Door { call, body, open_for, status }
}

const DOORS: &[Door] = &[
    door("GET /v1/server", "", For::Everyone, 200),
    door("POST /v1/register", r#"{"phone":"PHONE"}"#, For::Everyone, 202),
    door(
        "POST /v1/register/verify",
        r#"{"registration_id":"0","pin":"000000","device_name":"x"}"#,
        For::Everyone,
        400, // there is no such registration: the PIN is what opens it
    ),
    door("POST /v1/devices/link", r#"{"device_name":"laptop"}"#, For::Everyone, 201),
    door("POST /v1/demo/sign-in", r#"{"name":"Ana"}"#, For::Everyone, 200),
    door("GET /v1/devices/link/{link_id}", "", For::Link, 200),
    door("GET /v1/profile", "", For::User, 200),
    door("GET /v1/settings", "", For::User, 200),
    door("PATCH /v1/settings", "{}", For::User, 200),
    door("GET /v1/blocks", "", For::User, 200),
    door("PUT /v1/blocks/{user_id}", "", For::User, 204),
    door("DELETE /v1/blocks/{user_id}", "", For::User, 204),
    door("GET /v1/ice-servers", "", For::User, 200),
    door("GET /v1/demo/people", "", For::User, 200),
    door("GET /v1/calls?before=&limit=", "", For::User, 200),
    door("GET /v1/calls/{call_id}", "", For::User, 404), // nobody has called anybody
    door("POST /v1/call-links", r#"{"media":"video"}"#, For::User, 201),
    door("GET /v1/call-links", "", For::User, 200),
    door("DELETE /v1/call-links/{call_link_id}", "", For::User, 204),
    door("PATCH /v1/profile", r#"{"name":"New name"}"#, For::Account, 200),
    door("POST /v1/contacts/lookup", r#"{"phone":"OWN"}"#, For::Account, 200),
    door("POST /v1/devices/link/inspect", r#"{"code":"CODE"}"#, For::Account, 200),
    door("POST /v1/devices/link/approve", r#"{"code":"CODE"}"#, For::Account, 200),
    door("GET /v1/devices", "", For::Account, 200),
    door("DELETE /v1/devices/{device_id}", "", For::Account, 204),
    door("POST /v1/media?as=&file_name=&keep=&view_once=&tell=", "a note", For::User, 201),
    // Without their version, resumable uploads are not begun: 412.
    door("POST /v1/media/tus", "", For::User, 412),
    door("PATCH /v1/media/tus/{upload_id}", "", For::User, 412),
    door("DELETE /v1/media/tus/{upload_id}", "", For::User, 412),
    door("GET /v1/media?before=&limit=", "", For::User, 200),
    door("POST /v1/media/claims", r#"{"sha256":"SHA256","size":1}"#, For::User, 201),
    door("PUT /v1/media/claims/{claim_id}", r#"{"proof":"PROOF"}"#, For::User, 409), // nothing was asked for
    door("GET /v1/media/{media_id}", "", For::User, 200),
    door("GET /v1/media/{media_id}/thumbnail?format=", "", For::User, 404), // a note has none
    door("GET /v1/media/{media_id}/status", "", For::User, 200),
    door("POST /v1/media/{media_id}/share", r#"{"to":["bob"]}"#, For::User, 200),
    door("DELETE /v1/media/{media_id}/share/{user_id}", "", For::User, 204),
    door("PUT /v1/media/{media_id}/keep", "", For::User, 204),
    door("DELETE /v1/media/{media_id}/keep", "", For::User, 204),
    door("POST /v1/media/{media_id}/link", "{}", For::User, 201),
    door("POST /v1/media/{media_id}/open", "", For::User, 403), // it is not to be seen once
    door("POST /v1/media/{media_id}/opened", "", For::User, 404),
    door("DELETE /v1/media/{media_id}", "", For::User, 204),
    door("GET /v1/users/{user_id}", "", For::User, 404), // nobody one has met
    // Nothing waits for it, and nothing was sent.
    door("GET /v1/messages?conversation=&message_id=&state=&cursor=&limit=", "", For::User, 200),
    // This device has no mailbox.
    door(
        "POST /v1/messages",
        r#"{"client_id":"019f5c7a-2e5d-7000-8000-00000000000d","to":{"user":"bob"},"content":{"type":"text","text":"x"}}"#,
        For::User,
        409,
    ),
    door("GET /v1/push", "", For::User, 200),
    // No push service of this name is allowed.
    door(
        "PUT /v1/push",
        r#"{"endpoint":"https://push.example.org/","keys":{"p256dh":"x","auth":"x"}}"#,
        For::User,
        400,
    ),
    door("DELETE /v1/push", "", For::User, 204),
    door("GET /v1/groups?after=&limit=", "", For::User, 200),
    door("POST /v1/groups", r#"{"client_id":"019f5c7a-2e5d-7000-8000-00000000000b","name":"x"}"#, For::User, 201),
    door("GET /v1/groups/{group_id}", "", For::User, 200),
    door("PATCH /v1/groups/{group_id}", r#"{"name":"y"}"#, For::User, 200),
    door("GET /v1/groups/{group_id}/icon", "", For::User, 404), // it has none
    door("PUT /v1/groups/{group_id}/members/{user_id}", "{}", For::User, 200),
    door("DELETE /v1/groups/{group_id}/members/{user_id}", "", For::User, 204),
    door("POST /v1/groups/{group_id}/invite", "", For::User, 201),
    door("DELETE /v1/groups/{group_id}/invite", "", For::User, 204),
    door("DELETE /v1/groups/{group_id}", "", For::User, 204),
    door("POST /v1/groups/join/{token}", "", For::User, 404), // no such invitation
    // What is posted here is no SDP, and there are no resources.
    door("POST /v1/whip/{room}", "{}", For::User, 415),
    door("PATCH /v1/whip/{room}/{resource}", "", For::User, 404),
    door("DELETE /v1/whip/{room}/{resource}", "", For::User, 404),
    door("POST /v1/whep/{room}", "{}", For::User, 415),
    door("PATCH /v1/whep/{room}/{resource}", "", For::User, 404),
    door("DELETE /v1/whep/{room}/{resource}", "", For::User, 404),
    door("DELETE /v1/account", "", For::PrimaryOrApp, 204),
];

/// What fills in a door's placeholders.
#[derive(Clone)]
struct Filled {
    link: String,
    code: String,
    secret: String,
    device: String,
    user: String,
    phone: String,
    media: String,
    group: String,
    call_link: String,
}

impl Filled {
    /// A link that waits, and things of this account.
    async fn of(server: &Server, owner: &Account, device: &str, other: &str) -> anyhow::Result<Self> {
        let begun = server.post("/v1/devices/link", None, r#"{"device_name":"laptop"}"#).await?;
        let begun = begun.json()?;
        let sent = server.post("/v1/media", Some(&owner.token), "mine").await?;
        ensure!(sent.status == 201, "{sent:?}");
        let media = sent.json()?["media_id"].as_str().map(str::to_owned).context("a file")?;
        let body = json!({"client_id": "019f5c7a-2e5d-7000-8000-00000000000c", "name": "ours"});
        let made = server.post("/v1/groups", Some(&owner.token), &body.to_string()).await?;
        ensure!(made.status == 201, "{made:?}");
        let group = made.json()?["group_id"].as_str().map(str::to_owned).context("a group")?;
        let made = server.post("/v1/call-links", Some(&owner.token), r#"{"media":"voice"}"#).await?;
        let call_link = made.json()?["call_link_id"].as_str().map(str::to_owned).context("a call link")?;
        let field = |name: &str| begun[name].as_str().map(str::to_owned).context("a link");
        Ok(Self {
            link: field("link_id")?,
            code: field("code")?,
            secret: field("secret")?,
            device: device.to_owned(),
            user: other.to_owned(),
            phone: owner.phone.clone(),
            media,
            group,
            call_link,
        })
    }

    async fn knock(&self, server: &Server, door: &Door, bearer: Option<&str>) -> anyhow::Result<Answer> {
        let (method, path) = door.call.split_once(' ').context("a method and a path")?;
        let path = path.split('?').next().unwrap_or_default();
        let path = path.replace("{link_id}", &self.link).replace("{device_id}", &self.device);
        let path = path.replace("{user_id}", &self.user).replace("{media_id}", &self.media);
        let path = path.replace("{upload_id}", &"0".repeat(32)).replace("{claim_id}", &"0".repeat(32));
        let path = path.replace("{call_link_id}", &self.call_link);
        let path = path.replace("{group_id}", &self.group).replace("{token}", &"0".repeat(32));
        let path = path.replace("{room}", &self.group).replace("{resource}", &"0".repeat(32));
        let body = door.body.replace("SHA256", &"0".repeat(64)).replace("PROOF", &"A".repeat(43));
        let body = body.replace("CODE", &self.code).replace("OWN", &self.phone).replace("PHONE", &phone_number());
        server.request(method, &path, bearer, (!body.is_empty()).then_some(body.as_str())).await
    }
}

async fn demo_server(carrier: &Carrier) -> anyhow::Result<Server> {
    // Everyone knocks at every door from one address.
    carrier.server().set("demo", true).set("signaling.http_requests_burst", 2_000).start().await
}

#[tokio::test]
async fn a3_every_http_call_of_the_reference_is_tried_here() -> anyhow::Result<()> {
    let reference = std::fs::read_to_string(format!("{DOCS}/protocol.md"))?;
    let methods = ["GET ", "POST ", "PUT ", "PATCH ", "DELETE "];
    let heading = |line: &&str| methods.iter().any(|method| line.starts_with(method));
    let mut there: Vec<&str> = reference.lines().filter_map(|line| line.strip_prefix("### ")).filter(heading).collect();
    let mut here: Vec<&str> = DOORS.iter().map(|door| door.call).collect();
    there.sort_unstable();
    here.sort_unstable();
    ensure!(there.len() > 15, "docs/protocol.md is not read as it is written now");
    ensure!(there == here, "in the reference: {there:?}\nhere: {here:?}");
    Ok(())
}

#[tokio::test]
async fn a3_nobody_gets_through_a_door_with_a_token_that_does_not_count() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = demo_server(&carrier).await?;
    let owner = Account::new(&server, &carrier, "Ana").await?;
    let tablet = owner.link(&server).await?;
    let filled = Filled::of(&server, &owner, &tablet.device, "bob").await?;
    let strangers = strangers(&server, &carrier).await?;
    let guarded = DOORS.iter().filter(|door| door.open_for != For::Everyone);
    for door in guarded {
        for stranger in &strangers {
            let answer = filled.knock(&server, door, stranger.token.as_deref()).await?;
            let (who, call) = (stranger.name, door.call);
            let said = answer.json().with_context(|| format!("{who}, {call}"))?["error"]["code"].clone();
            if door.open_for == For::Link {
                // The secret of a link is no token: whatever else comes is as good as a wrong one.
                ensure!((400..=404).contains(&answer.status), "{who}, {call}: {answer:?}");
                ensure!(said == "link_over" || said == "token_invalid", "{who}, {call}: {answer:?}");
            } else {
                ensure!(answer.status == 401, "{who}, {call}: {answer:?}");
                ensure!(said == json!(stranger.code), "{who}, {call}: {answer:?}");
                ensure!(answer.head.to_ascii_lowercase().contains("www-authenticate: bearer"), "{call}: {answer:?}");
            }
        }
    }
    // None of it had an effect, and whoever may gets through: the entries above are the calls that they name.
    let devices = server.get("/v1/devices", Some(&owner.token)).await?.json()?;
    ensure!(devices["devices"].as_array().is_some_and(|all| all.len() == 2), "{devices}");
    for door in DOORS {
        let bearer = match door.open_for {
            For::Everyone => None,
            For::Link => Some(filled.secret.as_str()),
            For::User | For::Account | For::PrimaryOrApp => Some(owner.token.as_str()),
        };
        if door.call.ends_with("/blocks/{user_id}") {
            let bob = tertulia_tests::Client::connect(&server, "bob").await?;
            drop(bob);
        }
        if door.call.starts_with("GET /v1/devices/link/") {
            continue; // it is held back until there is something to say: below
        }
        let answer = filled.knock(&server, door, bearer).await?;
        ensure!(answer.status == door.status, "{}: {answer:?}", door.call);
    }
    Ok(())
}

#[tokio::test]
async fn a3_only_the_devices_secret_opens_a_link_and_only_once() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = demo_server(&carrier).await?;
    let owner = Account::new(&server, &carrier, "Ana").await?;
    let mallory = Account::new(&server, &carrier, "Mallory").await?;
    let (one, other) = (Filled::of(&server, &owner, "x", "x").await?, Filled::of(&server, &mallory, "x", "x").await?);
    let code = json!({"code": one.code}).to_string();
    for step in ["inspect", "approve"] {
        let answer = server.post(&format!("/v1/devices/link/{step}"), Some(&owner.token), &code).await?;
        ensure!(answer.status == 200, "{step}: {answer:?}");
    }
    let path = format!("/v1/devices/link/{}", one.link);
    for wrong in
        [None, Some(other.secret.as_str()), Some(mallory.token.as_str()), Some(owner.token.as_str()), Some("x")]
    {
        let answer = server.get(&path, wrong).await?;
        ensure!((400..=404).contains(&answer.status), "{answer:?}");
    }
    let access = server.get(&path, Some(&one.secret)).await?;
    ensure!(access.status == 201 && access.json()?["user_id"] == owner.user.as_str(), "{access:?}");
    let again = server.get(&path, Some(&one.secret)).await?;
    ensure!((400..=404).contains(&again.status), "the token was told twice: {again:?}");
    // A code that was used lets nobody in any more, whoever types it.
    for token in [&owner.token, &mallory.token] {
        let answer = server.post("/v1/devices/link/approve", Some(token), &code).await?;
        ensure!(answer.status == 400, "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a3_another_user_reaches_nothing_of_ones_own() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = demo_server(&carrier).await?;
    let owner = Account::new(&server, &carrier, "Ana").await?;
    let tablet = owner.link(&server).await?;
    let mallory = Account::new(&server, &carrier, "Mallory").await?;
    let bob = Account::new(&server, &carrier, "Bob").await?;
    let blocks = format!("/v1/blocks/{}", bob.user);
    ensure!(server.request("PUT", &blocks, Some(&owner.token), None).await?.status == 204);
    let until = json!({"do_not_disturb_until": 4_102_444_800_000_i64}).to_string();
    ensure!(server.request("PATCH", "/v1/settings", Some(&owner.token), Some(&until)).await?.status == 200);

    // Files: as if there were none, whatever is asked of them.
    let filled = Filled::of(&server, &owner, &tablet.device, &bob.user).await?;
    let absent = Filled { media: "01a0c458-0d20-7180-b398-874989484820".to_owned(), ..filled.clone() };
    for door in DOORS.iter().filter(|door| door.call.contains("{media_id}")) {
        let answer = filled.knock(&server, door, Some(&mallory.token)).await?;
        ensure!(answer.status == 404, "{}: {answer:?}", door.call);
        let none = absent.knock(&server, door, Some(&mallory.token)).await?;
        ensure!((none.status, &none.body) == (404, &answer.body), "{}: {none:?}, {answer:?}", door.call);
    }
    // Groups, too.
    let absent = Filled { group: "0".repeat(32), ..filled.clone() };
    for door in DOORS.iter().filter(|door| door.call.contains("{group_id}")) {
        let answer = filled.knock(&server, door, Some(&mallory.token)).await?;
        ensure!(answer.status == 404, "{}: {answer:?}", door.call);
        let none = absent.knock(&server, door, Some(&mallory.token)).await?;
        ensure!((none.status, &none.body) == (404, &answer.body), "{}: {none:?}, {answer:?}", door.call);
    }
    let seen = server.get("/v1/groups", Some(&mallory.token)).await?;
    ensure!(seen.json()?["groups"].as_array().is_some_and(Vec::is_empty), "{seen:?}");
    let seen = server.get("/v1/media", Some(&mallory.token)).await?;
    ensure!(seen.json()?["media"].as_array().is_some_and(Vec::is_empty), "{seen:?}");
    ensure!(server.get(&format!("/v1/media/{}", filled.media), Some(&owner.token)).await?.body == "mine");
    // Devices: another's are not there.
    for device in [&owner.device, &tablet.device] {
        let answer = mallory.unlink(&server, device).await?;
        ensure!(answer.status == 404, "{answer:?}");
    }
    let seen = server.get("/v1/devices", Some(&mallory.token)).await?.json()?;
    ensure!(!seen.to_string().contains(&owner.device) && !seen.to_string().contains(&tablet.device), "{seen}");
    // Everything else is of whoever asks.
    let seen = server.get("/v1/profile", Some(&mallory.token)).await?.json()?;
    ensure!(seen["user_id"] == mallory.user.as_str() && seen["phone"] == mallory.phone.as_str(), "{seen}");
    for path in ["/v1/settings", "/v1/blocks", "/v1/calls"] {
        let seen = server.get(path, Some(&mallory.token)).await?;
        ensure!(seen.status == 200, "{path}: {seen:?}");
        ensure!(!seen.body.contains("4102444800000") && !seen.body.contains(&bob.user), "{path}: {seen:?}");
    }
    server.request("DELETE", &blocks, Some(&mallory.token), None).await?;
    ensure!(mallory.delete(&server).await?.status == 204);
    let kept = server.get("/v1/blocks", Some(&owner.token)).await?;
    ensure!(kept.body.contains(&bob.user), "{kept:?}");
    ensure!(server.get("/v1/profile", Some(&tablet.token)).await?.status == 200);
    Ok(())
}

#[tokio::test]
async fn a3_a_linked_device_and_an_apps_user_may_less_than_a_primary_one() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = demo_server(&carrier).await?;
    let owner = Account::new(&server, &carrier, "Ana").await?;
    let (tablet, laptop) = (owner.link(&server).await?, owner.link(&server).await?);
    for answer in [
        tablet.delete(&server).await?,
        tablet.unlink(&server, &owner.device).await?,
        tablet.unlink(&server, &laptop.device).await?,
    ] {
        ensure!(answer.status == 403 && answer.json()?["error"]["code"] == "primary_only", "{answer:?}");
    }
    let filled = Filled::of(&server, &owner, &tablet.device, "bob").await?;
    let app = token("app-user");
    for door in DOORS.iter().filter(|door| door.open_for == For::Account) {
        let answer = filled.knock(&server, door, Some(&app)).await?;
        ensure!(answer.status == 403, "{}: {answer:?}", door.call);
        ensure!(answer.json()?["error"]["code"] == "account_only", "{}: {answer:?}", door.call);
    }
    // Its own access anyone may end.
    ensure!(laptop.unlink(&server, &laptop.device).await?.status == 204);
    ensure!(server.get("/v1/profile", Some(&laptop.token)).await?.status == 401);
    ensure!(server.get("/v1/profile", Some(&tablet.token)).await?.status == 200);
    Ok(())
}
