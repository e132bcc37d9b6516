// The pictures of groups, as far as this page has fetched them.
//
// Invariant: so many are kept at most; what is not kept has no address any more, and is fetched again when it is shown.

import { TertuliaError, type Client } from "@tertulia/sdk";

interface Host {
  readonly client: Client | undefined;
  changed(): void;
}

/** Pictures that are kept. Raising it takes some 20 KB of memory each. */
const ICONS_MAX = 100;
/** How soon it is asked whether a picture is ready that was sent; later more rarely. The server gives up by itself. */
const ASK_FIRST_MS = 100;
const ASK_LAST_MS = 2_000;

export class Icons {
  readonly #host: Host;
  /** By group and picture: its address, or nothing while it is fetched and where it can't be had. */
  readonly #all = new Map<string, string | undefined>();

  constructor(host: Host) {
    this.#host = host;
  }

  /** Where the picture of a group is; nothing until it is here. */
  of(group: string, icon: string): string | undefined {
    const key = `${group} ${icon}`;
    if (!this.#all.has(key)) void this.#fetch(group, key);
    return this.#all.get(key);
  }

  /** Sends a picture, and waits until it can be shown to others. Resolves to its id. */
  async send(file: Blob): Promise<string> {
    const media = this.#host.client?.media;
    if (!media) throw TertuliaError.local("unreachable");
    let sent = await media.upload(file);
    for (let wait = ASK_FIRST_MS; sent.state === "processing"; wait = Math.min(wait * 2, ASK_LAST_MS)) {
      await new Promise((resolve) => setTimeout(resolve, wait));
      sent = await media.status(sent.media_id);
    }
    if (sent.error) throw new TertuliaError(sent.error);
    if (sent.class !== "image") throw TertuliaError.of("media_unsupported");
    return sent.media_id;
  }

  /** Another connection may bring what could not be had. */
  retry(): void {
    for (const [key, url] of this.#all) if (url === undefined) this.#all.delete(key);
  }

  forget(): void {
    for (const url of this.#all.values()) if (url !== undefined) URL.revokeObjectURL(url);
    this.#all.clear();
  }

  async #fetch(group: string, key: string): Promise<void> {
    const { client } = this.#host;
    if (!client) return;
    this.#room();
    this.#all.set(key, undefined);
    const blob = await client.groups.icon(group).catch(() => undefined);
    // Somebody else may be signed in by now.
    if (!blob || client !== this.#host.client || !this.#all.has(key)) return;
    this.#all.set(key, URL.createObjectURL(blob));
    this.#host.changed();
  }

  #room(): void {
    const [oldest] = this.#all;
    if (this.#all.size < ICONS_MAX || !oldest) return;
    const [key, url] = oldest;
    this.#all.delete(key);
    if (url !== undefined) URL.revokeObjectURL(url);
  }
}
