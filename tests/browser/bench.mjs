// What people wait for, in real browsers: from the opening of the WebSocket to the first picture; and from what goes wrong (the
// program killed or restarted, an interface gone, deaf or with another address, a NAT that forgets) to sound at both ends.
// `node bench.mjs [rounds] [part of a row's name]`, TERTULIA_BIN as in run.mjs; with a release build, or it measures the
// compiler.

import { ADDRESS, goInside, isInside, plugIn } from "./network.mjs";

if (!isInside()) await goInside();
plugIn();

const { World, closeAll } = await import("./harness.mjs");
const { pause } = await import("./until.mjs");
const rounds = Number(process.argv[2] ?? 20);
const only = process.argv[3] ?? "";
/** What a call is given to settle before something happens to it. */
const SETTLE_MS = 1_500;

/** Runs in the page before anything of the page does: notes the two moments, and presses the button between them. */
function watch() {
  const marks = (window.marks = {});
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("open", () => (marks.open ??= performance.now()));
    }
  };
  let video;
  new MutationObserver(() => {
    document.querySelector('[data-testid="rejoin"]')?.click();
    const shown = document.querySelector('video[data-testid="remote-video"]');
    if (!shown || shown === video) return;
    video = shown;
    video.requestVideoFrameCallback(() => (marks.frame ??= performance.now()));
  }).observe(document, { childList: true, subtree: true });
}

/** A world for one kind of measurement, closed whatever happens. */
async function measure(what, settings, run) {
  if (!what.includes(only)) return;
  const world = new World(what, (worlds += 1), { of: what, ...settings });
  try {
    const took = (await run(world)).sort((a, b) => a - b);
    const at = (part) => took[Math.min(took.length - 1, Math.floor(took.length * part))].toFixed(0);
    console.log(`| ${what} | ${took.length} | ${at(0.5)} | ${at(0.95)} | ${at(1)} |`);
  } finally {
    await world.close();
  }
}
let worlds = 0;

async function inCall(alice, bob) {
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall(), alice.seesCameraOf(bob), bob.seesCameraOf(alice)]);
  await Promise.all([alice.watches(), bob.watches()]);
  await pause(SETTLE_MS);
}

/** From `change` to sound at the worse of both ends. */
async function recovery(people, change, least = 0) {
  await pause(SETTLE_MS);
  const since = Date.now();
  await change();
  const found = await Promise.all(people.map((person) => person.interruption(since, { least })));
  return Math.max(...found.map(({ back }) => back));
}

const times = async (count, one) => {
  const took = [];
  for (let round = 0; round < count; round += 1) took.push(await one(round));
  return took;
};

async function firstPicture(world) {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right", { before: watch }]);
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  return times(rounds, async () => {
    await pause(SETTLE_MS);
    await bob.reload();
    const frame = await bob.page.waitForFunction(() => window.marks.frame && window.marks.frame - window.marks.open);
    return frame.jsonValue();
  });
}

const restarted = (signal) => async (world) => {
  const people = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await inCall(...people);
  const server = await world.server();
  return times(rounds, () =>
    recovery(
      people,
      async () => {
        await server.end(signal);
        await server.start();
      },
      100,
    ),
  );
};

/** Every round has a network and a browser of its own: what is done to them is not undone. */
const moved = (interfaces, change) => async (world) => {
  return times(Math.ceil(rounds / 2), async (round) => {
    const { namespace, roads } = await world.network(...interfaces);
    const people = await world.signedIn([`Alice ${round}`, "left", { namespace }], [`Bob ${round}`, "right"]);
    await inCall(...people);
    const took = await recovery(people, () => change(roads[0]), 100);
    await people[1].hangsUp();
    await people[0].browser.close();
    await people[1].goesAway();
    return took;
  });
};

const readdressed = (road) => road.readdress([road.addresses.near[0].replace(/\.1\/24$/, ".77/24")]);

async function rebound(world) {
  const { namespace, roads } = await world.network("wlan0");
  await roads[0].is({ nat_shift: -20_000 });
  const people = await world.signedIn(["Alice", "left", { namespace }], ["Bob", "right"]);
  await inCall(...people);
  return times(rounds, (round) => recovery(people, () => roads[0].is({ nat_shift: -19_000 + 500 * (round % 20) })));
}

try {
  console.log("| in a browser | rounds | p50 ms | p95 ms | worst ms |\n|---|---|---|---|---|");
  await measure("WebSocket open → first picture", {}, firstPicture);
  await measure("program killed (kill -9) and started again → sound at both ends", {}, restarted("SIGKILL"));
  await measure("planned restart (SIGTERM) → sound at both ends", {}, restarted("SIGTERM"));
  await measure("NAT rebind → sound at both ends", { address: ADDRESS }, rebound);
  const two = ["wlan0", "wwan0"];
  const far = { address: ADDRESS };
  await measure("interface gone, another there → sound at both ends", far, moved(two, (road) => road.remove()));
  await measure("interface deaf, another there → sound at both ends", far, moved(two, (road) => road.is({ closed: true })));
  await measure("interface with another address → sound at both ends", far, moved(two.slice(1), readdressed));
} finally {
  await closeAll();
}
