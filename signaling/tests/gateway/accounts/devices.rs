//! Devices: linked, shown, unlinked, and displaced by a new primary one.

use super::*;
use tertulia_signaling_proto::{CallRequest, ClientFrame, CloseCode, EndReason, ServerFrame};

const ALICE: &str = "+34 612 345 678";
const REVOKED: u16 = 4506;

async fn devices(world: &World, token: &str) -> Vec<(String, bool, bool)> {
    let (status, body) = world.get("devices", token).await;
    assert_eq!(status, 200, "{body}");
    names(&body)
}

fn names(body: &Value) -> Vec<(String, bool, bool)> {
    let devices = body["devices"].as_array().unwrap().iter();
    let flag = |device: &Value, key: &str| device[key].as_bool().unwrap();
    devices.map(|d| (d["name"].as_str().unwrap().to_owned(), flag(d, "primary"), flag(d, "online"))).collect()
}

fn named(name: &str, primary: bool, online: bool) -> (String, bool, bool) {
    (name.to_owned(), primary, online)
}

async fn told_devices(client: &mut Client, how_many: usize) {
    let told = |frame: &ServerFrame| match frame {
        ServerFrame::Devices(list) if list.devices.len() == how_many => Some(()),
        _ => None,
    };
    client.expect("the devices", told).await;
}

#[tokio::test]
async fn a3_a_device_is_linked_after_it_was_shown() {
    let world = World::start().await;
    let alice = world.account(ALICE, "Alice").await;
    let mut phone = world.client(&alice.token).await;
    let (_, begun) = world.call("POST /v1/devices/link", "", json!({"device_name": "Ana's tablet"})).await;
    let text = begun["code"].as_str().unwrap();
    assert!(text.len() == 9 && text.as_bytes()[4] == b'-', "{text}");
    let path = format!("devices/link/{}", begun["link_id"].as_str().unwrap());
    let secret = begun["secret"].as_str().unwrap();
    let code_as_typed = json!({"code": text.to_lowercase().replace('-', " ")});

    let (status, early) = world.call("POST /v1/devices/link/approve", &alice.token, code_as_typed.clone()).await;
    assert_eq!((status, code(&early)), (400, "bad_request"), "nobody has looked at it");
    let waiting = world.get(&path, secret);
    let look = async {
        world.server.wait_for_metric("tertulia_signaling_sessions_connected", 1.0).await;
        world.call("POST /v1/devices/link/inspect", &alice.token, code_as_typed.clone()).await
    };
    let ((status, state), (looked, found)) = tokio::join!(waiting, look);
    assert_eq!((status, state), (200, json!({"state": "seen"})));
    assert_eq!((looked, &found["device_name"], &found["address"]), (200, &json!("Ana's tablet"), &json!("127.0.0.1")));

    let waiting = world.get(&path, secret);
    let (waited, (status, list)) =
        tokio::join!(waiting, world.call("POST /v1/devices/link/approve", &alice.token, code_as_typed.clone()));
    assert_eq!(status, 200, "{list}");
    assert_eq!(names(&list), [named("phone", true, true), named("Ana's tablet", false, false)]);
    assert_eq!(waited.0, 201, "{}", waited.1);
    told_devices(&mut phone, 2).await;
    let tablet = to_access(&waited.1);
    assert_eq!(tablet.user, alice.user);
    let client = world.client(&tablet.token).await;
    assert_eq!(client.welcome.as_ref().unwrap().device_id.as_str(), tablet.device);
    assert_eq!(devices(&world, &tablet.token).await, [named("phone", true, true), named("Ana's tablet", false, true)]);

    for step in ["inspect", "approve"] {
        let (_, used) = world.call(&format!("POST /v1/devices/link/{step}"), &alice.token, code_as_typed.clone()).await;
        assert_eq!(code(&used), "link_over", "a code is used once");
    }
    assert_eq!(code(&world.get(&path, secret).await.1), "link_over", "the access is told once");
}

