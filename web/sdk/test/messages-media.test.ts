import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { IDBFactory } from "fake-indexeddb";
import { TertuliaError, type ChatMessage, type Client, type Content, type Media, type MessagesApi } from "../src/index.js";
import { until } from "./fakes.js";
import { Fate, Relay } from "./relay.js";

const MB = 1024 * 1024;
const LIMITS = {
  video_bytes_max: 16 * MB,
  video_seconds_max: 180,
  audio_bytes_max: 16 * MB,
  audio_seconds_max: 10_800,
  image_bytes_max: 64 * 1024,
  image_pixels_max: 40_000_000,
  file_bytes_max: 100 * MB,
};

/** The server's files: what was sent, and what has become of it. */
class Files {
  readonly media = new Map<string, Media>();
  /** Requests in their order: `POST /v1/media`. */
  readonly asked: string[] = [];
  /** Bytes of what goes in pieces, by place. */
  readonly pieces = new Map<string, { length: number; have: number }>();
  state: Media["state"] = "ready";
  /** The network is there. */
  online = true;
  /** Breaks what is sent in pieces after so many bytes. */
  breaksAt = Infinity;
  holds: Promise<void> | undefined;

  readonly fetch = async (url: URL, init: RequestInit = {}): Promise<Response> => {
    const { method = "GET" } = init;
    const { pathname } = new URL(url);
    this.asked.push(`${method} ${pathname}`);
    await this.holds;
    init.signal?.throwIfAborted();
    if (!this.online) throw new TypeError("offline");
    const body = init.body instanceof Blob ? init.body.size : 0;
    if (pathname === "/v1/media/tus") {
      const place = `/v1/media/tus/${this.pieces.size + 1}`;
      this.pieces.set(place, { length: Number((init.headers as Record<string, string>)["upload-length"]), have: 0 });
      return new Response(null, { status: 201, headers: { location: place } });
    }
    const piece = this.pieces.get(pathname);
    if (piece) return this.#piece(piece, method, body);
    if (method === "POST" && pathname === "/v1/media") return json(this.#add(body), this.state === "ready" ? 201 : 202);
    const [, id = "", status] = /^\/v1\/media\/([^/]+)(\/status)?$/.exec(pathname) ?? [];
    const media = this.media.get(id);
    if (method === "DELETE") this.media.delete(id);
    if (media && (status || method === "DELETE")) return method === "DELETE" ? new Response(null, { status: 204 }) : json(media);
    return json({ error: { code: "not_found", class: "invalid", message: "no" } }, 404);
  };

  #piece(piece: { length: number; have: number }, method: string, bytes: number): Response {
    if (method === "PATCH") {
      piece.have += bytes;
      if (piece.have > this.breaksAt) {
        this.online = false;
        throw new TypeError("offline");
      }
    }
    const done = piece.have === piece.length ? { "tertulia-media-id": this.#add(piece.length).media_id } : {};
    return new Response(null, { status: method === "HEAD" ? 200 : 204, headers: { "upload-offset": String(piece.have), ...done } });
  }

  #add(bytes: number): Media {
    const media_id = `m${this.media.size + 1}`;
    const media: Media = {
      media_id,
      owner: "ana",
      state: this.state,
      class: "image",
      created_at: 1,
      keep: false,
      view_once: false,
      mime: "image/jpeg",
      bytes,
      width: 40,
      height: 30,
      has_thumbnail: true,
      salvaged: false,
    };
    this.media.set(media_id, media);
    return media;
  }

  settle(id: string, state: Media["state"]): Media {
    const media = { ...this.media.get(id)!, state };
    this.media.set(id, media);
    return media;
  }
}

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });

const clients: Client[] = [];
const real = globalThis.fetch;
let files: Files;
let relay: Relay;
beforeEach(() => {
  files = new Files();
  relay = new Relay();
  relay.uploads = LIMITS;
  globalThis.fetch = files.fetch as typeof fetch;
});
afterEach(() => {
  leave();
  globalThis.fetch = real;
});

function leave(): void {
  clients.splice(0).forEach((client) => client.close());
}

