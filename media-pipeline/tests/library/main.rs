//! The library from the outside: a real directory, doubles for the store, the workers and those who hear.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod claims;
mod collection;
mod hot;
mod jobs;
mod kills;
mod sharing;
mod uploads;
mod world;