#[tokio::test]
async fn a3_the_access_is_for_whoever_has_the_secret() {
    let world = World::start().await;
    let (_, begun) = world.call("POST /v1/devices/link", "", json!({"device_name": "tablet"})).await;
    let path = format!("devices/link/{}", begun["link_id"].as_str().unwrap());
    assert_eq!(code(&world.get(&path, "").await.1), "token_invalid");
    assert_eq!(code(&world.get(&path, "AAAA").await.1), "link_over");
    let wrong = format!("A{}", &begun["secret"].as_str().unwrap()[1..]);
    if wrong != begun["secret"] {
        assert_eq!(code(&world.get(&path, &wrong).await.1), "link_over");
    }
}

#[tokio::test]
async fn a3_codes_can_not_be_guessed() {
    let world = World::with(|limits| limits.links_per_address_per_hour = 2).await;
    let alice = world.account(ALICE, "Alice").await;
    let guess = |n: u32| json!({"code": format!("AAAA-AAA{}", char::from(b'A' + n as u8))});
    for n in 0..10 {
        let (_, wrong) = world.call("POST /v1/devices/link/inspect", &alice.token, guess(n)).await;
        assert_eq!(code(&wrong), "link_over");
    }
    let (status, limited) = world.call("POST /v1/devices/link/approve", &alice.token, guess(11)).await;
    assert_eq!((status, code(&limited)), (429, "rate_limited"));
    world.server.wait_for_metric("tertulia_signaling_limit_hits_total{limit=\"link_tries\"}", 1.0).await;

    let begin = || world.call("POST /v1/devices/link", "", json!({"device_name": "x"}));
    assert_eq!([begin().await.0, begin().await.0, begin().await.0], [201, 201, 429]);
}

#[tokio::test]
async fn a3_an_account_has_so_many_linked_devices() {
    let world = World::with(|limits| limits.linked_devices_max = 1).await;
    let alice = world.account(ALICE, "Alice").await;
    let tablet = world.link(&alice.token, "tablet").await;
    let (_, begun) = world.call("POST /v1/devices/link", "", json!({"device_name": "laptop"})).await;
    let body = json!({"code": begun["code"]});
    // Any device of the account may let another in.
    assert_eq!(world.call("POST /v1/devices/link/inspect", &tablet.token, body.clone()).await.0, 200);
    let (status, full) = world.call("POST /v1/devices/link/approve", &tablet.token, body).await;
    assert_eq!((status, code(&full), &full["error"]["limit"]), (409, "too_many", &json!(1)));
    let path = format!("devices/link/{}", begun["link_id"].as_str().unwrap());
    assert_eq!(code(&world.get(&path, begun["secret"].as_str().unwrap()).await.1), "link_over");
}

#[tokio::test]
async fn a3_a_new_primary_device_ends_the_old_one_and_the_linked_stay() {
    let world = World::with(|limits| limits.pin_again_s = 1).await;
    let old = world.account(ALICE, "Alice").await;
    let linked = world.link(&old.token, "tablet").await;
    let (mut old_client, mut linked_client) = (world.client(&old.token).await, world.client(&linked.token).await);

    let new = world.account_with(ALICE, json!({"device_name": "new phone"})).await;
    assert_eq!(new.user, old.user);
    assert_eq!(old_client.close_code().await, Some(REVOKED));
    assert_eq!(code(&world.get("devices", &old.token).await.1), "token_invalid");
    assert_eq!(
        world.refused(&old.token).await,
        (Some(ErrorCode::TokenInvalid), Some(CloseCode::Unauthenticated.code()))
    );
    told_devices(&mut linked_client, 2).await;
    assert_eq!(devices(&world, &linked.token).await, [named("new phone", true, false), named("tablet", false, true)]);
    let (_, profile) = world.get("profile", &new.token).await;
    assert_eq!(profile["name"], "Alice", "the name stays");

    let only = world.account_with(ALICE, json!({"device_name": "only", "unlink_others": true})).await;
    assert_eq!(linked_client.close_code().await, Some(REVOKED));
    assert_eq!(code(&world.get("devices", &linked.token).await.1), "token_invalid");
    assert_eq!(devices(&world, &only.token).await, [named("only", true, false)]);
}

