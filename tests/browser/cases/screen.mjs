// c2: a shared screen, beside the camera.

import { scenario } from "../harness.mjs";
import { until } from "../until.mjs";

scenario("c2_screen_share_arrives_and_stops", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await alice.calls(bob, "video");
  await bob.accepts();
  await bob.seesCameraOf(alice);
  await alice.click("screen");
  await bob.sees("remote-screen");
  // Chromium's stand-in for a screen is green; the cameras are red and blue.
  await until("the screen is green", async () => {
    const shown = await bob.look("remote-screen");
    if (!shown) return false;
    const [red, green, blue] = shown.swatch;
    return shown.width >= 640 && green > red + 60 && green > blue + 60;
  });
  await bob.seesCameraOf(alice);
  await alice.click("screen");
  await bob.seesNo("remote-screen");
  await bob.seesCameraOf(alice);
});
