import assert from "node:assert/strict";
import { test } from "node:test";
import { TertuliaError, type Ended } from "@tertulia/sdk";
import { sayConferenceEnded, sayNames, sayPeople, sayReaction, sayRinging, sayWhoIsIn } from "../src/words-conference.js";

test("c3_names_are_as_many_as_one_reads", () => {
  const names = ["Ana", "Bob", "Carol", "Dan", "Eve"];
  const said = [0, 1, 2, 3, 4, 5].map((n) => sayNames(names.slice(0, n)));
  assert.deepEqual(said, ["", "Ana", "Ana and Bob", "Ana, Bob and Carol", "Ana, Bob and 2 others", "Ana, Bob and 3 others"]);
  assert.equal(sayRinging(["Ana"]), "Ringing Ana…");
  assert.deepEqual([1, 2].map(sayPeople), ["only you", "2 people"]);
});

test("c3_who_is_in_a_call_that_goes_on_is_said_also_before_it_is_known_who_they_are", () => {
  assert.equal(sayWhoIsIn([], 1), "One person is in it");
  assert.equal(sayWhoIsIn([], 4), "4 are in it");
  assert.equal(sayWhoIsIn(["Ana"], 1), "Ana is in it");
  assert.equal(sayWhoIsIn(["Ana", "Bob"], 2), "Ana and Bob are in it");
});

test("c3_what_ended_is_said_in_words_and_never_as_a_code", () => {
  const say = (reason: Ended["reason"], accepted = true, error?: TertuliaError) =>
    sayConferenceEnded("Choir", { accepted, direction: "incoming" }, { reason, durationMs: 65_000, error })?.text;
  assert.equal(say("hangup"), "You were in the call “Choir” for 1:05");
  assert.equal(say("removed"), "You were taken out of the call “Choir”");
  assert.equal(say("missed", false), "You missed a call of “Choir”");
  assert.equal(say("failed", true, TertuliaError.of("call_full")), "The call is full. Try again when somebody has left");
  assert.equal(say("failed"), "The call could not be connected");
  assert.equal(say("declined", false), undefined);
});

test("c3_reactions_have_names_for_those_who_do_not_see_them", () => {
  assert.equal(sayReaction("👏"), "applause");
  assert.equal(sayReaction("🦊"), "🦊");
});
