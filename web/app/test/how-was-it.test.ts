import assert from "node:assert/strict";
import { test } from "node:test";
import type { ParticipantQuality, QualitySummary } from "@tertulia/sdk";
import {
  currentRows,
  sayGrade,
  sayInterruptions,
  sayMs,
  sayPercent,
  sayRate,
  sayScore,
  summaryRows,
} from "../src/figures.js";

test("c10_figures_are_written_with_their_units_and_no_more_digits_than_they_are_worth", () => {
  assert.equal(sayScore(4.34), "4.3 of 5");
  assert.equal(sayRate(1_240_000), "1.2 Mbit/s");
  assert.equal(sayRate(32_400), "32 kbit/s");
  assert.equal(sayMs(48.6), "49 ms");
  assert.deepEqual([0, 0.0123, 0.15].map(sayPercent), ["0 %", "1.2 %", "15 %"]);
  assert.deepEqual(
    [sayScore, sayRate, sayMs, sayPercent].map((say) => say(undefined)),
    ["–", "–", "–", "–"],
  );
});

test("c10_interruptions_say_how_often_and_for_how_long", () => {
  assert.equal(sayInterruptions(0, 0), "none");
  assert.equal(sayInterruptions(1, 2_400), "once, 2.4 s");
  assert.equal(sayInterruptions(3, 12_400), "3 times, 12 s");
});

test("c10_every_grade_has_a_word_of_its_own", () => {
  const words = (["good", "fair", "poor", "lost", "unknown"] as const).map(sayGrade);
  assert.equal(new Set(words).size, 5);
});

test("c10_how_it_was_is_told_for_both_sides_and_a_side_that_was_not_measured_is_left_blank", () => {
  const mine: QualitySummary = {
    score: 4.2,
    score_min: 3.6,
    rtt_ms: 40,
    loss: 0.01,
    jitter_ms: 5,
    interruptions: 1,
    interrupted_ms: 1_500,
  };
  const rows = summaryRows(mine, undefined);
  assert.deepEqual(rows[0], { name: "Score", mine: "4.2 of 5", theirs: "–" });
  assert.deepEqual(
    rows.map((row) => row.mine),
    ["4.2 of 5", "3.6 of 5", "1.0 %", "5 ms", "40 ms", "once, 1.5 s"],
  );
  assert.ok(rows.every((row) => row.theirs === "–"));
});

test("c10_how_it_is_now_shows_the_worse_jitter_of_the_two_directions", () => {
  const way = { bitrate_bps: 1, loss: 0.02, jitter_ms: 4 };
  const theirs: ParticipantQuality = { user_id: "bob", device_id: "b", up: way, down: { ...way, jitter_ms: 9 } };
  const rows = currentRows(undefined, theirs);
  assert.deepEqual(
    rows.find((row) => row.name === "Jitter"),
    { name: "Jitter", mine: "–", theirs: "9 ms" },
  );
  assert.equal(rows.find((row) => row.name === "Score")?.theirs, "–");
});
