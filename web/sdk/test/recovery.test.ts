import assert from "node:assert/strict";
import { test } from "node:test";
import type { CloseCause, ErrorBody } from "../src/index.js";
import { makeConnectionOfNow } from "../src/network.js";
import type { CallSnapshot } from "../src/proto.js";
import { FakePeerConnection, opened, until, welcome } from "./fakes.js";
import { answer, bob, CALL, ends, inCall, online, OTHER, rings, setUp, SLOTS } from "./stage.js";

setUp();

const snapshot: CallSnapshot = { call_id: CALL, peer: bob, outgoing: true, media: "voice", phase: "reconnecting" };
const resumed = (last_request: number) => welcome({ resumed: true, last_request });

/** So many looks at what has arrived. */
async function looks(pc: FakePeerConnection, times: number): Promise<void> {
  const before = pc.readings;
  await until(() => pc.readings >= before + times);
}

/** Packets come, enough for silence to mean something; then they don't. */
async function fallsSilent(pc: FakePeerConnection): Promise<void> {
  pc.flows = true;
  await looks(pc, 3);
  pc.flows = false;
}

test("c6_silence_restarts_ice_once_and_probes_the_socket", async () => {
  const { socket, call, pc, server } = await inCall();
  await fallsSilent(pc);
  await until(() => socket.of("probe").length > 0);
  assert.deepEqual(
    pc.offers.map((offer) => offer.iceRestart),
    [false, true],
  );
  await answer(socket, "probe");
  await answer(socket, "call.connect", { sdp: "answer", slots: [...SLOTS] });
  pc.flows = true;
  await looks(pc, 5);
  assert.equal(pc.offers.length, 2);
  assert.equal(socket.of("probe").length, 1);
  assert.equal(server.sockets.filter((one) => !one.closed).length, 1);
  assert.equal(call.pc, pc as unknown);
  assert.equal(call.connection, "up");
});

/** An answer that brings credentials for two restarts that nobody is asked for. */
const GENEROUS = [
  "a=fingerprint:sha-256 AA",
  "a=x-restart:one 1",
  "a=x-restart:two 2",
  "a=ice-ufrag:first",
  "a=ice-pwd:0",
  "a=candidate:1 1 udp 2130706431 10.0.0.1 4000 typ host",
  "",
].join("\n");
const generous = () => inCall({}, {}, false, GENEROUS);
const ufrag = (pc: FakePeerConnection) => /a=ice-ufrag:(\S+)/.exec(pc.remoteDescription!.sdp)![1];

test("c6_silence_restarts_ice_without_asking_where_the_answer_brought_credentials_for_it", async () => {
  const { socket, call, pc } = await generous();
  const before = pc.remoteDescription!.sdp;
  for (const name of ["one", "two"]) {
    await fallsSilent(pc);
    await until(() => ufrag(pc) === name);
    await answer(socket, "probe");
    pc.flows = true;
    await looks(pc, 5);
  }
  assert.deepEqual(
    pc.offers.map((offer) => offer.iceRestart),
    [false, true, true],
  );
  const priority = (sdp: string) => Number(/udp (\d+)/.exec(sdp)![1]);
  assert.ok(priority(pc.remoteDescription!.sdp) > priority(before));
  assert.equal(socket.of("call.connect").length, 1);
  assert.equal(call.connection, "up");
  // Each is good for one: now the server has to be asked.
  await fallsSilent(pc);
  await until(() => socket.of("call.connect").length === 2);
});

test("c6_a_restart_that_nobody_was_asked_for_and_does_not_help_is_followed_by_one_and_that_by_a_new_connection", async () => {
  const { socket, call, pc } = await generous();
  await fallsSilent(pc);
  await until(() => ufrag(pc) === "one");
  await answer(socket, "probe");
  await until(() => socket.of("call.connect").length === 2);
  assert.equal(call.pc, pc as unknown);
  await answer(socket, "probe");
  await answer(socket, "call.connect", { sdp: GENEROUS, slots: [...SLOTS] });
  await until(() => call.pc !== (pc as unknown));
  assert.equal(pc.offers.length, 3);
});

