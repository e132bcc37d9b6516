// Being woken while the page is not open: this device's push subscription, as the server keeps it.

import { askAs, type Bearer } from "./http.js";
import type { PushState, PushSubscription } from "./proto.js";

/** What a signed-in person can say of how this device is woken. `client.push` is one. */
export class PushApi {
  readonly #server: string;
  readonly #bearer: Bearer;
  readonly #deviceId: () => string | undefined;

  constructor(server: string, bearer: Bearer, deviceId: () => string | undefined) {
    this.#server = server;
    this.#bearer = bearer;
    this.#deviceId = deviceId;
  }

  /** The server's key, and whether this device is subscribed. `not_found`: this server wakes no browsers. */
  state(): Promise<PushState> {
    return this.#ask("GET");
  }

  /** Wakes this device there from now on: what `pushManager.subscribe` gave, by its `toJSON()`. */
  async subscribe(subscription: PushSubscription): Promise<void> {
    await this.#ask("PUT", subscription);
  }

  /** Wakes it no longer. */
  async unsubscribe(): Promise<void> {
    await this.#ask("DELETE");
  }

  #ask<T>(method: string, body?: object): Promise<T> {
    const deviceId = this.#deviceId();
    const headers: Record<string, string> = deviceId === undefined ? {} : { "tertulia-device-id": deviceId };
    return askAs<T>(this.#bearer, this.#server, method, "/v1/push", { headers, ...(body && { body }) });
  }
}
