// Messages of this user on this device: what `client.messages` is.
//
// What is sent is kept first and sent when it can be; what comes is kept first and acknowledged then. So a page may die at any
// moment, be offline for days, and lose nothing. Needs IndexedDB; `problem` says so where there is none.

import { Emitter } from "../emitter.js";
import { TertuliaError } from "../errors.js";
import type { Content, ErrorBody, Group, MailboxAck, MediaTreatment, OkFrame, Recipient, ServerFrame, Welcome } from "../proto.js";
import type { Request } from "../session.js";
import { isServers } from "./counting.js";
import { isStorageError } from "./database.js";
import { Inbox } from "./inbox.js";
import { Outbox } from "./outbox.js";
import { Reads } from "./reads.js";
import { guessed } from "./guess.js";
import { MessageStore, type MailboxFrame } from "./store.js";
import { EVERYBODY, keyOfGroup, keyOfUser, type ChatMessage, type Conversation, type KeptMessage, type Lost, type MessagesProblem, type MessageState, type Thread, type Unsent, type Upload, type UploadProgress } from "./types.js";
import { Uploader, type UploaderHost } from "./uploader.js";
import { uuid } from "./uuid.js";

/** What the server takes of a text, less what surrounds it: 32 KiB as bytes, and a frame of 64 KiB as it is written in JSON. */
const TEXT_BYTES_MAX = 32 * 1024 - 256;
const FRAME_BYTES_MAX = 60 * 1024;
/** Characters of a caption. */
export const CAPTION_CHARS_MAX = 1_024;
/** Messages of a thread that are read at once, if nobody says how many. */
const PAGE = 50;

export interface MessagesOptions {
  /** Whose. What the server calls this user: messages of somebody else's token are not taken. */
  userId: string;
  /** Where messages are kept; for tests. */
  factory?: IDBFactory;
  /** Wraps the store; for tests. */
  wrap?: (store: MessageStore) => MessageStore;
  /** How long receipts alone may wait for their acknowledgement, in milliseconds; for tests. */
  receiptsAckMs?: number;
}

export interface MessagesEvents {
  /** Conversations, or messages in them, have changed: keys of which. */
  changed: string[];
  /** Somebody has written: what is worth a sound. */
  incoming: ChatMessage & { key: string };
  /** Messages don't work here now; or they do again. */
  problem: MessagesProblem | undefined;
  /** The file of a message is on its way: `ref` names the message. */
  upload: { key: string; ref: string; progress: UploadProgress };
}

/** How a file is sent. */
export interface SendMediaOptions {
  /** A few words. */
  caption?: string;
  /** For one look by each who gets it. */
  once?: boolean;
  /** `auto`: as what it is. `voice`: a voice note. */
  as?: MediaTreatment;
  /** Without: the file's own, if it has one. */
  fileName?: string;
  /** Milliseconds, where the page knows them: shown until the server says. */
  durationMs?: number;
}

/** The session's part. */
export interface MessagesHost {
  request(request: Request): Promise<OkFrame>;
  /** Says something that has no answer; it is lost if there is no socket. */
  tell(frame: { type: "mailbox.ack" } & MailboxAck): void;
  serverTime(localMs: number): number;
  /** Where files go. */
  media(): UploaderHost["media"];
}

export class MessagesApi extends Emitter<MessagesEvents> {
  /** The store is open, or there is none: `problem` says which. */
  readonly ready: Promise<void>;
  readonly #host: MessagesHost;
  readonly #options: MessagesOptions;
  readonly #deviceId: string;
  readonly #name: string;
  #store: MessageStore | undefined;
  #inbox: Inbox | undefined;
  #outbox: Outbox | undefined;
  #reads: Reads | undefined;
  #uploader: Uploader | undefined;
  /** How far files are, by the number of their message. Of those that wait only: as many as those. */
  readonly #progress = new Map<number, UploadProgress>();
  #channel: BroadcastChannel | undefined;
  #problem: MessagesProblem | undefined;
  #closed = false;
  /** The session that is open is this user's and this device's. */
  #ours = false;
  #drained = false;
  #learning = false;
  #askGroup: ((groupId: string) => Promise<unknown>) | undefined;

