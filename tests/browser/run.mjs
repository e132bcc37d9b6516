// The browser tests: `node run.mjs [filter]`. In a network of their own, one after another, on node's test runner.

import { after } from "node:test";
import { goInside, isInside, plugIn } from "./network.mjs";

if (!isInside()) await goInside();
plugIn();

const { closeAll, only } = await import("./harness.mjs");
only(process.argv[2]);
const CASES = [
  "voice", "video", "screen", "sync", "resilience", "networks", "restart", "accounts", "devices", "codecs", "looks", "media", "firefox",
];
for (const cases of CASES) {
  await import(`./cases/${cases}.mjs`);
}
after(closeAll);
