//! A program of the operator's that is told something by HTTP: signed, so that it can tell us from others, and an old call
//! from a new; the same thing twice has the same `Idempotency-Key`.

use crate::carry::{Carried, Failed, carry};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use sha2::Sha256;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Signs a call: `t=<seconds since the Unix epoch>,v1=<hex of HMAC-SHA256(secret, t + "." + body)>`.
const SIGNATURE: &str = "tertulia-signature";
/// Names what is told: the same in every try.
const IDEMPOTENCY: &str = "idempotency-key";
/// The shortest secret of a webhook.
const SECRET_BYTES_MIN: usize = 16;
/// How long one try may take. Raising it lets a slow carrier hold more at once.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// A program that is told, by HTTP.
#[derive(Clone)]
pub struct Webhook {
    client: Client,
    url: Url,
    secret: Vec<u8>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may carry a secret of the carrier's.
        f.debug_struct("Webhook").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// Why a webhook can't be used.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Not a URL that secrets may be sent to.
    #[error("not an https URL (http is for this machine only)")]
    Url,
    /// With a short secret its signatures can be forged.
    #[error("the secret has {0} bytes, it needs {SECRET_BYTES_MIN}")]
    SecretTooShort(usize),
    /// The HTTP client can't start.
    #[error("no HTTP client")]
    Client(#[source] reqwest::Error),
}

/// A client that nobody can lead elsewhere.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    Client::builder().redirect(Policy::none()).timeout(ATTEMPT_TIMEOUT).build()
}

impl Webhook {
    /// A webhook of this URL whose calls are signed with this secret.
    ///
    /// # Errors
    /// If the URL is not https (or http on this machine), or the secret too short.
    pub fn new(url: &str, secret: Vec<u8>) -> Result<Self, WebhookError> {
        let url: Url = url.parse().map_err(|_| WebhookError::Url)?;
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if !(url.scheme() == "https" || (url.scheme() == "http" && local)) {
            return Err(WebhookError::Url);
        }
        if secret.len() < SECRET_BYTES_MIN {
            return Err(WebhookError::SecretTooShort(secret.len()));
        }
        Ok(Self { client: client().map_err(WebhookError::Client)?, url, secret })
    }

    /// Tells it this JSON until it takes it, refuses it, or the time is over. `again` is told before each further try.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn tell(
        &self,
        name: &str,
        body: &[u8],
        end: Instant,
        again: impl FnMut(&'static str),
    ) -> Result<(), Failed> {
        carry(end, again, || self.try_once(name, body)).await
    }

    async fn try_once(&self, name: &str, body: &[u8]) -> Carried {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(SIGNATURE, signature(&self.secret, at, body))
            .header(IDEMPOTENCY, name)
            .body(body.to_vec());
        Carried::told(request.send().await)
    }
}

fn signature(secret: &[u8], at: u64, body: &[u8]) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("t={at},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a1_a_webhook_is_signed_as_documented() {
        // By `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'a secret of the tests'`.
        let made = signature(b"a secret of the tests", 1_700_000_000, b"{\"a\":1}");
        assert_eq!(made, "t=1700000000,v1=7b2992c1f41ac383ed7caf6d966ef2b7b897d4ad70fa29241394a7316e268e9e");
    }

    #[test]
    fn secrets_go_to_https_or_this_machine_only_and_are_signed_with_a_secret_worth_its_name() {
        let secret = || b"sixteen bytes ok".to_vec();
        for url in
            ["https://sms.example.org/send?key=1", "http://127.0.0.1:9000/", "http://[::1]/", "http://localhost/"]
        {
            assert!(Webhook::new(url, secret()).is_ok(), "{url}");
        }
        for url in ["http://sms.example.org/", "http://127.0.0.1.example.org/", "ftp://localhost/", "nonsense", ""] {
            assert!(matches!(Webhook::new(url, secret()), Err(WebhookError::Url)), "{url}");
        }
        let short = Webhook::new("https://sms.example.org/", b"short".to_vec());
        assert!(matches!(short, Err(WebhookError::SecretTooShort(5))));
        let shown = format!("{:?}", Webhook::new("https://u:hush@sms.example.org/hush?k=hush", secret()).unwrap());
        assert!(!shown.contains("hush") && !shown.contains("sixteen"), "{shown}");
    }
}
