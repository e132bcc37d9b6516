// c1: voice calls between two browsers, and every way in which one does not come about.

import assert from "node:assert/strict";
import { scenario } from "../harness.mjs";
import { until } from "../until.mjs";

const impatient = { calls: "ring_timeout_ms = 3000" };
const both = [["Alice", "left"], ["Bob", "right"]];

scenario("c1_voice_call_both_hear_each_other", async (world) => {
  const [alice, bob] = await world.signedIn(...both);
  await alice.calls(bob, "voice");
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  await Promise.all([bob.hears(alice), alice.hears(bob)]);
  await alice.reads("call-timer", /\d:\d\d/);
  await alice.hangsUp();
  await Promise.all([alice.isFree(), bob.isFree()]);
});

scenario("c1_hang_up_by_the_callee_ends_both_and_frees_the_server", async (world) => {
  const [alice, bob] = await world.signedIn(...both);
  await alice.calls(bob, "voice");
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  await bob.hangsUp();
  await Promise.all([alice.isFree(), bob.isFree()]);
  const server = await world.server();
  await until("the server holds no peer", async () => (await server.metric("tertulia_sfu_peers")) === 0);
});

scenario("c1_decline_ends_the_call_for_the_caller", async (world) => {
  const [alice, bob] = await world.signedIn(...both);
  await alice.calls(bob, "voice");
  await bob.declines();
  await alice.isTold(/declined/i);
  await Promise.all([alice.isFree(), bob.isFree()]);
});

scenario("c1_cancel_stops_the_ringing", async (world) => {
  const [alice, bob] = await world.signedIn(...both);
  await alice.calls(bob, "voice");
  await bob.rings();
  await alice.hangsUp();
  await Promise.all([alice.isFree(), bob.stopsRinging()]);
  await bob.reads("recent-calls", /missed/i);
});

scenario("c1_busy_is_told_to_who_finds_two_calls_there", async (world) => {
  const [alice, bob, carol, dave] = await world.signedIn(...both, ["Carol", "left"], ["Dave", "left"]);
  await alice.calls(bob, "voice");
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  await carol.calls(bob, "voice");
  await bob.click("waiting-accept");
  await Promise.all([bob.sees("held-call"), carol.isInCall()]);
  await dave.triesToCall(bob, "voice");
  await dave.isTold(/busy|another call/i);
  await dave.isFree();
  await carol.hears(bob);
});

scenario("c1_third_device_stops_ringing_when_another_answers", async (world) => {
  const [alice, bob, bobToo] = await world.signedIn(...both, ["Bob", "right"]);
  await alice.calls(bob, "voice");
  await Promise.all([bob.rings(), bobToo.rings()]);
  await bob.accepts();
  await bobToo.stopsRinging();
  await bobToo.isTold(/another device|elsewhere/i);
  await bob.hears(alice);
});

scenario(
  "c1_nobody_answers_and_the_call_is_missed",
  async (world) => {
    const [alice, bob] = await world.signedIn(...both);
    await alice.calls(bob, "voice");
    await bob.rings();
    await bob.stopsRinging();
    await alice.isTold(/no answer|not answer|didn.t answer/i);
    await bob.reads("recent-calls", /missed/i);
  },
  impatient,
);

scenario(
  "c1_missed_while_away_is_shown_on_the_next_connect",
  async (world) => {
    const [alice, bob] = await world.signedIn(...both);
    await bob.goesAway();
    await alice.calls(bob, "voice");
    await alice.isFree();
    await bob.comesBack();
    await bob.reads("recent-calls", /missed/i);
    await bob.seesNo("incoming");
  },
  impatient,
);

scenario("c1_two_who_call_each_other_at_once_are_in_one_call", async (world) => {
  const [alice, bob] = await world.signedIn(...both);
  await Promise.all([alice.calls(bob, "voice"), bob.calls(alice, "voice")]);
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  await Promise.all([bob.hears(alice), alice.hears(bob)]);
  const ids = await Promise.all([alice, bob].map(({ page }) => page.evaluate(() => window.tertulia.call.id)));
  assert.equal(ids[0], ids[1]);
});

scenario("c1_mute_is_silence", async (world) => {
  const [alice, bob] = await world.signedIn(...both);
  await alice.calls(bob, "voice");
  await bob.accepts();
  await bob.hears(alice);
  await alice.click("mute");
  await bob.hearsSilence();
  await alice.hears(bob);
  await alice.click("mute");
  await bob.hears(alice);
});
