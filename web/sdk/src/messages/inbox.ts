// Keeps what the mailbox hands out, and only then tells the server so.
//
// Invariant: `mailbox.ack` names a frame of this session that the store has kept, it and all before it. Frames wait here while
// the store can't: no more than the server hands out without an acknowledgement (256 or 32 KiB, it stops then).

import { TertuliaError } from "../errors.js";
import type { MailboxFrame, MessageStore } from "./store.js";

/** Frames that are kept in one transaction. Raising it makes a long drain cheaper, and a page busy for longer at a time. */
const BATCH_MAX = 128;
/** After the store could not. Raising it delays what waits, lowering it asks a full disk more often. */
const AGAIN_MS = 2_000;

export interface InboxHost {
  readonly store: Pick<MessageStore, "receive">;
  /** Says to the server up to where all is kept. */
  acknowledge(seq: number): void;
  /** Something of these conversations has changed. */
  changed(keys: string[], frames: MailboxFrame[]): void;
  /** Storage says no; or all is well. */
  problem(error: TertuliaError | undefined): void;
}

export class Inbox {
  readonly #host: InboxHost;
  #waiting: MailboxFrame[] = [];
  #session = 0;
  #acknowledged: number | undefined;
  #running = false;
  #over = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(host: InboxHost) {
    this.#host = host;
  }

  /** A session is open. In a new one everything that was not acknowledged comes again. */
  welcomed(resumed: boolean): void {
    if (resumed) {
      // It may have been lost with the socket; without it no more comes.
      if (this.#acknowledged !== undefined) this.#host.acknowledge(this.#acknowledged);
      return;
    }
    this.#session += 1;
    this.#waiting = [];
    this.#acknowledged = undefined;
  }

  take(frame: MailboxFrame): void {
    if (this.#over) return;
    this.#waiting.push(frame);
    void this.#run();
  }

  close(): void {
    this.#over = true;
    this.#waiting = [];
    clearTimeout(this.#retry);
  }

  async #run(): Promise<void> {
    if (this.#running || this.#over) return;
    clearTimeout(this.#retry);
    this.#running = true;
    try {
      while (this.#waiting.length > 0 && !this.#over) await this.#keep();
    } catch (error) {
      if (!this.#over) this.#retry = setTimeout(() => void this.#run(), AGAIN_MS);
      if (!(error instanceof TertuliaError)) throw error;
      this.#host.problem(error);
    } finally {
      this.#running = false;
    }
  }

  async #keep(): Promise<void> {
    const session = this.#session;
    const batch = this.#waiting.slice(0, BATCH_MAX);
    const keys = await this.#host.store.receive(batch);
    const last = batch.at(-1);
    if (session === this.#session && !this.#over) {
      this.#waiting.splice(0, batch.length);
      if (last) this.#acknowledged = last.seq;
      if (this.#acknowledged !== undefined) this.#host.acknowledge(this.#acknowledged);
    }
    this.#host.problem(undefined);
    this.#host.changed(keys, batch);
  }
}
