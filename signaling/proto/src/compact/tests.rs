//! Compact frames: short, what they were, and refused where they are none.

use super::*;
use crate::Codec;
use serde_json::{Value, json};

fn msgpack(value: &Value) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap()
}

/// Packed, and what comes of it again.
fn there_and_back(value: &Value) -> Vec<u8> {
    let packed = pack(&msgpack(value)).unwrap();
    let again: Value = rmp_serde::from_slice(&unpack(&packed).unwrap()).unwrap();
    assert_eq!(again, *value);
    packed
}

#[test]
fn names_and_ids_are_short_and_come_back_as_they_were() {
    let id = "019f5c7a-2e5d-7000-8000-00000000000b";
    let packed = there_and_back(&json!({"type": "mailbox.ack", "seq": 5}));
    assert_eq!(packed, [0x82, 2, 5, 0, TYPES.iter().position(|name| *name == "mailbox.ack").unwrap() as u8]);
    assert_eq!(there_and_back(&json!({"client_id": id})).len(), 1 + 1 + 18);
    assert_eq!(there_and_back(&json!({"conversation": "0123456789abcdef0123456789abcdef"})).len(), 1 + 1 + 18);
    let sent = json!({
        "type": "message.send", "id": 300, "client_id": id, "to": {"user": "bob"},
        "content": {"type": "text", "text": "See you at six?"},
    });
    assert_eq!(there_and_back(&sent).len(), 54, "of {}", msgpack(&sent).len());
}

#[test]
fn whatever_is_no_name_or_id_stays_as_it_is() {
    for text in [
        "",
        "type",
        "call",
        "019F5C7A-2E5D-7000-8000-00000000000B",
        "019f5c7a+2e5d-7000-8000-00000000000b",
        "019f5c7a-2e5d-7000-8000-00000000000g",
        "0123456789ABCDEF0123456789abcdef",
        "x".repeat(300).as_str(),
        "y".repeat(70_000).as_str(),
        "Grüße 👋 ٣",
    ] {
        there_and_back(
            &json!({"text": text, "type": text, "of another version": {"type": [text, -1, 1.5, true, null]}}),
        );
    }
    there_and_back(&json!([
        0,
        127,
        128,
        255,
        256,
        70_000,
        5_000_000_000_u64,
        -1,
        -33,
        -200,
        -40_000,
        -3_000_000_000_i64
    ]));
    there_and_back(&json!({"people": vec![json!({"user": "a"}); 70_000]}));
    // What a client writes in full is read, too.
    let frame = json!({"type": "mailbox.ack", "seq": 7});
    assert_eq!(
        Codec::Compact.decode_client(&msgpack(&frame)).unwrap(),
        Codec::Msgpack.decode_client(&msgpack(&frame)).unwrap()
    );
}

#[test]
fn what_is_no_compact_frame_is_said_to_be_none() {
    let deep: Vec<u8> = std::iter::repeat_n(0x91, DEPTH_MAX + 1).chain([0xc0]).collect();
    for (bytes, fault) in [
        (&[][..], Fault::Short),
        (&[0x81], Fault::Short),
        (&[0x81, 0], Fault::Short),
        (&[0xdf, 0xff, 0xff, 0xff, 0xff], Fault::Short),
        (&[0xdb, 0xff, 0xff, 0xff, 0xff, b'a'], Fault::Short),
        (&[0xc4, 16, 1, 2, 3], Fault::Short),
        (&[0xc0, 0xc0], Fault::Long),
        // No such name, no such type, a key that is neither.
        (&[0x81, 0xcc, 0xff, 0xc0], Fault::Strange),
        (&[0x81, 0, 0x7f], Fault::Strange),
        (&[0x81, 0, 0xc0], Fault::Strange),
        (&[0x81, 0x91, 0xc0, 0xc0], Fault::Strange),
        // Bytes of other lengths, other extensions, what MessagePack never uses.
        (&[0xc4, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Fault::Strange),
        (&[0xd8, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Fault::Strange),
        (&[0xc7, 1, 1, 0], Fault::Strange),
        (&[0xc1], Fault::Strange),
        (&deep, Fault::Deep),
    ] {
        assert_eq!(unpack(bytes), Err(fault), "{bytes:02x?}");
    }
}

#[test]
fn the_numbers_are_those_that_were_published() {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in KEYS.iter().chain(&TYPES).flat_map(|name| name.bytes().chain([0])) {
        sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    assert_eq!(
        (KEYS.len(), TYPES.len(), sum),
        (159, 61, 14_191_381_053_810_291_647),
        "names that came later go as text"
    );
    for names in [&KEYS[..], &TYPES[..]] {
        let all: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(all.len(), names.len(), "a name has one number");
    }
}
