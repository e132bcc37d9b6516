//! Ports: whether they can be had, or are ours already, or whose they are.

use super::finding::Finding;
use crate::config::Config;
use std::fs;
use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::ffi::OsStrExt as _;

/// What a port is for, and how it is spoken to.
#[derive(Clone, Debug)]
struct Door {
    option: &'static str,
    udp: bool,
    address: SocketAddr,
}

/// What came of an attempt to bind it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Bound {
    Free,
    /// By whom, if that can be seen.
    Taken(Option<Holder>),
    /// The address is not of this machine.
    NotOurs,
    /// A port below 1024.
    Forbidden,
    Failed(String),
}

/// A process that has a port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    pid: u32,
    name: String,
}

pub(super) fn check(config: &Config, running: bool) -> Vec<Finding> {
    let tcp = |option, address| Door { option, udp: false, address };
    let mut doors = vec![tcp("http.listen", config.http.listen), tcp("operator.listen", config.operator.listen)];
    doors.extend(config.tls.redirect_listen.map(|address| tcp("tls.redirect_listen", address)));
    let mut findings = Vec::new();
    match config.sfu() {
        Ok(sfu) if sfu.port == 0 => findings.push(any_port(config.is_reached_from_outside())),
        Ok(sfu) => {
            let shards = match sfu.shards {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                shards => shards,
            };
            for shard in 0..u16::try_from(shards).unwrap_or(u16::MAX) {
                let Some(port) = sfu.port.checked_add(shard) else {
                    findings.push(beyond_the_last(sfu.port, shards));
                    break;
                };
                let address = SocketAddr::new(sfu.bind, port);
                doors.push(Door { option: "media.port", udp: true, address });
                doors.extend(sfu.tcp.is_some().then_some(tcp("media.port", address)));
            }
        }
        Err(error) => findings.push(Finding::problem("ports", format!("{error:#}"), "set media.advertise")),
    }
    // One that may be any is free.
    doors.retain(|door| door.address.port() != 0);
    findings.extend(doors.iter().map(|door| finding(door, bind(door), running)));
    findings
}

fn any_port(from_outside: bool) -> Finding {
    if from_outside {
        let todo = "set media.port, and open it and those that follow (one a shard) in the firewall, UDP and TCP";
        return Finding::warning(
            "ports",
            "media.port is 0: other ports at each start, which no firewall can know",
            todo,
        );
    }
    Finding::ok("ports", "media takes any ports that are free")
}

fn beyond_the_last(port: u16, shards: usize) -> Finding {
    let says = format!("media.port {port} and {shards} shards go beyond port 65535");
    Finding::problem("ports", says, "lower media.port")
}

fn bind(door: &Door) -> Bound {
    let bound =
        if door.udp { UdpSocket::bind(door.address).map(drop) } else { TcpListener::bind(door.address).map(drop) };
    match bound {
        Ok(()) => Bound::Free,
        Err(error) => refused(&error, || holder(door)),
    }
}

fn refused(error: &Error, holder: impl FnOnce() -> Option<Holder>) -> Bound {
    match error.kind() {
        ErrorKind::AddrInUse => Bound::Taken(holder()),
        ErrorKind::AddrNotAvailable => Bound::NotOurs,
        ErrorKind::PermissionDenied => Bound::Forbidden,
        _ => Bound::Failed(error.to_string()),
    }
}

