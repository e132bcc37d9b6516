// What group calls say to people. Nothing here knows the page.

import type { Call, Ended } from "@tertulia/sdk";
import { clock, sayError, type Saying } from "./words.js";

/** `Ana`, `Ana and Bob`, `Ana, Bob and 3 others`. */
export function sayNames(names: readonly string[], most = 2): string {
  if (names.length <= 1) return names[0] ?? "";
  if (names.length <= most + 1 && names.length <= 3) return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  const rest = names.length - most;
  return `${names.slice(0, most).join(", ")} and ${rest} ${rest === 1 ? "other" : "others"}`;
}

type Titled = Pick<Call, "peer" | "group" | "conference"> & Partial<Pick<Call, "link">>;

/** What a call is called: the other side, the group, its link's name, or who is in it. */
export function titleOfCall({ peer, group, conference, link }: Titled, groupName?: string): string {
  if (group) return groupName || group.name || "Group call";
  if (link?.name) return link.name;
  if (!conference) return peer.name;
  const names = [...new Set(conference.others.map(({ entry }) => entry.name))];
  return names.length > 0 ? sayNames(names) : "Group call";
}

/** `3 people`, `only you`. */
export function sayPeople(count: number): string {
  return count <= 1 ? "only you" : `${count} people`;
}

/** What the banner of a call that goes on says of who is in it; `count` is of devices, before it is known who they are. */
export function sayWhoIsIn(names: readonly string[], count: number): string {
  if (names.length > 0) return `${sayNames(names)} ${names.length === 1 ? "is" : "are"} in it`;
  return count === 1 ? "One person is in it" : `${count} are in it`;
}

/** Who rings, in a line: `Ringing Bob and Carol…`. */
export function sayRinging(names: readonly string[]): string {
  return `Ringing ${sayNames(names)}…`;
}

/** Where a group call stands for this device; how it is for the others their tiles say. */
export function sayConferenceState({ held, connection }: Pick<Call, "held" | "connection">): string {
  if (held) return "On hold";
  return connection === "up" ? "Connected" : connection === "down" ? "Reconnecting…" : "Connecting…";
}

/** When a group call has ended here; nothing where the person knows. */
export function sayConferenceEnded(title: string, call: Pick<Call, "accepted" | "direction">, ended: Ended): Saying | undefined {
  const plain = (text: string): Saying => ({ text, tone: "plain", again: false });
  const bad = (text: string): Saying => ({ text, tone: "bad", again: false });
  switch (ended.reason) {
    case "hangup":
      return call.accepted ? plain(`You were in the call ${quoted(title)} for ${clock(ended.durationMs)}`) : undefined;
    case "removed":
      return plain(`You were taken out of the call ${quoted(title)}`);
    case "missed":
    case "cancelled":
      return call.accepted ? undefined : plain(`You missed a call of ${quoted(title)}`);
    case "answered_elsewhere":
      return plain("Answered on another device");
    case "declined_elsewhere":
      return plain("Declined on another device");
    case "handed_over":
      return plain("Continued on your other device");
    case "lost":
      return bad("The connection to the call was lost. You can join it again");
    case "failed":
      return bad(ended.error ? sayError(ended.error, title) : "The call could not be connected");
    default:
      return undefined;
  }
}

function quoted(title: string): string {
  return `“${title}”`;
}

/** Emoji that one can show, and what screen readers call them. */
export const REACTIONS = [
  { emoji: "👍", name: "Thumbs up" },
  { emoji: "❤️", name: "Heart" },
  { emoji: "😂", name: "Laughing" },
  { emoji: "😮", name: "Astonished" },
  { emoji: "👏", name: "Applause" },
  { emoji: "🎉", name: "Party" },
] as const;

/** How a screen reader says an emoji that came. */
export function sayReaction(emoji: string): string {
  return REACTIONS.find((one) => one.emoji === emoji)?.name.toLowerCase() ?? emoji;
}
