//! The certificate that is shown, and its replacement while the program runs.
//!
//! Invariant: there is always one that works. A new pair is taken whole, after its key is seen to be its own and its time not
//! over; else the old one stays, and the log and the figures say so. Connections that are open go on either way.

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::Signal;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// How often the files are looked at. A change is taken when two looks agree, so that a pair is not read half written.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// When less of its time remains, taking a certificate is a warning.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// What became of the certificate.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    expires_s: Gauge,
    reloads: Family<Outcome, Counter>,
}

impl Figures {
    /// Adds them to the metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let expires = self.expires_s.clone();
        let help = "When the certificate that is shown ends, since the Unix epoch";
        registry.register("tertulia_tls_certificate_expires_seconds", help, expires);
        // From the start, so that an alert sees the first failure as a rise.
        for outcome in ["ok", "failed"] {
            drop(self.reloads.get_or_create(&Outcome { outcome }));
        }
        let help = "Attempts to take a changed certificate; after a failed one the old one is shown on";
        registry.register("tertulia_tls_reloads", help, self.reloads.clone());
    }
}

/// Where the pair is.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// A pair that fits, and until when.
struct Loaded {
    key: Arc<CertifiedKey>,
    expires: SystemTime,
    names: String,
}

impl Files {
    fn load(&self, provider: &CryptoProvider) -> anyhow::Result<Loaded> {
        let cert = read(&self.cert)?;
        let chain = CertificateDer::pem_slice_iter(&cert).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| anyhow::anyhow!("{}: {error}", self.cert.display()))?;
        let Some(first) = chain.first() else {
            bail!("{} has no certificate (PEM: -----BEGIN CERTIFICATE-----)", self.cert.display());
        };
        let (expires, names) = facts(first).with_context(|| self.cert.display().to_string())?;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?);
        let key = key.map_err(|error| anyhow::anyhow!("{}: no private key: {error}", self.key.display()))?;
        let key = CertifiedKey::from_der(chain, key, provider)
            .with_context(|| format!("{} and {} are no pair", self.cert.display(), self.key.display()))?;
        Ok(Loaded { key: Arc::new(key), expires, names })
    }

    /// What changes when one of the files does. Links are followed: the usual tools turn a link to the new pair.
    fn stamp(&self) -> Stamp {
        Stamp([&self.cert, &self.key].map(|path| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
        }))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp([Option<OfFile>; 2]);

/// Device and inode, length, time of change.
type OfFile = (u64, u64, u64, i64, i64);

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

/// When it ends, and for whom it is.
fn facts(certificate: &CertificateDer<'_>) -> anyhow::Result<(SystemTime, String)> {
    let (_, parsed) = X509Certificate::from_der(certificate).context("the certificate can't be read")?;
    let end = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.iter().map(text).collect::<Vec<_>>().join(" "));
    Ok((UNIX_EPOCH + Duration::from_secs(end), names.unwrap_or_default()))
}

/// A name or an address, as people write it.
fn text(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            ip.map_or_else(|_| name.to_string(), |ip| ip.to_string())
        }
        _ => name.to_string(),
    }
}

/// Whether the pair can be used, for `check-config`.
pub(crate) fn check(files: &Files) -> anyhow::Result<()> {
    let loaded = files.load(&rustls::crypto::aws_lc_rs::default_provider()).context("[tls]")?;
    if is_over(loaded.expires) {
        bail!("[tls] the certificate {} is over: browsers refuse it", files.cert.display());
    }
    Ok(())
}

fn is_over(expires: SystemTime) -> bool {
    expires <= SystemTime::now()
}

/// What the handshake shows.
#[derive(Debug)]
pub(super) struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Looks after the files of the certificate that is shown.
pub(crate) struct Keeper {
    files: Files,
    shown: Arc<Shown>,
    provider: Arc<CryptoProvider>,
    figures: Arc<Figures>,
    /// Of the files when they were last read.
    tried: Stamp,
}

impl Keeper {
    /// The certificate of the files. One that is over is shown all the same: the log says so, and a browser does.
    pub(super) fn open(
        files: Files,
        provider: Arc<CryptoProvider>,
        figures: Arc<Figures>,
    ) -> anyhow::Result<(Self, Arc<Shown>)> {
        let tried = files.stamp();
        let loaded = files.load(&provider).context("[tls]")?;
        let shown = Arc::new(Shown(ArcSwap::new(Arc::clone(&loaded.key))));
        let keeper = Self { files, shown: Arc::clone(&shown), provider, figures, tried };
        keeper.tell(&loaded);
        Ok((keeper, shown))
    }

    fn tell(&self, loaded: &Loaded) {
        let until = loaded.expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.figures.expires_s.set(until.try_into().unwrap_or(i64::MAX));
        let names = &loaded.names;
        let days = loaded.expires.duration_since(SystemTime::now()).map_or(0, |left| left.as_secs() / 86_400);
        if is_over(loaded.expires) {
            tracing::error!(names, "the certificate is over: browsers refuse it. Renew the files of [tls]");
        } else if is_over(loaded.expires - SOON) {
            tracing::warn!(names, days, "the certificate ends soon: renew the files of [tls]");
        } else {
            tracing::info!(names, days, "the certificate");
        }
    }

    fn reload(&mut self) {
        self.tried = self.files.stamp();
        let loaded = self.files.load(&self.provider).and_then(|loaded| {
            if is_over(loaded.expires) {
                bail!("its time is over");
            }
            Ok(loaded)
        });
        let outcome = match loaded {
            Ok(loaded) => {
                self.shown.0.store(Arc::clone(&loaded.key));
                self.tell(&loaded);
                "ok"
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the new certificate can't be used: the old one is shown on");
                "failed"
            }
        };
        self.figures.reloads.get_or_create(&Outcome { outcome }).inc();
    }

    /// Takes a new pair when the files change, or at once on a signal (SIGHUP), until `stop`.
    pub(crate) async fn keep(mut self, mut hangups: Option<Signal>, stop: CancellationToken) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = self.tried;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                true = hangup(&mut hangups) => {
                    self.reload();
                    seen = self.tried;
                }
                _ = looks.tick() => {
                    let now = self.files.stamp();
                    if now == self.tried || now != seen {
                        seen = now;
                        continue;
                    }
                    self.reload();
                }
            }
        }
    }
}

/// Whether a signal came; without a source of them none does.
async fn hangup(hangups: &mut Option<Signal>) -> bool {
    match hangups {
        Some(hangups) => hangups.recv().await.is_some(),
        None => std::future::pending().await,
    }
}
