// c3: call links: made on the page, followed by somebody who is not signed in yet; the look at oneself before the call, the wait, and who
// lets people in.

import assert from "node:assert/strict";
import { looksGood, SIZES } from "../good.mjs";
import { allSeeAndHear, isInCallOf } from "../group-calling.mjs";
import { scenario } from "../harness.mjs";
import { until } from "../until.mjs";

const LONG_MS = 240_000;

/** Remembers every microphone and camera that the page has opened. */
function remembersDevices() {
  window.openedTracks = [];
  const real = MediaDevices.prototype.getUserMedia;
  MediaDevices.prototype.getUserMedia = async function (...wanted) {
    const stream = await real.apply(this, wanted);
    window.openedTracks.push(...stream.getTracks());
    return stream;
  };
}

/** Counts the tones that the page has played. */
function countsTones() {
  window.tones = 0;
  const real = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...at) {
    window.tones += 1;
    return real.apply(this, at);
  };
}

const tones = (person) => person.page.evaluate(() => window.tones);

/** A browser whose owner has said no. */
function allowsNothing() {
  MediaDevices.prototype.getUserMedia = () => Promise.reject(new DOMException("", "NotAllowedError"));
}

async function seesRecent(person) {
  const tabs = await person.page.evaluate(() => !!document.querySelector('[data-testid="tab-recent"]')?.checkVisibility());
  if (tabs) await person.click("tab-recent");
  await person.sees("make-link");
}

/** Makes a link on the page, and gives its address. */
async function makesLink(person, name, { approval = true } = {}) {
  await seesRecent(person);
  await person.click("make-link");
  await person.types("new-link-name", name);
  if (!approval) await person.click("new-link-approval");
  await person.click("new-link-make");
  return person.reads("made-link-address", /\/call\/[\w-]{22,}$/);
}

/** The page before the call is there, with oneself in the mirror. */
async function looksAtThemselves(person) {
  await isAt(person, "ready");
  await person.seesCameraOf(person, { testId: "preview-video", least: 2 });
  await person.until("hears their microphone is heard", () => document.querySelector('[data-testid="preview-level"]')?.dataset.heard === "true");
}

function isAt(person, stage) {
  return person.until(`is at the door, ${stage}`, (wanted) => document.querySelector('[data-testid="door"]')?.dataset.stage === wanted, stage);
}

/** Somebody follows an address, signs in, and is before the call. */
async function follows(world, address, name, browserName, options = {}) {
  const person = await world.device(name, browserName, { before: remembersDevices, ...options, url: address });
  await person.open();
  await person.sees("sign-in-for-call");
  await person.signIn();
  return person;
}

async function asks(person) {
  await isAt(person, "ready");
  await person.click("door-join");
  await isAt(person, "waiting");
}

async function isTold(person, pattern) {
  await isAt(person, "told");
  await person.reads("door-told", pattern);
  await noDeviceIsOn(person);
}

/** The keys are where one expects them; the next thing they reach is pressed. */
async function pressesNext(person, from, next) {
  const isOn = (testId) => person.until(`has the keys on ${testId}`, (id) => document.activeElement?.dataset.testid === id, testId);
  await isOn(from);
  await person.page.keyboard.press("Tab");
  await isOn(next);
  await person.page.keyboard.press("Enter");
}

function noDeviceIsOn(person) {
  return person.until("has no camera and no microphone on", () => window.openedTracks.every(({ readyState }) => readyState === "ended"));
}

