//! Which web pages may open a WebSocket.
//!
//! Browsers let any page open a WebSocket anywhere, and say in `Origin` which page it is (RFC 6455 §10.2). In a demo a name
//! is enough to sign in, so another site's page must not get in; where tokens are needed, they decide. Programs send no
//! `Origin`, and are let through to show their token.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// Whether a request with these headers may go on.
pub(crate) fn is_allowed(headers: &HeaderMap, allowed: &[String], demo: bool) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.is_empty() && !demo {
        return true;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let of_page = origin.split_once("://").map(|(_, host)| host);
    let same = of_page.is_some_and(|page| host.is_some_and(|host| page.eq_ignore_ascii_case(host)));
    same || allowed.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origin: Option<&str>, list: &[&str], demo: bool) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "localhost:8080".parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        let list: Vec<String> = list.iter().map(|origin| (*origin).to_owned()).collect();
        is_allowed(&headers, &list, demo)
    }

    #[test]
    fn a_demo_takes_its_own_page_and_programs_and_no_other_site() {
        assert!(allowed(Some("http://localhost:8080"), &[], true));
        assert!(allowed(None, &[], true));
        assert!(!allowed(Some("https://evil.example"), &[], true));
        assert!(!allowed(Some("http://localhost:8081"), &[], true));
        assert!(!allowed(Some("null"), &[], true));
    }

    #[test]
    fn a_list_is_kept_to_whether_demo_or_not() {
        for demo in [true, false] {
            assert!(allowed(Some("https://app.example"), &["https://app.example"], demo));
            assert!(!allowed(Some("https://evil.example"), &["https://app.example"], demo));
            assert!(allowed(Some("https://evil.example"), &["*"], demo));
        }
        assert!(allowed(Some("https://any.example"), &[], false));
    }
}
