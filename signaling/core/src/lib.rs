//! The call state machine, sans-IO.
