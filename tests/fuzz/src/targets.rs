//! The targets, one file each. What several need of the forwarding unit is in [`shard`].

pub mod authentic;
pub mod bodies;
pub mod boxes;
mod call;
pub mod config;
pub mod datagrams;
pub mod descriptor;
pub mod form;
pub mod forward;
pub mod frames;
pub mod headers;
pub mod media;
pub mod offer;
mod open;
pub mod phone;
mod shard;
pub mod sniff;
pub mod tcp;
pub mod tokens;
pub mod websocket;
pub mod worker;
