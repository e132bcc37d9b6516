//! One pass over bytes that stream in: limit, sniff, hash, spool.

mod spool;

pub use spool::Spooled;
