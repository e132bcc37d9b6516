"""One side of a call on aiortc: an implementation of WebRTC, Opus and VP8 that shares no code with the server.

It speaks no signalling. On stdout it prints its offer, one JSON line; on stdin it reads the answer, one JSON line. It
sends a tone and a picture with a frame counter in it, decodes what the other
side sends, and prints one JSON report when it has seen enough of it or its time is over.

usage: aiortc_call.py HERTZ_SENT HERTZ_EXPECTED SECONDS_MAX
"""

import asyncio
import fractions
import json
import math
import struct
import sys
import time
import traceback

import aioice.ice
import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

RATE = 48000
SAMPLES = 960
WIDTH, HEIGHT, FPS = 320, 240, 15
COUNTER_BITS = 8
# Seconds of tone and frames of video that are enough.
ENOUGH_AUDIO = 3.0
ENOUGH_FRAMES = 30

# aioice leaves loopback out; the test's server is there.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


class Tone(MediaStreamTrack):
    kind = "audio"

    def __init__(self, hertz):
        super().__init__()
        self.hertz, self.sent, self.start = hertz, 0, None

    async def recv(self):
        self.start = self.start or time.time()
        await asyncio.sleep(max(0, self.start + self.sent / RATE - time.time()))
        step = math.tau * self.hertz / RATE
        samples = (int(16000 * math.sin(step * (self.sent + i))) for i in range(SAMPLES))
        frame = av.AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        frame.planes[0].update(struct.pack(f"<{SAMPLES}h", *samples))
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.sent, fractions.Fraction(1, RATE)
        self.sent += SAMPLES
        return frame


class Counter(MediaStreamTrack):
    """A grey picture; in its top half the frame's number, one broad stripe a bit."""

    kind = "video"

    def __init__(self):
        super().__init__()
        self.sent, self.start = 0, None

    async def recv(self):
        self.start = self.start or time.time()
        await asyncio.sleep(max(0, self.start + self.sent / FPS - time.time()))
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        stripe = WIDTH // COUNTER_BITS
        bits = [235 if self.sent >> bit & 1 else 16 for bit in range(COUNTER_BITS)]
        luma = frame.planes[0]
        top = b"".join(bytes([level]) * stripe for level in bits).ljust(luma.line_size, b"\x80")
        luma.update(top * (HEIGHT // 2) + b"\x80" * luma.line_size * (HEIGHT - HEIGHT // 2))
        for plane in frame.planes[1:]:
            plane.update(b"\x80" * plane.buffer_size)
        frame.pts, frame.time_base = self.sent * 90000 // FPS, fractions.Fraction(1, 90000)
        self.sent += 1
        return frame


def read_counter(frame):
    luma = frame.planes[0]
    rows, stripe = bytes(luma), frame.width // COUNTER_BITS
    middle = frame.height // 4 * luma.line_size
    return sum(1 << bit for bit in range(COUNTER_BITS) if rows[middle + bit * stripe + stripe // 2] > 128)


def purity(samples, hertz):
    """How much of the power is at this frequency: 1 for the pure tone."""
    power = sum(s * s for s in samples)
    if power <= len(samples) * 100:
        return 0.0
    step = math.tau * hertz / RATE
    re = sum(s * math.cos(step * i) for i, s in enumerate(samples))
    im = sum(s * math.sin(step * i) for i, s in enumerate(samples))
    return 2 * (re * re + im * im) / (len(samples) * power)


class Seen:
    def __init__(self):
        self.samples, self.counters, self.changed = [], [], asyncio.Event()

    async def audio(self, track):
        while True:
            frame = await track.recv()
            channels = len(frame.layout.channels)
            pcm = struct.unpack(f"<{frame.samples * channels}h", bytes(frame.planes[0])[: frame.samples * channels * 2])
            self.samples.extend(pcm[::channels])
            self.changed.set()

    async def video(self, track):
        while True:
            self.counters.append(read_counter(await track.recv()))
            self.changed.set()

    def enough(self):
        return len(self.samples) >= ENOUGH_AUDIO * RATE and len(set(self.counters)) >= ENOUGH_FRAMES


async def listen(take, track):
    try:
        await take(track)
    except MediaStreamError:
        pass  # the track has ended
    except Exception:
        traceback.print_exc()  # or it would be lost with its task
        raise


async def main(hertz, expected, seconds):
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    seen, tasks = Seen(), []
    up = asyncio.Event()

    @pc.on("track")
    def on_track(track):
        take = seen.audio if track.kind == "audio" else seen.video
        tasks.append(asyncio.ensure_future(listen(take, track)))

    @pc.on("connectionstatechange")
    def on_state():
        if pc.connectionState == "connected":
            up.set()

    # One line a kind, both ways, as aiortc's own users have it: each is a source and a slot at once.
    pc.addTrack(Tone(hertz))
    pc.addTrack(Counter())
    await pc.setLocalDescription(await pc.createOffer())
    print(json.dumps({"sdp": pc.localDescription.sdp}), flush=True)

    loop = asyncio.get_running_loop()
    answer = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    await pc.setRemoteDescription(RTCSessionDescription(sdp=answer["sdp"], type="answer"))
    deadline = time.time() + seconds
    try:
        await asyncio.wait_for(up.wait(), deadline - time.time())
        print(json.dumps({"connected": True}), flush=True)
        while not seen.enough():
            await asyncio.wait_for(seen.changed.wait(), deadline - time.time())
            seen.changed.clear()
    except (TimeoutError, asyncio.TimeoutError):
        pass  # the report says what is missing
    # The first half second may hold the concealment of what came before the first packet.
    tail = seen.samples[-RATE:]
    report = {
        "connected": up.is_set(),
        "purity": purity(tail, expected),
        "own_tone": purity(tail, hertz),
        "seconds": len(seen.samples) / RATE,
        "frames": len(seen.counters),
        "counters": seen.counters,
    }
    print(json.dumps(report), flush=True)
    # The other side may still be looking at us.
    await loop.run_in_executor(None, sys.stdin.readline)
    await pc.close()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
