//! What every request passes before its route, and every answer after it.
//!
//! Invariant: a request that came in plain over a network reaches no route. In order: who is it and how did it come; is it
//! spoken to by a name of ours (a demo on loopback, against DNS rebinding); may a page of that origin ask.

use super::client::{Arrival, Way, Wire, client};
use super::cors::Cors;
use super::host::{self, Hosts};
use crate::config::{Config, Networks};
use axum::Json;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{CACHE_CONTROL, LOCATION, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use std::net::{IpAddr, SocketAddr};
use tertulia_signaling_proto::{ErrorBody, ErrorCode, WireError};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Whether a request came by HTTPS: an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IsSecure(pub(crate) bool);

/// What stands before the routes of a listener.
#[derive(Debug)]
pub(crate) enum Front {
    /// The operator's: nothing; who reaches it may.
    Operator,
    /// The one in plain beside that with TLS: sends on, and does no more.
    Redirect(To),
    /// The people's.
    People(Box<People>),
}

/// Where https is.
#[derive(Debug)]
pub(crate) struct To {
    port: u16,
    public_hosts: Vec<String>,
}

/// What the people's listener keeps to.
#[derive(Debug)]
pub(crate) struct People {
    trusted: Networks,
    hosts: Hosts,
    cors: Cors,
    /// Absent: browsers are not told to stay with HTTPS.
    hsts: Option<HeaderValue>,
    to: To,
}

/// What is known of a request when its answer comes.
pub(super) struct Seen {
    is_api: bool,
    /// Told by HTTPS, and by a name that HSTS may bind.
    hsts: Option<HeaderValue>,
    origin: Option<HeaderValue>,
}

impl Front {
    /// The people's, of a listener that is bound there.
    pub(crate) fn people(config: &Config, bound: SocketAddr) -> Self {
        let http = &config.http;
        let hsts = (http.hsts_max_age_s > 0).then(|| format!("max-age={}", http.hsts_max_age_s).try_into().ok());
        // With TLS the certificate's names do what the check does.
        let is_local_demo = config.is_demo() && bound.ip().is_loopback() && config.tls.files().is_none();
        Self::People(Box::new(People {
            trusted: http.trusted_proxies.clone(),
            hosts: if is_local_demo { Hosts::local(bound.ip(), &http.public_hosts) } else { Hosts::Any },
            cors: Cors::new(http.allowed_origins.clone()),
            hsts: hsts.flatten(),
            to: To { port: bound.port(), public_hosts: http.public_hosts.clone() },
        }))
    }

    /// What sends on to the listener that is bound there.
    pub(crate) fn redirect(config: &Config, bound: SocketAddr) -> Self {
        Self::Redirect(To { port: bound.port(), public_hosts: config.http.public_hosts.clone() })
    }

    /// Whether connections from there count by themselves, or for the many who are behind them.
    pub(super) fn is_proxy(&self, remote: IpAddr) -> bool {
        matches!(self, Self::People(people) if people.trusted.contain(remote))
    }

    /// Lets a request in, or answers it.
    pub(super) fn admit<B>(&self, request: &mut Request<B>, arrival: Arrival) -> Result<Seen, Box<Response<Body>>> {
        match self {
            Self::Operator => {
                request.extensions_mut().insert(ConnectInfo(arrival.remote));
                Ok(Seen { is_api: false, hsts: None, origin: None })
            }
            Self::Redirect(to) => Err(Box::new(to.turn_away(request, to.beside(request)))),
            Self::People(people) => people.admit(request, arrival),
        }
    }

    /// Completes an answer.
    pub(super) fn dress(&self, response: &mut Response<Body>, seen: Seen) {
        let Self::People(people) = self else { return };
        let headers = response.headers_mut();
        if let Some(hsts) = seen.hsts {
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts);
        }
        if seen.is_api {
            // Tokens, names, calls: for nobody's cache.
            headers.entry(CACHE_CONTROL).or_insert(NO_STORE);
            headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
            people.cors.dress(headers, seen.origin);
        }
    }
}

