// The browser tests: `node run.mjs [filter]`, which is a part of a scenario's name, or the name of a file of them. In a network
// of their own, one after another, on node's test runner.

import { after } from "node:test";
import { goInside, isInside, plugIn } from "./network.mjs";

if (!isInside()) await goInside();
plugIn();

const { closeAll, only } = await import("./harness.mjs");
const part = process.argv[2];
const CASES = [
  "voice", "video", "screen", "sync", "resilience", "networks", "restart", "accounts", "devices", "codecs", "looks", "media", "chat", "chat-media", "chat-calls", "presence", "groups", "group-calls", "layers", "group-call-entries", "call-links", "push", "firefox",
];
for (const cases of CASES) {
  only(cases === part ? "" : part);
  await import(`./cases/${cases}.mjs`);
}
after(closeAll);
