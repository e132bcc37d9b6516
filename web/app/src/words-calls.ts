// What a conversation says of a call, for the one who placed it and for those who were called.

import type { CallRecord, Content } from "@tertulia/sdk";
import { sayMembers } from "./words-chat.js";

export type CallContent = Extract<Content, { type: "call" }>;

/** `Video call, 3 min`, `Missed voice call`, `No answer`. `own`: this person has placed it; `missed`: they have missed it. */
export function sayCall(call: CallContent, own: boolean, missed: boolean): string {
  const kind = call.media === "video" ? "video call" : "voice call";
  if (call.group) return sayGroupCall(call, kind, own, missed);
  if (call.duration_ms !== undefined) return capital(`${kind}, ${sayLength(call.duration_ms)}`);
  if (!own) return missed ? `Missed ${kind}` : `Declined ${kind}`;
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

/** `Video call, 3 min, 4 people`. */
function sayGroupCall(call: CallContent, kind: string, own: boolean, missed: boolean): string {
  if (missed) return `Missed ${kind}`;
  if (call.duration_ms === undefined) return capital(own ? `${kind}, no answer` : `${kind}, nobody came`);
  return capital(`${kind}, ${sayLength(call.duration_ms)}, ${call.group?.people_count ?? 0} people`);
}

/** Whom a call of the list was with: a person, a group, or those who were in one that grew. */
export function sayWith(record: CallRecord, me: string | undefined, groupName: string | undefined): string {
  if (record.group) return groupName || record.group.name || "A group";
  const { people = [], people_count: count = 0 } = record;
  if (count === 0) return record.peer.name;
  const others = people.filter(({ user_id: id }) => id !== me && id !== record.peer.user_id).map(({ name }) => name);
  const hidden = count - people.length;
  return sayMembers([record.peer.name, ...others, ...Array.from({ length: hidden }, () => "")], 3);
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
