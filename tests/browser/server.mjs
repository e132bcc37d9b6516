// The real program, on free ports, with a data folder of its own, ended with the test.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./until.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const BINARY = process.env.TERTULIA_BIN ?? join(ROOT, "target/debug/tertulia");
const DRAIN_MS = 10_000;

/** Starts a server as a newcomer has it, but for the ports. `calls`: lines of that section of the configuration. */
export async function startServer({ calls = "" } = {}) {
  const dir = mkdtempSync(join(tmpdir(), "tertulia-browser-"));
  const config = join(dir, "tertulia.toml");
  const readyFile = join(dir, "ready");
  writeFileSync(
    config,
    `[http]
listen = "127.0.0.1:0"
[operator]
listen = "127.0.0.1:0"
[data]
dir = "${join(dir, "data")}"
[calls]
${calls}
`,
  );
  const log = join(dir, "log");
  const out = openSync(log, "w");
  const child = spawn(BINARY, ["run", "--config", config, "--ready-file", readyFile], { stdio: ["ignore", out, out] });
  const exited = new Promise((resolve) => {
    child.on("exit", (code, signal) => resolve({ code, signal }));
    child.on("error", (error) => resolve({ error: `${error.message} (./x build makes the program)` }));
  });
  let over;
  exited.then((how) => (over = how));
  const readLog = () => readFileSync(log, "utf8").split("\n").slice(-60).join("\n");

  const ready = await until("the server is ready", () => {
    if (over) throw new Error(`the server ended (${JSON.stringify(over)}):\n${readLog()}`);
    return existsSync(readyFile) && JSON.parse(readFileSync(readyFile, "utf8"));
  });

  return {
    url: `http://${ready.http}/`,
    log: readLog,
    /** One figure of `/metrics`, summed over its labels. */
    async metric(name) {
      const text = await (await fetch(`http://${ready.operator}/metrics`)).text();
      const lines = text.split("\n").filter((line) => line.startsWith(name) && /^[{ ]/.test(line.slice(name.length)));
      if (lines.length === 0) throw new Error(`/metrics has no ${name}`);
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
    /** Ends it as an operator does. */
    async stop() {
      child.kill("SIGTERM");
      const killer = setTimeout(() => child.kill("SIGKILL"), DRAIN_MS);
      const how = await exited;
      clearTimeout(killer);
      rmSync(dir, { recursive: true, force: true });
      if (how.signal === "SIGKILL") throw new Error(`the server did not end within ${DRAIN_MS} ms of SIGTERM`);
    },
  };
}
