import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { IDBFactory } from "fake-indexeddb";
import { TertuliaError, type Client, type MessagesApi } from "../src/index.js";
import type { MessageStore } from "../src/messages/store.js";
import { FakeSocket, until } from "./fakes.js";
import { Fate, fated, Relay } from "./relay.js";

const clients: Client[] = [];
afterEach(() => clients.splice(0).forEach((client) => client.close()));

/** A page of Ana's. */
function page(relay: Relay, factory: IDBFactory, fate?: Fate): MessagesApi {
  const client = relay.page(factory, fate);
  clients.push(client);
  return client.messages!;
}

function leave(): void {
  clients.splice(0).forEach((client) => client.close());
}

async function texts(messages: MessagesApi, key: string): Promise<string[]> {
  const thread = await messages.thread(key, { limit: 1_000 });
  return thread.messages.map(({ content }) => (content as { text: string }).text);
}

/** What it says and where it stands: `hello read`. */
async function states(messages: MessagesApi, key: string): Promise<string[]> {
  const thread = await messages.thread(key, { limit: 1_000 });
  return thread.messages.map(({ content, state }) => `${(content as { text: string }).text} ${state}`);
}

/** Waits until a conversation looks like this. */
async function shows(messages: MessagesApi, key: string, expected: string[]): Promise<void> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const now = await states(messages, key);
    if (now.join() === expected.join()) return;
    if (Date.now() > deadline) assert.deepEqual(now, expected);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test("what is sent is shown at once, and its ticks follow: pending, sent, delivered, read", async () => {
  const relay = new Relay();
  relay.slow = true;
  const messages = page(relay, new IDBFactory());
  await messages.ready;
  const sent = await messages.send("bob", "hello");
  assert.equal(sent.state, "pending");
  assert.equal(messages.conversations[0]?.key, "user:bob");
  await shows(messages, "user:bob", ["hello pending"]);
  await until(() => relay.unanswered === 1);
  relay.answerOne();
  await shows(messages, "user:bob", ["hello sent"]);
  relay.receipts("bob", "c-bob", 1, 0);
  await shows(messages, "user:bob", ["hello delivered"]);
  relay.receipts("bob", "c-bob", 1, 1);
  await shows(messages, "user:bob", ["hello read"]);
  const after = await messages.thread("user:bob");
  assert.equal(after.messages[0]?.ref, sent.ref, "the same bubble all the way");
});

test("many are sent one at a time and in order, also where the server refuses for a moment", async () => {
  const relay = new Relay();
  relay.refusals.push("message_not_stored", "rate_limited");
  const messages = page(relay, new IDBFactory());
  await messages.ready;
  const wanted = Array.from({ length: 100 }, (_, n) => String(n));
  await Promise.all(wanted.map((text) => messages.send("bob", text)));
  await until(() => relay.taken.length === 100);
  assert.deepEqual(relay.taken.map(({ text }) => text), wanted);
  assert.equal(relay.unanswered, 1, "the server knows 64 names of a device again, no more");
});

test("an answer that is lost with the socket is asked for again, by the same name", async () => {
  const relay = new Relay();
  const messages = page(relay, new IDBFactory());
  await messages.ready;
  relay.slow = true;
  await messages.send("bob", "once");
  await until(() => relay.unanswered === 1);
  const deaf = relay.line;
  deaf.receive = () => undefined; // it is taken; nobody hears
  relay.answerOne();
  relay.slow = false;
  deaf.break();
  await shows(messages, "user:bob", ["once sent"]);
  assert.deepEqual(relay.taken.length, 1);
});

