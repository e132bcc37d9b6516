//! Sends PINs: to the log, or by a signed webhook to a program that sends SMS.
//!
//! Invariant: at most [`SENDING_MAX`] are on their way at once, each for [`DELIVERY_MAX`] at most. A webhook may see the same
//! PIN twice, under the same `Idempotency-Key`; it is signed so that it can tell us from others, and an old call from a new.

use super::config::{PinSender, Webhook};
use super::{PhoneNumber, random_bytes};
use crate::metrics::{Hit, Metrics};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use sha2::Sha256;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

/// PINs on their way at once. Raising it lets a slow carrier hold more connections.
const SENDING_MAX: usize = 64;
/// How long a PIN may be tried to be sent. Longer, and its person has asked for another.
const DELIVERY_MAX: Duration = Duration::from_secs(10);
/// Between the first two tries; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(250);
/// Signs a call: `t=<seconds since the Unix epoch>,v1=<hex of HMAC-SHA256(secret, t + "." + body)>`.
const SIGNATURE: &str = "tertulia-signature";
/// Names a PIN: the same in every try.
const IDEMPOTENCY: &str = "idempotency-key";

/// A PIN to be sent.
pub(crate) struct Message {
    pub(crate) phone: PhoneNumber,
    pub(crate) pin: String,
    pub(crate) expires_in_s: u32,
    pub(crate) registration: String,
}

/// The body of the webhook.
#[derive(Serialize)]
struct Body<'a> {
    phone: &'a str,
    pin: &'a str,
    expires_in_s: u32,
    registration_id: &'a str,
}

/// How a try went.
enum Tried {
    Sent,
    /// It may go better in a moment.
    Later(&'static str),
    /// It will not.
    Refused(StatusCode),
}

/// Sends PINs.
pub(crate) struct Sender {
    how: PinSender,
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Sender {
    pub(crate) fn new(how: PinSender, metrics: Arc<Metrics>) -> Self {
        Self { how, places: Arc::new(Semaphore::new(SENDING_MAX)), metrics }
    }

    /// Sends, beside everything else. `failed` is called if it does not get through; the receiver hears either way.
    pub(crate) fn send(&self, message: Message, failed: impl FnOnce() + Send + 'static) -> oneshot::Receiver<bool> {
        let (done, told) = oneshot::channel();
        let (how, metrics) = (self.how.clone(), Arc::clone(&self.metrics));
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            metrics.hit(Hit::PinsSending);
            metrics.pin_failed();
            failed();
            // The receiver is returned below.
            done.send(false).ok();
            return told;
        };
        tokio::spawn(async move {
            let sent = match &how {
                PinSender::Console => print(&message),
                PinSender::Webhook(webhook) => webhook.deliver(&message, &metrics).await,
            };
            drop(place);
            match sent {
                true => metrics.pin_sent(),
                false => {
                    metrics.pin_failed();
                    failed();
                }
            }
            // Whoever asked may not wait any longer.
            done.send(sent).ok();
        });
        told
    }
}

/// The one deliberate exception from "no PIN in a log": whoever runs this for themselves reads it there.
fn print(message: &Message) -> bool {
    tracing::info!("PIN {} for {} (accounts.pin_sender = \"console\")", message.pin, message.phone.as_str());
    true
}

impl Webhook {
    async fn deliver(&self, message: &Message, metrics: &Metrics) -> bool {
        let body = Body {
            phone: message.phone.as_str(),
            pin: &message.pin,
            expires_in_s: message.expires_in_s,
            registration_id: &message.registration,
        };
        let Ok(body) = serde_json::to_vec(&body) else { return false };
        let end = Instant::now() + DELIVERY_MAX;
        let mut pause = BACKOFF;
        loop {
            let tried = timeout_at(end, self.try_once(&body, &message.registration)).await;
            match tried.unwrap_or(Tried::Later("no answer in time")) {
                Tried::Sent => return true,
                Tried::Refused(status) => {
                    tracing::error!(%status, "the webhook that sends PINs has refused one");
                    return false;
                }
                Tried::Later(why) => {
                    // Others wait at the same moment: not all at once again.
                    let jitter = f64::from(random_bytes()[0]) / 512.0;
                    let rest = pause.mul_f64(1.0 + jitter);
                    if Instant::now() + rest >= end {
                        tracing::error!(why, "the webhook that sends PINs could not be reached");
                        return false;
                    }
                    tracing::warn!(why, "the webhook that sends PINs is tried again");
                    metrics.pin_retried();
                    sleep(rest).await;
                    pause *= 2;
                }
            }
        }
    }

    async fn try_once(&self, body: &[u8], registration: &str) -> Tried {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(SIGNATURE, signature(&self.secret, at, body))
            .header(IDEMPOTENCY, registration)
            .body(body.to_vec());
        match request.send().await {
            Err(error) if error.is_timeout() => Tried::Later("no answer in time"),
            Err(_) => Tried::Later("no connection"),
            Ok(response) => match response.status() {
                status if status.is_success() => Tried::Sent,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Tried::Later("it asks to wait"),
                status if status.is_server_error() => Tried::Later("it has failed"),
                status => Tried::Refused(status),
            },
        }
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
}
