// People in a group call: how they get in and out, and what they see and hear of one another.

import { opensGroup } from "./chatting.mjs";
import { HZ_OFF, SILENCE, TONES_HZ } from "./person.mjs";
import { until } from "./until.mjs";

const LISTEN_MS = 1_500;
const CHAT_HEAD = '[data-testid="chat-head"]';

/** Starts the call of a group, or goes into the one that goes on, from its conversation. */
export async function callsGroup(person, name, kind = "video") {
  await opensGroup(person, name);
  await person.click(`call-${kind}`, CHAT_HEAD);
  await person.sees("in-call");
}

/** Goes into the call that goes on, by the banner in the conversation. */
export async function joinsGroup(person, name) {
  await opensGroup(person, name);
  await person.click("join-call", '[data-testid="group-call"]');
  await person.sees("in-call");
}

/** Their media is up, and so many devices are in it. */
export function isInCallOf(person, count) {
  return person.until(`is in a group call of ${count} whose media is up`, (wanted) => {
    const call = window.tertulia?.call;
    return call?.connection === "up" && call.conference?.members.length === wanted;
  }, count);
}

export function seesTileOf(person, other, options = {}) {
  return person.seesCameraOf(other, { testId: `video-${other.userId}`, ...options });
}

/** Hears the tone of another's microphone, on whichever line it comes. */
export function hearsVoiceOf(person, other) {
  const wanted = TONES_HZ[other.browserName];
  let last;
  return until(`${person.name} hears ${other.name}: ${wanted} Hz`, async () => {
    last = await person.page.evaluate((user, ms) => {
      const line = document.querySelector(`audio[data-user="${user}"]`);
      return line ? window.probe.hear(line.dataset.testid, ms) : undefined;
    }, other.userId, LISTEN_MS);
    return last && last.rms > 10 * SILENCE && Math.abs(last.hz - wanted) <= HZ_OFF;
  }).catch((error) => {
    throw new Error(`${error.message}\nlast: ${JSON.stringify(last)}`);
  });
}

/** Everybody sees and hears everybody else. */
export async function allSeeAndHear(people) {
  const pairs = people.flatMap((one) => people.filter((other) => other !== one).map((other) => [one, other]));
  // One after another: on a machine that does everything at once nothing is seen in time.
  for (const [one, other] of pairs) await seesTileOf(one, other, { least: 3 });
  for (const [one, other] of pairs) await hearsVoiceOf(one, other);
}

/** Whose tiles are on the page, in their order, without one's own. */
export function tiles(person) {
  return person.page.evaluate(() => [...document.querySelectorAll("[data-tile]")].map((it) => it.dataset.user));
}
