// The conversations of this page: which one is open, what of it is shown, what was typed in each.
//
// Invariant: `thread` is of `open`, from the first message that was loaded to the end. What was read is told only of messages
// that were in sight, in a page that is.

import {
  TertuliaError,
  type ChatMessage,
  type Client,
  type Content,
  type Conversation,
  type MediaRejected,
  type MessagesApi,
  type MessagesProblem,
  type Recipient,
} from "@tertulia/sdk";
import { countUnread, noteMessage } from "./attention.js";
import type { Saying } from "./words.js";
import { sayContent, sayNotKept, sayOthersRefusal } from "./words-chat.js";

interface Host {
  readonly client: Client | undefined;
  readonly userId: string | undefined;
  changed(): void;
  toast(text: string, tone?: Saying["tone"]): void;
  nameOf(userId: string): string;
  openChat(key: string): void;
}

/** Messages that are loaded at once. Raising it makes opening slower, lowering it asks more often while one scrolls. */
const PAGE = 60;
/** Of unread messages so many are loaded at once, so that the first of them is in sight; of more, the newest. */
const UNREAD_LOADED_MAX = 500;
/** What was read before them, to know where one is. */
const BEFORE_UNREAD = 10;
/** Drafts that are kept, in memory. The oldest go first. */
const DRAFTS_MAX = 50;

export class Chats {
  /** Of this client the groups were asked for: a new device knows none. */
  #asked: Client | undefined;
  /** The key of the conversation that is open. */
  open: string | undefined;
  thread: ChatMessage[] = [];
  /** There is more before. */
  more = false;
  /** The thread is of this conversation; another than `open` while that is loaded. */
  loaded: string | undefined;
  /** Where it had been read to when it was opened, and what was its end then: what is between is news. */
  readBefore = 0;
  endBefore = 0;
  /** An invitation to a group was followed here: it is asked about when somebody is signed in. */
  invitation: string | undefined;
  readonly #host: Host;
  readonly #drafts = new Map<string, string>();
  #unlisten: (() => void)[] = [];
  #version = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Absent while signed out. */
  get api(): MessagesApi | undefined {
    return this.#host.client?.messages;
  }

  get list(): Conversation[] {
    return this.api?.conversations ?? [];
  }

  get unread(): number {
    return this.api?.unread ?? 0;
  }

  get problem(): MessagesProblem | undefined {
    return this.api?.problem;
  }

  /** With whom the conversation of this key is, if with one person. */
  static userOf(key: string): string | undefined {
    return key.startsWith("user:") ? key.slice("user:".length) : undefined;
  }

  /** What a conversation is called. */
  titleOf(key: string): string {
    const user = Chats.userOf(key);
    return user !== undefined ? this.#host.nameOf(user) : this.api?.conversation(key)?.group?.name || "Group";
  }

