//! The targets, one file each. What several need of the forwarding unit is in [`shard`].

pub mod authentic;
pub mod bodies;
mod call;
pub mod config;
pub mod datagrams;
pub mod forward;
pub mod frames;
pub mod media;
pub mod offer;
mod open;
pub mod phone;
mod shard;
pub mod tcp;
pub mod tokens;
