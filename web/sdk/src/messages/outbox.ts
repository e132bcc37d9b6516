// Sends what waits, one after another, for as long as it takes.
//
// Invariants: a message is sent by the name it was kept under, again and again, until the server has answered for good: it
// has it, or it will never take it. The next one is sent only then: so all stay in their order, whatever fails in between, and
// one is unconfirmed at a time (the server knows the latest 64 of a device's names again, no more). The server takes 20
// requests a second; over a usual network one at a time is as quick.
//
// Of several pages of one device one sends: the one that has the session. Who is welcomed takes the lock from the one before,
// as the server takes the device from its session.

import { TertuliaError } from "../errors.js";
import type { Content, OkFrame } from "../proto.js";
import type { Request } from "../session.js";
import { isStorageError } from "./database.js";
import { Rounds } from "./rounds.js";
import type { MessageStore } from "./store.js";
import type { Figures, Unsent } from "./types.js";

export interface OutboxHost {
  readonly store: Pick<MessageStore, "first" | "sent" | "failed" | "uploading">;
  /** Of the device: the lock's name. */
  readonly name: string;
  request(request: Request): Promise<OkFrame>;
  /** Something of this conversation has changed. */
  changed(key: string): void;
  /** Storage or server say no; or all is well. */
  problem(error: TertuliaError | undefined): void;
  /** A file has to be sent once more. */
  upload(): void;
  /** Another page of this device has taken over. */
  taken(): void;
}

export class Outbox {
  readonly #host: OutboxHost;
  readonly #rounds: Rounds;
  #release: (() => void) | undefined;

  constructor(host: OutboxHost) {
    this.#host = host;
    this.#rounds = new Rounds({
      step: async (woken, going) => {
        const entry = await host.store.first();
        if (!going()) return;
        await (entry ? this.#send(entry) : woken);
      },
      failed: (error) => {
        if (isStorageError(error) || error.code === "no_mailbox") host.problem(error);
      },
    });
  }

  /** The session is open: what waits is sent. */
  start(): void {
    this.#takeLock();
    this.#rounds.start();
  }

  stop(): void {
    this.#release?.();
    this.#release = undefined;
    this.#rounds.stop();
  }

  /** There is something to send, or what failed may work now. */
  wake(): void {
    this.#rounds.wake();
  }

  async #send(entry: Unsent): Promise<void> {
    const { clientId: client_id, to, content, n, key } = entry;
    let ok: OkFrame;
    try {
      ok = await this.#host.request({ type: "message.send", client_id, to, content: bare(content) });
    } catch (error) {
      if (!(error instanceof TertuliaError) || mayPass(error)) throw error;
      // What nobody has for a day the server forgets: this device has it still.
      if (error.code === "not_found" && entry.upload && !entry.upload.again) {
        await this.#host.store.uploading(n, { again: true, ready: false, mediaId: undefined, location: undefined });
        this.#host.upload();
        return;
      }
      await this.#host.store.failed(n, error.body.code, figuresOf(error));
      this.#host.changed(key);
      return;
    }
    if (!ok.message) throw TertuliaError.of("internal");
    await this.#host.store.sent(entry, ok.message);
    this.#host.problem(undefined);
    this.#host.changed(key);
  }

  #takeLock(): void {
    const locks = globalThis.navigator?.locks;
    if (!locks || this.#release) return;
    let mine = true;
    const over = new Promise<void>((resolve) => {
      this.#release = () => {
        mine = false;
        resolve();
      };
    });
    const stolen = () => {
      if (!mine) return;
      this.stop();
      this.#host.taken();
    };
    locks.request(`${this.#host.name}-outbox`, { steal: true }, () => over).catch(stolen);
  }
}

/** As a sender says it: what a file is the server says. */
function bare(content: Content): Content {
  if (content.type !== "media" && content.type !== "voice") return content;
  const { file: _, ...rest } = content;
  return rest;
}

/** Of a limit that was passed. */
export function figuresOf({ limit, actual }: TertuliaError): Figures {
  return { ...(limit !== undefined && { limit }), ...(actual !== undefined && { actual }) };
}

/** Whether sending it again makes sense. */
export function mayPass({ class: klass, code }: TertuliaError): boolean {
  // Of a session, not of the message: the next one may have its mailbox, or a fresh token.
  if (code === "no_mailbox" || code === "media_not_ready" || (code as string) === "closed" || klass === "reauth") return true;
  return klass === "retry" || klass === "retry_after" || klass === "resync" || klass === "internal";
}
