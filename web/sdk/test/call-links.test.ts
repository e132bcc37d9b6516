import assert from "node:assert/strict";
import { test } from "node:test";
import { LocalMedia } from "../src/index.js";
import type { ErrorCode, Person } from "../src/proto.js";
import { FakePeerConnection, opened, until, welcome, type FakeSocket, type FakeTrack } from "./fakes.js";
import { answer, answerError, CALL, ends, online, OTHER, setUp } from "./stage.js";

setUp();

const TOKEN = "Zk3vT0mYq8b2Rj1xWnL7cVd5sHfGpA4e";
const bob: Person = { user_id: "bob", name: "Bob" };
const carol: Person = { user_id: "carol", name: "Carol" };

/** Ana waits to be let in. */
async function waiting(local?: LocalMedia) {
  const { client, socket, server } = await online();
  const call = client.joinByLink(TOKEN, { video: true, name: "Book club", ...(local && { local }) });
  await answer(socket, "call.invite", { call_id: CALL, waiting: true });
  socket.receive({ type: "call.state", call_id: CALL, phase: "waiting" });
  await until(() => call.state === "waiting" && call.id === CALL);
  return { client, socket, server, call };
}

/** Her session is over; the next one is another. */
async function inNewSession(server: { socket: (n: number) => Promise<FakeSocket> }, socket: FakeSocket, changes = {}) {
  socket.break();
  const next = await server.socket(1);
  next.receive(welcome({ session: "00000000-0000-7000-8000-000000000002", ...changes }));
  return next;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("c3_a_link_without_approval_leads_straight_in", async () => {
  const { client, socket } = await online();
  const call = client.joinByLink(TOKEN, { video: true, name: "Book club" });
  await answer(socket, "call.invite", { call_id: CALL });
  assert.deepEqual(socket.of("call.invite")[0]?.to, { link: TOKEN });
  await until(() => socket.of("call.connect").length === 1);
  assert.equal(call.link?.name, "Book club");
  assert.ok(call.conference);
});

test("c3_who_waits_connects_nothing_until_they_are_let_in", async () => {
  const { socket, call } = await waiting();
  await pause(20);
  assert.equal(socket.of("call.connect").length, 0);
  assert.equal(socket.of("call.media").length, 0);
  socket.receive({ type: "call.state", call_id: CALL, phase: "connecting", answered_at: Date.now() });
  await until(() => socket.of("call.connect").length === 1);
  assert.equal(call.state, "connecting");
  await until(() => socket.of("call.media").length > 0);
});

test("c3_who_gives_up_says_so_and_no_camera_stays_on", async () => {
  const { socket, call } = await waiting();
  const reasons = ends(call);
  await until(() => opened.length === 2);
  call.hangup();
  assert.deepEqual(reasons, ["cancelled"]);
  assert.ok(opened.every(({ stopped }) => stopped));
  await until(() => socket.of("call.leave").length === 1);
});

for (const reason of ["turned_away", "link_over", "missed", "hangup"] as const) {
  test(`c3_a_wait_that_ends_with_${reason}_says_why`, async () => {
    const { socket, call } = await waiting();
    const reasons = ends(call);
    await until(() => opened.length === 2);
    socket.receive({ type: "call.ended", call_id: CALL, reason, duration_ms: 0 });
    assert.deepEqual(reasons, [reason]);
    assert.ok(opened.every(({ stopped }) => stopped));
  });
}

const REFUSALS: [ErrorCode, string][] = [["turned_away", "turned_away"], ["call_link_over", "link_over"], ["waiting_full", "failed"]];
for (const [code, reason] of REFUSALS) {
  test(`c3_who_is_refused_with_${code}_hears_${reason}_and_the_error`, async () => {
    const { client, socket } = await online();
    const call = client.joinByLink(TOKEN);
    const reasons = ends(call);
    await answerError(socket, "call.invite", code);
    await until(() => reasons.length === 1);
    assert.deepEqual(reasons, [reason]);
    assert.equal(call.ended?.error?.code, code);
  });
}

test("c3_a_new_session_asks_again_once_and_goes_on_waiting", async () => {
  const { server, socket, call } = await waiting();
  const reasons = ends(call);
  const next = await inNewSession(server, socket);
  await answer(next, "call.invite", { call_id: OTHER, waiting: true });
  await until(() => call.id === OTHER);
  await pause(20);
  assert.equal(next.of("call.invite").length, 1);
  assert.deepEqual([call.state, reasons, opened.length], ["waiting", [], 2]);
  // What comes by the new name is heard, what comes by the old one is not.
  next.receive({ type: "call.ended", call_id: CALL, reason: "hangup", duration_ms: 0 });
  assert.deepEqual(reasons, []);
  next.receive({ type: "call.state", call_id: OTHER, phase: "connecting", answered_at: Date.now() });
  await until(() => next.of("call.connect").length === 1);
});

test("c3_a_session_that_goes_on_asks_nothing_again", async () => {
  const { server, socket, call } = await waiting();
  const next = await inNewSession(server, socket, { resumed: true, last_request: 1, session: "00000000-0000-7000-8000-000000000001" });
  await pause(20);
  assert.equal(next.of("call.invite").length, 0);
  assert.equal(call.state, "waiting");
});

test("c3_a_session_that_is_lost_while_one_asks_does_not_cost_the_call", async () => {
  const { client, server, socket } = await online();
  const call = client.joinByLink(TOKEN);
  const reasons = ends(call);
  await until(() => socket.of("call.invite").length === 1);
  const next = await inNewSession(server, socket);
  await answer(next, "call.invite", { call_id: CALL, waiting: true });
  await until(() => call.state === "waiting");
  assert.equal(next.of("call.invite").length, 1);
  assert.deepEqual(reasons, []);
});

test("c3_who_asks_again_in_vain_hears_why", async () => {
  const { server, socket, call } = await waiting();
  const reasons = ends(call);
  const next = await inNewSession(server, socket);
  await answerError(next, "call.invite", "call_link_over");
  await until(() => reasons.length === 1);
  assert.deepEqual(reasons, ["link_over"]);
});

test("c3_who_was_let_in_while_the_session_was_lost_comes_in", async () => {
  const { server, socket, call } = await waiting();
  const next = await inNewSession(server, socket);
  await answer(next, "call.invite", { call_id: CALL });
  await until(() => next.of("call.connect").length === 1);
  assert.equal(call.ended, undefined);
});

test("c3_hosts_hear_who_waits_and_let_them_in_or_turn_them_away", async () => {
  const { client, socket, server } = await online();
  const call = client.joinByLink(TOKEN);
  await answer(socket, "call.invite", { call_id: CALL });
  await answer(socket, "call.connect", { sdp: "answer", slots: [] });
  socket.receive({ type: "call.state", call_id: CALL, phase: "active", answered_at: Date.now() });
  const conference = call.conference!;
  const heard: string[] = [];
  conference.on("waiting", (people) => heard.push(people.map(({ name }) => name).join()));
  socket.receive({ type: "call.waiting", call_id: CALL, people: [bob, carol] });
  assert.deepEqual(conference.waiting.map(({ user_id }) => user_id), ["bob", "carol"]);
  const admitting = conference.admit("bob");
  await answer(socket, "call.admit");
  await admitting;
  const refusing = conference.admit("carol", false);
  await answerError(socket, "call.admit", "state_mismatch" as ErrorCode);
  await assert.rejects(refusing);
  assert.deepEqual(socket.of("call.admit").map(({ user_id, admit }) => `${user_id} ${admit}`), ["bob true", "carol false"]);
  // In a new session the server tells it again, if anybody waits.
  const snapshot = { call_id: CALL, peer: { user_id: "ana", name: "Ana" }, outgoing: true, media: "voice", phase: "active", conference: true, answered_at: 1, started_at: 1 };
  await inNewSession(server, socket, { calls: [snapshot] });
  assert.deepEqual(conference.waiting, []);
  assert.deepEqual(heard, ["Bob,Carol", ""]);
});

test("c3_what_one_has_seen_before_the_call_is_what_it_sends_and_ends_with_it", async () => {
  const local = new LocalMedia({});
  await local.open(true);
  await local.setMic(false);
  const [mic, camera] = opened as [FakeTrack, FakeTrack];
  const { socket, call } = await waiting(local);
  assert.ok(call.local === local);
  socket.receive({ type: "call.state", call_id: CALL, phase: "connecting", answered_at: Date.now() });
  await answer(socket, "call.connect", { sdp: "answer", slots: [] });
  const pc = FakePeerConnection.all.at(-1)!;
  await until(() => pc.transceivers[1]?.track === camera && pc.transceivers[0]?.track === mic);
  assert.equal(opened.length, 2, "nothing is opened twice");
  assert.deepEqual([mic.enabled, call.media.mic, call.media.camera], [false, false, true]);
  call.hangup();
  assert.ok(mic.stopped && camera.stopped);
});

test("c3_links_are_made_listed_revoked_and_looked_at", async () => {
  const { client, socket } = await online();
  const asked: string[] = [];
  const link = { call_link_id: "1", token: TOKEN, media: "video", approval: true, made_at: 1, expires_at: 2 };
  const before = globalThis.fetch;
  globalThis.fetch = ((url: URL, init: RequestInit) => {
    asked.push(`${init.method} ${url.pathname} ${(init.body as string | undefined) ?? ""}`.trim());
    const body = init.method === "GET" ? { links: [link] } : link;
    return Promise.resolve(init.method === "DELETE" ? new Response(undefined, { status: 204 }) : Response.json(body));
  }) as typeof fetch;
  try {
    assert.equal((await client.callLinks.make({ media: "video", approval: true })).token, TOKEN);
    assert.equal((await client.callLinks.list()).length, 1);
    await client.callLinks.revoke("1");
  } finally {
    globalThis.fetch = before;
  }
  assert.deepEqual(asked, [`POST /v1/call-links {"media":"video","approval":true}`, "GET /v1/call-links", "DELETE /v1/call-links/1"]);
  const peeking = client.callLinks.peek(TOKEN);
  const peek = { media: "video" as const, owner: bob, approval: true, expires_at: 2, active: false };
  await answer(socket, "call.peek", { link: peek });
  assert.deepEqual(await peeking, peek);
  assert.equal(socket.of("call.peek")[0]?.link, TOKEN);
});
