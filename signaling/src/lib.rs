//! WebSocket and HTTP gateway: tokens, sessions, dispatch.
//!
//! ```text
//!   socket ──── session ── hub ── registry        who is connected, and how to reach them
//!     │            │
//!   hello      requests ── exchange ── core       what a device asks for; the calls
//!                             ├── media ── sfu    whose peer is which
//!                             └── history ── directory
//! ```
//!
//! A session is a device's conversation with the server; it outlives its sockets. The exchange
//! owns the calls behind one lock. The wire's types stay in `socket`, `requests`, `http` and `translate`.

mod accounts;
pub mod auth;
mod authenticate;
mod bucket;
mod call_entries;
mod chat;
mod clock;
mod config;
mod devices;
mod doors;
mod exchange;
mod gateway;
mod gauges;
mod hello;
mod history;
mod http;
mod hub;
mod ice;
mod media;
mod metrics;
mod origin;
mod outbox;
mod people;
mod presence;
mod quality;
mod requests;
mod session;
mod socket;
mod translate;
mod uploads;
mod websocket;
mod wire;

#[doc(hidden)]
pub mod fuzzing {
    //! What the fuzz targets reach of this crate. Nothing else uses it.

    pub use crate::accounts::fuzz_phone as phone;
    pub use crate::websocket::fuzz as websocket;
}

pub use accounts::{AccountLimits, AccountsConfig, PhoneSignIn, PinSender, Region, UnknownRegion};
pub use chat::{ChatConfig, GroupsConfig};
pub use config::{Config, Limits};
pub use gateway::{DrainCalls, Gateway};
pub use ice::{IceAccess, IceServer};
pub use uploads::{Transfer, UploadEvents, Uploads};
pub use wire::together;
