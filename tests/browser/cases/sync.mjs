// c2: lips and voice stay together: a flash and a beep leave at one moment, and arrive at one moment.

import assert from "node:assert/strict";
import { scenario } from "../harness.mjs";
import { lateness } from "../probe.mjs";
import { until } from "../until.mjs";

const WATCH_MS = 8_000;
const APART_MAX_MS = 80;
const REPORTS_MIN = 8;

scenario("c2_flash_and_beep_stay_together", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([bob.seesCameraOf(alice), bob.hears(alice)]);
  // A browser says every five seconds how its voice's clock stands to its picture's (RTCP sender reports); the server says
  // so every second. After eight of ours at least one of Alice's is in them.
  await until("the voice's clock is known", async () => {
    const [report] = await bob.page.evaluate(() => window.probe.stats("remote-outbound-rtp", "audio"));
    return report?.reportsSent >= REPORTS_MIN;
  });
  // The devices of a browser play their two files each at its own pace: what counts is what the way adds to what left.
  const [left, arrived] = await Promise.all([
    alice.page.evaluate((ms) => window.probe.sent(ms), WATCH_MS),
    bob.page.evaluate((ms) => window.probe.received(ms), WATCH_MS),
  ]);
  const apart = withinPeriod(lateness(arrived) - lateness(left));
  console.log(`# the beep is ${apart.toFixed(0)} ms behind its flash`);
  assert.ok(Math.abs(apart) <= APART_MAX_MS, `${apart.toFixed(0)} ms`);
});

/** A flash comes every second: half a second after one is half a second before the next. */
function withinPeriod(ms) {
  const PERIOD_MS = 1_000;
  return ms - PERIOD_MS * Math.round(ms / PERIOD_MS);
}
