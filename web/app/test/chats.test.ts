import assert from "node:assert/strict";
import { test } from "node:test";
import { Chats } from "../src/chats.js";

type Range = { from?: number; before?: number; limit?: number };

/** A conversation of 200 messages whose pages come when the test says so. */
function conversation() {
  const asked: { range: Range; come: () => void }[] = [];
  const thread = (_key: string, range: Range) =>
    new Promise((resolve) => {
      const { from = 1, before = 201, limit = 200 } = range;
      const first = Math.max(from, before - limit);
      const messages = Array.from({ length: before - first }, (_, i) => ({ seq: first + i, ref: `${first + i}` }));
      asked.push({ range, come: () => resolve({ messages, more: first > 1 }) });
    });
  let changed = (_keys: string[]): void => undefined;
  const on = (event: string, listener: (keys: string[]) => void) => {
    if (event === "changed") changed = listener;
    return () => undefined;
  };
  const messages = { usable: true, unread: 0, conversation: () => ({ unread: 0, read: 200, seq: 200 }), thread, on, ready: Promise.resolve() };
  const client = { messages };
  const chats = new Chats({ client, changed: () => undefined } as never);
  chats.open = "user:bob";
  chats.attach(client as never);
  const come = async () => {
    for (let next = asked.shift(); next; next = asked.shift()) {
      next.come();
      await settled();
    }
  };
  return { chats, asked, come, changes: () => changed(["user:bob"]) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const firstOf = (chats: Chats) => chats.thread[0]?.seq;

test("m1 what is before stays on the page, whatever changes in the conversation while it loads", async () => {
  (globalThis as { document?: unknown }).document ??= { visibilityState: "hidden", title: "" };
  const { chats, asked, come, changes } = conversation();
  await settled();
  await come();
  assert.equal(firstOf(chats), 141, "its end, first");
  // Something was read: the thread is read anew, from its first message; and the reader is at the top.
  changes();
  const older = chats.older();
  const [anew, before] = asked.splice(0);
  assert.deepEqual([anew?.range, before?.range], [{ from: 141 }, { before: 141, limit: 60 }]);
  before?.come();
  await older;
  assert.equal(firstOf(chats), 81);
  anew?.come();
  await settled();
  await come();
  assert.equal(firstOf(chats), 81, "what was loaded meanwhile is there no longer");
  assert.equal(chats.thread.length, 120);
});
