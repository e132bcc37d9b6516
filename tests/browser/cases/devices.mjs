// c5, c6, c10: two calls of one person, a call that moves to another device, and how a call was.

import assert from "node:assert/strict";
import { looksGood, SIZES } from "../good.mjs";
import { scenario } from "../harness.mjs";

const idOf = (person) => person.page.evaluate(() => window.tertulia.call?.id);

scenario("c5_a_waiting_call_is_taken_with_the_first_on_hold_and_swapped", async (world) => {
  const [alice, bob, carol] = await world.signedIn(["Alice", "left"], ["Bob", "right"], ["Carol", "left"]);
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([alice.seesCameraOf(bob), bob.seesCameraOf(alice)]);
  const first = await idOf(bob);
  await carol.calls(bob, "voice");
  await bob.sees("waiting");
  await alice.seesCameraOf(bob); // it does not disturb
  await bob.click("waiting-accept");
  await Promise.all([bob.sees("held-call"), alice.sees("on-hold"), carol.isInCall()]);
  await Promise.all([carol.hears(bob), bob.hears(carol), alice.seesNoCamera()]);
  assert.notEqual(await idOf(bob), first);
  await bob.click("swap");
  await Promise.all([carol.sees("on-hold"), alice.seesNo("on-hold")]);
  await Promise.all([alice.seesCameraOf(bob), bob.seesCameraOf(alice), alice.hears(bob)]);
  assert.equal(await idOf(bob), first);
  await alice.hangsUp();
  await alice.isFree();
  await bob.sees("on-hold");
  await bob.click("go-on");
  await Promise.all([carol.hears(bob), bob.hears(carol)]);
  await carol.hangsUp();
  await Promise.all([bob.isFree(), carol.isFree()]);
});

scenario("c5_a_waiting_call_can_be_declined", async (world) => {
  const [alice, bob, carol] = await world.signedIn(["Alice", "left"], ["Bob", "right"], ["Carol", "left"]);
  await alice.calls(bob, "voice");
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  await carol.calls(bob, "voice");
  await bob.click("waiting-decline");
  await carol.isTold(/declined/i);
  await carol.isFree();
  await bob.seesNo("waiting");
  await Promise.all([alice.hears(bob), bob.hears(alice)]);
});

scenario("c6_a_running_call_is_joined_from_another_device", async (world) => {
  const [alice, bob, bobToo] = await world.signedIn(["Alice", "left"], ["Bob", "right"], ["Bob", "right"]);
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([alice.seesCameraOf(bob), bob.seesCameraOf(alice)]);
  const id = await idOf(alice);
  await alice.watches();
  await bobToo.sees("elsewhere");
  const since = Date.now();
  await bobToo.click("join-here");
  await bobToo.isInCall();
  await Promise.all([bobToo.seesCameraOf(alice), bobToo.hears(alice), bob.isFree()]);
  await Promise.all([alice.seesCameraOf(bobToo), alice.hears(bobToo)]);
  const { gap } = await alice.interruption(since);
  console.log(`# hand-over: the longest gap in the voice was ${gap} ms`);
  assert.equal(await idOf(alice), id);
  assert.equal(await idOf(bobToo), id);
  await bob.sees("elsewhere");
  await alice.hangsUp();
  await Promise.all([alice.isFree(), bobToo.isFree(), bob.seesNo("elsewhere")]);
});

scenario("c10_how_a_call_goes_is_shown_to_both_and_kept_in_the_history", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([alice.seesCameraOf(bob), bob.seesCameraOf(alice)]);
  for (const person of [alice, bob]) {
    await person.until("sees figures of both sides", () => {
      const level = (id) => document.querySelector(`[data-testid="${id}"]`)?.dataset.level;
      return [level("quality"), level("quality-peer")].every((one) => one && one !== "unknown");
    });
  }
  await bob.framesAdvance(60);
  await alice.hangsUp();
  await Promise.all([alice.isFree(), bob.isFree()]);
  for (const person of [alice, bob]) {
    await person.sees("how-was-it");
    await person.click("how-was-it");
    await person.until("reads the figures of the call", () => /ms/.test(document.querySelector("dialog, [role=dialog]")?.textContent ?? ""));
  }
});

for (const [size, viewport] of Object.entries(SIZES)) {
  scenario(`c5_two_calls_are_accessible_at_${size}_size`, async (world) => {
    const [alice, bob, carol] = await world.signedIn(
      ["Alice", "left", { viewport }],
      ["Bob", "right", { viewport }],
      ["Carol", "left", { viewport }],
    );
    await alice.calls(bob, "video");
    await bob.accepts();
    await bob.seesCameraOf(alice);
    await carol.calls(bob, "voice");
    await bob.sees("waiting");
    await looksGood(bob, `${size}-waiting`);
    await bob.click("waiting-accept");
    await Promise.all([bob.sees("held-call"), alice.sees("on-hold")]);
    await looksGood(bob, `${size}-held`);
    await looksGood(alice, `${size}-on-hold`);
  });
}
