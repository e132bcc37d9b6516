import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Backoff } from "../src/backoff.js";
import { TertuliaError } from "../src/errors.js";
import { Session, type CloseCause, type SessionOptions } from "../src/session.js";
import { FakeServer, until, welcome } from "./fakes.js";

const sessions: Session[] = [];
afterEach(() => sessions.splice(0).forEach((session) => session.close()));

function start(changes: Partial<SessionOptions> = {}): { server: FakeServer; session: Session } {
  const server = new FakeServer();
  const options = { url: "ws://test/v1/ws", token: "t0ken", deviceId: "ana-1", rings: true, callWaiting: true, openSocket: server.open };
  const session = new Session({ ...options, ...changes });
  sessions.push(session);
  return { server, session };
}

const CALL = "00000000-0000-7000-8000-0000000000ca";
const ringing = { type: "call.ringing", call_id: CALL } as const;
const invite = { type: "call.invite", to: { user: "bob" }, media: "voice" } as const;

test("hello names the token and the device, and asks for no resume at first", async () => {
  const { server } = start();
  const socket = await server.socket(0);
  const expected = { type: "hello", token: "t0ken", device_id: "ana-1", caps: { rings: true, call_waiting: true, messages: false } };
  assert.deepEqual(socket.sent, [expected]);
});

test("requests made before the welcome wait for it, and ids rise from 1", async () => {
  const { server, session } = start();
  const first = session.request(invite);
  const second = session.request(ringing);
  const socket = await server.socket(0);
  assert.equal(socket.sent.length, 1);
  socket.receive(welcome());
  assert.deepEqual([socket.of("call.invite")[0]?.id, socket.of("call.ringing")[0]?.id], [1, 2]);
  socket.receive({ type: "ok", id: 2 });
  socket.receive({ type: "error", id: 1, error: { code: "unknown_user", class: "invalid", message: "No." } });
  assert.equal((await second).id, 2);
  await assert.rejects(first, (error: TertuliaError) => error.code === "unknown_user" && error.class === "invalid");
});

test("what a welcome's listener asks for comes after what waited", async () => {
  const { server, session } = start();
  session.on("welcome", () => void session.request(ringing).catch(() => undefined));
  session.on("state", () => void session.request(ringing).catch(() => undefined));
  void session.request(invite).catch(() => undefined);
  const socket = await server.welcomed();
  const ids = socket.sent.slice(1).map((frame) => ("id" in frame ? frame.id : 0));
  assert.deepEqual(ids, [1, 2, 3]);
});

test("a resume counts every frame but welcome and ping", async () => {
  const { server } = start();
  const socket = await server.welcomed();
  socket.receive({ type: "ping", now: 1 });
  socket.receive({ type: "demo.people", people: [] });
  socket.receive({ type: "ok", id: 99 });
  socket.receive({ type: "ping", now: 2 });
  assert.deepEqual(
    socket.of("pong").map((pong) => pong.received),
    [0, 2],
  );
  socket.break();
  const again = await server.socket(1);
  const resume = again.of("hello")[0]?.resume;
  assert.deepEqual(resume, { session: welcome().session, secret: "s3cret", received: 2 });
  again.receive(welcome({ resumed: true }));
  again.receive({ type: "demo.people", people: [] });
  again.break();
  assert.equal((await server.socket(2)).of("hello")[0]?.resume?.received, 3);
});

test("after a resume only what the server has not handled is asked again, with its old id", async () => {
  const { server, session } = start();
  const socket = await server.welcomed();
  const handled = session.request(invite);
  const lost = session.request(ringing);
  assert.equal(socket.sent.length, 3);
  socket.break();
  const late = session.request({ type: "call.hangup", call_id: CALL });
  const again = await server.socket(1);
  again.receive(welcome({ resumed: true, last_request: 1 }));
  assert.deepEqual(
    again.sent.slice(1).map((frame) => [frame.type, "id" in frame && frame.id]),
    [
      ["call.ringing", 2],
      ["call.hangup", 3],
    ],
  );
  for (const id of [1, 2, 3]) again.receive({ type: "ok", id });
  assert.deepEqual([(await handled).id, (await lost).id, (await late).id], [1, 2, 3]);
});

test("in a new session what may be done twice is asked again, an invite is given up", async () => {
  const { server, session } = start();
  const socket = await server.welcomed();
  const invited = session.request(invite);
  const hangup = session.request({ type: "call.hangup", call_id: CALL });
  socket.receive({ type: "demo.people", people: [] });
  socket.break();
  const again = await server.socket(1);
  again.receive(welcome({ resumed: false }));
  await assert.rejects(invited, (error: TertuliaError) => error.code === "session_lost");
  assert.deepEqual(
    again.sent.slice(1).map((frame) => [frame.type, "id" in frame && frame.id]),
    [["call.hangup", 1]],
  );
  again.receive({ type: "ok", id: 1 });
  await hangup;
  again.break();
  assert.equal((await server.socket(2)).of("hello")[0]?.resume?.received, 1);
});

test("an unasked acknowledgement comes every 32 frames", async () => {
  const { server } = start();
  const socket = await server.welcomed();
  for (let n = 0; n < 70; n += 1) socket.receive({ type: "demo.people", people: [] });
  assert.deepEqual(
    socket.of("ack").map((ack) => ack.received),
    [32, 64],
  );
});