test("c6_where_a_restart_finds_no_address_of_ours_a_new_connection_is_made_at_once", async () => {
  const { socket, call, pc } = await generous();
  pc.addressed = false;
  await fallsSilent(pc);
  await until(() => ufrag(pc) === "one");
  await answer(socket, "probe");
  await until(() => call.pc !== (pc as unknown));
  assert.equal(socket.of("probe").length, 1, "before another look has found it silent");
  assert.equal(pc.connectionState, "closed");
  assert.equal(pc.offers.length, 2);
  await answer(socket, "call.connect", { sdp: "a=fingerprint:sha-256 CC\n", slots: [...SLOTS] });
  FakePeerConnection.all.at(-1)!.become("connected");
  await until(() => call.connection === "up");
});

test("c6_a_connection_of_now_is_made_in_a_frame_that_goes_with_it_where_the_page_may_have_frames", (t) => {
  const globals = globalThis as Record<string, unknown>;
  const { navigator } = globalThis;
  t.after(() => {
    delete globals["document"];
    Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  });
  const frames: unknown[] = [];
  let contentWindow: unknown;
  const createElement = () => {
    const frame = { contentWindow, remove: () => void frames.splice(frames.indexOf(frame), 1) };
    return frame;
  };
  class OfTheFrame extends FakePeerConnection {}
  contentWindow = { RTCPeerConnection: OfTheFrame };
  globals["document"] = { createElement, body: { append: (frame: unknown) => frames.push(frame) } };
  // Not Chromium: a frame would help nothing.
  assert.ok(!(makeConnectionOfNow({}).pc instanceof OfTheFrame));
  Object.defineProperty(globalThis, "navigator", { value: { userAgentData: {} }, configurable: true });
  const made = makeConnectionOfNow({});
  assert.ok((made.pc as unknown) instanceof OfTheFrame);
  assert.equal(frames.length, 1);
  made.end();
  assert.equal(frames.length, 0);
  contentWindow = null;
  assert.ok(!(makeConnectionOfNow({}).pc instanceof OfTheFrame));
  assert.equal(frames.length, 0);
});

test("c6_a_browser_that_takes_no_answer_but_the_servers_asks_the_server", async () => {
  const { socket, pc } = await generous();
  pc.refuses = true;
  await fallsSilent(pc);
  await until(() => socket.of("call.connect").length === 2);
  pc.refuses = false;
  await answer(socket, "probe");
  await answer(socket, "call.connect", { sdp: GENEROUS, slots: [...SLOTS] });
  await until(() => ufrag(pc) === "first");
});

test("c6_a_restart_that_was_answered_and_brings_nothing_is_followed_by_a_new_connection", async () => {
  const { socket, call, pc } = await inCall();
  await fallsSilent(pc);
  await until(() => socket.of("probe").length === 1);
  await answer(socket, "probe");
  await answer(socket, "call.connect", { sdp: "answer", slots: [...SLOTS] });
  await until(() => call.pc !== (pc as unknown));
  assert.equal(pc.offers.length, 2);
  assert.equal(pc.connectionState, "closed");
  assert.equal(call.connection, "down");
  await answer(socket, "call.connect", { sdp: "a=fingerprint:sha-256 CC\n", slots: [...SLOTS] });
  FakePeerConnection.all.at(-1)!.become("connected");
  assert.equal(call.connection, "up");
});

test("c6_a_dead_path_is_noticed_on_hold_too_but_not_before_the_answer", async () => {
  const { client, socket } = await online();
  const call = client.call("bob");
  await answer(socket, "call.invite", { call_id: CALL });
  await answer(socket, "call.connect", { sdp: "answer", slots: [...SLOTS] });
  const pc = FakePeerConnection.all.at(-1)!;
  await until(() => pc.remoteDescription !== null);
  pc.become("connected");
  pc.flows = true;
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(pc.readings, 0);
  pc.flows = false;
  socket.receive({ type: "call.state", call_id: CALL, phase: "active", answered_at: Date.now() });
  const holding = call.hold();
  await answer(socket, "call.hold");
  await holding;
  await fallsSilent(pc);
  await until(() => socket.of("probe").length === 1);
});

