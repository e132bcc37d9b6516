// Whether the browser keeps what is stored here when its disk is full: asked for once, when there are messages to lose.
//
// Invariant: the person is asked by their browser at most once in it, and never before anything is kept.

import type { Client } from "@tertulia/sdk";

interface Host {
  readonly client: Client | undefined;
  changed(): void;
}

/** The browser was asked. */
const ASKED = "tertulia.keep-asked";

export class Keeping {
  /** Whether it keeps them; nothing where that can't be known. */
  kept: boolean | undefined;
  readonly #host: Host;
  #off: (() => void) | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  attach(client: Client): void {
    this.#off?.();
    const { messages } = client;
    if (!messages) return;
    const look = () => {
      if (client !== this.#host.client || !messages.conversations.some(({ last }) => last)) return;
      this.#off?.();
      this.#off = undefined;
      void this.#ask();
    };
    this.#off = messages.on("changed", look);
    void messages.ready.then(look);
  }

  async #ask(): Promise<void> {
    // Not in pages that came unencrypted.
    const storage = navigator.storage as StorageManager | undefined;
    try {
      let kept = await storage?.persisted();
      if (kept === false && localStorage.getItem(ASKED) === null) {
        localStorage.setItem(ASKED, "1");
        kept = await storage?.persist();
      }
      this.kept = kept;
      this.#host.changed();
    } catch {
      // A browser that can't say: nothing is said of it.
    }
  }
}