#[tokio::test]
async fn a3_unlinking_a_device_ends_its_call_and_is_for_the_primary_one() {
    let world = World::start().await;
    let alice = world.account(ALICE, "Alice").await;
    let tablet = world.link(&alice.token, "tablet").await;
    let laptop = world.link(&alice.token, "laptop").await;
    let mut on_tablet = world.client(&tablet.token).await;
    let mut bob = world.server.client("bob", "phone").await;
    let call = on_tablet.invite("bob").await.unwrap();
    assert_eq!(bob.incoming().await, call);
    bob.about(call, ClientFrame::CallAccept).await.unwrap();

    let unlink = |device: &str| format!("DELETE /v1/devices/{device}");
    let (status, refused) = world.call(&unlink(&laptop.device), &tablet.token, Value::Null).await;
    assert_eq!((status, code(&refused)), (403, "primary_only"));
    assert_eq!(world.call(&unlink(&tablet.device), &alice.token, Value::Null).await.0, 204);
    assert_eq!(bob.ended().await, EndReason::Hangup);
    assert_eq!(on_tablet.close_code().await, Some(REVOKED));
    assert_eq!(code(&world.get("profile", &tablet.token).await.1), "token_invalid");
    assert_eq!(world.call(&unlink(&tablet.device), &alice.token, Value::Null).await.0, 404);

    // Everyone may let go of the device in their hand.
    assert_eq!(world.call(&unlink(&laptop.device), &laptop.token, Value::Null).await.0, 204);
    assert_eq!(devices(&world, &alice.token).await, [named("phone", true, false)]);
}

#[tokio::test]
async fn a3_a_device_that_rings_stops_when_it_is_unlinked_and_the_others_ring_on() {
    let world = World::start().await;
    let alice = world.account(ALICE, "Alice").await;
    let tablet = world.link(&alice.token, "tablet").await;
    let (mut phone, mut on_tablet) = (world.client(&alice.token).await, world.client(&tablet.token).await);
    let mut bob = world.server.client("bob", "phone").await;
    let call = bob.invite(&alice.user).await.unwrap();
    assert_eq!((phone.incoming().await, on_tablet.incoming().await), (call, call));
    let line = format!("DELETE /v1/devices/{}", tablet.device);
    assert_eq!(world.call(&line, &alice.token, Value::Null).await.0, 204);
    assert_eq!(on_tablet.close_code().await, Some(REVOKED));
    phone.ask(|id| ClientFrame::CallAccept(CallRequest { id, call_id: call })).await.unwrap();
}

#[tokio::test]
async fn a3_it_is_known_when_a_device_was_last_connected() {
    let world = World::start().await;
    let alice = world.account(ALICE, "Alice").await;
    let seen = async || world.get("devices", &alice.token).await.1["devices"][0]["seen_at"].as_u64();
    assert_eq!(seen().await, None);
    let _phone = world.client(&alice.token).await;
    let written = async {
        while seen().await.is_none() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, written).await.expect("it is written");
}

#[tokio::test]
async fn a3_a_token_of_a_device_speaks_for_that_one_alone() {
    let world = World::start().await;
    let alice = world.account(ALICE, "Alice").await;
    let mut client = Client::connect(world.server.address, Codec::Json).await.unwrap();
    let hello = |device: &str| Hello {
        token: alice.token.clone(),
        device_id: Some(device.parse().unwrap()),
        resume: None,
        caps: Caps::default(),
    };
    let refused = client.hello_frame(hello("another")).await.unwrap_err();
    assert_eq!(refused, (Some(ErrorCode::Forbidden), Some(CloseCode::Unauthenticated.code())));
    let mut client = Client::connect(world.server.address, Codec::Json).await.unwrap();
    assert!(client.hello_frame(hello(&alice.device)).await.is_ok());
}
