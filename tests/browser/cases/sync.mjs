// c2: lips and voice stay together: a flash and a beep leave at one moment, and arrive at one moment.

import assert from "node:assert/strict";
import { scenario } from "../harness.mjs";
import { lateness } from "../probe.mjs";

const WATCH_MS = 8_000;
const APART_MAX_MS = 80;

scenario("c2_flash_and_beep_stay_together", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([bob.seesCameraOf(alice), bob.hears(alice)]);
  // The devices of a browser play their two files each at its own pace: what counts is what the way adds to what left.
  const [left, arrived] = await Promise.all([
    alice.page.evaluate((ms) => window.probe.sent(ms), WATCH_MS),
    bob.page.evaluate((ms) => window.probe.received(ms), WATCH_MS),
  ]);
  const apart = lateness(arrived) - lateness(left);
  console.log(`# the beep is ${apart.toFixed(0)} ms behind its flash`);
  assert.ok(Math.abs(apart) <= APART_MAX_MS, `${apart.toFixed(0)} ms`);
});
