//! The tables as sea-orm sees them. Rows stay in this crate: everyone else gets the domain's types.

pub(crate) mod block;
pub(crate) mod call;
pub(crate) mod departed;
pub(crate) mod device;
pub(crate) mod live_call;
pub(crate) mod run;
pub(crate) mod user;
