// One change of the store while its transaction runs: what it has read and changed of conversations and watermarks, written
// at its end and shown to the page only when the transaction is over.

import { counts } from "./counting.js";
import { asked, type Table } from "./database.js";
import type { Recipient } from "../proto.js";
import type { Conversation, KeptMessage, Lost, Unsent, Watermark } from "./types.js";

/** Unread messages are counted up to here. Raising it costs reading as many where many are read at once. */
export const UNREAD_MAX = 1_000;
const LAST = Number.MAX_SAFE_INTEGER;

export class Change {
  lost: Lost | undefined;
  readonly tables: (table: Table) => IDBObjectStore;
  readonly #me: string;
  readonly #conversations = new Map<string, Conversation>();
  readonly #watermarks = new Map<string, Watermark>();
  readonly #renewed = new Set<string>();

  constructor(tables: (table: Table) => IDBObjectStore, me: string) {
    this.tables = tables;
    this.#me = me;
  }

  /** Keys of conversations in which something changed; and of those whose watermarks did. */
  get touched(): Set<string> {
    const ids = new Set([...this.#watermarks.values()].map((mark) => mark.id));
    const marked = [...this.#conversations.values()].filter(({ id }) => id !== undefined && ids.has(id));
    return new Set([...this.#renewed, ...marked.map(({ key }) => key)]);
  }

  /** Changes to it are kept. */
  async known(key: string): Promise<Conversation | undefined> {
    const held = this.#conversations.get(key);
    if (held) return held;
    const found = await asked<Conversation | undefined>(this.tables("conversations").get(key));
    if (found) this.#conversations.set(key, found);
    return found;
  }

  async byId(id: string): Promise<Conversation | undefined> {
    for (const held of this.#conversations.values()) if (held.id === id) return held;
    const found = await asked<Conversation | undefined>(this.tables("conversations").index("id").get(id));
    return found && this.known(found.key);
  }

  /** The conversation, made if it is new; from now on known by the server's name for it, if that is told. */
  async conversation(key: string, to: Recipient, id?: string): Promise<Conversation> {
    let conversation = await this.known(key);
    if (!conversation) {
      conversation = { key, to, seq: 0, read: 0, told: 0, unread: 0 };
      this.#conversations.set(key, conversation);
    }
    if (id !== undefined && conversation.id !== id) {
      conversation.id = id;
      // What was told of it before its name was known.
      const mine = await asked<Watermark | undefined>(this.tables("watermarks").get([id, this.#me]));
      if (mine) {
        conversation.read = Math.max(conversation.read, mine.read);
        conversation.told = Math.max(conversation.told, mine.read);
      }
    }
    return conversation;
  }

  /**
   * Where a message belongs here, and what is there already. One that is newer than the newest and has a place below it is of a
   * server that counts from the beginning again: it comes after all that is here.
   */
  async place(conversation: Conversation, seq: number, from: string, at: number): Promise<{ place: number; there: boolean }> {
    const { key } = conversation;
    const place = (conversation.base ?? 0) + seq;
    if (place > conversation.seq) return { place, there: false };
    const get = (n: number) => asked<KeptMessage | undefined>(this.tables("messages").get([key, n]));
    const [here, newest] = [await get(place), await get(conversation.seq)];
    if (here?.from === from && here.at === at) return { place, there: true };
    if (!here && at <= (newest?.at ?? at)) return { place, there: false };
    conversation.base = conversation.seq;
    return { place: conversation.base + seq, there: false };
  }

  /** Figures only grow. */
  async watermark(told: Watermark): Promise<void> {
    const name = JSON.stringify([told.id, told.user]);
    const held = this.#watermarks.get(name);
    const before = held ?? (await asked<Watermark | undefined>(this.tables("watermarks").get([told.id, told.user])));
    const delivered = Math.max(before?.delivered ?? 0, told.delivered);
    const read = Math.max(before?.read ?? 0, told.read);
    this.#watermarks.set(name, { ...told, delivered: Math.max(delivered, read), read });
    await this.byId(told.id);
  }

  unsent(n: number): Promise<Unsent | undefined> {
    return asked<Unsent | undefined>(this.tables("outbox").get(n));
  }

  lose(lost: Lost): void {
    this.lost = lost;
    this.tables("meta").put(lost, "lost");
  }

  async readUpto(conversation: Conversation, upto: number, me: string): Promise<void> {
    if (upto <= conversation.read) return;
    conversation.read = upto;
    this.#renewed.add(conversation.key);
    if (conversation.unread === 0) return;
    const above = IDBKeyRange.bound([conversation.key, upto + 1], [conversation.key, LAST]);
    const messages = await asked<KeptMessage[]>(this.tables("messages").getAll(above, UNREAD_MAX));
    conversation.unread = messages.filter((message) => counts(message, me)).length;
  }

  /** Its newest message may be another one now. */
  renewLast(key: string): void {
    this.#renewed.add(key);
  }

  async flush(): Promise<void> {
    for (const key of this.#renewed) await this.#renew(key);
    for (const conversation of this.#conversations.values()) this.tables("conversations").put(conversation);
    for (const mark of this.#watermarks.values()) this.tables("watermarks").put(mark);
  }

  applyTo(conversations: Map<string, Conversation>, watermarks: Map<string, Watermark[]>): void {
    // Others hold what was there before: it stays as they know it.
    for (const conversation of this.#conversations.values()) conversations.set(conversation.key, conversation);
    for (const mark of this.#watermarks.values()) {
      const others = (watermarks.get(mark.id) ?? []).filter(({ user }) => user !== mark.user);
      watermarks.set(mark.id, [...others, mark]);
    }
  }

  async #renew(key: string): Promise<void> {
    const conversation = await this.known(key);
    if (!conversation) return;
    const whole = IDBKeyRange.bound([key, 0], [key, LAST]);
    const [waiting, newest] = await Promise.all([
      asked(this.tables("outbox").index("key").openCursor(IDBKeyRange.only(key), "prev")),
      asked(this.tables("messages").openCursor(whole, "prev")),
    ]);
    if (waiting) {
      const { at, content, failed } = waiting.value as Unsent;
      conversation.last = { from: this.#me, at, content, ...(failed !== undefined && { failed }) };
    } else if (newest) {
      const { seq, from, at, content } = newest.value as KeptMessage;
      conversation.last = { seq, from, at, content };
    } else delete conversation.last;
  }
}
