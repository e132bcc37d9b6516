// Tells the server what was read here, one conversation after another, again and again until it knows.

import { TertuliaError } from "../errors.js";
import type { OkFrame } from "../proto.js";
import type { Request } from "../session.js";
import { mayPass } from "./outbox.js";
import { Rounds } from "./rounds.js";
import type { MessageStore } from "./store.js";
import type { Conversation } from "./types.js";

export interface ReadsHost {
  readonly store: Pick<MessageStore, "conversations" | "told">;
  request(request: Request): Promise<OkFrame>;
}

export class Reads {
  readonly #host: ReadsHost;
  readonly #rounds: Rounds;

  constructor(host: ReadsHost) {
    this.#host = host;
    this.#rounds = new Rounds({
      step: async (woken, going) => {
        const next = [...host.store.conversations.values()].find(({ id, read, told }) => id !== undefined && read > told);
        if (!going()) return;
        await (next ? this.#tell(next) : woken);
      },
      // It is tried again; nobody waits for it here.
      failed: () => undefined,
    });
  }

  /** The session is open. */
  start(): void {
    this.#rounds.start();
  }

  stop(): void {
    this.#rounds.stop();
  }

  /** Something was read, or what was read can be told now: its conversation has its name. */
  wake(): void {
    this.#rounds.wake();
  }

  async #tell({ key, id, read, base }: Conversation): Promise<void> {
    // What was read of a server that forgot it is nothing to this one.
    const upto = read - (base ?? 0);
    try {
      if (id !== undefined && upto > 0) await this.#host.request({ type: "message.read", conversation: id, read_upto: upto });
    } catch (error) {
      // What the server will never know need not be told again.
      if (!(error instanceof TertuliaError) || mayPass(error)) throw error;
    }
    await this.#host.store.told(key, read);
  }
}
