//! The C libraries' memory: pages that a job is going to need are there before it comes.
//!
//! FFmpeg takes its memory from the C library's allocator, whose habit is to give back what is free and to take it again: each
//! page anew costs a fault and its clearing, and each page costs once more when the process ends, which whoever waits for the job
//! waits for. A process that does one job and ends has nobody to give it back to; large pages are few.
#![expect(unsafe_code, reason = "the C library's allocator is C")]

/// What is made ready: the packets of a video at the limit, and what decodes its first pictures. A worker that waits costs so much
/// memory.
const READY_BYTES: usize = 8 * LARGE_PAGE_BYTES;
/// Larger ones are mapped one by one, and given back when they are free: frames of 4K, of which each is as large as all this.
const MAPPED_BYTES: i32 = 4 * 1024 * 1024;
/// So much is never mapped: what is made ready, as one piece, lies where all the rest will.
const NEVER_MAPPED_BYTES: i32 = 32 * 1024 * 1024;
const LARGE_PAGE_BYTES: usize = 2 * 1024 * 1024;
const PAGE_BYTES: usize = 4096;

/// Keeps what is free, and touches what will be used.
///
/// To be called before the process is closed in, once.
pub(crate) fn warm_up() {
    #[cfg(target_env = "gnu")]
    // SAFETY: they only set numbers of the allocator. One heap: a thread with its own would have none of what is ready.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, NEVER_MAPPED_BYTES);
    }
    let piece = touched();
    // SAFETY: allocated there, and freed once; nothing may be freed too.
    unsafe { libc::free(piece.cast()) };
    #[cfg(target_env = "gnu")]
    // SAFETY: as above.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
    }
}

/// Memory with each of its pages there, or nothing.
fn touched() -> *mut u8 {
    // SAFETY: any size may be asked for; what is advised of and written is within it.
    unsafe {
        let piece = libc::malloc(READY_BYTES).cast::<u8>();
        if !piece.is_null() {
            let before = piece.align_offset(LARGE_PAGE_BYTES).min(READY_BYTES);
            let large = (READY_BYTES - before) / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
            // Where the kernel has none of them, small ones do.
            let _small = libc::madvise(piece.add(before).cast(), large, libc::MADV_HUGEPAGE);
            (0..READY_BYTES).step_by(PAGE_BYTES).for_each(|at| piece.add(at).write_volatile(0));
        }
        piece
    }
}
