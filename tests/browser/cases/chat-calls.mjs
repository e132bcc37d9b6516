// c1: calls stand in the conversation of their two, as each of them would say it; one calls back from there.

import assert from "node:assert/strict";
import { opensChat, opensListed, says, unread } from "../chatting.mjs";
import { looksGood, SIZES } from "../good.mjs";
import { scenario } from "../harness.mjs";
import { until } from "../until.mjs";

const impatient = { calls: "ring_timeout_ms = 3000" };

const calls = (person) =>
  person.page.evaluate(() => [...document.querySelectorAll('[data-testid="call-said"]')].map((it) => it.textContent));

const row = (person, other) =>
  person.page.evaluate((id) => document.querySelector(`[data-testid="chat-${id}"] .said`)?.textContent, other.userId);

async function seesCalls(person, expected) {
  let last;
  await until(`${person.name} sees ${expected.join(", ")}`, async () => {
    last = await calls(person);
    return JSON.stringify(last) === JSON.stringify(expected);
  }).catch((error) => {
    throw new Error(`${error.message}\nsees: ${JSON.stringify(last)}`);
  });
}

scenario(
  "c1_a_missed_call_is_in_the_conversation_of_both_and_is_called_back_from_there",
  async (world) => {
    const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
    await bob.goesAway();
    await alice.calls(bob, "video");
    await alice.isFree();
    await bob.comesBack();
    await until("Bob's list says so", async () => (await row(bob, alice)) === "Missed video call");
    assert.equal(await unread(bob, alice), 1);
    assert.equal(await row(alice, bob), "Video call, no answer");
    assert.equal(await unread(alice, bob), 0);
    await opensListed(bob, alice);
    await seesCalls(bob, ["Missed video call"]);
    await bob.click("call-back");
    await alice.accepts();
    await bob.isInCall();
    await alice.hangsUp();
    await bob.isFree();
    await until("the second is there", async () => (await calls(bob)).length === 2);
    assert.match((await calls(bob)).at(-1), /^Video call, \d+ s$/);
    await bob.reload();
    await until("both are kept", async () => (await calls(bob)).length === 2);
  },
  impatient,
);

for (const [size, viewport] of Object.entries(SIZES)) {
  scenario(
    `c1_calls_in_a_conversation_are_accessible_at_${size}_size`,
    async (world) => {
      const [alice, bob] = await world.signedIn(["Alice", "left", { viewport }], ["Bob", "right"]);
      await opensChat(alice, bob);
      await says(alice, "Shall I call you?");
      await opensChat(bob, alice);
      await says(bob, "Yes, in a minute");
      await alice.page.click('[data-testid="chat-head"] [data-testid="call-voice"]');
      await bob.declines();
      await alice.isFree();
      await bob.page.click('[data-testid="chat-head"] [data-testid="call-video"]');
      await bob.isFree();
      await seesCalls(alice, ["Voice call, declined", "Missed video call"]);
      // What is said in passing has passed.
      await alice.seesNo("toast");
      await looksGood(alice, `${size}-calls`);
      await alice.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
      await looksGood(alice, `${size}-calls-dark`);
    },
    impatient,
  );
}
