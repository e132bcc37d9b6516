// One signalling session over as many sockets as it takes.
//
// Invariant: every request is answered exactly once, to the caller's promise, and handled at most once by the server.
// Both sides count: we the frames we have received (all but `welcome` and `ping`), the server the request ids it has
// handled. After a lost socket `hello.resume.received` and `welcome.last_request` tell each other where to go on.

import { Backoff } from "./backoff.js";
import { Emitter } from "./emitter.js";
import { TertuliaError } from "./errors.js";
import { onNetworkChange, onPageLeft } from "./network.js";
import {
  CLOSE_CODES,
  SUBPROTOCOLS,
  type ClientFrame,
  type ErrorBody,
  type Hello,
  type OkFrame,
  type ServerFrame,
  type Welcome,
} from "./proto.js";

type Requests = Extract<ClientFrame, { id: number }>;
type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
/** A request as its sender writes it; the session numbers it. */
export type Request = WithoutId<Requests>;

/** Of a WebSocket, what the session uses. Tests bring their own. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export type Token = string | ((last: ErrorBody | undefined) => string | Promise<string>);

export interface SessionOptions {
  /** `ws:` or `wss:`, with the path. */
  url: string;
  /** A token, or where to get a fresh one. It is asked for each time a socket opens, with the error if the last one failed. */
  token: Token;
  deviceId?: string | undefined;
  rings: boolean;
  callWaiting: boolean;
  openSocket?: (url: string, protocol: string) => Socket;
  random?: () => number;
}

export type SessionState = "connecting" | "online" | "reconnecting" | "closed";

export type CloseCause =
  /** `close()` was called. */
  | { why: "closed" }
  /** Another socket has taken this device's place. */
  | { why: "displaced" }
  /** This device's access has ended: it was unlinked, or the account is gone. Its token is good no more. */
  | { why: "revoked" }
  /** The server refuses this token, this client, or this behaviour. */
  | { why: "refused"; error: ErrorBody | undefined; code: number };

export interface SessionEvents {
  state: SessionState;
  welcome: Welcome;
  frame: ServerFrame;
  closed: CloseCause;
}

interface Pending {
  id: number;
  request: Request;
  sent: boolean;
  resolve: (ok: OkFrame) => void;
  reject: (error: TertuliaError) => void;
}

/** Time for a socket to open and be welcomed. Raising it delays the next try, lowering it gives up on slow networks. */
const WELCOME_TIMEOUT_MS = 10_000;
/** Received frames after which we say so unasked. Raising it makes the server keep more for a resume. */
const ACK_EVERY = 32;
/** Until the server has named its own. */
const HEARTBEAT_DEFAULT_S = 15;
/** Tells the server to forget the session (RFC 6455 §7.4.1, normal closure). */
const SESSION_DONE = 1000;
/** Requests that may be sent again in a new session, because handling them twice is the same as once. */
const REPEATABLE = new Set(["call.ringing", "call.accept", "call.decline", "call.cancel", "call.hangup", "call.media"]);