scenario(
  "c3_call_link_guest_asks_is_let_in_and_all_see_and_hear_each_other",
  async (world) => {
    const [alice] = await world.signedIn(["Alice", "left", { before: countsTones }]);
    const address = await makesLink(alice, "Book club");
    await alice.click("made-link-open");
    await looksAtThemselves(alice);
    await alice.click("door-join");
    await alice.sees("in-call");
    await alice.reads("conference-title", /^Book club$/);

    const bob = await follows(world, address, "Bob", "right");
    await bob.reads("door-name", /^Book club$/);
    await bob.reads("door", /Alice \d+’s link/);
    await looksAtThemselves(bob);
    const before = await tones(alice);
    await bob.click("door-join");
    await isAt(bob, "waiting");
    await alice.reads("knock-text", /^Bob \d+$/);
    await until("a knock is heard", async () => (await tones(alice)) === before + 2);
    assert.equal(await bob.page.evaluate(() => !!document.querySelector('[data-testid="in-call"]')), false);
    await alice.click("admit", '[data-testid="knock"]');
    await bob.sees("in-call");
    await Promise.all([isInCallOf(alice, 2), isInCallOf(bob, 2)]);
    await allSeeAndHear([alice, bob]);
    await alice.seesNo("knock");
    assert.equal(await tones(alice), before + 2, "once");
    // Only hosts are offered to add others: the server takes it from nobody else here.
    for (const person of [alice, bob]) await person.click("people");
    await alice.sees("add-people");
    await bob.sees("roster");
    await bob.seesNo("add-people");
    for (const person of [alice, bob]) await person.click("close-roster");
    assert.equal(await bob.page.evaluate(() => window.openedTracks.length), 2, "what was seen before is what is sent");

    // Who has left is out, and no camera stays on.
    await bob.hangsUp();
    await noDeviceIsOn(bob);
    assert.equal(new URL(bob.page.url()).pathname, "/");
  },
  { patience: LONG_MS },
);

scenario("c3_call_link_guest_who_is_turned_away_is_told_when_to_ask_again", async (world) => {
  const [alice] = await world.signedIn(["Alice", "left"]);
  const address = await makesLink(alice, "Book club");
  await alice.click("made-link-open");
  await isAt(alice, "ready");
  await alice.click("door-join");
  await alice.sees("in-call");
  const carol = await follows(world, address, "Carol", "right");
  await asks(carol);
  await alice.click("people");
  await alice.click("turn-away", `[data-testid="knocks-${carol.userId}"]`);
  await isTold(carol, /You were not let in/);
  await alice.seesNo("knocking");
  await carol.click("door-again");
  await isAt(carol, "ready");
  await carol.click("door-join");
  await isTold(carol, /You were not let in.*You can ask again in [45] minutes/);
});

scenario("c3_call_link_that_is_taken_back_leads_nowhere", async (world) => {
  const [alice] = await world.signedIn(["Alice", "left"]);
  const address = await makesLink(alice, "Choir");
  await alice.click("close-dialog");
  const bob = await follows(world, address, "Bob", "right");
  await asks(bob);
  await alice.reads("my-links", /Choir.*Until .* · one by one/);
  await alice.click("more", '[data-testid="my-links"]');
  await alice.click("take-link-back", '[data-testid="my-links"]');
  await alice.click("revoke-link-confirm");
  await alice.seesNo("my-links");
  await isTold(bob, /This link is not valid any more.*Ask Alice \d+ for a new one/);
  await bob.click("door-home");
  await bob.sees("people-search");
  const carol = await follows(world, address, "Carol", "left");
  await isTold(carol, /This link is not valid any more/);
});

scenario("c3_call_link_guest_who_gives_up_waiting_leaves_no_camera_on", async (world) => {
  const [alice] = await world.signedIn(["Alice", "left"]);
  const address = await makesLink(alice, "Choir");
  await alice.click("made-link-open");
  await isAt(alice, "ready");
  await alice.click("door-join");
  await alice.sees("in-call");
  const bob = await follows(world, address, "Bob", "right");
  await looksAtThemselves(bob);
  // By keys alone.
  await pressesNext(bob, "door-name", "door-join");
  await isAt(bob, "waiting");
  await alice.sees("knock");
  // Loaded anew, one is before the door again, and asks again.
  await bob.reload();
  await asks(bob);
  await alice.sees("knock");
  await pressesNext(bob, "door-name", "door-cancel");
  await bob.sees("people-search");
  await noDeviceIsOn(bob);
  await alice.seesNo("knock");
});

scenario(
  "c3_c6_call_link_guest_who_waits_asks_again_when_the_program_was_killed",
  async (world) => {
    const [alice] = await world.signedIn(["Alice", "left"]);
    const address = await makesLink(alice, "Choir");
    await alice.click("made-link-open");
    await isAt(alice, "ready");
    await alice.click("door-join");
    await isInCallOf(alice, 1);
    const bob = await follows(world, address, "Bob", "right");
    await asks(bob);
    await alice.sees("knock");
    const server = await world.server();
    await server.end("SIGKILL");
    await server.start();
    await bob.until("is online again", () => window.tertulia.client.state === "online");
    await isInCallOf(alice, 1);
    await alice.reads("knock-text", /^Bob \d+$/);
    await isAt(bob, "waiting");
    await alice.click("admit", '[data-testid="knock"]');
    await Promise.all([isInCallOf(alice, 2), isInCallOf(bob, 2)]);
    await allSeeAndHear([alice, bob]);
  },
  { own: true, patience: LONG_MS },
);

