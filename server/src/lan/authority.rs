//! The authority of this machine, and the certificate that it gives it.
//!
//! Invariant: the authority's key never leaves the data folder (0600), and what it may vouch for is in its own certificate:
//! networks at home, `.local`, and the addresses that this machine had when it was made. Whoever steals it can't pose as
//! anyone else to a device that has installed it (RFC 5280 §4.2.1.10).

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// The authority's certificate, for devices to install: its name in the data folder, and at our door.
pub(crate) const CA_FILE: &str = "local-ca.pem";
const CA_KEY_FILE: &str = "local-ca.key";

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A device that has installed it is spared doing so again.
const CA_LASTS: Duration = DAY.saturating_mul(3650);
/// Apple's devices take no certificate that lasts longer than 398 days.
const LASTS: Duration = DAY.saturating_mul(397);
/// What must remain of either; below, a new one is made.
const REMAINS: Duration = DAY.saturating_mul(30);
/// Clocks at home go wrong by some hours.
const BACKDATED: Duration = DAY;

/// Networks at home and in offices, this machine itself.
const NETWORKS: [(IpAddr, u8); 9] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
];

pub(super) fn certificate_file(folder: &Path) -> PathBuf {
    folder.join("local.pem")
}

pub(super) fn key_file(folder: &Path) -> PathBuf {
    folder.join("local.key")
}

/// What came of issuing.
#[derive(Debug)]
pub(crate) struct Issued {
    /// The authority's certificate.
    pub(crate) ca_pem: String,
    pub(crate) is_new_authority: bool,
}

/// The authority.
pub(super) struct Authority {
    key: KeyPair,
    pem: String,
    is_new: bool,
}

impl Authority {
    /// The folder's, if it may vouch for these addresses and its time is not nearly over; else a new one.
    pub(super) fn open(folder: &Path, addresses: &[IpAddr]) -> anyhow::Result<Self> {
        let (key_file, file) = (folder.join(CA_KEY_FILE), folder.join(CA_FILE));
        let mine_alone = std::fs::metadata(&key_file).is_ok_and(|file| file.permissions().mode() & 0o077 == 0);
        if mine_alone
            && let (Ok(key), Ok(pem)) = (std::fs::read_to_string(&key_file), std::fs::read_to_string(&file))
            && let Ok(key) = KeyPair::from_pem(&key)
            && let Some(facts) = Facts::read(&pem)
            && facts.is_of(&key)
            && facts.lasts()
            && addresses.iter().all(|address| facts.may_name(*address))
        {
            return Ok(Self { key, pem, is_new: false });
        }
        let key = KeyPair::generate()?;
        let pem = ca_params(addresses).self_signed(&key)?.pem();
        write_private(&key_file, &key.serialize_pem())?;
        write_private(&file, &pem)?;
        Ok(Self { key, pem, is_new: true })
    }

    /// Sees to it that the folder has a certificate for these names, which lasts.
    pub(super) fn issue(self, folder: &Path, addresses: &[IpAddr], name: Option<&str>) -> anyhow::Result<Issued> {
        let (file, key_file) = (certificate_file(folder), key_file(folder));
        let mut addresses = addresses.to_vec();
        addresses.extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        let issued = Issued { ca_pem: self.pem.clone(), is_new_authority: self.is_new };
        if !self.is_new
            && let Ok(pem) = std::fs::read_to_string(&file)
            && let Some(facts) = Facts::read(&pem)
            && facts.lasts()
            && addresses.iter().all(|address| facts.addresses.contains(address))
            && let Ok(key) = std::fs::read_to_string(&key_file)
            && KeyPair::from_pem(&key).is_ok_and(|key| facts.is_of(&key))
        {
            return Ok(issued);
        }
        let mut params = params(LASTS, "Tertulia on this machine");
        params.subject_alt_names = addresses.into_iter().map(SanType::IpAddress).collect();
        for name in ["localhost"].into_iter().chain(name) {
            params.subject_alt_names.push(SanType::DnsName(name.try_into()?));
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let issuer = Issuer::from_ca_cert_pem(&self.pem, self.key)?;
        let pem = params.signed_by(&key, &issuer)?.pem();
        write_private(&key_file, &key.serialize_pem())?;
        write_private(&file, &pem)?;
        Ok(issued)
    }
}

fn params(lasts: Duration, name: &str) -> CertificateParams {
    let now = SystemTime::now();
    let mut params = CertificateParams::default();
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + lasts).into();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn ca_params(addresses: &[IpAddr]) -> CertificateParams {
    let mut params = params(CA_LASTS, "Tertulia, for devices on this network");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let own = addresses.iter().map(|ip| (*ip, if ip.is_ipv4() { 32 } else { 128 }));
    let networks = NETWORKS.into_iter().chain(own).map(|(ip, bits)| CidrSubnet::from_addr_prefix(ip, bits));
    let names = ["local", "localhost"].map(|name| GeneralSubtree::DnsName(name.to_owned()));
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: networks.map(GeneralSubtree::IpAddress).chain(names).collect(),
        excluded_subtrees: Vec::new(),
    });
    params
}

