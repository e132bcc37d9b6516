//! The machine: its clock, how many files the program may open, and the kernel's settings for networks.

use super::finding::Finding;
use crate::config::Config;
use crate::run::open_files_wanted;
use rustix::process::{Resource, getrlimit};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What a media socket asks the kernel for is 8 MB; with less than this a burst of a busy second is lost.
const BUFFER_BYTES_MIN: u64 = 2_500_000;
/// After a restart everyone comes back at once.
const SOMAXCONN_MIN: u64 = 1_024;
/// Where the kernel forgets connections, when this part of its table is full.
const CONNTRACK_FULL_PERCENT: u64 = 80;
const SYSCTL: &str = "cp deploy/systemd/tertulia.sysctl /etc/sysctl.d/60-tertulia.conf && sysctl --system";

/// Whether something keeps the clock right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Kept,
    NotKept,
    Unknown,
}

/// The kernel's settings; none where a file is not there.
#[derive(Clone, Debug, Default)]
struct Kernel {
    receive_buffer: Option<u64>,
    send_buffer: Option<u64>,
    somaxconn: Option<u64>,
    /// From which outgoing connections take theirs.
    ports: Option<(u16, u16)>,
    reserved_ports: String,
    /// Connections that the firewall follows, and how many it can.
    conntrack: Option<(u64, u64)>,
}

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let media = config.sfu().map_or(0, |sfu| sfu.port);
    let wanted = open_files_wanted(config);
    let mut findings =
        vec![clock(look_at_clock()), look_at_files(&config.data.dir, wanted, config.is_reached_from_outside())];
    findings.extend(kernel(&look_at_kernel(), media));
    findings
}

// === The clock ===

fn look_at_clock() -> Clock {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Clock::Kept;
    }
    let said = |program: &str, words: &[&str]| {
        let output = Command::new(program).args(words).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if let Some(said) = said("timedatectl", &["show", "--property=NTPSynchronized", "--value"]) {
        return if said == "yes" { Clock::Kept } else { Clock::NotKept };
    }
    match said("chronyc", &["-c", "tracking"]) {
        Some(said) if said.ends_with("Normal") => Clock::Kept,
        Some(_) => Clock::NotKept,
        None => Clock::Unknown,
    }
}

fn clock(clock: Clock) -> Finding {
    let todo = "timedatectl set-ntp true (on Debian: apt-get install systemd-timesyncd, or chrony)";
    match clock {
        Clock::Kept => Finding::ok("clock", "it is kept right by the network"),
        Clock::NotKept => {
            let says = "nothing keeps it right: tokens and relay credentials end too early or too late by as much as it is off";
            Finding::problem("clock", says, todo)
        }
        Clock::Unknown => Finding::warning("clock", "whether something keeps it right can't be told here", todo),
    }
}

// === Open files ===

fn look_at_files(folder: &Path, wanted: u64, from_outside: bool) -> Finding {
    // That of the program counts; ours is another where systemd has started it.
    if let Some((pid, max)) = limit_of_program(folder) {
        return files(max, wanted, &format!("the running program (process {pid})"), from_outside);
    }
    let max = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    files(max, wanted, "a program started from here", from_outside)
}

/// That of the program that holds the folder's lock, if we may look.
fn limit_of_program(folder: &Path) -> Option<(u32, u64)> {
    let lock = fs::canonicalize(folder.join("lock")).ok()?;
    let ourselves = std::process::id();
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut files = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let holds = pid != ourselves && files.any(|file| fs::read_link(file.path()).is_ok_and(|to| to == lock));
        let limits = holds.then(|| fs::read_to_string(process.path().join("limits")).ok())??;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        Some((pid, line.split_whitespace().nth(1)?.parse().ok()?))
    })
}

fn files(max: u64, wanted: u64, whose: &str, from_outside: bool) -> Finding {
    let says =
        format!("{whose} may open {max} files; signaling.sockets_max and http.connections_max can need {wanted}");
    // For a demo on this machine alone it is no news.
    if max >= wanted || !from_outside {
        return Finding::ok("files", says);
    }
    let todo =
        "LimitNOFILE=131072 in the systemd unit, ulimit -Hn in a shell, ulimits.nofile in compose; or lower the two";
    Finding::warning("files", says, todo)
}

// === The kernel ===

fn look_at_kernel() -> Kernel {
    let text = |name: &str| fs::read_to_string(Path::new("/proc/sys/net").join(name)).ok();
    let number = |name: &str| text(name)?.trim().parse().ok();
    let ports = text("ipv4/ip_local_port_range").and_then(|text| {
        let (low, high) = text.trim().split_once(char::is_whitespace)?;
        Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
    });
    Kernel {
        receive_buffer: number("core/rmem_max"),
        send_buffer: number("core/wmem_max"),
        somaxconn: number("core/somaxconn"),
        ports,
        reserved_ports: text("ipv4/ip_local_reserved_ports").unwrap_or_default().trim().to_owned(),
        conntrack: number("netfilter/nf_conntrack_count").zip(number("netfilter/nf_conntrack_max")),
    }
}

