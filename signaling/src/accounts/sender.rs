//! Sends PINs: to the log, or by a signed webhook to a program that sends SMS.
//!
//! Invariant: at most [`SENDING_MAX`] are on their way at once, each for [`DELIVERY_MAX`] at most. A webhook may see the same
//! PIN twice, under the same `Idempotency-Key`; it is signed so that it can tell us from others, and an old call from a new.

use super::PhoneNumber;
use super::config::PinSender;
use crate::metrics::{Hit, Metrics};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tertulia_push::{Failed, Webhook};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

/// PINs on their way at once. Raising it lets a slow carrier hold more connections.
const SENDING_MAX: usize = 64;
/// How long a PIN may be tried to be sent. Longer, and its person has asked for another.
const DELIVERY_MAX: Duration = Duration::from_secs(10);

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
                PinSender::Webhook(webhook) => deliver(webhook, &message, &metrics).await,
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

/// Hands it to the program that sends it.
async fn deliver(webhook: &Webhook, message: &Message, metrics: &Metrics) -> bool {
    let body = Body {
        phone: message.phone.as_str(),
        pin: &message.pin,
        expires_in_s: message.expires_in_s,
        registration_id: &message.registration,
    };
    let Ok(body) = serde_json::to_vec(&body) else { return false };
    let again = |why| {
        tracing::warn!(why, "the webhook that sends PINs is tried again");
        metrics.pin_retried();
    };
    match webhook.tell(&message.registration, &body, Instant::now() + DELIVERY_MAX, again).await {
        Ok(()) => true,
        Err(Failed::Refused(status)) => {
            tracing::error!(%status, "the webhook that sends PINs has refused one");
            false
        }
        Err(Failed::Late(why)) => {
            tracing::error!(why, "the webhook that sends PINs could not be reached");
            false
        }
    }
}
