//! From what is configured to what the parts are told: the timers and limits of one part that follow from those of
//! another.

use super::Config;
use super::addresses::Machine;
use anyhow::Context as _;
use std::time::Duration;
use tertulia_sfu::{Limits, TcpLimits};
use tertulia_signaling_core::Timeouts;

/// How long a peer that failed or finished lingers beyond the call's own timers, so that the call decides first.
const PEER_MARGIN: Duration = Duration::from_secs(15);

impl Config {
    /// What the media unit is told.
    pub(crate) fn sfu(&self) -> anyhow::Result<tertulia_sfu::Config> {
        let media = &self.media;
        let (bind, advertise) = self.media_addresses(Machine::look)?;
        let defaults = Limits::default();
        let grace = Duration::from_millis(self.calls.grace_ms);
        let connect = Duration::from_millis(self.calls.ring_timeout_ms + self.calls.connect_timeout_ms);
        Ok(tertulia_sfu::Config {
            shards: media.shards,
            bind,
            port: media.port,
            advertise,
            tcp: media.tcp.then(|| TcpLimits {
                connections_max: media.tcp_connections_max,
                per_address_max: media.tcp_connections_per_address_max,
                ..TcpLimits::default()
            }),
            estimate_initial_bps: media.estimate_initial_bps,
            limits: Limits {
                rooms_max: media.rooms_max,
                peers_max: media.peers_max,
                room_peers_max: media.room_peers_max,
                busy_rooms_max_percent: media.busy_rooms_max_percent,
                busy_joins_max_percent: media.busy_joins_max_percent,
                publish_bitrate_max_bps: media.publish_bitrate_max_bps,
                peer_silence_max: Duration::from_millis(media.peer_silence_max_ms),
                peer_gone_after: defaults.peer_gone_after.max(grace + PEER_MARGIN),
                peer_connect_max: defaults.peer_connect_max.max(connect + PEER_MARGIN),
                ..defaults
            },
        })
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
            ..defaults
        }
    }

    /// What the gateway is told.
    pub(crate) fn gateway(&self) -> anyhow::Result<tertulia_signaling::Config> {
        Ok(tertulia_signaling::Config {
            keys: super::api_keys(self).context("[[api_keys]]")?,
            demo_key: self.is_demo().then(|| super::INTERNAL_KEY_ID.to_owned()),
            call_link_key: self.call_link_key()?,
            accounts: self.accounts()?,
            timeouts: self.timeouts(),
            limits: self.signaling.clone(),
            allowed_origins: self.http.allowed_origins.clone(),
            video_codec: self.calls.video_codec,
            ice_servers: self.ice()?,
            uploads: None, // opened with the directory, in `run`
            chat: None,    // as well
            push: None,    // as well
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_outlasts_the_timers_of_its_call() {
        let text = "[calls]\nring_timeout_ms = 100000\nconnect_timeout_ms = 20000\ngrace_ms = 90000";
        let limits = Config::parse(text, []).unwrap().sfu().unwrap().limits;
        assert_eq!(limits.peer_connect_max, Duration::from_secs(135));
        assert_eq!(limits.peer_gone_after, Duration::from_secs(105));
    }
}
