// c2: the SFU forwards every video codec that two Chromiums agree on.

import assert from "node:assert/strict";
import { scenario } from "../harness.mjs";

/** Makes the page offer one codec only: the client itself prefers VP8. Runs in the page, `wanted` is filled in. */
const offering = (mime) => `
  const wanted = ${JSON.stringify(mime)}.toLowerCase();
  const set = RTCRtpTransceiver.prototype.setCodecPreferences;
  RTCRtpTransceiver.prototype.setCodecPreferences = function (codecs) {
    const kept = codecs.filter(({ mimeType }) => mimeType.startsWith("audio/") || [wanted, "video/rtx"].includes(mimeType.toLowerCase()));
    set.call(this, kept);
  };
`;

for (const codec of ["VP8", "VP9", "H264", "AV1"]) {
  scenario(`c2_${codec.toLowerCase()}_is_forwarded`, async (world) => {
    const before = offering(`video/${codec}`);
    const [alice, bob] = await world.signedIn(["Alice", "left", { before }], ["Bob", "right", { before }]);
    await alice.calls(bob, "video");
    await bob.accepts();
    await Promise.all([bob.seesCameraOf(alice), alice.seesCameraOf(bob)]);
    const codecs = await bob.page.evaluate(() => window.probe.videoCodecs());
    assert.deepEqual(codecs, [`video/${codec}`]);
  });
}