/// What a certificate says, as far as it matters here.
struct Facts {
    public_key: Vec<u8>,
    ends: i64,
    addresses: Vec<IpAddr>,
    /// Address and mask, one after the other.
    may_name: Vec<Vec<u8>>,
}

impl Facts {
    fn read(pem: &str) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let names = parsed.subject_alternative_name().ok()?.map(|names| names.value.general_names.as_slice());
        let constraints = parsed.name_constraints().ok()?.and_then(|found| found.value.permitted_subtrees.as_deref());
        let addresses = |name: &GeneralName<'_>| match name {
            GeneralName::IPAddress(bytes) => Some(bytes.to_vec()),
            _ => None,
        };
        Some(Self {
            public_key: parsed.public_key().raw.to_vec(),
            ends: parsed.validity().not_after.timestamp(),
            addresses: names.unwrap_or_default().iter().filter_map(addresses).filter_map(|ip| to_ip(&ip)).collect(),
            may_name: constraints.unwrap_or_default().iter().filter_map(|tree| addresses(&tree.base)).collect(),
        })
    }

    fn is_of(&self, key: &KeyPair) -> bool {
        use rcgen::PublicKeyData as _;
        key.subject_public_key_info() == self.public_key
    }

    fn lasts(&self) -> bool {
        let until = SystemTime::now() + REMAINS;
        let until = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        u64::try_from(self.ends).is_ok_and(|ends| ends > until)
    }

    fn may_name(&self, address: IpAddr) -> bool {
        let address = match address {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        self.may_name.iter().any(|tree| {
            let (network, mask) = tree.split_at(tree.len() / 2);
            network.len() == address.len() && (0..address.len()).all(|at| address[at] & mask[at] == network[at])
        })
    }
}

fn to_ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Whole or not at all, and for this user only.
fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(".new");
    let written = std::fs::remove_file(&draft)
        .or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
        .and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft))
        .and_then(|mut out| {
            out.write_all(text.as_bytes())?;
            out.sync_all()
        })
        .and_then(|()| std::fs::rename(&draft, file));
    written.with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn issue(folder: &Path, addresses: &[IpAddr]) -> (Issued, String) {
        let issued = Authority::open(folder, addresses).unwrap().issue(folder, addresses, Some("x.local")).unwrap();
        (issued, std::fs::read_to_string(certificate_file(folder)).unwrap())
    }

    #[test]
    fn a5_a_certificate_is_made_once_and_anew_only_for_other_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let (first, certificate) = issue(folder.path(), &[ip("192.168.1.5")]);
        assert!(first.is_new_authority);
        let (again, same) = issue(folder.path(), &[ip("192.168.1.5")]);
        assert!(!again.is_new_authority && same == certificate);
        let (moved, other) = issue(folder.path(), &[ip("10.0.0.7")]);
        assert!(!moved.is_new_authority && other != certificate, "the devices' authority stays");
        assert_eq!(moved.ca_pem, first.ca_pem);
        assert!(Facts::read(&other).unwrap().addresses.contains(&ip("10.0.0.7")));
        for name in [CA_KEY_FILE, "local.key"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a5_the_authority_may_vouch_for_networks_at_home_and_what_this_machine_had() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = issue(folder.path(), &[ip("203.0.113.5")]);
        let facts = Facts::read(&first.ca_pem).unwrap();
        for address in ["10.9.9.9", "192.168.0.1", "172.31.0.1", "127.0.0.1", "::1", "fd00::1", "203.0.113.5"] {
            assert!(facts.may_name(ip(address)), "{address}");
        }
        for address in ["8.8.8.8", "172.32.0.1", "203.0.113.6", "2001:db8::1", "11.0.0.1"] {
            assert!(!facts.may_name(ip(address)), "{address}");
        }
        let (elsewhere, _) = issue(folder.path(), &[ip("198.51.100.1")]);
        assert!(elsewhere.is_new_authority, "the old one could not vouch for it");
    }

    #[test]
    fn a_key_that_others_could_read_is_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = issue(folder.path(), &[ip("10.0.0.1")]);
        let key = folder.path().join(CA_KEY_FILE);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let (second, _) = issue(folder.path(), &[ip("10.0.0.1")]);
        assert!(second.is_new_authority && second.ca_pem != first.ca_pem);
    }
}
