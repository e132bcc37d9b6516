import assert from "node:assert/strict";
import { test } from "node:test";
import { TertuliaError, type CallLinkPeek, type Ended, type ErrorBody } from "@tertulia/sdk";
import { linkIn, placeOfAddress } from "../src/route.js";
import { titleOfCall } from "../src/words-conference.js";
import { sayGoIn, sayLinkEnd, sayLinkName, sayLinkNotMade, sayGoodUntil, sayKnocks, sayLinkRefusal, sayWhoIsThere, sayWithout } from "../src/words-links.js";

const owner = { user_id: "ana", name: "Ana" };
const peek = (changes: Partial<CallLinkPeek> = {}): CallLinkPeek => ({
  media: "video",
  owner,
  approval: false,
  expires_at: 1,
  active: false,
  ...changes,
});
const ended = (reason: Ended["reason"], error?: TertuliaError): Ended => ({ reason, durationMs: 0, error });
const refusal = (changes: Partial<ErrorBody> & Pick<ErrorBody, "code">) =>
  new TertuliaError({ class: "invalid", message: "No.", ...changes });

test("c3_what_a_link_leads_into_is_said_before_one_goes_in", () => {
  assert.equal(sayLinkName({ media: "voice" }), "Voice call");
  assert.equal(sayLinkName({ media: "video", name: "Book club" }), "Book club");
  const titled = { peer: owner, group: undefined, conference: { others: [] } as never };
  assert.equal(titleOfCall({ ...titled, link: { token: "t", name: "Book club" } }), "Book club");
  assert.equal(titleOfCall({ ...titled, link: { token: "t", name: undefined } }), "Group call");
  const call = { call_id: "1", media: "video" as const, started_at: 1, participants: [owner, owner, { user_id: "bob", name: "Bob" }] };
  assert.equal(sayWhoIsThere(peek({ active: true, call })), "Ana and Bob are in it");
  assert.equal(sayWhoIsThere(peek()), "Nobody is there yet");
  assert.match(sayWhoIsThere(peek({ active: true, approval: true })), /^Others are there/);
  assert.deepEqual(
    [peek(), peek({ active: true }), peek({ active: true, approval: true })].map(sayGoIn),
    ["Start the call", "Join", "Ask to join"],
  );
});

test("c3_each_way_of_not_coming_in_is_said_with_what_one_can_do", () => {
  const away = sayLinkEnd(ended("turned_away", refusal({ code: "turned_away", retry_after_ms: 200_000 })), peek());
  assert.deepEqual([away.title, away.text], ["You were not let in", "You can ask again in 4 minutes, or write to Ana."]);
  assert.match(sayLinkEnd(ended("turned_away"), peek()).text, /in five minutes/);
  assert.deepEqual(sayLinkEnd(ended("link_over"), peek()), {
    title: "This link is not valid any more",
    text: "It was taken back, or its time is over. Ask Ana for a new one.",
    again: false,
  });
  assert.match(sayLinkEnd(ended("missed"), peek()).title, /Nobody has let you in/);
  assert.match(sayLinkEnd(ended("hangup"), peek()).title, /The call is over/);
  assert.match(sayLinkEnd(ended("failed", refusal({ code: "waiting_full" })), peek()).title, /Too many people/);
  assert.equal(sayLinkEnd(ended("failed", refusal({ code: "call_full" })), peek()).text, "The call is full. Try again when somebody has left.");
  assert.equal(sayLinkRefusal(refusal({ code: "rate_limited", retry_after_ms: 9_100 })).text, "Try again in 10 seconds.");
  assert.equal(sayLinkRefusal(refusal({ code: "forbidden" })).again, false);
  assert.equal(sayLinkRefusal(new Error("what?")).again, true);
});

test("c3_hosts_hear_who_has_come_to_the_door", () => {
  assert.deepEqual(
    [["Bob"], ["Bob", "Carol"], ["Bob", "Carol", "Dan", "Eve"]].map(sayKnocks),
    ["Bob wants to join", "Bob and Carol want to join", "Bob, Carol and 2 others want to join"],
  );
});

test("c3_until_when_a_link_is_good_is_said_so_that_no_year_is_mistaken", () => {
  const now = new Date(2026, 10, 22, 12).getTime();
  const said = [[2026, 10, 22, 18], [2026, 10, 29, 12], [2027, 10, 22, 12]].map(([year, month, day, hour]) =>
    sayGoodUntil(new Date(year!, month, day, hour).getTime(), now),
  );
  assert.match(said[0]!, /^until \d+[:.]\d+/);
  assert.match(said[1]!, /29/);
  assert.match(said[2]!, /2027/);
});

test("c3_devices_that_are_not_to_be_had_are_said_with_what_to_do_and_that_one_can_join_all_the_same", () => {
  const both = sayWithout([{ source: "mic", reason: "denied" }, { source: "camera", reason: "denied" }]);
  assert.equal(both.length, 1);
  assert.match(both[0]!, /neither your microphone nor your camera.*Allow them.*You can join without/);
  const each = sayWithout([{ source: "mic", reason: "denied" }, { source: "camera", reason: "busy" }]);
  assert.match(each[0]!, /your microphone.*You can join without it/);
  assert.match(each[1]!, /Another program.*You can join without it/);
  assert.deepEqual(sayWithout([]), []);
});

test("c3_a_link_that_is_not_made_says_why", () => {
  assert.equal(sayLinkNotMade(refusal({ code: "too_many", limit: 50 })), "You have 50 links. Take one back first");
  assert.equal(sayLinkNotMade(refusal({ code: "bad_request", limit: 86_400 })), "Links are good for 1 day at most here");
  assert.equal(sayLinkNotMade(refusal({ code: "bad_request", message: "A name has one line." })), "A name has one line");
});

test("c3_the_address_of_a_call_link_leads_to_it_and_no_other_does", () => {
  assert.equal(linkIn("/call/Zk3v-T0_m"), "Zk3v-T0_m");
  assert.equal(linkIn("/call/Zk3v/"), "Zk3v");
  for (const path of ["/", "/call/", "/calls/1", "/call/a/b", "/call/%2e"]) assert.equal(linkIn(path), undefined);
  assert.deepEqual(placeOfAddress("#settings", "/call/abc"), { view: "home", chat: undefined, link: "abc" });
  assert.deepEqual(placeOfAddress("#settings", "/"), { view: "settings", chat: undefined });
});
