// Who is here, when others last were, who types; and what this device says of its own person.
//
// Invariant: what is wanted (`watch`, `active`) is said again to every new session, and a change of it once: the server is told
// the newest list, never each list that was. What others are told of typing is thrown away where it can't go out at once.

import { Emitter } from "./emitter.js";
import type { Request } from "./session.js";
import type { OkFrame, PersonPresence, Recipient, ServerFrame, TypingWhat, Welcome } from "./proto.js";
import { keyOf } from "./messages/store.js";

/** How things are with a person, as far as they show it. */
export interface PresenceOf {
  /** They are here now. */
  online: boolean;
  /** When they last were, by this browser's clock. Absent while they are here, and where they do not show it. */
  lastSeen?: number;
}

/** Somebody types in a conversation. */
export interface TypingOf {
  userId: string;
  what: "text" | "voice";
}

export interface PresenceEvents {
  /** Of these people there is news. */
  changed: string[];
  /** In the conversation of this key somebody has begun to type, or ended. */
  typing: string;
}

export interface WatchList {
  /** Their presence, and that they type to us. */
  users: string[];
  /** Who types in these groups. */
  groups?: string[];
}

interface Wire {
  request(request: Request): Promise<OkFrame>;
  isOnline(): boolean;
  welcome(): Welcome | undefined;
  localTime(serverMs: number): number;
}

type PresenceFrame = Extract<ServerFrame, { type: "presence" | "typing" }>;

/** Lists go out at most so often: the server takes one a second, and ten at once. */
const LIST_EVERY_MS = 1_000;
/** After a list was refused. */
const LIST_AGAIN_MS = 3_000;
/** While one types, it is said so often. */
const TYPING_EVERY_MS = 3_000;
/** Who has not said it again by then types no longer. */
const TYPING_FOR_MS = 6_000;
/** Of those who type in a conversation so many are remembered. */
const TYPING_MAX = 16;

export class PresenceApi extends Emitter<PresenceEvents> {
  readonly #wire: Wire;
  readonly #known = new Map<string, PersonPresence>();
  /** By conversation and person; the timer ends it. */
  readonly #typing = new Map<string, Map<string, { what: "text" | "voice"; over: ReturnType<typeof setTimeout> }>>();
  #active: boolean | undefined;
  /** What this session was told of it. */
  #activeTold: boolean | undefined;
  #wanted: Required<WatchList> = { users: [], groups: [] };
  /** What this session was told, as text. */
  #told: string | undefined;
  #listAt = 0;
  #listing: ReturnType<typeof setTimeout> | undefined;
  #typed: { key: string; what: TypingWhat; at: number } | undefined;

  constructor(wire: Wire) {
    super();
    this.#wire = wire;
  }

