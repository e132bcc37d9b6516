// The call links of this person: made here, listed, taken back.

import { TertuliaError, type CallLink, type CallLinkNew, type Client } from "@tertulia/sdk";
import { fresh } from "./fresh.js";
import { sayLinkNotMade } from "./words-links.js";

interface Host {
  readonly client: Client | undefined;
  changed(): void;
  toast(text: string, tone?: "plain" | "bad"): void;
}

export class CallLinks {
  /** Not known until asked for. */
  list: CallLink[] | undefined;
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Links whose time is not over yet, the newest first. */
  get good(): CallLink[] {
    const now = this.#host.client?.serverTime(Date.now()) ?? Date.now();
    return (this.list ?? []).filter((link) => link.expires_at > now);
  }

  async refresh(): Promise<void> {
    const { client } = this.#host;
    const list = await fresh(() => this.list, () => client?.callLinks.list());
    if (!list || client !== this.#host.client) return;
    this.list = list;
    this.#host.changed();
  }

  /** Nothing where the server refuses; that is said. */
  async make(link: CallLinkNew): Promise<CallLink | undefined> {
    try {
      const made = await this.#host.client?.callLinks.make(link);
      if (!made) return undefined;
      this.list = [made, ...(this.list ?? [])];
      this.#host.changed();
      return made;
    } catch (error) {
      this.#say(error);
      return undefined;
    }
  }

  async revoke(link: CallLink): Promise<void> {
    try {
      await this.#host.client?.callLinks.revoke(link.call_link_id);
      this.list = this.list?.filter((one) => one.call_link_id !== link.call_link_id);
      this.#host.toast("The link leads nowhere any more");
      this.#host.changed();
    } catch (error) {
      this.#say(error);
    }
  }

  forget(): void {
    this.list = undefined;
  }

  #say(error: unknown): void {
    if (!(error instanceof TertuliaError)) throw error;
    this.#host.toast(sayLinkNotMade(error), "bad");
  }
}

/** What one sends to those who may come. */
export function callAddress(token: string, origin: string = location.origin): string {
  return `${origin}/call/${token}`;
}
