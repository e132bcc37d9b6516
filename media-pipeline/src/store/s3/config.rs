//! What it takes to speak to a bucket, and the client made of it.
//!
//! Invariant: a secret is in no log and in nothing that shows the configuration. Nothing is asked of the network here.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The first wait before a request is made again, drawn at random up to it; twice as long before each further one.
const BACKOFF: Duration = Duration::from_millis(200);
/// The longest of them.
const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// Attempts after the first that requests may make between them (one that took too long counts twice). When they are spent,
/// requests fail at their first attempt, so that a service that is down is not asked for more by being down.
const RETRIES_MAX: usize = 100;
/// How many of them come back in a second by themselves, and how many with every success.
const RETRIES_BACK: f32 = 1.0;
/// Idle connections that are kept.
const IDLE_MAX: usize = 32;
/// Attempts a request may have at most: more would hold an upload for minutes.
const ATTEMPTS_MAX: u32 = 10;

/// A bucket and how to speak to it: `[uploads.store.s3]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// The bucket. It has to be there, and should have no versions: what is deleted would be kept.
    pub bucket: String,
    /// What objects' names begin with, e.g. `media/`. Two servers may share a bucket under different ones.
    pub prefix: String,
    /// The region that requests are signed for. Most services other than Amazon's take any.
    pub region: String,
    /// Where the service is, e.g. `https://s3.example.org`. Absent: Amazon, in the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// Whether the bucket is in the path instead of in the host's name. Most services other than Amazon's need it.
    pub force_path_style: bool,
    /// Whether `endpoint_url` may be `http://` to another machine: whoever is on the way reads all and may change it.
    pub plain_http: bool,
    /// The access key. Absent: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` of the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<SecretKey>,
    /// A file with its secret, in place of `secret_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_file: Option<PathBuf>,
    /// A file with the certificates (PEM) of the authorities to trust, in place of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether blobs' SHA-256 is sent along, for the service to check. Off for services that refuse it.
    pub send_checksums: bool,
    /// How long to wait for a connection.
    pub connect_timeout_ms: u64,
    /// How long one attempt may take until it is answered, besides the time to send its bytes at 128 KiB/s; and how long
    /// to wait for the next bytes of an answer.
    pub request_timeout_ms: u64,
    /// Attempts for a request that fails in a way that may pass.
    pub attempts_max: u32,
}

impl Default for S3Config {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            prefix: String::new(),
            region: "us-east-1".to_owned(),
            endpoint_url: None,
            force_path_style: false,
            plain_http: false,
            access_key_id: None,
            secret_key: None,
            secret_key_file: None,
            ca_file: None,
            send_checksums: true,
            connect_timeout_ms: 3_000,
            request_timeout_ms: 20_000,
            attempts_max: 4,
        }
    }
}

/// A secret, shown as `(secret)` wherever the configuration is.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct SecretKey(String);

impl From<String> for SecretKey {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for SecretKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(secret)")
    }
}

/// Why a bucket can't be spoken to with what is configured.
#[derive(Debug, thiserror::Error)]
pub enum S3ConfigError {
    /// An option is missing, or can't be what it is.
    #[error("{0}")]
    Option(&'static str),
    /// A file can't be read, or is not what it should be.
    #[error("{option} {}: {problem}", path.display())]
    File {
        /// Which option names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl S3Config {
    /// Whether it holds together. Reads no file and no environment.
    ///
    /// # Errors
    /// The first option that can't be.
    pub fn check(&self) -> Result<(), S3ConfigError> {
        let rules = [
            (self.bucket.is_empty(), "bucket is missing"),
            (self.region.is_empty(), "region is empty"),
            (!is_prefix(&self.prefix), "prefix may have letters, digits and -_./ and does not begin with a slash"),
            (self.connect_timeout_ms == 0 || self.request_timeout_ms == 0, "a timeout must be at least 1 ms"),
            (!(1..=ATTEMPTS_MAX).contains(&self.attempts_max), "attempts_max must be 1 to 10"),
            (self.secret_key.is_some() && self.secret_key_file.is_some(), "either secret_key or secret_key_file"),
            (
                self.access_key_id.is_some() != (self.secret_key.is_some() || self.secret_key_file.is_some()),
                "access_key_id and its secret (secret_key or secret_key_file) go together",
            ),
        ];
        if let Some((_, problem)) = rules.into_iter().find(|(is_wrong, _)| *is_wrong) {
            return Err(S3ConfigError::Option(problem));
        }
        match self.endpoint_url.as_deref().map(Endpoint::parse) {
            None | Some(Some(Endpoint::Tls | Endpoint::Loopback)) => Ok(()),
            Some(Some(Endpoint::Plain)) if self.plain_http => Ok(()),
            Some(Some(Endpoint::Plain)) => Err(S3ConfigError::Option(
                "endpoint_url is http:// to another machine: take https://, or set plain_http where the network is yours",
            )),
            Some(None) => Err(S3ConfigError::Option("endpoint_url must be https://host[:port], or http://host[:port]")),
        }
    }

    /// The client.
    pub(super) fn client(&self) -> Result<Client, S3ConfigError> {
        self.check()?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_millis(self.connect_timeout_ms))
            .operation_attempt_timeout(Duration::from_millis(self.request_timeout_ms))
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(self.attempts_max)
            .with_initial_backoff(BACKOFF)
            .with_max_backoff(BACKOFF_MAX);
        let tokens =
            TokenBucket::builder().capacity(RETRIES_MAX).refill_rate(RETRIES_BACK).success_reward(RETRIES_BACK);
        let tokens = tokens.retry_cost(1).throttling_retry_cost(1).timeout_retry_cost(2).build();
        let mut config = Builder::new()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials()?)
            .force_path_style(self.force_path_style)
            .http_client(self.http()?)
            .timeout_config(timeouts)
            .retry_config(retries)
            .retry_partition(RetryPartition::custom("tertulia").token_bucket(tokens).build())
            // Every attempt and every wait for bytes has its own time.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // Many services know no other checksums than those that are asked for.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        config.set_endpoint_url(self.endpoint_url.clone());
        Ok(Client::from_conf(config.build()))
    }

