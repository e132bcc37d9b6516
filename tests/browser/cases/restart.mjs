// c6: the program ends in the middle of a call, by SIGTERM or by kill -9, and is started again: the same call goes on.

import assert from "node:assert/strict";
import { scenario } from "../harness.mjs";
import { pause, until } from "../until.mjs";

/** Ten of each, in turn. */
const SIGNALS = Array.from({ length: 20 }, (_, i) => (i % 2 ? "SIGKILL" : "SIGTERM"));
/** From the signal to sound at both ends; the program's own start is in it. */
const BACK_MAX_MS = 5_000;

const callOf = (person) => person.page.evaluate(() => window.tertulia.call?.id);

/** Notes, in the page, each time it starts to ring. */
const countRings = () => {
  window.rings = 0;
  let ringing = false;
  new MutationObserver(() => {
    const now = !!document.querySelector('[data-testid="incoming"]');
    if (now && !ringing) window.rings += 1;
    ringing = now;
  }).observe(document, { childList: true, subtree: true });
};
const before = `(${countRings})()`;
const rings = (person) => person.page.evaluate(() => window.rings);

scenario(
  "c6_twenty_restarts_of_the_program_keep_one_call",
  async (world) => {
    const [alice, bob] = await world.signedIn(["Alice", "left", { before }], ["Bob", "right", { before }]);
    await alice.calls(bob, "video");
    await bob.accepts();
    await Promise.all([alice.isInCall(), bob.isInCall(), bob.seesCameraOf(alice), alice.seesCameraOf(bob)]);
    await Promise.all([alice.watches(), bob.watches()]);
    const id = await callOf(alice);
    const server = await world.server();
    const took = { SIGTERM: [], SIGKILL: [] };
    for (const signal of SIGNALS) {
      await pause(1_000); // quiet flow before
      const since = Date.now();
      await server.end(signal);
      const down = Date.now() - since;
      await server.start();
      const up = Date.now() - since;
      const found = await Promise.all(
        [alice, bob].map((person) => person.interruption(since, { settle: 1_500, least: 100 })),
      );
      const back = Math.max(...found.map((one) => one.back));
      took[signal].push(back);
      console.log(`# ${signal}: ended after ${down} ms, up again after ${up} ms, sound at both ends after ${back} ms`);
      assert.deepEqual(await Promise.all([alice, bob].map(callOf)), [id, id], `${signal}: another call, or none`);
      assert.deepEqual(await Promise.all([alice, bob].map(rings)), [0, 1], `${signal}: somebody rang again`);
    }
    for (const [signal, times] of Object.entries(took)) {
      times.sort((a, b) => a - b);
      console.log(`# ${signal}, ${times.length} times: sound is back after p50 ${times[times.length >> 1]} ms, max ${times.at(-1)} ms`);
      assert.ok(times.at(-1) <= BACK_MAX_MS, `${signal}: ${times.join(", ")} ms`);
    }
    await Promise.all([bob.seesCameraOf(alice), alice.seesCameraOf(bob), bob.hears(alice), alice.hears(bob)]);
    await alice.hangsUp();
    await Promise.all([alice.isFree(), bob.isFree()]);
  },
  { own: true, patience: 300_000 },
);

for (const signal of ["SIGTERM", "SIGKILL"]) {
  scenario(
    `c6_a_call_that_rings_goes_on_ringing_after_${signal.toLowerCase()}`,
    async (world) => {
      const [alice, bob] = await world.signedIn(["Alice", "left", { before }], ["Bob", "right", { before }]);
      await alice.calls(bob, "voice");
      await bob.rings();
      const id = await callOf(alice);
      const server = await world.server();
      // A kill takes back what was put in the last moment: on busy cores that is longer than on idle ones.
      await pause(1_000);
      await server.end(signal);
      await server.start();
      await until("both are back", async () => {
        const states = await Promise.all([alice, bob].map(({ page }) => page.evaluate(() => window.tertulia.client.state)));
        return states.every((state) => state === "online");
      });
      await bob.accepts();
      await Promise.all([alice.isInCall(), bob.isInCall(), bob.hears(alice), alice.hears(bob)]);
      assert.deepEqual(await Promise.all([alice, bob].map(callOf)), [id, id]);
      assert.equal(await rings(bob), 1, "it rang anew");
    },
    { own: true },
  );
}