async function page(factory: IDBFactory, fate?: Fate): Promise<MessagesApi> {
  const client = relay.page(factory, fate);
  clients.push(client);
  await client.messages!.ready;
  return client.messages!;
}

const photo = (bytes = 500) => new Blob([new Uint8Array(bytes)], { type: "image/jpeg" });

async function thread(messages: MessagesApi): Promise<ChatMessage[]> {
  return (await messages.thread("user:bob")).messages;
}

/** Waits until the thread with Bob looks like this: `media m1 sent`. */
async function shows(messages: MessagesApi, ...expected: string[]): Promise<ChatMessage[]> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const now = await thread(messages);
    const said = now.map(({ content, state }) => `${content.type} ${idOf(content)} ${state}`);
    if (said.join() === expected.join()) return now;
    if (Date.now() > deadline) assert.deepEqual(said, expected);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const idOf = (content: Content) => ("media_id" in content ? content.media_id : "text" in content ? content.text : "");

test("m10_a_photo_is_shown_and_kept_at_once_goes_when_it_can_be_had_and_says_nothing_of_itself", async () => {
  files.state = "processing";
  const messages = await page(new IDBFactory());
  const told: string[] = [];
  messages.on("upload", ({ progress }) => told.push(progress.stage));
  const sent = await messages.sendMedia("bob", photo(), { caption: " The beach " });
  assert.equal(sent.state, "pending");
  assert.equal(sent.content.type === "media" && sent.content.file?.class, "image");
  assert.equal((await messages.fileOf(sent.n!))?.size, 500);
  await until(() => told.includes("processing"));
  // What is written after it does not wait for it.
  await messages.send("bob", "look");
  await shows(messages, "text look sent", "media  pending");
  assert.equal(relay.taken.length, 1);
  relay.line.receive({ type: "media.ready", ...files.settle("m1", "ready") } as never);
  const [, after] = await shows(messages, "text look sent", "media m1 sent");
  assert.equal(after?.ref, sent.ref, "the same bubble all the way");
  assert.equal(after?.content.type === "media" && after.content.file?.width, 40);
  assert.deepEqual(JSON.parse(relay.taken[1]!.text), { type: "media", media_id: "m1", caption: "The beach" });
  assert.equal(await messages.fileOf(sent.n!), undefined, "the file is kept no longer");
});

test("m10_whatever_step_the_page_ends_at_one_message_comes_of_it", async () => {
  for (let at = 1; at < 46; at += 1) {
    files = new Files();
    relay = new Relay();
    relay.uploads = LIMITS;
    globalThis.fetch = files.fetch as typeof fetch;
    const factory = new IDBFactory();
    const fate = new Fate(at);
    const client = relay.page(factory, fate);
    clients.push(client);
    let kept = false;
    const send = async () => {
      await client.messages!.ready;
      await client.messages!.sendMedia("bob", photo());
      kept = true;
    };
    void send().catch(() => undefined);
    await until(() => fate.dead || relay.taken.length === 1);
    leave();
    const next = await page(factory);
    const there = await thread(next);
    assert.ok(there.length <= 1 && (!kept || there.length === 1), `step ${at}: ${there.length}`);
    if (there.length === 0) continue;
    await until(() => relay.taken.length > 0);
    await shows(next, `media ${(JSON.parse(relay.taken[0]!.text) as { media_id: string }).media_id} sent`);
    assert.equal(relay.taken.length, 1, `step ${at}`);
    leave();
  }
});

test("d1_a_large_file_goes_on_in_the_next_page_where_the_server_has_it", async () => {
  const factory = new IDBFactory();
  files.breaksAt = 10 * MB;
  const first = await page(factory);
  await first.sendMedia("bob", new Blob([new Uint8Array(20 * MB)], { type: "application/x-thing" }));
  await until(() => !files.online);
  leave();
  [files.online, files.breaksAt] = [true, Infinity];
  const second = await page(factory);
  await shows(second, "media m1 sent");
  assert.equal(files.pieces.size, 1, "from its beginning");
  assert.equal(files.asked.filter((one) => one === "POST /v1/media/tus").length, 1);
  assert.equal(relay.taken.length, 1);
});

