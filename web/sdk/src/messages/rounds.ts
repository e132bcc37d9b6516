// Goes round after round through what waits, for as long as it is to: one after another, again later after what may pass.
//
// Invariant: one round at a time. What is put in the store while one looks is not missed: who puts it wakes.

import { TertuliaError } from "../errors.js";

/** After a failure that may pass. Raising it delays what waits, lowering it presses a server that is in trouble. */
const AGAIN_MS = 1_000;
const AGAIN_MAX_MS = 30_000;

export interface Round {
  /** Does the next thing, or waits for `woken`. `going`: whether it is still to be done, after what took time. */
  step(woken: Promise<void>, going: () => boolean): Promise<void>;
  /** It failed, and is tried again. What is no `TertuliaError` is a fault, and ends the rounds. */
  failed(error: TertuliaError): void;
}

export class Rounds {
  readonly #round: Round;
  #going = false;
  #running = false;
  #wake: (() => void) | undefined;

  constructor(round: Round) {
    this.#round = round;
  }

  start(): void {
    this.#going = true;
    this.wake();
    if (!this.#running) void this.#run();
  }

  /** After the step that is under way. */
  stop(): void {
    this.#going = false;
    this.wake();
  }

  /** There is something to do, or what failed may work now. */
  wake(): void {
    this.#wake?.();
  }

  async #run(): Promise<void> {
    this.#running = true;
    let wait = AGAIN_MS;
    while (this.#going) {
      // Asked for before the store is: what is put there meanwhile is not missed.
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      try {
        await this.#round.step(woken, () => this.#going);
        wait = AGAIN_MS;
      } catch (error) {
        if (!(error instanceof TertuliaError)) {
          this.#running = false;
          throw error;
        }
        this.#round.failed(error);
        const pause = Math.max(error.retryAfterMs ?? 0, wait);
        await Promise.race([woken, new Promise((resolve) => setTimeout(resolve, pause))]);
        wait = Math.min(wait * 2, AGAIN_MAX_MS);
      }
    }
    this.#running = false;
  }
}
