import assert from "node:assert/strict";
import { test } from "node:test";
import { Met } from "../src/met.js";

test("m2 who is met in a group is asked for once, and shown when the answer is there", async () => {
  let now = 0;
  let drawn = 0;
  const asked: string[] = [];
  const person = async (userId: string) => {
    asked.push(userId);
    if (userId === "gone") throw new Error("nobody");
    return { user_id: userId, name: userId.toUpperCase() };
  };
  const met = new Met({ client: { account: { person } } as never, changed: () => void (drawn += 1) }, () => now);
  for (let i = 0; i < 3; i += 1) assert.equal(met.of("carol"), undefined);
  assert.equal(met.of("gone"), undefined);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(met.of("carol")?.name, "CAROL");
  assert.equal(met.of("gone"), undefined);
  assert.deepEqual([asked, drawn], [["carol", "gone"], 1]);
  // Later again, and who is known stays shown meanwhile.
  now = 11 * 60_000;
  assert.equal(met.of("carol")?.name, "CAROL");
  assert.deepEqual(asked, ["carol", "gone", "carol"]);
  met.forget();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(met.of("carol"), undefined, "an answer for who was signed in before is nobody's");
});
