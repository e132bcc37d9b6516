//! Figures that no part owns: the data folder's disk, and what the limits are set to.

use crate::config::Config;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::path::PathBuf;

/// What a scrape asks of us.
#[derive(Debug)]
struct Figures {
    folder: PathBuf,
    limits: Vec<(&'static str, u64)>,
}

/// Adds them to the metrics.
pub(crate) fn register(registry: &mut Registry, config: &Config) {
    let limits = vec![
        ("connections", config.http.connections_max.into()),
        ("sessions", config.signaling.sessions_max.into()),
        ("sockets", config.signaling.sockets_max.into()),
    ];
    registry.register_collector(Box::new(Figures { folder: config.data.dir.clone(), limits }));
}

/// Bytes of the disk that holds a folder: those that are free to us, and all.
pub(crate) fn disk(folder: &std::path::Path) -> Option<(u64, u64)> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some((disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)))
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        if let Some((free, all)) = disk(&self.folder) {
            for (name, help, value) in [
                ("tertulia_data_free_bytes", "Free bytes of the disk that holds the data folder", free),
                ("tertulia_data_size_bytes", "All bytes of that disk", all),
            ] {
                gauge(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
            }
        }
        let help = "What a limit is set to, for those that the figures come near to";
        let mut family = encoder.encode_descriptor("tertulia_limit", help, None, MetricType::Gauge)?;
        for (limit, value) in &self.limits {
            gauge(*value).encode(family.encode_family(&[("limit", *limit)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_the_disk_of_the_data_folder_and_the_limits_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.dir = folder.path().to_owned();
        config.signaling.sessions_max = 17;
        let mut registry = Registry::default();
        register(&mut registry, &config);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let value = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name}: {text}")).trim().parse().unwrap()
        };
        assert!(value("tertulia_data_free_bytes") <= value("tertulia_data_size_bytes"), "{text}");
        assert!(value("tertulia_data_free_bytes") > 0);
        assert_eq!(value("tertulia_limit{limit=\"sessions\"}"), 17);
    }
}
