//! Uploads as fast as the socket takes them, or as a network of a given rate would bring them.

use anyhow::{Context, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tertulia_tests::wait::PATIENCE;

/// Bytes that are given to the socket at a time.
const PIECE: usize = 256 * 1024;
/// The same where a rate is kept: half a millisecond of 1 Gbit/s.
const PACED_PIECE: usize = 64 * 1024;

/// Bytes without a pattern, of which no two are alike.
pub(super) struct Noise {
    bytes: Vec<u8>,
    count: u64,
}

impl Noise {
    pub(super) fn new(length: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend(state.to_le_bytes());
        }
        bytes.truncate(length);
        Self { bytes, count: 0 }
    }

    /// Others than before.
    pub(super) fn next(&mut self) -> &[u8] {
        self.count += 1;
        self.bytes[16..24].copy_from_slice(&self.count.to_le_bytes());
        &self.bytes
    }
}

/// An upload that has begun.
pub(super) struct Sending(TcpStream);

impl Sending {
    pub(super) fn begin(to: SocketAddr, token: &str, length: usize) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!(
            "POST /v1/media?as=document HTTP/1.1\r\nhost: {to}\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        Ok(Self(stream))
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        bytes.chunks(PIECE).try_for_each(|piece| self.0.write_all(piece)).context("it is not taken")
    }

    /// No quicker than so many bytes a second. What came late is not made up for: a network does not either.
    fn send_paced(&mut self, bytes: &[u8], rate: u64) -> anyhow::Result<()> {
        for piece in bytes.chunks(PACED_PIECE) {
            let next = Instant::now() + Duration::from_nanos(piece.len() as u64 * 1_000_000_000 / rate);
            self.0.write_all(piece).context("it is not taken")?;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }

    /// The answer, which must say that it is there.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        let mut answer = Vec::new();
        self.0.read_to_end(&mut answer)?;
        let text = String::from_utf8_lossy(&answer);
        ensure!(text.starts_with("HTTP/1.1 201"), "{text}");
        Ok(())
    }
}

/// A whole upload.
pub(super) fn upload(to: SocketAddr, token: &str, bytes: &[u8]) -> anyhow::Result<()> {
    upload_at(to, token, bytes, None)
}

/// The same, at a rate in bytes a second.
pub(super) fn upload_at(to: SocketAddr, token: &str, bytes: &[u8], rate: Option<u64>) -> anyhow::Result<()> {
    let mut sending = Sending::begin(to, token, bytes.len())?;
    match rate {
        None => sending.send(bytes)?,
        Some(rate) => sending.send_paced(bytes, rate)?,
    }
    sending.end()
}
