import assert from "node:assert/strict";
import { test } from "node:test";
import type { Call, CallLinkPeek, Client } from "@tertulia/sdk";
import { opened, until, type FakeSocket } from "../../sdk/test/fakes.js";
import { answer, answerError, CALL, online, setUp } from "../../sdk/test/stage.js";
import { Door } from "../src/door.js";

setUp();

const TOKEN = "Zk3vT0mYq8b2";
const peek: CallLinkPeek = {
  media: "video",
  name: "Book club",
  owner: { user_id: "bob", name: "Bob" },
  approval: true,
  expires_at: 1,
  active: true,
};

/** Ana has followed a link, and looks. */
async function before() {
  const { client, socket } = await online();
  const entered: Call[] = [];
  const host = {
    client: client as Client | undefined,
    connection: "online",
    prefer: {},
    inCall: false,
    left: 0,
    changed: () => undefined,
    announce: () => undefined,
    enter: (call: Call) => void entered.push(call),
    leftDoor: () => void (host.left += 1),
  };
  const door = new Door(host);
  door.at(TOKEN);
  return { client, socket, host, door, entered };
}

async function ready() {
  const stage = await before();
  await answer(stage.socket, "call.peek", { link: peek });
  await until(() => opened.length === 2);
  return stage;
}

async function waiting() {
  const stage = await ready();
  stage.door.join();
  await answer(stage.socket, "call.invite", { call_id: CALL, waiting: true });
  await until(() => stage.door.call?.state === "waiting");
  return stage;
}

const allClosed = () => opened.every(({ stopped }) => stopped);
const ends = (socket: FakeSocket, reason: "turned_away" | "link_over") =>
  socket.receive({ type: "call.ended", call_id: CALL, reason, duration_ms: 0 });

test("c3_who_leaves_the_door_leaves_no_camera_on", async () => {
  const { door, host } = await ready();
  assert.equal(door.peek?.name, "Book club");
  door.leave();
  assert.ok(allClosed());
  assert.deepEqual([door.token, host.left], [undefined, 1]);
});

test("c3_what_one_has_chosen_before_the_door_is_what_one_joins_with", async () => {
  const { door, socket, entered, host } = await ready();
  await door.setMic(false);
  await door.setCamera(false);
  const [mic] = opened;
  door.join();
  await answer(socket, "call.invite", { call_id: CALL });
  await until(() => entered.length === 1);
  const [call] = entered;
  assert.deepEqual(call?.media, { mic: false, camera: false, screen: false });
  assert.equal(call?.link?.name, "Book club");
  assert.deepEqual([mic?.stopped, mic?.enabled, opened.length], [false, false, 2]);
  assert.deepEqual([door.token, door.call, host.left], [undefined, undefined, 1]);
});

test("c3_what_one_presses_while_the_browser_still_opens_the_camera_holds", async () => {
  const { mediaDevices } = navigator;
  const open = mediaDevices.getUserMedia;
  let allow = () => undefined as void;
  const allowed = new Promise<void>((resolve) => (allow = resolve));
  mediaDevices.getUserMedia = async (wanted) => {
    await allowed;
    return open(wanted);
  };
  try {
    const { door, socket, entered } = await before();
    await answer(socket, "call.peek", { link: peek });
    await until(() => door.local !== undefined);
    assert.deepEqual(door.flags, { mic: true, camera: true });
    await door.setCamera(false);
    await door.setMic(false);
    assert.deepEqual(door.flags, { mic: false, camera: false });
    door.join();
    allow();
    await until(() => opened.some(({ kind, stopped }) => kind === "video" && stopped));
    await answer(socket, "call.invite", { call_id: CALL });
    await until(() => entered.length === 1);
    assert.deepEqual([entered[0]?.media, opened.length], [{ mic: false, camera: false, screen: false }, 2]);
  } finally {
    mediaDevices.getUserMedia = open;
  }
});

test("c3_nobody_looks_while_a_call_is_on", async () => {
  const { door, socket, host } = await before();
  await answer(socket, "call.peek", { link: peek });
  door.leave();
  host.inCall = true;
  door.at("another");
  await door.look();
  assert.deepEqual([socket.of("call.peek").length, allClosed()], [1, true]);
});

test("c3_who_waits_is_in_once_they_are_let_in_with_the_camera_they_saw", async () => {
  const { door, socket, entered } = await waiting();
  assert.equal(entered.length, 0);
  socket.receive({ type: "call.state", call_id: CALL, phase: "connecting", answered_at: Date.now() });
  assert.equal(entered.length, 1);
  assert.deepEqual([door.token, opened.some(({ stopped }) => stopped)], [undefined, false]);
});

for (const reason of ["turned_away", "link_over"] as const) {
  test(`c3_a_wait_that_ends_with_${reason}_is_told_and_the_camera_goes_out`, async () => {
    const { door, socket, entered } = await waiting();
    ends(socket, reason);
    assert.ok(door.told);
    assert.ok(allClosed());
    assert.equal(entered.length, 0);
  });
}

test("c3_who_tries_again_looks_again", async () => {
  const { door, socket } = await waiting();
  ends(socket, "turned_away");
  door.again();
  assert.equal(door.told, undefined);
  await answer(socket, "call.peek", { link: { ...peek, name: "Later" } });
  await until(() => opened.length === 4);
  assert.equal(door.peek?.name, "Later");
});

test("c3_a_link_that_is_over_opens_nothing", async () => {
  const { door, socket } = await before();
  await answerError(socket, "call.peek", "call_link_over");
  await until(() => door.told !== undefined);
  assert.match(door.told!.title, /not valid/);
  assert.equal(opened.length, 0);
});

test("c3_a_link_that_is_taken_back_while_one_looks_is_told_and_the_camera_goes_out", async () => {
  const { door, socket } = await ready();
  void door.look();
  await answerError(socket, "call.peek", "call_link_over");
  await until(() => door.told !== undefined);
  assert.ok(allClosed());
});

test("c3_a_refusal_in_passing_takes_nothing_away_from_who_looks", async () => {
  const { door, socket } = await ready();
  const looking = door.look();
  await answerError(socket, "call.peek", "rate_limited");
  await looking;
  assert.deepEqual([door.told, door.peek?.name, opened.some(({ stopped }) => stopped)], [undefined, "Book club", false]);
});

test("c3_who_answers_another_call_waits_no_longer", async () => {
  const { door, socket } = await waiting();
  door.onEntered({} as Call);
  assert.ok(allClosed());
  assert.equal(door.token, undefined);
  await until(() => socket.of("call.leave").length === 1);
});

test("c3_a_new_session_looks_again_and_opens_nothing_twice", async () => {
  const { door, socket } = await ready();
  door.onWelcome();
  await answer(socket, "call.peek", { link: { ...peek, name: "New name" } });
  await until(() => door.peek?.name === "New name");
  assert.equal(opened.length, 2);
});
