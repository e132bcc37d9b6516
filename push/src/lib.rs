//! Wakes people whose devices are not connected: by Web Push (RFC 8030, 8291, 8292), and by a signed webhook for whoever
//! wakes devices by other carriers.
//!
//! Invariants: a push says that something waits, or who calls; never what was written. What is on its way is bounded in number
//! and time, and losing a push loses nothing: what it tells of waits in the mailbox. Pushes go to the hosts that the operator
//! allows and to no other, whatever a client asks for.

mod carry;
mod figures;
mod pusher;
mod sealed;
mod subscription;
mod vapid;
mod webhook;

pub use carry::{Carried, Failed, carry};
pub use pusher::{Config, Notice, Pusher, Setup, WebPush};
pub use subscription::{Hosts, Refused, Subscription};
pub use vapid::{BadKey, Vapid};
pub use webhook::{Webhook, WebhookError};
