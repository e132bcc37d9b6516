//! Blobs in S3, or what speaks its protocol.

/// A bucket.
#[derive(Debug)]
pub struct S3 {}

/// Which bucket.
#[derive(Debug)]
pub struct S3Config {}
