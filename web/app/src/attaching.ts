// What is about to be sent with a conversation's messages, and how far what was sent is.
//
// Invariant: nothing leaves before the person has said so; what they were asked about is forgotten with the conversation.

import type { ChatMessage, Client, MessagesApi, UploadProgress } from "@tertulia/sdk";
import { TertuliaError } from "@tertulia/sdk";
import type { Saying } from "./words.js";
import { sayNotKept } from "./words-chat.js";
import { sayRefusal } from "./words-media.js";

interface Host {
  readonly client: Client | undefined;
  changed(): void;
  toast(text: string, tone?: Saying["tone"]): void;
}

/** Files that are asked about at once. Raising it makes one press send more. */
export const FILES_MAX = 10;
/** The page is drawn anew for progress at most this often. */
const DRAW_MS = 100;

/** Files that were chosen, and are asked about. */
export interface Chosen {
  chat: string;
  files: File[];
  asDocument: boolean;
}

export class Attaching {
  chosen: Chosen | undefined;
  /** Files of messages that were taken back or have gone, as far as somebody has looked. */
  readonly gone = new Set<string>();
  readonly #host: Host;
  /** By the message's `ref`. */
  readonly #uploads = new Map<string, UploadProgress>();
  #drawn = 0;
  #off: (() => void) | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  attach(client: Client): void {
    this.forget();
    this.#off = client.messages?.on("upload", ({ ref, progress }) => {
      const before = this.#uploads.get(ref)?.stage;
      this.#uploads.set(ref, progress);
      const now = performance.now();
      if (progress.stage === before && now - this.#drawn < DRAW_MS) return;
      this.#drawn = now;
      this.#host.changed();
    });
  }

  forget(): void {
    this.#off?.();
    this.#off = undefined;
    this.chosen = undefined;
    this.#uploads.clear();
    this.gone.clear();
  }

  /** How far the file of a message is; undefined where it waits for none. */
  of(message: ChatMessage): UploadProgress | undefined {
    return message.upload && (this.#uploads.get(message.ref) ?? message.upload);
  }

  /** Files were chosen, dropped or pasted: the person is asked. */
  choose(chat: string, files: File[], asDocument = false): void {
    if (files.length === 0) return;
    if (files.length > FILES_MAX) this.#host.toast(`The first ${FILES_MAX} were taken: send the others after them`);
    this.chosen = { chat, files: files.slice(0, FILES_MAX), asDocument };
    this.#host.changed();
  }

  dismiss(): void {
    this.chosen = undefined;
    this.#host.changed();
  }

  /** Sends what was chosen; the caption goes with the first. */
  async send({ chat, files, asDocument }: Chosen, caption: string, once: boolean): Promise<void> {
    this.dismiss();
    const words = caption.trim();
    for (const [i, file] of files.entries()) {
      const own = i === 0 && words !== "" ? { caption: words } : {};
      const sent = await this.#try(chat, (api, to) => api.sendMedia(to, file, { ...own, once, as: asDocument ? "document" : "auto" }));
      if (!sent) return;
    }
  }

  voice(chat: string, file: Blob, durationMs: number): void {
    void this.#try(chat, (api, to) => api.sendMedia(to, file, { as: "voice", durationMs }));
  }

  cancel({ n, ref }: ChatMessage): void {
    this.#uploads.delete(ref);
    if (n !== undefined) this.#host.client?.messages?.cancel(n).catch(() => undefined);
  }

  fileOf({ n }: ChatMessage): Promise<Blob | undefined> {
    const { messages } = this.#host.client ?? {};
    return n === undefined || !messages ? Promise.resolve(undefined) : messages.fileOf(n).catch(() => undefined);
  }

  /** Takes the one look there is. The bytes, and until when one may look, by the server's clock. */
  async look(mediaId: string): Promise<{ file: Blob; until: number } | undefined> {
    const { media } = this.#host.client ?? {};
    try {
      if (!media) return undefined;
      const { expires_at: until } = await media.open(mediaId);
      return { file: await media.download(mediaId), until };
    } catch (error) {
      if (!(error instanceof TertuliaError)) throw error;
      if (error.code === "not_found" || error.code === "media_opened") this.hasGone(mediaId);
      else this.#host.toast(sayRefusal(error, undefined), "bad");
      return undefined;
    }
  }

  hasGone(mediaId: string): void {
    this.gone.add(mediaId);
    this.#host.changed();
  }

  async #try(chat: string, attempt: (api: MessagesApi, to: Parameters<MessagesApi["sendMedia"]>[0]) => Promise<unknown>): Promise<boolean> {
    const { messages } = this.#host.client ?? {};
    const to = messages?.conversation(chat)?.to ?? (chat.startsWith("user:") ? { user: chat.slice("user:".length) } : undefined);
    if (!messages || !to) return false;
    try {
      await attempt(messages, to);
      return true;
    } catch (error) {
      if (!(error instanceof TertuliaError)) throw error;
      this.#host.toast(sayNotKept(error), "bad");
      return false;
    }
  }
}
