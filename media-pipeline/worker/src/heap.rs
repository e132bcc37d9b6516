//! The C libraries' memory: pages that a job is going to need are there before it comes.
//!
//! FFmpeg takes its memory from the C library's allocator, whose habit is to give back what is free and to take it again: each
//! page anew costs a fault and its clearing. A process that does one job and ends has nobody to give it back to.
#![expect(unsafe_code, reason = "the C library's allocator is C")]

/// What is made ready, in pieces: the packets of a video at the limit, and what decodes its first pictures. A worker that waits
/// costs so much memory.
const PIECES: usize = 16;
const PIECE_BYTES: usize = 1024 * 1024;
/// Larger ones are mapped one by one, and given back when they are free: frames of 4K, of which each is as large as all this.
const MAPPED_BYTES: i32 = 4 * 1024 * 1024;
const PAGE_BYTES: usize = 4096;

/// Keeps what is free, and touches what will be used.
///
/// To be called before the process is closed in, once.
pub(crate) fn warm_up() {
    // SAFETY: they only set numbers of the allocator.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
    // All at once, or each would be the one before.
    let pieces: [*mut u8; PIECES] = std::array::from_fn(|_| touched());
    for piece in pieces {
        // SAFETY: allocated there, and freed once; nothing may be freed too.
        unsafe { libc::free(piece.cast()) };
    }
}

/// Memory with each of its pages there, or nothing.
fn touched() -> *mut u8 {
    // SAFETY: any size may be asked for; what is written is within it.
    unsafe {
        let piece = libc::malloc(PIECE_BYTES).cast::<u8>();
        if !piece.is_null() {
            (0..PIECE_BYTES).step_by(PAGE_BYTES).for_each(|at| piece.add(at).write_volatile(0));
        }
        piece
    }
}
