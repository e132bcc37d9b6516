"""A program that publishes (WHIP) or plays (WHEP), on aiortc. It makes the HTTP requests itself, with Python's own library.

On stdout it prints JSON lines: what the POST was answered with, that it is connected, and, if it plays, a report when it has seen enough
or its time is over. A line on stdin has it DELETE its resource; it prints the status and ends. After `close` it only
closes its connection.

usage: aiortc_standard.py publish|play URL TOKEN HERTZ SECONDS_MAX FRAMES_ENOUGH
"""

import asyncio
import json
import sys
import time
import urllib.parse
import urllib.request

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from aiortc_call import ENOUGH_AUDIO, RATE, Counter, Seen, Tone, listen, purity


def ask(method, url, token, body=None):
    headers = {"authorization": f"Bearer {token}"}
    if body is not None:
        headers["content-type"] = "application/sdp"
    request = urllib.request.Request(url, body and body.encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.headers, answer.read().decode()


def say(**said):
    print(json.dumps(said), flush=True)


async def packets(pc):
    stats = (await pc.getStats()).values()
    counts = {"audio": 0, "video": 0}
    for one in stats:
        if one.type == "inbound-rtp":
            counts[one.kind] += one.packetsReceived
    return counts


async def main(mode, url, token, hertz, seconds, frames):
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    seen, tasks, up = Seen(), [], asyncio.Event()
    loop = asyncio.get_running_loop()

    @pc.on("track")
    def on_track(track):
        take = seen.audio if track.kind == "audio" else seen.video
        tasks.append(asyncio.ensure_future(listen(take, track)))

    @pc.on("connectionstatechange")
    def on_state():
        if pc.connectionState == "connected":
            up.set()

    if mode == "publish":
        pc.addTransceiver(Tone(hertz), direction="sendonly")
        pc.addTransceiver(Counter(), direction="sendonly")
    else:
        pc.addTransceiver("audio", direction="recvonly")
        pc.addTransceiver("video", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    status, headers, answer = await loop.run_in_executor(None, ask, "POST", url, token, pc.localDescription.sdp)
    location = urllib.parse.urljoin(url, headers["location"])
    say(status=status, location=location)
    await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    await asyncio.wait_for(up.wait(), seconds)
    say(connected=True)
    if mode == "play":
        deadline = time.time() + seconds
        while time.time() < deadline:
            await asyncio.sleep(0.2)
            counts = await packets(pc)
            enough = len(seen.counters) >= frames and (not hertz or len(seen.samples) >= ENOUGH_AUDIO * RATE)
            if enough and min(counts.values()) >= 50:
                break
        say(packets=counts, purity=purity(seen.samples[-RATE:], hertz), frames=len(seen.counters), counters=seen.counters)
    if (await loop.run_in_executor(None, sys.stdin.readline)).strip() == "close":
        await pc.close()
        return
    status, _, _ = await loop.run_in_executor(None, ask, "DELETE", location, token)
    say(ended=status)
    await pc.close()


if __name__ == "__main__":
    mode, url, token, hertz, seconds, frames = sys.argv[1:]
    asyncio.run(main(mode, url, token, float(hertz), float(seconds), int(frames)))
