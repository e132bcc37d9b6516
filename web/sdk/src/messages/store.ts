// What a device keeps of messages, in IndexedDB: conversations, messages, what waits to be sent, how far others have come.
//
// Invariants: each method is one transaction, so that a page that dies leaves the state before or after it, nothing between.
// A message is in `messages` or in `outbox`, never in both: the answer to its sending moves it. What came (`receive`) is kept
// together with the mailbox's cursor. `conversations` and `watermarks` here say what the database said when it was last asked.

import type { Content, Gap, GapReason, Group, Message, MessageSent, Receipts, Recipient } from "../proto.js";
import { Change } from "./change.js";
import { counts } from "./counting.js";
import { asked, deleteDatabase, openDatabase, storageError, transact } from "./database.js";
import { afterEvent, factsOf } from "./group.js";
import { EVERYBODY, keyOfGroup, keyOfUser, type Conversation, type FailureCode, type Figures, type KeptMessage, type Lost, type Unsent, type Upload, type Watermark } from "./types.js";

export type MailboxFrame =
  | ({ type: "message" } & Omit<Message, "to" | "content"> & { to: Recipient; content: Content })
  | ({ type: "receipts" } & Receipts)
  | ({ type: "gap" } & Gap)
  | { type: "drained"; seq: number };

/** A message that waits for its file. */
export type Waiting = Unsent & { upload: Upload };

/** A part of a conversation as it is kept. */
export interface KeptThread {
  kept: KeptMessage[];
  unsent: Unsent[];
  more: boolean;
}

/** Above every place. */
const LAST = Number.MAX_SAFE_INTEGER;

export class MessageStore {
  readonly conversations = new Map<string, Conversation>();
  /** By the server's name of the conversation. */
  readonly watermarks = new Map<string, Watermark[]>();
  /** Something was given up, and nobody has said that they know. */
  lost: Lost | undefined;
  readonly me: string;
  readonly #db: IDBDatabase;
  readonly #factory: IDBFactory;
  readonly #now: () => number;

  private constructor(db: IDBDatabase, factory: IDBFactory, me: string, now: () => number) {
    this.#db = db;
    this.#factory = factory;
    this.me = me;
    this.#now = now;
  }

  /** Opens the database of this user on this device. */
  static async open(name: string, me: string, factory: IDBFactory | undefined, now = Date.now): Promise<MessageStore> {
    if (!factory) throw storageError(null);
    const store = new MessageStore(await openDatabase(factory, name), factory, me, now);
    await store.reload();
    return store;
  }

  /** Reads again what another tab may have changed. */
  async reload(): Promise<void> {
    const [conversations, watermarks, lost] = await transact(this.#db, "readonly", (tables) =>
      Promise.all([
        asked<Conversation[]>(tables("conversations").getAll()),
        asked<Watermark[]>(tables("watermarks").getAll()),
        asked<Lost | undefined>(tables("meta").get("lost")),
      ]),
    );
    this.conversations.clear();
    this.watermarks.clear();
    for (const conversation of conversations) this.conversations.set(conversation.key, conversation);
    for (const mark of watermarks) this.watermarks.set(mark.id, [...(this.watermarks.get(mark.id) ?? []), mark]);
    this.lost = lost;
  }

  close(): void {
    this.#db.close();
  }

  async erase(): Promise<void> {
    this.#db.close();
    await deleteDatabase(this.#factory, this.#db.name);
  }

  // ── what is to be sent ──

  /** Puts a message behind those that wait; one with a file together with that. */
  enqueue(to: Recipient, clientId: string, content: Content, upload?: Upload, file?: Blob): Promise<Unsent> {
    return this.#write(async (change) => {
      const key = keyOf(to);
      await change.conversation(key, to);
      const entry: Omit<Unsent, "n"> = { key, to, clientId, content, at: this.#now(), ...(upload && { upload }) };
      if (upload && file) change.tables("files").put(file, upload.file);
      const n = await asked(change.tables("outbox").add(entry));
      change.renewLast(key);
      return { ...entry, n: Number(n) };
    });
  }

