import assert from "node:assert/strict";
import { test } from "node:test";
import { TertuliaError, type EndReason, type Ended } from "@tertulia/sdk";
import { accountOf } from "../src/account.js";
import { clock, sayEnded, sayProblem, sayState, when } from "../src/words.js";

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
