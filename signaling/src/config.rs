//! What the gateway is told at start.
//!
//! Invariant: everything that a client can make grow has its limit here, by name, with what moving it costs.

use crate::ChatConfig;
use crate::accounts::AccountsConfig;
use crate::auth::Keys;
use crate::bucket::Rate;
use crate::ice::IceServer;
use crate::outbox::OutboxLimits;
use crate::presence::WatchLimits;
use crate::uploads::Uploads;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tertulia_push::Pusher;
use tertulia_signaling_core::Timeouts;
use tertulia_signaling_proto::VideoCodec;

/// What the gateway is told at start.
pub struct Config {
    /// The API keys whose tokens count.
    pub keys: Keys,
    /// If this is a demo: the id of the key (HS256, in `keys`) that signs the tokens of its sign-in.
    pub demo_key: Option<String>,
    /// What the tokens of call links are made with: 32 random bytes, the same in every run.
    pub call_link_key: [u8; 32],
    /// Accounts of this server.
    pub accounts: AccountsConfig,
    /// How long the parts of a call may take.
    pub timeouts: Timeouts,
    /// What one client may take.
    pub limits: Limits,
    /// Pages of which origins may connect (`https://app.example.org`), besides the server's own. Empty: in a demo none, else
    /// all, since without a cookie another site's page can do nothing that it has no token for.
    pub allowed_origins: Vec<String>,
    /// What clients are told to code cameras as.
    pub video_codec: VideoCodec,
    /// STUN and TURN servers to tell clients of.
    pub ice_servers: Vec<IceServer>,
    /// Absent: no uploads are taken.
    pub uploads: Option<Uploads>,
    /// The chat relay. Absent: no messages are relayed.
    pub chat: Option<ChatConfig>,
    /// Wakes people whose devices are away. Absent: nobody is woken.
    pub push: Option<Pusher>,
}

