//! The end of an account: of everybody's, here and now, and what the others see of it.

use super::*;
use crate::support::token;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use std::time::{SystemTime, UNIX_EPOCH};
use tertulia_signaling_proto::{CallRequest, ClientFrame, CloseCode, EndReason};

const ALICE: &str = "+34 612 345 678";
const REVOKED: u16 = 4506;

async fn delete(world: &World, token: &str) -> (u16, Value) {
    world.call("DELETE /v1/account", token, Value::Null).await
}

async fn history(world: &World, token: &str) -> Vec<Value> {
    let (status, body) = world.get("calls", token).await;
    assert_eq!(status, 200, "{body}");
    body["calls"].as_array().unwrap().clone()
}

/// A token of this user that says it was made `ago` seconds before now; without that, it does not say when.
fn made(user: &str, ago: Option<i64>) -> String {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let mut claims = json!({"iss": "tests", "sub": user, "exp": now + 60});
    if let Some(ago) = ago {
        claims["iat"] = json!(now - ago);
    }
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(crate::support::SECRET))
        .unwrap()
}

#[tokio::test]
async fn a4_deleting_an_account_ends_its_calls_and_leaves_a_deleted_account_to_the_others() {
    let world = World::start().await;
    let alice = world.account(ALICE, "Alice").await;
    let tablet = world.link(&alice.token, "tablet").await;
    let mut bob = world.server.client("bob", "phone").await;
    let (mut phone, mut on_tablet) = (world.client(&alice.token).await, world.client(&tablet.token).await);
    let earlier = bob.invite(&alice.user).await.unwrap();
    assert_eq!((phone.incoming().await, on_tablet.incoming().await), (earlier, earlier));
    bob.about(earlier, ClientFrame::CallCancel).await.unwrap();
    let call = phone.invite("bob").await.unwrap();
    assert_eq!(bob.incoming().await, call);
    bob.about(call, ClientFrame::CallAccept).await.unwrap();

    let (status, refused) = delete(&world, &tablet.token).await;
    assert_eq!((status, code(&refused)), (403, "primary_only"));
    assert_eq!(delete(&world, &alice.token).await.0, 204);
    bob.ended().await;
    assert_eq!(bob.ended().await, EndReason::Hangup);
    assert_eq!((phone.close_code().await, on_tablet.close_code().await), (Some(REVOKED), Some(REVOKED)));
    for token in [&alice.token, &tablet.token] {
        assert_eq!(code(&world.get("profile", token).await.1), "token_invalid");
        let unauthenticated = Some(CloseCode::Unauthenticated.code());
        assert_eq!(world.refused(token).await, (Some(ErrorCode::TokenInvalid), unauthenticated));
    }

    let calls = history(&world, &token("bob")).await;
    assert_eq!(calls.len(), 2, "bob keeps his calls, the one that has just ended too");
    for call in &calls {
        let peer = &call["peer"];
        assert_eq!((&peer["name"], &peer["deleted"]), (&json!("Deleted account"), &json!(true)), "{call}");
        assert_ne!(peer["user_id"], json!(alice.user), "not even the id remains");
        let stand_in = peer["user_id"].as_str().unwrap();
        assert_eq!(bob.invite(stand_in).await, Err(ErrorCode::UnknownUser));
    }
    assert_eq!(bob.invite(&alice.user).await, Err(ErrorCode::UnknownUser));
    let carol = world.account("+34 612 345 600", "Carol").await;
    let (status, nobody) = world.call("POST /v1/contacts/lookup", &carol.token, json!({"phone": ALICE})).await;
    assert_eq!((status, code(&nobody)), (404, "unknown_user"));
}

#[tokio::test]
async fn a4_a_number_that_comes_back_is_someone_new() {
    let world = World::with(|limits| limits.pin_again_s = 1).await;
    let alice = world.account(ALICE, "Alice").await;
    assert_eq!(delete(&world, &alice.token).await.0, 204);
    let again = world.account(ALICE, "Somebody").await;
    assert_ne!(again.user, alice.user);
    assert!(history(&world, &again.token).await.is_empty());
}

#[tokio::test]
async fn a4_an_apps_user_can_go_too_and_older_tokens_are_of_no_use() {
    let world = World::start().await;
    let (mut alice, mut bob) = (world.server.client("alice", "phone").await, world.server.client("bob", "phone").await);
    let call = alice.invite("bob").await.unwrap();
    bob.incoming().await;
    bob.ask(|id| ClientFrame::CallAccept(CallRequest { id, call_id: call })).await.unwrap();
    let old = token("alice");
    assert_eq!(delete(&world, &old).await.0, 204);
    assert_eq!(bob.ended().await, EndReason::Hangup);
    assert_eq!(alice.close_code().await, Some(REVOKED));
    // Those of the second of the deletion are refused as well: nobody can say what came first.
    for refused in [old, made("alice", None), made("alice", Some(1)), made("alice", Some(3_600))] {
        assert_eq!(code(&world.get("calls", &refused).await.1), "token_invalid");
    }
    let new = made("alice", Some(-2));
    assert!(history(&world, &new).await.is_empty(), "they start from nothing");
    world.client(&new).await;
    let calls = history(&world, &token("bob")).await;
    assert_eq!(calls[0]["peer"]["name"], "Deleted account", "what was before stays hidden");
}

#[tokio::test]
async fn a4_a_demo_user_can_go_and_come_again_at_once() {
    let demo = Config { demo_key: Some("tests".to_owned()), ..config() };
    let world = World::with_config(AccountLimits::default(), demo).await;
    let sign_in = || world.call("POST /v1/demo/sign-in", "", json!({"name": "Ana"}));
    let token = |body: &Value| body["token"].as_str().unwrap().to_owned();
    let first = token(&sign_in().await.1);
    let mut ana = world.client(&first).await;
    assert_eq!(delete(&world, &first).await.0, 204);
    assert_eq!(ana.close_code().await, Some(REVOKED));
    assert_eq!(code(&world.get("calls", &first).await.1), "token_invalid");
    let second = token(&sign_in().await.1);
    world.client(&second).await;
    let (_, people) = world.get("demo/people", &second).await;
    assert_eq!(people["people"].as_array().unwrap().len(), 1, "no stand-in is among the people: {people}");
}