  /** The first that waits, and for no file. */
  async first(): Promise<Unsent | undefined> {
    return transact(this.#db, "readonly", async (tables) => {
      const request = tables("outbox").openCursor();
      for (;;) {
        const cursor = await asked(request);
        if (!cursor) return undefined;
        const entry = cursor.value as Unsent;
        if (entry.failed === undefined && (!entry.upload || entry.upload.ready)) return entry;
        cursor.continue();
      }
    });
  }

  /** The server has it. */
  sent(entry: Unsent, { conversation: id, conversation_seq: seq, sent_at: at, content: told }: MessageSent): Promise<void> {
    return this.#write(async (change) => {
      const { key, to, clientId, n, upload } = entry;
      // What the others get, where the server says it.
      const content = told ?? entry.content;
      const conversation = await change.conversation(key, to, id);
      const { place } = await change.place(conversation, seq, this.me, at);
      change.tables("outbox").delete(n);
      if (upload) change.tables("files").delete(upload.file);
      change.tables("messages").put({ key, seq: place, from: this.me, at, content, clientId } satisfies KeptMessage);
      conversation.seq = Math.max(conversation.seq, place);
      change.renewLast(key);
    });
  }

  /** The server will never take it. */
  failed(n: number, code: FailureCode, figures: Figures = {}): Promise<void> {
    return this.#write(async (change) => {
      const entry = await change.unsent(n);
      if (!entry) return;
      change.tables("outbox").put({ ...entry, failed: code, figures } satisfies Unsent);
      change.renewLast(entry.key);
    });
  }

  /** One that has failed is tried again, as a new one: behind those that wait. */
  retry(n: number, clientId: string): Promise<void> {
    return this.#write(async (change) => {
      const entry = await change.unsent(n);
      if (entry?.failed === undefined) return;
      const { key, to, content, upload } = entry;
      change.tables("outbox").delete(n);
      const again = { key, to, clientId, content, at: this.#now(), ...(upload && { upload: afresh(upload) }) };
      change.tables("outbox").add(again satisfies Omit<Unsent, "n">);
      change.renewLast(key);
    });
  }

  /** One that has failed goes, or one whose file is on its way. What it was. */
  discard(n: number): Promise<Unsent | undefined> {
    return this.#write(async (change) => {
      const entry = await change.unsent(n);
      if (!entry || (entry.failed === undefined && !entry.upload)) return undefined;
      change.tables("outbox").delete(n);
      if (entry.upload) change.tables("files").delete(entry.upload.file);
      change.renewLast(entry.key);
      return entry;
    });
  }

  /** Messages that wait for their files, in their order. */
  async uploads(): Promise<Waiting[]> {
    const all = await transact(this.#db, "readonly", (tables) => asked<Unsent[]>(tables("outbox").getAll()));
    return all.filter((entry): entry is Waiting => entry.upload?.ready !== true && entry.upload !== undefined && entry.failed === undefined);
  }

  /** The file of a message that waits. */
  async file(name: string): Promise<Blob | undefined> {
    return transact(this.#db, "readonly", (tables) => asked<Blob | undefined>(tables("files").get(name)));
  }

  /** A file has come further; with `content` it is what the message says now. False: the message is not waiting any more. */
  uploading(n: number, upload: Partial<Upload>, content?: Content): Promise<boolean> {
    return this.#write(async (change) => {
      const entry = await change.unsent(n);
      if (!entry?.upload) return false;
      const now = { ...entry, upload: { ...entry.upload, ...upload }, ...(content && { content }) };
      change.tables("outbox").put(now satisfies Unsent);
      if (content) change.renewLast(entry.key);
      return true;
    });
  }

  async unsent(n: number): Promise<Unsent | undefined> {
    return transact(this.#db, "readonly", (tables) => asked<Unsent | undefined>(tables("outbox").get(n)));
  }

  // ── what comes ──

  /** Keeps what came, all of it or nothing. Gives the keys of the conversations that have changed by it. */
  receive(frames: MailboxFrame[]): Promise<string[]> {
    return this.#write(async (change) => {
      for (const frame of frames) {
        if (frame.type === "message") await this.#take(change, frame);
        else if (frame.type === "receipts") await this.#mark(change, frame);
        else if (frame.type === "gap") change.lose({ reason: frame.reason as GapReason, at: this.#now() });
      }
      const last = frames.at(-1);
      if (last) change.tables("meta").put(last.seq, "cursor");
      return [...change.touched];
    });
  }

  /** Up to where the mailbox is kept here: its position in what was received last. */
  async cursor(): Promise<number> {
    return transact(this.#db, "readonly", async (tables) => (await asked<number | undefined>(tables("meta").get("cursor"))) ?? 0);
  }

  /** The person knows that something was lost. */
  async forgetLost(): Promise<void> {
    await transact(this.#db, "readwrite", async (tables) => void tables("meta").delete("lost"));
    this.lost = undefined;
  }

  // ── what was read ──

  /** Read by this user up to there, on this device. Whether that was news. */
  read(key: string, upto: number): Promise<boolean> {
    return this.#write(async (change) => {
      const conversation = await change.known(key);
      if (!conversation || upto <= conversation.read) return false;
      await change.readUpto(conversation, Math.min(upto, conversation.seq), this.me);
      return true;
    });
  }

  /** The server knows up to where it was read. */
  told(key: string, upto: number): Promise<void> {
    return this.#write(async (change) => {
      const conversation = await change.known(key);
      if (conversation) conversation.told = Math.max(conversation.told, upto);
    });
  }

  // ── groups ──

  /** What the server says of a group; older news than what is known is left. */
  keepGroup(group: Group): Promise<string> {
    return this.#write(async (change) => {
      const to = { group: group.group_id };
      const key = keyOf(to);
      const conversation = await change.conversation(key, to, group.group_id);
      const { group: known } = conversation;
      if (!known || known.partial || known.seq <= group.conversation_seq) conversation.group = factsOf(group);
      return key;
    });
  }

  // ── looking ──

  /** The last `limit` messages, or as many before `before`; or all from `from` on. */
  async thread(key: string, { before, limit, from }: { before?: number; limit?: number; from?: number }): Promise<KeptThread> {
    return transact(this.#db, "readonly", async (tables) => {
      const messages = tables("messages");
      const top = before === undefined ? LAST : before - 1;
      const whole = IDBKeyRange.bound([key, 0], [key, top]);
      const start = from ?? (await placeFromEnd(messages, whole, limit ?? LAST));
      const older = start > 1 ? messages.count(IDBKeyRange.bound([key, 0], [key, start], false, true)) : undefined;
      const [kept, unsent, more] = await Promise.all([
        start > top ? [] : asked<KeptMessage[]>(messages.getAll(IDBKeyRange.bound([key, start], [key, top]))),
        before === undefined ? asked<Unsent[]>(tables("outbox").index("key").getAll(key)) : [],
        older ? asked(older) : 0,
      ]);
      return { kept, unsent, more: more > 0 };
    });
  }

  // ── inside of transactions ──

  async #take(change: Change, message: Extract<MailboxFrame, { type: "message" }>): Promise<void> {
    const { conversation: id, conversation_seq: seq, from, to, sent_at: at, content } = message;
    const key = keyFor(to, from, this.me);
    const conversation = await change.conversation(key, from === this.me || !isUser(to) ? to : { user: from }, id);
    const { place, there } = await change.place(conversation, seq, from, at);
    if (there) return;
    change.tables("messages").put({ key, seq: place, from, at, content } satisfies KeptMessage);
    conversation.seq = Math.max(conversation.seq, place);
    if (content.type === "system") conversation.group = afterEvent(conversation.group, content, from, seq);
    else if (counts(message, this.me) && place > conversation.read) conversation.unread += 1;
    change.renewLast(key);
  }

  async #mark(change: Change, { conversation: id, receipts, all }: Receipts): Promise<void> {
    const conversation = await change.byId(id);
    const here = (place: number) => place + (conversation?.base ?? 0);
    if (all) await change.watermark({ id, user: EVERYBODY, delivered: here(all.delivered_upto), read: here(all.read_upto) });
    for (const { user, delivered_upto, read_upto } of receipts) {
      const read = here(read_upto);
      await change.watermark({ id, user, delivered: here(delivered_upto), read });
      if (user !== this.me || !conversation) continue;
      await change.readUpto(conversation, read, this.me);
      conversation.told = Math.max(conversation.told, read);
    }
  }

  /** Does it in one transaction; what it changed is known here once that is over. */
  async #write<T>(body: (change: Change) => Promise<T>): Promise<T> {
    const changes: Change[] = [];
    const result = await transact(this.#db, "readwrite", async (tables) => {
      const change = new Change(tables, this.me);
      changes.push(change);
      const done = await body(change);
      await change.flush();
      return done;
    });
    for (const change of changes) {
      change.applyTo(this.conversations, this.watermarks);
      this.lost = change.lost ?? this.lost;
    }
    return result;
  }
}

