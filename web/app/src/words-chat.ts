// What the app says about messages, and how a text is shown: nothing here knows the page.

import { TertuliaError, isMissedCall, type ChatMessage, type Content, type FailureCode, type GroupRole, type MessagesProblem, type MessageState } from "@tertulia/sdk";
import { sayCall } from "./words-calls.js";
import { isCarrying, sayCarried } from "./words-carried.js";
import { sayRefusal } from "./words-media.js";
import { sayError } from "./words.js";

/** Who somebody is, in a sentence: `Ana`, `you`. */
export type Naming = (userId: string) => string;

/** What a list shows of a message. */
export function sayContent(content: Content, from = "", naming: Naming = sayUnknown): string {
  if (content.type === "text") return content.text.trim().replace(/\s+/g, " ");
  if (content.type === "system") return sayEvent(content, from, naming);
  if (isCarrying(content)) return sayCarried(content);
  if (content.type === "call") return sayCallOf(content, from, naming);
  return "A message that this version can’t show";
}

function sayCallOf(call: Extract<Content, { type: "call" }>, from: string, naming: Naming): string {
  const me = [from, ...(call.group?.missed ?? [])].find((user) => naming(user) === "you");
  return sayCall(call, me === from, me !== from && isMissedCall(call, me ?? ""));
}

/** Somebody could not send a file here. */
export function sayOthersRefusal(who: string, group: string | undefined, error: TertuliaError, name: string | undefined): string {
  return `${who} could not send a file${group === undefined ? "" : ` to ${group}`}: ${sayRefusal(error, name)}`;
}

/** What happened to a group. */
export function sayEvent(event: Extract<Content, { type: "system" }>, from: string, naming: Naming): string {
  const who = capital(naming(from));
  switch (event.event) {
    case "created":
      return `${who} made the group “${event.name}”`;
    case "changed":
      return sayChanges(who, event.changes);
    case "added":
      return `${who} added ${naming(event.user)}`;
    case "joined":
      return `${who} joined by invitation`;
    case "removed":
      return `${who} removed ${naming(event.user)}`;
    case "left":
      return `${who} left`;
    case "role":
      return `${who} made ${naming(event.user)} ${sayRole(event.role)}`;
    case "ended":
      return `${who} ended the group`;
    default:
      return `${who} changed the group`;
  }
}

type Changes = Extract<Content, { type: "system"; event: "changed" }>["changes"];

function sayChanges(who: string, { name, description, icon, post, edit }: Changes): string {
  if (name !== undefined) return `${who} called the group “${name}”`;
  if (description !== undefined) return `${who} changed what the group says of itself`;
  if (icon !== undefined) return `${who} changed the group’s picture`;
  if (post !== undefined) return `${who} said who may write: ${WHO_MAY[post]}`;
  if (edit !== undefined) return `${who} said who may change the group: ${WHO_MAY[edit]}`;
  return `${who} changed the group`;
}

const WHO_MAY: Record<GroupRole, string> = { member: "everybody", admin: "admins", owner: "the owner" };

/** `an admin`. */
export function sayRole(role: GroupRole): string {
  return role === "owner" ? "the owner" : role === "admin" ? "an admin" : "a member";
}

/** `Ana, Bob and 3 others`. */
export function sayMembers(names: string[], most = 4): string {
  if (names.length <= most) return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  return `${names.slice(0, most - 1).join(", ")} and ${names.length - most + 1} others`;
}

function capital(name: string): string {
  return name === "you" ? "You" : name;
}

/** What a tick means: for those who can't see it. */
export function sayTick(state: MessageState): string {
  switch (state) {
    case "pending":
      return "Not sent yet";
    case "failed":
      return "Not sent";
    case "sent":
      return "Sent";
    case "delivered":
      return "Delivered";
    case "read":
      return "Read";
    case "received":
      return "";
  }
}

/** Why a message will not be sent. */
export function sayFailure(code: FailureCode): string {
  switch (code) {
    case "unknown_user":
      return "Nobody here has this name";
    case "too_large":
      return "It is too long";
    case "forbidden":
    case "unknown_conversation":
      return "You may not write here";
    case "too_many":
      return "You have too many conversations";
    default:
      return "The server has refused it";
  }
}

/** Why a message did not go: one with a file in words for that. */
export function sayWhyNot({ failed, figures, content }: ChatMessage): string {
  if (failed === undefined) return "";
  const code: string = failed;
  if (!isCarrying(content)) return sayFailure(failed);
  if (code === "not_found") return "The file is not here any more";
  if (code === "forbidden") return "It may not be sent here";
  if (!code.startsWith("media_") && code !== "file_unreadable" && code !== "rate_limited") return sayFailure(failed);
  const error = new TertuliaError({ code: failed, class: "invalid", message: "", ...figures });
  return sayRefusal(error, content.file?.file_name, content.file?.bytes);
}

