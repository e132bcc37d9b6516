// Presence: what is asked for, how often, and what is known.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, type Client } from "../src/index.js";
import type { ServerFrame } from "../src/proto.js";
import { FakeServer, FakeSocket, until, welcome } from "./fakes.js";

interface Scene {
  client: Client;
  server: FakeServer;
  socket: FakeSocket;
}

async function open(): Promise<Scene> {
  const server = new FakeServer();
  const client = connect({ url: "http://calls.test", token: "t", openSocket: server.open });
  const socket = await server.welcomed();
  return { client, server, socket };
}

function tells(...people: Extract<ServerFrame, { type: "presence" }>["people"]): ServerFrame {
  return { type: "presence", people };
}

test("m6: whom one watches is asked for once, the newest list alone, and no more than the server allows", async () => {
  const { client, socket } = await open();
  client.presence.watch({ users: ["bob"] });
  client.presence.watch({ users: ["bob", "carol", "bob"], groups: ["g"] });
  await until(() => socket.of("presence.watch").length > 0);
  client.presence.watch({ users: ["carol", "bob", "bob"].reverse(), groups: ["g"] });
  client.presence.watch({ users: ["a", "b", "c", "d", "e"] });
  await until(() => socket.of("presence.watch").length > 1);
  const lists = socket.of("presence.watch").map(({ users, groups }) => [users, groups]);
  assert.deepEqual(lists, [[["bob", "carol"], ["g"]], [["a", "b", "c", "d"], []]]);
  client.close();
});

test("m6: what is told is known until the session is another, and of nobody who is not watched", async () => {
  const { client, server, socket } = await open();
  const changes: string[][] = [];
  client.presence.on("changed", (users) => changes.push(users));
  client.presence.watch({ users: ["bob", "carol"] });
  client.presence.setActive(true);
  await until(() => socket.of("presence.watch").length > 0);
  const at = Math.floor(Date.now() / 1000) * 1000 - 60_000;
  const carol = { user: "carol", online: false, last_seen: at };
  socket.receive(tells({ user: "bob", online: true }, carol, { user: "mallory", online: true }));
  assert.deepEqual(client.presence.of("bob"), { online: true });
  assert.ok(Math.abs((client.presence.of("carol")?.lastSeen ?? 0) - at) < 5_000);
  assert.equal(client.presence.of("mallory"), undefined);
  socket.receive(tells({ user: "carol", online: false }));
  assert.equal(client.presence.of("carol"), undefined);
  assert.deepEqual(changes, [["bob", "carol"], ["carol"]]);

  socket.break();
  assert.equal(client.presence.of("bob"), undefined, "without a connection nothing is known");
  const resumed = await server.socket(1);
  resumed.receive(welcome({ resumed: true, last_request: 2 }));
  assert.deepEqual(client.presence.of("bob"), { online: true });
  resumed.break();
  const anew = await server.socket(2);
  anew.receive(welcome());
  assert.equal(client.presence.of("bob"), undefined);
  await until(() => anew.of("presence.watch").length > 0);
  assert.deepEqual(anew.of("presence.set").map(({ active }) => active), [true]);
  assert.deepEqual([resumed.of("presence.set").length, resumed.of("presence.watch").length], [0, 0]);
  client.close();
});

test("m6: frames of presence and typing are not counted for a resume", async () => {
  const { client, server, socket } = await open();
  client.presence.watch({ users: ["bob"] });
  socket.receive(tells({ user: "bob", online: true }));
  socket.receive({ type: "typing", from: "bob", to: { user: "ana" }, what: "text" });
  socket.receive({ type: "drain", deadline_ms: 60_000 });
  socket.break();
  const next = await server.socket(1);
  assert.equal(next.of("hello")[0]?.resume?.received, 1);
  client.close();
});

test("m6: typing is said at once, seldom again, and its end only where there was a beginning", async () => {
  const { client, socket } = await open();
  const said = () => socket.of("typing").map(({ to, what }) => ["user" in to ? to.user : to.group, what]);
  client.presence.typing({ user: "bob" }, "none");
  for (let key = 0; key < 10; key += 1) client.presence.typing({ user: "bob" }, "text");
  client.presence.typing({ user: "bob" }, "voice");
  client.presence.typing({ user: "bob" }, "none");
  client.presence.typing({ user: "bob" }, "none");
  client.presence.typing({ group: "g" }, "text");
  assert.deepEqual(said(), [["bob", "text"], ["bob", "voice"], ["bob", "none"], ["g", "text"]]);
  socket.break();
  client.presence.typing({ user: "carol" }, "text");
  assert.equal(said().length, 4);
  client.close();
});

test("m6: who types is shown in their conversation, until they stop or their message is there", async () => {
  const { client, socket } = await open();
  const changes: string[] = [];
  client.presence.on("typing", (key) => changes.push(key));
  socket.receive({ type: "typing", from: "bob", to: { user: "ana" }, what: "text" });
  socket.receive({ type: "typing", from: "bob", to: { user: "ana" }, what: "text" });
  socket.receive({ type: "typing", from: "carol", to: { group: "g" }, what: "voice" });
  assert.deepEqual(client.presence.typingIn("user:bob"), [{ userId: "bob", what: "text" }]);
  assert.deepEqual(client.presence.typingIn("group:g"), [{ userId: "carol", what: "voice" }]);
  socket.receive({ type: "typing", from: "carol", to: { group: "g" }, what: "none" });
  const content = { type: "text" as const, text: "hello" };
  const message = { seq: 1, conversation: "c", conversation_seq: 1, from: "bob", to: { user: "ana" }, sent_at: 1, content };
  socket.receive({ type: "message", ...message });
  assert.deepEqual([client.presence.typingIn("user:bob"), client.presence.typingIn("group:g")], [[], []]);
  assert.deepEqual(changes, ["user:bob", "group:g", "group:g", "user:bob"]);
  client.close();
});
