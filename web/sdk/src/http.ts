// The HTTP calls of the server that a client needs, but those of accounts.

import { TertuliaError } from "./errors.js";
import type { CallHistory, CallRecord, DemoPeople, DemoSignedIn, IceServers, ServerInfo, WireError } from "./proto.js";

/** What a client must know before it signs in: which ways there are. */
export function serverInfo(server: string): Promise<ServerInfo> {
  return ask(server, "GET", "/v1/server");
}

/** Signs in by name. Only demo servers know this; others answer `not_found` or `forbidden`. */
export function demoSignIn(server: string, name: string): Promise<DemoSignedIn> {
  return ask(server, "POST", "/v1/demo/sign-in", { body: { name } });
}

/** Everyone who has signed in to a demo server. */
export function demoPeople(server: string, token: string): Promise<DemoPeople> {
  return ask(server, "GET", "/v1/demo/people", { token });
}

/** A page of this user's calls, newest first; `before` is the `next` of the page before. */
export function callHistory(
  server: string,
  token: string,
  page: { before?: string | undefined; limit?: number } = {},
): Promise<CallHistory> {
  const query = new URLSearchParams();
  if (page.before !== undefined) query.set("before", page.before);
  if (page.limit !== undefined) query.set("limit", String(page.limit));
  const text = query.toString();
  return ask(server, "GET", `/v1/calls${text && `?${text}`}`, { token });
}

/** One of this user's calls, with everybody who was in it. */
export function callRecord(server: string, token: string, callId: string): Promise<CallRecord> {
  return ask(server, "GET", `/v1/calls/${encodeURIComponent(callId)}`, { token });
}

/** STUN and TURN servers, with credentials made now. */
export function iceServers(server: string, token: string, signal?: AbortSignal): Promise<IceServers> {
  return ask(server, "GET", "/v1/ice-servers", { token, signal });
}

/** Gives the token for a call; `refused` says that the last one was not taken, and why. */
export type Bearer = (refused?: TertuliaError) => string | Promise<string>;

/** Does something with a token; where that has expired, once more with a fresh one. */
export async function withToken<T>(bearer: Bearer, act: (token: string) => Promise<T>): Promise<T> {
  const token = await bearer();
  try {
    return await act(token);
  } catch (error) {
    if (!(error instanceof TertuliaError) || error.class !== "reauth") throw error;
    const fresh = await bearer(error);
    if (fresh === token) throw error;
    return act(fresh);
  }
}

/** Asks as someone who is signed in. */
export function askAs<T>(bearer: Bearer, server: string, method: string, path: string, asking: Asking = {}): Promise<T> {
  return withToken(bearer, (token) => ask<T>(server, method, path, { ...asking, token }));
}

export interface Asking {
  token?: string;
  headers?: Record<string, string>;
  body?: object;
  signal?: AbortSignal | undefined;
}

/** One HTTP call. What comes back is the server's word; a refusal is thrown as `TertuliaError`, an abort as its reason. */
export async function ask<T>(server: string, method: string, path: string, asking: Asking = {}): Promise<T> {
  const { token, body: json, signal } = asking;
  const headers: Record<string, string> = { ...asking.headers };
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  const init: RequestInit = { method, headers };
  if (signal) init.signal = signal;
  if (json) {
    headers["content-type"] = "application/json";
    init.body = JSON.stringify(json);
  }
  let response: Response;
  let body: T | Partial<WireError> | undefined;
  try {
    response = await fetch(new URL(path, server), init);
    body = (await response.json().catch(() => undefined)) as typeof body;
    signal?.throwIfAborted();
  } catch {
    if (signal?.aborted) throw signal.reason;
    throw TertuliaError.local("unreachable");
  }
  // What is no JSON is no answer of ours, but where there is none to give.
  if (response.ok && (body !== undefined || response.status === 204)) return body as T;
  throw refusal(response.status, body);
}

/** Fetches bytes as someone who is signed in. */
export function blobAs(bearer: Bearer, server: string, path: string, asking: Pick<Asking, "headers" | "signal"> = {}): Promise<Blob> {
  const { signal } = asking;
  return withToken(bearer, async (token) => {
    const headers = { ...asking.headers, authorization: `Bearer ${token}` };
    try {
      const response = await fetch(new URL(path, server), { headers, ...(signal && { signal }) });
      if (response.ok) return await response.blob();
      throw refusal(response.status, await response.json().catch(() => undefined));
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof TertuliaError ? error : TertuliaError.local("unreachable");
    }
  });
}

/** What an answer that is none of success says. */
export function refusal(status: number, body: unknown): TertuliaError {
  const error = (body as Partial<WireError> | undefined)?.error;
  if (error) return new TertuliaError(error);
  // Answers to HEAD have no body.
  if (status === 401) return TertuliaError.of("token_expired");
  return status === 404 || status === 410 ? TertuliaError.of("not_found") : TertuliaError.local("unreachable");
}

/** Rejects with the signal's reason if that comes first. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, ms));
    const aborted = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** The same address by another protocol. */
export function withProtocol(url: URL, protocol: string): string {
  // The setter of `protocol` refuses to go from `http` to `ws`.
  return protocol + url.href.slice(url.protocol.length);
}
