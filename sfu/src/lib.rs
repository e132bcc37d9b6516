//! The I/O shell of the forwarding unit: one thread a shard, UDP in batches.
