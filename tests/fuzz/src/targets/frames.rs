//! Frames, both ways, in both codecs. Invariant: what was read can be written and read again, in either codec, and is the
//! same; a frame that is refused may still tell its id, without harm.

use std::fmt::Debug;
use tertulia_signaling_proto::{Codec, DecodeError};

/// Reads `data` as a frame of each codec.
pub fn target(data: &[u8]) {
    for codec in Codec::ALL {
        let _id = codec.request_id_of(data);
        if let Ok(frame) = codec.decode_client(data) {
            agree(&frame, Codec::encode_client, Codec::decode_client);
        }
        if let Ok(frame) = codec.decode_server(data) {
            agree(&frame, Codec::encode_server, Codec::decode_server);
        }
    }
}

fn agree<T: PartialEq + Debug>(
    frame: &T,
    encode: fn(Codec, &T) -> Vec<u8>,
    decode: fn(Codec, &[u8]) -> Result<T, DecodeError>,
) {
    for codec in Codec::ALL {
        let bytes = encode(codec, frame);
        match decode(codec, &bytes) {
            Ok(again) => assert_eq!(&again, frame, "{codec:?} changed a frame"),
            Err(error) => panic!("{codec:?} can't read what it has written: {error}\n{frame:?}"),
        }
    }
}
