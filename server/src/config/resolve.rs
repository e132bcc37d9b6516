//! From what is configured to what the parts are told: media addresses where none are given, and the timers and limits
//! of one part that follow from those of another.

use super::Config;
use anyhow::Context as _;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;
use tertulia_sfu::Limits;
use tertulia_signaling_core::Timeouts;
use tertulia_signaling_proto::IceServer;

/// How long a peer that failed or finished lingers beyond the call's own timers, so that the call decides first.
const PEER_MARGIN: Duration = Duration::from_secs(15);

impl Config {
    /// What the media unit is told.
    pub(crate) fn sfu(&self) -> anyhow::Result<tertulia_sfu::Config> {
        let media = &self.media;
        let (bind, advertise) = self.media_addresses(primary_address)?;
        let defaults = Limits::default();
        let grace = Duration::from_millis(self.calls.grace_ms);
        let connect = Duration::from_millis(self.calls.ring_timeout_ms + self.calls.connect_timeout_ms);
        Ok(tertulia_sfu::Config {
            shards: media.shards,
            bind,
            port: media.port,
            advertise,
            estimate_initial_bps: media.estimate_initial_bps,
            limits: Limits {
                rooms_max: media.rooms_max,
                peers_max: media.peers_max,
                room_peers_max: media.room_peers_max,
                publish_bitrate_max_bps: media.publish_bitrate_max_bps,
                peer_silence_max: Duration::from_millis(media.peer_silence_max_ms),
                peer_gone_after: defaults.peer_gone_after.max(grace + PEER_MARGIN),
                peer_connect_max: defaults.peer_connect_max.max(connect + PEER_MARGIN),
                ..defaults
            },
        })
    }

    /// Where to bind, and what to tell clients.
    ///
    /// A demo on loopback tells two: Chromium takes loopback, Firefox takes no loopback candidate at all, so it needs
    /// the machine's own address. Beyond loopback media is where HTTP is; on loopback without a demo (a proxy is in
    /// front, or nothing yet) it stays on loopback until the operator says more.
    fn media_addresses(&self, primary: impl Fn() -> Option<IpAddr>) -> anyhow::Result<(IpAddr, Vec<IpAddr>)> {
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let local_demo = self.is_demo() && self.http.listen.ip().is_loopback();
        let bind = self.media.bind_ip.unwrap_or_else(|| match () {
            () if local_demo => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            () if self.http.listen.ip().is_loopback() => loopback,
            () => self.http.listen.ip(),
        });
        if !self.media.advertise.is_empty() {
            return Ok((bind, self.media.advertise.clone()));
        }
        if !bind.is_unspecified() {
            return Ok((bind, vec![bind]));
        }
        let mut advertise: Vec<IpAddr> = primary().into_iter().collect();
        if local_demo {
            advertise.insert(0, loopback);
        }
        if advertise.is_empty() {
            anyhow::bail!(
                "this machine has no address but loopback: say in media.advertise which one clients are told"
            );
        }
        Ok((bind, advertise))
    }

    /// What the call core is told.
    pub(crate) fn timeouts(&self) -> Timeouts {
        let resume = Duration::from_secs(self.signaling.resume_window_s.into());
        let defaults = Timeouts::default();
        Timeouts {
            ring: Duration::from_millis(self.calls.ring_timeout_ms),
            connect: Duration::from_millis(self.calls.connect_timeout_ms),
            grace: Duration::from_millis(self.calls.grace_ms),
            // A device that resumes must still hear how its call ended.
            tombstone: defaults.tombstone.max(resume * 2),
        }
    }

    /// What the gateway is told.
    pub(crate) fn gateway(&self) -> anyhow::Result<tertulia_signaling::Config> {
        Ok(tertulia_signaling::Config {
            keys: super::api_keys(self).context("[[api_keys]]")?,
            demo_key: self.is_demo().then(|| super::INTERNAL_KEY_ID.to_owned()),
            timeouts: self.timeouts(),
            limits: self.signaling.clone(),
            allowed_origins: self.http.allowed_origins.clone(),
            ice_servers: self.ice_servers.iter().map(to_wire).collect(),
        })
    }
}

fn to_wire(server: &super::IceServer) -> IceServer {
    IceServer { urls: server.urls.clone(), username: server.username.clone(), credential: server.credential() }
}

/// The address from which this machine reaches others: that of its default route, else the first that is no loopback.
fn primary_address() -> Option<IpAddr> {
    // Connecting a UDP socket sends nothing; it only asks for the route (192.0.2.0/24 is for documentation, RFC 5737).
    let routed = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| {
            socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
            socket.local_addr()
        })
        .map(|address| address.ip())
        .ok()
        .filter(|ip| !ip.is_unspecified() && !ip.is_loopback());
    routed.or_else(|| {
        let interfaces = if_addrs::get_if_addrs().ok()?;
        interfaces
            .iter()
            .filter(|interface| !interface.is_loopback())
            .map(if_addrs::Interface::ip)
            .find(IpAddr::is_ipv4)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 7, 9));
    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    fn addresses(text: &str, primary: Option<IpAddr>) -> anyhow::Result<(IpAddr, Vec<IpAddr>)> {
        Config::parse(text, []).unwrap().media_addresses(|| primary)
    }

    #[test]
    fn a_demo_on_loopback_tells_loopback_and_the_machines_own_address() {
        assert_eq!(addresses("", Some(LAN)).unwrap(), (ANY, vec![LOOPBACK, LAN]));
        assert_eq!(addresses("", None).unwrap(), (ANY, vec![LOOPBACK]));
    }

    #[test]
    fn without_a_demo_media_stays_on_loopback() {
        assert_eq!(addresses("demo = false", Some(LAN)).unwrap(), (LOOPBACK, vec![LOOPBACK]));
    }

    #[test]
    fn beyond_loopback_media_is_where_http_is() {
        let specific = "demo = true\nhttp.listen = \"192.168.7.9:80\"\nhttp.trusted_proxies = [\"192.168.7.1\"]";
        assert_eq!(addresses(specific, None).unwrap(), (LAN, vec![LAN]));
        let any = "demo = true\nhttp.listen = \"0.0.0.0:80\"\nhttp.trusted_proxies = [\"192.168.7.1\"]";
        assert_eq!(addresses(any, Some(LAN)).unwrap(), (ANY, vec![LAN]));
        assert!(addresses(any, None).unwrap_err().to_string().contains("media.advertise"));
    }

    #[test]
    fn what_is_configured_is_what_is_told() {
        let both = "media.bind_ip = \"0.0.0.0\"\nmedia.advertise = [\"203.0.113.5\"]";
        assert_eq!(addresses(both, Some(LAN)).unwrap(), (ANY, vec!["203.0.113.5".parse().unwrap()]));
        assert_eq!(addresses("media.bind_ip = \"192.168.7.9\"", None).unwrap(), (LAN, vec![LAN]));
    }

    #[test]
    fn a_peer_outlasts_the_timers_of_its_call() {
        let text = "[calls]\nring_timeout_ms = 100000\nconnect_timeout_ms = 20000\ngrace_ms = 90000";
        let limits = Config::parse(text, []).unwrap().sfu().unwrap().limits;
        assert_eq!(limits.peer_connect_max, Duration::from_secs(135));
        assert_eq!(limits.peer_gone_after, Duration::from_secs(105));
    }
}
