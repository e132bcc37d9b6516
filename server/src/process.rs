//! The process: its own figures, read from `/proc` when asked for, what was built, and how many files it may open.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Adds the process's figures to the metrics.
pub(crate) fn register(registry: &mut Registry) {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION")), ("profile", profile)]);
    registry.register("tertulia_build", "What runs here", build);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    registry.register_collector(Box::new(Process { started_s: now }));
}

#[derive(Debug)]
struct Process {
    started_s: f64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: f64| {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        gauge("tertulia_process_start_time_seconds", "When it started, since the Unix epoch", self.started_s)?;
        if let Some(bytes) = resident_bytes() {
            gauge("tertulia_process_resident_memory_bytes", "Memory in RAM", bytes)?;
        }
        if let Some(open) = open_files() {
            gauge("tertulia_process_open_fds", "Open file descriptors", open)?;
        }
        if let Some(max) = open_files_max() {
            gauge("tertulia_process_max_fds", "File descriptors that it may open", max)?;
        }
        if let Some(threads) = status_field("Threads:") {
            gauge("tertulia_process_threads", "Threads", threads)?;
        }
        if let Some(seconds) = cpu_seconds() {
            let cpu = ConstCounter::new(seconds);
            let help = "Processor time, user and system";
            cpu.encode(encoder.encode_descriptor("tertulia_process_cpu_seconds", help, None, cpu.metric_type())?)?;
        }
        Ok(())
    }
}

/// Takes as many file descriptors as the system allows, and says how many that is. Many systems give a process 1024 at
/// first, for programs from the days of `select`, and let it have far more when it asks.
pub(crate) fn raise_open_files_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok() {
        return maximum.unwrap_or(u64::MAX);
    }
    current.unwrap_or(u64::MAX)
}

/// Fields 14 and 15 of `/proc/self/stat`; the command in field 2 may contain blanks, so they are counted after its end.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let ticks_per_s = u32::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    Some((user + system) / f64::from(ticks_per_s))
}

fn resident_bytes() -> Option<f64> {
    Some(status_field("VmRSS:")? * 1024.0)
}

fn status_field(name: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_files() -> Option<f64> {
    // The listing itself has one open.
    u32::try_from(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1)).ok().map(f64::from)
}

fn open_files_max() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_of_this_process() {
        let mut registry = Registry::default();
        register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let value = |name: &str| -> f64 {
            let line =
                text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {text}"));
            line.trim().parse().unwrap()
        };
        assert!(value("tertulia_process_cpu_seconds_total ") >= 0.0);
        assert!(value("tertulia_process_resident_memory_bytes ") > 1e6);
        assert!(value("tertulia_process_open_fds ") >= 3.0);
        assert!(value("tertulia_process_max_fds ") >= value("tertulia_process_open_fds "));
        assert!(value("tertulia_process_threads ") >= 1.0);
        assert!(text.contains(concat!("tertulia_build_info{version=\"", env!("CARGO_PKG_VERSION"))), "{text}");
    }
}
