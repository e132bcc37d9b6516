//! Figures that are numbers. MessagePack can carry what is none (NaN, infinity), and JSON a number too large for 32 bits:
//! neither could be written in JSON again.

use serde::de::{Deserialize, Deserializer, Error, Unexpected};

/// Reads a number.
///
/// # Errors
/// If it is none.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f32, D::Error> {
    checked(f32::deserialize(from)?)
}

/// Reads a number that may be absent.
///
/// # Errors
/// If it is there and none.
pub(crate) fn number_or_nothing<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f32>, D::Error> {
    Option::deserialize(from)?.map(checked).transpose()
}

fn checked<E: Error>(value: f32) -> Result<f32, E> {
    if value.is_finite() { Ok(value) } else { Err(E::invalid_value(Unexpected::Float(value.into()), &"a number")) }
}

#[cfg(test)]
mod tests {
    use crate::TrackQuality;

    #[test]
    fn what_is_no_number_is_refused() {
        let read = |loss: &str| {
            let text = format!(r#"{{"bitrate_bps":1,"loss":{loss},"jitter_ms":1}}"#);
            serde_json::from_str::<TrackQuality>(&text).is_ok()
        };
        assert!(read("0.5") && !read("1e40") && !read("null"));
        let quality = TrackQuality { loss: f32::NAN, ..TrackQuality::default() };
        let bytes = rmp_serde::to_vec_named(&quality).unwrap();
        assert!(rmp_serde::from_slice::<TrackQuality>(&bytes).is_err());
    }
}
