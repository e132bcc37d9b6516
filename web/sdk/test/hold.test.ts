import assert from "node:assert/strict";
import { test } from "node:test";
import type { Call } from "../src/index.js";
import type { CallElsewhere, RosterEntry } from "../src/proto.js";
import { FakePeerConnection, opened, until } from "./fakes.js";
import { answer, answerError, bob, CALL, ends, inCall, online, OTHER, rings, setUp, SLOTS, type InCall } from "./stage.js";

setUp();

const mics = () => opened.filter((track) => track.kind === "audio");
const cameras = () => opened.filter((track) => track.kind === "video");

function roster(socket: InCall["socket"], version: number, me: boolean, other: boolean, call_id = CALL): void {
  const entry = (user_id: string, device_id: string, held: boolean): RosterEntry => {
    return { user_id, device_id, name: user_id, mic: true, camera: false, screen: false, ...(held && { held }) };
  };
  const participants = [entry("ana", "ana-1", me), entry("bob", "bob-1", other)];
  socket.receive({ type: "call.roster", call_id, version, participants });
}

/** In a call, and a second one rings. */
async function secondRings(): Promise<InCall & { second: Call }> {
  const it = await inCall();
  rings(it.socket, OTHER);
  const second = it.incoming[0]!;
  assert.ok(second);
  return { ...it, second };
}

/** In a second call, the first one on hold. */
async function secondTaken(): Promise<InCall & { second: Call }> {
  const it = await secondRings();
  const accepting = it.second.accept({ video: false });
  await answer(it.socket, "call.accept");
  await accepting;
  roster(it.socket, 5, true, false);
  it.socket.receive({ type: "call.state", call_id: OTHER, phase: "active", answered_at: Date.now() });
  return it;
}

test("c1_a_second_call_rings_as_waiting_and_declining_it_leaves_the_first_alone", async () => {
  const { socket, call, second } = await secondRings();
  assert.equal(second.waiting, true);
  assert.equal(call.waiting, false);
  assert.equal(opened.length, 1);
  second.decline();
  assert.equal(socket.of("call.decline")[0]?.reason, "declined");
  assert.equal(call.held, false);
  assert.equal(call.state, "active");
  assert.ok(mics()[0]!.enabled);
});

test("c1_a_call_that_rings_on_when_the_first_has_ended_waits_no_more", async () => {
  const { call, second } = await secondRings();
  call.hangup();
  assert.equal(second.waiting, false);
  assert.equal(second.state, "ringing");
});

test("c1_accepting_the_second_call_puts_the_first_on_hold_at_once", async () => {
  const { socket, call, second } = await secondRings();
  const held: boolean[] = [];
  call.on("hold", (hold) => held.push(hold.held));
  const accepting = second.accept({ video: false });
  assert.equal(call.held, true);
  assert.equal(mics()[0]!.enabled, false);
  assert.equal(call.remote.audio.getTracks().length, 0);
  // A roster from before the server had our request changes nothing.
  roster(socket, 4, false, false);
  assert.equal(call.held, true);
  await answer(socket, "call.accept");
  await accepting;
  roster(socket, 5, true, false);
  assert.equal(call.held, true);
  assert.equal(second.held, false);
  assert.deepEqual(held, [true]);
  assert.equal(socket.of("call.hold").length, 0);
});

test("c1_where_the_second_call_is_gone_the_first_goes_on", async () => {
  const { socket, call, second } = await secondRings();
  void second.accept({ video: false });
  await answerError(socket, "call.accept", "call_over");
  await until(() => second.ended !== undefined);
  await until(() => !call.held);
  assert.equal(mics()[0]!.enabled, true);
  assert.equal(call.remote.audio.getTracks().length, 1);
});

test("c1_going_on_with_the_call_on_hold_swaps_the_two", async () => {
  const { socket, call, second } = await secondTaken();
  const swapping = call.hold(false);
  assert.deepEqual([call.held, second.held], [false, true]);
  await answer(socket, "call.hold");
  await swapping;
  assert.deepEqual(
    socket.of("call.hold").map(({ call_id, on }) => [call_id, on]),
    [[CALL, false]],
  );
  assert.deepEqual([call.held, second.held], [false, true]);
  assert.equal(mics()[0]!.enabled, true);
  await until(() => mics().length === 2);
  assert.equal(mics()[1]!.enabled, false);
});

test("c1_a_refused_swap_changes_nothing", async () => {
  const { socket, call, second } = await secondTaken();
  const swapping = assert.rejects(call.hold(false));
  await answerError(socket, "call.hold", "call_state_mismatch");
  await swapping;
  assert.deepEqual([call.held, second.held], [true, false]);
});

test("c1_when_the_other_call_ends_the_one_on_hold_stays_there", async () => {
  const { socket, call, second } = await secondTaken();
  socket.receive({ type: "call.ended", call_id: OTHER, reason: "hangup", duration_ms: 1 });
  assert.equal(second.state, "ended");
  assert.equal(call.held, true);
  assert.equal(mics()[0]!.enabled, false);
  const resuming = call.hold(false);
  await answer(socket, "call.hold");
  await resuming;
  assert.equal(mics()[0]!.enabled, true);
});

