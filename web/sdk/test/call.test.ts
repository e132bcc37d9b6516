import assert from "node:assert/strict";
import { test } from "node:test";
import { FakePeerConnection, opened, until, welcome } from "./fakes.js";
import { answer, bob, CALL, ends, inCall, online, OTHER, rings, setUp, SLOTS } from "./stage.js";

setUp();

test("a call offers its six lines in the order the server knows", async () => {
  const { call, pc } = await inCall();
  assert.deepEqual(
    pc.transceivers.map((line) => `${line.kind} ${line.direction}`),
    ["audio sendonly", "video sendonly", "video sendonly", "audio recvonly", "video recvonly", "video recvonly"],
  );
  assert.equal(call.state, "active");
  assert.equal(call.connection, "up");
  assert.equal(call.remote.audio.getTracks().length, 1);
  assert.equal(call.remote.camera.getTracks().length, 1);
  assert.equal(call.remote.screen.getTracks().length, 0);
  call.hangup();
});

test("while it rings the media connects, but nothing is opened before accept", async () => {
  const { socket, incoming } = await online();
  rings(socket);
  await answer(socket, "call.ringing");
  await answer(socket, "call.connect", { sdp: "answer", slots: [] });
  const call = incoming[0]!;
  const pc = FakePeerConnection.all[0]!;
  await until(() => pc.remoteDescription !== null);
  assert.equal(opened.length, 0);
  assert.ok(pc.transceivers.every((line) => line.track === null));
  void call.accept();
  await until(() => pc.transceivers[0]!.track !== null && pc.transceivers[1]!.track !== null);
  assert.deepEqual(opened.map((track) => track.kind).sort(), ["audio", "video"]);
  await answer(socket, "call.accept");
  assert.equal(pc.offers.length, 1);
});

test("accepting a video call by voice opens no camera", async () => {
  const { socket, incoming } = await online();
  rings(socket);
  void incoming[0]!.accept({ video: false });
  await until(() => opened.length > 0);
  await answer(socket, "call.accept");
  assert.deepEqual(
    opened.map((track) => track.kind),
    ["audio"],
  );
});

test("a connect refused while it rings is tried again after accept", async () => {
  const { socket, incoming } = await online();
  rings(socket);
  await until(() => socket.of("call.connect").length === 1);
  const refusal = { code: "call_state_mismatch", class: "invalid", message: "Too many ring." } as const;
  socket.receive({ type: "error", id: socket.of("call.connect")[0]!.id, error: refusal });
  void incoming[0]!.accept();
  await answer(socket, "call.accept");
  await until(() => socket.of("call.connect").length === 2);
  assert.equal(incoming[0]!.ended, undefined);
});

test("an answer on another device ends the ringing here, once", async () => {
  const { client, socket, incoming } = await online();
  rings(socket);
  const call = incoming[0]!;
  const reasons = ends(call);
  void call.accept();
  await until(() => socket.of("call.accept").length === 1);
  const error = { code: "call_answered_elsewhere", class: "invalid", message: "Elsewhere." } as const;
  socket.receive({ type: "error", id: socket.of("call.accept")[0]!.id, error });
  await until(() => call.state === "ended");
  socket.receive({ type: "call.ended", call_id: CALL, reason: "answered_elsewhere", duration_ms: 0 });
  assert.deepEqual(reasons, ["answered_elsewhere"]);
  await until(() => opened.length > 0 && opened.every((track) => track.stopped));
  assert.deepEqual(client.calls, []);
});

test("hanging up stops microphone and camera, closes the connection, and says so once", async () => {
  const { socket, call, pc } = await inCall();
  const reasons = ends(call);
  call.hangup();
  call.hangup();
  assert.ok(opened.every((track) => track.stopped));
  assert.equal(pc.connectionState, "closed");
  assert.deepEqual(reasons, ["hangup"]);
  assert.equal(socket.of("call.hangup").length, 1);
});

