// a1, a3, a4: accounts as people meet them: by phone and PIN, on several devices, left alone, and deleted.

import assert from "node:assert/strict";
import { looksGood, SIZES } from "../good.mjs";
import { scenario } from "../harness.mjs";
import { accounts } from "../server.mjs";
import { pause, until } from "../until.mjs";

/** The least that the server allows: from one PIN of a number to its next. */
const PIN_AGAIN_S = 1;

let numbers = 0;
const phoneNumber = () => `+346${String(11_000_000 + (numbers += 1))}`;

/** Devices whose people have registered. */
async function registered(world, ...devices) {
  const people = [];
  for (const [name, browser, options] of devices) people.push(await world.device(name, browser, options));
  const server = await world.server();
  for (const person of people) {
    person.phone = phoneNumber();
    await person.registers(server, person.phone);
  }
  return people;
}

/** Links `fresh` to the account of `owner` by the code that it shows. */
async function links(owner, fresh, look = () => {}) {
  await fresh.open();
  await fresh.click("sign-in-by-link");
  await fresh.sees("link-code");
  await look(fresh, "link-code");
  const code = await fresh.reads("link-code", /\w{4}-?\w{4}/);
  await owner.opensSettings();
  await owner.click("link-device");
  await owner.types("link-code-input", code);
  await owner.click("link-code-submit");
  await owner.sees("link-approve");
  await look(owner, "link-approve");
  await owner.click("link-approve");
  await fresh.isOnline();
  await owner.seesNo("link-asked");
  await owner.leavesSettings();
}

scenario(
  "a1_two_register_by_phone_and_one_calls_the_others_number",
  async (world) => {
    const [alice, bob] = await registered(world, ["Alice", "left"], ["Bob", "right"]);
    await alice.callsNumber(bob.phone, "voice");
    await bob.rings();
    await bob.reads("incoming", /Alice/);
    await bob.accepts();
    await Promise.all([alice.isInCall(), bob.isInCall(), bob.hears(alice), alice.hears(bob)]);
    await alice.hangsUp();
    await Promise.all([alice.isFree(), bob.isFree()]);
    await alice.reload();
    await alice.isOnline(); // the device is known from now on
    await alice.types("people-search", phoneNumber());
    await alice.click("call-voice", '[data-testid="call-number"]');
    await alice.sees("number-unknown");
  },
  accounts,
);

scenario(
  "a1_a_wrong_pin_is_told_and_the_right_one_still_works",
  async (world) => {
    const alice = await world.device("Alice", "left");
    const phone = phoneNumber();
    await alice.asksForPin(phone);
    const right = await until("a PIN", async () => {
      return new RegExp(`PIN (\\d{6}) for \\${phone}`).exec((await world.server()).logged())?.[1];
    });
    await alice.types("sign-in-pin", right === "000000" ? "000001" : "000000");
    await alice.click("sign-in-pin-submit");
    await alice.reads("sign-in-problem", /\w/);
    await alice.types("sign-in-pin", right);
    await alice.click("sign-in-pin-submit");
    await alice.isOnline();
  },
  accounts,
);

scenario(
  "a3_a_device_is_linked_by_code_rings_and_is_signed_out_when_it_is_unlinked",
  async (world) => {
    const [bob, alice] = await registered(world, ["Bob", "left"], ["Alice", "right"]);
    const laptop = await world.device("Bob", "right");
    await links(bob, laptop);
    assert.equal(laptop.userId, bob.userId);
    await alice.callsNumber(bob.phone, "voice");
    await Promise.all([bob.rings(), laptop.rings()]);
    await laptop.accepts();
    await bob.stopsRinging();
    await Promise.all([alice.isInCall(), laptop.isInCall(), laptop.hears(alice)]);
    // Unlinked in the middle of its call: that ends, and it is signed out there and then.
    const device = await laptop.page.evaluate(() => window.tertulia.client.welcome.device_id);
    await bob.opensSettings();
    await bob.click("unlink", `[data-testid="device-${device}"]`);
    await bob.click("unlink-sure-confirm");
    await laptop.sees("sign-in-phone");
    await alice.isFree();
    await bob.seesNo(`device-${device}`);
    await laptop.reload();
    await laptop.sees("sign-in-phone");
    await bob.leavesSettings();
    await alice.callsNumber(bob.phone, "voice");
    await bob.rings();
    await laptop.seesNo("incoming");
  },
  accounts,
);

scenario(
  "a3_a_new_primary_device_ends_the_access_of_the_one_before",
  async (world) => {
    const [bob] = await registered(world, ["Bob", "left"]);
    const phone = await world.device("Bob", "right");
    await pause(PIN_AGAIN_S * 1_000); // a quick machine is here before the number may ask again
    await phone.registers(await world.server(), bob.phone);
    assert.equal(phone.userId, bob.userId);
    await bob.sees("sign-in-phone");
  },
  { ...accounts, more: `${accounts.more}pin_again_s = ${PIN_AGAIN_S}\n`, own: true },
);

