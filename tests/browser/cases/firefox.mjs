// c2: between two makes of browser. Firefox sends no media over loopback: it takes the machine's own address.

import { scenario } from "../harness.mjs";

scenario("c2_chromium_calls_firefox", async (world) => {
  const [alice, fiona] = await world.signedIn(["Alice", "left"], ["Fiona", "firefox"]);
  await alice.calls(fiona, "video");
  await fiona.accepts();
  await Promise.all([alice.isInCall(), fiona.isInCall()]);
  await Promise.all([fiona.seesCameraOf(alice), fiona.hears(alice)]);
  await Promise.all([alice.seesCameraOf(fiona), alice.hears(fiona)]);
  await alice.hangsUp();
  await fiona.isFree();
});

scenario("c2_firefox_calls_chromium", async (world) => {
  const [alice, fiona] = await world.signedIn(["Alice", "left"], ["Fiona", "firefox"]);
  await fiona.calls(alice, "video");
  await alice.accepts();
  await Promise.all([alice.isInCall(), fiona.isInCall()]);
  await Promise.all([fiona.seesCameraOf(alice), fiona.hears(alice)]);
  await Promise.all([alice.seesCameraOf(fiona), alice.hears(fiona)]);
  await fiona.hangsUp();
  await alice.isFree();
});
