//! How an HTTP request becomes a WebSocket (RFC 6455 §4.2).

use super::WebSocket;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::OnUpgrade;
use sha1::{Digest as _, Sha1};

/// What the key is hashed with, to show that this is a WebSocket server (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Random bytes that a key is made of.
const KEY_BYTES: usize = 16;

/// A request that asks for a WebSocket as it should.
pub(crate) struct Handshake {
    upgrading: OnUpgrade,
    accept: HeaderValue,
    offered: HeaderMap,
}

/// A connection whose client is about to read that it is a WebSocket.
pub(crate) struct Upgrading(OnUpgrade);

impl<S: Sync> FromRequestParts<S> for Handshake {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        if parts.method != Method::GET {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        let headers = &parts.headers;
        let asks = has_token(headers, &CONNECTION, "upgrade") && has_token(headers, &UPGRADE, "websocket");
        let is_13 = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
        if !asks || !is_13 || parts.version != Version::HTTP_11 {
            return Err(StatusCode::BAD_REQUEST);
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(StatusCode::BAD_REQUEST)?;
        let accept = accept(key.as_bytes()).ok_or(StatusCode::BAD_REQUEST)?;
        let mut offered = HeaderMap::new();
        for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
            offered.append(SEC_WEBSOCKET_PROTOCOL, value.clone());
        }
        let upgrading = parts.extensions.remove::<OnUpgrade>().ok_or(StatusCode::UPGRADE_REQUIRED)?;
        Ok(Self { upgrading, accept, offered })
    }
}

impl Handshake {
    /// Whether the client offers this subprotocol.
    pub(crate) fn offers(&self, subprotocol: &str) -> bool {
        tokens(&self.offered, &SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == subprotocol)
    }

    /// The answer that makes it a WebSocket of this subprotocol, and what that is then.
    pub(crate) fn accept(self, subprotocol: &'static str) -> (Response<Body>, Upgrading) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().extend([
            (CONNECTION, HeaderValue::from_static("upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_ACCEPT, self.accept),
            (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol)),
        ]);
        (response, Upgrading(self.upgrading))
    }
}

impl Upgrading {
    /// The WebSocket, once the answer is written. None: the client went before.
    pub(crate) async fn done(self, message_max: usize) -> Option<WebSocket> {
        Some(WebSocket::new(self.0.await.ok()?, message_max))
    }
}

/// The answer to a key; none if it is no key.
fn accept(key: &[u8]) -> Option<HeaderValue> {
    let random = STANDARD.decode(key).ok()?;
    if random.len() != KEY_BYTES {
        return None;
    }
    let hash = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    HeaderValue::try_from(STANDARD.encode(hash)).ok()
}

fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_answered_as_in_the_example_of_the_rfc() {
        let answer = accept(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for bad in ["", "short", "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZSBhbmQgbW9yZQ=="] {
            assert_eq!(accept(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn tokens_are_found_in_lists_and_over_several_lines() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("other"));
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("x,tertulia.v1.json"));
        assert!(has_token(&headers, &CONNECTION, "upgrade") && !has_token(&headers, &UPGRADE, "websocket"));
        let offered: Vec<&str> = tokens(&headers, &SEC_WEBSOCKET_PROTOCOL).collect();
        assert_eq!(offered, ["other", "x", "tertulia.v1.json"]);
    }
}