test("c6_a_socket_that_does_not_answer_a_probe_is_replaced_and_the_session_resumes", async () => {
  const { client, socket, call, pc, server } = await inCall();
  const states: string[] = [];
  client.on("state", (state) => states.push(state));
  await fallsSilent(pc);
  await until(() => socket.of("probe").length > 0);
  const next = await server.socket(1);
  assert.deepEqual(states, [], "the next socket opens before the first is given up");
  assert.ok(socket.closed);
  assert.ok(next.of("hello")[0]?.resume);
  // What the old socket swallowed is asked again: the offer goes out as soon as the session is back.
  next.receive(resumed(socket.of("call.connect")[0]!.id));
  await until(() => next.of("call.connect").length === 1);
  assert.equal(pc.offers.length, 2);
  assert.equal(call.state, "active");
});

test("c6_a_socket_that_does_not_answer_is_given_up_though_no_other_opens", async () => {
  const { client, socket, pc, server } = await inCall();
  server.slow = true;
  await fallsSilent(pc);
  await until(() => socket.of("probe").length > 0);
  assert.equal(client.state, "online");
  await until(() => client.state === "reconnecting");
  assert.ok(socket.closed);
  // The one on its way is not thrown away by that.
  assert.equal(server.sockets.length, 2);
  server.sockets[1]!.onopen?.(undefined as never);
  assert.ok(server.sockets[1]!.of("hello")[0]?.resume);
});

test("c6_candidates_of_a_restart_outrank_those_before_it", async () => {
  const { socket, pc } = await inCall();
  const sdp = "a=candidate:1 1 udp 2130706431 10.0.0.1 4000 typ host\n";
  const priorities: number[] = [];
  for (let restart = 0; restart < 2; restart += 1) {
    pc.become("failed");
    await answer(socket, "call.connect", { sdp, slots: [...SLOTS] });
    await until(() => pc.remoteDescription!.sdp.includes("candidate") && pc.offers.length === restart + 2);
    pc.become("connected");
    await new Promise((resolve) => setTimeout(resolve, 10));
    priorities.push(Number(pc.remoteDescription!.sdp.split(" ")[3]));
  }
  assert.ok(priorities[1]! > priorities[0]!, String(priorities));
});

test("c6_the_old_socket_is_heard_until_the_next_one_is_open", async () => {
  const { client, socket, server, call } = await inCall();
  server.slow = true;
  socket.receive({ type: "drain", deadline_ms: 0 });
  await until(() => server.sockets.length === 2);
  socket.receive({ type: "call.state", call_id: CALL, phase: "reconnecting" });
  assert.equal(call.state, "reconnecting");
  assert.equal(client.state, "online");
  assert.ok(!socket.closed);
  server.sockets[1]!.onopen?.(undefined as never);
  assert.ok(socket.closed);
  assert.equal(server.sockets[1]!.of("hello")[0]?.resume?.received, 6);
});

