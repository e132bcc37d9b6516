//! Settings, names, blocks, look-ups, and what one may take of them.

use super::*;
use crate::support::token;
use tertulia_common::Timestamp;
use tertulia_signaling_proto::{CallRequest, ClientFrame, CloseCode, Resume, ServerFrame};

#[tokio::test]
async fn do_not_disturb_is_told_to_every_device_and_kept() {
    let world = World::start().await;
    let (mut phone, mut tablet) =
        (world.server.client("alice", "phone").await, world.server.client("alice", "tablet").await);
    let alice = token("alice");
    let off = json!({"online": "contacts", "last_seen": "contacts"});
    assert_eq!(world.get("settings", &alice).await, (200, off.clone()));
    let until = 4_000_000_000_000_u64;
    let patch = |value: Value| world.call("PATCH /v1/settings", &alice, value);
    let on = json!({"do_not_disturb_until": until});
    let mut is_on = off.clone();
    is_on["do_not_disturb_until"] = json!(until);
    assert_eq!(patch(on.clone()).await, (200, is_on.clone()));
    let told = |frame: &ServerFrame| match frame {
        ServerFrame::Settings(settings) => Some(settings.do_not_disturb_until),
        _ => None,
    };
    for device in [&mut phone, &mut tablet] {
        assert_eq!(device.expect("settings", told).await, Some(Timestamp(until)));
    }
    assert_eq!(patch(json!({})).await, (200, is_on), "what is absent stays");
    let laptop = world.server.client("alice", "laptop").await;
    assert_eq!(laptop.welcome.unwrap().settings.do_not_disturb_until, Some(Timestamp(until)));
    assert_eq!(patch(json!({"do_not_disturb_until": 1})).await, (200, off.clone()), "the past is off");
    assert_eq!(patch(on).await.0, 200);
    assert_eq!(patch(json!({"do_not_disturb_until": 0})).await, (200, off));
    let shown = json!({"online": "nobody", "last_seen": "everyone"});
    assert_eq!(patch(shown.clone()).await, (200, shown.clone()));
    assert_eq!(world.get("settings", &alice).await, (200, shown));
    assert_eq!(code(&patch(json!({"online": "friends"})).await.1), "bad_request");
    assert_eq!(code(&patch(json!({"do_not_disturb": true})).await.1), "bad_request");
}

#[tokio::test]
async fn blocks_are_the_users_own_and_bounded() {
    let world = World::with(|limits| limits.blocks_max = 2).await;
    let alice = token("alice");
    for name in ["bob", "carol", "dave"] {
        world.server.client(name, "phone").await;
    }
    let put = async |whom: &str| {
        let line = format!("PUT /v1/blocks/{whom}");
        world.call(&line, &alice, Value::Null).await
    };
    assert_eq!([put("bob").await.0, put("carol").await.0, put("bob").await.0], [204, 204, 204]);
    let (status, full) = put("dave").await;
    assert_eq!((status, code(&full)), (409, "too_many"));
    assert_eq!(code(&put("alice").await.1), "bad_request");
    let (_, list) = world.get("blocks", &alice).await;
    let mut names: Vec<_> = list["blocked"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["bob", "carol"]);
    assert_eq!(world.get("blocks", &token("bob")).await.1, json!({"blocked": []}), "nobody else sees it");
    assert_eq!(world.call("DELETE /v1/blocks/bob", &alice, Value::Null).await.0, 204);
    assert_eq!(code(&put("nobody").await.1), "unknown_user");
    assert_eq!(put("dave").await.0, 204);
}

