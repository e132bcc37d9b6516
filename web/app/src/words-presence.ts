// What the app says of who is here, when others last were, and who types. Nothing here knows the page.

import type { Audience, PresenceOf, TypingOf } from "@tertulia/sdk";
import { when } from "./words.js";
import { sayDay, timeOf } from "./words-chat.js";

/** `online`, `last seen today at 14:03`, `last seen on 3 March at 14:03`. */
export function sayPresence({ online, lastSeen }: PresenceOf, now = Date.now()): string | undefined {
  if (online) return "online";
  if (lastSeen === undefined) return undefined;
  const day = sayDay(lastSeen, now);
  const said = day === "Today" || day === "Yesterday" ? day.toLowerCase() : `on ${day}`;
  return `last seen ${said} at ${timeOf(lastSeen)}`;
}

/** The same where there is less room: `seen 14:03`, `seen yesterday`. */
export function sayPresenceBriefly({ online, lastSeen }: PresenceOf, now = Date.now()): string | undefined {
  if (online) return "online";
  return lastSeen === undefined ? undefined : `seen ${when(lastSeen, now)}`;
}

/** `typing…`, `recording…`; in a group with whose it is: `Bob is typing…`, `Bob and 2 others are typing…`. */
export function sayTyping(typing: TypingOf[], naming?: (userId: string) => string): string | undefined {
  const [first] = typing;
  if (!first) return undefined;
  const verb = typing.every(({ what }) => what === "voice") ? "recording" : "typing";
  if (!naming) return `${verb}…`;
  const others = typing.length - 1;
  if (others === 0) return `${naming(first.userId)} is ${verb}…`;
  return `${naming(first.userId)} and ${others === 1 ? "1 other" : `${others} others`} are ${verb}…`;
}

/** For those who can't see the line: `Bob is online`. */
export function sayPresenceOf(name: string, presence: PresenceOf | undefined): string {
  return presence?.online ? `${name} is online` : `${name} is not online any more`;
}

/** To whom one shows something. */
export const AUDIENCES: [Audience, string][] = [
  ["everyone", "Everyone"],
  ["contacts", "People I have written to"],
  ["nobody", "Nobody"],
];