test("what the server will never take is shown as failed, and is sent again or deleted", async () => {
  const relay = new Relay();
  relay.refusals.push("unknown_user", "unknown_user");
  const messages = page(relay, new IDBFactory());
  await messages.ready;
  await messages.send("nobody", "are you there?");
  await shows(messages, "user:nobody", ["are you there? failed"]);
  const [failed] = (await messages.thread("user:nobody")).messages;
  assert.equal(failed?.failed, "unknown_user");
  assert.equal(messages.stateOfLast(messages.conversation("user:nobody")!), "failed");
  await messages.retry(failed.n!);
  await until(() => relay.refusals.length === 0);
  await shows(messages, "user:nobody", ["are you there? failed"]);
  const [again] = (await messages.thread("user:nobody")).messages;
  await messages.discard(again!.n!);
  assert.deepEqual(await texts(messages, "user:nobody"), []);
  assert.equal(messages.conversations.length, 0, "nothing is left of it");
  await messages.send("bob", "you then"); // and it holds nobody up
  await shows(messages, "user:bob", ["you then sent"]);
});

test("what comes is acknowledged only when it is kept, and cumulatively", async () => {
  const relay = new Relay();
  for (let n = 1; n <= 20; n += 1) relay.post("bob", String(n));
  const fate = new Fate();
  let kept = 0;
  const keeping = (store: MessageStore) => {
    const receive = store.receive.bind(store);
    store.receive = async (frames) => {
      assert.ok(relay.acknowledged <= kept, "acknowledged before it was kept");
      const keys = await receive(frames);
      kept = Math.max(kept, frames.at(-1)?.seq ?? 0);
      return keys;
    };
    return fated(fate)(store);
  };
  const client = relay.page(new IDBFactory(), fate, { messages: { userId: "ana", factory: new IDBFactory(), wrap: keeping } });
  clients.push(client);
  await until(() => relay.acknowledged === 20);
  assert.equal(relay.waiting, 0);
  assert.ok(relay.line.of("mailbox.ack").length < 20, "not one by one");
  assert.equal((await texts(client.messages!, "user:bob")).length, 20);
  assert.equal(client.messages!.conversation("user:bob")?.unread, 20);
});

test("what comes twice is shown once and counted once", async () => {
  const relay = new Relay();
  const factory = new IDBFactory();
  relay.post("bob", "one");
  const first = page(relay, factory);
  await until(() => first.drained);
  const [one] = (await first.thread("user:bob")).messages;
  relay.line.receive({ type: "message", seq: 1, conversation: "c-bob", conversation_seq: 1, from: "bob", to: { user: "ana" }, sent_at: one!.at, content: one!.content });
  relay.post("bob", "two");
  await shows(first, "user:bob", ["one received", "two received"]);
  assert.equal(first.conversation("user:bob")?.unread, 2);
});

test("a store that is full acknowledges nothing, says so, and goes on when there is room", async () => {
  const relay = new Relay();
  let full = true;
  const wrap = (store: MessageStore) => {
    const receive = store.receive.bind(store);
    store.receive = (frames) => (full ? Promise.reject(TertuliaError.local("storage_full")) : receive(frames));
    return store;
  };
  const client = relay.page(new IDBFactory(), new Fate(), { messages: { userId: "ana", factory: new IDBFactory(), wrap } });
  clients.push(client);
  const messages = client.messages!;
  await until(() => messages.problem === "full");
  relay.post("bob", "one");
  await until(() => relay.lines.some((line) => line.of("hello").length > 0));
  assert.equal(relay.acknowledged, 0);
  full = false;
  relay.post("bob", "two");
  await until(() => relay.waiting === 0);
  assert.equal(messages.problem, undefined);
  await shows(messages, "user:bob", ["one received", "two received"]);
});

test("without IndexedDB no mailbox is asked for, and sending says why not", async () => {
  const relay = new Relay();
  relay.post("bob", "one");
  const client = relay.page(new IDBFactory(), new Fate(), { messages: { userId: "ana" } });
  clients.push(client);
  await client.messages!.ready;
  await until(() => client.state === "online");
  assert.equal(client.messages!.problem, "unavailable");
  assert.equal(relay.line.of("hello")[0]?.caps.messages, false);
  await assert.rejects(client.messages!.send("bob", "hello"), (error: TertuliaError) => error.code === "storage_unavailable");
});

