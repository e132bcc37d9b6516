//! The harness: the real program, clients that speak to it from the outside, and the media they send.
//!
//! - [`Server`] starts the program for one test; [`metrics`] sees its counters move.
//! - [`Client`] is one device's signalling, [`Socket`] a bare WebSocket for what no client would send, [`http`] the rest.
//! - [`attendance`] is who is in a call, as a client keeps it.
//! - [`accounts`] registers people and links devices, with a carrier that brings the PINs.
//! - [`person`] is somebody who sends and fetches files by HTTP; [`media_files`] makes those files.
//! - [`scene`] is how most tests begin: a call that rings, is accepted, has media.
//! - [`push`] is a push service with a browser behind it.
//! - [`chat`] judges histories of messages, and makes them.
//! - [`media`] holds the peers: one on `str0m`, one on `webrtc` (an implementation of its own), and the tone they send.
//!
//! Everything waits for a condition ([`wait`]), never for a time.

pub mod accounts;
pub mod attendance;
pub mod chat;
pub mod client;
pub mod http;
pub mod media;
pub mod media_files;
pub mod metrics;
pub mod person;
pub mod push;
pub mod scene;
pub mod server;
pub mod socket;
pub mod token;
pub mod wait;

pub use client::{Client, Refused};
pub use person::Person;
pub use server::Server;
pub use socket::{Incoming, Socket};