/** The place from which there are `limit` messages to the end of the range; 0 if there are not so many. */
async function placeFromEnd(messages: IDBObjectStore, range: IDBKeyRange, limit: number): Promise<number> {
  if (limit === LAST) return 0;
  const request = messages.openKeyCursor(range, "prev");
  const newest = await asked(request);
  if (!newest || limit <= 1) return newest ? placeOf(newest) : 0;
  newest.advance(limit - 1);
  const cursor = await asked(request);
  return cursor ? placeOf(cursor) : 0;
}

function placeOf(cursor: IDBCursor): number {
  return (cursor.key as [string, number])[1];
}

/** A file that is sent once more: from its beginning, unless the server has it. */
function afresh({ file, as, name, once, mediaId, ready }: Upload): Upload {
  return { file, as, ...(name !== undefined && { name }), ...(once && { once }), ...(ready && { mediaId: mediaId ?? "", ready }) };
}

function isUser(to: Recipient): to is Extract<Recipient, { user: string }> {
  return "user" in to;
}

/** Where a message to `to` belongs, for who sends it. */
export function keyOf(to: Recipient): string {
  return isUser(to) ? keyOfUser(to.user) : keyOfGroup(to.group);
}

/** Where it belongs for whoever gets it. */
function keyFor(to: Recipient, from: string, me: string): string {
  return isUser(to) && from !== me ? keyOfUser(from) : keyOf(to);
}
