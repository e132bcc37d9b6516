//! Waking people whose devices are away: by Web Push and by a webhook, for messages and for calls.

use anyhow::{Context, ensure};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tertulia_signaling_proto::{CallInvite, ClientFrame, Codec, EndReason, MediaKind, Target};
use tertulia_tests::accounts::{Account, Carrier};
use tertulia_tests::metrics::rises;
use tertulia_tests::push::{Browser, PushService, Pushed};
use tertulia_tests::server::Builder;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Client, Person, Server};

const SECRET: &str = "between the server and what wakes";

fn with(service: &PushService, builder: Builder) -> Builder {
    builder.set("media.shards", 1).set("push.hosts", json!([service.host()]).to_string()).set("push.after_s", 1)
}

async fn key(person: &Person) -> anyhow::Result<String> {
    let (status, state) = person.tell(Method::GET, "/v1/push", Value::Null).await?;
    ensure!(status == 200 && state["public_key"].is_string(), "{status}: {state}");
    Ok(state["public_key"].as_str().unwrap_or_default().to_owned())
}

async fn subscribes(person: &Person, browser: &Browser) -> anyhow::Result<()> {
    let (status, answer) = person.tell(Method::PUT, "/v1/push", browser.subscription()).await?;
    ensure!(status == 204, "{status}: {answer}");
    Ok(())
}

async fn is_subscribed(person: &Person) -> anyhow::Result<bool> {
    Ok(person.tell(Method::GET, "/v1/push", Value::Null).await?.1["subscribed"] == true)
}

async fn writes(from: &Person, number: u32, to: &str, text: &str) -> anyhow::Result<()> {
    let name = format!("019f5c7a-2e5d-7000-8000-{number:012x}");
    let body = json!({"client_id": name, "to": {"user": to}, "content": {"type": "text", "text": text}});
    let (status, answer) = from.tell(Method::POST, "/v1/messages", body).await?;
    ensure!(status == 201, "{status}: {answer}");
    Ok(())
}

/// Alice, who can write, and Bob, who has a phone that is away.
async fn two(server: &Server) -> anyhow::Result<(Person, Person)> {
    drop(Client::connect_for_messages(server, "alice", "desk", Codec::Json).await?);
    drop(Client::connect_for_messages(server, "bob", "phone", Codec::Json).await?);
    Ok((Person::new(server, "alice").at("desk"), Person::new(server, "bob").at("phone")))
}

#[tokio::test]
async fn m20_who_is_away_is_woken_by_a_push_that_nobody_on_the_way_can_read() -> anyhow::Result<()> {
    let service = PushService::open().await?;
    let server = with(&service, Server::builder()).start().await?;
    let (alice, bob) = two(&server).await?;
    let browser = Browser::new(&service, "bobs")?;
    ensure!(!is_subscribed(&bob).await?);
    subscribes(&bob, &browser).await?;
    ensure!(is_subscribed(&bob).await?);
    writes(&alice, 1, "bob", "a secret").await?;
    let pushed = service.next().await?;
    ensure!(browser.open(&pushed, &key(&bob).await?)? == json!({"type": "messages"}));
    ensure!(pushed.headers["topic"] == "messages" && pushed.headers["urgency"] == "high", "{:?}", pushed.headers);
    ensure!(pushed.headers.contains_key("ttl"), "{:?}", pushed.headers);
    // Of what comes while he is told, he is told once more.
    for number in 2..10 {
        writes(&alice, number, "bob", "more").await?;
    }
    browser.open(&service.next().await?, &key(&bob).await?)?;
    ensure!(!server.log().contains("a secret") && !server.log().contains(&service.url("bobs")));
    Ok(())
}

#[tokio::test]
async fn m20_a_socket_that_is_open_and_takes_nothing_does_not_keep_its_person_asleep() -> anyhow::Result<()> {
    let service = PushService::open().await?;
    let server = with(&service, Server::builder()).start().await?;
    let (alice, bob) = two(&server).await?;
    let browser = Browser::new(&service, "bobs")?;
    subscribes(&bob, &browser).await?;
    // It hears, and acknowledges nothing.
    let _deaf = Client::connect_for_messages(&server, "bob", "phone", Codec::Json).await?;
    writes(&alice, 1, "bob", "hello").await?;
    ensure!(browser.open(&service.next().await?, &key(&bob).await?)? == json!({"type": "messages"}));
    Ok(())
}

