// The server's side of messages, as one device of Ana's sees it: a mailbox, names that are known again, and a fate that can
// end the page between any two steps.

import { webcrypto } from "node:crypto";
import { IDBKeyRange } from "fake-indexeddb";
import type { ClientFrame, ErrorBody, ErrorCode, MessageSend, ServerFrame, UploadLimits } from "../src/proto.js";
import { ERROR_CLASSES } from "../src/proto.js";
import type { MailboxFrame, MessageStore } from "../src/messages/store.js";
import { connect, type Client, type ConnectOptions, type Content, type Receipts } from "../src/index.js";
import { FakeSocket, welcome } from "./fakes.js";

Object.assign(globalThis, { IDBKeyRange });
// Node 18 has it under another name only.
if (!("crypto" in globalThis)) Object.assign(globalThis, { crypto: webcrypto });

/** A page's life: it ends at a step that is set beforehand, and nothing of it happens any more. */
export class Fate {
  dead = false;
  steps = 0;
  readonly #at: number;

  constructor(at = Infinity) {
    this.#at = at;
  }

  /** Whether the page is still there after one more step. */
  step(): boolean {
    if (this.dead) return false;
    this.steps += 1;
    if (this.steps >= this.#at) this.dead = true;
    return !this.dead;
  }
}

const never = new Promise<never>(() => undefined);

/** The store of a page with a fate: it may end before each call, and between its end and its answer. */
export function fated(fate: Fate): (store: MessageStore) => MessageStore {
  return (store) =>
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name === "close" || name === "erase") return value.bind(target) as unknown;
        return async (...words: unknown[]) => {
          if (!fate.step()) return never;
          const answer: unknown = await Reflect.apply(value, target, words);
          return fate.step() ? answer : never;
        };
      },
    });
}

/** Sockets of one page. What it sends and gets are steps of its life. */
class Line extends FakeSocket {
  constructor(
    readonly relay: Relay,
    readonly fate: Fate,
  ) {
    super();
  }

  override send(data: string): void {
    if (this.closed || !this.fate.step()) return;
    super.send(data);
    const frame = JSON.parse(data) as ClientFrame;
    // As from a network: later, in order.
    setTimeout(() => this.relay.hear(this, frame));
  }

  override receive(frame: ServerFrame): void {
    if (!this.closed && this.fate.step()) super.receive(frame);
  }
}

function refusal(code: ErrorCode): ErrorBody {
  return { code, class: ERROR_CLASSES[code], message: code, retry_after_ms: 1 };
}

type Given = MailboxFrame & { seq: number };

/** What the server keeps, for Ana's device. */
export class Relay {
  /** Texts in the order in which the server took them, by whom they are for. */
  readonly taken: { to: string; text: string }[] = [];
  readonly lines: Line[] = [];
  acknowledged = 0;
  /** Answers to give instead, once each. */
  readonly refusals: (ErrorCode | "silence")[] = [];
  /** Answers to what is read to give instead, once each. */
  readonly refusedReads: ErrorCode[] = [];
  /** Places up to which Ana has read. */
  readonly read = new Map<string, number>();
  resumes = false;
  /** The most sends that waited for an answer at once. */
  unanswered = 0;
  /** Texts that were posted to Ana's device. */
  readonly given: string[] = [];
  /** There is room for this device's mailbox. */
  opens = true;
  /** What it takes of files; absent: none. */
  uploads: UploadLimits | undefined;
  /** Answers only when told to. */
  slow = false;
  #waiting: (() => void)[] = [];
  #position = 0;
  #mailbox: Given[] = [];
  readonly #known = new Map<string, { conversation: string; conversation_seq: number; sent_at: number }>();
  readonly #places = new Map<string, number>();

  /** The page of a device. */
  page(factory: IDBFactory, fate = new Fate(), changes: Partial<ConnectOptions> = {}): Client {
    return connect({
      url: "http://test",
      token: "t",
      deviceId: "ana-1",
      messages: { userId: "ana", factory, wrap: fated(fate), receiptsAckMs: 5 },
      openSocket: () => {
        const line = new Line(this, fate);
        this.lines.push(line);
        queueMicrotask(() => line.onopen?.(undefined as never));
        return line;
      },
      ...changes,
    });
  }

  get line(): Line {
    return this.lines.at(-1)!;
  }

  get waiting(): number {
    return this.#mailbox.length;
  }