test("a mailbox that the server does not open is a problem that is told, and over with the next session", async () => {
  const relay = new Relay();
  relay.opens = false;
  const messages = page(relay, new IDBFactory());
  await until(() => messages.problem === "no_mailbox");
  assert.equal(messages.drained, false);
  relay.opens = true;
  relay.post("bob", "one");
  relay.line.break();
  await until(() => messages.unread === 1 && messages.problem === undefined);
});

test("messages of another user's token are not kept", async () => {
  const relay = new Relay();
  relay.post("bob", "not for carol");
  const factory = new IDBFactory();
  const client = relay.page(factory, new Fate(), { messages: { userId: "carol", factory } });
  clients.push(client);
  await until(() => client.state === "online" && client.messages!.problem === "unavailable");
  assert.equal(client.messages!.conversations.length, 0);
  assert.equal(relay.acknowledged, 0);
});

test("own messages from another device are there, and count as nobody's news", async () => {
  const relay = new Relay();
  const messages = page(relay, new IDBFactory());
  await until(() => messages.drained);
  relay.post("bob", "lunch?");
  relay.post("ana", "at two", "bob");
  await shows(messages, "user:bob", ["lunch? received", "at two sent"]);
  assert.equal(messages.conversation("user:bob")?.unread, 1);
  relay.receipts("bob", "c-bob", 2, 2);
  await shows(messages, "user:bob", ["lunch? received", "at two read"]);
});

/** Ana's page, which has read one message of Bob's and is done with telling it. */
async function readsOfBob(relay: Relay): Promise<MessagesApi> {
  const messages = page(relay, new IDBFactory());
  await until(() => messages.drained);
  relay.post("bob", "one");
  await until(() => messages.unread === 1);
  await messages.markRead("user:bob");
  await until(() => messages.conversation("user:bob")?.told === 1);
  return messages;
}

for (const code of ["message_not_stored", "no_mailbox", "rate_limited"] as const) {
  test(`what is read is told again where the server could not take it: ${code}`, async () => {
    const relay = new Relay();
    relay.refusedReads.push(code);
    await readsOfBob(relay);
    assert.equal(relay.read.get("c-bob"), 1);
  });
}

test("what was read of a conversation that is over is told once, and what is read after it is told", async () => {
  const relay = new Relay();
  relay.refusedReads.push("unknown_conversation");
  const messages = await readsOfBob(relay);
  assert.equal(relay.read.get("c-bob"), undefined);
  relay.post("carol", "two");
  await until(() => messages.unread === 1);
  await messages.markRead("user:carol");
  await until(() => relay.read.get("c-carol") === 1);
});

test("what is read on a page without a session is told by the page that has it", async () => {
  const relay = new Relay();
  const factory = new IDBFactory();
  const first = page(relay, factory);
  await until(() => first.drained);
  relay.post("bob", "one");
  await until(() => first.unread === 1);
  const second = relay.page(factory, new Fate(), { openSocket: () => new FakeSocket() });
  clients.push(second);
  await until(() => second.messages!.unread === 1);
  await second.messages!.markRead("user:bob");
  await until(() => relay.read.get("c-bob") === 1);
  assert.equal(first.unread, 0);
});

test("what is read is told to the server, and what was read on another device is read here", async () => {
  const relay = new Relay();
  const messages = page(relay, new IDBFactory());
  await until(() => messages.drained);
  for (const text of ["one", "two", "three"]) relay.post("bob", text);
  await until(() => messages.unread === 3);
  await messages.markRead("user:bob", 2);
  assert.equal(messages.unread, 1);
  await until(() => relay.read.get("c-bob") === 2);
  relay.receipts("ana", "c-bob", 3, 3);
  await until(() => messages.unread === 0);
  assert.equal(relay.line.of("message.read").length, 1, "what others told needs no telling");
});

