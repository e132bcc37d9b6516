// Whether this device has put a call on hold.
//
// Invariant: what the server says counts, but for what it said before it had our request. A refusal brings its last word
// back.

export class HoldState {
  readonly #changed: (held: boolean) => void;
  #held: boolean;
  #told: boolean;
  #asking = 0;

  /** `changed` is called with every change but the first state. */
  constructor(held: boolean, changed: (held: boolean) => void) {
    this.#held = this.#told = held;
    this.#changed = changed;
  }

  get held(): boolean {
    return this.#held;
  }

  /** The server's word. */
  told(held: boolean): void {
    this.#told = held;
    if (this.#asking === 0) this.#set(held);
  }

  /**
   * Counts at once, because a microphone must not be heard in two calls. Rejects, and is undone, where the request is
   * refused.
   */
  async during(held: boolean, request: Promise<unknown>): Promise<void> {
    this.#asking += 1;
    this.#set(held);
    try {
      await request;
      this.#told = held;
    } finally {
      this.#asking -= 1;
      if (this.#asking === 0) this.#set(this.#told);
    }
  }

  #set(held: boolean): void {
    if (this.#held === held) return;
    this.#held = held;
    this.#changed(held);
  }
}