fn kernel(kernel: &Kernel, media_port: u16) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, value) in [("rmem_max", kernel.receive_buffer), ("wmem_max", kernel.send_buffer)] {
        findings.extend(value.filter(|value| *value < BUFFER_BYTES_MIN).map(|value| {
            let says = format!(
                "net.core.{name} is {value}: media sockets get no more, and lose packets when many come at once"
            );
            Finding::warning("kernel", says, SYSCTL)
        }));
    }
    findings.extend(kernel.somaxconn.filter(|max| *max < SOMAXCONN_MIN).map(|max| {
        let says = format!("net.core.somaxconn is {max}: some who come back at once after a restart are turned away");
        Finding::warning("kernel", says, SYSCTL)
    }));
    let taken_by_others = |(low, high): &(u16, u16)| (*low..=*high).contains(&media_port);
    if kernel.ports.is_some_and(|ports| taken_by_others(&ports)) && !is_reserved(&kernel.reserved_ports, media_port) {
        let says = format!(
            "media.port {media_port} is among the ports that outgoing connections take (net.ipv4.ip_local_port_range): \
             at some start it may be gone"
        );
        let todo = format!(
            "sysctl -w net.ipv4.ip_local_reserved_ports={media_port}-{} (one for each shard), and keep it in \
                            /etc/sysctl.d; or choose a media.port below that range",
            media_port.saturating_add(15)
        );
        findings.push(Finding::warning("kernel", says, todo));
    }
    findings.extend(kernel.conntrack.filter(|(count, max)| count * 100 > max * CONNTRACK_FULL_PERCENT).map(
        |(count, max)| {
            let says = format!(
                "the firewall follows {count} connections of at most {max}: when its table is full, media stops"
            );
            Finding::problem(
                "kernel",
                says,
                format!("sysctl -w net.netfilter.nf_conntrack_max={}", max.saturating_mul(4)),
            )
        },
    ));
    if findings.is_empty() {
        findings.push(Finding::ok("kernel", "buffers, queues and port ranges are as they should be"));
    }
    findings
}

/// Whether a list like `40000-40015,5060` has the port.
fn is_reserved(list: &str, port: u16) -> bool {
    list.split(',').any(|part| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        low.parse().is_ok_and(|low: u16| low <= port) && high.parse().is_ok_and(|high: u16| port <= high)
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn s8_a_clock_that_nothing_keeps_right_is_a_problem() {
        assert_eq!(clock(Clock::Kept).level, Level::Ok);
        assert_eq!(clock(Clock::NotKept).level, Level::Problem);
        assert_eq!(clock(Clock::Unknown).level, Level::Warning);
    }

    #[test]
    fn s8_too_few_files_for_the_sockets_that_are_allowed_are_a_warning() {
        assert_eq!(files(131_072, 54_296, "it", true).level, Level::Ok);
        let few = files(1_024, 54_296, "the running program (process 7)", true);
        assert_eq!(files(1_024, 54_296, "it", false).level, Level::Ok);
        assert!(few.level == Level::Warning && few.says.contains("process 7") && few.says.contains("1024"), "{few:?}");
    }

    #[test]
    fn s8_what_the_kernel_is_set_to_is_judged() {
        let good = Kernel {
            receive_buffer: Some(8 << 20),
            send_buffer: Some(8 << 20),
            somaxconn: Some(4_096),
            ports: Some((32_768, 60_999)),
            reserved_ports: String::new(),
            conntrack: Some((100, 262_144)),
        };
        let verdict = |change: fn(&mut Kernel), port| {
            let mut facts = good.clone();
            change(&mut facts);
            kernel(&facts, port).into_iter().next().unwrap()
        };
        assert_eq!(verdict(|_| (), 20_000).level, Level::Ok);
        assert_eq!(kernel(&Kernel::default(), 0)[0].level, Level::Ok, "what can't be read is not complained of");
        assert!(verdict(|k| k.receive_buffer = Some(212_992), 20_000).says.contains("rmem_max is 212992"));
        assert!(verdict(|k| k.send_buffer = Some(212_992), 20_000).says.contains("wmem_max"));
        assert!(verdict(|k| k.somaxconn = Some(128), 20_000).says.contains("somaxconn is 128"));
        let taken = verdict(|_| (), 40_000);
        assert!(taken.level == Level::Warning && taken.todo.unwrap().contains("40000-40015"));
        assert_eq!(verdict(|k| k.reserved_ports = "5060,40000-40015".into(), 40_000).level, Level::Ok);
        assert_eq!(verdict(|k| k.conntrack = Some((250_000, 262_144)), 20_000).level, Level::Problem);
    }
}
