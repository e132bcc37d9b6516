//! What a call may take of time and memory: every map that a client can grow has its bound here.

use std::time::Duration;

/// How long things may take. The defaults are those of DESIGN and of the phones people know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From invite to missed. Longer: more calls ring into an empty room; shorter: people do not reach their phone.
    pub ring: Duration,
    /// From answer until the media of both sides is up. Longer: people stare at "connecting"; shorter: slow networks fail.
    pub connect: Duration,
    /// How long a side's media may be gone. Longer: people talk to nobody; shorter: a tunnel or a change of network ends a call.
    pub grace: Duration,
    /// How long a finished call is remembered for late requests. Longer: memory; shorter than a session's resume window: a
    /// device that comes back hears "no such call" instead of how it ended.
    pub tombstone: Duration,
    /// How long the server may have been away for an answered call to go on after it. Longer: a call comes back that people
    /// have long given up; shorter: a slow start of the machine ends calls.
    pub outage: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            ring: Duration::from_secs(60),
            connect: Duration::from_secs(15),
            grace: Duration::from_secs(30),
            tombstone: Duration::from_secs(120),
            outage: Duration::from_secs(120),
        }
    }
}

/// Calls at once, of one process. Raising it costs about a kilobyte a call; below it, more callers hear that the server is full.
pub const CALLS_MAX: usize = 50_000;

/// Calls that ring for one user at once. Raising it lets more callers fill one person's screen, and makes every invite and
/// every new connection of theirs look through more calls; at 1, a second caller would hear an error while the first rings.
pub const CALLS_PER_CALLEE_MAX: usize = 8;

/// Devices that ring for one call. Raising it multiplies what one invite sends; below the devices a user may have, the last
/// to connect stay silent.
pub const LEGS_PER_CALL_MAX: usize = 32;

/// Ringing devices that may connect their media before the answer. Raising it makes every invite a larger storm of
/// handshakes; the devices above it take a handshake longer from accept to first audio.
pub const EARLY_MEDIA_LEGS_MAX: usize = 8;

/// Finished calls that are remembered. Raising it costs about a kilobyte each; when it is too low for the rate of calls,
/// late requests hear "no such call" earlier than [`Timeouts::tombstone`].
pub const TOMBSTONES_MAX: usize = 20_000;

/// Devices in one conference. Raising it makes rosters longer: who comes is told everyone, and everyone is told who comes.
pub const PARTICIPANTS_MAX: usize = 500;

/// Up to so many devices in a conference every roster names all of them; above it what has changed. Raising it sends more of what is
/// known already: a hundred bytes for each, to each, once a second while people come and go.
pub const ROSTER_WHOLE_MAX: usize = 32;

/// People who were in a conference or asked into it. Raising it costs about 100 bytes each while the call goes on, in memory and each
/// time that it is written, and a row each when it is over. A group has fewer members: it takes many who come and go to get there.
pub const PARTIES_MAX: usize = 2_048;

/// People who wait to be let into one call. Raising it costs a longer list for its hosts at each change; below it, who comes to a crowded
/// door hears that too many wait.
pub const WAITING_MAX: usize = 64;

/// How long somebody waits to be let in. Longer: the list fills with people who have gone for a coffee; shorter: who is patient has to ask
/// again.
pub const WAIT_MAX: Duration = Duration::from_secs(30 * 60);

/// How long somebody who was turned away can't ask again. Longer: a host's slip is harder to mend; shorter: the same stranger knocks more
/// often.
pub const TURNED_AWAY_FOR: Duration = Duration::from_secs(5 * 60);

/// How much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`CALLS_MAX`].
    pub calls: usize,
    /// See [`CALLS_PER_CALLEE_MAX`].
    pub calls_per_callee: usize,
    /// See [`LEGS_PER_CALL_MAX`].
    pub legs_per_call: usize,
    /// See [`EARLY_MEDIA_LEGS_MAX`].
    pub early_media_legs: usize,
    /// See [`TOMBSTONES_MAX`].
    pub tombstones: usize,
    /// See [`PARTICIPANTS_MAX`].
    pub participants: usize,
    /// See [`ROSTER_WHOLE_MAX`].
    pub roster_whole: usize,
    /// See [`WAITING_MAX`].
    pub waiting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: CALLS_MAX,
            calls_per_callee: CALLS_PER_CALLEE_MAX,
            legs_per_call: LEGS_PER_CALL_MAX,
            early_media_legs: EARLY_MEDIA_LEGS_MAX,
            tombstones: TOMBSTONES_MAX,
            participants: PARTICIPANTS_MAX,
            roster_whole: ROSTER_WHOLE_MAX,
            waiting: WAITING_MAX,
        }
    }
}

/// One of the [`Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// [`Limits::calls`]: the invite is refused.
    Calls,
    /// [`Limits::calls_per_callee`]: the invite is refused.
    CallsPerCallee,
    /// [`Limits::legs_per_call`]: a device does not ring.
    LegsPerCall,
    /// [`Limits::early_media_legs`]: a device connects its media after the answer only.
    EarlyMediaLegs,
    /// [`Limits::tombstones`]: the oldest finished call is forgotten.
    Tombstones,
    /// [`Limits::participants`]: a device may not join.
    Participants,
    /// [`PARTIES_MAX`](crate::PARTIES_MAX): somebody is not asked in.
    Parties,
    /// [`Limits::waiting`]: somebody may not wait to be let in.
    Waiting,
}
