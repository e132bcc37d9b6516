import assert from "node:assert/strict";
import { test } from "node:test";
import { sayCall, sayLength } from "../src/words-calls.js";
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
    assert.equal(sayCall({ ...call, outcome }, true), own);
    assert.equal(sayCall({ ...call, outcome }, false), others);
  }
  const talk = { ...call, media: "video", outcome: "hangup", duration_ms: 184_000 } as const;
  for (const own of [true, false]) assert.equal(sayCall(talk, own), "Video call, 3 min");
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
