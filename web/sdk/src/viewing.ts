// Tells the server what this device shows of a group call: not more often than it can use, and only what is news.

import type { ViewWant } from "./proto.js";

/** Between two words at least. Lower follows a scroll more closely, and costs the server more; higher leaves new tiles empty longer. */
const EVERY_MS = 250;
/** After a refusal. */
const AGAIN_MS = 1_000;

export class Viewing {
  readonly #send: (wants: ViewWant[]) => Promise<unknown>;
  /** Of how many pictures the server hears: as many as there are lines for. */
  readonly #most: () => number;
  #wants: ViewWant[] | undefined;
  #told = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(most: () => number, send: (wants: ViewWant[]) => Promise<unknown>) {
    this.#most = most;
    this.#send = send;
  }

  /** What is shown now, most important first. */
  set(wants: readonly ViewWant[]): void {
    this.#wants = [...wants];
    if (this.#timer === undefined) this.#tell();
  }

  /** The server may have forgotten it. */
  again(): void {
    this.#told = "";
    if (this.#timer === undefined) this.#tell();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #tell(): void {
    const wants = this.#wants?.slice(0, this.#most());
    const key = JSON.stringify(wants);
    if (this.#stopped || wants === undefined || key === this.#told) return;
    this.#told = key;
    this.#wait(EVERY_MS);
    this.#send(wants).catch(() => {
      if (this.#told !== key) return;
      this.#told = "";
      this.#wait(AGAIN_MS);
    });
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#tell();
    }, ms);
  }
}