scenario("c3_call_link_without_devices_is_joined_all_the_same", async (world) => {
  const [alice] = await world.signedIn(["Alice", "left"]);
  const address = await makesLink(alice, "Choir", { approval: false });
  await alice.click("made-link-open");
  await looksAtThemselves(alice);
  await alice.click("preview-mic");
  await alice.click("preview-camera");
  await alice.reads("preview", /Your camera is off.*Your microphone is off/);
  await alice.click("door-join");
  await alice.sees("in-call");
  const bob = await world.device("Bob", "right", { before: allowsNothing, url: address });
  await bob.signIn();
  await bob.reads("preview-problem", /neither your microphone nor your camera.*Allow them.*You can join without/);
  await looksGood(bob, "call-link-refused");
  await bob.page.setViewport({ ...SIZES.phone, isMobile: false, hasTouch: false });
  await looksGood(bob, "call-link-refused-phone");
  await bob.reads("door-who", /^Alice \d+ is in it$/);
  await bob.click("door-join");
  await Promise.all([isInCallOf(alice, 2), isInCallOf(bob, 2)]);
  for (const person of [alice, bob]) {
    await person.until("sees that nobody sends anything", () =>
      window.tertulia.call.conference.members.every(({ entry }) => !entry.mic && !entry.camera),
    );
  }
});

scenario(
  "c3_call_link_guest_in_firefox_comes_in",
  async (world) => {
    const [alice] = await world.signedIn(["Alice", "left"]);
    const address = await makesLink(alice, "Choir", { approval: false });
    await alice.click("made-link-open");
    await isAt(alice, "ready");
    await alice.click("door-join");
    await alice.sees("in-call");
    const fiona = await world.device("Fiona", "firefox", { url: address });
    await fiona.signIn();
    await isAt(fiona, "ready");
    await fiona.until("sees themselves", () => document.querySelector('[data-testid="preview-video"]')?.videoWidth > 0);
    await fiona.click("door-join");
    await Promise.all([isInCallOf(alice, 2), isInCallOf(fiona, 2)]);
    await allSeeAndHear([alice, fiona]);
  },
  { patience: LONG_MS },
);

for (const [size, viewport] of Object.entries(SIZES)) {
  scenario(
    `c3_call_link_pages_are_accessible_at_${size}_size`,
    async (world) => {
      const check = async (person, page) => {
        for (const scheme of ["light", "dark"]) {
          await person.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
          await looksGood(person, `${size}-call-link-${page}-${scheme}`);
        }
      };
      const [alice] = await world.signedIn(["Alice", "left", { viewport }]);
      await seesRecent(alice);
      await alice.click("make-link");
      await alice.sees("new-link-name");
      await check(alice, "new");
      await alice.types("new-link-name", "Book club");
      await alice.click("new-link-make");
      const address = await alice.reads("made-link-address", /\/call\//);
      await check(alice, "made");
      await alice.click("close-dialog");
      await check(alice, "list");
      await alice.click("open-link");
      await looksAtThemselves(alice);
      await check(alice, "prejoin");
      await alice.click("door-join");
      await alice.sees("in-call");
      await isInCallOf(alice, 1);
      const bob = await follows(world, address, "Bob", "right", { viewport });
      await asks(bob);
      await check(bob, "waiting");
      await alice.sees("knock");
      await check(alice, "knock");
      const carol = await follows(world, address, "Carol", "left", { viewport });
      await asks(carol);
      await alice.reads("knock-text", /^2 are waiting$/);
      await check(alice, "knocks");
      await alice.click("knock-see");
      await alice.sees("knocking");
      await check(alice, "people");
      await alice.click("turn-away", `[data-testid="knocks-${bob.userId}"]`);
      await isTold(bob, /not let in/);
      await check(bob, "turned-away");
    },
    { patience: LONG_MS },
  );
}
