// What a conversation says of a call, for the one who placed it and for the one who was called.

import { isMissedCall, type Content } from "@tertulia/sdk";

export type CallContent = Extract<Content, { type: "call" }>;

/** `Video call, 3 min`, `Missed voice call`, `No answer`. `own`: this person has placed it. */
export function sayCall(call: CallContent, own: boolean): string {
  const kind = call.media === "video" ? "video call" : "voice call";
  if (call.duration_ms !== undefined) return capital(`${kind}, ${sayLength(call.duration_ms)}`);
  if (!own) return isMissedCall(call) ? `Missed ${kind}` : `Declined ${kind}`;
  switch (call.outcome) {
    case "declined":
      return capital(`${kind}, declined`);
    case "busy":
      return capital(`${kind}, busy`);
    case "cancelled":
      return capital(`${kind}, given up`);
    case "failed":
    case "lost":
      return capital(`${kind}, no connection`);
    default:
      return capital(`${kind}, no answer`);
  }
}

/** `12 s`, `3 min`, `1 h 5 min`. */
export function sayLength(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return rest === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