  /** A client is there: its messages are shown from now on. */
  attach(client: Client): void {
    this.#forgetThread();
    const { messages } = client;
    if (!messages) return;
    const ours = () => client === this.#host.client;
    this.#unlisten = [
      messages.on("changed", (keys) => ours() && this.#onChanged(keys)),
      messages.on("problem", () => ours() && this.#host.changed()),
      messages.on("incoming", (message) => {
        if (ours()) noteMessage(this.#host.nameOf(message.from), sayContent(message.content), () => this.#host.openChat(message.key));
      }),
    ];
    void messages.ready.then(() => {
      if (!ours()) return;
      void this.#load();
      this.#host.changed();
    });
  }

  /** Somebody could not send what was to come to a chat, and wants that to be known. */
  onOthersRefusal({ from = "", to, file_name: name, error }: MediaRejected): void {
    const group = to && "group" in to ? this.titleOf(`group:${to.group}`) : undefined;
    this.#host.toast(sayOthersRefusal(this.#host.nameOf(from), group, new TertuliaError(error), name));
  }

  /** Asks which groups one is in, once a page. */
  learnGroups(): void {
    const { client } = this.#host;
    if (!client?.messages?.usable || this.#asked === client) return;
    this.#asked = client;
    client.groups.list().catch(() => (this.#asked = undefined));
  }

  invited(token: string | undefined): void {
    this.invitation = token;
    this.#host.changed();
  }

  /** Nobody is signed in any more. */
  forget(): void {
    this.#unlisten.splice(0).forEach((off) => off());
    this.#drafts.clear();
    this.open = undefined;
    this.#forgetThread();
    countUnread(0);
  }

  /** Shows another conversation, or none. */
  show(key: string | undefined): void {
    if (key === this.open) return;
    this.open = key;
    this.#forgetThread();
    void this.#load();
  }

  draft(key: string): string {
    return this.#drafts.get(key) ?? "";
  }

  setDraft(key: string, text: string): void {
    this.#drafts.delete(key);
    if (text !== "") this.#drafts.set(key, text);
    const oldest = this.#drafts.keys().next();
    if (this.#drafts.size > DRAFTS_MAX && !oldest.done) this.#drafts.delete(oldest.value);
  }

  /** Sends what was typed. False: it was not taken, and is to stay where it was typed. */
  async send(key: string, text: string): Promise<boolean> {
    const to = this.#to(key);
    if (!to) return false;
    return this.#try(async (api) => void (await api.send(to, text)));
  }

  /** Sends on what a message says, or the file that came with it, which is not sent again. */
  async forward(key: string, content: Content): Promise<boolean> {
    const to = this.#to(key);
    if (!to) return false;
    return this.#try(async (api) => void (await api.forward(to, content)));
  }

  #to(key: string): Recipient | undefined {
    const user = Chats.userOf(key);
    return this.api?.conversation(key)?.to ?? (user === undefined ? undefined : { user });
  }

  retry(message: ChatMessage): void {
    if (message.n !== undefined) void this.#try((api) => api.retry(message.n ?? 0));
  }

  discard(message: ChatMessage): void {
    if (message.n !== undefined) void this.#try((api) => api.discard(message.n ?? 0));
  }

  /** Loads what is before. */
  async older(): Promise<void> {
    const { api, open: key, thread } = this;
    const before = thread.find(({ seq }) => seq !== undefined)?.seq;
    if (!api || key === undefined || before === undefined || !this.more) return;
    const page = await api.thread(key, { before, limit: PAGE }).catch(() => undefined);
    if (!page || this.open !== key || this.thread[0]?.seq !== thread[0]?.seq) return;
    this.thread = [...page.messages, ...this.thread];
    this.more = page.more;
    this.#host.changed();
  }

  /** The person sees the open conversation up to there. */
  saw(upto: number): void {
    if (this.open !== undefined) this.api?.markRead(this.open, upto).catch(() => undefined);
  }

  forgetLost(): void {
    void this.#try((api) => api.forgetLost());
  }

  #onChanged(keys: string[]): void {
    countUnread(this.unread);
    if (this.open !== undefined && keys.includes(this.open)) void this.#load();
    this.#host.changed();
  }

  #forgetThread(): void {
    this.#version += 1;
    this.thread = [];
    this.more = false;
    this.loaded = undefined;
  }

  /** Reads the thread anew, from the first message that is shown. */
  async #load(): Promise<void> {
    const { api, open: key } = this;
    if (!api?.usable || key === undefined) return;
    const version = (this.#version += 1);
    const first = this.#firstOf(key);
    const page = await api.thread(key, first === undefined ? this.#firstRange(api, key) : { from: first }).catch(() => undefined);
    // Something newer is on its way.
    if (!page || version !== this.#version) return;
    // What is before was loaded meanwhile: it stays.
    if (first !== this.#firstOf(key)) return this.#load();
    if (this.loaded !== key) {
      const { read = 0, seq = 0 } = api.conversation(key) ?? {};
      [this.readBefore, this.endBefore] = [read, seq];
    }
    this.thread = page.messages;
    this.more = page.more;
    this.loaded = key;
    this.#host.changed();
  }

  /** The first message of a conversation that is loaded and has its place. */
  #firstOf(key: string): number | undefined {
    return this.loaded === key ? this.thread.find(({ seq }) => seq !== undefined)?.seq : undefined;
  }

  /** What is loaded when a conversation is opened: its end, or from where one has not read it. */
  #firstRange(api: MessagesApi, key: string): { from: number } | { limit: number } {
    const { unread = 0, read = 0 } = api.conversation(key) ?? {};
    const all = unread > PAGE - BEFORE_UNREAD && unread <= UNREAD_LOADED_MAX;
    return all ? { from: Math.max(1, read + 1 - BEFORE_UNREAD) } : { limit: PAGE };
  }

  async #try(attempt: (api: MessagesApi) => Promise<void>): Promise<boolean> {
    const { api } = this;
    if (!api) return false;
    try {
      await attempt(api);
      return true;
    } catch (error) {
      if (!(error instanceof TertuliaError)) throw error;
      this.#host.toast(sayNotKept(error), "bad");
      return false;
    }
  }
}
