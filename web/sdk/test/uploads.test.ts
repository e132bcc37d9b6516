import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";
import { MediaApi, TertuliaError, type UploadOptions } from "../src/index.js";
import { checkLimits } from "../src/limits.js";
import type { Media, MediaClaim, MediaProof, UploadLimits } from "../src/proto.js";
import { until } from "./fakes.js";
import { online, setUp } from "./stage.js";

setUp();

const MB = 1024 * 1024;
const limits: UploadLimits = {
  video_bytes_max: 16 * MB,
  video_seconds_max: 180,
  audio_bytes_max: 16 * MB,
  audio_seconds_max: 10_800,
  image_bytes_max: 16 * MB,
  image_pixels_max: 40_000_000,
  file_bytes_max: 100 * MB,
};
const ID = "01a0c458-0d20-7180-b398-874989484820";
const media: Media = {
  media_id: ID,
  owner: "ana",
  state: "ready",
  class: "document",
  created_at: 1,
  keep: false,
  view_once: false,
  bytes: 1,
  has_thumbnail: false,
  salvaged: false,
};
const server = "https://calls.test";
const is = (code: string) => (error: unknown) => error instanceof TertuliaError && error.code === code;

interface Asked {
  method: string;
  path: string;
  query: string;
  headers: Record<string, string>;
  body: Uint8Array;
}

/** A server of uploads: what is there under which place, and what becomes of it. */
class FakeUploads {
  readonly asked: Asked[] = [];
  /** What is there, by upload. */
  readonly parts = new Map<string, Uint8Array>();
  readonly #lengths = new Map<string, number>();
  #made = 0;
  /** Answers instead, if it has something to say. It may throw, as a lost network does. */
  before: (asked: Asked, index: number) => Promise<Response | undefined> | Response | undefined = () => undefined;
  /** Bytes of a `PATCH` that are kept when `before` breaks it. */
  keepsOfBroken = 0;

  readonly fetch = async (url: URL, init: RequestInit): Promise<Response> => {
    const body = init.body instanceof Blob ? new Uint8Array(await init.body.arrayBuffer()) : text(init.body);
    const headers = init.headers as Record<string, string>;
    const asked = { method: init.method ?? "GET", path: url.pathname, query: url.search, headers, body };
    this.asked.push(asked);
    try {
      const said = await this.before(asked, this.asked.length - 1);
      if (said) return said;
    } catch (error) {
      if (asked.method === "PATCH") this.#append(asked.path, body.slice(0, this.keepsOfBroken));
      throw error;
    }
    return this.#answer(asked);
  };

  of(method: string): Asked[] {
    return this.asked.filter((one) => one.method === method);
  }

  /** All that has come in by one upload. */
  get whole(): Uint8Array {
    return [...this.parts.values()].at(-1) ?? new Uint8Array();
  }

  #append(path: string, bytes: Uint8Array): number {
    const before = this.parts.get(path) ?? new Uint8Array();
    const after = new Uint8Array(before.length + bytes.length);
    after.set(before);
    after.set(bytes, before.length);
    this.parts.set(path, after);
    return after.length;
  }

  #answer({ method, path, headers, body }: Asked): Response {
    if (path === "/v1/media/tus") {
      const place = `/v1/media/tus/${++this.#made}`;
      this.parts.set(place, new Uint8Array());
      this.#lengths.set(place, Number(headers["upload-length"]));
      return new Response(null, { status: 201, headers: { location: place, "upload-offset": "0" } });
    }
    if (path.startsWith("/v1/media/tus/")) {
      const have = this.parts.get(path);
      if (!have) return refuse("not_found", "invalid", 404);
      if (method === "DELETE") {
        this.parts.delete(path);
        return new Response(null, { status: 204 });
      }
      let offset = have.length;
      if (method === "PATCH") {
        if (Number(headers["upload-offset"]) !== offset) return refuse("upload_offset", "resync", 409);
        offset = this.#append(path, body);
      }
      const done: Record<string, string> = offset === this.#lengths.get(path) ? { "tertulia-media-id": ID } : {};
      return new Response(null, { status: method === "HEAD" ? 200 : 204, headers: { "upload-offset": String(offset), ...done } });
    }
    if (method === "POST" && path === "/v1/media") return json(media, 201);
    if (path.startsWith("/v1/media/claims")) return refuse("claim_over", "invalid", 404);
    if (path.endsWith("/status")) return json(media);
    return new Response(null, { status: 204 });
  }
}

