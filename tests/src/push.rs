//! A push service and the browser behind it: keeps what it is sent, checks who sends, opens what is sealed (RFC 8188, 8291) by
//! the recipient's side of the standard.

use crate::wait::eventually;
use anyhow::{Context, ensure};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::signature::{self, ECDSA_P256_SHA256_FIXED};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The path's end: which subscription, or the webhook's place.
    pub to: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

#[derive(Debug, Default)]
struct Inner {
    came: Mutex<VecDeque<Pushed>>,
    /// What the next are answered, before all is well again.
    failures: Mutex<VecDeque<u16>>,
}

/// Something that takes pushes by HTTP.
#[derive(Debug)]
pub struct PushService {
    address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Drop for PushService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(inner): State<Arc<Inner>>, Path(to): Path<String>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let status = inner.failures.lock().pop_front().unwrap_or(201);
    if status == 201 {
        inner.came.lock().push_back(Pushed { to, headers, body });
    }
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl PushService {
    /// Opens one.
    ///
    /// # Errors
    /// If there is no port for it.
    pub async fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner::default());
        let routes = Router::new().route("/{to}", post(take)).with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { drop(axum::serve(listener, routes).await) });
        Ok(Self { address, inner, task })
    }

    /// Its host, as the server's configuration allows it.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Where something is sent.
    #[must_use]
    pub fn url(&self, to: &str) -> String {
        format!("http://{}/{to}", self.address)
    }

    /// The next are answered with these statuses.
    pub fn fail_with(&self, statuses: impl IntoIterator<Item = u16>) {
        self.inner.failures.lock().extend(statuses);
    }

    /// Whether everything that was to fail has.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.inner.failures.lock().is_empty()
    }

    /// The next that came, once it has.
    ///
    /// # Errors
    /// If none comes.
    pub async fn next(&self) -> anyhow::Result<Pushed> {
        eventually("a push", || async { self.inner.came.lock().pop_front() }).await
    }
}

/// A browser's subscription.
#[derive(Debug)]
pub struct Browser {
    name: String,
    endpoint: String,
    key: PrivateKey,
    public: Vec<u8>,
    auth: [u8; 16],
}

struct Bytes32(usize);

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]], out: &mut [u8]) -> anyhow::Result<()> {
    let key = Salt::new(HKDF_SHA256, salt).extract(secret);
    let made = key.expand(info, Bytes32(out.len())).and_then(|key| key.fill(out));
    made.map_err(|_| anyhow::anyhow!("no key"))
}

impl Browser {
    /// One that is reached through this service.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn new(service: &PushService, name: &str) -> anyhow::Result<Self> {
        let key = PrivateKey::generate(&ECDH_P256).ok().context("a key")?;
        let public = key.compute_public_key().ok().context("a public key")?.as_ref().to_vec();
        let auth = std::array::from_fn(|at| at as u8);
        Ok(Self { name: name.to_owned(), endpoint: service.url(name), key, public, auth })
    }

    /// What the page hands to the server.
    #[must_use]
    pub fn subscription(&self) -> Value {
        let keys = json!({"p256dh": BASE64.encode(&self.public), "auth": BASE64.encode(self.auth)});
        json!({"endpoint": self.endpoint, "expirationTime": null, "keys": keys})
    }

    /// Opens a push, having checked that this server (by its public key) sent it here.
    ///
    /// # Errors
    /// If it is for another browser, was not signed with the key, or can't be opened.
    pub fn open(&self, pushed: &Pushed, server_key: &str) -> anyhow::Result<Value> {
        ensure!(pushed.to == self.name, "for {}", pushed.to);
        self.check_sender(pushed, server_key)?;
        ensure!(pushed.headers["content-encoding"] == "aes128gcm", "{:?}", pushed.headers);
        let (salt, rest) = pushed.body.split_at_checked(16).context("a salt")?;
        let (head, sealed) = rest.split_at_checked(5 + 65).context("a head")?;
        let theirs = &head[5..];
        let peer = UnparsedPublicKey::new(&ECDH_P256, theirs);
        let (mut seed, mut key, mut nonce) = ([0; 32], [0; 16], [0; 12]);
        agree(&self.key, peer, anyhow::anyhow!("no shared secret"), |shared| {
            derive(&self.auth, shared, &[b"WebPush: info\0", &self.public, theirs], &mut seed)
        })?;
        derive(salt, &seed, &[b"Content-Encoding: aes128gcm\0"], &mut key)?;
        derive(salt, &seed, &[b"Content-Encoding: nonce\0"], &mut nonce)?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok().context("a key")?);
        let mut text = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = key.open_in_place(nonce, Aad::empty(), &mut text).ok().context("it can't be opened")?;
        let end = opened.iter().rposition(|byte| *byte != 0).context("it has no end")?;
        ensure!(opened[end] == 2, "it is not the last record");
        Ok(serde_json::from_slice(&opened[..end])?)
    }

    fn check_sender(&self, pushed: &Pushed, server_key: &str) -> anyhow::Result<()> {
        let header = pushed.headers["authorization"].to_str()?;
        let (token, key) = header.strip_prefix("vapid t=").and_then(|rest| rest.split_once(", k=")).context("vapid")?;
        ensure!(key == server_key, "another key");
        let (said, signed) = token.rsplit_once('.').context("a token")?;
        let public = signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, BASE64.decode(key)?);
        public.verify(said.as_bytes(), &BASE64.decode(signed)?).ok().context("not signed with it")?;
        let claims: Value = serde_json::from_slice(&BASE64.decode(said.split_once('.').context("claims")?.1)?)?;
        let origin = self.endpoint.trim_end_matches(&self.name).trim_end_matches('/');
        ensure!(claims["aud"] == origin, "for another service: {claims}");
        Ok(())
    }
}
