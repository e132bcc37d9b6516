//! Bodies of HTTP requests. Invariant: a body that is taken can be written, and is the same again.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tertulia_signaling_proto::{
    DemoSignIn, LinkBegin, LinkCode, Lookup, ProfilePatch, Register, SettingsPatch, Verify,
};

/// Reads `data` as the body of each call that has one.
pub fn target(data: &[u8]) {
    read::<DemoSignIn>(data);
    read::<Register>(data);
    read::<Verify>(data);
    read::<LinkBegin>(data);
    read::<LinkCode>(data);
    read::<Lookup>(data);
    read::<ProfilePatch>(data);
    read::<SettingsPatch>(data);
}

fn read<T: Serialize + DeserializeOwned + PartialEq>(data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<T>(data) else { return };
    let again = serde_json::to_vec(&body).and_then(|text| serde_json::from_slice::<T>(&text));
    assert!(again.is_ok_and(|again| again == body), "a body changed: {}", String::from_utf8_lossy(data));
}
