//! Media: peers that send and receive through the server, and what they send.

mod arrival;
mod fleet;
mod peer;
mod road;
mod synthetic;
pub mod tone;
pub mod webrtc_peer;

pub use fleet::{FREEZE, Fleet, GAP, Latencies, Member, Tally};
pub use peer::{Heard, Line, Peer};
pub use road::Way;
pub use synthetic::{LAYERS, STAMP_AT, Sending};