test("c6_another_run_of_the_server_rebuilds_the_media_and_nothing_rings_again", async () => {
  const { client, socket, call, pc, server, incoming } = await inCall({}, {}, true);
  await until(() => socket.of("call.media").at(-1)?.camera === true);
  for (const _ of socket.of("call.media")) await answer(socket, "call.media");
  const reasons = ends(call);
  const states: string[] = [];
  call.on("state", (state) => states.push(state));
  const before = opened.length;
  socket.break(4002);
  const next = await server.socket(1);
  next.receive(welcome({ instance: "run-2", calls: [snapshot] }));
  await until(() => next.of("call.connect").length === 1);
  const fresh = FakePeerConnection.all.at(-1)!;
  assert.notEqual(fresh, pc);
  assert.equal(pc.connectionState, "closed");
  assert.equal(call.connection, "down");
  await answer(next, "call.connect", { sdp: "a=fingerprint:sha-256 CC\n", slots: [...SLOTS] });
  fresh.become("connected");
  await until(() => call.remote.audio.getTracks().length === 1);
  assert.equal(call.connection, "up");
  assert.equal(call.pc, fresh as unknown);
  // The same microphone and camera, told anew.
  assert.ok(fresh.transceivers[0]!.track && fresh.transceivers[1]!.track);
  assert.equal(opened.length, before);
  assert.deepEqual(next.of("call.media").map(({ mic, camera }) => [mic, camera]), [[true, true]]);
  next.receive({ type: "call.roster", call_id: CALL, version: 1, participants: [] });
  next.receive({ type: "call.state", call_id: CALL, phase: "active" });
  assert.deepEqual(states, ["reconnecting", "active"]);
  assert.deepEqual(incoming, []);
  assert.deepEqual(reasons, []);
  assert.deepEqual(client.calls, [call]);
});

test("c6_rosters_of_another_run_are_believed_though_they_count_from_one", async () => {
  const { socket, call, server } = await inCall();
  const entry = { user_id: "bob", device_id: "bob-1", name: "Bob", mic: true, camera: false, screen: false };
  socket.receive({ type: "call.roster", call_id: CALL, version: 9, participants: [entry] });
  socket.break();
  const next = await server.socket(1);
  next.receive(welcome({ instance: "run-2", calls: [snapshot] }));
  next.receive({ type: "call.roster", call_id: CALL, version: 1, participants: [{ ...entry, camera: true }] });
  assert.equal(call.other?.camera, true);
});

test("c6_a_new_session_of_the_same_run_keeps_the_connection_and_restarts_ice", async () => {
  const { socket, call, pc, server } = await inCall();
  socket.break();
  const next = await server.socket(1);
  next.receive(welcome({ session: OTHER, calls: [{ ...snapshot, phase: "active", held: true }] }));
  await until(() => next.of("call.connect").length === 1);
  assert.deepEqual(
    pc.offers.map((offer) => offer.iceRestart),
    [false, true],
  );
  assert.equal(call.pc, pc as unknown);
  assert.equal(call.state, "active");
  assert.equal(call.held, true);
});

test("c6_an_offer_that_was_lost_with_its_session_does_not_end_the_call", async () => {
  const { client, socket, server } = await online();
  const call = client.call("bob");
  await answer(socket, "call.invite", { call_id: CALL });
  await until(() => socket.of("call.connect").length === 1);
  socket.break();
  const next = await server.socket(1);
  next.receive(welcome({ instance: "run-2", calls: [{ ...snapshot, phase: "ringing" }] }));
  await answer(next, "call.connect", { sdp: "answer", slots: [...SLOTS] });
  const pc = FakePeerConnection.all.at(-1)!;
  await until(() => pc.remoteDescription !== null);
  assert.equal(call.ended, undefined);
  assert.equal(call.state, "ringing");
});

test("c6_a_call_that_rang_here_rings_on_in_another_run_and_tells_so", async () => {
  const { socket, server, incoming } = await online();
  rings(socket);
  socket.break();
  const next = await server.socket(1);
  next.receive(welcome({ instance: "run-2", calls: [{ ...snapshot, outgoing: false, phase: "ringing" }] }));
  await until(() => next.of("call.ringing").length > 0 && next.of("call.connect").length === 1);
  assert.equal(incoming.length, 1);
  assert.equal(opened.length, 0);
});

test("c6_a_call_that_the_server_knows_no_more_ends_as_lost", async () => {
  const { socket, call, server } = await inCall();
  const reasons = ends(call);
  socket.break();
  (await server.socket(1)).receive(welcome({ instance: "run-2" }));
  assert.deepEqual(reasons, ["lost"]);
  assert.ok(opened.every((track) => track.stopped));
});

