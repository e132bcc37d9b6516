import assert from "node:assert/strict";
import { test } from "node:test";
import { TertuliaError } from "@tertulia/sdk";
import { placeOfAddress } from "../src/route.js";
import { isEmojiOnly, partsOf, sayContent, sayCount, sayDay, sayMembers, sayNew, sayOthersRefusal, sayUnknown } from "../src/words-chat.js";

const links = (text: string) => partsOf(text).flatMap(({ href }) => href ?? []);

test("m1 links end where the sentence goes on, and the text stays what it was", () => {
  for (const [text, expected] of [
    ["see https://example.org.", ["https://example.org"]],
    ["(https://example.org/a_(b))", ["https://example.org/a_(b)"]],
    ["http://a.example/?q=1&r=2#x, and https://b.example!", ["http://a.example/?q=1&r=2#x", "https://b.example"]],
    ["no link: example.org, ftp://a, mailto:a@b", []],
    ["javascript:alert(1) data:text/html,x", []],
    ["https://bank.example@evil.example/", []],
    ["https://", []],
    ["HTTPS://EXAMPLE.ORG", ["HTTPS://EXAMPLE.ORG"]],
    ['"https://example.org/<script>"', ["https://example.org/"]],
  ] as const) {
    assert.deepEqual(links(text), expected, text);
    assert.equal(partsOf(text).map((part) => part.text).join(""), text);
  }
});

test("m1 a few emoji alone are large, text and numbers are not", () => {
  for (const text of ["😂", "👍🏽 ❤️", "👩‍👩‍👧‍👦", "🇪🇸", "🎸🎸🎸"]) assert.ok(isEmojiOnly(text), text);
  for (const text of ["", "1", "😂😂😂😂", "ok 👍", "#", "©  2026"]) assert.ok(!isEmojiOnly(text), text);
});

test("m1 a day is called by the shortest name that is understood", () => {
  const now = new Date(2026, 2, 3, 0, 5).getTime();
  assert.equal(sayDay(new Date(2026, 2, 3, 0, 1).getTime(), now), "Today");
  assert.equal(sayDay(new Date(2026, 2, 2, 23, 59).getTime(), now), "Yesterday");
  assert.equal(sayDay(new Date(2026, 1, 27, 12).getTime(), now), new Date(2026, 1, 27).toLocaleDateString(undefined, { weekday: "long" }));
  assert.match(sayDay(new Date(2025, 2, 3).getTime(), now), /2025/);
  assert.doesNotMatch(sayDay(new Date(2026, 0, 3).getTime(), now), /2026/);
});

test("m1 a list shows one line of a message, and says what it can't show", () => {
  assert.equal(sayContent({ type: "text", text: " one\n\n two " }), "one two");
  assert.match(sayContent({ type: "poll" } as never), /can’t show/);
  assert.equal(sayCount(1_000), "999+");
  assert.equal(sayNew(1), "1 new message");
  assert.equal(sayUnknown("ana"), "ana");
  assert.match(sayUnknown("0190b5a2-7c1e-7000-8000-0000000000ca"), /^Unknown person 00ca$/);
});

test("m1 an address leads to its place, whatever somebody wrote into it", () => {
  assert.deepEqual(placeOfAddress(`#chat/${encodeURIComponent("user:añ/b")}`, "/"), { view: "home", chat: "user:añ/b" });
  assert.deepEqual(placeOfAddress("#chat/%E0%A4%A", "/"), { view: "home", chat: undefined });
  assert.deepEqual(placeOfAddress("#media/abc", "/"), { view: "media", chat: undefined });
  assert.deepEqual(placeOfAddress("#settings", "/"), { view: "settings", chat: undefined });
  assert.deepEqual(placeOfAddress("", "/"), { view: "home", chat: undefined });
});

test("m2 what happened to a group is said as one would", () => {
  const naming = (user: string) => ({ ana: "you", bob: "Bob" })[user] ?? user;
  const say = (event: object, from: string) => sayContent({ type: "system", ...event } as never, from, naming);
  assert.equal(say({ event: "created", name: "Sunday", members: [] }, "ana"), "You made the group “Sunday”");
  assert.equal(say({ event: "added", user: "ana", role: "member" }, "bob"), "Bob added you");
  assert.equal(say({ event: "role", user: "bob", role: "owner" }, "ana"), "You made Bob the owner");
  assert.equal(say({ event: "changed", changes: { name: "Monday" } }, "bob"), "Bob called the group “Monday”");
  assert.equal(say({ event: "changed", changes: { post: "admin" } }, "bob"), "Bob said who may write: admins");
  assert.equal(say({ event: "of a newer server" }, "bob"), "Bob changed the group");
  assert.equal(sayMembers(["Bob", "you"]), "Bob and you");
  assert.equal(sayMembers(["A", "B", "C", "D", "E", "you"]), "A, B, C and 3 others");
});

test("d2 what others could not send is said with their name, the chat and the figures", () => {
  const error = new TertuliaError({ code: "media_too_long", class: "limit", message: "", limit: 180_000, actual: 200_000 });
  assert.equal(
    sayOthersRefusal("Ana", "Hikes", error, "beach.mov"),
    "Ana could not send a file to Hikes: “beach.mov” is too long: it lasts at least 3:20 minutes, the most is 3 minutes",
  );
  assert.match(sayOthersRefusal("Ana", undefined, error, undefined), /^Ana could not send a file: The file is too long/);
});
