//! One pass over bytes that stream in: limit, sniff, hash, spool.

mod hash;
mod spool;

pub use spool::{Spool, SpoolFile, SpoolLimits, Spooled};
