//! The reference of push: its HTTP calls, and an example of each body.

use crate::markdown::Call;
use serde_json::Value;
use tertulia_signaling_proto::{PushKeys, PushState, PushSubscription};

/// Its HTTP calls.
pub(crate) const CALLS: &[Call] = &[
    Call {
        what: "GET /v1/push",
        about: "How this device is woken while it is not connected; an app's token names it by `tertulia-device-id`, as in `POST /v1/messages`. 404: this server \
                sends no pushes. Needs a token.",
        body: None,
        answer: Some("PushState"),
    },
    Call {
        what: "PUT /v1/push",
        about: "Wakes this device by Web Push from now on: when messages wait that none of its person's devices acknowledges within ten seconds, at once \
                if none is connected; and for calls. A push carries what kind of thing it is, of a call also who calls and until when, and is \
                sealed for the browser: `{\"type\":\"messages\"}`, `{\"type\":\"call\",\"call_id\",\"from\",\"video\",\"expires_at\"}`, \
                `{\"type\":\"call_over\",\"call_id\",\"from\",\"video\",\"missed\"}`. `push_refused`: the endpoint is not one of the push services that \
                this server allows, or the keys are none. 204. Needs a token.",
        body: Some("PushSubscription"),
        answer: None,
    },
    Call {
        what: "DELETE /v1/push",
        about: "Wakes this device no longer. So does unlinking it. 204. Needs a token.",
        body: None,
        answer: None,
    },
];

/// An example of each body.
pub(crate) fn bodies() -> serde_json::Result<Vec<(&'static str, Value)>> {
    let public_key = "BMnVGy8PHSNcqDRJmV5Bp1-8bVVlU5q8gJ8pzOw6oZyWXEuG3ZyTVvUhvCxMk8ROOqvMm9iRmw1PYaMlkyJzZWc";
    let keys = PushKeys {
        p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4".to_owned(),
        auth: "BTBZMqHH6r4Tts7J_aSIgg".to_owned(),
    };
    let endpoint = "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABn".to_owned();
    Ok(vec![
        ("PushState", serde_json::to_value(PushState { public_key: public_key.to_owned(), subscribed: true })?),
        ("PushSubscription", serde_json::to_value(PushSubscription { endpoint, keys })?),
    ])
}