test("what is read without a network is told later, by the next page", async () => {
  const relay = new Relay();
  const factory = new IDBFactory();
  const fate = new Fate();
  const messages = page(relay, factory, fate);
  relay.post("bob", "one");
  await until(() => messages.unread === 1);
  relay.line.send = () => undefined;
  await messages.markRead("user:bob");
  leave();
  const later = page(relay, factory);
  await until(() => relay.read.get("c-bob") === 1);
  assert.equal(later.unread, 0);
});

test("receipts of a conversation whose name is not known here yet are kept", async () => {
  const relay = new Relay();
  const messages = page(relay, new IDBFactory());
  await until(() => messages.drained);
  relay.receipts("bob", "c-bob", 1, 1);
  await until(() => relay.acknowledged === 1);
  await messages.send("bob", "hello");
  await shows(messages, "user:bob", ["hello read"]);
});

test("a gap is remembered until the person knows", async () => {
  const relay = new Relay();
  const factory = new IDBFactory();
  page(relay, factory);
  relay.gap();
  await until(() => relay.acknowledged === 1);
  leave();
  const messages = page(relay, factory);
  await messages.ready;
  assert.equal(messages.lost?.reason, "expired");
  await messages.forgetLost();
  assert.equal(messages.lost, undefined);
});

test("a thread comes in pages, from its end", async () => {
  const relay = new Relay();
  for (let n = 1; n <= 120; n += 1) relay.post("bob", String(n));
  const messages = page(relay, new IDBFactory());
  await until(() => messages.drained);
  const end = await messages.thread("user:bob", { limit: 50 });
  assert.deepEqual([end.messages[0]?.seq, end.messages.at(-1)?.seq, end.more], [71, 120, true]);
  const before = await messages.thread("user:bob", { before: 71, limit: 50 });
  assert.deepEqual([before.messages[0]?.seq, before.messages.at(-1)?.seq, before.more], [21, 70, true]);
  const first = await messages.thread("user:bob", { before: 21, limit: 50 });
  assert.deepEqual([first.messages[0]?.seq, first.messages.at(-1)?.seq, first.more], [1, 20, false]);
  const from = await messages.thread("user:bob", { from: 100 });
  assert.equal(from.messages.length, 21);
});

test("a page that has lost the session leaves what is written in it to the one that has it", async () => {
  const relay = new Relay();
  const factory = new IDBFactory();
  const old = page(relay, factory);
  await until(() => old.drained);
  relay.line.receive({ type: "displaced" });
  const newer = page(relay, factory);
  await until(() => newer.drained);
  await old.send("bob", "from the old page");
  await until(() => relay.taken.length === 1);
  await shows(newer, "user:bob", ["from the old page sent"]);
  await shows(old, "user:bob", ["from the old page sent"]);
});

test("a text that is too large or empty is refused before it is kept", async () => {
  const messages = page(new Relay(), new IDBFactory());
  await messages.ready;
  for (const [text, code] of [[" \n", "bad_request"], ["x".repeat(40_000), "too_large"], ["\u0001".repeat(20_000), "too_large"]] as const) {
    await assert.rejects(messages.send("bob", text), (error: TertuliaError) => error.code === code);
  }
  assert.equal(messages.conversations.length, 0);
});

test("signing out leaves nothing behind", async () => {
  const relay = new Relay();
  const factory = new IDBFactory();
  const messages = page(relay, factory);
  relay.post("bob", "a secret");
  await until(() => messages.unread === 1);
  assert.equal((await factory.databases()).length, 1);
  await messages.erase();
  assert.deepEqual(await factory.databases(), []);
});

