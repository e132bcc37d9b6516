// How long to wait before connecting again: at once, then doubling, capped, and spread at random so that a restarted
// server is not met by everyone in the same moment.

export interface BackoffOptions {
  /** The first try comes within this time, in milliseconds. Raising it delays every recovery. */
  atOnceMs: number;
  /** The second wait. Raising it delays recovery, lowering it presses a server that is down. */
  firstMs: number;
  /** The longest wait. Raising it spares a dead server, and delays coming back. */
  maxMs: number;
  /** The longest wait while a call is on: it must be back within seconds of the server. */
  urgentMaxMs: number;
}

export const RECONNECT: BackoffOptions = { atOnceMs: 100, firstMs: 300, maxMs: 10_000, urgentMaxMs: 600 };

export class Backoff {
  #attempt = 0;
  readonly #options: BackoffOptions;
  readonly #random: () => number;

  constructor(options: BackoffOptions = RECONNECT, random: () => number = Math.random) {
    this.#options = options;
    this.#random = random;
  }

  /** The next wait: none to speak of at first, then between half and all of the doubled one. */
  next(urgent = false): number {
    const { atOnceMs, firstMs, maxMs, urgentMaxMs } = this.#options;
    const attempt = this.#attempt++;
    if (attempt === 0) return atOnceMs * this.#random();
    const whole = Math.min(urgent ? urgentMaxMs : maxMs, firstMs * 2 ** (attempt - 1));
    return whole * (0.5 + this.#random() / 2);
  }

  /** How many tries there were since the last reset. */
  get attempts(): number {
    return this.#attempt;
  }

  reset(): void {
    this.#attempt = 0;
  }

  /** Waits long from the start: the server has asked for patience. */
  slow(): void {
    this.#attempt = Math.max(this.#attempt, 5);
  }
}