const text = (body: unknown) => new TextEncoder().encode(typeof body === "string" ? body : "");
const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });
const refuse = (code: string, klass: string, status: number, more: object = {}) =>
  json({ error: { code, class: klass, message: code, ...more } }, status);
/** No two places alike, and made at once. */
const bytes = (length: number) => {
  const made = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) made[i] = Math.imul(i, 2_654_435_761) >>> 24;
  return made;
};

class FakeFile extends Blob {
  constructor(
    parts: BlobPart[],
    readonly name: string,
    type = "",
    readonly lastModified = 7,
  ) {
    super(parts, { type });
  }
}

let uploads: FakeUploads;
const real = globalThis.fetch;
beforeEach(() => {
  uploads = new FakeUploads();
  globalThis.fetch = uploads.fetch as unknown as typeof fetch;
});
afterEach(() => void (globalThis.fetch = real));

const api = (more: Partial<{ limits: UploadLimits | undefined }> = {}) =>
  new MediaApi(server, "t", () => ({ userId: "ana", deviceId: "ana-1", limits, ...more }));

function memory(): UploadOptions["memory"] & object {
  const kept = new Map<string, string>();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
}

test("d1_a_small_file_is_one_request_that_says_all_of_it", async () => {
  const file = new FakeFile([bytes(1_000)], "a b.txt", "text/plain");
  const told: number[][] = [];
  const sent = await api().upload(file, { keep: true, onProgress: (...it) => told.push(it) });
  assert.equal(sent.media_id, ID);
  const [one, ...others] = uploads.asked;
  assert.equal(others.length, 0);
  assert.deepEqual([one?.method, one?.path, one?.query], ["POST", "/v1/media", "?as=auto&file_name=a+b.txt&keep=true"]);
  assert.equal(one?.headers["authorization"], "Bearer t");
  assert.equal(one?.headers["tertulia-device-id"], "ana-1");
  assert.equal(one?.headers["content-type"], "text/plain");
  assert.deepEqual(one?.body, bytes(1_000));
  assert.deepEqual(told, [[1_000, 1_000]]);
  await api().upload(new Blob(["x"]), { as: "voice", viewOnce: ["bob", "carol"], keep: true });
  assert.equal(uploads.asked[1]?.query, "?as=voice&view_once=bob%2Ccarol");
  await api().upload(new Blob(["x"]), { tell: { group: "g1" } });
  assert.equal(uploads.asked[2]?.query, "?as=auto&tell=group%3Ag1");
});

test("d2_what_is_over_a_limit_is_refused_before_the_first_byte_with_both_figures", async () => {
  const over = (size: number, type: string) => Object.defineProperty(new Blob([], { type }), "size", { value: size });
  const refused = async (size: number, type: string, limit: number, options: UploadOptions = {}) => {
    await assert.rejects(api().upload(over(size, type), options), (error: TertuliaError) => {
      assert.deepEqual([error.code, error.class, error.limit, error.actual], ["media_too_large", "limit", limit, size]);
      return true;
    });
  };
  await refused(16 * MB + 1, "video/quicktime", 16 * MB);
  await refused(16 * MB + 1, "image/jpeg", 16 * MB);
  await refused(16 * MB + 1, "", 16 * MB, { as: "voice" });
  await refused(100 * MB + 1, "video/mp4", 100 * MB, { as: "document" });
  // What only calls itself a picture or a film may be anything.
  await refused(100 * MB + 1, "image/svg+xml", 100 * MB);
  await refused(100 * MB + 1, "video/mp2t", 100 * MB);
  assert.doesNotThrow(() => checkLimits(over(16 * MB, "video/mp4"), "auto", limits), "exactly the limit");
  await assert.rejects(api().upload(new Blob([])), is("media_empty"));
  await assert.rejects(api({ limits: undefined }).upload(new Blob(["x"])), is("media_sandbox_unavailable"));
  assert.equal(uploads.asked.length, 0);
  assert.equal((await api().upload(new Blob([bytes(9)], { type: "video/mp4" }))).media_id, ID);
});

