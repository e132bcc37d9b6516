//! The web client, built into the program: what `web/app/dist` held when it was compiled (a debug build reads the folder).
//!
//! Files whose name carries a hash are kept for ever, the rest is asked for again (ETag). A page address that is no file
//! is the client's own business and gets the page. The content security policy lets nothing in that is not ours.

use crate::http::{IsSecure, is_host};
use crate::lan::{CA_FILE, Issued};
use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use axum::routing::get;
use axum::{Extension, Router};
use rust_embed::{Embed, EmbeddedFile};
use std::fmt::Write as _;

#[derive(Embed)]
#[folder = "$CARGO_MANIFEST_DIR/../web/app/dist"]
struct Files;

/// Where the build puts files under a name with a hash of their content.
const HASHED: &str = "assets/";
const PAGE: &str = "index.html";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tertulia</title>\
    <h1>The web client is not built in</h1>\
    <p>The server runs, its API is under <code>/v1</code>. For the web client, stop it and run <code>./x run</code>, \
    which builds both.</p></html>\n";

/// What a page may do: its own camera, microphone, screen and the like; nothing else that a browser asks leave for.
const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), \
    autoplay=(self), fullscreen=(self), picture-in-picture=(self), screen-wake-lock=(self), clipboard-write=(self), \
    geolocation=(), payment=(), usb=(), serial=(), hid=(), midi=(), publickey-credentials-get=()";

/// On every answer of this listener, except the policy, which depends on the host.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds the web client to the routes: everything that is not under `/v1`.
pub(crate) fn with_site(v1: Router) -> Router {
    v1.fallback(async |secure: Option<Extension<IsSecure>>, method: Method, uri: Uri, headers: HeaderMap| {
        let is_secure = secure.is_some_and(|Extension(IsSecure(is_secure))| is_secure);
        answer(&method, uri.path(), &headers, is_secure, Files::get)
    })
}

/// Adds the certificate of this machine's own authority, if it has one, for devices to install.
pub(crate) fn with_authority(v1: Router, issued: Option<&Issued>) -> Router {
    let Some(issued) = issued else { return v1 };
    let pem = issued.ca_pem.clone();
    let kind = [(header::CONTENT_TYPE, "application/x-x509-ca-cert"), (header::CACHE_CONTROL, "no-store")];
    v1.route(&format!("/{CA_FILE}"), get(async move || (kind, pem)))
}

