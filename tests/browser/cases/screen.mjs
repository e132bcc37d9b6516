// c2: a shared screen, beside the camera.

import assert from "node:assert/strict";
import { scenario } from "../harness.mjs";

scenario("c2_screen_share_arrives_and_stops", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await alice.calls(bob, "video");
  await bob.accepts();
  await bob.seesCameraOf(alice);
  await alice.click("screen");
  await bob.sees("remote-screen");
  await bob.until("gets pictures of the screen", () => {
    return (document.querySelector('[data-testid="remote-screen"]')?.videoWidth ?? 0) > 0;
  });
  const shown = await bob.look("remote-screen");
  // Chromium's stand-in for a screen is 800 × 600; the camera is 16:9.
  assert.ok(Math.abs(shown.width / shown.height - 4 / 3) < 0.05, JSON.stringify(shown));
  await bob.seesCameraOf(alice);
  await alice.click("screen");
  await bob.seesNo("remote-screen");
  await bob.seesCameraOf(alice);
});
