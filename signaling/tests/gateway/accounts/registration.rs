//! Registration: PINs right, wrong, late and too many; and what nobody may learn from it.

use super::*;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};
use tertulia_directory::{NewDevice, Registration};

const ALICE: &str = "+34 612 345 678";

async fn verify(world: &World, registration: &Value, pin: &str) -> (u16, Value) {
    let body = json!({"registration_id": registration, "pin": pin, "device_name": "phone"});
    world.call("POST /v1/register/verify", "", body).await
}

fn other_than(pin: &str) -> String {
    format!("{:06}", (pin.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[tokio::test]
async fn a1_a_number_and_its_pin_make_an_account_and_make_it_again() {
    let world = World::start().await;
    let (status, registered) = world.register("612 34 56 78").await;
    assert_eq!(status, 202);
    assert_eq!((&registered["phone"], &registered["expires_in_s"]), (&json!("+34612345678"), &json!(600)));
    let id = registered["registration_id"].clone();
    let pin = world.carrier.pin(id.as_str().unwrap()).await;
    let (status, body) = verify(&world, &id, &format!("{} {}", &pin[..3], &pin[3..])).await;
    assert_eq!(status, 201, "{body}");
    let access = to_access(&body);
    assert!(access.token.starts_with("tdt_") && access.user.len() == 27, "{access:?}");

    let client = world.client(&access.token).await;
    let welcome = client.welcome.as_ref().unwrap();
    assert_eq!((welcome.user_id.as_str(), welcome.device_id.as_str()), (&*access.user, &*access.device));
    assert_eq!(welcome.name, "…5678", "without a name, the last digits");
    let (_, profile) = world.get("profile", &access.token).await;
    assert_eq!(profile, json!({"user_id": access.user, "name": "…5678", "phone": "+34612345678"}));
    let (status, again) = verify(&world, &id, &pin).await;
    assert_eq!((status, code(&again)), (400, "registration_over"), "a PIN counts once");
}

#[tokio::test]
async fn a1_a_wrong_pin_is_refused_and_the_fifth_is_the_last() {
    let world = World::start().await;
    let (_, registered) = world.register(ALICE).await;
    let id = registered["registration_id"].clone();
    let pin = world.carrier.pin(id.as_str().unwrap()).await;
    for _ in 0..4 {
        let (status, refused) = verify(&world, &id, &other_than(&pin)).await;
        assert_eq!((status, code(&refused)), (400, "pin_wrong"));
    }
    assert_eq!(code(&verify(&world, &id, &other_than(&pin)).await.1), "registration_over");
    assert_eq!(code(&verify(&world, &id, &pin).await.1), "registration_over", "even the right one");
    let nonsense = json!("no such registration");
    assert_eq!(code(&verify(&world, &nonsense, &pin).await.1), "registration_over");
}

#[tokio::test]
async fn a1_what_is_wrong_besides_the_pin_costs_no_try() {
    let world = World::with(|limits| limits.pin_tries = 1).await;
    let (_, registered) = world.register(ALICE).await;
    let id = registered["registration_id"].as_str().unwrap();
    let pin = world.carrier.pin(id).await;
    for (device, name) in [("", "Alice"), ("phone", "  "), (&*"x".repeat(61), "Alice")] {
        let body = json!({"registration_id": id, "pin": pin, "device_name": device, "name": name});
        assert_eq!(code(&world.call("POST /v1/register/verify", "", body).await.1), "bad_request");
    }
    assert_eq!(verify(&world, &json!(id), &pin).await.0, 201);
}

#[tokio::test]
async fn a1_known_and_unknown_numbers_are_answered_alike() {
    let world = World::start().await;
    let alice = Registration {
        phone: "+34612345678".to_owned(),
        new_user: "alice".parse().unwrap(),
        name: Some("Alice".to_owned()),
        new_name: String::new(),
        device: NewDevice { id: "d1".parse().unwrap(), name: "phone".to_owned(), token_hash: [1; 32] },
        unlink_others: false,
    };
    world.server.directory.register_primary(&alice).await.unwrap();
    let mut answers = Vec::new();
    for phone in [ALICE, "+34 612 345 679"] {
        let head = "POST /v1/register\ncontent-type: application/json";
        let (_, text) = world.server.http(head, &json!({"phone": phone}).to_string()).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut body: Value = serde_json::from_str(body).unwrap();
        let id = body["registration_id"].take();
        assert_eq!(id.as_str().unwrap().len(), 32);
        assert_eq!(body["phone"].take().as_str().unwrap().len(), 12);
        let head: Vec<_> = head.lines().filter(|line| !line.starts_with("date:")).map(str::to_owned).collect();
        // A wrong PIN says nothing either.
        let pin = world.carrier.pin(id.as_str().unwrap()).await;
        answers.push((head, body, verify(&world, &id, &other_than(&pin)).await));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn a1_a_number_an_address_and_the_server_send_so_many_pins() {
    let world = World::with(|limits| limits.pins_per_minute = 12).await;
    assert_eq!(world.register(ALICE).await.0, 202);
    let (status, refused) = world.register("+34612345678").await;
    assert_eq!((status, code(&refused)), (429, "rate_limited"));
    let wait = refused["error"]["retry_after_ms"].as_u64().unwrap();
    assert!((55_000..=60_000).contains(&wait), "{wait}");
    world.server.wait_for_metric("tertulia_signaling_limit_hits_total{limit=\"pins_per_number\"}", 1.0).await;

    let other = |n: u32| json!({"phone": format!("+34 612 34 {n:04}")});
    let mut sent = 0;
    while world.call("POST /v1/register", "", other(sent)).await.0 == 202 {
        sent += 1;
    }
    // One more was taken by the number's second, which was refused.
    assert_eq!(sent, 8, "an address has ten at once");
    world.server.wait_for_metric("tertulia_signaling_limit_hits_total{limit=\"pins_per_address\"}", 1.0).await;
    let elsewhere = IpAddr::from([127, 0, 0, 2]);
    let mut sent_elsewhere = 0;
    while world.call_from(elsewhere, "POST /v1/register", "", other(100 + sent_elsewhere)).await.0 == 202 {
        sent_elsewhere += 1;
    }
    assert_eq!(sent_elsewhere, 3, "twelve a minute in all");
    world.server.wait_for_metric("tertulia_signaling_limit_hits_total{limit=\"pins\"}", 1.0).await;
    assert_eq!(world.carrier.asked(12).await.len(), 12, "what was refused was not sent");
}

#[tokio::test]
async fn a1_what_is_no_number_is_refused_before_anything_is_sent() {
    let world = World::start().await;
    for phone in ["", "12", "call me", "+999 12345678", "+34 612 345 678 ext. 5"] {
        let (status, refused) = world.register(phone).await;
        assert_eq!((status, code(&refused)), (400, "phone_invalid"), "{phone}");
    }
    assert!(world.carrier.asked(0).await.is_empty());
}

fn is_signed(asked: &Asked) -> bool {
    let (at, signature) = asked.signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(format!("{at}.{}", asked.raw).as_bytes());
    let made: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    signature == made && now.abs_diff(at.parse().unwrap()) < 30
}

#[tokio::test]
async fn a1_the_webhook_is_signed_and_tried_again_when_it_fails() {
    let world = World::start().await;
    world.carrier.answer(&[500, 503]);
    let (status, registered) = world.register(ALICE).await;
    assert_eq!(status, 202, "the answer does not wait for a slow carrier: {registered}");
    let asked = world.carrier.asked(3).await;
    assert!(asked.iter().all(is_signed), "{asked:?}");
    assert!(asked.iter().all(|again| again.idempotency == registered["registration_id"] && again.raw == asked[0].raw));
    assert_eq!(asked[0].body["phone"], "+34612345678");
    assert_eq!(asked[0].body["expires_in_s"], 600);
    world.server.wait_for_metric("tertulia_signaling_pins_total{outcome=\"sent\"}", 1.0).await;
    world.server.wait_for_metric("tertulia_signaling_pins_total{outcome=\"retried\"}", 2.0).await;
    let pin = asked[0].body["pin"].as_str().unwrap();
    assert_eq!(verify(&world, &registered["registration_id"], pin).await.0, 201);
}

#[tokio::test]
async fn a1_a_pin_that_the_carrier_refuses_can_be_asked_for_again_at_once() {
    let world = World::start().await;
    world.carrier.answer(&[400]);
    let (status, refused) = world.register(ALICE).await;
    assert_eq!((status, code(&refused), &refused["error"]["class"]), (503, "pin_not_sent", &json!("retry")));
    world.server.wait_for_metric("tertulia_signaling_pins_total{outcome=\"failed\"}", 1.0).await;
    let first = &world.carrier.asked(1).await[0].body;
    let (_, gone) = verify(&world, &first["registration_id"], first["pin"].as_str().unwrap()).await;
    assert_eq!(code(&gone), "registration_over");
    assert_eq!(world.register(ALICE).await.0, 202);
}

#[tokio::test]
async fn a1_a_server_says_how_people_sign_in_and_takes_no_numbers_where_that_is_off() {
    let world = World::start().await;
    let (status, info) = world.get("server", "").await;
    assert_eq!((status, info), (200, json!({"sign_in": ["phone", "token"], "phone_region": "ES", "pin_digits": 6})));

    let demo = Config { demo_key: Some("tests".to_owned()), ..config() };
    let server = Server::with(demo).await;
    let (_, text) = server.http("GET /v1/server", "").await;
    assert!(text.contains(r#"{"sign_in":["demo"],"pin_digits":6}"#), "{text}");
    let head = "POST /v1/register\ncontent-type: application/json";
    assert_eq!(server.http(head, r#"{"phone":"+34612345678"}"#).await.0, 404);
    let head = "POST /v1/devices/link\ncontent-type: application/json";
    assert_eq!(server.http(head, r#"{"device_name":"tablet"}"#).await.0, 404);
}
