import assert from "node:assert/strict";
import { test } from "node:test";
import { credentialsForLater, fingerprints, newestFirst, orderCodecs, withCredentials, withOpusDtx } from "../src/sdp.js";
import { StatsReader } from "../src/stats.js";

test("DTX is asked for on Opus only, and once", () => {
  const sdp = [
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtpmap:63 red/48000/2",
    "a=fmtp:63 111/111",
    "a=rtpmap:96 VP8/90000",
    "",
  ].join("\r\n");
  const with_ = withOpusDtx(sdp);
  assert.match(with_, /a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1\r\n/);
  assert.match(with_, /a=fmtp:63 111\/111\r\n/);
  assert.equal(withOpusDtx(with_), with_);
});

test("the preferred codec comes first, FEC goes, RED stays only where it is wanted", () => {
  const of = (...names: string[]) => names.map((mimeType) => ({ mimeType }));
  const names = (codecs: { mimeType: string }[]) => codecs.map((codec) => codec.mimeType);
  const video = of("video/H264", "video/rtx", "video/VP8", "video/ulpfec", "video/red", "video/AV1");
  assert.deepEqual(names(orderCodecs(video, "video/vp8", false)), [
    "video/VP8",
    "video/H264",
    "video/rtx",
    "video/AV1",
  ]);
  const audio = of("audio/red", "audio/opus", "audio/PCMU");
  assert.deepEqual(names(orderCodecs(audio, "audio/opus", false)), ["audio/opus", "audio/PCMU"]);
  assert.deepEqual(names(orderCodecs(audio, "audio/opus", true)), ["audio/opus", "audio/red", "audio/PCMU"]);
});

test("fingerprints are compared whatever their order and case", () => {
  const a = "a=fingerprint:sha-256 AA:BB\r\nm=audio\r\na=fingerprint:sha-256 aa:bb\r\n";
  assert.deepEqual(fingerprints(a), ["sha-256 aa:bb"]);
});

test("c6_candidates_of_a_later_restart_rank_before_all_earlier_ones_and_keep_their_order", () => {
  const sdp = [
    "a=mid:0",
    "a=candidate:1 1 udp 2130706175 10.0.0.1 4000 typ host",
    "a=candidate:2 1 tcp 1518280447 10.0.0.1 4000 typ host tcptype passive",
    "a=candidate:1 1 UDP 2130706431 fd00::1 4000 typ host ufrag x",
    "a=end-of-candidates",
  ].join("\r\n");
  const priorities = (text: string) => [...text.matchAll(/candidate:\S+ \d \S+ (\d+) \S+ 4000 typ host/g)].map((match) => +match[1]!);
  const first = priorities(newestFirst(sdp, 0));
  const second = priorities(newestFirst(sdp, 1));
  assert.deepEqual(first, [65, 64, 66]);
  assert.ok(Math.min(...second) > Math.max(...first));
  // Below the worst of our own: a relay's over TLS.
  assert.ok(Math.max(...priorities(newestFirst(sdp, 1_000))) < 2 ** 23);
  const rest = newestFirst(sdp, 0).replace(/ 6[456] /g, " ").replaceAll(" network-cost 999", "");
  assert.equal(rest, sdp.replace(/ (2130706175|1518280447|2130706431) /g, " "));
  const cost = (generation: number) => Number(/network-cost (\d+)/.exec(newestFirst(sdp, generation))![1]);
  // More than a mobile network costs beside Wi-Fi, then more than any other.
  assert.ok(cost(0) - cost(1) >= 890 && cost(1) - cost(2) >= 50 && cost(2) > cost(3) && cost(9) === 0);
});

test("credentials for later are read from an answer, and put into it", () => {
  const sdp = [
    "v=0",
    "a=x-restart:one 1",
    "a=x-restart:two 2",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "a=ice-ufrag:first",
    "a=ice-pwd:0",
    "a=mid:0",
    "",
  ].join("\r\n");
  const later = credentialsForLater(sdp);
  assert.deepEqual(later, [{ ufrag: "one", password: "1" }, { ufrag: "two", password: "2" }]);
  assert.equal(withCredentials(sdp, later[1]!), sdp.replace("ufrag:first", "ufrag:two").replace("pwd:0", "pwd:2"));
  assert.deepEqual(credentialsForLater("v=0\r\n"), []);
});

function report(at: number, bytes: number, packets: number, lost: number, rtt = 0.05): [string, unknown][] {
  return [
    [
      "pair",
      {
        id: "pair",
        type: "candidate-pair",
        timestamp: at,
        nominated: true,
        state: "succeeded",
        currentRoundTripTime: rtt,
        localCandidateId: "lc",
      },
    ],
    ["lc", { id: "lc", type: "local-candidate", timestamp: at, protocol: "udp" }],
    [
      "in",
      {
        id: "in",
        type: "inbound-rtp",
        kind: "video",
        timestamp: at,
        bytesReceived: bytes,
        packetsReceived: packets,
        packetsLost: lost,
        jitter: 0.004,
        frameWidth: 1280,
        frameHeight: 720,
        codecId: "c",
      },
    ],
    ["c", { id: "c", type: "codec", timestamp: at, mimeType: "video/VP8" }],
  ];
}

test("rates come from the difference of two readings", () => {
  const reader = new StatsReader();
  assert.equal(reader.read(report(1_000, 1_000, 10, 0)).videoDown?.bitrateBps, 0);
  const figures = reader.read(report(3_000, 251_000, 190, 20));
  assert.equal(figures.videoDown?.bitrateBps, 1_000_000);
  assert.equal(figures.videoDown?.loss, 0.1);
  assert.equal(figures.videoDown?.codec, "VP8");
  assert.equal(figures.videoDown?.jitterMs, 4);
  assert.equal(figures.rttMs, 50);
  assert.equal(figures.transport, "udp");
});

test("a call is good, fair or poor by round trip and loss, and unknown without a path", () => {
  const level = (rtt: number, lost: number) => {
    const reader = new StatsReader();
    reader.read(report(1_000, 0, 0, 0, rtt));
    return reader.read(report(2_000, 1_000, 1_000 - lost, lost, rtt)).level;
  };
  assert.equal(level(0.05, 0), "good");
  assert.equal(level(0.3, 0), "fair");
  assert.equal(level(0.05, 50), "fair");
  assert.equal(level(0.6, 0), "poor");
  assert.equal(level(0.05, 200), "poor");
  assert.equal(new StatsReader().read([]).level, "unknown");
});