test("d2_a_refusal_of_the_server_is_thrown_with_its_figures", async () => {
  uploads.before = () => refuse("media_quota", "limit", 413, { limit: 10, actual: 12 });
  await assert.rejects(api().upload(new Blob(["x"])), (error: TertuliaError) => {
    return error.code === "media_quota" && error.limit === 10 && error.actual === 12;
  });
});

test("d6_what_the_server_has_already_is_proved_and_not_sent", async () => {
  const file = new FakeFile([bytes(300 * 1024)], "a.bin");
  const nonce = Buffer.from(bytes(32)).toString("base64url");
  const h2 = createHash("sha256").update("proof").update(bytes(300 * 1024)).digest();
  uploads.before = ({ method, path, body }) => {
    const said = JSON.parse(new TextDecoder().decode(body)) as MediaClaim & MediaProof;
    if (method === "POST" && path === "/v1/media/claims") {
      assert.equal(said.sha256, createHash("sha256").update(bytes(300 * 1024)).digest("hex"));
      assert.deepEqual([said.size, said.as], [300 * 1024, "document"]);
      return json({ claim_id: "c1", nonce, expires_in_s: 60 }, 201);
    }
    assert.deepEqual([method, path], ["PUT", "/v1/media/claims/c1"]);
    const proof = createHmac("sha256", h2).update(bytes(32)).digest("base64url");
    assert.deepEqual(said, { proof, keep: true, file_name: "a.bin" });
    return json(media, 201);
  };
  assert.equal((await api().upload(file, { as: "document", keep: true })).media_id, ID);
  assert.equal(uploads.asked.length, 2);
  // Not here: then it is sent. What is opened once is nobody's to claim.
  uploads.before = ({ path }) => (path === "/v1/media/claims" ? json({ claim_id: "c2", nonce, expires_in_s: 60 }, 201) : undefined);
  await api().upload(file);
  assert.equal(uploads.asked.at(-1)?.path, "/v1/media");
  await api().upload(file, { viewOnce: ["bob"] });
  assert.equal(uploads.of("PUT").length, 2);
});

test("d1_a_large_file_goes_in_pieces_that_say_where_they_belong", async () => {
  const all = bytes(20 * MB);
  const told: number[] = [];
  const file = new FakeFile([all], "ñ.bin", "application/x-thing");
  const sent = await api().upload(file, { keep: true, onProgress: (n) => told.push(n) });
  assert.equal(sent.media_id, ID);
  assert.deepEqual(uploads.of("PATCH").map(({ headers }) => headers["upload-offset"]), ["0", String(8 * MB), String(16 * MB)]);
  assert.deepEqual(uploads.whole, all);
  const created = uploads.of("POST")[0];
  assert.equal(created?.headers["upload-length"], String(20 * MB));
  assert.equal(created?.headers["tus-resumable"], "1.0.0");
  const name = Buffer.from("ñ.bin").toString("base64");
  const type = Buffer.from("application/x-thing").toString("base64");
  assert.equal(created?.headers["upload-metadata"], `as YXV0bw==,filename ${name},filetype ${type},keep dHJ1ZQ==`);
  assert.deepEqual([told[0], told.at(-1)], [0, 20 * MB]);
});

test("d1_a_broken_upload_goes_on_where_the_server_says_that_it_is", async () => {
  const all = bytes(18 * MB);
  uploads.keepsOfBroken = 1_234;
  uploads.before = ({ method }) => {
    if (method === "PATCH" && uploads.of("PATCH").length === 2) throw new TypeError("offline");
    return undefined;
  };
  await api().upload(new FakeFile([all], "a.bin"));
  assert.deepEqual(uploads.whole, all);
  assert.equal(uploads.of("HEAD").length, 1);
  assert.equal(uploads.of("PATCH")[2]?.headers["upload-offset"], String(8 * MB + 1_234));
});

test("d1_a_lost_last_answer_is_no_lost_upload", async () => {
  const all = bytes(17 * MB);
  uploads.keepsOfBroken = 17 * MB;
  uploads.before = ({ method }) => {
    if (method === "PATCH" && uploads.of("PATCH").length === 3) throw new TypeError("offline");
    return undefined;
  };
  assert.equal((await api().upload(new FakeFile([all], "a.bin"))).media_id, ID);
  assert.equal(uploads.of("PATCH").length, 3);
  assert.deepEqual(uploads.whole, all);
});

