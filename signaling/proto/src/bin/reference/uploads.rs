//! The reference of uploads: their HTTP calls, and an example of each body and frame.

use crate::markdown::Call;
use serde_json::Value;
use tertulia_common::{MediaId, Timestamp, UserId};
use tertulia_signaling_proto::{
    ErrorBody, ErrorCode, Media, MediaChallenge, MediaClaim, MediaClass, MediaLease, MediaLink, MediaLinkRequest,
    MediaPage, MediaProgress, MediaProof, MediaRejected, MediaShare, MediaShared, MediaState, MediaTreatment,
    ServerFrame, UploadLimits,
};

const AT: u64 = 1_790_000_500_000;

/// Their HTTP calls.
pub(crate) const CALLS: &[Call] = &[
    Call {
        what: "POST /v1/media?as=&file_name=&keep=&view_once=&tell=",
        about: "Upload in one request: the body is the file, or `multipart/form-data` with one part `file`. `as` is `auto` (the default), \
                `voice`, `document` or `sealed`; `keep=true` keeps it though nobody else has it; `view_once` names those who may open it, once each, separated by commas; `tell` names a chat (`user:<id>` or `group:<conversation>`) whose people hear of a refusal, where the sender may \
                write to them and, of two, both have written before. A header \
                `x-content-sha256` (hexadecimal) is checked. The first byte over a limit ends it. 201: it is ready; 202: it is being made \
                playable, and the frames `media.progress`, `media.ready` and `media.rejected` tell how that goes. Needs a token.",
        body: None,
        answer: Some("Media"),
    },
    Call {
        what: "POST /v1/media/tus",
        about: "Begin an upload that can be resumed ([tus 1.0](https://tus.io/protocols/resumable-upload), with creation, \
                creation-with-upload, checksum, expiration and termination). `Upload-Metadata`: `filename`, `filetype`, `as`, \
                `view_once`, `tell`. 201 with its `Location`. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "HEAD /v1/media/tus/{upload_id}",
        about: "How far it has come: `Upload-Offset`. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "PATCH /v1/media/tus/{upload_id}",
        about: "Goes on from `Upload-Offset`. 204; with the last byte the header `tertulia-media-id` names what has become of it. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "DELETE /v1/media/tus/{upload_id}",
        about: "Takes it back. 204. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "GET /v1/media?before=&limit=",
        about: "Your uploads, newest first: `limit` of them (1 to 100, 30 if absent), before `before`. Needs a token.",
        body: None,
        answer: Some("MediaPage"),
    },
    Call {
        what: "POST /v1/media/claims",
        about: "Before an upload: is this here already? The answer never says. 201. Needs a token.",
        body: Some("MediaClaim"),
        answer: Some("MediaChallenge"),
    },
    Call {
        what: "PUT /v1/media/claims/{claim_id}",
        about: "Proves that you have it; then nothing needs to be uploaded. 201. `claim_over`: upload it. Needs a token.",
        body: Some("MediaProof"),
        answer: Some("Media"),
    },
    Call {
        what: "GET /v1/media/{media_id}",
        about: "The file: ranges, `ETag`, `If-None-Match`, `If-Range`. HEAD too. Of one that is view-once: while this device's lease lasts. \
                Needs a token, or `?exp=&sig=` of a link.",
        body: None,
        answer: None,
    },
    Call {
        what: "GET /v1/media/{media_id}/thumbnail?format=",
        about: "Its thumbnail or poster, as `jpeg` (the default) or `webp`; without `format`, by `Accept`. HEAD too. Needs a token, or a link.",
        body: None,
        answer: None,
    },
    Call {
        what: "GET /v1/media/{media_id}/status",
        about: "What it is, and how far it has come. Needs a token.",
        body: None,
        answer: Some("Media"),
    },
    Call {
        what: "POST /v1/media/{media_id}/share",
        about: "Lets others have it too; whoever has it may pass it on. Nothing is copied. Needs a token.",
        body: Some("MediaShare"),
        answer: Some("MediaShared"),
    },
    Call {
        what: "DELETE /v1/media/{media_id}/share/{user_id}",
        about: "Takes it back from one of them. 204. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "PUT /v1/media/{media_id}/keep",
        about: "Keeps it though nobody else has it. 204. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "DELETE /v1/media/{media_id}/keep",
        about: "Lets it go when nobody else has it. 204. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "POST /v1/media/{media_id}/link",
        about: "A link for anyone, for a while. 201. Needs a token.",
        body: Some("MediaLinkRequest"),
        answer: Some("MediaLink"),
    },
    Call {
        what: "POST /v1/media/{media_id}/open",
        about: "View-once: this device may look until the lease ends. Once, and no other device of yours. Needs a token.",
        body: None,
        answer: Some("MediaLease"),
    },
    Call {
        what: "POST /v1/media/{media_id}/opened",
        about: "View-once: it has been looked at. 204. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "DELETE /v1/media/{media_id}",
        about: "Its owner takes it back, from everyone; one in the making is cancelled. 204. Needs a token.",
        body: None,
        answer: None,
    },
];