test("d2_what_is_too_large_has_failed_with_its_figures_holds_nobody_up_and_can_be_deleted", async () => {
  const messages = await page(new IDBFactory());
  await messages.sendMedia("bob", photo(65 * 1024));
  await messages.send("bob", "hm");
  const [, failed] = await shows(messages, "text hm sent", "media  failed");
  assert.deepEqual([failed?.failed, failed?.figures], ["media_too_large", { limit: 64 * 1024, actual: 65 * 1024 }]);
  assert.equal(messages.stateOfLast(messages.conversation("user:bob")!), "failed");
  await messages.discard(failed!.n!);
  await shows(messages, "text hm sent");
  assert.ok(!files.asked.includes("POST /v1/media"), "it was sent");
});

test("m10_a_file_that_can't_be_made_playable_fails_and_is_sent_once_more", async () => {
  files.state = "processing";
  const messages = await page(new IDBFactory());
  let processing = false;
  messages.on("upload", ({ progress }) => (processing ||= progress.stage === "processing"));
  await messages.sendMedia("bob", photo());
  await until(() => processing);
  const error = { code: "media_damaged", class: "invalid", message: "no" } as const;
  relay.line.receive({ type: "media.rejected", media_id: "m1", error } as never);
  const [failed] = await shows(messages, "media  failed");
  assert.equal(failed?.failed, "media_damaged");
  files.state = "ready";
  await messages.retry(failed!.n!);
  await shows(messages, "media m2 sent");
});

test("m10_what_the_server_has_forgotten_meanwhile_is_sent_again", async () => {
  relay.refusals.push("not_found");
  const messages = await page(new IDBFactory());
  await messages.sendMedia("bob", photo());
  await shows(messages, "media m2 sent");
  assert.equal(relay.taken.length, 1);
});

test("m10_offline_it_waits_taken_back_it_is_gone_here_and_there", async () => {
  const messages = await page(new IDBFactory());
  let go = () => {};
  files.holds = new Promise((resolve) => (go = resolve));
  const sent = await messages.sendMedia("bob", photo());
  await until(() => files.asked.length === 1);
  await messages.cancel(sent.n!);
  assert.deepEqual(await thread(messages), []);
  go();
  files.holds = undefined;
  files.online = false;
  await messages.sendMedia("bob", photo());
  await until(() => files.asked.length >= 2);
  await shows(messages, "media  pending");
  files.online = true;
  await shows(messages, `media m${files.media.size + 1} sent`);
  assert.equal(relay.taken.length, 1);
});

test("m7_a_forward_sends_the_same_file_and_none_for_one_look", async () => {
  const messages = await page(new IDBFactory());
  const file = { class: "image", mime: "image/jpeg", bytes: 9, has_thumbnail: true } as const;
  await messages.forward("bob", { type: "media", media_id: "m9", caption: "Hello", file });
  await shows(messages, "media m9 sent");
  assert.deepEqual(JSON.parse(relay.taken[0]!.text), { type: "media", media_id: "m9", caption: "Hello" });
  assert.deepEqual(files.asked, []);
  const once = messages.forward("bob", { type: "media", media_id: "m8", file: { ...file, once: true } });
  await assert.rejects(once, (error: TertuliaError) => error.code === "forbidden");
  const own = messages.sendMedia("ana", photo(), { once: true });
  await assert.rejects(own, (error: TertuliaError) => error.code === "bad_request");
});

test("m10_what_this_version_does_not_know_is_kept_and_acknowledged_and_what_follows_too", async () => {
  const messages = await page(new IDBFactory());
  await until(() => messages.drained);
  relay.postTo("g1", "bob", { type: "hologram", shape: "cube" } as never, 1);
  relay.post("bob", "did you see it?");
  await shows(messages, "text did you see it? received");
  await until(() => relay.waiting === 0);
  const [there] = (await messages.thread("group:g1")).messages;
  assert.equal(there?.content.type as string, "hologram");
});
