// Sends the files of messages that wait, one after another, and says when a message may go.
//
// Invariants: a file is kept on this device until its message is sent, so whatever ends this page, another goes on: a large one
// where the server says that it is. A message goes when its file can be had, and only then. The server is asked what has become of
// a file that it has: what it told may have been lost with a socket.

import { TertuliaError } from "../errors.js";
import type { Content, Media, MediaProgress, MediaRejected, SharedFile } from "../proto.js";
import { UploadPaused, type MediaApi } from "../uploads.js";
import { isStorageError } from "./database.js";
import { figuresOf, mayPass } from "./outbox.js";
import { Rounds } from "./rounds.js";
import type { MessageStore, Waiting } from "./store.js";
import type { Unsent, UploadProgress } from "./types.js";

/** What the server makes playable is asked after this often. */
const ASK_MS = 5_000;

export interface UploaderHost {
  readonly store: Pick<MessageStore, "uploads" | "file" | "uploading" | "failed">;
  readonly media: Pick<MediaApi, "upload" | "status" | "delete">;
  /** Who may open it, of one for one look. */
  viewers(entry: Unsent): string[];
  changed(key: string): void;
  progress(entry: Unsent, progress: UploadProgress): void;
  /** A message may go. */
  ready(): void;
  problem(error: TertuliaError | undefined): void;
}

export class Uploader {
  readonly #host: UploaderHost;
  readonly #stops = new Map<number, AbortController>();
  readonly #rounds: Rounds;

  constructor(host: UploaderHost) {
    this.#host = host;
    this.#rounds = new Rounds({
      step: async (woken, going) => {
        const all = await host.store.uploads();
        const next = all.find(({ upload }) => upload.mediaId === undefined);
        if (!going()) return;
        if (next) await this.#send(next);
        else if (all.length > 0) await this.#ask(all, woken);
        else await woken;
      },
      failed: (error) => {
        if (isStorageError(error)) host.problem(error);
      },
    });
  }

  /** The session is open: this page sends. */
  start(): void {
    this.#rounds.start();
  }

  /** Another page goes on, or this one later. */
  stop(): void {
    this.#rounds.stop();
    for (const stop of this.#stops.values()) stop.abort(new UploadPaused());
  }

  wake(): void {
    this.#rounds.wake();
  }

  /** Takes back what is being sent. */
  abort(n?: number): void {
    for (const [one, stop] of this.#stops) if (n === undefined || n === one) stop.abort();
  }

  /** The server says what has become of a file. */
  async onMedia(media: Media): Promise<void> {
    const entry = await this.#of(media.media_id);
    if (entry) await this.#settle(entry, media).catch(() => this.wake());
  }

  async onProgress({ media_id: id, progress }: MediaProgress): Promise<void> {
    const entry = await this.#of(id);
    if (entry) this.#host.progress(entry, { stage: "processing", done: progress / 1000 });
  }

  async onRejected({ media_id: id, error }: MediaRejected): Promise<void> {
    const entry = await this.#of(id);
    if (entry) await this.#fail(entry, new TertuliaError(error));
  }

  async #of(mediaId: string | undefined): Promise<Waiting | undefined> {
    if (mediaId === undefined) return undefined;
    const all = await this.#host.store.uploads().catch(() => []);
    return all.find(({ upload }) => upload.mediaId === mediaId);
  }

  async #send(entry: Waiting): Promise<void> {
    const { n, upload } = entry;
    const file = await this.#host.store.file(upload.file);
    if (!file) return this.#fail(entry, TertuliaError.local("file_unreadable"));
    const stop = new AbortController();
    this.#stops.set(n, stop);
    const keeping: Promise<unknown>[] = [];
    try {
      this.#host.progress(entry, { stage: "sending", done: 0 });
      const media = await this.#host.media.upload(file, {
        as: upload.as,
        ...(upload.name !== undefined && { fileName: upload.name }),
        ...(upload.once && { viewOnce: this.#host.viewers(entry) }),
        signal: stop.signal,
        resumeAt: upload.location,
        onBegan: (location) => keeping.push(this.#host.store.uploading(n, { location }).catch(() => undefined)),
        onProgress: (sent, total) => this.#host.progress(entry, { stage: "sending", done: total > 0 ? sent / total : 1 }),
      });
      await Promise.all(keeping);
      // Taken back while the last of it was on its way.
      if (!(await this.#host.store.uploading(n, { mediaId: media.media_id }))) return await this.#host.media.delete(media.media_id);
      await this.#settle(entry, media);
    } catch (error) {
      if (stop.signal.aborted) return;
      if (!(error instanceof TertuliaError) || mayPass(error) || isStorageError(error)) throw error;
      await this.#fail(entry, error);
    } finally {
      this.#stops.delete(n);
    }
  }

  /** What has become of those the server has. */
  async #ask(all: Waiting[], woken: Promise<void>): Promise<void> {
    for (const entry of all) {
      const { mediaId = "" } = entry.upload;
      try {
        await this.#settle(entry, await this.#host.media.status(mediaId));
      } catch (error) {
        if (!(error instanceof TertuliaError) || error.code !== "not_found") throw error;
        // Forgotten meanwhile: from the beginning.
        await this.#host.store.uploading(entry.n, { mediaId: undefined, location: undefined });
        this.wake();
      }
    }
    await Promise.race([woken, sleep(ASK_MS)]);
  }

  async #settle(entry: Waiting, media: Media): Promise<void> {
    if (media.state === "processing") {
      this.#host.progress(entry, { stage: "processing", done: (media.progress ?? 0) / 1000 });
    } else if (media.state === "refused") {
      await this.#fail(entry, media.error ? new TertuliaError(media.error) : TertuliaError.of("media_unsupported"));
    } else if (await this.#host.store.uploading(entry.n, { mediaId: media.media_id, ready: true }, told(entry.content, media))) {
      this.#host.changed(entry.key);
      this.#host.ready();
    }
  }

  async #fail(entry: Waiting, error: TertuliaError): Promise<void> {
    await this.#host.store.failed(entry.n, error.body.code, figuresOf(error));
    this.#host.changed(entry.key);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    // Only Node knows this: it would keep a program alive.
    (timer as { unref?: () => void }).unref?.();
  });
}

/** What a message says of a file that can be had: what it is the server has found out. */
function told(content: Content, media: Media): Content {
  const { media_id, class: klass, mime = "", bytes, has_thumbnail, view_once } = media;
  const { file_name, width, height, duration_ms, has_sound, thumbhash, preview, waveform } = media;
  const some = Object.entries({ file_name, width, height, duration_ms, has_sound, thumbhash, preview, waveform });
  const more = Object.fromEntries(some.filter(([, value]) => value !== undefined)) as Partial<SharedFile>;
  const file: SharedFile = { class: klass, mime, bytes, has_thumbnail, ...(view_once && { once: true }), ...more };
  if (klass === "voice") return { type: "voice", media_id, file };
  const caption = content.type === "media" ? content.caption : undefined;
  return { type: "media", media_id, file, ...(caption !== undefined && { caption }) };
}
