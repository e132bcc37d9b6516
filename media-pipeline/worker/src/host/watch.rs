//! What a worker uses, as the kernel tells it from outside.

use rustix::io::pread;
use std::os::fd::AsFd;

/// Bytes of `/proc/<pid>/status`: some 1.5 KiB; what is looked for stands in the first two thirds.
const STATUS_BYTES_MAX: usize = 4_096;

/// What a worker uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Bytes of memory, in the machine or swapped out, its page tables included.
    pub(super) memory_bytes: u64,
    /// Threads.
    pub(super) threads: u64,
}

/// Reads what the process of `status` uses. `None` if it has ended, or the kernel does not say.
pub(super) fn usage(status: impl AsFd) -> Option<Usage> {
    let mut bytes = [0; STATUS_BYTES_MAX];
    // One read from the beginning makes the kernel write the text anew.
    let length = pread(status, &mut bytes, 0).ok()?;
    parse(std::str::from_utf8(&bytes[..length]).ok()?)
}

fn parse(text: &str) -> Option<Usage> {
    let mut usage = Usage::default();
    let mut is_alive = false;
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let number = || value.split_whitespace().next()?.parse::<u64>().ok();
        match name {
            "VmRSS" => {
                is_alive = true;
                usage.memory_bytes += number()? * 1_024;
            }
            "VmSwap" | "VmPTE" => usage.memory_bytes += number()? * 1_024,
            "Threads" => usage.threads = number()?,
            _ => {}
        }
    }
    is_alive.then_some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn memory_is_what_is_resident_swapped_and_mapped() {
        let text = "Name:\tx\nVmPeak:\t 900 kB\nVmRSS:\t 100 kB\nVmPTE:\t 3 kB\nVmSwap:\t 20 kB\nThreads:\t7\n";
        assert_eq!(parse(text), Some(Usage { memory_bytes: 123 * 1_024, threads: 7 }));
    }

    #[test]
    fn a_process_that_has_ended_uses_nothing() {
        assert_eq!(parse("Name:\tx\nState:\tZ (zombie)\nThreads:\t1\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn the_kernel_says_it_of_a_process_that_lives_and_again_when_asked_again() {
        let status = File::open("/proc/self/status").expect("it is there");
        let first = usage(&status).expect("this process lives");
        assert!(first.memory_bytes > 100_000 && first.threads >= 1, "{first:?}");
        let more = vec![1_u8; 64 << 20];
        let second = usage(&status).expect("it still does");
        assert!(second.memory_bytes > first.memory_bytes + (32 << 20), "{first:?} {second:?} {}", more.len());
    }
}
