// How long to wait before connecting again: doubling, capped, and spread at random so that a restarted server is not
// met by everyone at once.

export interface BackoffOptions {
  /** The first wait, in milliseconds. Raising it delays recovery from a blip, lowering it presses a server that is down. */
  firstMs: number;
  /** The longest wait. Raising it spares a dead server, and delays coming back. */
  maxMs: number;
}

export const RECONNECT: BackoffOptions = { firstMs: 300, maxMs: 10_000 };

export class Backoff {
  #attempt = 0;
  readonly #options: BackoffOptions;
  readonly #random: () => number;

  constructor(options: BackoffOptions = RECONNECT, random: () => number = Math.random) {
    this.#options = options;
    this.#random = random;
  }

  /** The next wait: between half and all of the doubled one. */
  next(): number {
    const whole = Math.min(this.#options.maxMs, this.#options.firstMs * 2 ** this.#attempt);
    this.#attempt += 1;
    return whole * (0.5 + this.#random() / 2);
  }

  reset(): void {
    this.#attempt = 0;
  }

  /** Waits long from the start: the server has asked for patience. */
  slow(): void {
    this.#attempt = Math.max(this.#attempt, 4);
  }
}
