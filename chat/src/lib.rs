//! The chat relay: what it knows is in one journal, what it keeps for those who are away is sealed, and nothing is confirmed
//! before it is durable.

pub mod disk;
pub mod engine;
pub mod journal;
pub mod store;
pub mod vault;
