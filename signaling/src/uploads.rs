//! Uploads, between the library and the people: what the library tells goes out as frames, what it refuses as typed errors.

pub(crate) mod notices;
mod transfer;
mod wire;

pub use transfer::Transfer;
pub(crate) use wire::{
    library_error_to_wire, limits_to_wire, refusal_to_wire, to_shared, to_wire, treatment_from_wire,
};

use crate::gateway::Shared;
use crate::hub::Hub;
use notices::{Notices, Wish};
use std::sync::{Arc, OnceLock, Weak};
use tertulia_common::{DeviceId, MediaId, UserId};
use tertulia_media_core::Refusal;
use tertulia_media_pipeline::library::{Events, Library, MediaState as LibraryState, MediaView};
use tertulia_signaling_core::Endpoint;
use tertulia_signaling_proto::{Media, MediaProgress, MediaRejected, MediaState, ServerFrame};

/// Tells people what becomes of their uploads. It is made before the gateway, since the library needs it, and has nobody to
/// tell until the gateway has started.
#[derive(Default)]
pub struct UploadEvents {
    shared: OnceLock<Weak<Shared>>,
    pub(crate) notices: Notices,
}

impl std::fmt::Debug for UploadEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UploadEvents").finish_non_exhaustive()
    }
}

impl UploadEvents {
    /// The gateway has started.
    pub(crate) fn start(&self, shared: &Arc<Shared>) {
        self.shared.set(Arc::downgrade(shared)).ok();
    }

    fn hub(&self) -> Option<Arc<Hub>> {
        Some(Arc::clone(&self.shared.get()?.upgrade()?.hub))
    }

    /// Others hear of a refusal, if its sender wants that.
    pub(crate) fn tell_wished(&self, wish: Option<Wish>, refusal: &Refusal) {
        if let (Some(wish), Some(shared)) = (wish, self.shared.get().and_then(Weak::upgrade)) {
            notices::tell(&shared, wish, refusal);
        }
    }

    fn tell(&self, user: &UserId, frame: &ServerFrame) {
        if let Some(hub) = self.hub() {
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
        drop(self.notices.take(&media.id.to_string()));
        self.tell(&owner, &ServerFrame::MediaReady(Box::new(to_wire(media))));
    }

    fn rejected(&self, owner: &UserId, _device: Option<&DeviceId>, media: MediaId, refusal: Refusal) {
        self.tell_wished(self.notices.take(&media.to_string()), &refusal);
        self.tell(owner, &ServerFrame::MediaRejected(own(Some(media), None, &refusal)));
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
        self.tell_all_but(from, &ServerFrame::MediaRejected(own(None, file_name, refusal)));
    }

    /// Something is to be made of it: it may still be refused.
    pub(crate) async fn wish_on(&self, view: &MediaView, wish: Option<Wish>) {
        let (Some(wish), LibraryState::Processing(_)) = (wish, &view.state) else { return };
        let (id, notices) = (view.id.to_string(), &self.events.notices);
        notices.keep(id.clone(), wish);
        // What was decided before it was kept has told nobody.
        match self.library.view(&view.owner, view.id).await.map(|now| now.state) {
            Ok(LibraryState::Processing(_)) | Err(_) => {}
            Ok(LibraryState::Refused(refusal)) => self.events.tell_wished(notices.take(&id), &refusal),
            Ok(LibraryState::Ready(..)) => drop(notices.take(&id)),
        }
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
        let Some(hub) = self.events.hub() else { return };
        for (device, _) in hub.devices(&from.user) {
            if device != from.device {
                hub.tell(&Endpoint { user: from.user.clone(), device }, frame);
            }
        }
    }
}

/// A refusal of the user's own.
fn own(media_id: Option<MediaId>, file_name: Option<String>, refusal: &Refusal) -> MediaRejected {
    MediaRejected { media_id, file_name, error: refusal_to_wire(refusal), from: None, to: None }
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
