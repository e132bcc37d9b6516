//! The tables as sea-orm sees them. Rows stay in this crate: everyone else gets the domain's types.

pub(crate) mod blob;
pub(crate) mod block;
pub(crate) mod call;
pub(crate) mod call_entry;
pub(crate) mod call_link;
pub(crate) mod call_party;
pub(crate) mod departed;
pub(crate) mod device;
pub(crate) mod group_call;
pub(crate) mod group_call_entry;
pub(crate) mod live_call;
pub(crate) mod media;
pub(crate) mod media_content;
pub(crate) mod media_grant;
pub(crate) mod media_job;
pub(crate) mod media_open;
pub(crate) mod media_upload;
pub(crate) mod push;
pub(crate) mod run;
pub(crate) mod user;
