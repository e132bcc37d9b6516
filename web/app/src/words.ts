// What the app says to people, in words. Nothing here knows the page.

import type { Call, Ended, MediaProblem, TertuliaError } from "@tertulia/sdk";

/** `2:05`, `1:02:05`. */
export function clock(ms: number): string {
  const all = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** `14:05`, `yesterday`, `Tue`, `3 Mar`: as short as it can be understood. */
export function when(at: number, now = Date.now()): string {
  const date = new Date(at);
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  const days = Math.ceil((midnight.getTime() - at) / 86_400_000);
  if (days <= 0) return date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  if (days === 1) return "yesterday";
  if (days < 7) return date.toLocaleDateString(undefined, { weekday: "long" });
  return date.toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

/** `just now`, `5 minutes ago`, `yesterday`, `3 Mar`. */
export function ago(at: number, now = Date.now()): string {
  const minutes = Math.floor((now - at) / 60_000);
  const of = (n: number, unit: string) => `${n} ${unit}${n === 1 ? "" : "s"} ago`;
  if (minutes < 1) return "just now";
  if (minutes < 60) return of(minutes, "minute");
  if (minutes < 12 * 60) return of(Math.floor(minutes / 60), "hour");
  return when(at, now);
}

/** `40 seconds`, `12 minutes`, `2 hours`: how long to wait, never less than it is. */
export function sayWait(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  const of = (n: number, unit: string) => `${n} ${unit}${n === 1 ? "" : "s"}`;
  if (seconds < 90) return of(seconds, "second");
  if (seconds < 90 * 60) return of(Math.ceil(seconds / 60), "minute");
  return of(Math.ceil(seconds / 3600), "hour");
}

/** `until 17:30`, `until tomorrow, 8:00`, `until Friday, 8:00`, or until one turns it off. */
export function sayUntil(at: number, forEver: number, now = Date.now()): string {
  if (at >= forEver) return "until you turn it off";
  const date = new Date(at);
  const days = daysUntil(at, now);
  const time = date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  if (days <= 0) return `until ${time}`;
  if (days === 1) return `until tomorrow, ${time}`;
  if (days < 7) return `until ${date.toLocaleDateString(undefined, { weekday: "long" })}, ${time}`;
  return `until ${date.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" })}`;
}

/** Midnights between now and then. A day may have 23 hours, or 25. */
function daysUntil(at: number, now: number): number {
  return Math.round((new Date(at).setHours(0, 0, 0, 0) - new Date(now).setHours(0, 0, 0, 0)) / 86_400_000);
}

/** The same for a narrow header: `17:30`, `tomorrow`, `Friday`, `on`. */
export function sayUntilBriefly(at: number, forEver: number, now = Date.now()): string {
  if (at >= forEver) return "on";
  const date = new Date(at);
  const days = daysUntil(at, now);
  if (days <= 0) return date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  if (days === 1) return "tomorrow";
  if (days < 7) return date.toLocaleDateString(undefined, { weekday: "long" });
  return date.toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

/** The next time that it is this hour, tomorrow at the earliest. */
export function tomorrowAt(hour: number, now = Date.now()): number {
  const date = new Date(now);
  date.setDate(date.getDate() + 1);
  return date.setHours(hour, 0, 0, 0);
}

export interface Saying {
  text: string;
  tone: "plain" | "bad";
  /** Calling again makes sense. */
  again: boolean;
}

/** What is said when a call has ended; nothing where the person knows, having ended it. */
export function sayEnded(call: Pick<Call, "peer" | "direction" | "accepted">, ended: Ended): Saying | undefined {
  const who = call.peer.name;
  const plain = (text: string, again = false): Saying => ({ text, tone: "plain", again });
  const bad = (text: string, again = false): Saying => ({ text, tone: "bad", again });
  const outgoing = call.direction === "outgoing";
  switch (ended.reason) {
    case "hangup":
      return plain(`Call with ${who} ended · ${clock(ended.durationMs)}`);
    case "declined":
      return outgoing ? plain(`${who} declined the call`) : undefined;
    case "busy":
      return plain(`${who} is in another call`, true);
    case "cancelled":
      return outgoing ? undefined : plain(`You missed a call from ${who}`);
    case "missed":
      return outgoing ? plain(`${who} did not answer`, true) : plain(`You missed a call from ${who}`);
    case "answered_elsewhere":
      return plain("Answered on another device");
    case "declined_elsewhere":
      return plain("Declined on another device");
    case "lost":
      return bad(`The connection was lost · ${clock(ended.durationMs)}`, true);
    case "failed":
      if (!ended.error) return bad(`The call with ${who} could not be connected`, true);
      return bad(sayError(ended.error, who), MENDS_ITSELF.has(ended.error.class));
    case "handed_over":
      return plain("Continued on your other device");
    case "removed":
      return plain("You were taken out of the call");
    case "merged":
      return undefined;
  }
}

/** What may go better the next time. */
const MENDS_ITSELF = new Set<TertuliaError["class"]>(["retry", "retry_after", "resync", "limit", "internal"]);

export function sayError(error: TertuliaError, who: string): string {
  switch (error.code) {
    case "unknown_user":
      return `There is no one called “${who}” here`;
    case "call_self":
      return "You can’t call yourself";
    case "already_in_call":
      return "This device is already in a call";
    case "call_full":
      return "The call is full. Try again when somebody has left";
    case "server_full":
      return "The server is full. Try again in a while";
    case "rate_limited":
      return "Too many calls in a short time. Wait a moment";
    case "draining":
      return "The server is restarting. Try again in a moment";
    case "token_expired":
      return "Your sign-in has expired. Sign in again";
    case "token_invalid":
      return "Your sign-in is not valid any more. Sign in again";
    case "primary_only":
      return "Only your main device may do this: the one you signed in on by phone";
    case "account_only":
      return "This needs an account on this server";
    case "tls_required":
      return "This server is reached by https only. Open this page with https://";
    case "too_many_connections":
      return "You are signed in on too many devices";
    case "unreachable":
    case "session_lost":
      return "The server can’t be reached. Are you online?";
    default:
      return error.message.replace(/\.$/, "");
  }
}

const DEVICE = { mic: "microphone", camera: "camera", screen: "screen" } as const;

export function sayProblem(problem: Pick<MediaProblem, "source" | "reason">): string {
  const device = DEVICE[problem.source];
  switch (problem.reason) {
    case "denied":
      return `This page may not use your ${device}. Allow it in the browser’s site settings, then switch it on`;
    case "missing":
      return `No ${device} was found`;
    case "busy":
      return `Another program is using your ${device}`;
    case "insecure":
      return `Browsers open the ${device} on secure pages only. Open this page with https:// or on localhost`;
    case "lost":
      return `Your ${device} was disconnected`;
    case "failed":
      return problem.source === "screen" ? "The screen could not be shared" : `Your ${device} could not be opened`;
  }
}

/** What the call view says about where the call stands. */
export function sayState(
  call: Pick<Call, "state" | "direction" | "connection" | "peer"> & Partial<Pick<Call, "held" | "heldByOther">>,
): string {
  if (call.state === "active" && (call.held || call.heldByOther)) return "On hold";
  switch (call.state) {
    case "inviting":
    case "offered":
      return call.direction === "outgoing" ? "Calling…" : "Connecting…";
    case "ringing":
      return call.direction === "outgoing" ? "Ringing…" : "Connecting…";
    case "connecting":
      return "Connecting…";
    case "active":
      return call.connection === "new" ? "Connecting…" : call.connection === "down" ? "Reconnecting…" : "Connected";
    case "reconnecting":
      return call.connection === "up" ? `${call.peer.name} is reconnecting…` : "Reconnecting…";
    case "waiting":
      return "Waiting to be let in…";
    case "ended":
      return "Ended";
  }
}
