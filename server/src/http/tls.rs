//! TLS on a connection that was just accepted.
//!
//! Invariant: a handshake has its time and its connection's place: whoever is slow, says nothing, or floods takes no more
//! than plain connections could, and is counted. Versions 1.2 and 1.3, HTTP/1.1 only: a WebSocket needs it, and nothing else
//! here gains from another.

use super::certificate::{self, Files, Keeper};
use super::limits::network;
use super::rate::Rates;
use crate::config::Tls as Options;
use anyhow::Context as _;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of a TLS record that carries a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 0x16;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// What became of handshakes, and of the certificate.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    handshakes: Family<Outcome, Counter>,
    certificate: Arc<certificate::Figures>,
}

impl Figures {
    /// Adds them to the metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        for outcome in ["ok", "failed", "timed_out", "limited", "plain"] {
            drop(self.handshakes.get_or_create(&Outcome { outcome }));
        }
        let help =
            "TLS handshakes: ok, failed, timed_out; limited: too many of one address; plain: HTTP without TLS came";
        registry.register("tertulia_tls_handshakes", help, self.handshakes.clone());
        self.certificate.register(registry);
    }

    fn count(&self, outcome: &'static str) {
        self.handshakes.get_or_create(&Outcome { outcome }).inc();
    }
}

/// Makes TLS of connections.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    handshake: Duration,
    rates: Arc<Rates>,
    figures: Arc<Figures>,
}

/// What a connection turned out to be.
pub(super) enum Accepted {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

impl Tls {
    /// With the certificate of these files, which the keeper looks after.
    pub(crate) fn open(options: &Options, files: Files, figures: Arc<Figures>) -> anyhow::Result<(Self, Keeper)> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let (keeper, shown) = Keeper::open(files, Arc::clone(&provider), Arc::clone(&figures.certificate))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Who comes back is spared the signature. The state is in the ticket: nothing is kept here for it.
        config.ticketer = aws_lc_rs::Ticketer::new().context("no keys for session tickets")?;
        let handshake = Duration::from_millis(options.handshake_timeout_ms);
        let rates = Arc::new(Rates::new(options.handshakes_per_address_per_s));
        Ok((Self { acceptor: Arc::new(config).into(), handshake, rates, figures }, keeper))
    }

    /// The handshake, or nothing if it fails, is too slow, or is one too many.
    pub(super) async fn accept(&self, stream: TcpStream, remote: IpAddr) -> Option<Accepted> {
        if !self.rates.take(network(remote), Instant::now()) {
            self.figures.count("limited");
            return None;
        }
        let (outcome, accepted) = match timeout(self.handshake, self.try_accept(stream)).await {
            Ok(Ok(accepted @ Accepted::Tls(_))) => ("ok", Some(accepted)),
            Ok(Ok(accepted @ Accepted::Plain(_))) => ("plain", Some(accepted)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                ("failed", None)
            }
            Err(_) => ("timed_out", None),
        };
        self.figures.count(outcome);
        accepted
    }

    async fn try_accept(&self, stream: TcpStream) -> io::Result<Accepted> {
        let mut first = [0; 1];
        if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE && first[0].is_ascii_alphabetic() {
            return Ok(Accepted::Plain(stream));
        }
        Ok(Accepted::Tls(Box::new(self.acceptor.accept(stream).await?)))
    }
}
