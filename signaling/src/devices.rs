//! The devices of an account, as its people see them.

use crate::auth::DisplayName;
use crate::gateway::Shared;
use tertulia_common::UserId;
use tertulia_signaling_proto::{Device, Devices, ErrorBody, ErrorCode, ServerFrame};

/// The longest name of a device, in characters.
const NAME_CHARS_MAX: usize = 60;

/// A device's name as it may be kept: not empty, not too long, without control characters.
pub(crate) fn name(text: &str) -> Result<String, ErrorBody> {
    let name = DisplayName::cut(text).filter(|name| name.as_str().chars().count() <= NAME_CHARS_MAX);
    name.map(|name| name.as_str().to_owned()).ok_or_else(|| ErrorBody {
        message: format!("A device's name has 1 to {NAME_CHARS_MAX} characters."),
        ..ErrorCode::BadRequest.into()
    })
}

/// The devices of an account: the primary one first, then the newest first.
pub(crate) async fn list(shared: &Shared, user: &UserId) -> Result<Devices, tertulia_directory::Error> {
    let known = shared.directory.devices_of(user).await?;
    let connected = shared.hub.devices(user);
    let devices = known.into_iter().map(|device| Device {
        online: connected.iter().any(|(id, is_connected)| *is_connected && *id == device.id),
        device_id: device.id,
        name: device.name,
        primary: device.primary,
        linked_at: device.linked_at,
        seen_at: device.seen_at,
    });
    Ok(Devices { devices: devices.collect() })
}

/// Tells all devices of an account which there are now.
pub(crate) async fn changed(shared: &Shared, user: &UserId) {
    match list(shared, user).await {
        Ok(devices) => shared.hub.tell_user(user, &ServerFrame::Devices(devices)),
        Err(error) => tracing::error!(%error, "a change of devices could not be told"),
    }
}
