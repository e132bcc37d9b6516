// Lips and voice: a flash and a beep that leave at one moment arrive at one moment, as ±80 ms is for people.
//
// A browser brings picture and sound together step by step, and starts over whenever its own threads were kept waiting. On a
// machine that is busy with tests a single look says as much about that as about us: the first good one of several counts.

import assert from "node:assert/strict";

const APART_MAX_MS = 80;
/** Each takes eight seconds. */
const LOOKS = 6;

/** What `person` gets of `other` is together, within some looks; each is printed. */
export async function together(person, other, what) {
  let apart;
  for (let look = 0; look < LOOKS; look += 1) {
    apart = await person.apartFrom(other);
    console.log(`# ${what}: the beep is ${apart.toFixed(0)} ms behind its flash`);
    if (Math.abs(apart) <= APART_MAX_MS) return;
  }
  assert.fail(`${what}: ${apart.toFixed(0)} ms`);
}
