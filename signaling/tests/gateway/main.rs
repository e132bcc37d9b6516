//! The gateway from the outside, over real sockets on loopback: its clients speak WebSocket and HTTP, media stays silent.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it must be")]

mod accounts;
mod calls;
mod connections;
mod devices;
mod http;
mod limits;
mod restart;
mod sessions;
mod support;