test("c6_sockets_that_are_welcomed_and_closed_at_once_are_not_tried_without_a_pause", async () => {
  const { socket, server } = await online();
  socket.break();
  for (let n = 1; n < 4; n += 1) {
    const next = await server.socket(n);
    next.receive(resumed(0));
    next.break();
  }
  const since = Date.now();
  await server.socket(4);
  assert.ok(Date.now() - since > 300);
});

function iceServers(answer: () => Promise<unknown>): { asked: () => number; restore: () => void } {
  const real = globalThis.fetch;
  let asked = 0;
  globalThis.fetch = (async (url: URL) => {
    assert.equal(url.pathname, "/v1/ice-servers");
    asked += 1;
    return new Response(JSON.stringify(await answer()));
  }) as unknown as typeof fetch;
  return { asked: () => asked, restore: () => void (globalThis.fetch = real) };
}

const turn = (username: string) => ({ urls: ["turn:turn.test"], username, credential: "c" });

test("c6_turn_credentials_about_to_end_are_replaced_before_an_offer", async (t) => {
  const fetched = iceServers(async () => ({ ice_servers: [turn("new")], expires_at: Date.now() + 3_600_000 }));
  t.after(fetched.restore);
  const { socket, pc } = await inCall({}, { ice_servers: [turn("old")], ice_expires_at: Date.now() + 5_000 });
  assert.equal(fetched.asked(), 1);
  assert.deepEqual(pc.configuration.iceServers, [turn("new")]);
  pc.become("failed");
  await until(() => socket.of("call.connect").length === 2);
  assert.equal(fetched.asked(), 1);
});

test("c6_an_offer_does_not_wait_for_credentials_that_do_not_come", async (t) => {
  const fetched = iceServers(() => new Promise(() => undefined));
  t.after(fetched.restore);
  const since = Date.now();
  const { pc } = await inCall({}, { ice_servers: [turn("old")], ice_expires_at: Date.now() + 5_000 });
  assert.ok(Date.now() - since < 4_000);
  assert.deepEqual(pc.configuration.iceServers, [turn("old")]);
});

test("c6_credentials_that_do_not_end_are_not_asked_for", async (t) => {
  const fetched = iceServers(async () => ({ ice_servers: [] }));
  t.after(fetched.restore);
  await inCall({ iceTransportPolicy: "relay" }, { ice_servers: [turn("old")] });
  assert.equal(fetched.asked(), 0);
  assert.equal(FakePeerConnection.all[0]?.configuration.iceTransportPolicy, "relay");
});

test("a3_a_session_whose_token_has_expired_resumes_with_a_fresh_one", async () => {
  const asked: (string | undefined)[] = [];
  const token = (last: ErrorBody | undefined) => `t${asked.push(last?.code)}`;
  const { socket, server, call, client } = await inCall({ token });
  const expired = { code: "token_expired", class: "reauth", message: "The token has expired." } as const;
  socket.receive({ type: "error", error: expired });
  socket.break(4501);
  const next = await server.socket(1);
  assert.equal(next.of("hello")[0]?.token, "t2");
  assert.deepEqual(asked, [undefined, "token_expired"]);
  assert.ok(next.of("hello")[0]?.resume);
  next.receive(resumed(10));
  assert.equal(client.state, "online");
  assert.equal(call.state, "active");
  assert.equal(call.ended, undefined);
});

test("a3_a_device_whose_access_has_ended_does_not_come_back", async () => {
  const { socket, server, call, client } = await inCall();
  const causes: CloseCause[] = [];
  client.on("closed", (cause) => causes.push(cause));
  socket.break(4506);
  assert.deepEqual(causes, [{ why: "revoked" }]);
  assert.equal(call.state, "ended");
  assert.equal(client.state, "closed");
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(server.sockets.length, 1);
});