scenario(
  "a6_do_not_disturb_is_silence_and_a_missed_call",
  async (world) => {
    const [alice, bob] = await registered(world, ["Alice", "left"], ["Bob", "right"]);
    await bob.click("disturb");
    await bob.click("disturb-always");
    await bob.until("is not to be disturbed", () => document.querySelector('[data-testid="disturb"]').dataset.on === "true");
    await alice.callsNumber(bob.phone, "voice");
    await alice.hangsUp();
    await alice.isFree();
    await bob.reads("recent-calls", /missed/i);
    await bob.seesNo("incoming");
    await bob.click("disturb");
    await bob.click("disturb-off");
    await bob.until("may be disturbed", () => document.querySelector('[data-testid="disturb"]').dataset.on === "false");
    await alice.callsNumber(bob.phone, "voice");
    await bob.rings();
  },
  accounts,
);

scenario(
  "a6_who_is_blocked_does_not_ring_until_unblocked",
  async (world) => {
    const [alice, bob] = await registered(world, ["Alice", "left"], ["Bob", "right"]);
    await alice.callsNumber(bob.phone, "voice");
    await bob.declines();
    await alice.isFree();
    const row = `person-${alice.userId}`;
    const records = () => bob.page.evaluate(() => document.querySelectorAll('[data-testid^="record-"]').length);
    await until("the declined call is listed", async () => (await records()) === 1);
    await bob.chooses("block", row);
    await bob.reads(row, /blocked/i);
    await alice.callsNumber(bob.phone, "voice");
    await alice.until("is placed", () => window.tertulia.call?.id !== undefined);
    await alice.hangsUp();
    await alice.isFree();
    await bob.seesNo("incoming");
    await bob.reload();
    await bob.isOnline();
    await until("the history is there", async () => (await records()) > 0);
    assert.equal(await records(), 1, "the blocked call left a trace");
    await bob.chooses("unblock", row);
    await bob.until("has unblocked", (id) => !/blocked/i.test(document.querySelector(`[data-testid="${id}"]`).textContent), row);
    await alice.callsNumber(bob.phone, "voice");
    await bob.rings();
  },
  accounts,
);

scenario(
  "a4_a_deleted_account_is_out_of_its_call_and_a_name_no_more",
  async (world) => {
    const [alice, bob] = await registered(world, ["Alice", "left"], ["Bob", "right"]);
    await alice.callsNumber(bob.phone, "voice");
    await bob.accepts();
    await Promise.all([alice.isInCall(), bob.isInCall()]);
    const other = await world.device("Bob", "left"); // the same person's laptop is signed out with it
    await bob.hangsUp();
    await Promise.all([alice.isFree(), bob.isFree()]);
    await links(bob, other);
    await alice.callsNumber(bob.phone, "voice");
    await other.accepts();
    await Promise.all([alice.isInCall(), other.isInCall()]);
    await bob.opensSettings();
    await bob.click("delete-account");
    await bob.types("delete-word", "delete");
    await bob.click("delete-confirm");
    await Promise.all([bob.sees("sign-in-phone"), other.sees("sign-in-phone"), alice.isFree()]);
    await alice.reload();
    await alice.isOnline();
    const history = await alice.reads("recent-calls", /Deleted account/);
    assert.doesNotMatch(history, /Bob/);
  },
  accounts,
);

for (const [size, viewport] of Object.entries(SIZES)) {
  scenario(
    `a1_the_pages_of_accounts_are_accessible_at_${size}_size`,
    async (world) => {
      const check = (person, page) => looksGood(person, `${size}-${page}`);
      const alice = await world.device("Alice", "left", { viewport });
      await alice.open();
      await alice.sees("sign-in-phone");
      await check(alice, "sign-in-phone");
      const phone = phoneNumber();
      await alice.asksForPin(phone);
      await check(alice, "sign-in-pin");
      await alice.entersPin(await world.server(), phone);
      await check(alice, "home-empty");
      const laptop = await world.device("Alice", "right", { viewport });
      await links(alice, laptop, check);
      const [bob] = await registered(world, ["Bob", "right", { viewport }]);
      await bob.callsNumber(phone, "voice");
      await alice.accepts();
      await Promise.all([alice.isInCall(), bob.isInCall()]);
      await laptop.sees("elsewhere");
      await check(laptop, "elsewhere");
      await alice.sees("quality");
      await alice.hears(bob);
      await bob.hangsUp();
      await alice.isFree();
      await alice.chooses("block", `person-${bob.userId}`);
      await alice.opensSettings();
      await alice.sees(`blocked-${bob.userId}`);
      await check(alice, "settings");
      await alice.click("delete-account");
      await alice.sees("delete-word");
      await check(alice, "delete-account");
    },
    accounts,
  );
}