#[tokio::test]
async fn a_new_name_reaches_the_calls_that_follow() {
    let world = World::start().await;
    let alice = world.account("+34 612 345 678", "Alice").await;
    let mut phone = world.client(&alice.token).await;
    let mut bob = world.server.client("bob", "phone").await;
    let (status, profile) = world.call("PATCH /v1/profile", &alice.token, json!({"name": " Alicia "})).await;
    assert_eq!((status, &profile["name"]), (200, &json!("Alicia")));
    let call = phone.invite("bob").await.unwrap();
    let from = |frame: &ServerFrame| match frame {
        ServerFrame::CallIncoming(incoming) => Some(incoming.from.name.clone()),
        _ => None,
    };
    assert_eq!(bob.expect("call.incoming", from).await, "Alicia");
    bob.ask(|id| ClientFrame::CallAccept(CallRequest { id, call_id: call })).await.unwrap();
    let names = |frame: &ServerFrame| match frame {
        ServerFrame::CallRoster(roster) => Some(roster.participants.iter().any(|entry| entry.name == "Alicia")),
        _ => None,
    };
    assert!(bob.expect("call.roster", names).await);
    for name in ["", "   ", &"x".repeat(41)] {
        let (status, refused) = world.call("PATCH /v1/profile", &alice.token, json!({"name": name})).await;
        assert_eq!((status, code(&refused)), (400, "bad_request"));
    }
    let (status, refused) = world.call("PATCH /v1/profile", &token("bob"), json!({"name": "Robert"})).await;
    assert_eq!((status, code(&refused)), (403, "account_only"), "an app names its own users");
}

#[tokio::test]
async fn who_has_a_number_is_told_to_accounts_and_not_without_end() {
    let world = World::start().await;
    let alice = world.account("+34 612 345 678", "Alice").await;
    let lookup = |phone: &'static str| world.call("POST /v1/contacts/lookup", &alice.token, json!({"phone": phone}));
    assert_eq!(lookup("612345678").await, (200, json!({"user_id": alice.user, "name": "Alice"})));
    assert_eq!(code(&lookup("+34 612 345 679").await.1), "unknown_user");
    assert_eq!(code(&lookup("hello").await.1), "phone_invalid");
    let mut asked = 2;
    while lookup("+34 612 345 679").await.0 == 404 {
        asked += 1;
    }
    assert_eq!(asked, 20);
    assert_eq!(code(&lookup("612345678").await.1), "rate_limited");
    let (status, refused) = world.call("POST /v1/contacts/lookup", &token("bob"), json!({"phone": "612345678"})).await;
    assert_eq!((status, code(&refused)), (403, "account_only"));
}

#[tokio::test]
async fn a_socket_is_closed_when_its_token_expires_and_a_new_token_resumes() {
    let server = Server::start().await;
    let keys = crate::support::keys();
    // The leeway of five seconds is all that it has.
    let short = keys.mint("tests", &"alice".parse().unwrap(), None, Duration::ZERO).unwrap();
    let mut alice = Client::connect(server.address, Codec::Json).await.unwrap();
    hello(&mut alice, &short).await.unwrap();
    assert_eq!(alice.close_code().await, Some(CloseCode::Unauthenticated.code()));
    let resume: Resume = alice.resume();
    let device = alice.welcome.unwrap().device_id.as_str().to_owned();
    let mut again = Client::connect(server.address, Codec::Json).await.unwrap();
    assert!(again.hello("alice", &device, Some(resume)).await.resumed);
}

#[tokio::test]
async fn an_address_asks_and_opens_sockets_so_often() {
    let mut config = config();
    (config.limits.http_requests_per_s, config.limits.http_requests_burst) = (1, 5);
    (config.limits.socket_opens_per_minute, config.limits.sockets_per_address_max) = (1, 3);
    let world = World::with_config(AccountLimits::default(), config).await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(world.get("server", "").await.0);
    }
    assert_eq!(answers, [200, 200, 200, 200, 200, 429]);
    world.server.wait_for_metric("tertulia_signaling_limit_hits_total{limit=\"http_requests_per_address\"}", 1.0).await;
    let elsewhere = IpAddr::from([127, 0, 0, 2]);
    assert_eq!(world.call_from(elsewhere, "GET /v1/server", "", Value::Null).await.0, 200);

    for _ in 0..3 {
        drop(Client::connect(world.server.address, Codec::Json).await.unwrap());
    }
    world.server.wait_for_metric("tertulia_signaling_sockets", 0.0).await;
    assert!(Client::connect(world.server.address, Codec::Json).await.is_err(), "the fourth within a minute");
    world.server.wait_for_metric("tertulia_signaling_limit_hits_total{limit=\"socket_opens\"}", 1.0).await;
}
