//! Who is connected where, and which shard holds a room.
//!
//! Both answers are hints for routing, never the truth: losing them costs a look-up, no call. There is one engine today,
//! in memory, and so there is no trait: [`Sessions`] and [`Placement`] are what the gateway holds.

mod placement;
mod sessions;

pub use placement::Placement;
pub use sessions::{Claim, DevicesFull, Fence, Holder, Sessions};
