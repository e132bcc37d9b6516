import assert from "node:assert/strict";
import { test } from "node:test";
import { sayPresence, sayPresenceBriefly, sayTyping } from "../src/words-presence.js";
import { timeOf } from "../src/words-chat.js";

const NOW = new Date(2026, 2, 18, 15, 0).getTime();

test("m6: last seen is said as short as it can be understood", () => {
  const at = (day: number, hour: number) => new Date(2026, 2, day, hour, 3).getTime();
  const say = (lastSeen: number) => sayPresence({ online: false, lastSeen }, NOW);
  assert.equal(say(at(18, 14)), `last seen today at ${timeOf(at(18, 14))}`);
  assert.equal(say(at(17, 23)), `last seen yesterday at ${timeOf(at(17, 23))}`);
  assert.match(say(at(15, 9)) ?? "", /^last seen on \p{L}+ at /u);
  assert.match(say(at(1, 9)) ?? "", /^last seen on .*1.* at /);
  assert.equal(sayPresence({ online: true }, NOW), "online");
  assert.equal(sayPresenceBriefly({ online: false, lastSeen: at(17, 23) }, NOW), "seen yesterday");
  assert.equal(sayPresenceBriefly({ online: true }, NOW), "online");
  assert.equal(sayPresence({ online: false }, NOW), undefined);
});

test("m6: who types is said with a name only where it could be several", () => {
  const naming = (user: string) => user.toUpperCase();
  const [bob, carol, dave] = ["bob", "carol", "dave"].map((userId) => ({ userId, what: "text" as const })) as [never, never, never];
  const recording = { userId: "bob", what: "voice" as const };
  assert.equal(sayTyping([]), undefined);
  assert.equal(sayTyping([bob]), "typing…");
  assert.equal(sayTyping([recording]), "recording…");
  assert.equal(sayTyping([recording], naming), "BOB is recording…");
  assert.equal(sayTyping([bob, carol], naming), "BOB and 1 other are typing…");
  assert.equal(sayTyping([recording, carol, dave], naming), "BOB and 2 others are typing…");
});