/// What one client may take: the section `[signaling]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of the largest frame from a client, and of the largest HTTP body. Raising it lets each socket hold more memory.
    pub frame_bytes_max: u32,
    /// Bytes of the largest SDP offer. An offer for 25 slots has about 20 KB.
    pub sdp_bytes_max: u32,
    /// Requests a second of one session, on average. Raising it lets one client cost more CPU.
    pub requests_per_s: u32,
    /// Requests of one session at once above that average.
    pub requests_burst: u32,
    /// Requests refused by the two above before the socket is closed; one is forgiven a second.
    pub rate_limited_max: u32,
    /// Requests of one session that have no answer yet.
    pub outstanding_max: u32,
    /// Frames of one socket that could not be read before it is closed; one is forgiven every six seconds.
    pub bad_frames_max: u32,
    /// Calls that one user may place a minute, on average. Raising it lets one person ring others more often.
    pub invites_per_minute: u32,
    /// Calls that one user may place at once above that average.
    pub invites_burst: u32,
    /// Calls that one user may place to the same person a minute, on average. Raising it lets one person pester another.
    pub rings_per_minute: u32,
    /// Calls that one user may place to the same person at once above that average.
    pub rings_burst: u32,
    /// Frames that wait for one socket. A client that is behind by more is a slow reader: its socket is closed.
    pub queue_frames_max: u32,
    /// Their bytes.
    pub queue_bytes_max: u32,
    /// Frames kept for one session until it has acknowledged them, for a resume.
    pub replay_frames_max: u32,
    /// Their bytes. Times the number of sessions, this is the most that replay can take.
    pub replay_bytes_max: u32,
    /// How long one write to a socket may take before the client is a slow reader, in milliseconds.
    pub write_timeout_ms: u32,
    /// How long a new socket may take to say `hello`, in milliseconds.
    pub hello_timeout_ms: u32,
    /// A `ping` comes this often, in seconds; nothing for twice as long closes the socket. Raising it finds dead sockets later,
    /// lowering it costs battery.
    pub heartbeat_s: u32,
    /// How long a session without a socket is kept, in seconds. Raising it keeps more memory for those who do not come back.
    pub resume_window_s: u32,
    /// Sockets of this server.
    pub sockets_max: u32,
    /// Sockets of one remote address (of IPv6, of one /64). Behind a proxy all have the proxy's address: set it to `sockets_max`.
    pub sockets_per_address_max: u32,
    /// WebSockets that one remote address may open a minute, on average; at once as many, or `sockets_per_address_max` if that
    /// is more. Raising it lets one client make the server check more tokens.
    pub socket_opens_per_minute: u32,
    /// Other HTTP requests of one remote address a second, on average.
    pub http_requests_per_s: u32,
    /// The same at once above that average.
    pub http_requests_burst: u32,
    /// Sessions of this server, with and without a socket.
    pub sessions_max: u32,
    /// Devices of one user that have a session. Raising it multiplies what one call makes ring.
    pub devices_per_user_max: u32,
    /// Devices in one group call; a room for media has to hold as many (`media.room_peers_max`). Raising it makes its rosters longer, which
    /// whoever comes is told.
    pub call_participants_max: u32,
    /// Call links that one user may have.
    pub call_links_per_user_max: u32,
    /// How long a call link is good for at most, in days; one that says nothing is good for as long. Raising it leaves forgotten links
    /// open for longer.
    pub call_link_days_max: u32,
    /// Call links that one user may look at or come in by in a minute, right or wrong. Raising it lets one person guess more.
    pub call_link_tries_per_minute: u32,
    /// Programs that publish into calls or play them (WHIP, WHEP), of this server. Each keeps its offer in memory (`sdp_bytes_max`), and is
    /// a device in its call beside.
    pub standard_peers_max: u32,
    /// The same of one user. Raising it lets one person fill a call with programs.
    pub standard_peers_per_user_max: u32,
    /// People that one session may watch the presence of. Raising it makes a change of one person's cost more, where many watch many.
    pub watched_users_max: u32,
    /// Groups of which one session may want to know who types.
    pub watched_groups_max: u32,
    /// Demo only: sign-ins of one remote address a minute.
    pub sign_ins_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 64 * 1024,
            sdp_bytes_max: 48 * 1024,
            requests_per_s: 20,
            requests_burst: 60,
            rate_limited_max: 100,
            outstanding_max: 16,
            bad_frames_max: 10,
            invites_per_minute: 30,
            invites_burst: 10,
            rings_per_minute: 12,
            rings_burst: 10,
            queue_frames_max: 256,
            queue_bytes_max: 256 * 1024,
            replay_frames_max: 512,
            replay_bytes_max: 384 * 1024,
            write_timeout_ms: 10_000,
            hello_timeout_ms: 10_000,
            heartbeat_s: 15,
            resume_window_s: 60,
            sockets_max: 50_000,
            sockets_per_address_max: 1_000,
            socket_opens_per_minute: 600,
            http_requests_per_s: 30,
            http_requests_burst: 300,
            sessions_max: 60_000,
            devices_per_user_max: 16,
            call_participants_max: 500,
            call_links_per_user_max: 50,
            call_link_days_max: 365,
            call_link_tries_per_minute: 30,
            standard_peers_max: 1_000,
            standard_peers_per_user_max: 4,
            watched_users_max: 200,
            watched_groups_max: 50,
            sign_ins_per_minute: 60,
        }
    }
}

/// Sign-ins of one remote address at once.
const SIGN_INS_BURST: u32 = 30;

