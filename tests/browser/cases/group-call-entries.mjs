// c3: calls of groups when they are over: in the group's conversation, in the list of calls, and called again from both.

import assert from "node:assert/strict";
import { makesGroup, opensGroup } from "../chatting.mjs";
import { looksGood, SIZES } from "../good.mjs";
import { callsGroup, isInCallOf } from "../group-calling.mjs";
import { scenario } from "../harness.mjs";
import { until } from "../until.mjs";

const LONG_MS = 240_000;
const impatient = { calls: "ring_timeout_ms = 3000" };

const read = (person, testId) =>
  person.page.evaluate((id) => [...document.querySelectorAll(`[data-testid="${id}"]`)].map((it) => it.textContent), testId);

async function sees(person, testId, expected) {
  let last;
  await until(`${person.name} sees ${expected.join(", ")}`, async () => {
    last = await read(person, testId);
    return last.length === expected.length && expected.every((wanted, i) => wanted.test(last[i]));
  }).catch((error) => {
    throw new Error(`${error.message}\nsees: ${JSON.stringify(last)}`);
  });
}

const row = (person, name) =>
  person.page.evaluate((title) => {
    const rows = [...document.querySelectorAll('[data-testid^="chat-group:"]')];
    const of = rows.find((it) => it.textContent.includes(title));
    return of && { said: of.querySelector(".said")?.textContent, unread: of.querySelector('[data-testid="unread"]')?.textContent };
  }, name);

/** Goes back to the lists, where a conversation fills the page. */
async function leavesChat(person) {
  const back = await person.page.evaluate(() => !!document.querySelector('[data-testid="chat-back"]')?.checkVisibility());
  if (back) await person.click("chat-back");
}

async function seesRecent(person) {
  await leavesChat(person);
  const tabs = await person.page.evaluate(() => !!document.querySelector('[data-testid="tab-recent"]')?.checkVisibility());
  if (tabs) await person.click("tab-recent");
  await person.sees("recent-calls");
}

scenario(
  "c3_a_group_call_is_in_the_conversation_and_the_lists_and_is_called_again_from_both",
  async (world) => {
    const [alice, bob, carol, dan] = await world.signedIn(["Alice", "left"], ["Bob", "right"], ["Carol", "left"], ["Dan", "right"]);
    await makesGroup(alice, "Sunday rice", [bob, carol, dan]);
    await until("Carol knows the group", async () => (await row(carol, "Sunday rice")) !== undefined);
    await carol.goesAway();
    await callsGroup(alice, "Sunday rice");
    await Promise.all([bob.rings(), dan.rings()]);
    await Promise.all([bob.accepts(), dan.declines()]);
    await isInCallOf(alice, 2);
    await bob.hangsUp();
    await alice.hangsUp();
    await carol.comesBack();
    // Who was asked in and did not come has missed it; who declined has not.
    await until("Carol's list says so", async () => /^Alice \d+: Missed video call$/.test((await row(carol, "Sunday rice"))?.said));
    assert.equal((await row(carol, "Sunday rice")).unread, "1 unread");
    for (const person of [alice, bob, dan]) {
      await opensGroup(person, "Sunday rice");
      await sees(person, "call-said", [/^Video call, \d+ s, 2 people$/]);
    }
    await sees(alice, "call-who", [/^Bob \d+ and you$/]);
    await sees(dan, "call-who", [/^Alice \d+ and Bob \d+$/]);
    await opensGroup(carol, "Sunday rice");
    await sees(carol, "call-said", [/^Missed video call$/]);
    await seesRecent(dan);
    await sees(dan, "past-name", [/^Sunday rice$/]);
    await sees(dan, "past-outcome", [/^Declined/]);
    await seesRecent(bob);
    await sees(bob, "past-outcome", [/^0:\d\d, 2 people/]);

    // From the conversation.
    await carol.click("call-back");
    await alice.rings();
    assert.match(await alice.reads("incoming", /Sunday rice/), /Carol \d+ is calling with video/);
    await carol.hangsUp();
    await sees(alice, "call-said", [/^Video call/, /^Missed video call$/]);
    await sees(carol, "call-said", [/^Missed video call$/, /^Video call, no answer$/]);
    // From the list of calls.
    await seesRecent(alice);
    await sees(alice, "past-outcome", [/^Missed/, /^0:\d\d, 2 people/]);
    await alice.click("call-again");
    await Promise.all([bob.rings(), carol.rings()]);
    await bob.accepts();
    await isInCallOf(alice, 2);
    await alice.hangsUp();
    await bob.hangsUp();
    await sees(alice, "past-outcome", [/^0:\d\d, 2 people/, /^Missed/, /^0:\d\d, 2 people/]);
  },
  { ...impatient, patience: LONG_MS },
);

scenario(
  "c3_whoever_is_removed_from_a_group_sees_its_call_no_longer",
  async (world) => {
    const [alice, bob, carol] = await world.signedIn(["Alice", "left"], ["Bob", "right"], ["Carol", "left"]);
    await makesGroup(alice, "The choir", [bob, carol]);
    await callsGroup(alice, "The choir");
    await Promise.all([bob.accepts(), carol.declines()]);
    await isInCallOf(alice, 2);
    await opensGroup(carol, "The choir");
    await carol.sees("group-call");
    const group = await carol.page.evaluate(() => window.tertulia.client.groupCalls[0].group_id);
    await alice.page.evaluate((id, user) => window.tertulia.client.groups.remove(id, user), group, carol.userId);
    await carol.seesNo("group-call");
    await carol.until("hears of no call there", () => window.tertulia.client.groupCalls.length === 0);
  },
  { patience: LONG_MS },
);

for (const [size, viewport] of Object.entries(SIZES)) {
  scenario(
    `c3_group_calls_that_are_over_are_accessible_at_${size}_size`,
    async (world) => {
      const [alice, bob, carol] = await world.signedIn(["Alice", "left"], ["Bob", "right"], ["Carol", "left", { viewport }]);
      await makesGroup(alice, "Sunday rice", [bob, carol]);
      await opensGroup(carol, "Sunday rice");
      await leavesChat(carol);
      await callsGroup(alice, "Sunday rice");
      await Promise.all([bob.accepts(), carol.accepts()]);
      await isInCallOf(alice, 3);
      for (const person of [carol, bob, alice]) await person.hangsUp();
      await opensGroup(carol, "Sunday rice");
      await sees(carol, "call-said", [/^Video call, \d+ s, 3 people$/]);
      await alice.click("call-voice", '[data-testid="chat-head"]');
      await bob.accepts();
      await carol.rings();
      await until("it has rung for long enough", () => carol.page.evaluate(() => !document.querySelector('[data-testid="incoming"]')));
      await Promise.all([bob.hangsUp(), alice.hangsUp()]);
      await sees(carol, "call-said", [/^Video call/, /^Missed voice call$/]);
      await carol.seesNo("toast");
      await looksGood(carol, `${size}-group-call-entries`);
      await carol.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
      await looksGood(carol, `${size}-group-call-entries-dark`);
      await seesRecent(carol);
      await sees(carol, "past-outcome", [/^Missed/, /^0:\d\d, 3 people/]);
      await looksGood(carol, `${size}-group-calls-recent`);
    },
    { ...impatient, patience: LONG_MS },
  );
}
