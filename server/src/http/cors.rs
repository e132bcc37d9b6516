//! Which pages of other origins may call `/v1`, as browsers ask it (Fetch standard, "CORS protocol").
//!
//! Invariant: an origin that the configuration does not name hears nothing that would let its page read an answer. There are
//! no cookies here, so no answer allows credentials; the token travels in `Authorization`.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// Those of `/v1`, of resumable uploads (tus 1.0), and of players that ask for a part of a file.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, if-match, if-none-match, if-range, range, tertulia-device-id, tus-resumable, upload-checksum, \
     upload-length, upload-metadata, upload-offset, x-content-sha256, x-http-method-override",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "accept-patch, accept-post, content-disposition, content-range, etag, link, location, retry-after, tertulia-media-id, tus-checksum-algorithm, \
     tus-extension, tus-max-size, tus-resumable, tus-version, upload-expires, upload-length, upload-metadata, upload-offset",
);
/// How long a browser may remember the answer, in seconds. Longer: an origin that is taken off the list is let in as long.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("600");
/// A cache must not give one origin's answer to another.
const VARIES: HeaderValue = HeaderValue::from_static("origin");

/// The list.
#[derive(Debug)]
pub(super) struct Cors {
    allowed: Vec<String>,
}

impl Cors {
    pub(super) fn new(allowed: Vec<String>) -> Self {
        Self { allowed }
    }

    /// What to tell the page in `Access-Control-Allow-Origin`, if it may read the answer.
    pub(super) fn allow(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let text = origin.to_str().ok()?;
        if self.allowed.iter().any(|allowed| allowed == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(text)).then(|| origin.clone())
    }

    /// Whether this asks leave for the request that comes after it.
    pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
        *method == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// The answer to a preflight of an origin that is allowed.
    pub(super) fn preflight() -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_S);
        response
    }

    /// Completes an answer of `/v1`.
    pub(super) fn dress(&self, headers: &mut HeaderMap, allow: Option<HeaderValue>) {
        if !self.allowed.is_empty() {
            headers.append(VARY, VARIES);
        }
        if let Some(origin) = allow {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(list: &[&str], origin: &str) -> Option<String> {
        let cors = Cors::new(list.iter().map(|origin| (*origin).to_owned()).collect());
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, origin.parse().unwrap());
        cors.allow(&headers).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a5_only_an_origin_of_the_list_may_read() {
        let list = ["https://app.example"];
        assert_eq!(allowed(&list, "https://app.example").as_deref(), Some("https://app.example"));
        for other in ["https://app.example.evil", "http://app.example", "https://app.example:8443", "null"] {
            assert_eq!(allowed(&list, other), None, "{other}");
        }
        assert_eq!(allowed(&[], "https://app.example"), None);
        assert_eq!(allowed(&["*"], "https://any.example").as_deref(), Some("*"));
        assert_eq!(Cors::new(vec!["*".to_owned()]).allow(&HeaderMap::new()), None, "no page asks");
    }
}
