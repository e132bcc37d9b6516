// When a device says what it has kept: messages at once, receipts alone together and later.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Inbox } from "../src/messages/inbox.js";
import type { MailboxFrame } from "../src/messages/store.js";

const receipts = (seq: number, members: number): MailboxFrame => ({
  type: "receipts",
  seq,
  conversation: "c",
  receipts: Array.from({ length: members }, (_, n) => ({ user: `u${n}`, delivered_upto: seq, read_upto: 0 })),
});

const message = (seq: number): MailboxFrame => ({
  type: "message",
  seq,
  conversation: "c",
  conversation_seq: seq,
  from: "bob",
  to: { user: "ana" },
  sent_at: 1,
  content: { type: "text", text: "hi" },
});

const kept = async () => {
  for (let n = 0; n < 20; n += 1) await Promise.resolve();
};

/** Timers that run when they are told to. Node's own stand-ins are asked for differently by each of its versions. */
async function timed(body: (later: () => void) => Promise<void>): Promise<void> {
  const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  const set = new Map<number, () => void>();
  let last = 0;
  Object.assign(globalThis, {
    setTimeout: (run: () => void) => {
      set.set((last += 1), run);
      return last;
    },
    clearTimeout: (timer: number) => set.delete(timer),
  });
  try {
    await body(() => {
      const due = [...set.values()];
      set.clear();
      for (const run of due) run();
    });
  } finally {
    Object.assign(globalThis, real);
  }
}

function inbox() {
  const acknowledged: number[] = [];
  const taken = new Inbox({
    store: { receive: () => Promise.resolve([]) },
    acknowledge: (seq) => acknowledged.push(seq),
    changed: () => undefined,
    problem: () => undefined,
  });
  taken.welcomed(false);
  return { taken, acknowledged };
}

test("m5_receipts_alone_are_acknowledged_together_with_the_next_message_or_a_little_later", () => timed(async (later) => {
  const { taken, acknowledged } = inbox();
  taken.take(receipts(1, 1));
  await kept();
  taken.take(receipts(2, 1));
  await kept();
  assert.deepEqual(acknowledged, []);
  taken.take(message(3));
  await kept();
  assert.deepEqual(acknowledged, [3]);
  later();
  assert.deepEqual(acknowledged, [3], "nothing is left to say");
  taken.take(receipts(4, 1));
  await kept();
  later();
  assert.deepEqual(acknowledged, [3, 4]);
  taken.close();
}));

test("m5_many_figures_in_receipts_are_acknowledged_at_once_so_that_messages_behind_them_come", async () => {
  const { taken, acknowledged } = inbox();
  taken.take(receipts(1, 255));
  await kept();
  assert.deepEqual(acknowledged, [1]);
  taken.close();
});

test("m5_a_resumed_session_says_again_what_it_has_and_a_new_one_does_not", () => timed(async (later) => {
  const { taken, acknowledged } = inbox();
  taken.take(receipts(1, 1));
  await kept();
  taken.welcomed(true);
  assert.deepEqual(acknowledged, [1]);
  taken.take(receipts(2, 1));
  await kept();
  taken.welcomed(false);
  later();
  assert.deepEqual(acknowledged, [1], "of the old session nothing is said in the new one");
  taken.close();
}));
