import assert from "node:assert/strict";
import { test } from "node:test";
import { capacityOf, gridOf, heightFor, largeOf, orderOf, pageOf, type Shown } from "../src/layout.js";

const DESKTOP = { width: 1248, height: 600 };
const PHONE = { width: 374, height: 640 };
const shape = (count: number, box: typeof DESKTOP) => {
  const { columns, rows } = gridOf(count, box, 8);
  return `${columns}×${rows}`;
};

test("c3_the_grid_follows_the_window", () => {
  assert.deepEqual([1, 2, 3, 4, 6, 9, 16].map((count) => shape(count, DESKTOP)), ["1×1", "2×1", "2×2", "2×2", "3×2", "3×3", "4×4"]);
  assert.deepEqual([1, 2, 3, 4, 6, 8].map((count) => shape(count, PHONE)), ["1×1", "1×2", "1×3", "2×2", "2×3", "2×4"]);
});

test("c3_tiles_never_leave_their_box_and_keep_a_shape_that_shows_heads", () => {
  for (const box of [DESKTOP, PHONE, { width: 844, height: 260 }, { width: 300, height: 300 }]) {
    for (let count = 1; count <= 16; count += 1) {
      const { columns, rows, width, height } = gridOf(count, box, 8);
      assert.ok(columns * rows >= count && columns * (rows - 1) < count, `${count} in ${columns}×${rows}`);
      assert.ok(columns * width + (columns - 1) * 8 <= box.width && rows * height + (rows - 1) * 8 <= box.height);
      assert.ok(width / height < 1.82 && width / height > 0.73, `${count} in ${JSON.stringify(box)}: ${width}×${height}`);
    }
  }
  assert.deepEqual([DESKTOP, PHONE, { width: 100, height: 100 }].map((box) => capacityOf(box, 8)), [16, 10, 2]);
});

test("c3_who_speaks_comes_onto_the_first_page_for_the_one_silent_longest_and_nobody_else_moves", () => {
  const keys = ["a", "b", "c", "d", "e"];
  const spokeAt = new Map([["a", 5], ["b", 9], ["c", 7]]);
  assert.deepEqual(orderOf(keys, keys, 3, spokeAt), keys);
  spokeAt.set("e", 10);
  assert.deepEqual(orderOf(keys, keys, 3, spokeAt), ["e", "b", "c", "d", "a"]);
  assert.deepEqual(orderOf(["e", "b", "c", "d", "a"], ["a", "b", "d", "e", "f"], 9, spokeAt), ["e", "b", "d", "a", "f"]);
});

test("c3_a_pin_comes_before_a_screen_and_a_screen_before_who_speaks", () => {
  const camera = (key: string, me = false): Shown => ({ key, kind: "camera", me });
  const all = [camera("a"), camera("b"), camera("me", true)];
  const screens = [{ key: "s", kind: "screen", me: false } as const, ...all];
  const large = (shown: Shown[], mode: "grid" | "speaker", pinned?: string, speaker?: string) =>
    largeOf(shown, { mode, pinned, speaker })?.key;
  assert.equal(large(all, "grid"), undefined);
  assert.equal(large(all, "grid", "b"), "b");
  assert.equal(large(screens, "grid"), "s");
  assert.equal(large(screens, "speaker", "a", "b"), "a");
  assert.equal(large(all, "speaker", "gone", "b"), "b");
  assert.equal(large(all, "speaker"), "a");
  assert.equal(large([camera("me", true)], "speaker"), "me");
});

test("c3_pages_end_where_people_do_and_heights_are_asked_for_in_steps", () => {
  assert.deepEqual(pageOf([1, 2, 3, 4, 5], 1, 2), { tiles: [3, 4], page: 1, pages: 3 });
  assert.deepEqual(pageOf([1, 2, 3], 7, 2), { tiles: [3], page: 1, pages: 2 });
  assert.deepEqual(pageOf([], 0, 4), { tiles: [], page: 0, pages: 1 });
  assert.deepEqual([1, 119, 120, 121].map((px) => heightFor(px, 1)), [60, 120, 120, 180]);
  assert.equal(heightFor(100, 2), 240);
});
