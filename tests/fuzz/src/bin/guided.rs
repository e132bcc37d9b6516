//! One target under libFuzzer, which keeps the inputs that reach new code: `TERTULIA_FUZZ_TARGET` names it.
//! `tests/fuzz/run.sh` builds this with the instrumentation that it needs, and runs it.
#![no_main]

use std::sync::LazyLock;
use tertulia_fuzz::{TARGETS, Target, target};

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("TERTULIA_FUZZ_TARGET").unwrap_or_default();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    target(&name).unwrap_or_else(|| panic!("TERTULIA_FUZZ_TARGET is {name:?}, and there are {names:?}"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (CHOSEN.run)(data));
