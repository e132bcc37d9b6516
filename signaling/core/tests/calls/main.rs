//! Scripts of calls in virtual time, and random ones.

#![expect(clippy::unwrap_used, reason = "a script that does not go as written stops there")]

mod answering;
mod conferences;
mod crowd;
mod desk;
mod ending;
mod handover;
mod judge;
mod links;
mod media;
mod properties;
mod races;
mod reach;
mod records;
mod restart;
mod ringing;
mod room;
mod waiting;
mod world;
