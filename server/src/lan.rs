//! `tertulia run --lan`: a trial on the network at home, with a certificate of this machine's own.
//!
//! Browsers give camera and microphone to HTTPS pages only, and nobody gives out certificates for addresses at home. So an
//! authority is made here, which vouches for this machine's addresses; a device that installs it is not warned.

mod authority;

pub(crate) use authority::{CA_FILE, Issued};

use crate::config::{Config, make_private_folder, own_addresses};
use anyhow::{Context as _, bail};
use authority::Authority;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Where it listens, unless told. Above 1024, so that anyone may.
const PORT: u16 = 8443;
/// How often the machine's addresses are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// This machine on its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lan {
    /// The first is the one to tell people.
    addresses: Vec<IpAddr>,
    /// By multicast DNS, where this machine speaks it: `name.local`.
    name: Option<String>,
    /// They are all this machine has, and follow it.
    is_own: bool,
}

impl Lan {
    /// By what to be reached: by the address it is told to listen at, if that leads beyond this machine, else by all it has.
    pub(crate) fn find(listen: IpAddr) -> anyhow::Result<Self> {
        let is_own = listen.is_loopback() || listen.is_unspecified();
        let addresses = if is_own { own_addresses() } else { vec![listen] };
        if addresses.is_empty() {
            bail!("this machine is on no network: connect it, and try again");
        }
        Ok(Self { addresses, name: own_name(), is_own })
    }

    /// Lays over the configuration what a trial needs and nobody said.
    pub(crate) fn apply(&self, config: &mut Config) -> anyhow::Result<()> {
        if config.tls.files().is_some() {
            bail!("--lan makes a certificate, and [tls] has one: leave one of them out");
        }
        if config.http.listen.ip().is_loopback() {
            config.http.listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
        }
        config.demo.get_or_insert(true);
        // Whoever is bound to HTTPS for a name at home has no way past the warning.
        config.http.hsts_max_age_s = 0;
        config.tls.cert_file = Some(authority::certificate_file(&config.data.dir));
        config.tls.key_file = Some(authority::key_file(&config.data.dir));
        Ok(())
    }

    /// Sees to it that the folder has a certificate for these addresses.
    pub(crate) fn issue(&self, folder: &Path) -> anyhow::Result<Issued> {
        make_private_folder(folder).with_context(|| folder.display().to_string())?;
        let authority = Authority::open(folder, &self.addresses)?;
        authority.issue(folder, &self.addresses, self.name.as_deref())
    }

    /// Renews the certificate while the program runs: before its time is over, and when the machine's addresses change.
    pub(crate) async fn renew(mut self, folder: PathBuf) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if self.is_own
                && let Ok(now) = Self::find(Ipv4Addr::UNSPECIFIED.into())
                && now != self
            {
                self = now;
                tracing::warn!(
                    addresses = ?self.addresses,
                    "this machine has other addresses: pages are served there, but calls go on where they were told; \
                     start again to have them there"
                );
            }
            match self.issue(&folder) {
                Ok(issued) if issued.is_new_authority => tracing::warn!(
                    "the authority of the earlier addresses can't vouch for these: there is a new one; start again to hand it out"
                ),
                Ok(_) => {}
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "the certificate for the local network was not renewed");
                }
            }
        }
    }

    /// The address to open.
    pub(crate) fn url(&self, port: u16) -> String {
        self.addresses.first().map(|ip| url(&bracketed(*ip), port)).unwrap_or_default()
    }

    /// What to do now, for whoever looks at the terminal.
    pub(crate) fn words(&self, port: u16, issued: &Issued, folder: &Path, in_color: bool) -> String {
        let first = self.url(port);
        let others = self.addresses.iter().skip(1).map(|ip| bracketed(*ip)).chain(self.name.clone());
        let others = others.map(|host| url(&host, port)).collect::<Vec<_>>().join("  ");
        let also = if others.is_empty() { others } else { format!("also: {others}\n\n") };
        let qr = qr(&first, in_color);
        let file = folder.join(CA_FILE);
        let file = file.display();
        let new = if issued.is_new_authority { " It is new: an earlier one does not do." } else { "" };
        format!(
            "\nOpen this on a phone or computer in the same network:\n\n    {first}\n\n{also}{qr}\n\
             The browser warns that it does not know the certificate: go on, for this machine made it itself. To be rid of\n\
             the warning, install {file} on the device (it is at {first}{CA_FILE}); it vouches\n\
             for machines of networks like this one only.{new}\n"
        )
    }
}

fn url(host: &str, port: u16) -> String {
    if port == 443 { format!("https://{host}/") } else { format!("https://{host}:{port}/") }
}

fn bracketed(ip: IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

/// Dark on light whatever the terminal's colours are, where it has any.
fn qr(url: &str, in_color: bool) -> String {
    let Ok(code) = QrCode::new(url) else { return String::new() };
    let image = code.render::<Dense1x2>().quiet_zone(true).build();
    if !in_color {
        return format!("{image}\n");
    }
    image.lines().fold(String::new(), |text, line| text + "\x1b[38;5;16;48;5;231m" + line + "\x1b[0m\n")
}

fn own_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    local_name(&name)
}

/// The name of a machine as the local network knows it.
fn local_name(hostname: &str) -> Option<String> {
    let first = hostname.trim().split('.').next()?.to_ascii_lowercase();
    let is_name = !first.is_empty() && first.len() <= 63 && first != "localhost";
    let is_plain = first.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_name && is_plain).then(|| format!("{first}.local"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lan() -> Lan {
        Lan {
            addresses: vec!["192.168.7.9".parse().unwrap(), "10.1.2.3".parse().unwrap()],
            name: Some("laptop.local".to_owned()),
            is_own: true,
        }
    }

    #[test]
    fn a5_what_nobody_said_is_laid_over_and_what_was_said_stays() {
        let mut config = Config::default();
        lan().apply(&mut config).unwrap();
        assert_eq!(config.http.listen, "0.0.0.0:8443".parse().unwrap());
        assert!(config.is_demo() && config.tls.files().is_some());
        assert!(lan().apply(&mut config).unwrap_err().to_string().contains("--lan"), "there is a certificate");

        let mut said = Config { demo: Some(false), ..Config::default() };
        said.http.listen = "192.168.7.9:9000".parse().unwrap();
        lan().apply(&mut said).unwrap();
        assert_eq!(said.http.listen, "192.168.7.9:9000".parse().unwrap());
        assert!(!said.is_demo());
    }

    #[test]
    fn the_words_say_where_to_go_and_what_the_warning_is() {
        let issued = Issued { ca_pem: String::new(), is_new_authority: true };
        let words = lan().words(8443, &issued, Path::new("data"), false);
        let said =
            ["https://192.168.7.9:8443/\n", "https://10.1.2.3:8443/", "https://laptop.local:8443/", "█", "warns"];
        for text in said.into_iter().chain(["data/local-ca.pem", "https://192.168.7.9:8443/local-ca.pem", "It is new"])
        {
            assert!(words.contains(text), "{text} is missing in {words}");
        }
        assert!(lan().words(443, &issued, Path::new("data"), true).contains("https://192.168.7.9/\n"));
    }

    #[test]
    fn a_machine_has_a_local_name_if_it_has_a_name() {
        assert_eq!(local_name("Laptop.home.example\n").as_deref(), Some("laptop.local"));
        for none in ["localhost", "", "na me", "späti"] {
            assert_eq!(local_name(none), None, "{none}");
        }
    }
}
