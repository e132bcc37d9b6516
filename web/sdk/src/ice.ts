// STUN and TURN servers, fresh enough for an offer that is about to be made.
//
// Invariant: an offer never waits long for them: a path without TURN may be there.

import type { IceServer, IceServers } from "./proto.js";

/** Credentials that end sooner than this are replaced. Raising it asks more often. */
const NEAR_MS = 60_000;
/** How long an offer waits while the old credentials are still good, and when they are not. */
const WAIT_MS = { good: 300, ended: 1_500 };
/** A question that is not answered by then is lost. */
const ASK_MS = 10_000;

export interface IceClock {
  /** By the server's clock. */
  serverNow: () => number;
}

export class IceSource {
  readonly #ask: (signal: AbortSignal) => Promise<IceServers>;
  readonly #clock: IceClock;
  #servers: RTCIceServer[] = [];
  #expiresAt: number | undefined;
  #asking: Promise<void> | undefined;

  constructor(ask: (signal: AbortSignal) => Promise<IceServers>, clock: IceClock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** The last ones told, a new list each time. */
  get servers(): RTCIceServer[] {
    return this.#servers;
  }

  /** The server has told them unasked. */
  told(servers: IceServer[], expiresAt: number | undefined): void {
    this.#servers = servers as RTCIceServer[];
    this.#expiresAt = expiresAt;
  }

  /** The same, asked for anew if they are about to end. Never rejects. */
  async fresh(): Promise<RTCIceServer[]> {
    const left = (this.#expiresAt ?? Infinity) - this.#clock.serverNow();
    if (left > NEAR_MS) return this.#servers;
    this.#asking ??= this.#refresh().finally(() => (this.#asking = undefined));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, left > 0 ? WAIT_MS.good : WAIT_MS.ended);
    });
    await Promise.race([this.#asking, limit]);
    clearTimeout(timer);
    return this.#servers;
  }

  async #refresh(): Promise<void> {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), ASK_MS);
    try {
      const { ice_servers, expires_at } = await this.#ask(stop.signal);
      this.told(ice_servers, expires_at);
    } catch {
      // The next offer asks again.
    } finally {
      clearTimeout(timer);
    }
  }
}
