import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { AccountApi, beginLink, gradeOf, register, serverInfo, TertuliaError, verify, waitForLink } from "../src/index.js";
import type { Device, LinkState } from "../src/proto.js";
import { until } from "./fakes.js";
import { online, setUp } from "./stage.js";

setUp();

interface Asked {
  method: string;
  path: string;
  token: string | undefined;
  body: unknown;
  signal: AbortSignal | null | undefined;
}

const asked: Asked[] = [];
/** Answers the next call, and those after it. */
let answer: (asked: Asked) => Promise<Response> | Response;
const real = globalThis.fetch;
beforeEach(() => {
  asked.length = 0;
  globalThis.fetch = (async (url: URL, init: RequestInit) => {
    const token = (init.headers as Record<string, string>)["authorization"]?.replace("Bearer ", "");
    const body = init.body === undefined ? undefined : (JSON.parse(init.body as string) as unknown);
    const one: Asked = { method: init.method ?? "GET", path: url.pathname, token, body, signal: init.signal };
    asked.push(one);
    return answer(one);
  }) as unknown as typeof fetch;
});
afterEach(() => void (globalThis.fetch = real));

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });
const refuse = (code: string, klass: string, status: number, more: object = {}) =>
  json({ error: { code, class: klass, message: code, ...more } }, status);
const is = (code: string) => (error: unknown) => error instanceof TertuliaError && error.code === code;
const device: Device = { device_id: "d1", name: "Phone", primary: true, linked_at: 1, online: true };
const begun = { link_id: "l1", code: "ABCD-EFGH", secret: "s3cret", expires_in_s: 180 };
const access = { user_id: "u1", device_id: "d2", token: "tdt_x" };
const server = "https://calls.test";

test("a1_signing_up_asks_for_a_pin_and_hands_it_in", async () => {
  answer = ({ path }) =>
    path === "/v1/server"
      ? json({ sign_in: ["phone"], pin_digits: 6 })
      : path === "/v1/register"
        ? json({ registration_id: "r1", phone: "+34612345678", expires_in_s: 600, again_in_s: 30 }, 202)
        : json(access, 201);
  assert.deepEqual((await serverInfo(server)).sign_in, ["phone"]);
  const { registration_id } = await register(server, "612 345 678");
  assert.deepEqual(await verify(server, { registration_id, pin: "123456", device_name: "Phone" }), access);
  assert.deepEqual(
    asked.map(({ method, path, token, body }) => [method, path, token, body]),
    [
      ["GET", "/v1/server", undefined, undefined],
      ["POST", "/v1/register", undefined, { phone: "612 345 678" }],
      ["POST", "/v1/register/verify", undefined, { registration_id: "r1", pin: "123456", device_name: "Phone" }],
    ],
  );
});

test("a1_refusals_are_thrown_with_code_class_and_time_to_wait", async () => {
  answer = () => refuse("rate_limited", "retry_after", 429, { retry_after_ms: 30_000 });
  await assert.rejects(register(server, "612"), (error: TertuliaError) => {
    return is("rate_limited")(error) && error.class === "retry_after" && error.retryAfterMs === 30_000;
  });
  answer = () => Promise.reject(new TypeError("offline"));
  await assert.rejects(register(server, "612"), is("unreachable"));
  answer = () => new Response("<html>", { status: 200 });
  await assert.rejects(register(server, "612"), is("unreachable"));
  answer = () => new Response("no such page", { status: 404 });
  await assert.rejects(register(server, "612"), is("not_found"));
});

test("a3_a_new_device_waits_until_it_is_let_in", async () => {
  const states: LinkState[] = [{ state: "waiting" }, { state: "seen" }, { state: "approved", ...access }];
  answer = ({ method }) => (method === "POST" ? json(begun, 201) : json(states.shift()));
  const link = await beginLink(server, "Laptop");
  let seen = 0;
  assert.deepEqual(await waitForLink(server, link, { seen: () => (seen += 1) }), access);
  assert.equal(seen, 1);
  assert.deepEqual(asked[1], { ...asked[1], method: "GET", path: "/v1/devices/link/l1", token: "s3cret" });
});

test("a3_waiting_for_a_link_outlives_a_network_that_comes_and_goes", async () => {
  const answers = [
    () => Promise.reject(new TypeError("offline")),
    () => Promise.resolve(json({ state: "approved", ...access })),
  ];
  answer = () => answers.shift()!();
  assert.deepEqual(await waitForLink(server, begun), access);
});

test("a3_waiting_for_a_link_ends_when_the_code_is_good_no_more", async () => {
  answer = () => refuse("link_over", "invalid", 410);
  await assert.rejects(waitForLink(server, begun), is("link_over"));
  assert.equal(asked.length, 1);
});

test("a3_waiting_for_a_link_is_given_up_at_once_when_aborted", async () => {
  const stop = new AbortController();
  // Held back, as the server does, and between two questions.
  answer = ({ signal }) => new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const why = new Error("the person has gone back");
  const heldBack = assert.rejects(waitForLink(server, begun, { signal: stop.signal }), why);
  await until(() => asked.length === 1);
  stop.abort(why);
  await heldBack;
  answer = () => json({ state: "waiting" });
  const again = new AbortController();
  const between = assert.rejects(waitForLink(server, begun, { signal: again.signal }), why);
  await until(() => asked.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 20));
  again.abort(why);
  await between;
  await assert.rejects(waitForLink(server, begun, { signal: again.signal }), why);
  assert.equal(asked.length, 2);
});

