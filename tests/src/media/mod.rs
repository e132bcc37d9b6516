//! Media: peers that send and receive through the server, and what they send.

mod fleet;
mod peer;
mod synthetic;
pub mod tone;
pub mod webrtc_peer;

pub use fleet::{Fleet, Latencies, Member, Tally};
pub use peer::{Heard, Line, Peer};
pub use synthetic::{STAMP_AT, Sending};
