// One socket on its way: it asks for the token, opens, and is handed over when `hello` can be sent.
//
// Invariant: of `ready` and `failed` one is called, once, and neither after `cancel`.

import { SUBPROTOCOLS, type ErrorBody } from "./proto.js";

/** Of a WebSocket, what the session uses. Tests bring their own. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export type Token = string | ((last: ErrorBody | undefined) => string | Promise<string>);

export interface OpeningOptions {
  /** `ws:` or `wss:`, with the path. */
  url: string;
  /** A token, or where to get one. It is asked for each time a socket opens, with the error if the last one failed. */
  token: Token;
  openSocket?: (url: string, protocol: string) => Socket;
}

export interface OpeningEvents {
  ready: (socket: Socket, token: string) => void;
  /** With the close code, if the server said one. */
  failed: (code: number | undefined) => void;
}

export class Opening {
  readonly #events: OpeningEvents;
  readonly #timer: ReturnType<typeof setTimeout>;
  #socket: Socket | undefined;
  #over = false;

  constructor(options: OpeningOptions, last: ErrorBody | undefined, limitMs: number, events: OpeningEvents) {
    this.#events = events;
    this.#timer = setTimeout(() => this.#fail(undefined), limitMs);
    void this.#open(options, last);
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    if (this.#socket) discard(this.#socket);
  }

  async #open(options: OpeningOptions, last: ErrorBody | undefined): Promise<void> {
    let token: string;
    let socket: Socket;
    try {
      token = typeof options.token === "string" ? options.token : await options.token(last);
      if (this.#over) return;
      const open = options.openSocket ?? ((url, protocol) => new WebSocket(url, protocol) as Socket);
      socket = this.#socket = open(options.url, SUBPROTOCOLS.json);
    } catch {
      this.#fail(undefined);
      return;
    }
    socket.onopen = () => {
      if (this.#over) return;
      this.#over = true;
      clearTimeout(this.#timer);
      this.#events.ready(socket, token);
    };
    socket.onclose = (event) => this.#fail(event.code);
  }

  #fail(code: number | undefined): void {
    if (this.#over) return;
    this.cancel();
    this.#events.failed(code);
  }
}

/** Closes it, and hears no more of it. Without a code the server keeps the session for a resume. */
export function discard(socket: Socket, code?: number): void {
  socket.onopen = socket.onmessage = socket.onclose = null;
  try {
    socket.close(code);
  } catch {
    // It is closed already.
  }
}
