// A call on a stage of fakes: what most tests need before they come to their point.

import { afterEach, beforeEach } from "node:test";
import { connect, type Call, type Client, type ConnectOptions } from "../src/index.js";
import type { CallSnapshot, EndReason, ErrorCode, ServerFrame, Welcome } from "../src/proto.js";
import { FakePeerConnection, FakeServer, installWebRtc, opened, until, type FakeSocket } from "./fakes.js";

const clients: Client[] = [];

/** Once per file, first. */
export function setUp(): void {
  installWebRtc();
  beforeEach(() => {
    opened.length = 0;
    FakePeerConnection.all.length = 0;
  });
  afterEach(() => clients.splice(0).forEach((client) => client.close()));
}

export const CALL = "00000000-0000-7000-8000-0000000000ca";
export const OTHER = "00000000-0000-7000-8000-0000000000cb";
export const bob = { user_id: "bob", name: "Bob" };
export const SLOTS = [
  { mid: "3", participant: { user_id: "bob", device_id: "bob-1" }, source: "mic" },
  { mid: "4", participant: { user_id: "bob", device_id: "bob-1" }, source: "camera" },
  { mid: "5" },
] as const;

export async function online(
  changes: Partial<ConnectOptions> = {},
  calls: CallSnapshot[] = [],
  welcomed: Partial<Welcome> = {},
) {
  const server = new FakeServer();
  const client = connect({ url: "http://test", token: "t", deviceId: "ana-1", openSocket: server.open, ...changes });
  clients.push(client);
  const incoming: Call[] = [];
  client.on("incoming", (call) => incoming.push(call));
  const running: CallSnapshot[] = [];
  client.on("running", (calls) => running.push(...calls));
  const socket = await server.welcomed({ calls, ...welcomed });
  return { server, client, socket, incoming, running };
}

/** Waits for a request of this type, and answers it. */
export async function answer(socket: FakeSocket, type: string, with_: Partial<ServerFrame> = {}): Promise<void> {
  const unanswered = () => socket.sent.find((frame) => frame.type === type && !answered.has(frame));
  await until(() => unanswered() !== undefined);
  const frame = unanswered()!;
  answered.add(frame);
  socket.receive({ type: "ok", id: (frame as { id: number }).id, ...with_ } as ServerFrame);
}
const answered = new WeakSet<object>();

/** Waits for a request of this type, and refuses it. */
export async function answerError(socket: FakeSocket, type: string, code: ErrorCode): Promise<void> {
  const unanswered = () => socket.sent.find((frame) => frame.type === type && !answered.has(frame));
  await until(() => unanswered() !== undefined);
  const frame = unanswered()!;
  answered.add(frame);
  socket.receive({ type: "error", id: (frame as { id: number }).id, error: { code, class: "invalid", message: code } });
}

export function rings(socket: FakeSocket, call_id = CALL): void {
  socket.receive({ type: "call.incoming", call_id, from: bob, media: "video", expires_at: Date.now() + 60_000 });
}

export function ends(call: Call): EndReason[] {
  const reasons: EndReason[] = [];
  call.on("ended", (ended) => reasons.push(ended.reason as EndReason));
  return reasons;
}

export interface InCall {
  client: Client;
  socket: FakeSocket;
  call: Call;
  pc: FakePeerConnection;
  server: FakeServer;
  incoming: Call[];
}

/** A voice call with Bob that both sides are in. */
export async function inCall(
  changes: Partial<ConnectOptions> = {},
  welcomed: Partial<Welcome> = {},
  video = false,
  sdp = "answer",
): Promise<InCall> {
  const { client, socket, server, incoming } = await online(changes, [], welcomed);
  const call = client.call("bob", { video });
  await answer(socket, "call.invite", { call_id: CALL });
  await answer(socket, "call.connect", { sdp, slots: [...SLOTS] });
  socket.receive({ type: "call.state", call_id: CALL, phase: "connecting", answered_at: Date.now() });
  socket.receive({ type: "call.state", call_id: CALL, phase: "active", answered_at: Date.now() });
  const pc = FakePeerConnection.all.at(-1)!;
  await until(() => pc.remoteDescription !== null && pc.transceivers[0]?.track !== null);
  pc.become("connected");
  return { client, socket, call, pc, server, incoming };
}

