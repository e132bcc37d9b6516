import assert from "node:assert/strict";
import { test } from "node:test";
import {
  allCountries,
  countryOf,
  internationalNumber,
  likelyRegion,
  looksLikeNumber,
  regionOf,
  spacedNumber,
} from "../src/phone.js";

test("a1_a_number_is_understood_however_it_is_typed", () => {
  const home = ["612345678", "612 34 56 78", "(612) 345-678", "612.345.678"];
  const abroad = ["+34 612 345 678", "0034612345678", "+３４612345678"];
  const spanish = [...home, ...abroad];
  for (const typed of spanish) assert.equal(internationalNumber(typed, "ES"), "+34612345678", typed);
  assert.equal(internationalNumber("", "ES"), undefined);
  assert.equal(internationalNumber("  call me ", "ES"), undefined);
});

test("a1_a_number_that_names_its_country_keeps_it", () => {
  assert.equal(internationalNumber("+44 7911 123456", "ES"), "+447911123456");
  assert.equal(internationalNumber("+44 (0)7911 123456", "ES"), "+447911123456");
});

test("a1_what_is_dialled_at_home_only_is_left_out", () => {
  assert.equal(internationalNumber("07911 123456", "GB"), "+447911123456");
  assert.equal(internationalNumber("1 (415) 555-0123", "US"), "+14155550123");
  assert.equal(internationalNumber("8 912 345-67-89", "RU"), "+79123456789");
  assert.equal(internationalNumber("06 20 123 4567", "HU"), "+36201234567");
  // In Italy the zero is a part of the number.
  assert.equal(internationalNumber("06 1234 5678", "IT"), "+390612345678");
});

test("a1_a_number_is_shown_in_groups", () => {
  assert.equal(spacedNumber("+34612345678"), "+34 612 345 678");
  assert.equal(spacedNumber("+14155550123"), "+1 415 555 0123");
  assert.equal(spacedNumber("+447911123456"), "+44 791 112 3456");
  assert.equal(spacedNumber("tel"), "tel");
});

test("a1_the_country_is_the_servers_or_else_the_browsers", () => {
  assert.equal(likelyRegion("ES", ["de-DE"]), "ES");
  assert.equal(likelyRegion("es", []), "ES");
  assert.equal(likelyRegion(undefined, ["en", "de-AT"]), "AT");
  assert.equal(likelyRegion("ZZ", ["not a language"]), "US");
});

test("a1_a_number_with_its_code_chooses_the_country", () => {
  assert.equal(regionOf("+34 6"), "ES");
  assert.equal(regionOf("0044 79"), "GB");
  assert.equal(regionOf("+1 416", "CA"), "CA");
  assert.equal(regionOf("+1 415", "ES"), "US");
  assert.equal(regionOf("612 345 678", "ES"), undefined);
  assert.equal(regionOf("+", "ES"), undefined);
});

test("a1_every_country_has_a_code_and_a_name", () => {
  assert.ok(allCountries().length > 240);
  for (const { region, name, code } of allCountries()) {
    assert.match(region, /^[A-Z]{2}$/);
    assert.match(code, /^[1-9]\d{0,2}$/, region);
    assert.notEqual(name, region);
  }
  assert.equal(countryOf("pt")?.code, "351");
});

test("a name is not taken for a number", () => {
  assert.ok(looksLikeNumber("+34 612"));
  assert.ok(looksLikeNumber("(0612) 345"));
  for (const name of ["alice", "agent 47", "12", "", "u7k3m"]) assert.ok(!looksLikeNumber(name), name);
});