  /** Somebody writes to Ana, or she does on another device. */
  post(from: string, text: string, to = "ana"): number {
    this.given.push(text);
    return this.say(from, { type: "text", text }, to);
  }

  /** The same, whatever it says. */
  say(from: string, content: Content, to = "ana"): number {
    const conversation = `c-${from === "ana" ? to : from}`;
    const conversation_seq = this.#place(conversation);
    const frame = { conversation, conversation_seq, from, to: { user: to }, sent_at: Date.now(), content };
    this.#give({ type: "message", seq: 0, ...frame } as Given);
    return conversation_seq;
  }

  /** An entry of a group, at its place. */
  postTo(group: string, from: string, content: Content, conversation_seq: number): void {
    const frame = { conversation: group, conversation_seq, from, to: { group }, sent_at: Date.now(), content };
    this.#places.set(group, conversation_seq);
    this.#give({ type: "message", seq: 0, ...frame });
  }

  /** The last place of a conversation. */
  placeOf(conversation: string): number {
    return this.#places.get(conversation) ?? 0;
  }

  receipts(user: string, conversation: string, delivered: number, read: number, all?: Receipts["all"]): void {
    const receipts = [{ user, delivered_upto: delivered, read_upto: read }];
    this.#give({ type: "receipts", seq: 0, conversation, receipts, ...(all && { all }) });
  }

  gap(): void {
    this.#give({ type: "gap", seq: 0, reason: "expired" });
  }

  /** Lets one send be answered. */
  answerOne(): void {
    this.#waiting.shift()?.();
  }

  hear(line: Line, frame: ClientFrame): void {
    if (line.closed) return;
    switch (frame.type) {
      case "hello": {
        const resumed = this.resumes && frame.resume !== undefined;
        line.receive(welcome({ resumed, now: Date.now(), ...(this.uploads && { uploads: this.uploads }) }));
        if (!frame.caps.messages || resumed) return;
        if (!this.opens) {
          const error = { code: "too_many", class: ERROR_CLASSES.too_many, message: "No." } as const;
          line.receive({ type: "error", error });
          return;
        }
        for (const waiting of this.#mailbox) line.receive(waiting as ServerFrame);
        line.receive({ type: "drained", seq: this.#position });
        return;
      }
      case "message.send":
        this.#waiting.push(() => this.#send(line, frame));
        this.unanswered = Math.max(this.unanswered, this.#waiting.length);
        if (!this.slow) this.answerOne();
        return;
      case "message.read": {
        const refused = this.refusedReads.shift();
        if (refused) {
          line.receive({ type: "error", id: frame.id, error: refusal(refused) });
          return;
        }
        this.read.set(frame.conversation, Math.max(frame.read_upto, this.read.get(frame.conversation) ?? 0));
        line.receive({ type: "ok", id: frame.id });
        return;
      }
      case "mailbox.ack":
        if (frame.seq > this.#position) throw new Error("acknowledged what was not handed out");
        this.acknowledged = Math.max(this.acknowledged, frame.seq);
        this.#mailbox = this.#mailbox.filter(({ seq }) => seq > frame.seq);
        return;
      default:
    }
  }

  #send(line: Line, { id, client_id, to, content }: MessageSend): void {
    const refused = this.refusals.shift();
    if (refused === "silence") {
      line.break();
      return;
    }
    if (refused) {
      line.receive({ type: "error", id, error: refusal(refused) });
      return;
    }
    const user = Object.values(to)[0] ?? "";
    const conversation = "user" in to ? `c-${user}` : user;
    const before = this.#known.get(client_id);
    const message = before ?? { conversation, conversation_seq: this.#place(conversation), sent_at: Date.now() };
    if (!before) {
      this.#known.set(client_id, message);
      this.taken.push({ to: user, text: content.type === "text" ? content.text : JSON.stringify(content) });
    }
    line.receive({ type: "ok", id, message: { ...message, ...(before && { duplicate: true }) } });
  }

  #place(conversation: string): number {
    const place = (this.#places.get(conversation) ?? 0) + 1;
    this.#places.set(conversation, place);
    return place;
  }

  #give(frame: Given): void {
    this.#position += 1;
    frame.seq = this.#position;
    this.#mailbox.push(frame);
    const line = this.lines.at(-1);
    if (line && !line.closed && line.of("hello").length > 0) line.receive(frame as ServerFrame);
  }
}