#[tokio::test]
async fn m20_a_call_wakes_who_is_away_and_it_is_told_when_it_is_over() -> anyhow::Result<()> {
    let service = PushService::open().await?;
    let server = with(&service, Server::builder()).start().await?;
    let (_, bob) = two(&server).await?;
    let browser = Browser::new(&service, "bobs")?;
    subscribes(&bob, &browser).await?;
    let key = key(&bob).await?;
    let mut alice = Client::connect_as(&server, "alice", "phone", Codec::Json).await?;
    let call = alice.invite("bob", MediaKind::Video).await?;
    let told = browser.open(&service.next().await?, &key)?;
    ensure!(told["type"] == "call" && told["call_id"] == json!(call) && told["video"] == true, "{told}");
    ensure!(told["from"].as_str().is_some_and(|from| !from.is_empty()) && told["expires_at"].is_u64(), "{told}");
    alice.cancel(call).await??;
    let over = browser.open(&service.next().await?, &key)?;
    ensure!(over["type"] == "call_over" && over["call_id"] == json!(call) && over["missed"] == true, "{over}");

    // A device that comes for it, and takes it: the others stop saying that it rings.
    let call = alice.invite("bob", MediaKind::Voice).await?;
    ensure!(browser.open(&service.next().await?, &key)?["call_id"] == json!(call));
    let mut phone = Client::connect_as(&server, "bob", "phone", Codec::Json).await?;
    ensure!(phone.incoming().await?.call_id == call);
    phone.ringing(call).await??;
    phone.accept(call).await??;
    let over = browser.open(&service.next().await?, &key)?;
    ensure!(over["type"] == "call_over" && over["call_id"] == json!(call) && over["missed"] == false, "{over}");
    alice.hangup(call).await??;
    phone.ended(call, EndReason::Hangup).await?;

    // A device that is here and says nothing, though the call came to it.
    let call = alice.invite("bob", MediaKind::Voice).await?;
    ensure!(phone.incoming().await?.call_id == call);
    ensure!(browser.open(&service.next().await?, &key)?["call_id"] == json!(call));
    Ok(())
}

#[tokio::test]
async fn m20_a_group_call_wakes_who_is_away_and_it_is_told_when_they_came_or_it_is_over() -> anyhow::Result<()> {
    let service = PushService::open().await?;
    let server = with(&service, Server::builder()).start().await?;
    let (alice, bob) = two(&server).await?;
    let browser = Browser::new(&service, "bobs")?;
    subscribes(&bob, &browser).await?;
    let key = key(&bob).await?;
    let body = json!({"client_id": "019f5c7a-2e5d-7000-8000-000000000001", "name": "Sunday walks", "members": ["bob"]});
    let (status, made) = alice.tell(Method::POST, "/v1/groups", body).await?;
    ensure!(status == 201, "{status}: {made}");
    let group = made["group_id"].as_str().unwrap_or_default().to_owned();
    let mut phone = Client::connect_as(&server, "alice", "phone", Codec::Json).await?;
    let start = |id| {
        let to = Target::Group(group.clone());
        ClientFrame::CallInvite(CallInvite { id, to, media: MediaKind::Video })
    };
    let call = phone.request(start).await??.call_id.context("a call")?;
    let told = browser.open(&service.next().await?, &key)?;
    ensure!(told["type"] == "call" && told["call_id"] == json!(call) && told["video"] == true, "{told}");
    phone.hangup(call).await??;
    let over = browser.open(&service.next().await?, &key)?;
    ensure!(over["type"] == "call_over" && over["call_id"] == json!(call) && over["missed"] == true, "{over}");

    let call = phone.request(start).await??.call_id.context("a call")?;
    ensure!(browser.open(&service.next().await?, &key)?["call_id"] == json!(call));
    let mut bobs = Client::connect_as(&server, "bob", "phone", Codec::Json).await?;
    ensure!(bobs.incoming().await?.call_id == call);
    bobs.accept(call).await??;
    let over = browser.open(&service.next().await?, &key)?;
    ensure!(over["type"] == "call_over" && over["call_id"] == json!(call) && over["missed"] == false, "{over}");
    Ok(())
}

#[tokio::test]
async fn m20_a_push_is_tried_again_and_a_subscription_that_is_gone_is_forgotten() -> anyhow::Result<()> {
    let service = PushService::open().await?;
    let server = with(&service, Server::builder()).start().await?;
    let (alice, bob) = two(&server).await?;
    let browser = Browser::new(&service, "bobs")?;
    subscribes(&bob, &browser).await?;
    service.fail_with([503, 429]);
    writes(&alice, 1, "bob", "hello").await?;
    browser.open(&service.next().await?, &key(&bob).await?)?;
    rises(&server, "tertulia_push_retries_total", &[], 1.0).await?;
    service.fail_with([410]);
    // In a moment, when he may be told again.
    writes(&alice, 2, "bob", "hello").await?;
    eventually("it is forgotten", || async { is_subscribed(&bob).await.is_ok_and(|is| !is).then_some(()) }).await?;
    ensure!(service.has_failed(), "without having been asked");
    Ok(())
}