export class Session extends Emitter<SessionEvents> {
  readonly #options: SessionOptions;
  readonly #backoff: Backoff;
  readonly #unlisten: (() => void)[];
  #state: SessionState = "connecting";
  #socket: Socket | undefined;
  #welcome: Welcome | undefined;
  #received = 0;
  #acked = 0;
  #nextId = 1;
  #pending: Pending[] = [];
  #lastError: ErrorBody | undefined;
  #reauthed = false;
  #welcomed = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #drain: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SessionOptions) {
    super();
    this.#options = options;
    this.#backoff = new Backoff(undefined, options.random);
    const moved = onNetworkChange((changed) => {
      if (changed && this.#state === "online") this.#moveNow();
      else this.#retryNow();
    });
    // A page that cannot ring must not look as if it could.
    const left = onPageLeft(
      () => this.#drop(),
      () => this.#retryNow(),
    );
    this.#unlisten = [moved, left];
    queueMicrotask(() => void this.#open());
  }

  get state(): SessionState {
    return this.#state;
  }

  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  /** Asks the server. While the socket is gone the request waits and is sent when it is back. */
  request(request: Request): Promise<OkFrame> {
    if (this.#state === "closed") return Promise.reject(TertuliaError.local("closed"));
    return new Promise((resolve, reject) => {
      const pending = { id: this.#nextId++, request, sent: false, resolve, reject };
      this.#pending.push(pending);
      if (this.#state === "online") this.#sendPending(pending);
    });
  }

  /** Ends the session for good. Frames already given to the socket are still sent. */
  close(): void {
    this.#end({ why: "closed" });
  }

  async #open(): Promise<void> {
    let token: string;
    try {
      const source = this.#options.token;
      token = typeof source === "string" ? source : await source(this.#lastError);
    } catch {
      if (this.#state !== "closed") this.#again();
      return;
    }
    if (this.#state === "closed") return;
    const open = this.#options.openSocket ?? ((url, protocol) => new WebSocket(url, protocol) as Socket);
    const socket = open(this.#options.url, SUBPROTOCOLS.json);
    this.#socket = socket;
    this.#welcomed = false;
    this.#lastError = undefined;
    this.#watch(WELCOME_TIMEOUT_MS);
    socket.onopen = () => this.#send(this.#hello(token));
    socket.onmessage = (event) => {
      if (socket === this.#socket && typeof event.data === "string") this.#onFrame(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#onClose(event.code);
    };
  }

  #hello(token: string): ClientFrame {
    const { rings, callWaiting } = this.#options;
    const hello: Hello = { token, caps: { rings, call_waiting: callWaiting } };
    const device = this.#options.deviceId ?? this.#welcome?.device_id;
    if (device !== undefined) hello.device_id = device;
    if (this.#welcome) {
      hello.resume = { session: this.#welcome.session, secret: this.#welcome.secret, received: this.#received };
    }
    return { type: "hello", ...hello };
  }

  #onFrame(data: string): void {
    this.#watch((this.#welcome?.heartbeat_s ?? HEARTBEAT_DEFAULT_S) * 2000);
    let frame: ServerFrame;
    try {
      frame = JSON.parse(data) as ServerFrame;
    } catch {
      this.#drop();
      return;
    }
    if (frame.type === "welcome") {
      this.#onWelcome(frame);
      return;
    }
    if (!this.#welcomed) {
      // Only a refusal can come before the welcome. It belongs to the socket, not to the session.
      if (frame.type === "error") this.#lastError = frame.error;
      return;
    }
    if (frame.type === "ping") {
      this.#acked = this.#received;
      this.#send({ type: "pong", received: this.#received });
      return;
    }
    this.#received += 1;
    if (this.#received - this.#acked >= ACK_EVERY) {
      this.#acked = this.#received;
      this.#send({ type: "ack", received: this.#received });
    }
    this.#dispatch(frame);
  }

  #dispatch(frame: ServerFrame): void {
    switch (frame.type) {
      case "ok":
        this.#take(frame.id)?.resolve(frame);
        return;
      case "error":
        if (frame.id === undefined) this.#lastError = frame.error;
        else this.#take(frame.id)?.reject(new TertuliaError(frame.error));
        return;
      case "drain":
        this.#moveBefore(frame.deadline_ms);
        return;
      case "displaced":
        this.#end({ why: "displaced" });
        return;
      default:
        this.emit("frame", frame);
    }
  }

  #onWelcome(welcome: Welcome): void {
    this.#welcome = welcome;
    this.#welcomed = true;
    this.#backoff.reset();
    this.#reauthed = false;
    if (welcome.resumed) {
      for (const pending of this.#pending) pending.sent = pending.sent && pending.id <= welcome.last_request;
    } else {
      this.#received = 0;
      this.#acked = 0;
      this.#renumber();
    }
    // Before anyone hears of it: what a listener asks for gets higher ids, and ids must rise on the wire.
    for (const pending of this.#pending) {
      if (!pending.sent) this.#sendPending(pending);
    }
    this.#setState("online");
    this.emit("welcome", welcome);
  }

  /** A new session counts from one. What may have been done already and must not be done twice is given up. */
  #renumber(): void {
    const old = this.#pending;
    this.#pending = [];
    this.#nextId = 1;
    for (const pending of old) {
      if (pending.sent && !REPEATABLE.has(pending.request.type)) {
        pending.reject(TertuliaError.local("session_lost"));
      } else {
        this.#pending.push({ ...pending, id: this.#nextId++, sent: false });
      }
    }
  }

  #onClose(code: number): void {
    if (code === CLOSE_CODES.displaced) {
      this.#end({ why: "displaced" });
    } else if (code === CLOSE_CODES.revoked) {
      this.#end({ why: "revoked" });
    } else if (code === CLOSE_CODES.unauthenticated && typeof this.#options.token === "function" && !this.#reauthed) {
      // The token has expired: one fresh one is worth a try.
      this.#reauthed = true;
      this.#again();
    } else if (code >= 4500 && code <= 4999) {
      this.#end({ why: "refused", error: this.#lastError, code });
    } else {
      if (code === CLOSE_CODES.busy) this.#backoff.slow();
      this.#again();
    }
  }

  #again(): void {
    this.#dropSocket();
    this.#setState("reconnecting");
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.#open();
    }, this.#backoff.next());
  }

  /** There is a network again, or someone looks: waiting longer makes no sense. */
  #retryNow(): void {
    if (this.#retry === undefined) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#backoff.reset();
    void this.#open();
  }

  /** The network is another one. The old socket may look alive for half a minute; a resume costs a round trip. */
  #moveNow(): void {
    this.#again();
    this.#retryNow();
  }

  /** Moves to another socket at some moment before the deadline, not all clients at once. */
  #moveBefore(deadlineMs: number): void {
    clearTimeout(this.#drain);
    const wait = (this.#options.random ?? Math.random)() * deadlineMs * 0.8;
    this.#drain = setTimeout(() => this.#drop(), wait);
  }

  #drop(): void {
    if (this.#state !== "closed") this.#again();
  }

  #watch(ms: number): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#drop(), ms);
  }

  /** Without a code the server keeps the session for a resume. */
  #dropSocket(code?: number): void {
    clearTimeout(this.#watchdog);
    clearTimeout(this.#retry);
    clearTimeout(this.#drain);
    this.#retry = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    try {
      socket.close(code);
    } catch {
      // It is closed already.
    }
  }

  #end(cause: CloseCause): void {
    if (this.#state === "closed") return;
    this.#dropSocket(cause.why === "closed" ? SESSION_DONE : undefined);
    for (const unlisten of this.#unlisten) unlisten();
    this.#setState("closed");
    for (const pending of this.#pending.splice(0)) pending.reject(TertuliaError.local("closed"));
    this.emit("closed", cause);
  }

  #sendPending(pending: Pending): void {
    pending.sent = true;
    this.#send({ ...pending.request, id: pending.id } as ClientFrame);
  }

  #send(frame: ClientFrame): void {
    try {
      this.#socket?.send(JSON.stringify(frame));
    } catch {
      // The socket is closing; `onclose` follows, and the request is sent again after the resume.
    }
  }

  #take(id: number): Pending | undefined {
    const at = this.#pending.findIndex((pending) => pending.id === id);
    return at < 0 ? undefined : this.#pending.splice(at, 1)[0];
  }

  #setState(state: SessionState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", state);
  }
}
