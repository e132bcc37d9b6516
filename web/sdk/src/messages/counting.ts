// What of a conversation is news: which messages count as unread, and which are their author's, with ticks.
//
// Invariant: what the server says itself (of groups, of calls) has no ticks. Of calls only missed ones are news.

import type { Content } from "../proto.js";

/** The server says it, in somebody's name. */
export function isServers({ type }: Content): boolean {
  return type === "system" || type === "call";
}

/**
 * A call that was neither answered nor declined: for the one who was called. The call of a group is missed by those who were asked in and
 * neither came nor declined, also where others talked: `me` says for whom it is asked.
 */
export function isMissedCall(content: Content, me: string): boolean {
  if (content.type !== "call") return false;
  if (content.group) return content.group.missed.includes(me);
  return content.duration_ms === undefined && content.outcome !== "declined";
}

/** Whether it is unread until it is read. */
export function counts({ from, content }: { from: string; content: Content }, me: string): boolean {
  return from !== me && (!isServers(content) || isMissedCall(content, me));
}
