import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh } from "../src/fresh.js";

test("an answer that was overtaken is asked for again", async () => {
  let known = ["before"];
  let asked = 0;
  const answer = await fresh(
    () => known,
    async () => {
      asked += 1;
      if (asked === 1) known = ["told meanwhile"];
      return asked;
    },
  );
  assert.equal(answer, 2);
});

test("what changes all the time is asked for a few times", async () => {
  let asked = 0;
  const answer = await fresh(
    () => ({}),
    async () => ++asked,
  );
  assert.equal(answer, asked);
  assert.ok(asked > 1);
});

test("what could not be asked is nothing", async () => {
  assert.equal(await fresh(() => 0, () => Promise.reject(new Error("no network"))), undefined);
  assert.equal(await fresh(() => 0, () => undefined), undefined);
});
