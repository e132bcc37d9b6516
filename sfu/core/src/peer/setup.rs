//! How a peer's WebRTC stack is set up: what all peers share, and what its offer decides.

use super::{Credentials, RTX_SLOT_PACKETS_MIN};
use crate::descriptor;
use crate::error::ConnectError;
use crate::limits::Limits;
use crate::offer::Offer;
use crate::path::Told;
use std::sync::Arc;
use std::time::Duration;
use str0m::bwe::Bitrate;
use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::format::Codec;
use str0m::net::TcpType;
use str0m::rtp::Extension;
use str0m::{Candidate, Rtc, RtcConfig};
use tertulia_common::{PeerId, RoomId};

/// How often the stack says what it knows of a peer's way and streams. Higher sees later that a way has become narrow: the estimate that
/// it tells by itself is the mean of three seconds.
const STATS_INTERVAL: Duration = Duration::from_millis(250);
/// How often an audio slot reports its clock. Until the first report a browser can't bring the voice to its picture; the
/// stack's own five seconds are heard.
const AUDIO_REPORTS: Duration = Duration::from_secs(1);

/// What all peers of a shard share.
#[derive(Clone)]
pub struct PeerConfig {
    /// The DTLS certificate. One for all: making one costs more than a join.
    pub certificate: DtlsCert,
    /// The addresses that clients are told, with the shard's port.
    pub candidates: Vec<Told>,
    /// Clients are told of them for TCP too: there they connect to us (RFC 6544, passive), after UDP has failed.
    pub tcp: bool,
    /// Signs and verifies.
    pub crypto: Arc<CryptoProvider>,
    /// What a receiver is taken to bear before its feedback says more. Lower holds a caller's first pictures small, higher
    /// overruns thin links for the first second.
    pub estimate_initial_bps: u64,
}

/// Credentials and place of a new peer.
pub(crate) struct NewPeer<'a> {
    pub(crate) id: PeerId,
    pub(crate) room: RoomId,
    pub(crate) config: &'a PeerConfig,
    pub(crate) limits: &'a Limits,
    pub(crate) credentials: Credentials,
}

/// What clients are told: UDP first, by its priority.
pub(super) fn candidates(config: &PeerConfig) -> Result<Vec<Candidate>, ConnectError> {
    let udp = config.candidates.iter().map(|told| Candidate::builder().udp().host(told.public).build());
    let passive = |told: &Told| Candidate::builder().tcp().host(told.public).tcptype(TcpType::Passive).build();
    let tcp = config.candidates.iter().filter(|_| config.tcp).map(passive);
    udp.chain(tcp).collect::<Result<_, _>>().map_err(|error| ConnectError::OfferInvalid(error.to_string()))
}

pub(super) fn rtc_config(new: &NewPeer<'_>, offer: &Offer) -> RtcConfig {
    let mut config = Rtc::builder()
        .set_rtp_mode(true)
        .set_ice_lite(true)
        .set_crypto_provider(Arc::clone(&new.config.crypto))
        .set_dtls_cert(new.config.certificate.clone())
        // As the DTLS server of 1.2 we choose the SRTP profile, and choose AES-GCM; 1.3 would follow the browser to AES-CM.
        .set_dtls_version(DtlsVersion::Dtls12)
        .set_local_ice_credentials(new.credentials.first().clone())
        .enable_bwe(Some(Bitrate::from(new.config.estimate_initial_bps)))
        .set_stats_interval(Some(STATS_INTERVAL))
        .set_rtcp_report_interval_audio(AUDIO_REPORTS)
        .set_send_buffer_audio(1)
        .set_send_buffer_video(RTX_SLOT_PACKETS_MIN)
        .clear_codecs()
        .enable_opus(true, offer.wants_red)
        .clear_extension_map()
        .set_extension(1, Extension::AudioLevel)
        .set_extension(2, Extension::TransportSequenceNumber)
        .set_extension(3, Extension::RtpMid)
        .set_extension(4, Extension::VideoOrientation)
        .set_extension(6, Extension::RtpStreamId)
        .set_extension(7, Extension::RepairedRtpStreamId)
        .set_extension(8, Extension::with_serializer(descriptor::URI, descriptor::Serializer));
    if !offer.has_transport_feedback {
        config = config.set_extension(5, Extension::AbsoluteSendTime);
    }
    // The answer lists codecs in the order of this configuration, and the client sends the first: its own favourite.
    for codec in &offer.video_codecs {
        config = match codec {
            Codec::Vp8 => config.enable_vp8(true),
            Codec::Vp9 => config.enable_vp9(true),
            Codec::H264 => config.enable_h264(true),
            Codec::Av1 => config.enable_av1(true),
            _ => config,
        };
    }
    config
}
