//! A WebRTC peer on the `webrtc` crate: another implementation than the server's, so that both being wrong in the same
//! way does not pass for being right.

use crate::wait::{eventually, in_time};
use anyhow::Context;
use parking_lot::Mutex;
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering::Relaxed};
use tokio::sync::Notify;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionState,
};

/// Payload types of the crate's default codecs.
const OPUS_PT: u8 = 111;
const VP8_PT: u8 = 96;

/// An RTP packet as the peer got it.
#[derive(Clone, Debug)]
pub struct Received {
    /// Video, or audio.
    pub video: bool,
    /// Its stream.
    pub ssrc: u32,
    /// Its number.
    pub seq: u16,
    /// Its marker bit.
    pub marker: bool,
    /// What it carries.
    pub payload: Vec<u8>,
}

#[derive(Debug, Default)]
struct Seen {
    gathered: Notify,
    connected: AtomicBool,
    packets: Mutex<Vec<Received>>,
}

struct Handler(Arc<Seen>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.0.gathered.notify_one();
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.0.connected.store(state == RTCPeerConnectionState::Connected, Relaxed);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let seen = self.0.clone();
        tokio::spawn(async move {
            let video = track.kind().await == RtpCodecKind::Video;
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    let (header, payload) = (packet.header, packet.payload.to_vec());
                    let (ssrc, seq, marker) = (header.ssrc, header.sequence_number, header.marker);
                    seen.packets.lock().push(Received { video, ssrc, seq, marker, payload });
                }
            }
        });
    }
}

/// A track to write RTP to.
struct Out {
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    pt: u8,
    seq: AtomicU16,
    time: AtomicU32,
}

impl Out {
    fn new(video: bool, ssrc: u32) -> Self {
        let (kind, mime_type, clock_rate, channels, pt) = if video {
            (RtpCodecKind::Video, MIME_TYPE_VP8, 90_000, 0, VP8_PT)
        } else {
            (RtpCodecKind::Audio, MIME_TYPE_OPUS, 48_000, 2, OPUS_PT)
        };
        let codec = RTCRtpCodec { mime_type: mime_type.to_owned(), clock_rate, channels, ..Default::default() };
        let rtp_coding_parameters = RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() };
        let encoding = RTCRtpEncodingParameters { rtp_coding_parameters, codec, ..Default::default() };
        let name = format!("{kind}");
        let track = MediaStreamTrack::new("us".into(), name.clone(), name, kind, vec![encoding]);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        Self { track, ssrc, pt, seq: AtomicU16::new(1000), time: AtomicU32::new(50_000) }
    }

    async fn write(&self, ticks: u32, marker: bool, payload: Vec<u8>) -> anyhow::Result<()> {
        let mut packet = rtc::rtp::Packet::default();
        packet.header.version = 2;
        packet.header.marker = marker;
        packet.header.payload_type = self.pt;
        packet.header.ssrc = self.ssrc;
        packet.header.sequence_number = self.seq.fetch_add(1, Relaxed);
        packet.header.timestamp = self.time.fetch_add(ticks, Relaxed);
        packet.payload = payload.into();
        Ok(self.track.write_rtp(packet).await?)
    }
}

/// One peer: a microphone, a camera, and a slot for each of the other's.
pub struct WebrtcPeer {
    connection: Arc<dyn PeerConnection>,
    seen: Arc<Seen>,
    mic: Out,
    camera: Out,
}

impl WebrtcPeer {
    /// A peer and its offer.
    ///
    /// # Errors
    /// If it can't make one.
    pub async fn offer() -> anyhow::Result<(Self, String)> {
        let mut engine = MediaEngine::default();
        engine.register_default_codecs()?;
        let registry = register_default_interceptors(Registry::new(), &mut engine)?;
        let seen = Arc::<Seen>::default();
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Handler(seen.clone())))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await?;
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);
        let (mic, camera) = (Out::new(false, 0x1111_0001), Out::new(true, 0x2222_0002));
        for out in [&mic, &camera] {
            let init = init(RTCRtpTransceiverDirection::Sendonly);
            connection.add_transceiver_from_track(out.track.clone(), Some(init)).await?;
        }
        for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
            let init = init(RTCRtpTransceiverDirection::Recvonly);
            connection.add_transceiver_from_kind(kind, Some(init)).await?;
        }
        let offer = connection.create_offer(None).await?;
        connection.set_local_description(offer).await?;
        in_time("ICE gathering", seen.gathered.notified()).await?;
        let offer = connection.local_description().await.context("no offer after setting it")?;
        Ok((Self { connection, seen, mic, camera }, offer.sdp))
    }

    /// Takes the answer and waits until the connection is up.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn connect(&self, answer: String) -> anyhow::Result<()> {
        let answer = RTCSessionDescription::answer(answer)?;
        self.connection.set_remote_description(answer).await?;
        let connected = || async { self.seen.connected.load(Relaxed).then_some(()) };
        eventually("ICE and DTLS of the webrtc crate", connected).await
    }

    /// Sends 20 ms of Opus.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn send_audio(&self, opus: Vec<u8>) -> anyhow::Result<()> {
        self.mic.write(960, false, opus).await
    }

    /// Sends a video packet; the last of its frame has the marker.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn send_video(&self, payload: Vec<u8>, last: bool) -> anyhow::Result<()> {
        self.camera.write(if last { 3000 } else { 0 }, last, payload).await
    }

    /// What has come so far.
    #[must_use]
    pub fn received(&self, video: bool) -> Vec<Received> {
        self.seen.packets.lock().iter().filter(|packet| packet.video == video).cloned().collect()
    }

    /// Ends the connection.
    ///
    /// # Errors
    /// If it can't.
    pub async fn close(&self) -> anyhow::Result<()> {
        Ok(self.connection.close().await?)
    }
}

fn init(direction: RTCRtpTransceiverDirection) -> RTCRtpTransceiverInit {
    RTCRtpTransceiverInit { direction, ..Default::default() }
}
