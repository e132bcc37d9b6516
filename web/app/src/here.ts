// Who is here, as this page sees it: whom it watches, and what it says of its own person.
//
// Invariant: it watches those whose conversations are listed, the open one first; its person is here while the page is in sight.

import type { Client, Conversation, PresenceOf, Recipient, TypingWhat } from "@tertulia/sdk";
import { sayTyping } from "./words-presence.js";

interface Host {
  readonly client: Client | undefined;
  readonly userId: string | undefined;
  readonly chats: { readonly open: string | undefined; readonly list: Conversation[] };
  changed(): void;
  subscribe(listener: () => void): () => void;
  nameOf(userId: string): string;
}

/** While somebody records it is said again so often: there are no keys that would. */
const RECORDING_EVERY_MS = 3_000;
/** The key of a conversation with one person, and of a group. */
const USER = "user:";
const GROUP = "group:";

export class Here {
  readonly #host: Host;
  #recording: ReturnType<typeof setInterval> | undefined;

  constructor(host: Host) {
    this.#host = host;
    document.addEventListener("visibilitychange", () => this.#look());
    host.subscribe(() => this.#watch());
  }

  /** A client is there. */
  attach(client: Client): void {
    const changed = () => client === this.#host.client && this.#host.changed();
    client.presence.on("changed", changed);
    client.presence.on("typing", changed);
    this.#look();
  }

  /** How things are with somebody. */
  of(userId: string | undefined): PresenceOf | undefined {
    return userId === undefined ? undefined : this.#host.client?.presence.of(userId);
  }

  /** Who types in a conversation, in words. */
  typing(key: string): string | undefined {
    const typing = this.#host.client?.presence.typingIn(key) ?? [];
    return sayTyping(typing, key.startsWith(USER) ? undefined : (user) => this.#host.nameOf(user));
  }

  /** This person types in a conversation, records there, or stopped. */
  types(key: string, what: TypingWhat): void {
    clearInterval(this.#recording);
    const to = recipientOf(key);
    // Nobody is told of notes to oneself.
    if (!to || ("user" in to && to.user === this.#host.userId)) return;
    const say = () => this.#host.client?.presence.typing(to, what);
    say();
    if (what === "voice") this.#recording = setInterval(say, RECORDING_EVERY_MS);
  }

  #look(): void {
    this.#host.client?.presence.setActive(document.visibilityState === "visible");
  }

  #watch(): void {
    const { client, chats, userId } = this.#host;
    if (!client) return;
    const keys = [...(chats.open === undefined ? [] : [chats.open]), ...chats.list.map(({ key }) => key)];
    const those = (kind: string) => keys.filter((key) => key.startsWith(kind)).map((key) => key.slice(kind.length));
    client.presence.watch({ users: those(USER).filter((user) => user !== userId), groups: those(GROUP) });
  }
}

function recipientOf(key: string): Recipient | undefined {
  if (key.startsWith(USER)) return { user: key.slice(USER.length) };
  return key.startsWith(GROUP) ? { group: key.slice(GROUP.length) } : undefined;
}