test("only closing for good tells the server to forget the session", async () => {
  const { server, session } = start({ random: () => 0 });
  const first = await server.welcomed();
  first.receive({ type: "drain", deadline_ms: 10 });
  const second = await server.socket(1);
  assert.ok(first.closed);
  assert.equal(first.closeCode, undefined);
  session.close();
  assert.equal(second.closeCode, 1000);
});

test("a silent socket is given up after two heartbeats", async () => {
  const { server, session } = start();
  await server.welcomed({ heartbeat_s: 0.02 });
  const socket = server.sockets[0]!;
  socket.receive({ type: "ping", now: 1 });
  await until(() => session.state === "reconnecting");
  assert.ok(socket.closed);
  assert.ok((await server.socket(1)).of("hello")[0]?.resume);
});

test("close codes from 4500 end the session, with the server's reason", async () => {
  for (const code of [4500, 4503, 4504, 4505]) {
    const { server, session } = start();
    const causes: CloseCause[] = [];
    session.on("closed", (cause) => causes.push(cause));
    const socket = await server.welcomed();
    const waiting = session.request(invite);
    socket.break(code);
    assert.equal(session.state, "closed");
    assert.deepEqual(causes, [{ why: "refused", error: undefined, code }]);
    await assert.rejects(waiting, (error: TertuliaError) => error.code === "closed");
    await assert.rejects(session.request(invite), (error: TertuliaError) => error.code === "closed");
  }
});

test("close codes below 4500 connect again", async () => {
  for (const code of [1001, 1006, 4000, 4001, 4002]) {
    const { server, session } = start();
    (await server.welcomed()).break(code);
    assert.equal(session.state, "reconnecting");
    await server.socket(1);
  }
});

test("a refused token is told with its error, and fetched anew once where it can be", async () => {
  const expired = { code: "token_expired", class: "reauth", message: "The token has expired." } as const;
  const asked: (string | undefined)[] = [];
  const token = (last: { code: string } | undefined) => {
    asked.push(last?.code);
    return `token-${asked.length}`;
  };
  const { server, session } = start({ token });
  const causes: CloseCause[] = [];
  session.on("closed", (cause) => causes.push(cause));
  const first = await server.socket(0);
  first.receive({ type: "error", error: expired });
  first.break(4501);
  const second = await server.socket(1);
  assert.equal(second.of("hello")[0]?.token, "token-2");
  assert.deepEqual(asked, [undefined, "token_expired"]);
  second.receive({ type: "error", error: expired });
  second.break(4501);
  assert.deepEqual(causes, [{ why: "refused", error: expired, code: 4501 }]);
});

test("a displaced session does not fight for its place", async () => {
  const { server, session } = start();
  const causes: CloseCause[] = [];
  session.on("closed", (cause) => causes.push(cause));
  const socket = await server.welcomed();
  socket.receive({ type: "displaced" } as never);
  socket.break(4502);
  assert.deepEqual(causes, [{ why: "displaced" }]);
  assert.equal(server.sockets.length, 1);
});

test("a draining server is left before its deadline, and the session goes on elsewhere", async () => {
  const { server, session } = start({ random: () => 0.5 });
  const told: string[] = [];
  session.on("frame", (frame) => told.push(frame.type));
  const socket = await server.welcomed();
  socket.receive({ type: "drain", deadline_ms: 40 });
  assert.deepEqual(told, ["drain"]);
  const again = await server.socket(1);
  assert.ok(socket.closed);
  assert.equal(again.of("hello")[0]?.resume?.received, 1);
});

test("c6_a_restart_is_told_also_where_the_goodbye_was_lost_with_the_socket", async () => {
  const { server, session } = start();
  const told: string[] = [];
  session.on("frame", (frame) => told.push(frame.type));
  const socket = await server.welcomed();
  socket.break(4002);
  assert.deepEqual(told, ["drain"]);
  assert.equal(session.state, "reconnecting");
});

test("a listener that throws stops neither the others nor the session", async (t) => {
  const thrown: unknown[] = [];
  const catcher = (error: unknown) => thrown.push(error);
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", catcher);
  t.after(() => {
    process.off("uncaughtException", catcher);
    for (const listener of before) process.on("uncaughtException", listener);
  });
  const { server, session } = start();
  let heard = 0;
  session.on("frame", () => {
    throw new Error("a bug of the app");
  });
  session.on("frame", () => (heard += 1));
  const socket = await server.welcomed();
  socket.receive({ type: "demo.people", people: [] });
  socket.receive({ type: "demo.people", people: [] });
  assert.equal(heard, 2);
  await until(() => thrown.length === 2);
});

test("the first try comes at once, then waits double, are spread, and are capped", () => {
  const options = { atOnceMs: 50, firstMs: 100, maxMs: 1_000, urgentMaxMs: 300 };
  const low = new Backoff(options, () => 0);
  const high = new Backoff(options, () => 1);
  assert.deepEqual([low.next(), low.next(), low.next(), low.next()], [0, 50, 100, 200]);
  assert.deepEqual([0, 1, 2, 3, 4, 5].map(() => high.next()), [50, 100, 200, 400, 800, 1_000]);
  assert.equal(high.next(true), 300);
  high.reset();
  assert.equal(high.next(), 50);
  high.reset();
  high.slow();
  assert.equal(high.next(), 1_000);
});