    fn credentials(&self) -> Result<Credentials, S3ConfigError> {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let (id, secret, token) = match (&self.access_key_id, &self.secret_key, &self.secret_key_file) {
            (Some(id), Some(secret), _) => (id.clone(), secret.0.clone(), None),
            (Some(id), None, Some(file)) => {
                let secret = read("secret_key_file", file)?;
                let secret = String::from_utf8(secret).map_err(|_| bad_file("secret_key_file", file, "not a text"))?;
                (id.clone(), secret.trim_end().to_owned(), None)
            }
            _ => match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
                (Some(id), Some(secret)) => (id, secret, variable("AWS_SESSION_TOKEN")),
                _ => {
                    return Err(S3ConfigError::Option(
                        "no access key: set access_key_id and secret_key_file, or AWS_ACCESS_KEY_ID and \
                         AWS_SECRET_ACCESS_KEY in the environment",
                    ));
                }
            },
        };
        if id.is_empty() || secret.is_empty() {
            return Err(S3ConfigError::Option("the access key or its secret is empty"));
        }
        Ok(Credentials::new(id, secret, token, None, "configuration"))
    }

    fn http(&self) -> Result<SharedHttpClient, S3ConfigError> {
        let is_tls = !matches!(
            self.endpoint_url.as_deref().and_then(Endpoint::parse),
            Some(Endpoint::Plain | Endpoint::Loopback)
        );
        let trusted = match &self.ca_file {
            Some(file) => TrustStore::empty().with_pem_certificate(checked_pem(file)?),
            None if is_tls => TrustStore::default(),
            // Nothing to trust where there is no TLS: a system without certificates does then.
            None => TrustStore::empty(),
        };
        let tls = TlsContext::builder().with_trust_store(trusted).build();
        let tls = tls.map_err(|_| S3ConfigError::Option("TLS could not be set up"))?;
        let client = aws_smithy_http_client::Builder::new().pool_max_idle_per_host(IDLE_MAX);
        Ok(client.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls).build_https())
    }
}

/// How safe the way to a service is.
enum Endpoint {
    Tls,
    Plain,
    Loopback,
}

impl Endpoint {
    /// `None` if it is no address of a service.
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.trim_end_matches('/');
        if authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
            return None;
        }
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => host,
            _ => authority,
        };
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        match scheme {
            "https" => Some(Self::Tls),
            "http" if is_loopback => Some(Self::Loopback),
            "http" => Some(Self::Plain),
            _ => None,
        }
    }
}

fn is_prefix(prefix: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    prefix.bytes().all(is_fine) && !prefix.starts_with('/')
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, S3ConfigError> {
    std::fs::read(path).map_err(|error| bad_file(option, path, &error.to_string()))
}

fn bad_file(option: &'static str, path: &Path, problem: &str) -> S3ConfigError {
    S3ConfigError::File { option, path: path.to_owned(), problem: problem.to_owned() }
}

/// Certificates, of which the client takes for granted that they are some.
fn checked_pem(file: &Path) -> Result<Vec<u8>, S3ConfigError> {
    let pem = read("ca_file", file)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| bad_file("ca_file", file, &error.to_string()))?;
        roots.add(certificate).map_err(|error| bad_file("ca_file", file, &error.to_string()))?;
    }
    if roots.is_empty() { Err(bad_file("ca_file", file, "there is no certificate in it")) } else { Ok(pem) }
}
