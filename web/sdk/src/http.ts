// The HTTP calls of the server that a client needs.

import { TertuliaError } from "./errors.js";
import type { CallHistory, DemoPeople, DemoSignedIn, WireError } from "./proto.js";

/** Signs in by name. Only demo servers know this; others answer `not_found` or `forbidden`. */
export function demoSignIn(server: string, name: string): Promise<DemoSignedIn> {
  const body = JSON.stringify({ name });
  return ask(server, "/v1/demo/sign-in", { method: "POST", headers: { "content-type": "application/json" }, body });
}

/** Everyone who has signed in to a demo server. */
export function demoPeople(server: string, token: string): Promise<DemoPeople> {
  return ask(server, "/v1/demo/people", bearer(token));
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
  return ask(server, `/v1/calls${text && `?${text}`}`, bearer(token));
}

function bearer(token: string): RequestInit {
  return { headers: { authorization: `Bearer ${token}` } };
}

async function ask<T>(server: string, path: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(new URL(path, server), init);
  } catch {
    throw TertuliaError.local("unreachable");
  }
  const body = (await response.json().catch(() => undefined)) as T | Partial<WireError> | undefined;
  if (response.ok && body !== undefined) return body as T;
  const error = (body as Partial<WireError> | undefined)?.error;
  if (error) throw new TertuliaError(error);
  throw response.status === 404 ? TertuliaError.of("not_found") : TertuliaError.local("unreachable");
}