impl Limits {
    /// Whether they can hold together.
    ///
    /// # Errors
    /// The name of the first that can't, and why.
    pub fn check(&self) -> Result<(), String> {
        let positive = [
            ("requests_per_s", self.requests_per_s),
            ("requests_burst", self.requests_burst),
            ("rate_limited_max", self.rate_limited_max),
            ("outstanding_max", self.outstanding_max),
            ("bad_frames_max", self.bad_frames_max),
            ("invites_per_minute", self.invites_per_minute),
            ("invites_burst", self.invites_burst),
            ("rings_per_minute", self.rings_per_minute),
            ("rings_burst", self.rings_burst),
            ("queue_frames_max", self.queue_frames_max),
            ("write_timeout_ms", self.write_timeout_ms),
            ("hello_timeout_ms", self.hello_timeout_ms),
            ("heartbeat_s", self.heartbeat_s),
            ("resume_window_s", self.resume_window_s),
            ("sockets_max", self.sockets_max),
            ("sockets_per_address_max", self.sockets_per_address_max),
            ("socket_opens_per_minute", self.socket_opens_per_minute),
            ("http_requests_per_s", self.http_requests_per_s),
            ("http_requests_burst", self.http_requests_burst),
            ("sessions_max", self.sessions_max),
            ("devices_per_user_max", self.devices_per_user_max),
            ("call_participants_max", self.call_participants_max),
            ("call_links_per_user_max", self.call_links_per_user_max),
            ("call_link_days_max", self.call_link_days_max),
            ("call_link_tries_per_minute", self.call_link_tries_per_minute),
            ("sign_ins_per_minute", self.sign_ins_per_minute),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("{name} must be at least 1"));
        }
        if self.sdp_bytes_max >= self.frame_bytes_max {
            return Err("sdp_bytes_max must be less than frame_bytes_max: the offer travels in a frame".to_owned());
        }
        if self.queue_frames_max > self.replay_frames_max || self.queue_bytes_max > self.replay_bytes_max {
            return Err("the queue must fit into the replay: what a slow reader has not read is kept there".to_owned());
        }
        Ok(())
    }

    pub(crate) fn requests(&self) -> Rate {
        Rate::per_second(self.requests_per_s, self.requests_burst)
    }

    pub(crate) fn rate_limited(&self) -> Rate {
        Rate::per_second(1, self.rate_limited_max)
    }

    pub(crate) fn bad_frames(&self) -> Rate {
        Rate::per_minute(10, self.bad_frames_max)
    }

    pub(crate) fn invites(&self) -> Rate {
        Rate::per_minute(self.invites_per_minute, self.invites_burst)
    }

    pub(crate) fn socket_opens(&self) -> Rate {
        Rate::per_minute(self.socket_opens_per_minute, self.socket_opens_per_minute.max(self.sockets_per_address_max))
    }

    pub(crate) fn http_requests(&self) -> Rate {
        Rate::per_second(self.http_requests_per_s, self.http_requests_burst)
    }

    pub(crate) fn rings(&self) -> Rate {
        Rate::per_minute(self.rings_per_minute, self.rings_burst)
    }

    pub(crate) fn call_link_tries(&self) -> Rate {
        Rate::per_minute(self.call_link_tries_per_minute, self.call_link_tries_per_minute)
    }

    pub(crate) fn sign_ins(&self) -> Rate {
        Rate::per_minute(self.sign_ins_per_minute, SIGN_INS_BURST)
    }

    pub(crate) fn outbox(&self) -> OutboxLimits {
        OutboxLimits {
            queue_frames: self.queue_frames_max as usize,
            queue_bytes: self.queue_bytes_max as usize,
            replay_frames: self.replay_frames_max as usize,
            replay_bytes: self.replay_bytes_max as usize,
        }
    }

    pub(crate) fn watches(&self) -> WatchLimits {
        WatchLimits { users: self.watched_users_max, groups: self.watched_groups_max }
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_secs(self.heartbeat_s.into())
    }

    pub(crate) fn resume_window(&self) -> Duration {
        Duration::from_secs(self.resume_window_s.into())
    }

    pub(crate) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms.into())
    }

    pub(crate) fn hello_timeout(&self) -> Duration {
        Duration::from_millis(self.hello_timeout_ms.into())
    }

    pub(crate) fn wire(&self) -> tertulia_signaling_proto::Limits {
        tertulia_signaling_proto::Limits {
            frame_bytes_max: self.frame_bytes_max,
            requests_per_s: self.requests_per_s,
            requests_burst: self.requests_burst,
            outstanding_max: self.outstanding_max,
            watched_users_max: self.watched_users_max,
            watched_groups_max: self.watched_groups_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_together() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused_by_name() {
        let zero = Limits { heartbeat_s: 0, ..Limits::default() };
        assert!(zero.check().unwrap_err().contains("heartbeat_s"));
        let sdp = Limits { sdp_bytes_max: 64 * 1024, ..Limits::default() };
        assert!(sdp.check().unwrap_err().contains("sdp_bytes_max"));
        let queue = Limits { queue_frames_max: 1_000, ..Limits::default() };
        assert!(queue.check().is_err());
    }

    #[test]
    fn a_mistyped_limit_is_an_error() {
        assert!(serde_json::from_str::<Limits>(r#"{"heartbeat_s": 5}"#).is_ok());
        assert!(serde_json::from_str::<Limits>(r#"{"heartbeats": 5}"#).is_err());
    }
}
