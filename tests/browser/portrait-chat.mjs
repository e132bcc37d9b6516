// Takes a picture of a conversation: `node portrait-chat.mjs [path]`. Real messages, between people of this run.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { goInside, isInside, plugIn } from "./network.mjs";

if (!isInside()) await goInside();
plugIn();

const PICTURE = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), "../../docs/chat.png");
/** Who else has written, and what: the newest last. */
const OTHERS = [
  ["Elena", ["The book club is on Thursday, at mine", "Bring the red one"]],
  ["Manuel", ["Did you get the tickets?"]],
];
const TALK = [
  ["Carmen", "Are you coming on Sunday? My sister is making the rice with the artichokes, the one from last year."],
  ["Alice", "Of course! I’ll bring the wine, and Bob his guitar."],
  ["Alice", "What time?"],
  ["Carmen", "Two, Spanish time. So: three."],
  ["Carmen", "The house is here: https://www.openstreetmap.org/#map=17/36.7213/-4.4214"],
  ["Alice", "I remember it. The one with the lemon tree!"],
  ["Carmen", "That one. It has never had as many as this year"],
  ["Alice", "Then I’ll bring a basket, too"],
];

const { World, closeAll } = await import("./harness.mjs");
const { opensChat, says, shown } = await import("./chatting.mjs");
const { pause, until } = await import("./until.mjs");
const world = new World("portrait", "", {});
try {
  const names = ["Alice", "Carmen", "Elena", "Manuel", "Bob"];
  const people = await world.signedIn(...names.map((name, i) => [name, i % 2 ? "right" : "left"]));
  const [alice, carmen] = people;
  const writes = (from, text) =>
    from.page.evaluate((user, words) => window.tertulia.client.messages.send(user, words), alice.userId, text);
  for (const [name, texts] of OTHERS) {
    for (const text of texts) await writes(people[names.indexOf(name)], text);
    await alice.reads(`chat-${people[names.indexOf(name)].userId}`, new RegExp(texts.at(-1).slice(0, 12)));
  }
  await opensChat(alice, carmen);
  await opensChat(carmen, alice);
  for (const [name, text] of TALK) {
    await says(name === "Alice" ? alice : carmen, text);
    const other = name === "Alice" ? carmen : alice;
    await until("it is there", async () => (await shown(other)).at(-1) === `${text} received`);
  }
  await until("all is read", async () => (await shown(alice)).at(-1).endsWith("read"));
  await pause(500); // what moves comes to rest
  await alice.shot(PICTURE);
  console.log(PICTURE);
} catch (error) {
  await world.report();
  throw error;
} finally {
  await world.close();
  await closeAll();
}
