// How soon one sees the other, in a real browser: from the opening of the WebSocket to the first picture on the screen. A
// page in a call is loaded anew and goes back into its call, again and again. `node bench.mjs [rounds]`, TERTULIA_BIN as in
// run.mjs; with a release build, or it measures the compiler.

import { goInside, isInside, plugIn } from "./network.mjs";

if (!isInside()) await goInside();
plugIn();

const { World, closeAll } = await import("./harness.mjs");
const rounds = Number(process.argv[2] ?? 20);
/** What a call is given to settle before the page is loaded anew. */
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

const world = new World("bench", 1, {});
try {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right", { before: watch }]);
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  const took = [];
  for (let round = 0; round < rounds; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    await bob.reload();
    const frame = await bob.page.waitForFunction(() => window.marks.frame && window.marks.frame - window.marks.open);
    took.push(await frame.jsonValue());
  }
  took.sort((a, b) => a - b);
  const at = (part) => took[Math.min(rounds - 1, Math.floor(rounds * part))].toFixed(0);
  console.log(`WebSocket open → first picture: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, worst ${at(1)} ms (${rounds} rounds)`);
} finally {
  await world.close();
  await closeAll();
}