  /** Made by `connect` with `messages`. */
  constructor(options: MessagesOptions, deviceId: string, host: MessagesHost) {
    super();
    this.#options = options;
    this.#deviceId = deviceId;
    this.#host = host;
    this.#name = `tertulia-messages ${JSON.stringify([options.userId, deviceId])}`;
    this.ready = this.#open();
  }

  /** Why messages do not work here, if they don't. */
  get problem(): MessagesProblem | undefined {
    return this.#problem;
  }

  /** Whether there is a store: without, no mailbox is asked for. */
  get usable(): boolean {
    return this.#store !== undefined && !this.#closed;
  }

  /** What had waited at the server is here. */
  get drained(): boolean {
    return this.#drained;
  }

  /** Conversations that have a message, and groups, the newest first. */
  get conversations(): Conversation[] {
    const all = [...(this.#store?.conversations.values() ?? [])].filter(({ last, group }) => last || group);
    return all.sort((a, b) => (b.last?.at ?? 0) - (a.last?.at ?? 0));
  }

  conversation(key: string): Conversation | undefined {
    return this.#store?.conversations.get(key);
  }

  /** Messages of others that were not read, of all conversations. */
  get unread(): number {
    let sum = 0;
    for (const { unread } of this.#store?.conversations.values() ?? []) sum += unread;
    return sum;
  }

  /** Something was given up before it came here: say so, then call `forgetLost`. */
  get lost(): Lost | undefined {
    return this.#store?.lost;
  }

  async forgetLost(): Promise<void> {
    await this.#store?.forgetLost();
    this.#told([]);
  }

  /** The state of a conversation's newest message. */
  stateOfLast({ id, to, last }: Conversation): MessageState | undefined {
    if (!last) return undefined;
    if (last.failed !== undefined) return "failed";
    if (last.from !== this.#options.userId || isServers(last.content)) return "received";
    return last.seq === undefined ? "pending" : this.#tick(id, to, last.seq);
  }

  /**
   * Sends a text. Resolves when it is kept on this device: from then on it is sent, whatever happens to this page. Rejects
   * with `too_large`, `bad_request` (nothing in it), `storage_full` or `storage_unavailable`: then it is not.
   */
  async send(to: Recipient | string, text: string): Promise<ChatMessage> {
    const content: Content = { type: "text", text };
    if (text.trim() === "") throw TertuliaError.of("bad_request");
    const bytes = new TextEncoder().encode(text).length;
    const written = new TextEncoder().encode(JSON.stringify(text)).length;
    if (bytes > TEXT_BYTES_MAX || written > FRAME_BYTES_MAX) throw TertuliaError.of("too_large");
    const recipient = typeof to === "string" ? { user: to } : to;
    return this.#enqueue(recipient, content);
  }

  /**
   * Sends a picture, film, sound or file. Resolves when it is kept on this device, the file too: from then on it is sent, also
   * by another page, and one message comes of it. Events `upload` tell how far it is; what the server does not take shows as
   * `failed`. Rejects as `send` does.
   */
  async sendMedia(to: Recipient | string, file: Blob, options: SendMediaOptions = {}): Promise<ChatMessage> {
    const { caption, once = false, as = "auto" } = options;
    const words = caption?.trim() === "" ? undefined : caption?.trim();
    if (words !== undefined && [...words].length > CAPTION_CHARS_MAX) throw TertuliaError.of("too_large");
    const recipient = typeof to === "string" ? { user: to } : to;
    // Who sends something for one look does not see it: to oneself it would be for nobody.
    if (once && "user" in recipient && recipient.user === this.#options.userId) throw TertuliaError.of("bad_request");
    const name = options.fileName ?? (file as Partial<File>).name;
    const content = guessed(file, { ...options, as, once, ...(name !== undefined && { fileName: name }) }, words);
    const upload: Upload = { file: uuid(), as, ...(name !== undefined && { name }), ...(once && { once }) };
    return this.#enqueue(recipient, content, upload, file);
  }

  /** Sends on what came with a message: nothing is uploaded. */
  async forward(to: Recipient | string, content: Content): Promise<ChatMessage> {
    if (content.type === "text") return this.send(to, content.text);
    if ((content.type !== "media" && content.type !== "voice") || content.file?.once) throw TertuliaError.of("forbidden");
    return this.#enqueue(typeof to === "string" ? { user: to } : to, content);
  }

  async #enqueue(to: Recipient, content: Content, upload?: Upload, file?: Blob): Promise<ChatMessage> {
    const entry = await this.#usable().enqueue(to, uuid(), content, upload, file);
    this.#told([entry.key], true);
    return this.#unsent(entry);
  }

  /** Takes back a message whose file is on its way. */
  async cancel(n: number): Promise<void> {
    this.#uploader?.abort(n);
    const gone = await this.#usable().discard(n);
    this.#progress.delete(n);
    const { mediaId } = gone?.upload ?? {};
    // If nobody can be asked, the server forgets it by itself.
    if (mediaId !== undefined) this.#host.media().delete(mediaId).catch(() => undefined);
    this.#told(gone && [gone.key]);
  }

  /** The file of a message that waits, as it is kept here. */
  async fileOf(n: number): Promise<Blob | undefined> {
    const store = this.#usable();
    const { upload } = (await store.unsent(n)) ?? {};
    return upload && store.file(upload.file);
  }

  /** Tries one that has failed again. */
  async retry(n: number): Promise<void> {
    await this.#usable().retry(n, uuid());
    this.#told(undefined, true);
  }

  /** Deletes one that has failed. */
  async discard(n: number): Promise<void> {
    await this.#usable().discard(n);
    this.#told(undefined);
  }

  /** The newest messages of a conversation and what waits; with `before`, a page before that place; with `from`, all from there on. */
  async thread(key: string, { before, from, limit = PAGE }: { before?: number; from?: number; limit?: number } = {}): Promise<Thread> {
    const store = this.#usable();
    const range = { limit, ...(before !== undefined && { before }), ...(from !== undefined && { from }) };
    const { kept, unsent, more } = await store.thread(key, range);
    const conversation = store.conversations.get(key);
    const messages = [
      ...kept.map((message) => this.#kept(message, conversation)),
      ...unsent.map((entry) => this.#unsent(entry)),
    ];
    return { messages, more };
  }

  /** The person has seen the conversation up to there (to its end, if not said). Call it only when they have. */
  async markRead(key: string, upto?: number): Promise<void> {
    const store = this.#store;
    const conversation = store?.conversations.get(key);
    const place = Math.min(upto ?? LATEST, conversation?.seq ?? 0);
    if (!store || !conversation || place <= conversation.read) return;
    if (await store.read(key, place)) this.#told([key]);
  }

  /** The key of the conversation with somebody, also where nothing was written yet. */
  keyOf(userId: string): string {
    return keyOfUser(userId);
  }

  /** The key of a group's conversation. */
  keyOfGroup(groupId: string): string {
    return keyOfGroup(groupId);
  }

  /** Keeps what the server said of a group: `client.groups` does so. */
  async keepGroup(group: Group): Promise<void> {
    this.#told([await this.#usable().keepGroup(group)]);
  }

  /** Deletes everything that is kept here: for signing out. */
  async erase(): Promise<void> {
    const store = this.#store;
    this.#uploader?.abort();
    this.close();
    await store?.erase();
  }

  // ── for the client ──

  /** How a group that is known in part is asked for. */
  learnGroups(ask: (groupId: string) => Promise<unknown>): void {
    this.#askGroup = ask;
  }

  onWelcome({ user_id, device_id, resumed }: Welcome): void {
    this.#ours = user_id === this.#options.userId && device_id === this.#deviceId;
    if (!this.#ours) {
      this.#setProblem("unavailable");
      return;
    }
    if (!resumed) this.#drained = false;
    this.#inbox?.welcomed(resumed);
    this.#outbox?.start();
    this.#uploader?.start();
    this.#reads?.start();
    void this.#learn();
  }

  onFrame(frame: MailboxFrame): void {
    if (this.#ours) this.#inbox?.take(frame);
  }

  /** What has become of a file. */
  onMedia(frame: Extract<ServerFrame, { type: `media.${string}` }>): void {
    if (!this.#ours) return;
    if (frame.type === "media.ready") void this.#uploader?.onMedia(frame);
    else if (frame.type === "media.progress") void this.#uploader?.onProgress(frame);
    else void this.#uploader?.onRejected(frame);
  }

  /** The session is told something that no request asked for: that its mailbox could not be opened, perhaps. */
  onRefused({ code }: ErrorBody): void {
    const mailbox = code === "too_many" || code === "message_not_stored";
    if (mailbox && this.#ours && !this.#drained) this.#setProblem("no_mailbox");
  }

  /** The session is over for good. What is kept can be looked at; what is written another page of this device sends. */
  onClosed(): void {
    this.#ours = false;
    this.#outbox?.stop();
    this.#uploader?.stop();
    this.#reads?.stop();
    this.#inbox?.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.onClosed();
    this.#channel?.close();
    this.#store?.close();
  }

  // ── inside ──

  async #open(): Promise<void> {
    try {
      const { userId, factory, wrap } = this.#options;
      const now = () => this.#host.serverTime(Date.now());
      const opened = await MessageStore.open(this.#name, userId, factory ?? globalThis.indexedDB, now);
      const store = (this.#store = wrap?.(opened) ?? opened);
      if (this.#closed) {
        store.close();
        return;
      }
      const problem = (error: TertuliaError | undefined) => this.#onProblem(error);
      this.#inbox = new Inbox({
        store,
        acknowledge: (seq) => this.#host.tell({ type: "mailbox.ack", seq }),
        changed: (keys, frames) => this.#onReceived(keys, frames),
        problem,
      }, this.#options.receiptsAckMs);
      this.#outbox = new Outbox({
        store,
        name: this.#name,
        request: (request) => this.#host.request(request),
        changed: (key) => this.#told([key]),
        problem,
        upload: () => this.#uploader?.wake(),
        taken: () => this.#uploader?.stop(),
      });
      this.#reads = new Reads({ store, request: (request) => this.#host.request(request) });
      this.#uploader = new Uploader({
        store,
        media: this.#host.media(),
        viewers: (entry) => this.#viewers(entry),
        changed: (key) => this.#told([key]),
        progress: ({ n, key, clientId: ref }, progress) => {
          this.#progress.set(n, progress);
          if (!this.#closed) this.emit("upload", { key, ref, progress });
        },
        ready: () => this.#outbox?.wake(),
        problem,
      });
      this.#listen(store);
      this.emit("changed", [...store.conversations.keys()]);
    } catch (error) {
      this.#onProblem(error instanceof TertuliaError ? error : TertuliaError.local("storage_unavailable"));
    }
  }

  /** Other pages of this device. */
  #listen(store: MessageStore): void {
    if (typeof BroadcastChannel === "undefined") return;
    const channel = (this.#channel = new BroadcastChannel(this.#name));
    channel.onmessage = ({ data }: MessageEvent<{ unsent: boolean }>) => {
      const again = () => {
        if (this.#closed) return;
        // It may have been read there.
        this.#reads?.wake();
        this.emit("changed", [...store.conversations.keys()]);
      };
      store.reload().then(again, (error: unknown) => this.#onProblem(error as TertuliaError));
      if (data.unsent) this.#wake();
    };
    // Only Node knows this: it would keep a program alive.
    (channel as { unref?: () => void }).unref?.();
  }

  #told(keys: string[] | undefined, unsent = false): void {
    if (this.#closed) return;
    if (unsent) this.#wake();
    this.#reads?.wake();
    this.#channel?.postMessage({ unsent });
    this.emit("changed", keys ?? [...(this.#store?.conversations.keys() ?? [])]);
  }

  #wake(): void {
    this.#outbox?.wake();
    this.#uploader?.wake();
  }

  /** For whose one look something is. */
  #viewers({ to, key }: Unsent): string[] {
    const me = this.#options.userId;
    if ("user" in to) return [to.user];
    const members = this.#store?.conversations.get(key)?.group?.members ?? [];
    return members.map(({ user_id: id }) => id).filter((id) => id !== me);
  }

  #onReceived(keys: string[], frames: MailboxFrame[]): void {
    this.#drained ||= frames.some(({ type }) => type === "drained");
    this.#told(keys);
    for (const frame of frames) {
      if (frame.type !== "message" || frame.from === this.#options.userId || this.#closed) continue;
      // A missed call is told by a frame of its own.
      if (isServers(frame.content)) continue;
      const conversation = [...(this.#store?.conversations.values() ?? [])].find(({ id }) => id === frame.conversation);
      const seq = frame.conversation_seq + (conversation?.base ?? 0);
      if (!conversation || seq <= conversation.read) continue;
      const { from, sent_at: at, content } = frame;
      this.emit("incoming", { ...this.#kept({ key: conversation.key, seq, from, at, content }, conversation), key: conversation.key });
    }
    if (frames.some((frame) => frame.type === "message" && frame.content.type === "system")) void this.#learn();
  }

  /** Asks for groups of which only a part is known here, one after another; those one is not in any more stay as they are. */
  async #learn(): Promise<void> {
    if (this.#learning || !this.#askGroup) return;
    this.#learning = true;
    const asked = new Set<string>();
    try {
      for (;;) {
        const all = [...(this.#store?.conversations.values() ?? [])];
        const next = all.find(({ id, group }) => id !== undefined && group?.partial && !asked.has(id));
        if (next?.id === undefined || !this.#ours) return;
        asked.add(next.id);
        // Where it fails: with the next welcome, or the next thing that happens to a group.
        await this.#askGroup(next.id).catch(() => undefined);
      }
    } finally {
      this.#learning = false;
    }
  }

  #onProblem(error: TertuliaError | undefined): void {
    if (!error) this.#setProblem(undefined);
    else if (error.code === "no_mailbox") this.#setProblem("no_mailbox");
    else if (isStorageError(error)) this.#setProblem(error.code === "storage_full" ? "full" : "unavailable");
  }

  #setProblem(problem: MessagesProblem | undefined): void {
    if (this.#problem === problem || this.#closed) return;
    this.#problem = problem;
    this.emit("problem", problem);
  }

  #usable(): MessageStore {
    if (!this.#store || this.#closed) throw TertuliaError.local("storage_unavailable");
    return this.#store;
  }

  #kept({ key, seq, from, at, content, clientId }: KeptMessage, conversation: Conversation | undefined): ChatMessage {
    const own = from === this.#options.userId && !isServers(content);
    const state = own && conversation ? this.#tick(conversation.id, conversation.to, seq) : "received";
    return { ref: clientId ?? `${key} ${seq}`, seq, from, at, content, state };
  }

  #unsent({ n, clientId, at, content, failed, figures, upload }: Unsent): ChatMessage {
    const message = { ref: clientId, from: this.#options.userId, at, content, ...(upload && { n }) };
    if (failed !== undefined) return { ...message, state: "failed", failed, n, ...(figures && { figures }) };
    if (!upload || upload.ready) return { ...message, state: "pending" };
    return { ...message, state: "pending", upload: this.#progress.get(n) ?? { stage: "waiting", done: 0 } };
  }

  /** How far a sent message has come: as far as all the others have. */
  #tick(id: string | undefined, to: Recipient, seq: number): MessageState {
    const me = this.#options.userId;
    if ("user" in to && to.user === me) return "read";
    const whose = "user" in to ? to.user : EVERYBODY;
    const mark = id === undefined ? undefined : this.#store?.watermarks.get(id)?.find(({ user }) => user === whose);
    if (!mark || mark.delivered < seq) return "sent";
    return mark.read >= seq ? "read" : "delivered";
  }
}

const LATEST = Number.MAX_SAFE_INTEGER;
