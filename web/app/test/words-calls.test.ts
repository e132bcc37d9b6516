import assert from "node:assert/strict";
import { test } from "node:test";
import { sayCall, sayLength, sayWith } from "../src/words-calls.js";
import { sayContent } from "../src/words-chat.js";

const call = { type: "call", call_id: "0190b5a2-7c1e-7000-8000-0000000000ca", media: "voice" } as const;

test("c1 a call is worded for who placed it and for who was called", () => {
  for (const [outcome, own, others] of [
    ["missed", "Voice call, no answer", "Missed voice call"],
    ["cancelled", "Voice call, given up", "Missed voice call"],
    ["busy", "Voice call, busy", "Missed voice call"],
    ["failed", "Voice call, no connection", "Missed voice call"],
    ["declined", "Voice call, declined", "Declined voice call"],
  ] as const) {
    assert.equal(sayCall({ ...call, outcome }, true, false), own);
    assert.equal(sayCall({ ...call, outcome }, false, outcome !== "declined"), others);
  }
  const talk = { ...call, media: "video", outcome: "hangup", duration_ms: 184_000 } as const;
  for (const own of [true, false]) assert.equal(sayCall(talk, own, false), "Video call, 3 min");
});

test("c1 a list says what became of the last call", () => {
  const naming = (user: string) => (user === "ana" ? "you" : user);
  assert.equal(sayContent({ ...call, outcome: "missed" }, "bob", naming), "Missed voice call");
  assert.equal(sayContent({ ...call, outcome: "missed" }, "ana", naming), "Voice call, no answer");
});

test("c1 how long a call was is said in one or two numbers", () => {
  for (const [ms, said] of [[0, "0 s"], [59_400, "59 s"], [59_600, "1 min"], [184_000, "3 min"], [3_600_000, "1 h"], [3_899_000, "1 h 5 min"]] as const) {
    assert.equal(sayLength(ms), said);
  }
});

const GROUP = { started_at: 1_790_000_000_000, people: ["ana", "bob"], people_count: 2, missed: ["carol"] };

test("c3 the call of a group is missed by who was asked in and did not come, and said to all others as it was", () => {
  const talk = { ...call, media: "video", outcome: "hangup", duration_ms: 184_000, group: GROUP } as const;
  const as = (me: string) => sayContent(talk, "ana", (user) => (user === me ? "you" : user));
  assert.equal(as("carol"), "Missed video call");
  for (const me of ["ana", "bob", "dan"]) assert.equal(as(me), "Video call, 3 min, 2 people");
  const alone = { ...call, outcome: "missed", group: { ...GROUP, people: ["ana"], people_count: 1 } } as const;
  const said = (me: string) => sayContent(alone, "ana", (user) => (user === me ? "you" : user));
  assert.deepEqual(["ana", "carol", "dan"].map(said), ["Voice call, no answer", "Missed voice call", "Voice call, nobody came"]);
});

test("c3 the list of calls names a group, and of a call of two that grew who was in it", () => {
  const person = (id: string) => ({ user_id: id, name: id.toUpperCase() });
  const record = {
    call_id: "0190b5a2-7c1e-7000-8000-0000000000ca",
    direction: "incoming",
    peer: person("ana"),
    media: "voice",
    started_at: 1,
    ended_at: 2,
    reason: "hangup",
    duration_ms: 1,
  } as const;
  assert.equal(sayWith(record, "me", undefined), "ANA");
  const people = ["ana", "me", "bob"].map(person);
  assert.equal(sayWith({ ...record, people, people_count: 3 }, "me", undefined), "ANA and BOB");
  const many = ["ana", "me", "bob", "carol", "dan", "eve", "fay", "gil"].map(person);
  assert.equal(sayWith({ ...record, people: many, people_count: 12 }, "me", undefined), "ANA, BOB and 9 others");
  const group = { group_id: "5e0f3c9a7b2d4186a1c4e7f09b3d6258", name: "Walks" };
  assert.equal(sayWith({ ...record, group, people, people_count: 3 }, "me", "Sunday walks"), "Sunday walks");
  assert.equal(sayWith({ ...record, group, people, people_count: 3 }, "me", undefined), "Walks");
});
