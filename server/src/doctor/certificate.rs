//! The certificate: whether the pair fits, for whom it is, how long it lasts, and whether the chain is whole and in order.

use super::finding::Finding;
use crate::config::Config;
use crate::http::{Files, check_certificate};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

const CHECK: &str = "certificate";
const DAY_S: i64 = 86_400;
/// With less, the tool that renews it (they do at 30 days) has failed for two weeks.
const DAYS_MIN: i64 = 14;
const RENEW: &str = "renew it now: certbot renew (or what made it). It is taken within seconds, without a restart";

/// One of the chain.
#[derive(Clone, Debug, Default)]
struct Link {
    subject: String,
    issuer: String,
    names: Vec<String>,
    from_s: i64,
    until_s: i64,
}

/// What the files hold.
#[derive(Clone, Debug)]
struct Facts {
    /// Why the pair can't be used.
    refused: Option<String>,
    chain: Vec<Link>,
    key_is_open: bool,
    /// Under which names people come, as far as the configuration says.
    hosts: Vec<String>,
    now_s: i64,
}

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let Some((cert, key)) = config.tls.files() else {
        return vec![without(!config.http.trusted_proxies.0.is_empty(), config.is_reached_from_outside())];
    };
    let refused = check_certificate(&Files { cert: cert.to_owned(), key: key.to_owned() }).err();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    findings(&Facts {
        refused: refused.map(|error| format!("{error:#}")),
        chain: chain(cert),
        key_is_open: std::fs::metadata(key).is_ok_and(|file| file.permissions().mode() & 0o007 != 0),
        hosts: config.http.public_hosts.clone(),
        now_s: i64::try_from(now).unwrap_or(i64::MAX),
    })
}

fn without(proxy: bool, from_outside: bool) -> Finding {
    match (proxy, from_outside) {
        (true, _) => Finding::ok(CHECK, "TLS is the proxy's (http.trusted_proxies)"),
        (false, false) => Finding::ok(CHECK, "no TLS is needed on this machine alone"),
        (false, true) => Finding::problem(CHECK, "there is no TLS", "set tls.cert_file and tls.key_file"),
    }
}

fn chain(file: &Path) -> Vec<Link> {
    let Ok(pem) = std::fs::read(file) else { return Vec::new() };
    let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    certificates.filter_map(|der| X509Certificate::from_der(&der).ok().map(|(_, parsed)| link(&parsed))).collect()
}

fn link(parsed: &X509Certificate<'_>) -> Link {
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.iter().filter_map(name).collect());
    Link {
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        names: names.unwrap_or_default(),
        from_s: parsed.validity().not_before.timestamp(),
        until_s: parsed.validity().not_after.timestamp(),
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    }
}

fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(refused) = &facts.refused {
        let todo = "check tls.cert_file and tls.key_file: both PEM, of one pair, readable for the program's user";
        findings.push(Finding::problem(CHECK, refused.clone(), todo));
    }
    let Some(leaf) = facts.chain.first() else { return findings };
    findings.extend(time(facts, leaf));
    findings.extend(order(&facts.chain));
    findings.extend(names(facts, leaf));
    if facts.key_is_open {
        let says = "everyone on this machine can read tls.key_file";
        findings.push(Finding::warning(CHECK, says, "chmod o= it, and chgrp it to the program's group"));
    }
    findings
}

fn time(facts: &Facts, leaf: &Link) -> Option<Finding> {
    let days = (leaf.until_s - facts.now_s) / DAY_S;
    match () {
        () if facts.now_s < leaf.from_s => {
            Some(Finding::problem(CHECK, "its time has not begun", "see to the clock: timedatectl"))
        }
        // Being over is among the reasons for which it is refused, if it is the first of the chain.
        () if facts.now_s >= leaf.until_s && facts.refused.is_some() => None,
        () if facts.now_s >= leaf.until_s => Some(Finding::problem(CHECK, "it has ended", RENEW)),
        () if days < DAYS_MIN => Some(Finding::warning(CHECK, format!("it ends in {days} days"), RENEW)),
        () => Some(Finding::ok(CHECK, format!("it is good for {days} days, for {}", leaf.names.join(", ")))),
    }
}

fn order(chain: &[Link]) -> Option<Finding> {
    let leaf = chain.first()?;
    if leaf.subject == leaf.issuer {
        let says = "it is signed by itself: browsers warn of it";
        return Some(Finding::warning(CHECK, says, "get one from a certificate authority, such as Let's Encrypt"));
    }
    if chain.len() == 1 {
        let says = "it comes without those above it: phones and other programs refuse it, though your browser may not";
        return Some(Finding::warning(
            CHECK,
            says,
            "give the whole chain in tls.cert_file: with certbot that is fullchain.pem",
        ));
    }
    let broken = chain.windows(2).position(|pair| pair[0].issuer != pair[1].subject)?;
    let (number, next) = (broken + 1, broken + 2);
    let says = format!("the chain is not in order: number {next} did not sign number {number}");
    Some(Finding::problem(CHECK, says, "put the server's own first, then each one that signed the one before"))
}