fn answer(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    is_secure: bool,
    find: impl Fn(&str) -> Option<EmbeddedFile>,
) -> Response<Body> {
    let mut response = if matches!(*method, Method::GET | Method::HEAD) {
        let path = path.trim_start_matches('/');
        match find(if path.is_empty() { PAGE } else { path }) {
            Some(file) => file_answer(path, &file, headers),
            None if is_page_address(path) => match find(PAGE) {
                Some(page) => file_answer(PAGE, &page, headers),
                None => text(StatusCode::SERVICE_UNAVAILABLE, "text/html; charset=utf-8", NOT_BUILT),
            },
            None => text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "There is no such file.\n"),
        }
    } else {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "Only GET and HEAD.\n");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        refused
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = content_security_policy(headers, is_secure).try_into() {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A name with a dot is a file: for one that is not there, the page would be an answer of the wrong kind.
fn is_page_address(path: &str) -> bool {
    !path.starts_with(HASHED) && !path.rsplit('/').next().is_some_and(|name| name.contains('.'))
}

fn file_answer(path: &str, file: &EmbeddedFile, headers: &HeaderMap) -> Response<Body> {
    let etag = etag(file);
    let cache = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| {
        known.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == etag || tag == "*")
    });
    let mut response = if is_known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(match &file.data {
            std::borrow::Cow::Borrowed(bytes) => Body::from(*bytes),
            std::borrow::Cow::Owned(bytes) => Body::from(bytes.clone()),
        })
    };
    let kind = content_type(file.metadata.mimetype());
    for (name, value) in [(header::CONTENT_TYPE, kind), (header::ETAG, etag), (header::CACHE_CONTROL, cache.to_owned())]
    {
        if let Ok(value) = value.try_into() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The first half of the content's SHA-256.
fn etag(file: &EmbeddedFile) -> String {
    let mut tag = String::from("\"");
    for byte in &file.metadata.sha256_hash()[..16] {
        // Writing to a String can't fail.
        write!(tag, "{byte:02x}").ok();
    }
    tag.push('"');
    tag
}

fn content_type(mime: &str) -> String {
    let is_text = mime.starts_with("text/") || mime.ends_with("javascript") || mime.ends_with("json");
    if is_text { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}

fn text(status: StatusCode, kind: &'static str, body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Only what is ours, no inline script or style, no frames in either direction. Browsers differ on whether `'self'` covers
/// a WebSocket to the same host, so that host is named, if it is the name of a host at all.
fn content_security_policy(headers: &HeaderMap, is_secure: bool) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // In plain it may still be HTTPS at a proxy on this machine that nobody told us to trust.
    let plain = |host: &str| if is_secure { String::new() } else { format!(" ws://{host}") };
    let socket =
        host.filter(|host| is_host(host)).map(|host| format!("{} wss://{host}", plain(host))).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
         media-src 'self' blob:; font-src 'self'; manifest-src 'self'; worker-src 'self'; \
         connect-src 'self'{socket}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use rust_embed::Metadata;

    fn file(path: &str) -> Option<EmbeddedFile> {
        let (text, mime) = match path {
            "index.html" => ("<p>page</p>", "text/html"),
            "assets/main-1a2b.js" => ("script", "text/javascript"),
            "icon.png" => ("png", "image/png"),
            _ => return None,
        };
        let mut hash = [0; 32];
        hash[0] = u8::try_from(text.len()).unwrap();
        let metadata = Metadata::__rust_embed_new(hash, None, None, mime);
        Some(EmbeddedFile { data: text.as_bytes().into(), metadata })
    }

    fn get(path: &str, headers: &HeaderMap) -> Response<Body> {
        answer(&Method::GET, path, headers, true, file)
    }

    async fn body(response: Response<Body>) -> String {
        String::from_utf8(to_bytes(response.into_body(), 10_000).await.unwrap().to_vec()).unwrap()
    }

    fn header(response: &Response<Body>, name: &str) -> String {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[tokio::test]
    async fn page_addresses_get_the_page_and_missing_files_do_not() {
        for path in ["/", "/calls", "/calls/1234"] {
            let response = get(path, &HeaderMap::new());
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
            assert_eq!(header(&response, "cache-control"), "no-cache");
            assert_eq!(body(response).await, "<p>page</p>");
        }
        for path in ["/assets/main-0000.js", "/favicon.ico", "/assets/x"] {
            assert_eq!(get(path, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn a_hashed_file_is_kept_for_ever_and_its_type_is_right() {
        let response = get("/assets/main-1a2b.js", &HeaderMap::new());
        assert_eq!(header(&response, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(header(&response, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(header(&get("/icon.png", &HeaderMap::new()), "content-type"), "image/png");
    }

    #[tokio::test]
    async fn what_the_browser_has_is_not_sent_again() {
        let tag = header(&get("/", &HeaderMap::new()), "etag");
        for known in [tag.clone(), format!("\"other\", W/{tag}")] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, known.parse().unwrap());
            let response = get("/", &headers);
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(body(response).await, "");
            assert_ne!(get("/icon.png", &headers).status(), StatusCode::NOT_MODIFIED);
        }
    }

    #[test]
    fn every_answer_carries_the_policy_and_names_only_a_real_host() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "calls.example.org:8443".parse().unwrap());
        for path in ["/", "/assets/none.js"] {
            let response = get(path, &headers);
            let policy = header(&response, "content-security-policy");
            assert!(policy.contains("connect-src 'self' wss://calls.example.org:8443;"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
            assert_eq!(header(&response, "x-content-type-options"), "nosniff");
            assert!(header(&response, "permissions-policy").contains("camera=(self)"));
        }
        let plain = content_security_policy(&headers, false);
        assert!(
            plain.contains("connect-src 'self' ws://calls.example.org:8443 wss://calls.example.org:8443;"),
            "{plain}"
        );
        headers.insert(header::HOST, "x; script-src *".parse().unwrap());
        assert!(header(&get("/", &headers), "content-security-policy").contains("connect-src 'self';"));
    }

    #[test]
    fn only_reading_is_allowed() {
        let response = answer(&Method::POST, "/", &HeaderMap::new(), true, file);
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header(&response, "allow"), "GET, HEAD");
    }

    #[tokio::test]
    async fn without_a_web_client_the_page_says_what_to_run() {
        let response = answer(&Method::GET, "/", &HeaderMap::new(), true, |_| None);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(body(response).await.contains("./x run"));
    }
}
