//! Files as FFmpeg reads and writes them: through descriptors that are open already, never by a name.
//!
//! Every read and write says where (`pread`, `pwrite`): the descriptor's own position is neither used nor moved, so one
//! input can be opened several times in a row.

#![expect(unsafe_code, reason = "libavformat is C")]

use super::ff::Fault;
use ffmpeg_next::format::context::StreamIo;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

/// Bytes that go through at a time.
const BUFFER: usize = 256 * 1024;
/// Bytes that are waited for before something is written: all that there is room for.
const BUFFER_MIN: i32 = 256 * 1024;

/// A file with a position of its own.
struct At {
    file: File,
    position: u64,
    /// What may be written. Reading has no such bound.
    bytes_max: u64,
}

impl Read for At {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let count = self.file.read_at(into, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for At {
    fn write(&mut self, from: &[u8]) -> Result<usize> {
        if self.position.saturating_add(from.len() as u64) > self.bytes_max {
            return Err(rustix::io::Errno::FBIG.into());
        }
        let count = self.file.write_at(from, self.position)?;
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Seek for At {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

/// For reading, with seeking.
pub(crate) fn reader(file: File) -> std::result::Result<StreamIo, Fault> {
    let at = At { file, position: 0, bytes_max: 0 };
    StreamIo::from_read_seek_with_capacity(at, BUFFER).map_err(|_| Fault::MEMORY)
}

/// For writing, with seeking, at most `bytes_max`: more answers a fault.
pub(crate) fn writer(file: File, bytes_max: u64) -> std::result::Result<StreamIo, Fault> {
    let at = At { file, position: 0, bytes_max };
    let mut io = StreamIo::from_write_seek_with_capacity(at, BUFFER).map_err(|_| Fault::MEMORY)?;
    // SAFETY: fresh and ours. Without it every packet is written by itself, as to a listener who waits for it.
    unsafe { (*io.as_mut_ptr()).min_packet_size = BUFFER_MIN };
    Ok(io)
}
