"""A program that publishes by WHIP with GStreamer: webrtcbin, over libnice. Its candidates trickle by PATCH, as its kind does it. With
several tokens it publishes the same for each of them, coded once.

On stdout it prints JSON lines: what the POST was answered with, each PATCH, and that it is connected. A line on stdin has it DELETE its
resources; it prints each status and ends. Needs the system's Python, with GStreamer's introspection.

usage: gstreamer_whip.py URL HERTZ TOKEN…
"""

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

SOURCES = """
audiotestsrc is-live=true wave=sine freq={hertz} ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2
  ! opusenc bitrate=64000 ! tee name=sound
videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=30/1 ! videoconvert ! queue
  ! vp8enc deadline=1 keyframe-max-dist=60 target-bitrate=150000 ! tee name=picture
"""
PEER = """
webrtcbin name=peer{index} bundle-policy=max-bundle
sound. ! queue ! rtpopuspay pt=97 ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! peer{index}.
picture. ! queue ! rtpvp8pay pt=96 picture-id-mode=15-bit ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! peer{index}.
"""


saying = threading.Lock()


def say(**said):
    with saying:  # connections change in threads of their own
        try:
            print(json.dumps(said), flush=True)
        except BrokenPipeError:
            os._exit(1)  # whoever listened has gone


def openssl(*args, given=None):
    return subprocess.run(["openssl", *args], input=given, check=True, capture_output=True, text=True).stdout


def certificate():
    """One with a key on P-256, and its fingerprint. GStreamer's own is RSA, which the server's DTLS does not take."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "-"]
    pem = openssl("req", "-x509", *key, "-subj", "/CN=whip", "-days", "2")
    digest = openssl("x509", "-noout", "-fingerprint", "-sha256", given=pem).strip().split("=")[1]
    return pem, f"a=fingerprint:sha-256 {digest}"


class Publisher:
    def __init__(self, peer, url, token, fingerprint):
        self.peer, self.url, self.token, self.fingerprint = peer, url, token, fingerprint
        self.location = self.tag = None
        self.early = []
        # Left to itself it leaves loopback out.
        self.ice = self.peer.props.ice_agent
        self.ice.emit("add-local-ip-address", "127.0.0.1")
        self.peer.connect("on-negotiation-needed", lambda peer: self.offers())
        self.peer.connect("on-ice-candidate", lambda peer, line, text: GLib.idle_add(self.finds, text))
        self.peer.connect("notify::connection-state", lambda peer, _: self.changes())
        for index in range(2):
            self.peer.emit("get-transceiver", index).props.direction = GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY

    def ask(self, method, url, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(url, body and body.encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def offers(self):
        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered))

    def offered(self, promise):
        reply = promise.get_reply()  # what it holds lives as long as it does
        offer = reply.get_value("offer")
        self.peer.emit("set-local-description", offer, Gst.Promise.new())
        # webrtcbin tells the certificate that it made itself, and uses the one that it was given.
        lines = [self.fingerprint if line.startswith("a=fingerprint:") else line for line in offer.sdp.as_text().splitlines()]
        GLib.idle_add(self.posts, "\r\n".join([*lines, ""]))

    def posts(self, offer):
        self.credentials = [line for line in offer.splitlines() if line.startswith(("a=ice-ufrag:", "a=ice-pwd:"))][:2]
        self.line = next(line for line in offer.splitlines() if line.startswith("m="))
        self.mid = next(line for line in offer.splitlines() if line.startswith("a=mid:"))
        status, headers, answer = self.ask("POST", self.url, offer, content_type="application/sdp")
        if status == 429:
            GLib.timeout_add_seconds(int(headers["retry-after"]), self.posts, offer)
            return
        say(status=status, answer=answer)
        if status != 201:
            return
        self.location = urllib.parse.urljoin(self.url, headers["location"])
        self.tag = headers["etag"]
        _, sdp = GstSdp.SDPMessage.new_from_text(answer)
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.peer.emit("set-remote-description", answer, Gst.Promise.new())
        early, self.early = self.early, []
        for text in early:
            self.finds(text)

    def finds(self, text):
        if self.location is None:
            self.early.append(text)
            return
        frag = "\r\n".join([*self.credentials, self.line, self.mid, f"a={text}", ""])
        kind = "application/trickle-ice-sdpfrag"
        say(patched=self.ask("PATCH", self.location, frag, content_type=kind, if_match=self.tag)[0])

    def changes(self):
        if self.peer.props.connection_state == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            say(connected=True)

    def ends(self):
        if self.location:
            say(ended=self.ask("DELETE", self.location)[0])


def main(url, hertz, *tokens):
    Gst.init(None)
    loop, (pem, fingerprint) = GLib.MainLoop(), certificate()
    peers = "".join(PEER.format(index=index) for index in range(len(tokens)))
    pipeline = Gst.parse_launch(SOURCES.format(hertz=hertz) + peers)

    def certify(pipeline, bin, element):
        factory = element.get_factory()
        if factory and factory.get_name() == "dtlsdec":
            element.props.pem = pem

    pipeline.connect("deep-element-added", certify)
    named = (pipeline.get_by_name(f"peer{index}") for index in range(len(tokens)))
    publishers = [Publisher(peer, url, token, fingerprint) for peer, token in zip(named, tokens)]

    def end():
        for publisher in publishers:
            publisher.ends()
        pipeline.set_state(Gst.State.NULL)
        loop.quit()

    pipeline.set_state(Gst.State.PLAYING)
    threading.Thread(target=lambda: (sys.stdin.readline(), GLib.idle_add(end)), daemon=True).start()
    loop.run()
    os._exit(0)  # what its bindings have counted wrong is not counted again


if __name__ == "__main__":
    main(*sys.argv[1:])
