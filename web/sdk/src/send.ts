// One HTTP request whose body may be large: how much of it has gone is told, and one that stands still is ended.
//
// By XMLHttpRequest where there is one, for `fetch` says nothing while it sends; elsewhere by `fetch`.

import { TertuliaError } from "./errors.js";

/** Nothing has moved for this long: the network is gone. Lowering it cuts off bad networks, raising it delays the next try. */
const STALL_MS = 30_000;

export interface Sending {
  method: string;
  url: URL;
  headers: Record<string, string>;
  body?: Blob;
  signal?: AbortSignal | undefined;
  /** Bytes of the body that have left. */
  progress?: (sent: number) => void;
}

export interface Answer {
  status: number;
  header: (name: string) => string | null;
  /** JSON, if it is any. */
  body: unknown;
}

/** Rejects with `unreachable`, `file_unreadable`, or the signal's reason. */
export async function send(sending: Sending): Promise<Answer> {
  sending.signal?.throwIfAborted();
  try {
    const byXhr = sending.body !== undefined && typeof XMLHttpRequest !== "undefined";
    return await (byXhr ? sendByXhr(sending) : sendByFetch(sending));
  } catch (error) {
    if (sending.signal?.aborted) throw sending.signal.reason;
    // A file that was moved or changed since it was chosen breaks the request as a lost network does.
    await sending.body?.slice(0, 1).arrayBuffer().catch(() => {
      throw TertuliaError.local("file_unreadable");
    });
    throw error instanceof TertuliaError ? error : TertuliaError.local("unreachable");
  }
}

async function sendByFetch({ method, url, headers, body, signal, progress }: Sending): Promise<Answer> {
  const init: RequestInit = { method, headers };
  if (body) init.body = body;
  if (signal) init.signal = signal;
  const response = await fetch(url, init);
  const text = await response.text();
  if (body && response.ok) progress?.(body.size);
  return { status: response.status, header: (name) => response.headers.get(name), body: parsed(text) };
}

function sendByXhr({ method, url, headers, body, signal, progress }: Sending): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const moves = () => {
      clearTimeout(timer);
      timer = setTimeout(() => xhr.abort(), STALL_MS);
    };
    const aborted = () => xhr.abort();
    const over = (settle: () => void) => () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      settle();
    };
    const lost = over(() => reject(TertuliaError.local("unreachable")));
    xhr.open(method, url.href);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => {
      moves();
      progress?.(event.loaded);
    };
    // What follows is the server's time to think.
    xhr.upload.onload = moves;
    xhr.onload = over(() => {
      resolve({ status: xhr.status, header: (name) => xhr.getResponseHeader(name), body: parsed(xhr.responseText) });
    });
    xhr.onerror = lost;
    xhr.onabort = lost;
    signal?.addEventListener("abort", aborted);
    moves();
    xhr.send(body);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
