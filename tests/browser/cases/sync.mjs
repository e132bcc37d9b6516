// c2: lips and voice stay together: a flash and a beep leave at one moment, and arrive at one moment.

import assert from "node:assert/strict";
import { scenario } from "../harness.mjs";

const APART_MAX_MS = 80;

scenario("c2_flash_and_beep_stay_together", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([bob.seesCameraOf(alice), bob.hears(alice)]);
  const apart = await bob.apartFrom(alice);
  console.log(`# the beep is ${apart.toFixed(0)} ms behind its flash`);
  assert.ok(Math.abs(apart) <= APART_MAX_MS, `${apart.toFixed(0)} ms`);
});