test("m3 a server that was restored and counts from 1 again hides nothing that is new", async () => {
  const factory = new IDBFactory();
  const before = new Relay();
  const first = page(before, factory);
  for (const text of ["one", "two", "three"]) before.post("bob", text);
  await until(() => first.unread === 3);
  await first.send("bob", "four");
  await shows(first, "user:bob", ["one received", "two received", "three received", "four sent"]);
  await first.markRead("user:bob");
  await until(() => before.read.get("c-bob") === 4);
  before.receipts("bob", "c-bob", 4, 4);
  await until(() => before.waiting === 0);
  leave();

  const after = new Relay();
  const second = page(after, factory);
  after.post("bob", "are you still there?");
  await until(() => second.unread === 1);
  await second.send("bob", "of course");
  const all = ["one received", "two received", "three received", "four read", "are you still there? received"];
  await shows(second, "user:bob", [...all, "of course sent"]);
  await second.markRead("user:bob");
  await until(() => after.read.get("c-bob") === 2);
  after.receipts("bob", "c-bob", 2, 1);
  await shows(second, "user:bob", [...all, "of course delivered"]);
  // What it hands out again is no news.
  after.lines.at(-1)!.receive({ type: "message", seq: 2, conversation: "c-bob", conversation_seq: 1, from: "bob", to: { user: "ana" }, sent_at: (await second.thread("user:bob")).messages[4]!.at, content: { type: "text", text: "are you still there?" } });
  after.post("bob", "good");
  await shows(second, "user:bob", [...all, "of course delivered", "good received"]);
});

/** One page sends three and gets three; it may end at any step. Then the next goes on. */
async function dies(at: number): Promise<{ died: boolean }> {
  const relay = new Relay();
  const factory = new IDBFactory();
  const fate = new Fate(at);
  const wanted = ["a1", "a2", "a3"];
  const first = page(relay, factory, fate);
  let over = false;
  const life = (async () => {
    await first.ready;
    relay.post("bob", "b1");
    await first.send("bob", "a1");
    relay.post("bob", "b2");
    await first.send("bob", "a2");
    await first.send("bob", "a3");
    await until(() => fate.dead || relay.taken.length === 3);
    relay.post("bob", "b3");
    relay.receipts("bob", "c-bob", 6, 6);
    await until(() => fate.dead || relay.waiting === 0);
    await first.markRead("user:bob");
    await until(() => fate.dead || (relay.read.get("c-bob") ?? 0) > 0);
    over = true;
  })();
  await Promise.race([life, until(() => fate.dead || over)]);
  const died = fate.dead;
  leave();
  relay.lines.forEach((line) => line.break());

  const next = page(relay, factory);
  await until(() => next.drained);
  // The person sees what is there, and writes what is not.
  const there = await texts(next, "user:bob");
  const mine = wanted.filter((text) => there.includes(text));
  assert.deepEqual(mine, wanted.slice(0, mine.length), `step ${at}: a later one is kept without an earlier one`);
  for (const text of wanted.slice(mine.length)) await next.send("bob", text);
  for (const text of ["b1", "b2", "b3"]) if (!relay.given.includes(text)) relay.post("bob", text);
  relay.receipts("bob", "c-bob", 6, 6);
  await until(() => relay.taken.length === 3 && relay.waiting === 0);
  assert.deepEqual(relay.taken.map(({ text }) => text), wanted, `step ${at}`);
  const deadline = Date.now() + 5_000;
  for (;;) {
    const seen = await states(next, "user:bob");
    const all = [...wanted.map((text) => `${text} read`), ...["b1", "b2", "b3"].map((text) => `${text} received`)];
    if ([...seen].sort().join() === all.join()) break;
    if (Date.now() > deadline) assert.deepEqual([...seen].sort(), all, `step ${at}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  leave();
  return { died };
}

test("a page that ends between any two steps loses nothing, and nothing comes twice", async () => {
  let at = 1;
  while ((await dies(at)).died) at += 1;
  assert.ok(at > 40, `only ${at} steps were there to die at`);
});
