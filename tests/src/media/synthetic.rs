//! Synthetic media: RTP payloads that look like VP8 and Opus to whoever forwards them, on an exact schedule, each with
//! the time it was written, so that the receiver can tell how long it took.

use std::time::{Duration, Instant};
use str0m::media::Mid;

/// Where in a payload the time stamp lies, eight bytes, microseconds of the fleet's clock.
pub const STAMP_AT: usize = 16;

/// What a peer sends on a line.
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    /// Video, or audio.
    pub video: bool,
    /// Frames (or audio packets) a second.
    pub fps: f64,
    /// Packets a frame, sent in one burst.
    pub burst: usize,
    /// Payload bytes of a packet.
    pub bytes: usize,
    /// Which of a camera's sizes it is, where it comes in several (RFC 8852).
    pub rid: Option<&'static str>,
    /// Pixels.
    pub height: u16,
}

/// A camera in three sizes, the smallest first: 150, 490 and 1,580 kbit/s.
pub const LAYERS: [Sending; 3] = [
    Sending { video: true, fps: 30.0, burst: 1, bytes: 625, rid: Some("q"), height: 180 },
    Sending { video: true, fps: 30.0, burst: 2, bytes: 1020, rid: Some("h"), height: 360 },
    Sending { video: true, fps: 30.0, burst: 6, bytes: 1100, rid: Some("f"), height: 720 },
];

impl Sending {
    /// 180 packets a second of 1,100 bytes, in bursts of six: a 720p camera.
    pub const VIDEO: Self = Self { rid: None, ..LAYERS[2] };
    /// 50 packets a second of 100 bytes: a voice.
    pub const AUDIO: Self = Self { video: false, fps: 50.0, burst: 1, bytes: 100, rid: None, height: 0 };

    /// Time between two frames.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.fps)
    }
}

/// One packet to send.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) seq: u64,
    pub(crate) time: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Vec<u8>,
}

/// A line's stream: makes the packets that are due.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) mid: Mid,
    pub(crate) sending: Sending,
    start: Instant,
    next_frame: Instant,
    on: bool,
    frames: u64,
    packets: u64,
    /// The next frame is a key frame: the first is, and one after each request.
    key: bool,
}

impl Stream {
    pub(crate) fn new(mid: Mid, sending: Sending, first_frame: Instant) -> Self {
        Self { mid, sending, start: first_frame, next_frame: first_frame, on: true, frames: 0, packets: 0, key: true }
    }

    pub(crate) fn pause(&mut self) {
        self.on = false;
    }

    /// Goes on: numbers continue, time has passed.
    pub(crate) fn resume(&mut self, next_frame: Instant) {
        (self.on, self.key, self.next_frame) = (true, true, next_frame);
    }

    pub(crate) fn want_key_frame(&mut self) {
        self.key = true;
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.on.then_some(self.next_frame)
    }

    /// The packets of the next frame if it is due by `now`.
    pub(crate) fn frame(&mut self, now: Instant, clock: Duration) -> Option<Vec<Packet>> {
        if !self.on || self.next_frame > now {
            return None;
        }
        let key = std::mem::take(&mut self.key);
        let burst = (0..self.sending.burst).map(|index| self.packet(index, key, clock)).collect();
        self.frames += 1;
        self.next_frame += self.sending.interval();
        Some(burst)
    }

    fn packet(&mut self, index: usize, key: bool, clock: Duration) -> Packet {
        self.packets += 1;
        let mut payload = vec![0u8; self.sending.bytes];
        if self.sending.video {
            vp8_head(&mut payload, self.frames, self.sending.height, index == 0, key);
        } else {
            // The TOC byte of a 20 ms Opus frame, CELT fullband, mono (RFC 6716 §3.1).
            payload[0] = 0xf8;
        }
        let stamp = u64::try_from(clock.as_micros()).unwrap_or(u64::MAX);
        payload[STAMP_AT..STAMP_AT + 8].copy_from_slice(&stamp.to_be_bytes());
        let rate = if self.sending.video { 90_000.0 } else { 48_000.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "RTP time wraps around")]
        let time = (self.next_frame.saturating_duration_since(self.start).as_secs_f64() * rate) as u64 as u32;
        Packet { seq: self.packets, time, marker: self.sending.video && index + 1 == self.sending.burst, payload }
    }
}

/// The VP8 payload descriptor with a 15-bit picture id (RFC 7741 §4.2), and on a frame's first packet its header (§4.3).
fn vp8_head(payload: &mut [u8], frame: u64, height: u16, first: bool, key: bool) {
    let [high, low] = ((frame & 0x7fff) as u16).to_be_bytes();
    payload[..4].copy_from_slice(&[if first { 0x90 } else { 0x80 }, 0x80, 0x80 | high, low]);
    if first && key {
        // Shown key frame, start code, the size: 16 by 9.
        let ([w0, w1], [h0, h1]) = ((height / 9 * 16).to_le_bytes(), height.to_le_bytes());
        payload[4..14].copy_from_slice(&[0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, w0, w1, h0, h1]);
    } else if first {
        payload[4] = 0x11;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_starts_with_a_key_frame_and_gives_another_when_asked() {
        let start = Instant::now();
        let mut stream = Stream::new("v".into(), Sending::VIDEO, start);
        let first = stream.frame(start, Duration::ZERO).unwrap();
        assert_eq!(first.len(), 6);
        assert_eq!(first[0].payload[4] & 1, 0, "a key frame has a zero bit");
        assert!(first[5].marker && !first[4].marker);
        assert!(stream.frame(start, Duration::ZERO).is_none(), "the next is not due yet");
        let later = start + Duration::from_millis(34);
        assert_eq!(stream.frame(later, Duration::ZERO).unwrap()[0].payload[4] & 1, 1);
        stream.want_key_frame();
        assert_eq!(stream.frame(later, Duration::ZERO).map(|_| ()), None);
        let third = stream.frame(start + Duration::from_millis(70), Duration::ZERO).unwrap();
        assert_eq!(third[0].payload[4] & 1, 0);
        assert_eq!(third[0].seq, 13);
        stream.pause();
        assert!(stream.due().is_none() && stream.frame(start + Duration::from_secs(1), Duration::ZERO).is_none());
        stream.resume(start + Duration::from_secs(1));
        let fourth = stream.frame(start + Duration::from_secs(1), Duration::ZERO).unwrap();
        assert_eq!((fourth[0].seq, fourth[0].time), (19, 90_000));
    }
}
