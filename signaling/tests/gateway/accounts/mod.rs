//! Accounts from the outside: a carrier that takes PINs, and people who register, link and delete.

mod deletion;
mod devices;
mod registration;
mod strangers;
mod wishes;

use crate::support::{Client, Server, config};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tertulia_push::Webhook;
use tertulia_signaling::{AccountLimits, AccountsConfig, Config, PhoneSignIn, PinSender};
use tertulia_signaling_proto::{Caps, Codec, ErrorCode, Hello, Welcome};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

const SECRET: &[u8] = b"the secret of the tests' carrier";
const PATIENCE: Duration = Duration::from_secs(10);
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What a carrier was asked for.
#[derive(Clone, Debug)]
struct Asked {
    signature: String,
    idempotency: String,
    raw: String,
    body: Value,
}

#[derive(Default)]
struct CarrierState {
    asked: Mutex<Vec<Asked>>,
    /// What it answers next; then 200.
    statuses: Mutex<VecDeque<u16>>,
    came: Notify,
}

/// A program that sends SMS.
#[derive(Clone)]
struct Carrier(Arc<CarrierState>);

impl Carrier {
    async fn start() -> (Self, String) {
        let carrier = Self(Arc::default());
        let router = Router::new().route("/pins", post(take)).with_state(carrier.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/pins", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (carrier, url)
    }

    fn answer(&self, statuses: &[u16]) {
        self.0.statuses.lock().extend(statuses);
    }

    /// Waits until it was asked so often.
    async fn asked(&self, times: usize) -> Vec<Asked> {
        let enough = async {
            loop {
                let came = self.0.came.notified();
                let asked = self.0.asked.lock().clone();
                if asked.len() >= times {
                    return asked;
                }
                came.await;
            }
        };
        timeout(PATIENCE, enough).await.expect("the carrier is asked")
    }

    /// The PIN of this registration.
    async fn pin(&self, registration: &str) -> String {
        let found = async {
            loop {
                let came = self.0.came.notified();
                let asked = self.0.asked.lock().clone();
                if let Some(asked) = asked.iter().find(|asked| asked.body["registration_id"] == registration) {
                    return asked.body["pin"].as_str().unwrap().to_owned();
                }
                came.await;
            }
        };
        timeout(PATIENCE, found).await.expect("the PIN is sent")
    }
}

async fn take(State(carrier): State<Carrier>, headers: HeaderMap, raw: String) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let asked = Asked {
        signature: header("tertulia-signature"),
        idempotency: header("idempotency-key"),
        body: serde_json::from_str(&raw).unwrap(),
        raw,
    };
    carrier.0.asked.lock().push(asked);
    let status = carrier.0.statuses.lock().pop_front().unwrap_or(200);
    carrier.0.came.notify_waiters();
    StatusCode::from_u16(status).unwrap()
}

/// A server with accounts, and its carrier.
struct World {
    server: Server,
    carrier: Carrier,
}

/// A device's access.
#[derive(Clone, Debug)]
struct Access {
    user: String,
    device: String,
    token: String,
}

impl World {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut AccountLimits)) -> Self {
        let mut limits = AccountLimits::default();
        change(&mut limits);
        Self::with_config(limits, config()).await
    }

    async fn with_config(limits: AccountLimits, config: Config) -> Self {
        assert_eq!(limits.check(), Ok(()));
        let (carrier, url) = Carrier::start().await;
        let sender = PinSender::Webhook(Webhook::new(&url, SECRET.to_vec()).unwrap());
        let phone = Some(PhoneSignIn { region: Some("ES".parse().unwrap()), sender });
        let accounts = AccountsConfig { phone, limits };
        Self { server: Server::with(Config { accounts, ..config }).await, carrier }
    }

    /// One HTTP call: its status, and its body.
    async fn call(&self, line: &str, token: &str, body: Value) -> (u16, Value) {
        self.call_from(HOME, line, token, body).await
    }

    async fn call_from(&self, from: IpAddr, line: &str, token: &str, body: Value) -> (u16, Value) {
        let mut head = line.to_owned();
        if !token.is_empty() {
            head = format!("{head}\nauthorization: Bearer {token}");
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        if !body.is_empty() {
            head = format!("{head}\ncontent-type: application/json");
        }
        let (status, text) = self.server.http_from(from, &head, &body).await;
        let body = text.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str, token: &str) -> (u16, Value) {
        self.call(&format!("GET /v1/{path}"), token, Value::Null).await
    }

    async fn register(&self, phone: &str) -> (u16, Value) {
        self.call("POST /v1/register", "", json!({"phone": phone})).await
    }

    /// Registers this number, as a device of this name.
    async fn account(&self, phone: &str, name: &str) -> Access {
        self.account_with(phone, json!({"device_name": "phone", "name": name})).await
    }

    async fn account_with(&self, phone: &str, mut more: Value) -> Access {
        // A number that had a PIN a moment ago waits for the next.
        let registered = loop {
            let (status, answer) = self.register(phone).await;
            match answer["error"]["retry_after_ms"].as_u64() {
                Some(wait) if wait < 5_000 => tokio::time::sleep(Duration::from_millis(wait)).await,
                _ => {
                    assert_eq!(status, 202, "{answer}");
                    break answer;
                }
            }
        };
        let id = registered["registration_id"].as_str().unwrap();
        more["registration_id"] = json!(id);
        more["pin"] = json!(self.carrier.pin(id).await);
        let (status, access) = self.call("POST /v1/register/verify", "", more).await;
        assert_eq!(status, 201, "{access}");
        to_access(&access)
    }

    /// Links another device to the account, by all its steps.
    async fn link(&self, token: &str, name: &str) -> Access {
        let (status, begun) = self.call("POST /v1/devices/link", "", json!({"device_name": name})).await;
        assert_eq!(status, 201, "{begun}");
        let code = json!({"code": begun["code"]});
        assert_eq!(self.call("POST /v1/devices/link/inspect", token, code.clone()).await.0, 200);
        assert_eq!(self.call("POST /v1/devices/link/approve", token, code).await.0, 200);
        let path = format!("devices/link/{}", begun["link_id"].as_str().unwrap());
        let (status, state) = self.get(&path, begun["secret"].as_str().unwrap()).await;
        assert_eq!((status, &state["state"]), (201, &json!("approved")), "{state}");
        to_access(&state)
    }

    /// A client that has said hello with this token.
    async fn client(&self, token: &str) -> Client {
        let mut client = Client::connect(self.server.address, Codec::Json).await.unwrap();
        hello(&mut client, token).await.unwrap_or_else(|refusal| panic!("no welcome: {refusal:?}"));
        client
    }

    /// How a hello with this token is refused.
    async fn refused(&self, token: &str) -> (Option<ErrorCode>, Option<u16>) {
        let mut client = Client::connect(self.server.address, Codec::Json).await.unwrap();
        hello(&mut client, token).await.expect_err("it must be refused")
    }
}

async fn hello(client: &mut Client, token: &str) -> Result<Welcome, (Option<ErrorCode>, Option<u16>)> {
    let caps = Caps { rings: true, ..Caps::default() };
    client.hello_frame(Hello { token: token.to_owned(), device_id: None, resume: None, caps }).await
}

fn to_access(body: &Value) -> Access {
    let text = |key: &str| body[key].as_str().unwrap_or_else(|| panic!("no {key} in {body}")).to_owned();
    Access { user: text("user_id"), device: text("device_id"), token: text("token") }
}

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_else(|| panic!("no error in {body}"))
}
