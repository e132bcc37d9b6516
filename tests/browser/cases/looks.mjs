// What people see, at the size of a phone and of a desktop: pictures to look at, and nothing serious for axe to find.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import assert from "node:assert/strict";
import { scenario, SHOTS } from "../harness.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SIZES = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 390, height: 844, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

for (const [size, viewport] of Object.entries(SIZES)) {
  scenario(`c2_pages_are_accessible_at_${size}_size`, async (world) => {
    const check = (person, page) => looksGood(person, `${size}-${page}`);
    const alice = await world.device("Alice", "left", { viewport });
    const bob = await world.device("Bob", "right", { viewport });
    await alice.open();
    await alice.sees("sign-in-name");
    await check(alice, "sign-in");
    await Promise.all([alice.signIn(), bob.signIn()]);
    await alice.sees(`person-${bob.userId}`);
    await check(alice, "people");
    await alice.calls(bob, "video");
    await bob.rings();
    await check(bob, "incoming");
    await check(alice, "outgoing");
    await bob.accepts();
    await Promise.all([alice.seesCameraOf(bob), bob.seesCameraOf(alice)]);
    await check(alice, "in-video-call");
    await alice.hangsUp();
    await Promise.all([alice.isFree(), bob.isFree()]);
    await alice.calls(bob, "voice");
    await bob.accepts();
    await alice.isInCall();
    await check(alice, "in-voice-call");
    await alice.hangsUp();
    await alice.isFree();
    if (size === "phone") await alice.click("tab-recent");
    await alice.sees("recent-calls");
    await check(alice, "recent-calls");
  });
}

async function looksGood(person, name) {
  await person.until("sees it come to rest", () => {
    const moving = document.getAnimations().filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime));
    return moving.every(({ playState }) => playState === "finished");
  });
  await person.shot(join(SHOTS, `${name}.png`));
  const sideways = await person.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(sideways <= 0, `${name}: scrolls sideways by ${sideways} px`);
  await person.page.evaluate(AXE);
  const found = await person.page.evaluate(async () => {
    const { violations } = await window.axe.run(document);
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
  });
  assert.deepEqual(found, [], name);
}