test("c1_a_third_caller_finds_two_calls_and_is_told_busy", async () => {
  const { socket, incoming } = await secondTaken();
  const third = "00000000-0000-7000-8000-0000000000cc";
  rings(socket, third);
  assert.equal(incoming.length, 1);
  assert.deepEqual(
    socket.of("call.decline").map(({ call_id, reason }) => [call_id, reason]),
    [[third, "busy"]],
  );
});

test("c1_hold_closes_the_camera_and_resuming_brings_back_what_was_on", async () => {
  const { socket, call, pc } = await inCall({}, {}, true);
  await call.setMic(false);
  const holding = call.hold();
  await answer(socket, "call.hold");
  await holding;
  assert.ok(cameras()[0]!.stopped);
  assert.equal(pc.transceivers[1]!.track, null);
  assert.equal(mics()[0]!.stopped, false);
  // What is changed meanwhile counts after it, and not before.
  await call.setMic(true);
  assert.equal(mics()[0]!.enabled, false);
  assert.deepEqual(call.media, { mic: true, camera: true, screen: false });
  const resuming = call.hold(false);
  await answer(socket, "call.hold");
  await resuming;
  await until(() => cameras().length === 2 && pc.transceivers[1]!.track !== null);
  assert.equal(mics()[0]!.enabled, true);
  assert.deepEqual(call.media, { mic: true, camera: true, screen: false });
});

test("c1_a_camera_switched_off_while_on_hold_stays_off", async () => {
  const { socket, call } = await inCall({}, {}, true);
  const holding = call.hold();
  await answer(socket, "call.hold");
  await holding;
  await call.setCamera(false);
  const resuming = call.hold(false);
  await answer(socket, "call.hold");
  await resuming;
  assert.equal(cameras().length, 1);
  assert.equal(call.media.camera, false);
});

test("c1_the_other_side_putting_us_on_hold_is_told_and_changes_nothing_here", async () => {
  const { socket, call } = await inCall();
  const told: boolean[] = [];
  call.on("hold", (hold) => told.push(hold.heldByOther));
  roster(socket, 1, false, true);
  assert.equal(call.heldByOther, true);
  assert.equal(call.held, false);
  assert.ok(mics()[0]!.enabled);
  roster(socket, 2, false, false);
  assert.deepEqual(told, [true, false]);
});

test("c1_a_call_on_hold_is_still_so_after_a_reload", async () => {
  const running = { call_id: CALL, peer: bob, outgoing: true, media: "video", phase: "active", held: true } as const;
  const { client } = await online({}, [running]);
  const call = client.rejoin(running);
  assert.equal(call.held, true);
  await until(() => mics().length > 0);
  await until(() => opened.length === 2);
  await until(() => cameras()[0]!.stopped && !mics()[0]!.enabled);
});

const elsewhere: CallElsewhere = {
  call_id: CALL,
  peer: bob,
  media: "voice",
  answered_at: 1,
  device_id: "ana-2",
  device_name: "Ana's phone",
};

test("c1_calls_on_other_devices_are_told_and_one_is_taken_over", async () => {
  const { client, socket } = await online({}, [], { calls_elsewhere: [elsewhere] });
  assert.deepEqual(client.elsewhere, [elsewhere]);
  const told: number[] = [];
  client.on("elsewhere", (calls) => told.push(calls.length));
  const call = client.join(elsewhere);
  assert.equal(call.accepted, true);
  await until(() => mics().length === 1);
  assert.equal(socket.of("call.connect").length, 0);
  await answer(socket, "call.join");
  await answer(socket, "call.connect", { sdp: "answer", slots: [...SLOTS] });
  const pc = FakePeerConnection.all.at(-1)!;
  await until(() => pc.remoteDescription !== null && pc.transceivers[0]!.track !== null);
  pc.become("connected");
  socket.receive({ type: "call.state", call_id: CALL, phase: "active", answered_at: 1 });
  socket.receive({ type: "calls.elsewhere", calls: [] });
  assert.equal(call.state, "active");
  assert.equal(call.connection, "up");
  assert.deepEqual(told, [0]);
  assert.deepEqual(client.calls, [call]);
});

test("c1_a_refused_take_over_ends_here_with_the_servers_error_and_hangs_nothing_up", async () => {
  const { client, socket } = await online({}, [], { calls_elsewhere: [elsewhere] });
  const call = client.join(elsewhere);
  await answerError(socket, "call.join", "call_state_mismatch");
  await until(() => call.state === "ended");
  assert.equal(call.ended?.reason, "failed");
  assert.equal(call.ended?.error?.code, "call_state_mismatch");
  await until(() => opened.every((track) => track.stopped));
  assert.equal(socket.of("call.hangup").length, 0);
});

test("c1_on_the_device_that_is_left_the_call_ends_as_handed_over", async () => {
  const { socket, call } = await inCall();
  const reasons = ends(call);
  socket.receive({ type: "call.ended", call_id: CALL, reason: "handed_over", duration_ms: 5 });
  assert.deepEqual(reasons, ["handed_over"]);
  assert.ok(opened.every((track) => track.stopped));
  assert.equal(socket.of("call.hangup").length, 0);
});
