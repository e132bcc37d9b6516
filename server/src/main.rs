//! The program: configuration, wiring, start, drain, command line.
fn main() {}