fn id() -> MediaId {
    MediaId::new(Timestamp(AT), 0x0001_6180_3398_8749_8948_4820)
}

fn user(id: &str) -> UserId {
    #[expect(clippy::expect_used, reason = "the texts are below")]
    id.parse().expect("an id")
}

fn media() -> Media {
    Media {
        media_id: id(),
        owner: user("alice"),
        state: MediaState::Ready,
        class: MediaClass::Video,
        created_at: Timestamp(AT),
        keep: true,
        view_once: false,
        file_name: Some("beach.mov".to_owned()),
        mime: Some("video/mp4".to_owned()),
        bytes: 2_417_000,
        width: Some(720),
        height: Some(1_280),
        duration_ms: Some(14_480),
        has_sound: Some(true),
        has_thumbnail: true,
        thumbhash: Some("1QcSHQRnh493V4dIh4eXh1h4kJUI".to_owned()),
        preview: Some("data:image/webp;base64,UklGRk…".to_owned()),
        waveform: None,
        salvaged: false,
        progress: None,
        error: None,
    }
}

fn too_long() -> ErrorBody {
    let mut error = ErrorBody::from(ErrorCode::MediaTooLong);
    error.limit = Some(180_000);
    error.actual = Some(241_600);
    error
}

/// What `welcome` says of uploads.
pub(crate) fn limits() -> UploadLimits {
    UploadLimits {
        video_bytes_max: 16_777_216,
        video_seconds_max: 180,
        audio_bytes_max: 16_777_216,
        audio_seconds_max: 10_800,
        image_bytes_max: 16_777_216,
        image_pixels_max: 40_000_000,
        file_bytes_max: 104_857_600,
    }
}

/// Of every frame about uploads.
pub(crate) fn frames() -> Vec<ServerFrame> {
    vec![
        ServerFrame::MediaProgress(MediaProgress { media_id: id(), progress: 420 }),
        ServerFrame::MediaReady(Box::new(media())),
        ServerFrame::MediaRejected(MediaRejected {
            media_id: Some(id()),
            file_name: Some("holiday.mkv".to_owned()),
            error: too_long(),
            from: None,
            to: None,
        }),
    ]
}

/// Of every body.
pub(crate) fn bodies() -> serde_json::Result<Vec<(&'static str, Value)>> {
    let claim = MediaClaim {
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        size: 2_417_000,
        treatment: MediaTreatment::Auto,
    };
    let challenge =
        MediaChallenge { claim_id: "c7b1f0".to_owned(), nonce: "q83vEjRWeJCrze8…".to_owned(), expires_in_s: 60 };
    let file_name = Some("beach.mov".to_owned());
    let proof = MediaProof { proof: "n4bQgYhMfWWaL…".to_owned(), file_name, keep: true };
    let path = format!("/v1/media/{}?exp=1790004100&sig=Xk3…", id());
    let link = MediaLink { path, thumbnail_path: None, expires_at: Timestamp(AT + 3_600_000) };
    Ok(vec![
        ("Media", serde_json::to_value(media())?),
        ("MediaPage", serde_json::to_value(MediaPage { media: vec![media()], next: Some(id()) })?),
        ("MediaClaim", serde_json::to_value(claim)?),
        ("MediaChallenge", serde_json::to_value(challenge)?),
        ("MediaProof", serde_json::to_value(proof)?),
        ("MediaShare", serde_json::to_value(MediaShare { to: vec![user("bob"), user("carol")] })?),
        ("MediaShared", serde_json::to_value(MediaShared { media_id: id() })?),
        ("MediaLinkRequest", serde_json::to_value(MediaLinkRequest { expires_in_s: Some(3_600) })?),
        ("MediaLink", serde_json::to_value(link)?),
        ("MediaLease", serde_json::to_value(MediaLease { expires_at: Timestamp(AT + 60_000) })?),
    ])
}
