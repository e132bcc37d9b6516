//! Every call that is somebody's: strangers, expired tokens and devices without access get nothing from it.

use super::*;
use crate::support::token;
use jsonwebtoken::{Algorithm, EncodingKey, Header};

/// Every call that needs to know who asks, with a body that could be read.
fn calls() -> Vec<(&'static str, Value)> {
    let link = json!({"code": "ABCD-EFGH"});
    vec![
        ("GET /v1/calls", Value::Null),
        ("DELETE /v1/account", Value::Null),
        ("GET /v1/devices", Value::Null),
        ("DELETE /v1/devices/d1", Value::Null),
        ("POST /v1/devices/link/inspect", link.clone()),
        ("POST /v1/devices/link/approve", link),
        ("GET /v1/profile", Value::Null),
        ("PATCH /v1/profile", json!({"name": "Mallory"})),
        ("GET /v1/settings", Value::Null),
        ("PATCH /v1/settings", json!({"do_not_disturb_until": 4_000_000_000_000_u64})),
        ("POST /v1/contacts/lookup", json!({"phone": "+34612345678"})),
        ("GET /v1/blocks", Value::Null),
        ("PUT /v1/blocks/bob", Value::Null),
        ("DELETE /v1/blocks/bob", Value::Null),
    ]
}

#[tokio::test]
async fn a1_a_stranger_an_expired_token_and_an_unlinked_device_are_refused_everywhere() {
    let world = World::start().await;
    let alice = world.account("+34 612 345 678", "Alice").await;
    let unlinked = world.link(&alice.token, "tablet").await;
    let line = format!("DELETE /v1/devices/{}", unlinked.device);
    assert_eq!(world.call(&line, &alice.token, Value::Null).await.0, 204);
    let expired = json!({"iss": "tests", "sub": "alice", "exp": 1_000_000});
    let key = EncodingKey::from_secret(crate::support::SECRET);
    let expired = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &expired, &key).unwrap();
    let guessed = format!("tdt_{}", "A".repeat(43));
    for (line, body) in calls() {
        for (token, refusal) in [
            ("", "token_invalid"),
            ("nonsense", "token_invalid"),
            (&*guessed, "token_invalid"),
            ("tdt_short", "token_invalid"),
            (&*unlinked.token, "token_invalid"),
            (&*expired, "token_expired"),
        ] {
            let (status, answer) = world.call(line, token, body.clone()).await;
            assert_eq!((status, code(&answer)), (401, refusal), "{line} as {token:?}");
        }
    }
    assert_eq!(world.get("devices", &alice.token).await.0, 200, "nothing of it did anything");
}

#[tokio::test]
async fn a3_another_users_devices_and_an_apps_users_are_told_apart() {
    let world = World::start().await;
    let alice = world.account("+34 612 345 678", "Alice").await;
    let mallory = world.account("+34 612 345 679", "Mallory").await;
    let line = format!("DELETE /v1/devices/{}", alice.device);
    let (status, refused) = world.call(&line, &mallory.token, Value::Null).await;
    assert_eq!((status, code(&refused)), (404, "not_found"), "of somebody else's devices there is nothing to see");
    assert_eq!(world.get("profile", &alice.token).await.0, 200);
    for (line, body) in [
        ("GET /v1/devices", Value::Null),
        ("DELETE /v1/devices/d1", Value::Null),
        ("POST /v1/devices/link/inspect", json!({"code": "ABCD-EFGH"})),
        ("POST /v1/devices/link/approve", json!({"code": "ABCD-EFGH"})),
    ] {
        let (status, refused) = world.call(line, &token("bob"), body).await;
        assert_eq!((status, code(&refused)), (403, "account_only"), "{line}");
    }
}
