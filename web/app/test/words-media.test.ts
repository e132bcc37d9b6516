import assert from "node:assert/strict";
import { test } from "node:test";
import { TertuliaError, type ErrorCode } from "@tertulia/sdk";
import { about, helpsAsDocument, nameOf, sayBytes, sayLength, sayRefusal } from "../src/words-media.js";

const MB = 1024 * 1024;
const error = (code: ErrorCode, limit?: number, actual?: number) => {
  const figures = { ...(limit !== undefined && { limit }), ...(actual !== undefined && { actual }) };
  return new TertuliaError({ code, class: "limit", message: "The server's own words.", ...figures });
};

test("sizes are said in the units of the limits", () => {
  assert.deepEqual([0, 1, 1023, 1024, 1536, 16 * MB, 100 * MB, 23.44 * MB].map(sayBytes), [
    "0 bytes",
    "1 byte",
    "1023 bytes",
    "1 KB",
    "1.5 KB",
    "16 MB",
    "100 MB",
    "23.4 MB",
  ]);
});

test("lengths are said as one would", () => {
  assert.deepEqual([1, 45_000, 60_000, 180_000, 90_000, 3_600_000, 10_800_000, 7_500_000].map(sayLength), [
    "1 second",
    "45 seconds",
    "1 minute",
    "3 minutes",
    "1:30 minutes",
    "1 hour",
    "3 hours",
    "2:05:00 hours",
  ]);
});

test("d2_a_refusal_names_the_limit_and_the_figure", () => {
  assert.equal(
    sayRefusal(error("media_too_large", 16 * MB, 24 * MB), "beach.mov"),
    "“beach.mov” is too large: it has 24 MB, the most is 16 MB",
  );
  assert.equal(
    sayRefusal(error("media_too_long", 180_000, 200_000), "beach.mov"),
    "“beach.mov” is too long: it lasts at least 3:20 minutes, the most is 3 minutes",
  );
  assert.equal(
    sayRefusal(error("media_too_many_pixels", 40_000_000, 108_000_000), undefined),
    "The file has too many pixels: it has 108 million, the most is 40 million",
  );
  assert.equal(
    sayRefusal(error("media_quota", 10 * 1024 * MB, 10.1 * 1024 * MB), "x"),
    "Your storage is full: with this it would be 10.1 GB, the most is 10 GB. Delete something first",
  );
});

test("d2_one_byte_too_many_does_not_read_as_none", () => {
  const said = sayRefusal(error("media_too_large", 16 * MB, 16 * MB + 1), "a");
  assert.equal(said, "“a” is too large: it has a little more than 16 MB, the most is 16 MB");
  // The server stopped at the limit; this device knows the file.
  assert.match(sayRefusal(error("media_too_large", 16 * MB, 16 * MB + 1), "a", 90 * MB), /it has 90 MB/);
});

test("figures that are not known are not made up", () => {
  assert.equal(sayRefusal(error("media_too_large"), "a"), "“a” is too large");
  assert.equal(sayRefusal(error("media_too_large", MB), "a"), "“a” is too large: the most is 1 MB");
});

test("as a document goes what can't be played and is small enough", () => {
  assert.equal(helpsAsDocument(error("media_unsupported"), 5, 10), true);
  assert.equal(helpsAsDocument(error("media_too_long"), 11, 10), false);
  assert.equal(helpsAsDocument(error("media_quota"), 5, 10), false);
});

test("a file without a name is called by what it is", () => {
  assert.equal(nameOf({ class: "voice" }), "Voice note");
  assert.equal(nameOf({ class: "voice", file_name: "memo.ogg" }), "memo.ogg");
  const film = { class: "video", file_name: "a.mov", duration_ms: 61_400, bytes: 2 * MB } as Parameters<typeof about>[0];
  assert.equal(about(film), "Video · 1:01 · 2 MB");
});