#[tokio::test]
async fn m20_an_address_goes_with_its_device_and_with_who_signs_in_at_the_same_browser() -> anyhow::Result<()> {
    let (service, carrier) = (PushService::open().await?, Carrier::open().await?);
    let server = with(&service, carrier.server()).start().await?;
    let primary = Account::new(&server, &carrier, "Ana").await?;
    let linked = primary.link(&server).await?;
    let (at_primary, at_linked) =
        (Person::with_token(&server, &primary.token), Person::with_token(&server, &linked.token));
    let browser = Browser::new(&service, "shared")?;
    subscribes(&at_linked, &browser).await?;
    // Somebody else signs in there.
    let bob = Person::new(&server, "bob").at("browser");
    subscribes(&bob, &browser).await?;
    ensure!(is_subscribed(&bob).await? && !is_subscribed(&at_linked).await?);
    // A device that is unlinked is told nothing more.
    let own = Browser::new(&service, "own")?;
    subscribes(&at_linked, &own).await?;
    subscribes(&at_primary, &Browser::new(&service, "primary")?).await?;
    let unlinked = primary.unlink(&server, &linked.device).await?;
    ensure!(unlinked.status == 204, "{unlinked:?}");
    let mut caller = Client::connect_as(&server, "carl", "phone", Codec::Json).await?;
    caller.invite(&primary.user, MediaKind::Voice).await?;
    let pushed = service.next().await?;
    ensure!(pushed.to == "primary", "{}", pushed.to);
    // And who does not want to be woken is not.
    let (status, _) = at_primary.tell(Method::DELETE, "/v1/push", Value::Null).await?;
    ensure!(status == 204 && !is_subscribed(&at_primary).await?);
    Ok(())
}

#[tokio::test]
async fn m20_pushes_go_to_allowed_services_only() -> anyhow::Result<()> {
    let (service, other) = (PushService::open().await?, PushService::open().await?);
    let server = with(&service, Server::builder()).start().await?;
    let bob = Person::new(&server, "bob").at("phone");
    let (status, refused) = bob.tell(Method::PUT, "/v1/push", Browser::new(&other, "bobs")?.subscription()).await?;
    ensure!(status == 400 && refused["error"]["code"] == "push_refused", "{status}: {refused}");
    let mut broken = Browser::new(&service, "bobs")?.subscription();
    broken["keys"]["auth"] = json!("short");
    let (status, refused) = bob.tell(Method::PUT, "/v1/push", broken).await?;
    ensure!(status == 400 && refused["error"]["code"] == "push_refused", "{status}: {refused}");
    ensure!(!is_subscribed(&bob).await?);
    Ok(())
}

fn signed(pushed: &Pushed) -> anyhow::Result<Value> {
    let header = pushed.headers["tertulia-signature"].to_str()?;
    let (at, given) = header.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    mac.update(format!("{at}.").as_bytes());
    mac.update(&pushed.body);
    let made: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(made == given, "{header}");
    ensure!(pushed.headers.contains_key("idempotency-key"), "{:?}", pushed.headers);
    Ok(serde_json::from_slice(&pushed.body)?)
}

#[tokio::test]
async fn m20_a_webhook_is_told_who_is_to_be_woken_and_nothing_of_what_was_written() -> anyhow::Result<()> {
    let service = PushService::open().await?;
    let builder = with(&service, Server::builder())
        .set("push.web", false)
        .set("push.webhook_url", service.url("hook"))
        .set("push.webhook_secret", SECRET);
    let server = builder.start().await?;
    let (alice, bob) = two(&server).await?;
    let (status, _) = bob.tell(Method::GET, "/v1/push", Value::Null).await?;
    ensure!(status == 404, "no browser is woken here");
    writes(&alice, 1, "bob", "a secret").await?;
    let told = signed(&service.next().await?)?;
    ensure!(told == json!({"user_id": "bob", "type": "messages"}), "{told}");
    let mut phone = Client::connect_as(&server, "alice", "phone", Codec::Json).await?;
    let call = phone.invite("bob", MediaKind::Voice).await?;
    let told = signed(&service.next().await?)?;
    ensure!(told["user_id"] == "bob" && told["type"] == "call" && told["call_id"] == json!(call), "{told}");
    ensure!(told.get("from").is_none(), "nobody's name: {told}");
    Ok(())
}