/** Why what was written could not be taken. */
export function sayNotKept(error: TertuliaError): string {
  const code: string = error.code;
  if (code === "too_large") return "This is too long for one message. Send it in parts";
  if (code === "storage_full") return "There is no room left on this device: your message was not sent";
  if (code === "storage_unavailable") return "This browser keeps nothing for this page: your message was not sent";
  return sayError(error, "");
}

/** What stands above conversations when something is wrong. */
export function sayMessagesProblem(problem: MessagesProblem): string {
  switch (problem) {
    case "unavailable":
      return "This browser keeps nothing for this page, as in a private window. Messages can’t be used here; calls can.";
    case "full":
      return "There is no room left on this device. New messages wait on the server until there is.";
    case "no_mailbox":
      return "This device gets no messages: too many of your devices do, or the server relays none.";
  }
}

export const SAY_LOST = "Some messages were given up before this device came for them.";

/** Who writes and is not known by name. */
export function sayUnknown(userId: string): string {
  // An app's own ids and those of a demo are words; those of accounts are not for people.
  return /^[0-9a-f-]{32,}$/i.test(userId) ? `Unknown person ${userId.slice(-4)}` : userId;
}

/** `Today`, `Yesterday`, `Tuesday`, `3 March`, `3 March 2024`: a day's heading. */
export function sayDay(at: number, now = Date.now()): string {
  const days = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  const date = new Date(at);
  if (days < 7) return date.toLocaleDateString(undefined, { weekday: "long" });
  const year = date.getFullYear() === new Date(now).getFullYear() ? {} : { year: "numeric" as const };
  return date.toLocaleDateString(undefined, { day: "numeric", month: "long", ...year });
}

/** `14:05`. */
export function timeOf(at: number): string {
  return new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}

/** `1 new message`, `12 new messages`. */
export function sayNew(count: number): string {
  return count === 1 ? "1 new message" : `${count} new messages`;
}

/** `3 unread`. */
export function sayUnread(count: number): string {
  return `${sayCount(count)} unread`;
}

/** `3`, at most `999+`. */
export function sayCount(count: number): string {
  return count > 999 ? "999+" : String(count);
}

export interface Part {
  text: string;
  /** Where it leads, if it is a link. */
  href?: string;
}

const LINK = /\bhttps?:\/\/[^\s<>"]+/gi;

/** A text and the links in it. Only http and https lead anywhere; a dot at the end belongs to the sentence. */
export function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  let done = 0;
  for (const match of text.matchAll(LINK)) {
    const href = trimmed(match[0]);
    if (!canOpen(href)) continue;
    if (match.index > done) parts.push({ text: text.slice(done, match.index) });
    parts.push({ text: href, href });
    done = match.index + href.length;
  }
  if (done < text.length) parts.push({ text: text.slice(done) });
  return parts;
}

/** Without what ends a sentence, and without a bracket that was opened before the link. */
function trimmed(link: string): string {
  let end = link.length;
  for (;;) {
    const last = link[end - 1] ?? "";
    const open = last === ")" ? "(" : last === "]" ? "[" : undefined;
    const kept = link.slice(0, end);
    if (open ? kept.split(open).length < kept.split(last).length : /[.,;:!?'’”…*_]/.test(last)) end -= 1;
    else return kept;
  }
}

function canOpen(href: string): boolean {
  try {
    const { protocol, hostname, username } = new URL(href);
    // `https://bank.example@evil.example` is not what it looks like.
    return /^https?:$/.test(protocol) && hostname !== "" && username === "";
  } catch {
    return false;
  }
}

const EMOJI = /^(?:\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier}|\u200D\p{Extended_Pictographic}\uFE0F?)*|\p{Regional_Indicator}{2}|\s)+$/u;
/** More of them are a text. */
const EMOJI_MAX = 3;

/** A few emoji and nothing else are shown large. */
export function isEmojiOnly(text: string): boolean {
  if (text.length > 40 || !EMOJI.test(text)) return false;
  const pictures = [...text.matchAll(/\p{Extended_Pictographic}(?!\u200D)|\p{Regional_Indicator}{2}/gu)].length;
  const joined = text.match(/\u200D/g)?.length ?? 0;
  return pictures > 0 && pictures - joined <= EMOJI_MAX;
}
