//! What is asked of a publisher: key frames, and to send no more than its only receiver can take.

use super::Peer;
use str0m::bwe::Bitrate;
use str0m::media::KeyframeRequestKind;

impl Peer {
    /// Asks the peer for a key frame of a layer; false while its stream is not known.
    pub(crate) fn request_keyframe(&mut self, track: usize, layer: usize) -> bool {
        let Some(track) = self.tracks.get(track) else { return false };
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx_by_mid(track.mid, track.layers.get(layer).and_then(|layer| layer.rid));
        stream.map(|stream| stream.request_keyframe(KeyframeRequestKind::Pli)).is_some()
    }

    /// Tells the peer how much of a track its only receiver can take.
    pub(crate) fn cap_bitrate(&mut self, track: usize, bps: u64) {
        let Some(track) = self.tracks.get_mut(track) else { return };
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(track.mid, None) {
            stream.request_remb(Bitrate::from(bps));
            track.capped = true;
        }
    }

    /// Takes back what was told of that: others get the track too, or choose among its layers. Whether there is any to send.
    pub(crate) fn lift_caps(&mut self, bps: u64) -> bool {
        let capped: Vec<usize> = (0..self.tracks.len()).filter(|track| self.tracks[*track].capped).collect();
        for track in &capped {
            self.cap_bitrate(*track, bps);
            self.tracks[*track].capped = false;
        }
        !capped.is_empty()
    }
}
