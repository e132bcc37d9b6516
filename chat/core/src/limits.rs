//! What one relay lets its clients grow.

use std::time::Duration;

/// The limits. Each is a setting of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Devices one user may have a mailbox on. Raising it multiplies what every message to the user costs.
    pub devices_per_user_max: usize,
    /// Entries that may wait for one device; the oldest are given up, and the device hears `gap`. Raising it lets a device
    /// that never comes back keep more bodies on the disk.
    pub mailbox_entries_max: u32,
    /// How long an entry waits for a device.
    pub keep: Duration,
    /// How many of a device's latest messages are known by their client's id. A client may resend only what is among these:
    /// it must not have more than this many unconfirmed. Raising it costs 40 bytes each in memory and in every snapshot.
    pub dedup_per_device: usize,
    /// The longest body, in bytes.
    pub body_bytes_max: usize,
    /// Members of a group. Raising it makes what is sent to the largest groups, and every change of them, cost more.
    pub group_members_max: usize,
    /// How many of a group's latest changes are known by their client's id. Raising it makes every change write more.
    pub group_changes_known: usize,
    /// Conversations one user may be in.
    pub conversations_per_user_max: usize,
    /// Items a device may have been handed without acknowledging: above, nothing more is handed out until it does. They have to fit
    /// into the queue of its socket, beside answers.
    pub unacknowledged_max: usize,
    /// And how many bytes they may have together; a single one may have more. What is on its way to a reader has to fit into
    /// the queue of its socket. Raising it drains a mailbox quicker over a long way.
    pub unacknowledged_bytes_max: usize,
    /// How long a message may go without an acknowledgement by any device of its person before they are woken, and how often they
    /// are at most.
    pub wake_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            devices_per_user_max: 8,
            mailbox_entries_max: 20_000,
            keep: Duration::from_secs(30 * 24 * 3600),
            dedup_per_device: 64,
            body_bytes_max: 64 * 1024,
            group_members_max: 256,
            group_changes_known: 64,
            conversations_per_user_max: 5_000,
            unacknowledged_max: 192,
            unacknowledged_bytes_max: 32 * 1024,
            wake_after: Duration::from_secs(10),
        }
    }
}
