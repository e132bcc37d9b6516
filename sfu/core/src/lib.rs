//! The selective forwarding unit, sans-IO.