test("d1_an_expired_upload_starts_over_once", async () => {
  uploads.before = ({ method, path }) => {
    if (method === "PATCH" && uploads.of("PATCH").length === 2) uploads.parts.delete(path);
    return undefined;
  };
  const all = bytes(18 * MB);
  await api().upload(new FakeFile([all], "a.bin"));
  assert.equal(uploads.of("POST").length, 2);
  assert.deepEqual(uploads.whole, all);
  uploads.before = ({ path }) => (path.startsWith("/v1/media/tus/") ? refuse("not_found", "invalid", 404) : undefined);
  await assert.rejects(api().upload(new FakeFile([all], "b.bin")), is("not_found"));
});

test("d2_a_refusal_in_the_middle_ends_it_and_is_not_tried_again", async () => {
  uploads.before = ({ method }) => {
    return method === "PATCH" ? refuse("media_too_large", "limit", 413, { limit: 5, actual: 6 }) : undefined;
  };
  const memo = memory();
  await assert.rejects(api().upload(new FakeFile([bytes(9 * MB)], "a.bin"), { memory: memo }), is("media_too_large"));
  assert.equal(uploads.of("PATCH").length, 1);
  assert.deepEqual(api().unfinished(memo), []);
});

test("d1_a_cancelled_upload_is_taken_back", async () => {
  const stop = new AbortController();
  const memo = memory();
  uploads.before = ({ method }) => {
    if (method !== "PATCH" || uploads.of("PATCH").length < 2) return undefined;
    stop.abort(new Error("enough"));
    return undefined;
  };
  const sending = api().upload(new FakeFile([bytes(30 * MB)], "a.bin"), { signal: stop.signal, memory: memo });
  await assert.rejects(sending, /enough/);
  await until(() => uploads.of("DELETE").length === 1);
  assert.equal(uploads.of("DELETE")[0]?.path, "/v1/media/tus/1");
  assert.deepEqual(api().unfinished(memo), []);
  await assert.rejects(api().upload(new Blob(["x"]), { signal: AbortSignal.abort(new Error("before")) }), /before/);
});

test("d1_a_closed_page_s_upload_goes_on_when_the_same_file_is_chosen_again", async () => {
  const all = bytes(20 * MB);
  const memo = memory();
  const file = () => new FakeFile([all], "a.bin");
  // The page is closed in the middle of the second piece: its promises never end.
  uploads.before = ({ method }) => {
    return method === "PATCH" && uploads.of("PATCH").length === 2 ? new Promise<Response>(() => undefined) : undefined;
  };
  const page = api();
  void page.upload(file(), { memory: memo });
  await until(() => uploads.of("PATCH").length === 2);
  assert.deepEqual(page.unfinished(memo), [], "this page is at it");
  const next = api();
  assert.deepEqual(next.unfinished(memo).map(({ name, size, as }) => [name, size, as]), [["a.bin", 20 * MB, "auto"]]);
  uploads.before = () => undefined;
  // Another file is another upload, whatever its name.
  await next.upload(new FakeFile([bytes(5 * MB)], "a.bin"), { memory: memo });
  const begun = () => uploads.of("POST").filter(({ path }) => path === "/v1/media/tus").length;
  assert.equal(begun(), 2);
  await next.upload(file(), { memory: memo });
  assert.equal(begun(), 2);
  assert.deepEqual(uploads.parts.get("/v1/media/tus/1"), all);
  assert.deepEqual(next.unfinished(memo), []);
});

test("d1_what_was_not_ended_can_be_taken_back", async () => {
  const memo = memory();
  uploads.before = ({ method }) => (method === "PATCH" ? new Promise<Response>(() => undefined) : undefined);
  void api().upload(new FakeFile([bytes(9 * MB)], "a.bin"), { memory: memo });
  await until(() => uploads.of("PATCH").length === 1);
  const [one] = api().unfinished(memo);
  assert.ok(one);
  await api().discard(memo, one);
  assert.equal(uploads.parts.size, 0);
  assert.deepEqual(api().unfinished(memo), []);
  // It is gone there already: that is as good.
  await api().discard(memo, one);
});