test("giving up before the server has named the call cancels it as soon as it is named", async () => {
  const { client, socket } = await online();
  const call = client.call("bob");
  const reasons = ends(call);
  await until(() => socket.of("call.invite").length === 1);
  call.hangup();
  assert.deepEqual(reasons, ["cancelled"]);
  await answer(socket, "call.invite", { call_id: CALL });
  await until(() => socket.of("call.cancel").length === 1);
  assert.equal(socket.of("call.connect").length, 0);
});

test("a cancel that comes too late becomes a hang-up", async () => {
  const { client, socket } = await online();
  const call = client.call("bob");
  await answer(socket, "call.invite", { call_id: CALL });
  await until(() => call.state === "offered");
  call.hangup();
  await until(() => socket.of("call.cancel").length === 1);
  const error = { code: "call_state_mismatch", class: "invalid", message: "Answered." } as const;
  socket.receive({ type: "error", id: socket.of("call.cancel")[0]!.id, error });
  await until(() => socket.of("call.hangup").length === 1);
});

test("an unknown person ends the call with the server's error", async () => {
  const { client, socket } = await online();
  const call = client.call("nobody");
  await until(() => socket.of("call.invite").length === 1);
  const error = { code: "unknown_user", class: "invalid", message: "There is no such person here." } as const;
  socket.receive({ type: "error", id: socket.of("call.invite")[0]!.id, error });
  await until(() => call.state === "ended");
  assert.equal(call.ended?.reason, "failed");
  assert.equal(call.ended?.error?.code, "unknown_user");
});

test("glare, their invite first: the call that came in is the one that we placed", async () => {
  const { client, socket, incoming } = await online();
  const call = client.call("bob");
  await until(() => socket.of("call.invite").length === 1);
  rings(socket);
  assert.equal(incoming.length, 0);
  await answer(socket, "call.invite", { call_id: CALL });
  socket.receive({ type: "call.state", call_id: CALL, phase: "connecting", answered_at: Date.now() });
  assert.equal(incoming.length, 0);
  assert.deepEqual(client.calls, [call]);
  await until(() => call.state === "connecting");
});

test("glare, already ringing: calling back takes over the connection that is up", async () => {
  const { client, socket, incoming } = await online();
  rings(socket);
  await answer(socket, "call.connect", { sdp: "answer", slots: [...SLOTS] });
  const rang = incoming[0]!;
  const reasons = ends(rang);
  const pc = FakePeerConnection.all[0]!;
  await until(() => pc.remoteDescription !== null);
  const call = client.call("bob");
  await answer(socket, "call.invite", { call_id: CALL });
  await until(() => call.pc === (pc as unknown));
  assert.deepEqual(reasons, ["merged"]);
  assert.deepEqual(client.calls, [call]);
  await until(() => pc.transceivers[0]!.track !== null);
  assert.equal(call.remote.audio.getTracks().length, 1);
  assert.equal(pc.connectionState, "new");
});

test("without call waiting, a call while this device is in another is answered with busy, and does not ring", async () => {
  const { client, socket, incoming } = await online({ callWaiting: false });
  const call = client.call("bob");
  await answer(socket, "call.invite", { call_id: CALL });
  await until(() => call.state === "offered");
  assert.equal(socket.of("hello")[0]?.caps.call_waiting, false);
  rings(socket, OTHER);
  assert.deepEqual(incoming, []);
  assert.equal(socket.of("call.decline")[0]?.reason, "busy");
});

test("call.media follows what is sent, and repeats nothing", async () => {
  const { socket, call } = await inCall();
  const sent = () => socket.of("call.media").map(({ mic, camera, screen }) => [mic, camera, screen]);
  await until(() => sent().length === 1);
  await call.setMic(false);
  await call.setMic(false);
  await call.setCamera(true);
  await call.setCamera(false);
  await call.setMic(true);
  assert.deepEqual(sent(), [
    [true, false, false],
    [false, false, false],
    [false, true, false],
    [false, false, false],
    [true, false, false],
  ]);
  const camera = opened.find((track) => track.kind === "video");
  assert.ok(camera?.stopped);
  assert.ok(opened.find((track) => track.kind === "audio")?.enabled);
});

