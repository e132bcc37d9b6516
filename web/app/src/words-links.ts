// What call links say to people. Nothing here knows the page.

import { TertuliaError, type CallLink, type CallLinkPeek, type Ended, type MediaProblem } from "@tertulia/sdk";
import { sayError, sayProblem, sayWait } from "./words.js";
import { sayNames, sayWhoIsIn } from "./words-conference.js";

/** Why one is not in, and what one can do. */
export interface Told {
  title: string;
  text: string;
  /** Trying again makes sense. */
  again: boolean;
}

const DAY_S = 24 * 3_600;
/** From so many days on a day of the year might be taken for the one of this year. */
const SAME_DAY_AGAIN = 300;

/** What a link's call is called. */
export function sayLinkName({ name, media }: Pick<CallLink, "name" | "media">): string {
  return name ?? (media === "video" ? "Video call" : "Voice call");
}

/** Who is there, before one goes in. */
export function sayWhoIsThere(peek: Pick<CallLinkPeek, "active" | "approval" | "call">): string {
  const people = peek.call?.participants ?? [];
  const names = [...new Map(people.map((person) => [person.user_id, person.name])).values()];
  if (names.length > 0) return sayWhoIsIn(names, names.length);
  if (!peek.active) return "Nobody is there yet";
  return "Others are there, or wait for it to begin";
}

/** What the button that goes in says. */
export function sayGoIn(peek: Pick<CallLinkPeek, "active" | "approval">): string {
  if (peek.approval) return "Ask to join";
  return peek.active ? "Join" : "Start the call";
}

/** Why one was not let in, or is not in any more. */
export function sayLinkEnd(ended: Ended, peek: Pick<CallLinkPeek, "owner"> | undefined): Told {
  const owner = peek?.owner.name ?? "whoever sent it";
  switch (ended.reason) {
    case "turned_away": {
      const wait = ended.error?.retryAfterMs;
      const when = wait === undefined ? "in five minutes" : `in ${sayWait(wait)}`;
      return { title: "You were not let in", text: `You can ask again ${when}, or write to ${owner}.`, again: true };
    }
    case "link_over":
      return over(owner);
    case "missed":
      return { title: "Nobody has let you in", text: `Nobody came to the door in time. Ask again, or tell ${owner} that you are here.`, again: true };
    case "hangup":
    case "cancelled":
      return { title: "The call is over", text: "It ended before you were let in.", again: true };
    case "answered_elsewhere":
      return { title: "You are asking on another device", text: "You will be let in there.", again: true };
    case "removed":
      return { title: "You may not come in", text: "A host has taken you out of this call.", again: false };
    case "lost":
      return { title: "The connection was lost", text: "You are not waiting any more. Ask again.", again: true };
    default:
      return sayLinkRefusal(ended.error);
  }
}

/** What the server refuses. */
export function sayLinkRefusal(error: unknown): Told {
  const failed = { title: "That did not work", again: true };
  if (!(error instanceof TertuliaError)) return { ...failed, text: "The call could not be connected." };
  switch (error.code) {
    case "call_link_over":
      return over("whoever sent it");
    case "waiting_full":
      return { title: "Too many people are waiting", text: "Try again when some of them were let in.", again: true };
    case "rate_limited": {
      const wait = error.retryAfterMs === undefined ? "in a minute" : `in ${sayWait(error.retryAfterMs)}`;
      return { title: "Too many tries", text: `Try again ${wait}.`, again: true };
    }
    case "forbidden":
      return { title: "You may not come in", text: "A host has taken you out of this call.", again: false };
    default:
      return { ...failed, text: `${sayError(error, "")}.` };
  }
}

function over(owner: string): Told {
  return { title: "This link is not valid any more", text: `It was taken back, or its time is over. Ask ${owner} for a new one.`, again: false };
}

/** Who has come to the door: `Bob wants to join`, `Bob, Carol and Dan want to join`. */
export function sayKnocks(names: readonly string[]): string {
  return `${sayNames(names)} ${names.length === 1 ? "wants" : "want"} to join`;
}

/** Until when a link is good, as short as a row of a list is: `until 17:30`, `until Nov 29`, `until November 2027`. */
export function sayGoodUntil(at: number, now = Date.now()): string {
  const date = new Date(at);
  const days = (at - now) / (DAY_S * 1000);
  if (date.toDateString() === new Date(now).toDateString()) {
    return `until ${date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })}`;
  }
  const long = days > SAME_DAY_AGAIN;
  return `until ${date.toLocaleDateString(undefined, long ? { month: "long", year: "numeric" } : { day: "numeric", month: "short" })}`;
}

/** What is wrong with microphone and camera, and what to do: once, where it is the same for both. */
export function sayWithout(problems: readonly Pick<MediaProblem, "source" | "reason">[]): string[] {
  if (problems.length > 1 && problems.every(({ reason }) => reason === "denied")) {
    return ["This page may use neither your microphone nor your camera. Allow them in the browser’s site settings, then switch them on. You can join without."];
  }
  return problems.map((problem) => `${sayProblem(problem)}. You can join without it.`);
}

/** Why a link was not made, or not taken back. */
export function sayLinkNotMade(error: TertuliaError): string {
  if (error.code === "too_many") return `You have ${error.limit ?? "too many"} links. Take one back first`;
  if (error.code === "bad_request" && error.limit !== undefined) {
    const days = Math.max(1, Math.floor(error.limit / DAY_S));
    return `Links are good for ${days} ${days === 1 ? "day" : "days"} at most here`;
  }
  return sayError(error, "");
}
