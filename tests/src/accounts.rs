//! Accounts: people who register by phone, devices that are linked, and the carrier that brings their PINs.

use crate::http::Answer;
use crate::server::Builder;
use crate::wait::eventually;
use crate::{Client, Server};
use anyhow::{Context, ensure};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tertulia_signaling_proto::Codec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The secret by which the server signs its calls of the carrier.
pub const CARRIER_SECRET: &str = "between the tests' server and their carrier";

/// Spanish mobile numbers, a new one each time.
#[must_use]
pub fn phone_number() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("+346{:08}", 12_000_000 + NEXT.fetch_add(1, Relaxed))
}

/// A carrier of text messages: a webhook that keeps what it is given.
#[derive(Debug)]
pub struct Carrier {
    address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Of each number, the newest PIN.
    pins: Mutex<HashMap<String, String>>,
    /// What the next calls are answered, before all is well again.
    failures: Mutex<VecDeque<u16>>,
    calls: AtomicU32,
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Carrier {
    /// Opens one.
    ///
    /// # Errors
    /// If there is no port for it.
    pub async fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner::default());
        let kept = Arc::clone(&inner);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&kept);
                // Whoever called sees that it failed.
                tokio::spawn(async move { serve(stream, &inner).await.ok() });
            }
        });
        Ok(Self { address, inner, task })
    }

    /// Where it is called.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/send", self.address)
    }

    /// A server that sends its PINs through this carrier, with limits that are not in the way.
    #[must_use]
    pub fn server(&self) -> Builder {
        let builder = Server::builder()
            .set("accounts.phone", true)
            .set("accounts.limits.pin_again_s", 1)
            .set("accounts.pin_sender", "webhook")
            .set("accounts.webhook_url", self.url())
            .set("accounts.webhook_secret", CARRIER_SECRET);
        let limits = [
            "pins_per_address_per_hour",
            "pins_per_minute",
            "tries_per_address_per_hour",
            "links_per_address_per_hour",
        ];
        limits.into_iter().fold(builder, |builder, limit| builder.set(&format!("accounts.limits.{limit}"), 10_000_000))
    }

    /// The next calls are answered with these statuses.
    pub fn fail_with(&self, statuses: impl IntoIterator<Item = u16>) {
        self.inner.failures.lock().extend(statuses);
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.inner.calls.load(Relaxed)
    }

    /// The newest PIN of a number, once it has come.
    ///
    /// # Errors
    /// If none comes.
    pub async fn pin(&self, phone: &str) -> anyhow::Result<String> {
        let pin = || async { self.inner.pins.lock().remove(phone) };
        eventually("a PIN is sent", pin).await
    }
}

async fn serve(mut stream: TcpStream, inner: &Inner) -> anyhow::Result<()> {
    let mut raw = Vec::new();
    loop {
        let Some(request) = one_request(&mut stream, &mut raw).await? else { return Ok(()) };
        inner.calls.fetch_add(1, Relaxed);
        let status = inner.failures.lock().pop_front().unwrap_or(204);
        if status < 300 {
            let body: Value = serde_json::from_str(&request)?;
            let (phone, pin) = (body["phone"].as_str().context("phone")?, body["pin"].as_str().context("pin")?);
            inner.pins.lock().insert(phone.to_owned(), pin.to_owned());
        }
        stream.write_all(format!("HTTP/1.1 {status} .\r\ncontent-length: 0\r\n\r\n").as_bytes()).await?;
    }
}

/// The next request's body; `raw` holds what has been read beyond it.
async fn one_request(stream: &mut TcpStream, raw: &mut Vec<u8>) -> anyhow::Result<Option<String>> {
    loop {
        let text = String::from_utf8_lossy(raw).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            let length: usize = length.trim().parse()?;
            if let Some(found) = body.get(..length) {
                *raw = body.as_bytes()[length..].to_vec();
                return Ok(Some(found.to_owned()));
            }
        }
        if stream.read_buf(raw).await? == 0 {
            return Ok(None);
        }
    }
}

/// A device of an account, as it holds it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Whose.
    pub user: String,
    /// Which device.
    pub device: String,
    /// Its token.
    pub token: String,
    /// The account's number.
    pub phone: String,
}

impl Account {
    fn of(access: &Value, phone: &str) -> anyhow::Result<Self> {
        let field = |name: &str| access[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
        let (user, device, token) = (field("user_id")?, field("device_id")?, field("token")?);
        Ok(Self { user, device, token, phone: phone.to_owned() })
    }

    /// Registers a new number, or an old one again.
    ///
    /// # Errors
    /// If any of it is refused.
    pub async fn register(server: &Server, carrier: &Carrier, phone: &str, name: &str) -> anyhow::Result<Self> {
        let ask = || async {
            let asked = server.post("/v1/register", None, &json!({"phone": phone}).to_string()).await.ok()?;
            (asked.status != 429).then_some(asked) // a number waits for its second PIN
        };
        let asked = eventually("a PIN may be asked for", ask).await?;
        ensure!(asked.status == 202, "a PIN: {asked:?}");
        let pin = carrier.pin(phone).await?;
        let registration = asked.json()?["registration_id"].clone();
        let said = json!({"registration_id": registration, "pin": pin, "device_name": "phone", "name": name});
        let access = server.post("/v1/register/verify", None, &said.to_string()).await?;
        ensure!(access.status == 201, "the PIN: {access:?}");
        Self::of(&access.json()?, phone)
    }

    /// A new account of a new number.
    ///
    /// # Errors
    /// If any of it is refused.
    pub async fn new(server: &Server, carrier: &Carrier, name: &str) -> anyhow::Result<Self> {
        Self::register(server, carrier, &phone_number(), name).await
    }

    /// Links another device.
    ///
    /// # Errors
    /// If any of it is refused.
    pub async fn link(&self, server: &Server) -> anyhow::Result<Self> {
        let begun = server.post("/v1/devices/link", None, r#"{"device_name":"laptop"}"#).await?;
        ensure!(begun.status == 201, "a link: {begun:?}");
        let begun = begun.json()?;
        let code = json!({"code": begun["code"]}).to_string();
        for step in ["inspect", "approve"] {
            let answer = server.post(&format!("/v1/devices/link/{step}"), Some(&self.token), &code).await?;
            ensure!(answer.status == 200, "{step}: {answer:?}");
        }
        let (id, secret) = (begun["link_id"].as_str().context("link_id")?, begun["secret"].as_str().context("secret")?);
        let access = server.get(&format!("/v1/devices/link/{id}"), Some(secret)).await?;
        ensure!(access.status == 201, "the link: {access:?}");
        Self::of(&access.json()?, &self.phone)
    }

    /// Takes a device's access, as this one.
    ///
    /// # Errors
    /// If there is no HTTP answer.
    pub async fn unlink(&self, server: &Server, device: &str) -> anyhow::Result<Answer> {
        server.request("DELETE", &format!("/v1/devices/{device}"), Some(&self.token), None).await
    }

    /// Deletes the account.
    ///
    /// # Errors
    /// If there is no HTTP answer.
    pub async fn delete(&self, server: &Server) -> anyhow::Result<Answer> {
        server.request("DELETE", "/v1/account", Some(&self.token), None).await
    }

    /// Connects this device.
    ///
    /// # Errors
    /// If the server does not welcome it.
    pub async fn connect(&self, server: &Server) -> anyhow::Result<Client> {
        Client::connect_with(server, &self.token, &self.user, &self.device, Codec::Json).await
    }
}
