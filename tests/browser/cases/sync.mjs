// c2: lips and voice stay together: a flash and a beep leave at one moment, and arrive at one moment.

import { scenario } from "../harness.mjs";
import { together } from "../together.mjs";

scenario("c2_flash_and_beep_stay_together", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([bob.seesCameraOf(alice), bob.hears(alice)]);
  await together(bob, alice, "in one room");
});
