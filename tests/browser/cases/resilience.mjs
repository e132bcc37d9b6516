// c6: what a call survives: a lost signalling socket, a page that is loaded anew.

import assert from "node:assert/strict";
import { gateTo } from "../gate.mjs";
import { scenario } from "../harness.mjs";

scenario("c6_killing_the_socket_keeps_the_media_and_the_session_resumes", async (world) => {
  const gate = await gateTo((await world.server()).url);
  try {
    const [alice, bob] = await world.signedIn(["Alice", "left", { url: gate.url }], ["Bob", "right"]);
    await alice.calls(bob, "video");
    await bob.accepts();
    await Promise.all([bob.seesCameraOf(alice), alice.seesCameraOf(bob)]);
    const session = await alice.page.evaluate(() => window.tertulia.client.welcome.session);
    gate.shut();
    await alice.until("has lost the server", () => window.tertulia.client.state !== "online");
    await alice.sees("reconnecting");
    await Promise.all([bob.framesAdvance(), alice.framesAdvance(), bob.audioAdvances(), alice.audioAdvances()]);
    gate.open();
    await alice.isOnline();
    await alice.seesNo("reconnecting");
    const welcome = await alice.page.evaluate(() => window.tertulia.client.welcome);
    assert.equal(welcome.session, session);
    assert.ok(welcome.resumed);
    await bob.seesCameraOf(alice);
    await bob.hangsUp();
    await alice.isFree();
  } finally {
    gate.close();
  }
});

scenario("c6_a_reloaded_page_goes_back_into_its_call", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([bob.seesCameraOf(alice), alice.seesCameraOf(bob)]);
  await bob.reload();
  await bob.rejoins();
  await bob.isInCall();
  await Promise.all([bob.seesCameraOf(alice), alice.seesCameraOf(bob), bob.hears(alice)]);
});
