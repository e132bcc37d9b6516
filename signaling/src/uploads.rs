//! Uploads, between the library and the people: what the library tells goes out as frames, what it refuses as typed errors.

mod transfer;
mod wire;

pub use transfer::Transfer;
pub(crate) use wire::{
    library_error_to_wire, limits_to_wire, refusal_to_wire, to_shared, to_wire, treatment_from_wire,
};

use crate::hub::Hub;
use std::sync::{Arc, OnceLock};
use tertulia_common::{DeviceId, MediaId, UserId};
use tertulia_media_core::Refusal;
use tertulia_media_pipeline::library::{Events, Library, MediaView};
use tertulia_signaling_core::Endpoint;
use tertulia_signaling_proto::{Media, MediaProgress, MediaRejected, MediaState, ServerFrame};

/// Tells people what becomes of their uploads. It is made before the gateway, since the library needs it, and has nobody to
/// tell until the gateway has started.
#[derive(Default)]
pub struct UploadEvents {
    hub: OnceLock<Arc<Hub>>,
}

impl std::fmt::Debug for UploadEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UploadEvents").finish_non_exhaustive()
    }
}

impl UploadEvents {
    pub(crate) fn start(&self, hub: Arc<Hub>) {
        self.hub.set(hub).ok();
    }

    fn tell(&self, user: &UserId, frame: &ServerFrame) {
        if let Some(hub) = self.hub.get() {
            hub.tell_user(user, frame);
        }
    }
}

impl Events for UploadEvents {
    fn progress(&self, owner: &UserId, media: MediaId, thousandths: u16) {
        self.tell(owner, &ServerFrame::MediaProgress(MediaProgress { media_id: media, progress: thousandths }));
    }

    fn ready(&self, media: MediaView) {
        let owner = media.owner.clone();
        self.tell(&owner, &ServerFrame::MediaReady(Box::new(to_wire(media))));
    }

    fn rejected(&self, owner: &UserId, _device: Option<&DeviceId>, media: MediaId, refusal: Refusal) {
        let error = refusal_to_wire(&refusal);
        self.tell(owner, &ServerFrame::MediaRejected(MediaRejected { media_id: Some(media), file_name: None, error }));
    }
}

/// What the gateway needs to take uploads.
#[derive(Clone)]
pub struct Uploads {
    /// The library.
    pub library: Library,
    /// What was given to it.
    pub events: Arc<UploadEvents>,
    /// How long an upload may stand still, in seconds.
    pub stall_s: u32,
    /// How long a link is good if its maker does not say, in seconds.
    pub link_ttl_s: u32,
}

// No `Debug` on the library: it holds keys.
impl std::fmt::Debug for Uploads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uploads").field("stall_s", &self.stall_s).finish_non_exhaustive()
    }
}

impl Uploads {
    /// An upload was refused while it came in: the device that sends it hears that from its request, the others by a frame.
    pub(crate) fn tell_others(&self, from: &Endpoint, file_name: Option<String>, refusal: &Refusal) {
        let error = refusal_to_wire(refusal);
        self.tell_all_but(from, &ServerFrame::MediaRejected(MediaRejected { media_id: None, file_name, error }));
    }

    /// An upload was taken: the device that sent it hears that from its request. Where nothing has to be made of it, no job
    /// tells the others that it can be had; where something has, they hear that it began.
    pub(crate) fn tell_others_taken(&self, from: &Endpoint, media: &Media) {
        let media_id = media.media_id;
        match media.state {
            MediaState::Ready => self.tell_all_but(from, &ServerFrame::MediaReady(Box::new(media.clone()))),
            MediaState::Processing => {
                let progress = media.progress.unwrap_or_default();
                self.tell_all_but(from, &ServerFrame::MediaProgress(MediaProgress { media_id, progress }));
            }
            MediaState::Refused => {}
        }
    }

    fn tell_all_but(&self, from: &Endpoint, frame: &ServerFrame) {
        let Some(hub) = self.events.hub.get() else { return };
        for (device, _) in hub.devices(&from.user) {
            if device != from.device {
                hub.tell(&Endpoint { user: from.user.clone(), device }, frame);
            }
        }
    }
}

/// 32 bytes from hexadecimal digits.
pub(crate) fn sha256_from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
