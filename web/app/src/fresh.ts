// Lists that are asked for, and told or changed meanwhile.

/** Of what changes all the time an answer is taken that is a little old, sooner than none. */
const ASKED_MAX = 5;

/**
 * Asks, and asks again where `known` has become another meanwhile: such an answer may be of before, and must not cover what is newer.
 * `undefined` where it could not be asked.
 */
export async function fresh<T>(known: () => unknown, ask: () => Promise<T> | undefined): Promise<T | undefined> {
  for (let asked = 1; ; asked += 1) {
    const before = known();
    try {
      const answer = await ask();
      if (known() === before || asked >= ASKED_MAX) return answer;
    } catch {
      return undefined;
    }
  }
}