test("a3_each_call_about_oneself_goes_where_the_protocol_says", async () => {
  const api = new AccountApi(server, "tdt_1");
  answer = ({ method, path }) => {
    if (method === "DELETE" || method === "PUT") return new Response(null, { status: 204 });
    if (path.endsWith("blocks")) return json({ blocked: [{ user_id: "eve", name: "Eve" }] });
    return json({ devices: [device] });
  };
  assert.deepEqual(await api.devices(), [device]);
  assert.deepEqual(await api.approveLink("abcd efgh"), [device]);
  assert.deepEqual(await api.blocks(), [{ user_id: "eve", name: "Eve" }]);
  await api.unlink("d/1");
  await api.inspectLink("ABCD-EFGH");
  await api.profile();
  await api.updateProfile({ name: "Ali" });
  await api.settings();
  await api.updateSettings({ do_not_disturb_until: 0 });
  await api.block("eve");
  await api.unblock("eve");
  await api.lookup("+34612345678");
  await api.iceServers();
  await api.deleteAccount();
  assert.ok(asked.every(({ token }) => token === "tdt_1"));
  assert.deepEqual(
    asked.map(({ method, path, body }) => [`${method} ${path}`, ...(body ? [body] : [])]),
    [
      ["GET /v1/devices"],
      ["POST /v1/devices/link/approve", { code: "abcd efgh" }],
      ["GET /v1/blocks"],
      ["DELETE /v1/devices/d%2F1"],
      ["POST /v1/devices/link/inspect", { code: "ABCD-EFGH" }],
      ["GET /v1/profile"],
      ["PATCH /v1/profile", { name: "Ali" }],
      ["GET /v1/settings"],
      ["PATCH /v1/settings", { do_not_disturb_until: 0 }],
      ["PUT /v1/blocks/eve"],
      ["DELETE /v1/blocks/eve"],
      ["POST /v1/contacts/lookup", { phone: "+34612345678" }],
      ["GET /v1/ice-servers"],
      ["DELETE /v1/account"],
    ],
  );
});

test("a2_a_token_that_has_expired_between_two_calls_is_fetched_anew_once", async () => {
  let made = 0;
  const { client } = await online({ token: () => `t${(made += 1)}` });
  answer = ({ token }) =>
    token === "t1" ? refuse("token_expired", "reauth", 401) : json({ user_id: "ana", name: "Ana" });
  assert.equal((await client.account.profile()).name, "Ana");
  assert.deepEqual(
    asked.map(({ token }) => token),
    ["t1", "t2"],
  );
  answer = () => refuse("token_invalid", "reauth", 401);
  await assert.rejects(client.account.profile(), is("token_invalid"));
  assert.equal(asked.length, 4);
});

test("a3_a_device_token_that_is_refused_is_not_tried_twice", async () => {
  answer = () => refuse("token_invalid", "reauth", 401);
  await assert.rejects(new AccountApi(server, "tdt_1").devices(), is("token_invalid"));
  assert.equal(asked.length, 1);
});

test("a3_devices_and_settings_are_told_as_they_change", async () => {
  const until_ = Date.now() + 3_600_000;
  const shown = { online: "nobody", last_seen: "contacts" } as const;
  const { client, socket } = await online({}, [], { settings: { do_not_disturb_until: until_, ...shown } });
  assert.deepEqual(client.settings, { do_not_disturb_until: until_, ...shown });
  const told: unknown[] = [];
  client.on("devices", (devices) => told.push(devices));
  client.on("settings", (settings) => told.push(settings));
  socket.receive({ type: "devices", devices: [device] });
  socket.receive({ type: "settings", ...shown, online: "everyone" });
  assert.deepEqual(told, [[device], { online: "everyone", last_seen: "contacts" }]);
  assert.deepEqual(client.settings, { online: "everyone", last_seen: "contacts" });
});

test("a_list_of_who_is_here_that_was_asked_for_does_not_cover_what_was_told_meanwhile", async () => {
  const { client, socket } = await online();
  const [ana, bea] = ["Ana", "Bea"].map((name) => ({ user_id: name, name, online: true }));
  answer = () => json({ people: [ana] });
  assert.deepEqual(await client.fetchPeople(), [ana]);
  answer = () => {
    socket.receive({ type: "demo.people", people: [ana!, bea!] });
    return json({ people: [ana] });
  };
  assert.deepEqual(await client.fetchPeople(), [ana, bea]);
  assert.deepEqual(client.people, [ana, bea]);
});

test("c10_a_score_is_graded_good_fair_or_poor", () => {
  assert.deepEqual([4.4, 4.0, 3.99, 3.1, 3.09, 1].map(gradeOf), ["good", "good", "fair", "fair", "poor", "poor"]);
  assert.deepEqual([undefined, Number.NaN].map(gradeOf), ["unknown", "unknown"]);
});
