//! The sections, one struct each. What a value costs when raised or lowered is told to operators in `tertulia.example.toml`.

use super::Networks;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use tertulia_sfu::{Advertised, TcpLimits};
use tertulia_signaling_proto::VideoCodec;
use tracing_subscriber::EnvFilter;

/// A secret: in no log and no `check-config`.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub(super) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(secret)")
    }
}

/// Where people connect.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) trusted_proxies: Networks,
    pub(crate) public_hosts: Vec<String>,
    pub(crate) hsts_max_age_s: u64,
    pub(crate) connections_max: u32,
    pub(crate) connections_per_address_max: u32,
    pub(crate) header_timeout_ms: u64,
    pub(crate) request_timeout_ms: u64,
    pub(crate) connection_timeout_ms: u64,
    pub(crate) threads: usize,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            allowed_origins: Vec::new(),
            trusted_proxies: Networks::default(),
            public_hosts: Vec::new(),
            hsts_max_age_s: 31_536_000,
            connections_max: 4096,
            connections_per_address_max: 1000,
            header_timeout_ms: 10_000,
            request_timeout_ms: 15_000,
            connection_timeout_ms: 120_000,
            threads: 0,
        }
    }
}

impl Http {
    /// Threads that serve connections. Half the cores by default: media and messages have threads of their own, and threads that look
    /// for each other's work wake each other for nothing.
    pub(crate) fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        if self.threads == 0 { (cores / 2).max(1) } else { self.threads }
    }
}

/// Where the operator looks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Operator {
    pub(crate) listen: SocketAddr,
}

impl Default for Operator {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)) }
    }
}

/// What is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Data {
    pub(crate) dir: PathBuf,
}

impl Default for Data {
    fn default() -> Self {
        Self { dir: "./data".into() }
    }
}

/// How long the parts of a call may take.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Calls {
    pub(crate) ring_timeout_ms: u64,
    pub(crate) connect_timeout_ms: u64,
    pub(crate) grace_ms: u64,
    pub(crate) video_codec: VideoCodec,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            ring_timeout_ms: 60_000,
            connect_timeout_ms: 15_000,
            grace_ms: 30_000,
            video_codec: VideoCodec::default(),
        }
    }
}

/// Where media flows, and how much of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Media {
    /// Absent: see `resolve`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bind_ip: Option<IpAddr>,
    pub(crate) port: u16,
    /// Empty: see `resolve`.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "super::addresses::text")]
    pub(crate) advertise: Vec<Advertised>,
    pub(crate) tcp: bool,
    pub(crate) tcp_connections_max: usize,
    pub(crate) tcp_connections_per_address_max: usize,
    pub(crate) shards: usize,
    pub(crate) rooms_max: usize,
    pub(crate) peers_max: usize,
    pub(crate) room_peers_max: usize,
    pub(crate) busy_rooms_max_percent: u8,
    pub(crate) busy_joins_max_percent: u8,
    pub(crate) publish_bitrate_max_bps: u64,
    pub(crate) estimate_initial_bps: u64,
    pub(crate) peer_silence_max_ms: u64,
}

impl Default for Media {
    fn default() -> Self {
        let sfu = tertulia_sfu::Config::default();
        let tcp = TcpLimits::default();
        let silence = sfu.limits.peer_silence_max.as_millis();
        Self {
            bind_ip: None,
            port: 0,
            advertise: Vec::new(),
            tcp: true,
            tcp_connections_max: tcp.connections_max,
            tcp_connections_per_address_max: tcp.per_address_max,
            shards: 0,
            rooms_max: sfu.limits.rooms_max,
            peers_max: sfu.limits.peers_max,
            room_peers_max: sfu.limits.room_peers_max,
            busy_rooms_max_percent: sfu.limits.busy_rooms_max_percent,
            busy_joins_max_percent: sfu.limits.busy_joins_max_percent,
            publish_bitrate_max_bps: sfu.limits.publish_bitrate_max_bps,
            estimate_initial_bps: sfu.estimate_initial_bps,
            peer_silence_max_ms: u64::try_from(silence).unwrap_or(u64::MAX),
        }
    }
}

/// Threads beyond this are a slip of the finger: a shard is a core.
const SHARDS_MAX: usize = 1024;

impl Media {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let positive = [
            ("tcp_connections_max", self.tcp_connections_max as u64),
            ("tcp_connections_per_address_max", self.tcp_connections_per_address_max as u64),
            ("rooms_max", self.rooms_max as u64),
            ("peers_max", self.peers_max as u64),
            ("publish_bitrate_max_bps", self.publish_bitrate_max_bps),
            ("estimate_initial_bps", self.estimate_initial_bps),
            ("peer_silence_max_ms", self.peer_silence_max_ms),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            bail!("media.{name} must be at least 1");
        }
        if self.room_peers_max < 2 {
            bail!("media.room_peers_max must be at least 2: a call has two sides");
        }
        if self.busy_rooms_max_percent > 100 || self.busy_joins_max_percent > 100 {
            bail!("media.busy_rooms_max_percent and media.busy_joins_max_percent must be at most 100");
        }
        if self.shards > SHARDS_MAX {
            bail!("media.shards is {}, at most {SHARDS_MAX} make sense", self.shards);
        }
        if let Some(ip) =
            self.advertise.iter().map(|told| told.public).find(|ip| ip.is_unspecified() || ip.is_multicast())
        {
            bail!("media.advertise: {ip} is no address that a client can send to");
        }
        Ok(())
    }
}

/// How it ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Drain {
    pub(crate) calls: DrainedCalls,
    pub(crate) timeout_ms: u64,
}

/// What becomes of the calls that go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DrainedCalls {
    /// The next run takes them over.
    Keep,
    /// They have the drain's time, and are ended.
    End,
}

impl Default for Drain {
    fn default() -> Self {
        Self { calls: DrainedCalls::Keep, timeout_ms: 10_000 }
    }
}

/// What it tells, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

impl Log {
    /// What is logged. The database library logs statements, which carry personal data: only its warnings.
    pub(crate) fn filter(&self) -> anyhow::Result<EnvFilter> {
        let directives = format!("sqlx=warn,sea_orm_migration=warn,{}", self.level);
        EnvFilter::builder().parse(directives).with_context(|| format!("log.level {:?}", self.level))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// A key of an app's, with which it makes tokens for its people.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "algorithm", deny_unknown_fields)]
pub(crate) enum ApiKey {
    /// Shared: whoever has the secret makes tokens.
    HS256 {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<Secret>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret_file: Option<PathBuf>,
    },
    /// Ed25519: the app keeps the private half.
    EdDSA { id: String, public_key_file: PathBuf },
}