fn names(facts: &Facts, leaf: &Link) -> Option<Finding> {
    if leaf.names.is_empty() {
        let says = "it names no host (subjectAltName): every browser refuses it";
        return Some(Finding::problem(CHECK, says, "get one for the name under which people come"));
    }
    let host = facts.hosts.iter().find(|host| !leaf.names.iter().any(|name| covers(name, without_port(host))))?;
    let says = format!("http.public_hosts has {host}, and it is for {} only", leaf.names.join(", "));
    Some(Finding::problem(CHECK, says, format!("get one that names {}, too", without_port(host))))
}

fn without_port(host: &str) -> &str {
    host.rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(host, _)| host)
}

/// RFC 9525 §6.3: a star stands for one label, the first.
fn covers(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
        None => name.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn facts() -> Facts {
        let leaf = Link {
            subject: "CN=calls.example.org".to_owned(),
            issuer: "CN=R3".to_owned(),
            names: vec!["calls.example.org".to_owned(), "*.calls.example.org".to_owned()],
            from_s: NOW - DAY_S,
            until_s: NOW + 60 * DAY_S,
        };
        let above = Link { subject: "CN=R3".to_owned(), issuer: "CN=Root".to_owned(), ..leaf.clone() };
        Facts { refused: None, chain: vec![leaf, above], key_is_open: false, hosts: Vec::new(), now_s: NOW }
    }

    /// The worst, and all texts.
    fn verdict(change: impl FnOnce(&mut Facts)) -> (Level, String) {
        let mut facts = facts();
        change(&mut facts);
        let findings = findings(&facts);
        let level = findings.iter().map(|finding| finding.level).max().unwrap();
        (level, findings.into_iter().map(|finding| finding.says).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn a5_a_good_certificate_is_said_to_be_good_and_for_how_long() {
        let (level, says) = verdict(|_| ());
        assert_eq!(level, Level::Ok);
        assert!(says.contains("60 days") && says.contains("calls.example.org"), "{says}");
        assert_eq!(
            verdict(|f| f.hosts = vec!["calls.example.org:8443".into(), "a.calls.example.org".into()]).0,
            Level::Ok
        );
    }

    #[test]
    fn a5_what_is_wrong_with_a_certificate_is_said() {
        type Change = fn(&mut Facts);
        let cases: [(Change, Level, &str); 10] = [
            (|f| f.refused = Some("no pair".into()), Level::Problem, "no pair"),
            (|f| f.chain[0].until_s = NOW, Level::Problem, "ended"),
            (|f| f.chain[0].until_s = NOW + 3 * DAY_S, Level::Warning, "ends in 3 days"),
            (|f| f.chain[0].from_s = NOW + 1, Level::Problem, "not begun"),
            (|f| f.chain.truncate(1), Level::Warning, "without those above"),
            (|f| f.chain[1].subject = "CN=Other".into(), Level::Problem, "number 2 did not sign number 1"),
            (|f| f.chain[0].issuer = f.chain[0].subject.clone(), Level::Warning, "signed by itself"),
            (|f| f.chain[0].names.clear(), Level::Problem, "names no host"),
            (|f| f.hosts = vec!["a.b.calls.example.org".into()], Level::Problem, "a.b.calls.example.org"),
            (|f| f.key_is_open = true, Level::Warning, "can read"),
        ];
        for (change, expected, words) in cases {
            let (level, says) = verdict(change);
            assert!(level == expected && says.contains(words), "{words}: {level:?} {says}");
        }
    }

    #[test]
    fn a5_without_tls_it_depends_on_who_comes() {
        assert_eq!(without(true, true).level, Level::Ok);
        assert_eq!(without(false, false).level, Level::Ok);
        assert_eq!(without(false, true).level, Level::Problem);
    }

    #[test]
    fn a5_the_facts_of_a_real_certificate_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cert.pem");
        let names = vec!["calls.example.org".to_owned(), "192.0.2.7".to_owned()];
        let pair = rcgen::generate_simple_self_signed(names.clone()).unwrap();
        std::fs::write(&file, pair.cert.pem()).unwrap();
        let chain = chain(&file);
        assert_eq!(chain.len(), 1);
        assert_eq!(chain[0].names, names);
        assert!(chain[0].subject == chain[0].issuer && chain[0].until_s > chain[0].from_s);
    }
}
