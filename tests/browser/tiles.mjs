// Sixteen tiles of 180 lines in one page: how many of the pictures that were decoded were not shown, and how long the page's main thread was
// busy at once. Fifteen publish by WHIP, coded once for all of them; one watches in Chromium, and one is coded by it.
// `node tiles.mjs [seconds]`, TERTULIA_BIN as in run.mjs; with a release build.

import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { goInside, isInside, plugIn } from "./network.mjs";

if (!isInside()) await goInside();
plugIn();
const PUBLISHERS = 15;
process.env.TERTULIA_SIGNALING__STANDARD_PEERS_PER_USER_MAX = String(PUBLISHERS);

const { World, SHOTS, closeAll } = await import("./harness.mjs");
const { makesGroup } = await import("./chatting.mjs");
const { isInCallOf, joinsGroup } = await import("./group-calling.mjs");
const { pause, until } = await import("./until.mjs");
const seconds = Number(process.argv[2] ?? 20);
const SCRIPT = join(dirname(fileURLToPath(import.meta.url)), "../peers/gstreamer_whip.py");

/** Runs in the page before anything of the page does. */
function watch() {
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration);
  }).observe({ type: "longtask" });
}

/** What each tile has shown so far, and left out. */
const shown = (person) => person.page.evaluate(() => [...document.querySelectorAll("[data-tile] video")].map((video) => {
  const { totalVideoFrames: total, droppedVideoFrames: dropped } = video.getVideoPlaybackQuality();
  return { total, dropped, height: Math.round(video.getBoundingClientRect().height), lines: video.videoHeight };
}));

async function publish(url, token) {
  // The first few come at once, the others as the server's limit of requests lets them.
  const child = spawn("/usr/bin/python3", [SCRIPT, url, "440", ...Array(PUBLISHERS).fill(token)], { stdio: ["pipe", "pipe", "inherit"] });
  let connected = 0;
  createInterface({ input: child.stdout }).on("line", (line) => {
    connected += JSON.parse(line).connected ? 1 : 0;
  });
  await until(`${PUBLISHERS} publish`, () => connected === PUBLISHERS, 30_000);
  return child;
}

const world = new World("tiles", 1, { of: "tiles" });
let publishers;
try {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right", { before: watch }]);
  await makesGroup(alice, "Sixteen", [bob]);
  const [group, token] = await alice.page.evaluate(() => [
    location.href.match(/[0-9a-f]{32}/)[0],
    JSON.parse(localStorage.getItem("tertulia.account") ?? sessionStorage.getItem("tertulia.account")).token,
  ]);
  publishers = await publish(`${new URL(alice.page.url()).origin}/v1/whip/${group}`, token);
  await joinsGroup(bob, "Sixteen");
  await isInCallOf(bob, PUBLISHERS + 1);
  await until("all tiles move", async () => (await shown(bob)).filter(({ total }) => total > 30).length >= PUBLISHERS, 30_000);
  await pause(3_000);
  const before = await shown(bob);
  await bob.page.evaluate(() => { window.longest = 0; });
  await pause(seconds * 1_000);
  const after = await shown(bob);
  const longest = await bob.page.evaluate(() => window.longest);
  const tiles = after.map((tile, index) => ({ ...tile, total: tile.total - before[index].total, dropped: tile.dropped - before[index].dropped }));
  const sum = (field) => tiles.reduce((sum, tile) => sum + tile[field], 0);
  await bob.page.screenshot({ path: join(SHOTS, "sixteen.png") });
  console.log("| tiles | height each | lines | pictures/s each | dropped | longest task of the main thread |\n|---|---|---|---|---|---|");
  const mean = (field) => Math.round(sum(field) / tiles.length);
  console.log(`| ${tiles.length} | ${mean("height")} | ${mean("lines")} | ${(sum("total") / tiles.length / seconds).toFixed(1)} | ${((100 * sum("dropped")) / sum("total")).toFixed(1)} % | ${longest < 50 ? "under 50" : Math.round(longest)} ms |`);
} finally {
  if (publishers?.exitCode === null) await new Promise((resolve) => publishers.once("exit", resolve).stdin.end("\n"));
  await world.close();
  await closeAll();
}
