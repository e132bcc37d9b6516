// c2: video calls: what arrives is the other's picture, and it moves.

import assert from "node:assert/strict";
import { scenario } from "../harness.mjs";

const both = [["Alice", "left"], ["Bob", "right"]];

scenario("c2_video_call_both_see_and_hear_each_other", async (world) => {
  const [alice, bob] = await world.signedIn(...both);
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  const [atBob, atAlice] = await Promise.all([bob.seesCameraOf(alice), alice.seesCameraOf(bob)]);
  for (const picture of [atBob, atAlice]) {
    assert.ok(picture.width >= 320 && Math.abs(picture.width / picture.height - 16 / 9) < 0.02, JSON.stringify(picture));
  }
  await Promise.all([bob.framesAdvance(), alice.framesAdvance()]);
  await Promise.all([bob.hears(alice), alice.hears(bob)]);
  await alice.seesCameraOf(alice, { testId: "self-video" });
  // The cheapest to forward, and the server's to choose.
  const [transport] = await bob.page.evaluate(() => window.probe.stats("transport"));
  assert.match(transport.srtpCipher, /AEAD_AES_(128|256)_GCM$/);
  await alice.hangsUp();
  await Promise.all([alice.isFree(), bob.isFree()]);
});

scenario("c2_camera_off_and_on_again", async (world) => {
  const [alice, bob] = await world.signedIn(...both);
  await alice.calls(bob, "video");
  await bob.accepts();
  await bob.seesCameraOf(alice);
  await alice.click("camera");
  await bob.seesNoCamera();
  await bob.hears(alice);
  await alice.click("camera");
  await bob.seesCameraOf(alice);
});

scenario("c2_voice_becomes_video_without_a_new_call", async (world) => {
  const [alice, bob] = await world.signedIn(...both);
  await alice.calls(bob, "voice");
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  await bob.hears(alice);
  await bob.click("camera");
  await alice.seesCameraOf(bob);
  await alice.click("camera");
  await bob.seesCameraOf(alice);
});

scenario("c2_no_camera_or_microphone_opens_before_the_answer", async (world) => {
  const [alice, bob] = await world.signedIn(...both);
  await alice.calls(bob, "video");
  await bob.rings();
  await bob.until("has connected before the answer", () => {
    const [call] = window.tertulia.client.calls;
    return call?.pc?.connectionState === "connected";
  });
  const { senders, received } = await bob.page.evaluate(async () => {
    const { pc } = window.tertulia.client.calls[0];
    const reports = [...(await pc.getStats()).values()].filter(({ type }) => type === "inbound-rtp");
    return {
      senders: pc.getSenders().filter(({ track }) => track).length,
      received: reports.reduce((sum, { packetsReceived }) => sum + packetsReceived, 0),
    };
  });
  assert.equal(senders, 0, "a track is there before the answer");
  assert.equal(received, 0, "media is forwarded before the answer");
  await bob.accepts();
  await bob.seesCameraOf(alice);
});

scenario("c2_a_video_call_can_be_answered_by_voice", async (world) => {
  const [alice, bob] = await world.signedIn(...both);
  await alice.calls(bob, "video");
  await bob.rings();
  await bob.click("incoming-accept-voice");
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  await Promise.all([bob.seesCameraOf(alice), bob.hears(alice), alice.hears(bob)]);
  await alice.seesNo("remote-video");
  await bob.seesNo("self-video");
});
