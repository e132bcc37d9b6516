import assert from "node:assert/strict";
import { test } from "node:test";
import { TertuliaError, type EndReason, type Ended } from "@tertulia/sdk";
import { accountOf } from "../src/account.js";
import {
  ago,
  clock,
  sayEnded,
  sayProblem,
  sayState,
  sayUntil,
  sayUntilBriefly,
  sayWait,
  tomorrowAt,
  when,
} from "../src/words.js";

const peer = { user_id: "bob", name: "Bob" };
const outgoing = { peer, direction: "outgoing", accepted: true } as const;
const incoming = { peer, direction: "incoming", accepted: false } as const;
const ended = (reason: EndReason, error?: TertuliaError): Ended => ({ reason, durationMs: 65_000, error });

test("the caller hears in words why nobody came", () => {
  assert.equal(sayEnded(outgoing, ended("declined"))?.text, "Bob declined the call");
  assert.equal(sayEnded(outgoing, ended("busy"))?.text, "Bob is in another call");
  assert.equal(sayEnded(outgoing, ended("missed"))?.text, "Bob did not answer");
  assert.equal(sayEnded(outgoing, ended("missed"))?.again, true);
});

test("who ended it need not be told", () => {
  assert.equal(sayEnded(outgoing, ended("cancelled")), undefined);
  assert.equal(sayEnded(incoming, ended("declined")), undefined);
  assert.equal(sayEnded(incoming, { ...ended("hangup"), reason: "merged" }), undefined);
});

test("the callee hears what became of the ringing", () => {
  assert.equal(sayEnded(incoming, ended("cancelled"))?.text, "You missed a call from Bob");
  assert.equal(sayEnded(incoming, ended("missed"))?.text, "You missed a call from Bob");
  assert.equal(sayEnded(incoming, ended("answered_elsewhere"))?.text, "Answered on another device");
  assert.equal(sayEnded(incoming, ended("declined_elsewhere"))?.text, "Declined on another device");
});

test("a refusal is told by its own words", () => {
  const failed = (code: "unknown_user" | "server_full") => sayEnded(outgoing, ended("failed", TertuliaError.of(code)));
  assert.deepEqual(failed("unknown_user"), { text: "There is no one called “Bob” here", tone: "bad", again: false });
  assert.deepEqual(failed("server_full"), {
    text: "The server is full. Try again in a while",
    tone: "bad",
    again: true,
  });
  assert.equal(sayEnded(outgoing, ended("failed"))?.text, "The call with Bob could not be connected");
});

test("every reason for a missing device says what to do or what is wrong", () => {
  for (const source of ["mic", "camera", "screen"] as const) {
    const said = (["denied", "missing", "busy", "insecure", "lost", "failed"] as const).map((reason) =>
      sayProblem({ source, reason }),
    );
    assert.equal(new Set(said).size, 6);
  }
  assert.match(sayProblem({ source: "mic", reason: "denied" }), /microphone.*site settings/);
});

test("a call that is answered but not connected here is not called connected", () => {
  const call = { ...outgoing, state: "active", connection: "new" } as const;
  assert.equal(sayState(call), "Connecting…");
  assert.equal(sayState({ ...call, connection: "up" }), "Connected");
  assert.equal(sayState({ ...call, connection: "down" }), "Reconnecting…");
  assert.equal(sayState({ ...call, state: "reconnecting", connection: "up" }), "Bob is reconnecting…");
});

test("c1_a_call_that_went_to_another_device_says_so", () => {
  assert.deepEqual(sayEnded(outgoing, ended("handed_over")), {
    text: "Continued on your other device",
    tone: "plain",
    again: false,
  });
});

test("c1_on_hold_is_said_whoever_has_put_it_there_and_only_while_the_call_is_on", () => {
  const call = { ...outgoing, state: "active", connection: "up" } as const;
  assert.equal(sayState({ ...call, held: true }), "On hold");
  assert.equal(sayState({ ...call, heldByOther: true }), "On hold");
  assert.equal(sayState({ ...call, state: "reconnecting", connection: "down", held: true }), "Reconnecting…");
});

test("a wait is never said to be shorter than it is", () => {
  assert.equal(sayWait(1), "1 second");
  assert.equal(sayWait(41_200), "42 seconds");
  assert.equal(sayWait(700_000), "12 minutes");
  assert.equal(sayWait(3 * 3_600_000 - 1), "3 hours");
});

test("do not disturb says until when", () => {
  const now = new Date(2026, 5, 17, 18).getTime();
  const forEver = Date.UTC(2100, 0, 1);
  const say = (at: number) => [sayUntil(at, forEver, now), sayUntilBriefly(at, forEver, now)];
  const [full, brief] = say(now + 3_600_000);
  assert.match(full ?? "", /^until .*(19|7)/);
  assert.match(brief ?? "", /(19|7)/);
  const morning = tomorrowAt(8, now);
  assert.equal(new Date(morning).getDate(), 18);
  assert.equal(new Date(morning).getHours(), 8);
  assert.match(say(morning)[0] ?? "", /^until tomorrow, /);
  assert.equal(say(morning)[1], "tomorrow");
  const weekday = new Date(now + 3 * 86_400_000).toLocaleDateString(undefined, { weekday: "long" });
  assert.equal(say(now + 3 * 86_400_000)[1], weekday);
  assert.deepEqual(say(forEver), ["until you turn it off", "on"]);
  // What the narrow header shows is a part of what its button is called.
  for (const at of [now + 60_000, morning, now + 3 * 86_400_000]) {
    const [name, shown] = say(at);
    assert.ok(name?.includes(shown ?? "?"), `${name} has no ${shown}`);
  }
});

test("how long ago is as short as it can be understood", () => {
  const now = new Date(2026, 5, 17, 18).getTime();
  assert.equal(ago(now - 20_000, now), "just now");
  assert.equal(ago(now - 61_000, now), "1 minute ago");
  assert.equal(ago(now - 5 * 3_600_000, now), "5 hours ago");
  assert.equal(ago(now - 30 * 3_600_000, now), "yesterday");
});

test("times are as short as they can be understood", () => {
  assert.equal(clock(0), "0:00");
  assert.equal(clock(65_400), "1:05");
  assert.equal(clock(3_725_000), "1:02:05");
  const noon = new Date(2026, 5, 17, 12).getTime();
  assert.match(when(noon - 3_600_000, noon), /11/);
  assert.equal(when(noon - 13 * 3_600_000, noon), "yesterday");
  assert.equal(
    when(noon - 3 * 86_400_000, noon),
    new Date(noon - 3 * 86_400_000).toLocaleDateString(undefined, { weekday: "long" }),
  );
});

test("a token's owner is read from it, and what is no token is none", () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = `${part({ alg: "HS256" })}.${part({ sub: "zoë", name: "Zoë" })}.c2ln`;
  assert.deepEqual(accountOf(token), { userId: "zoë", name: "Zoë", token, demo: false });
  assert.equal(accountOf(`x.${part({ name: "no subject" })}.y`), undefined);
  assert.equal(accountOf("hello"), undefined);
});