impl People {
    fn admit<B>(&self, request: &mut Request<B>, arrival: Arrival) -> Result<Seen, Box<Response<Body>>> {
        let headers = request.headers();
        // The same port speaks TLS: the name and the port that the client used are right.
        if arrival.wire == Wire::PlainAtTls {
            return Err(Box::new(self.to.turn_away(request, host::of(request))));
        }
        let (client, way) = client(arrival, headers, &self.trusted);
        match way {
            Way::Secure | Way::Local => {}
            Way::PlainToProxy => return Err(Box::new(self.to.turn_away(request, self.to.at_proxy(request)))),
            Way::Plain => return Err(Box::new(self.to.turn_away(request, None::<String>))),
        }
        if !self.hosts.has(host::of(request)) {
            let message = "This server does not know itself by that name. Open it as localhost, or add the name to \
                           http.public_hosts.";
            return Err(Box::new(refused(request, ErrorCode::Forbidden, message)));
        }
        let is_secure = way == Way::Secure;
        let seen = Seen {
            is_api: is_api(request),
            hsts: self.hsts.clone().filter(|_| is_secure && host::of(request).is_some_and(host::is_public_name)),
            origin: self.cors.allow(headers),
        };
        if seen.is_api && Cors::is_preflight(request.method(), headers) {
            let mut answer = if seen.origin.is_some() {
                Cors::preflight()
            } else {
                refused(request, ErrorCode::Forbidden, "Pages of that origin may not call this server.")
            };
            self.cors.dress(answer.headers_mut(), seen.origin);
            return Err(Box::new(answer));
        }
        request.extensions_mut().insert(ConnectInfo(client));
        request.extensions_mut().insert(IsSecure(is_secure));
        Ok(seen)
    }
}

impl To {
    /// Where a request at our listener in plain belongs: the name that it asks for, at the port of our TLS.
    fn beside<B>(&self, request: &Request<B>) -> Option<String> {
        let asked = host::without_port(host::of(request)?);
        let here = || if self.port == 443 { asked.to_owned() } else { format!("{asked}:{}", self.port) };
        Some(self.official(asked).unwrap_or_else(here))
    }

    /// Where a request through a proxy belongs: the name that it asks for, at the port of HTTPS.
    fn at_proxy<B>(&self, request: &Request<B>) -> Option<String> {
        let asked = host::without_port(host::of(request)?);
        Some(self.official(asked).unwrap_or_else(|| asked.to_owned()))
    }

    /// With public hosts it is one of them, as it is written there.
    fn official(&self, asked: &str) -> Option<String> {
        let known = self.public_hosts.iter().find(|known| host::without_port(known).eq_ignore_ascii_case(asked));
        known.or(self.public_hosts.first()).cloned()
    }

    /// Answers what came in plain. A page is sent on; a call of `/v1` is refused, so that whoever wrote it sees that it
    /// sends tokens in plain.
    fn turn_away<B>(&self, request: &Request<B>, host: Option<impl AsRef<str>>) -> Response<Body> {
        let is_page = matches!(*request.method(), Method::GET | Method::HEAD) && !is_api(request);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let to = host
            .filter(|_| is_page)
            .and_then(|host| HeaderValue::try_from(format!("https://{}{}", host.as_ref(), path)).ok());
        match to {
            Some(to) => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, to), (CACHE_CONTROL, NO_STORE)]).into_response(),
            None => {
                let body = ErrorBody::from(ErrorCode::TlsRequired);
                refused(request, body.code, &body.message)
            }
        }
    }
}

fn is_api<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    path == "/v1" || path.starts_with("/v1/")
}

/// A typed error for programs, a sentence for people.
fn refused<B>(request: &Request<B>, code: ErrorCode, message: &str) -> Response<Body> {
    let mut response = if is_api(request) {
        let error = ErrorBody { message: message.to_owned(), ..code.into() };
        (StatusCode::FORBIDDEN, Json(WireError { error })).into_response()
    } else {
        (StatusCode::FORBIDDEN, format!("{message}\n")).into_response()
    };
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}
