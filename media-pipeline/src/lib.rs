//! Uploads: limited, sniffed, hashed and stored in one pass; made playable by sandboxed workers; kept, shared, collected.
//!
//! The directory owns what is known about a file (who has it, what was made of it, who may see it), the store owns its bytes,
//! named by their SHA-256. An upload is confirmed only after both are on disk.

pub mod cache;
mod claims;
pub mod collect;
mod hash;
pub mod ingest;
pub mod jobs;
pub mod library;
pub mod links;
mod quota;
pub mod store;
pub mod tus;
