// Waiting for a condition: the only way in which a test here waits.

/** Long enough for two busy cores; a test that is right never uses it up. */
export const PATIENCE_MS = 20_000;
const EVERY_MS = 50;

/** Asks until the answer is truthy, and returns it. What it throws while asking is fatal. */
export async function until(what, ask, patience = PATIENCE_MS) {
  const deadline = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`not within ${patience} ms: ${what} (last answer: ${JSON.stringify(answer)})`);
    await pause(EVERY_MS);
  }
}

/** For measuring over a time, not for waiting until something has happened. */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
