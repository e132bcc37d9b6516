// People one has met in a group or a conversation and who are in no list: asked for by their id when they are to be shown.
//
// Invariant: nobody is asked for twice at once, nor again within a while, however often they are shown.

import type { Client, Person } from "@tertulia/sdk";

interface Host {
  readonly client: Pick<Client, "account"> | undefined;
  changed(): void;
}

interface Known {
  person?: Person;
  /** Not asked for again before that. */
  until: number;
}

/** A name may be another one by then, and who was not found may be. */
const AGAIN_MS = 10 * 60_000;
/** People that are known; the oldest are asked for again. */
const KNOWN_MAX = 1_000;

export class Met {
  readonly #host: Host;
  readonly #now: () => number;
  #known = new Map<string, Known>();

  constructor(host: Host, now: () => number = Date.now) {
    this.#host = host;
    this.#now = now;
  }

  /** Who that is, if it is known by now; the page is drawn again when it is. */
  of(userId: string): Person | undefined {
    const known = this.#known.get(userId);
    if (!known || known.until < this.#now()) this.#ask(userId, known);
    return known?.person;
  }

  /** Somebody else is signed in, or nobody. */
  forget(): void {
    this.#known = new Map();
  }

  #ask(userId: string, before: Known | undefined): void {
    const { client } = this.#host;
    if (!client) return;
    const held = this.#known;
    const oldest = held.keys().next();
    if (held.size >= KNOWN_MAX && !oldest.done) held.delete(oldest.value);
    held.set(userId, { ...before, until: this.#now() + AGAIN_MS });
    client.account.person(userId).then(
      (person) => {
        // Of who was signed in then.
        if (this.#known !== held) return;
        held.set(userId, { person, until: this.#now() + AGAIN_MS });
        this.#host.changed();
      },
      () => undefined,
    );
  }
}
