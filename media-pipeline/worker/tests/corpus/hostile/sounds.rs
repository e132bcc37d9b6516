//! Sounds: rates and channels at their ends, what loops, what claims to be long.

use super::Answer::{Either, Made};
use super::{Hostile, as_class, prove};
use std::fs;
use tertulia_media_core::Class;
use tertulia_media_core::Reason::{self, Damaged, Empty, TooComplex, TooLarge, TooLong, Unsupported};

const ODD: &[Reason] = &[Damaged, Empty, Unsupported, TooComplex, TooLong, TooLarge];

fn wav(format: u16, channels: u16, rate: u32, align: u16, bits: u16, data: &[u8]) -> Vec<u8> {
    let about = [
        &format.to_le_bytes()[..],
        &channels.to_le_bytes(),
        &rate.to_le_bytes(),
        &rate.wrapping_mul(u32::from(align)).to_le_bytes(),
        &align.to_le_bytes(),
        &bits.to_le_bytes(),
    ]
    .concat();
    let body =
        [&b"WAVEfmt "[..], &16_u32.to_le_bytes(), &about, b"data", &(data.len() as u32).to_le_bytes(), data].concat();
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

/// A CAF, whose rate is a number with a point.
fn caf(rate: f64, per_packet: u32) -> Vec<u8> {
    let about = [
        &rate.to_be_bytes()[..],
        b"lpcm",
        &[0; 4],
        &2_u32.to_be_bytes(),
        &per_packet.to_be_bytes(),
        &1_u32.to_be_bytes(),
        &16_u32.to_be_bytes(),
    ]
    .concat();
    let part = |kind: &[u8; 4], body: &[u8]| [&kind[..], &(body.len() as u64).to_be_bytes(), body].concat();
    let data = [&[0_u8; 4][..], &[1, 2].repeat(8_000)].concat();
    [&b"caff\0\x01\0\0"[..], &part(b"desc", &about), &part(b"data", &data)].concat()
}

#[test]
fn d8_sounds_that_lie_are_measured_or_refused() {
    let data = [0_u8, 16, 0, 240].repeat(4_000);
    prove(|desk| {
        let mut all: Vec<Hostile> = Vec::new();
        let mut send = |name: String, bytes: Vec<u8>, answer| {
            // By turns: both go the same way, to another encoder.
            let class = if all.len().is_multiple_of(2) { Class::Audio } else { Class::Voice };
            all.push(as_class(class, name, bytes, answer));
        };
        send("honest".into(), wav(1, 1, 8_000, 2, 16, &data), Made);
        for rate in [0, 7, 768_001, u32::MAX] {
            send(format!("{rate} samples a second"), wav(1, 1, rate, 2, 16, &data), Either(ODD));
        }
        for channels in [0, 9, 255, u16::MAX] {
            send(
                format!("{channels} channels"),
                wav(1, channels, 8_000, channels.wrapping_mul(2), 16, &data),
                Either(ODD),
            );
        }
        for (align, bits) in [(0, 16), (2, 0), (u16::MAX, u16::MAX), (1, 24)] {
            send(format!("{bits} bits in {align} bytes"), wav(1, 1, 8_000, align, bits, &data), Either(ODD));
        }
        for rate in [f64::NAN, -48_000.0, 1e300, 8_000.5] {
            send(format!("{rate} samples a second with a point"), caf(rate, 1), Either(ODD));
        }
        send("packets of no samples".into(), caf(8_000.0, 0), Either(ODD));
        send("an endless tag".into(), [&b"ID3\x04\0\0\x7f\x7f\x7f\x7f"[..], &data].concat(), Either(ODD));
        send("tags after tags".into(), b"ID3\x04\0\0\0\0\0\0".repeat(50_000), Either(ODD));
        let song = |name: &str, coded: &str| {
            fs::read(desk.make(name, &format!("-f lavfi -i sine=d=1:r=48000 {coded}"))).unwrap()
        };
        let ogg = song("a.ogg", "-c:a libopus");
        send("a song after a song".into(), [&ogg[..], &ogg, &ogg].concat(), Made);
        send("three hundred songs".into(), ogg.repeat(300), Either(ODD));
        let flac = song("a.flac", "");
        let mut endless = flac.clone();
        // The number of samples: 36 bits.
        endless[21] |= 0x0f;
        endless[22..26].copy_from_slice(&[0xff; 4]);
        send("a day of samples, by its header".into(), endless, Either(ODD));
        all
    });
}
