//! Fuzz targets: one function for everything that reads what a stranger sends.
//!
//! A target panics when an invariant of its reader breaks; it says which at its top. `cargo test` replays the seeds and
//! mutations of them (`tests/replay.rs`); `tests/fuzz/run.sh` lets coverage guide them for as long as one likes.

pub mod mutate;
mod targets;

pub use targets::{
    authentic, bodies, boxes, config, datagrams, descriptor, form, forward, frames, headers, media, offer, phone,
    sniff, tcp, tokens, websocket, worker,
};

/// A target: its name, which is the folder of its seeds, and what it does with some bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// The folder of its seeds.
    pub name: &'static str,
    /// Panics if an invariant breaks.
    pub run: fn(&[u8]),
    /// Mutations that the short test tries; fewer where one costs more.
    pub mutations: usize,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "authentic", run: authentic::target, mutations: 80 },
    Target { name: "bodies", run: bodies::target, mutations: 6_000 },
    Target { name: "boxes", run: boxes::target, mutations: 6000 },
    Target { name: "config", run: config::target, mutations: 3_000 },
    Target { name: "datagrams", run: datagrams::target, mutations: 600 },
    Target { name: "descriptor", run: descriptor::target, mutations: 6_000 },
    Target { name: "form", run: form::target, mutations: 3000 },
    Target { name: "forward", run: forward::target, mutations: 6_000 },
    Target { name: "frames", run: frames::target, mutations: 6_000 },
    Target { name: "headers", run: headers::target, mutations: 6000 },
    Target { name: "media", run: media::target, mutations: 60 },
    Target { name: "offer", run: offer::target, mutations: 500 },
    Target { name: "phone", run: phone::target, mutations: 2_000 },
    Target { name: "sniff", run: sniff::target, mutations: 6000 },
    Target { name: "tcp", run: tcp::target, mutations: 6_000 },
    Target { name: "tokens", run: tokens::target, mutations: 3_000 },
    Target { name: "websocket", run: websocket::target, mutations: 6_000 },
    Target { name: "worker", run: worker::target, mutations: 6_000 },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}