fn finding(door: &Door, bound: Bound, running: bool) -> Finding {
    let Door { option, udp, address } = door;
    let (protocol, flag) = if *udp { ("UDP", "u") } else { ("TCP", "t") };
    let what = format!("{option}: {address} {protocol}");
    let port = address.port();
    match bound {
        Bound::Free => Finding::ok("ports", format!("{what} is free")),
        Bound::Taken(Some(Holder { pid, name })) if name == "tertulia" => {
            Finding::ok("ports", format!("{what} is the running program's (process {pid})"))
        }
        Bound::Taken(Some(Holder { pid, name })) => Finding::problem(
            "ports",
            format!("{what} is taken by {name} (process {pid})"),
            format!("stop that (systemctl status {pid} says what it belongs to), or choose another {option}"),
        ),
        Bound::Taken(None) if running => {
            Finding::ok("ports", format!("{what} is taken, as it seems by the program that runs"))
        }
        Bound::Taken(None) => Finding::problem(
            "ports",
            format!("{what} is taken"),
            format!("see by whom: sudo ss -{flag}lnp 'sport = :{port}'; stop that, or choose another {option}"),
        ),
        Bound::NotOurs => Finding::problem(
            "ports",
            format!("{what}: this machine has no such address"),
            "see which it has: ip -brief address. Behind NAT bind 0.0.0.0, and say the public address in media.advertise",
        ),
        Bound::Forbidden => Finding::warning(
            "ports",
            format!("{what}: you may not take a port below 1024"),
            "the systemd unit may (CAP_NET_BIND_SERVICE); else choose a higher one, or run doctor with sudo to see more",
        ),
        Bound::Failed(error) => {
            Finding::problem("ports", format!("{what}: {error}"), format!("choose another {option}"))
        }
    }
}

/// The process that has the port, by the kernel's tables; other users' can be seen by root alone.
fn holder(door: &Door) -> Option<Holder> {
    let tables = if door.udp { ["udp", "udp6"] } else { ["tcp", "tcp6"] };
    let tables = tables.map(|table| fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default());
    let inode = tables.iter().find_map(|table| inode(table, door.address.port(), door.udp))?;
    let link = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut files = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let has =
            files.any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str().as_bytes() == link.as_bytes()));
        has.then(|| {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            Holder { pid, name: name.trim().to_owned() }
        })
    })
}

/// The socket that listens at the port: `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`.
fn inode(table: &str, port: u16, udp: bool) -> Option<u64> {
    const LISTENS: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, local) = columns.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local, 16).ok()? == port && (udp || columns.get(3) == Some(&LISTENS));
        if is_it { columns.get(9)?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn door() -> Door {
        Door { option: "http.listen", udp: false, address: SocketAddr::from(([0, 0, 0, 0], 443)) }
    }

    fn level(bound: Bound, running: bool) -> Level {
        finding(&door(), bound, running).level
    }

    #[test]
    fn s8_a_port_that_is_ours_is_well_and_one_that_is_not_is_a_problem() {
        let held_by = |name: &str| Bound::Taken(Some(Holder { pid: 7, name: name.to_owned() }));
        assert_eq!(level(Bound::Free, false), Level::Ok);
        assert_eq!(level(held_by("tertulia"), true), Level::Ok);
        assert_eq!(level(held_by("nginx"), true), Level::Problem);
        let nginx = finding(&door(), held_by("nginx"), false);
        assert!(nginx.says.contains("nginx (process 7)"), "{nginx:?}");
        assert_eq!(level(Bound::Taken(None), true), Level::Ok);
        assert!(finding(&door(), Bound::Taken(None), false).todo.unwrap().contains("ss -tlnp 'sport = :443'"));
        assert_eq!(level(Bound::NotOurs, false), Level::Problem);
        assert_eq!(level(Bound::Forbidden, false), Level::Warning);
        assert_eq!(level(Bound::Failed("odd".to_owned()), false), Level::Problem);
        assert_eq!((any_port(true).level, any_port(false).level), (Level::Warning, Level::Ok));
    }

    #[test]
    fn s8_who_has_a_port_is_found() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door { option: "http.listen", udp: false, address };
        let Bound::Taken(Some(holder)) = bind(&door) else { panic!("{:?}", bind(&door)) };
        assert_eq!(holder.pid, std::process::id());
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let door = Door { option: "media.port", udp: true, address: socket.local_addr().unwrap() };
        assert!(matches!(bind(&door), Bound::Taken(Some(Holder { pid, .. })) if pid == std::process::id()));
        let nowhere = Door { option: "http.listen", udp: false, address: SocketAddr::from(([203, 0, 113, 9], 8080)) };
        assert_eq!(bind(&nowhere), Bound::NotOurs);
    }
}
