//! The harness: clients, load and end-to-end tests from the outside.