test("d1_an_expired_token_is_renewed_in_the_middle_of_an_upload", async () => {
  let token = "old";
  uploads.before = ({ method, headers }) => {
    if (uploads.of("PATCH").length < 2 || method !== "PATCH") return undefined;
    return headers["authorization"] === "Bearer old" ? refuse("token_expired", "reauth", 401) : undefined;
  };
  const renewing = new MediaApi(server, (refused) => (refused ? (token = "new") : token));
  await renewing.upload(new FakeFile([bytes(17 * MB)], "a.bin"));
  assert.equal(uploads.whole.length, 17 * MB);
  assert.equal(uploads.of("PATCH").at(-1)?.headers["authorization"], "Bearer new");
});

test("d5_links_are_whole_addresses_and_ids_are_escaped", async () => {
  uploads.before = ({ path, body }) => {
    assert.equal(path, "/v1/media/a%2Fb/link");
    assert.deepEqual(JSON.parse(new TextDecoder().decode(body)), { expires_in_s: 60 });
    return json({ path: "/v1/media/x?exp=1&sig=s", thumbnail_path: "/v1/media/x/thumbnail?exp=1", expires_at: 5 }, 201);
  };
  assert.deepEqual(await api().link("a/b", { expiresInS: 60 }), {
    url: `${server}/v1/media/x?exp=1&sig=s`,
    thumbnailUrl: `${server}/v1/media/x/thumbnail?exp=1`,
    expiresAt: 5,
  });
});

test("d1_listing_sharing_keeping_opening_and_deleting_ask_as_the_protocol_says", async () => {
  const it = api();
  uploads.before = ({ method, path }) => {
    if (path === "/v1/media") return json({ media: [media], next: ID });
    if (method === "POST" && path.endsWith("/share")) return json({ media_id: "other" });
    if (path.endsWith("/open")) return json({ expires_at: 9 });
    if (method === "GET") return new Response("abc");
    return undefined;
  };
  assert.equal((await it.list({ before: ID, limit: 5 })).next, ID);
  assert.equal(await it.share(ID, ["bob"]), "other");
  assert.equal((await it.open(ID)).expires_at, 9);
  assert.equal(await (await it.download(ID)).text(), "abc");
  assert.equal(await (await it.thumbnail(ID)).text(), "abc");
  await it.unshare(ID, "b/b");
  await it.keep(ID);
  await it.keep(ID, false);
  await it.opened(ID);
  await it.delete(ID);
  const of = `/v1/media/${ID}`;
  assert.deepEqual(
    uploads.asked.map(({ method, path, query }) => `${method} ${path}${query}`),
    [
      `GET /v1/media?before=${ID}&limit=5`,
      `POST ${of}/share`,
      `POST ${of}/open`,
      `GET ${of}`,
      `GET ${of}/thumbnail`,
      `DELETE ${of}/share/b%2Fb`,
      `PUT ${of}/keep`,
      `DELETE ${of}/keep`,
      `POST ${of}/opened`,
      `DELETE ${of}`,
    ],
  );
  assert.ok(uploads.asked.every(({ headers }) => headers["tertulia-device-id"] === "ana-1"));
  uploads.before = () => refuse("media_opened", "invalid", 403);
  await assert.rejects(it.download(ID), is("media_opened"));
});

test("d2_the_client_tells_what_becomes_of_uploads_of_any_device", async () => {
  const { client, socket } = await online({}, [], { uploads: limits });
  const told: unknown[] = [];
  for (const name of ["media.progress", "media.ready", "media.rejected"] as const) {
    client.on(name, (it) => told.push([name, it]));
  }
  const error = { code: "media_too_long", class: "limit", message: "m", limit: 180_000, actual: 200_000 } as const;
  socket.receive({ type: "media.progress", media_id: ID, progress: 500 });
  socket.receive({ type: "media.ready", ...media });
  socket.receive({ type: "media.rejected", file_name: "a.mov", error });
  assert.deepEqual(told, [
    ["media.progress", { media_id: ID, progress: 500 }],
    ["media.ready", media],
    ["media.rejected", { file_name: "a.mov", error }],
  ]);
  // The client's own limits count.
  const film = Object.defineProperty(new Blob([], { type: "video/mp4" }), "size", { value: 17 * MB });
  await assert.rejects(client.media.upload(film), is("media_too_large"));
});
