import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { IDBFactory } from "fake-indexeddb";
import type { Client, Content, Group, GroupFacts, MessagesApi } from "../src/index.js";
import { mayAs, roleIn } from "../src/index.js";
import { afterEvent, factsOf } from "../src/messages/group.js";
import { until } from "./fakes.js";
import { Relay } from "./relay.js";

const clients: Client[] = [];
afterEach(() => clients.splice(0).forEach((client) => client.close()));

type Event = Extract<Content, { type: "system" }>;
const system = (event: Omit<Event, "type">): Event => ({ type: "system", ...event }) as Event;

const said: Group = {
  group_id: "g1",
  name: "Sunday",
  description: "",
  post: "member",
  edit: "admin",
  members: [
    { user_id: "ana", role: "owner" },
    { user_id: "bob", role: "member" },
  ],
  has_invite: false,
  conversation_seq: 1,
};

const who = ({ members }: GroupFacts) => members.map(({ user_id, role }) => `${user_id} ${role}`);

/** Ana's page, on a server that answers for its groups. */
function page(relay: Relay, group: () => Group | undefined): { messages: MessagesApi; asked: string[] } {
  const client = relay.page(new IDBFactory());
  clients.push(client);
  const asked: string[] = [];
  const messages = client.messages!;
  messages.learnGroups((id) => {
    asked.push(id);
    const known = group();
    return known ? messages.keepGroup(known) : Promise.reject(new Error("no such group"));
  });
  return { messages, asked };
}

test("m2 a group's facts follow its entries, and each entry counts once", () => {
  let facts = factsOf(said);
  const then = (event: Omit<Event, "type">, from: string) => (facts = afterEvent(facts, system(event), from, facts.seq + 1));
  then({ event: "added", user: "carol", role: "member" } as never, "ana");
  then({ event: "role", user: "carol", role: "admin" } as never, "ana");
  then({ event: "joined" } as never, "dan");
  then({ event: "removed", user: "bob" } as never, "carol");
  then({ event: "changed", changes: { name: "Sundays", icon: "i1" } } as never, "carol");
  then({ event: "role", user: "carol", role: "owner" } as never, "ana");
  assert.deepEqual(who(facts), ["ana admin", "carol owner", "dan member"]);
  assert.deepEqual([facts.name, facts.icon, facts.seq], ["Sundays", "i1", 7]);
  const again = afterEvent(facts, system({ event: "removed", user: "dan" } as never), "ana", 7);
  assert.deepEqual(who(again), who(facts), "an entry that is in it already");
  then({ event: "changed", changes: { icon: null } } as never, "ana");
  assert.equal(facts.icon, undefined);
  assert.ok(mayAs(facts, "ana", "admin") && !mayAs(facts, "dan", "admin") && !roleIn(facts, "bob"));
  then({ event: "left" } as never, "dan");
  then({ event: "ended" } as never, "carol");
  assert.equal(roleIn(facts, "carol"), undefined);
});

test("m2 who is added asks once what the group is, and then has its name and members", async () => {
  const relay = new Relay();
  const { messages, asked } = page(relay, () => ({ ...said, conversation_seq: 9 }));
  await until(() => messages.drained);
  relay.postTo("g1", "bob", system({ event: "added", user: "ana", role: "member" } as never), 9);
  await until(() => messages.conversation("group:g1")?.group?.name === "Sunday");
  relay.postTo("g1", "bob", { type: "text", text: "welcome" }, 10);
  await until(() => messages.unread === 1);
  assert.deepEqual(asked, ["g1"]);
  const { messages: thread } = await messages.thread("group:g1");
  assert.deepEqual(thread.map(({ state, seq }) => [state, seq]), [["received", 9], ["received", 10]]);
});

test("m2 a group that says nothing of itself any more is asked for once, not for ever", async () => {
  const relay = new Relay();
  const { messages, asked } = page(relay, () => undefined);
  await until(() => messages.drained);
  relay.postTo("g1", "bob", system({ event: "removed", user: "ana" } as never), 4);
  await until(() => relay.waiting === 0 && asked.length === 1);
  await messages.send({ group: "g1" }, "hello?");
  await until(() => relay.taken.length === 1);
  assert.deepEqual(asked, ["g1"]);
});

test("m2 a group's ticks move when all have it", async () => {
  const relay = new Relay();
  const { messages } = page(relay, () => said);
  await until(() => messages.drained);
  await messages.keepGroup(said);
  await messages.send({ group: "g1" }, "hello");
  const state = async () => (await messages.thread("group:g1")).messages.at(-1)?.state;
  await until(() => relay.taken.length === 1);
  const seq = relay.placeOf("g1");
  relay.receipts("bob", "g1", seq, seq);
  await until(() => relay.waiting === 0);
  assert.equal(await state(), "sent", "one of them is not all");
  relay.receipts("bob", "g1", seq, seq, { delivered_upto: seq, read_upto: 0 });
  await until(() => relay.waiting === 0);
  assert.equal(await state(), "delivered");
  relay.receipts("bob", "g1", seq, seq, { delivered_upto: seq, read_upto: seq });
  await until(() => relay.waiting === 0);
  assert.equal(await state(), "read");
});
