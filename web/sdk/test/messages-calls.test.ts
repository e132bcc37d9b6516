import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { IDBFactory } from "fake-indexeddb";
import { isMissedCall, type CallOutcome, type ChatMessage, type Client, type Content } from "../src/index.js";
import { until } from "./fakes.js";
import { Relay } from "./relay.js";

const clients: Client[] = [];
afterEach(() => clients.splice(0).forEach((client) => client.close()));

function call(outcome: CallOutcome, duration?: number): Content {
  const entry = { type: "call", call_id: "0190b5a2-7c1e-7000-8000-0000000000ca", media: "voice", outcome } as const;
  return { ...entry, ...(duration !== undefined && { duration_ms: duration }) };
}

test("c1 of calls only those that one has missed are unread, and none has ticks or is announced as a message", async () => {
  const relay = new Relay();
  const client = relay.page(new IDBFactory());
  clients.push(client);
  const messages = client.messages!;
  const announced: ChatMessage[] = [];
  messages.on("incoming", (message) => announced.push(message));
  await until(() => messages.drained);
  relay.say("bob", call("hangup", 5_000));
  relay.say("bob", call("declined"));
  relay.say("ana", call("missed"), "bob");
  relay.say("bob", call("lost", 0));
  await until(() => messages.conversation("user:bob")?.seq === 4);
  assert.equal(messages.conversation("user:bob")?.unread, 0);
  for (const outcome of ["missed", "cancelled", "busy", "failed"] as const) relay.say("bob", call(outcome));
  await until(() => messages.conversation("user:bob")?.seq === 8);
  assert.equal(messages.conversation("user:bob")?.unread, 4);
  // What is above is counted anew where somebody has read.
  await messages.markRead("user:bob", 6);
  assert.equal(messages.conversation("user:bob")?.unread, 2);
  relay.receipts("bob", "c-bob", 8, 8);
  relay.post("bob", "call me back");
  await until(() => messages.conversation("user:bob")?.unread === 3);
  const thread = await messages.thread("user:bob", {});
  assert.deepEqual([...new Set(thread.messages.map(({ state }) => state))], ["received"]);
  assert.deepEqual(announced.map(({ content }) => content.type), ["text"]);
});

test("c3 the call of a group is unread where it was missed, and nowhere else", async () => {
  const relay = new Relay();
  const client = relay.page(new IDBFactory());
  clients.push(client);
  const messages = client.messages!;
  await until(() => messages.drained);
  const id = "5e0f3c9a7b2d4186a1c4e7f09b3d6258";
  const key = `group:${id}`;
  const of = (missed: string[]) => ({ started_at: 1, people: ["bob"], people_count: 1, missed });
  const told = (missed: string[], outcome: CallOutcome, duration?: number) => ({ ...call(outcome, duration), group: of(missed) }) as Content;
  relay.postTo(id, "bob", told(["carol"], "hangup", 5_000), 1);
  relay.postTo(id, "bob", told(["carol"], "missed"), 2);
  await until(() => messages.conversation(key)?.seq === 2);
  assert.equal(messages.conversation(key)?.unread, 0, "who was not asked in, or declined, has missed nothing");
  relay.postTo(id, "bob", told(["ana", "carol"], "hangup", 5_000), 3);
  relay.postTo(id, "bob", told(["ana"], "missed"), 4);
  await until(() => messages.conversation(key)?.seq === 4);
  assert.equal(messages.conversation(key)?.unread, 2, "also where others talked");
  assert.equal(isMissedCall(told(["ana"], "hangup", 5_000), "bob"), false);
});
