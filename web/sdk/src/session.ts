// One signalling session over as many sockets as it takes.
//
// Invariant: every request is answered exactly once, to the caller's promise, and handled at most once by the server.
// Both sides count: we the frames we have received (all but `welcome`, `ping`, `presence` and `typing`), the server the request ids it has
// handled. After a lost socket `hello.resume.received` and `welcome.last_request` tell each other where to go on.

import { Backoff } from "./backoff.js";
import { Emitter } from "./emitter.js";
import { TertuliaError } from "./errors.js";
import { onNetworkChange, onPageLeft, onWake } from "./network.js";
import { discard, Opening, type OpeningOptions, type Socket } from "./opening.js";
import {
  CLOSE_CODES,
  type ClientFrame,
  type ErrorBody,
  type Hello,
  type MailboxAck,
  type OkFrame,
  type ServerFrame,
  type Welcome,
} from "./proto.js";

type Requests = Extract<ClientFrame, { id: number }>;
type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
/** A request as its sender writes it; the session numbers it. */
export type Request = WithoutId<Requests>;

export interface SessionOptions extends OpeningOptions {
  deviceId?: string | undefined;
  rings: boolean;
  callWaiting: boolean;
  /** Whether this device takes messages: asked when a socket says hello. */
  messages?: () => boolean;
  /** Whether a call is on: then waits are short. */
  urgent?: () => boolean;
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

/** Time for a socket to open: the first tries are short, a way that swallows packets is not worth waiting for. */
const OPEN_TIMEOUTS_MS = [4_000, 8_000, 10_000];
/** Time for `hello` to be answered. Raising it delays the next try, lowering it gives up on slow networks. */
const WELCOME_TIMEOUT_MS = 8_000;
/** A probe that is not answered by then condemns its socket. Raising it delays recovery, lowering it drops slow ones. */
const PROBE_MS = 500;
/** A probe usually settles it: another socket is opened beside the suspected one only if no answer came this soon. */
const SPARE_AFTER_MS = 150;
/** A session that was up for so long starts over with short waits. Sooner, the server may be closing every socket. */
const STABLE_MS = 5_000;
/** Received frames after which we say so unasked. Raising it makes the server keep more for a resume. */
const ACK_EVERY = 32;
/** Until the server has named its own. */
const HEARTBEAT_DEFAULT_S = 15;
/** Tells the server to forget the session (RFC 6455 §7.4.1, normal closure). */
const SESSION_DONE = 1000;
/** Requests that may be sent again in a new session, because handling them twice is the same as once. */
const REPEATABLE = new Set<Request["type"]>([
  "call.ringing",
  "call.accept",
  "call.decline",
  "call.cancel",
  "call.hangup",
  "call.media",
  "call.hold",
  "call.join",
  "message.send",
  "message.read",
  "probe",
]);

export class Session extends Emitter<SessionEvents> {
  readonly #options: SessionOptions;
  readonly #backoff: Backoff;
  readonly #unlisten: (() => void)[];
  #state: SessionState = "connecting";
  #socket: Socket | undefined;
  /** The next socket. The one before is heard until this one is open. */
  #opening: Opening | undefined;
  #welcome: Welcome | undefined;
  #received = 0;
  #acked = 0;
  #nextId = 1;
  #pending: Pending[] = [];
  #lastError: ErrorBody | undefined;
  #reauthed = false;
  #welcomed = false;
  #probing: ReturnType<typeof setTimeout>[] = [];
  #retry: ReturnType<typeof setTimeout> | undefined;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #drain: ReturnType<typeof setTimeout> | undefined;
  #stable: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SessionOptions) {
    super();
    this.#options = options;
    this.#backoff = new Backoff(undefined, options.random);
    const moved = onNetworkChange((changed) => (changed ? this.moved() : this.#retryNow()));
    // A page that cannot ring must not look as if it could.
    const left = onPageLeft(
      () => {
        this.#cancelOpening();
        this.#drop();
      },
      () => this.#retryNow(),
    );
    const woken = onWake(() => (this.#welcomed ? this.probe() : this.moved()));
    this.#unlisten = [moved, left, woken];
    queueMicrotask(() => this.#openNext());
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
      if (this.#welcomed) this.#sendPending(pending);
    });
  }

  /** Says something that has no answer, and how much was received with it. Without a socket it is lost. */
  tell(frame: { type: "mailbox.ack" } & MailboxAck): void {
    if (!this.#welcomed) return;
    this.#acked = this.#received;
    this.#send({ ...frame, received: this.#received });
  }

  /** Something is wrong with the network: asks whether the socket is alive, and replaces it soon if it does not answer. */
  probe(): void {
    this.#probe(SPARE_AFTER_MS);
  }

  /** The network is another one, or time has passed unseen: whatever was under way starts over. */
  moved(): void {
    if (this.#state === "closed") return;
    this.#backoff.reset();
    this.#cancelOpening();
    this.#stopProbing();
    if (this.#welcomed) {
      this.#probe(0);
    } else {
      this.#dropSocket();
      this.#openNext();
    }
  }

  /** Ends the session for good. Frames already given to the socket are still sent. */
  close(): void {
    this.#end({ why: "closed" });
  }

  /** Opens a socket. An older one stays until this one is open, so that nothing is missed meanwhile. */
  #openNext(): void {
    if (this.#state === "closed" || this.#opening) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const limit = OPEN_TIMEOUTS_MS[Math.min(this.#backoff.attempts, OPEN_TIMEOUTS_MS.length - 1)] ?? 0;
    this.#opening = new Opening(this.#options, this.#lastError, limit, {
      ready: (socket, token) => this.#attach(socket, token),
      failed: (code) => {
        this.#opening = undefined;
        // The older one may still be good; if it is not, its end comes here too.
        if (!this.#socket) this.#onClose(code ?? 0);
      },
    });
  }

  #attach(socket: Socket, token: string): void {
    this.#opening = undefined;
    this.#dropSocket();
    this.#socket = socket;
    this.#lastError = undefined;
    this.#watch(WELCOME_TIMEOUT_MS);
    socket.onmessage = (event) => {
      if (socket === this.#socket && typeof event.data === "string") this.#onFrame(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#onClose(event.code);
    };
    this.#send(this.#hello(token));
  }

  #probe(spareAfterMs: number): void {
    const socket = this.#socket;
    if (!this.#welcomed || this.#probing.length > 0 || !socket) return;
    const spare = setTimeout(() => this.#openNext(), spareAfterMs);
    const limit = setTimeout(() => this.#condemn(socket), PROBE_MS);
    this.#probing = [spare, limit];
    const alive = () => {
      // Answered by the next socket, it proves nothing of this one, which is gone.
      if (socket !== this.#socket || !this.#probing.includes(limit)) return;
      this.#stopProbing();
      this.#cancelOpening();
    };
    // A refusal is an answer, too.
    this.request({ type: "probe" }).then(alive, alive);
  }

  /** It does not answer: what is asked from now on waits for the next one. */
  #condemn(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#dropSocket();
    this.#setState("reconnecting");
    this.#openNext();
  }

  #cancelOpening(): void {
    this.#opening?.cancel();
    this.#opening = undefined;
  }

  #stopProbing(): void {
    for (const timer of this.#probing.splice(0)) clearTimeout(timer);
  }

  #hello(token: string): ClientFrame {
    const { rings, callWaiting } = this.#options;
    const messages = this.#options.messages?.() ?? false;
    const hello: Hello = { token, caps: { rings, call_waiting: callWaiting, messages } };
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
    if (frame.type === "presence" || frame.type === "typing") {
      // Of use only now: not kept for a resume, and not counted.
      this.emit("frame", frame);
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
        if (frame.id === undefined) {
          this.#lastError = frame.error;
          this.emit("frame", frame);
        } else this.#take(frame.id)?.reject(new TertuliaError(frame.error));
        return;
      case "drain":
        this.#moveBefore(frame.deadline_ms);
        this.emit("frame", frame);
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
    this.#stable = setTimeout(() => this.#backoff.reset(), STABLE_MS);
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
      // The frame that says so may not have made it in time.
      if (code === CLOSE_CODES.draining) this.emit("frame", { type: "drain", deadline_ms: 0 });
      this.#again();
    }
  }

  #again(): void {
    this.#dropSocket();
    this.#setState("reconnecting");
    if (this.#opening) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#openNext(), this.#backoff.next(this.#options.urgent?.()));
  }

  /** Someone looks: waiting longer makes no sense. */
  #retryNow(): void {
    if (this.#retry === undefined) return;
    this.#backoff.reset();
    this.#openNext();
  }

  /** Moves to another socket at some moment before the deadline, not all clients at once. */
  #moveBefore(deadlineMs: number): void {
    clearTimeout(this.#drain);
    const wait = (this.#options.random ?? Math.random)() * deadlineMs * 0.8;
    this.#drain = setTimeout(() => this.#openNext(), wait);
  }

  #drop(): void {
    if (this.#state !== "closed") this.#again();
  }

  #watch(ms: number): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#drop(), ms);
  }

  #dropSocket(code?: number): void {
    for (const timer of [this.#watchdog, this.#drain, this.#stable]) clearTimeout(timer);
    this.#stopProbing();
    this.#welcomed = false;
    if (this.#socket) discard(this.#socket, code);
    this.#socket = undefined;
  }

  #end(cause: CloseCause): void {
    if (this.#state === "closed") return;
    this.#dropSocket(cause.why === "closed" ? SESSION_DONE : undefined);
    clearTimeout(this.#retry);
    this.#cancelOpening();
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
