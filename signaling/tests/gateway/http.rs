//! The HTTP calls: what they give, and that every refusal is typed.

use crate::support::{Client, Server, config, token, user};
use tertulia_signaling::Config;
use tertulia_signaling_proto::{Caps, Codec, DemoPeople, DemoSignedIn, ErrorCode, Hello, ServerFrame, WireError};

async fn demo() -> Server {
    Server::with(Config { demo_key: Some("tests".to_owned()), ..config() }).await
}

fn body(text: &str) -> &str {
    text.split_once("\r\n\r\n").unwrap().1
}

fn error(text: &str) -> ErrorCode {
    serde_json::from_str::<WireError>(body(text)).unwrap_or_else(|e| panic!("{e}: {text}")).error.code
}

#[tokio::test]
async fn every_refusal_is_typed() {
    let server = demo().await;
    let big = "x".repeat(70 * 1024);
    let json = "content-type: application/json";
    for (head, body, status, code) in [
        ("GET /v1/nothing".to_owned(), "", 404, ErrorCode::NotFound),
        ("GET /v1/demo/nothing".to_owned(), "", 404, ErrorCode::NotFound),
        ("POST /v1/calls".to_owned(), "", 405, ErrorCode::BadRequest),
        ("GET /v1/demo/sign-in".to_owned(), "", 405, ErrorCode::BadRequest),
        ("GET /v1/calls".to_owned(), "", 401, ErrorCode::TokenInvalid),
        ("GET /v1/calls\nauthorization: Bearer x".to_owned(), "", 401, ErrorCode::TokenInvalid),
        ("GET /v1/demo/people".to_owned(), "", 401, ErrorCode::TokenInvalid),
        (format!("GET /v1/calls?limit=1000\nauthorization: Bearer {}", token("a")), "", 400, ErrorCode::BadRequest),
        (format!("GET /v1/calls?before=x\nauthorization: Bearer {}", token("a")), "", 400, ErrorCode::BadRequest),
        (format!("GET /v1/calls?what=x\nauthorization: Bearer {}", token("a")), "", 400, ErrorCode::BadRequest),
        (format!("POST /v1/demo/sign-in\n{json}"), "{", 400, ErrorCode::BadRequest),
        (format!("POST /v1/demo/sign-in\n{json}"), r#"{"name":"A","admin":true}"#, 400, ErrorCode::BadRequest),
        (format!("POST /v1/demo/sign-in\n{json}"), r#"{"name":"  "}"#, 400, ErrorCode::BadRequest),
        ("POST /v1/demo/sign-in".to_owned(), r#"{"name":"A"}"#, 400, ErrorCode::BadRequest),
        (format!("POST /v1/demo/sign-in\n{json}"), big.as_str(), 413, ErrorCode::TooLarge),
        ("GET /v1/ws".to_owned(), "", 400, ErrorCode::BadRequest),
    ] {
        let (got, text) = server.http(&head, body).await;
        assert_eq!((got, error(&text)), (status, code), "{head}: {text}");
    }
    server.wait_for_metric("tertulia_signaling_errors_total{code=\"not_found\"}", 2.0).await;
}

#[tokio::test]
async fn the_demo_exists_only_where_it_is_switched_on() {
    let server = Server::start().await;
    let head = "POST /v1/demo/sign-in\ncontent-type: application/json";
    let (status, text) = server.http(head, r#"{"name":"Alice"}"#).await;
    assert_eq!((status, error(&text)), (404, ErrorCode::NotFound));
}

#[tokio::test]
async fn a1_signing_in_by_name_gives_a_token_and_everyone_sees_who_is_here() {
    let server = demo().await;
    let mut bob = server.client("bob", "phone").await;
    let head = "POST /v1/demo/sign-in\ncontent-type: application/json";
    let (status, text) = server.http(head, r#"{"name":"Ana María"}"#).await;
    assert_eq!(status, 200, "{text}");
    let signed_in: DemoSignedIn = serde_json::from_str(body(&text)).unwrap();
    assert_eq!(signed_in.user_id, user("ana-maría"));

    let online = |online| {
        move |frame: &ServerFrame| match frame {
            ServerFrame::DemoPeople(DemoPeople { people }) => {
                people.iter().any(|p| p.name == "Ana María" && p.online == Some(online)).then_some(())
            }
            _ => None,
        }
    };
    bob.expect("Ana María in the list", online(false)).await;
    let mut ana = Client::connect(server.address, Codec::Msgpack).await.unwrap();
    let caps = Caps { rings: true, ..Caps::default() };
    let hello = Hello { token: signed_in.token.clone(), device_id: None, resume: None, caps };
    let welcome = ana.hello_frame(hello).await.unwrap();
    assert!(welcome.demo && welcome.name == "Ana María");
    bob.expect("Ana María online", online(true)).await;
    drop(ana);
    bob.expect("Ana María gone", online(false)).await;

    let (status, text) =
        server.http(&format!("GET /v1/demo/people\nauthorization: Bearer {}", signed_in.token), "").await;
    assert_eq!(status, 200, "{text}");
    let people: DemoPeople = serde_json::from_str(body(&text)).unwrap();
    let names: Vec<_> = people.people.iter().map(|person| (person.name.as_str(), person.online)).collect();
    assert_eq!(names, [("bob", Some(true)), ("Ana María", Some(false))], "those online first");
}

#[tokio::test]
async fn a_device_that_comes_without_changing_anything_hears_who_is_here_too() {
    let server = demo().await;
    let people = |frame: &ServerFrame| match frame {
        ServerFrame::DemoPeople(list) => Some(list.people.len()),
        _ => None,
    };
    let mut phone = server.client("bob", "phone").await;
    assert_eq!(phone.expect("the list", people).await, 1);
    let mut tablet = server.client("bob", "tablet").await;
    assert_eq!(tablet.expect("the list", people).await, 1);
}

#[tokio::test]
async fn sign_ins_of_one_address_are_bounded() {
    let server = demo().await;
    let head = "POST /v1/demo/sign-in\ncontent-type: application/json";
    let mut refused = None;
    for number in 0..40 {
        let (status, text) = server.http(head, &format!(r#"{{"name":"n{number}"}}"#)).await;
        if status == 429 {
            refused = Some(text);
            break;
        }
    }
    let refused = refused.expect("the burst is 30");
    assert_eq!(error(&refused), ErrorCode::RateLimited);
    assert!(refused.to_lowercase().contains("retry-after: "), "{refused}");
}