  /** Whether somebody looks at this device. Until it is said nobody is here for it; while it is `false` nothing is told to it. */
  setActive(active: boolean): void {
    if (active === this.#active) return;
    this.#active = active;
    this.#sayActive();
  }

  /** Whom this device wants to know of from now on: these, and nobody else. More than the server allows are left out, the last ones first. */
  watch({ users, groups = [] }: WatchList): void {
    this.#wanted = { users: [...new Set(users)], groups: [...new Set(groups)] };
    for (const user of this.#known.keys()) if (!this.#wanted.users.includes(user)) this.#known.delete(user);
    this.#schedule(0);
  }

  /** How things are with somebody who is watched. Absent: nothing is known. */
  of(userId: string): PresenceOf | undefined {
    const known = this.#known.get(userId);
    if (!known || !this.#wire.isOnline()) return undefined;
    if (known.online) return { online: true };
    return known.last_seen === undefined ? undefined : { online: false, lastSeen: this.#wire.localTime(known.last_seen) };
  }

  /** Who types in a conversation now. */
  typingIn(key: string): TypingOf[] {
    return [...(this.#typing.get(key) ?? [])].map(([userId, { what }]) => ({ userId, what }));
  }

  /** This person types here, records, or stopped. May be called with every key: it is said now and then. */
  typing(to: Recipient, what: TypingWhat): void {
    const [key, now] = [keyOf(to), Date.now()];
    const said = this.#typed?.key === key && now - this.#typed.at < TYPING_FOR_MS ? this.#typed : undefined;
    const isNews = what === "none" ? said !== undefined && said.what !== "none" : said?.what !== what || now - said.at >= TYPING_EVERY_MS;
    if (!isNews || !this.#wire.isOnline()) return;
    this.#typed = { key, what, at: now };
    this.#wire.request({ type: "typing", to, what }).catch(() => undefined);
  }

  /** A message has come, or went out: who sent it types no longer. */
  onMessage(userId: string, to: Recipient, own: string | undefined): void {
    if (userId === own) {
      if (this.#typed?.key === keyOf(to)) this.#typed = undefined;
      return;
    }
    this.#stopped("group" in to ? keyOf(to) : keyOf({ user: userId }), userId);
  }

  onWelcome(welcome: Welcome): void {
    if (!welcome.resumed) {
      const before = [...this.#known.keys()];
      this.#known.clear();
      this.#told = this.#activeTold = undefined;
      if (before.length > 0) this.emit("changed", before);
    }
    this.#sayActive();
    this.#schedule(0);
  }

  onFrame(frame: PresenceFrame): void {
    if (frame.type === "typing") {
      this.#onTyping(frame);
      return;
    }
    const news = frame.people.filter(({ user }) => this.#wanted.users.includes(user));
    for (const person of news) this.#known.set(person.user, person);
    if (news.length > 0) this.emit("changed", news.map(({ user }) => user));
  }

  /** Nothing is asked any more. */
  close(): void {
    clearTimeout(this.#listing);
    for (const people of this.#typing.values()) for (const { over } of people.values()) clearTimeout(over);
    this.#typing.clear();
    this.#known.clear();
  }

  #onTyping({ from, to, what }: Extract<PresenceFrame, { type: "typing" }>): void {
    // Written to us, it stands in the conversation with whoever writes.
    const key = "group" in to ? keyOf(to) : keyOf({ user: from });
    if (what === "none") {
      this.#stopped(key, from);
      return;
    }
    const people = this.#typing.get(key) ?? new Map<string, { what: "text" | "voice"; over: ReturnType<typeof setTimeout> }>();
    const before = people.get(from);
    if (!before && people.size >= TYPING_MAX) return;
    clearTimeout(before?.over);
    people.set(from, { what, over: setTimeout(() => this.#stopped(key, from), TYPING_FOR_MS) });
    this.#typing.set(key, people);
    if (before?.what !== what) this.emit("typing", key);
  }

  #stopped(key: string, userId: string): void {
    const people = this.#typing.get(key);
    const before = people?.get(userId);
    if (!people || !before) return;
    clearTimeout(before.over);
    people.delete(userId);
    if (people.size === 0) this.#typing.delete(key);
    this.emit("typing", key);
  }

  /** Without a connection it is said when there is one. */
  #sayActive(): void {
    if (!this.#wire.isOnline() || this.#active === undefined || this.#active === this.#activeTold) return;
    this.#activeTold = this.#active;
    this.#wire.request({ type: "presence.set", active: this.#active }).catch(() => undefined);
  }

  #schedule(waitMs: number): void {
    if (this.#listing !== undefined) return;
    const wait = Math.max(waitMs, this.#listAt + LIST_EVERY_MS - Date.now(), 0);
    this.#listing = setTimeout(() => {
      this.#listing = undefined;
      this.#sayList();
    }, wait);
  }

  #sayList(): void {
    const limits = this.#wire.welcome()?.limits;
    // The next welcome asks again.
    if (!limits || !this.#wire.isOnline()) return;
    const users = this.#wanted.users.slice(0, limits.watched_users_max);
    const groups = this.#wanted.groups.slice(0, limits.watched_groups_max);
    const list = JSON.stringify([users, groups]);
    if (list === this.#told || (this.#told === undefined && users.length + groups.length === 0)) return;
    this.#told = list;
    this.#listAt = Date.now();
    this.#wire.request({ type: "presence.watch", users, groups }).catch(() => {
      if (this.#told !== list) return;
      this.#told = undefined;
      this.#schedule(LIST_AGAIN_MS);
    });
  }
}
