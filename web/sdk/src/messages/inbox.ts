// Keeps what the mailbox hands out, and only then tells the server so.
//
// Invariant: `mailbox.ack` names a frame of this session that the store has kept, it and all before it. Frames wait here while
// the store can't: no more than the server hands out without an acknowledgement (192 or 32 KiB, it stops then).

import { TertuliaError } from "../errors.js";
import type { MailboxFrame, MessageStore } from "./store.js";

/** Frames that are kept in one transaction. Raising it makes a long drain cheaper, and a page busy for longer at a time. */
const BATCH_MAX = 128;
/** Receipts alone are acknowledged together: nobody waits for that. Raising it saves frames, and has more of them come again after a
 * session that ended. */
const RECEIPTS_ACK_MS = 5_000;
/** Figures in receipts that may be kept without an acknowledgement: far fewer than the server hands out without one. */
const RECEIPTS_OWED_MAX = 64;
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
  readonly #receiptsAckMs: number;
  #waiting: MailboxFrame[] = [];
  #session = 0;
  /** Up to where all is kept. */
  #acknowledged: number | undefined;
  /** Figures in receipts since the last acknowledgement. */
  #owed = 0;
  #later: ReturnType<typeof setTimeout> | undefined;
  #running = false;
  #over = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(host: InboxHost, receiptsAckMs = RECEIPTS_ACK_MS) {
    this.#host = host;
    this.#receiptsAckMs = receiptsAckMs;
  }

  /** A session is open. In a new one everything that was not acknowledged comes again. */
  welcomed(resumed: boolean): void {
    if (resumed) {
      // It may have been lost with the socket; without it no more comes.
      this.#acknowledge();
      return;
    }
    this.#session += 1;
    this.#waiting = [];
    this.#acknowledged = undefined;
    this.#owed = 0;
    clearTimeout(this.#later);
    this.#later = undefined;
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
    clearTimeout(this.#later);
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
      this.#owes(batch);
    }
    this.#host.problem(undefined);
    this.#host.changed(keys, batch);
  }

  /** What was kept is acknowledged now, or, if it was receipts alone, with what comes next. */
  #owes(batch: MailboxFrame[]): void {
    for (const frame of batch) this.#owed += frame.type === "receipts" ? frame.receipts.length : RECEIPTS_OWED_MAX;
    if (this.#owed >= RECEIPTS_OWED_MAX) this.#acknowledge();
    else this.#later ??= setTimeout(() => this.#acknowledge(), this.#receiptsAckMs);
  }

  #acknowledge(): void {
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#owed = 0;
    if (this.#acknowledged !== undefined) this.#host.acknowledge(this.#acknowledged);
  }
}