test("a lost path is mended by an ICE restart of the same connection", async () => {
  const { socket, call, pc } = await inCall();
  pc.become("failed");
  assert.equal(call.connection, "down");
  await answer(socket, "call.connect", { sdp: "answer", slots: [...SLOTS] });
  assert.deepEqual(
    pc.offers.map((offer) => offer.iceRestart),
    [false, true],
  );
  pc.become("connected");
  assert.equal(call.connection, "up");
  assert.equal(call.pc, pc as unknown);
});

test("an answer with other keys is met with a new connection", async () => {
  const { socket, call, pc } = await inCall();
  pc.become("failed");
  await answer(socket, "call.connect", { sdp: "a=fingerprint:sha-256 BB\n", slots: [] });
  await answer(socket, "call.connect", { sdp: "a=fingerprint:sha-256 BB\n", slots: [...SLOTS] });
  await until(() => call.pc !== (pc as unknown) && call.remote.audio.getTracks().length === 1);
  assert.equal(pc.connectionState, "closed");
  const fresh = FakePeerConnection.all.at(-1)!;
  assert.notEqual(fresh.transceivers[0]!.track, null);
});

test("slots told before the answer is applied are not undone by it", async () => {
  const { client, socket } = await online();
  const call = client.call("bob");
  await answer(socket, "call.invite", { call_id: CALL });
  await until(() => socket.of("call.connect").length === 1);
  socket.receive({ type: "call.slots", call_id: CALL, slots: [...SLOTS] });
  await answer(socket, "call.connect", { sdp: "answer", slots: [{ mid: "3" }, { mid: "4" }, { mid: "5" }] });
  const pc = FakePeerConnection.all.at(-1)!;
  await until(() => pc.remoteDescription !== null);
  await until(() => call.remote.camera.getTracks().length === 1);
  assert.equal(call.slots[0]?.source, "mic");
});

test("a roster that is older than the last is not believed", async () => {
  const { socket, call } = await inCall();
  const entry = { user_id: "bob", device_id: "bob-1", name: "Bob", mic: true, camera: true, screen: false };
  socket.receive({ type: "call.roster", call_id: CALL, version: 4, participants: [entry] });
  socket.receive({ type: "call.roster", call_id: CALL, version: 3, participants: [{ ...entry, camera: false }] });
  assert.equal(call.other?.camera, true);
});

test("a new session ends the calls that the server has forgotten, and keeps the others", async () => {
  const { socket, call, server } = await inCall();
  const reasons = ends(call);
  socket.break();
  const again = await server.socket(1);
  const snapshot = { call_id: CALL, peer: bob, outgoing: true, media: "voice", phase: "reconnecting" } as const;
  again.receive(welcome({ calls: [snapshot] }));
  assert.equal(call.state, "reconnecting");
  again.break();
  (await server.socket(2)).receive(welcome({ session: OTHER }));
  assert.deepEqual(reasons, ["lost"]);
});

test("a killed socket ends no call", async () => {
  const { socket, call, pc, server } = await inCall();
  socket.break();
  (await server.socket(1)).receive(welcome({ resumed: true, last_request: 3 }));
  assert.equal(call.state, "active");
  assert.equal(pc.connectionState, "connected");
});

test("after a reload a running call is offered for rejoining, one that rings rings again", async () => {
  const runs = { call_id: CALL, peer: bob, outgoing: false, media: "video", phase: "reconnecting" } as const;
  const ring = { call_id: OTHER, peer: bob, outgoing: false, media: "voice", phase: "ringing" } as const;
  const { client, socket, running, incoming } = await online({}, [runs, ring]);
  await until(() => incoming.length === 1);
  assert.deepEqual(running, [runs]);
  assert.equal(incoming[0]?.id, OTHER);
  const call = client.rejoin(runs);
  assert.equal(call.accepted, true);
  await until(() => socket.of("call.connect").some((frame) => frame.call_id === CALL));
});
