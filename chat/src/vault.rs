//! Keys for message bodies at rest.
