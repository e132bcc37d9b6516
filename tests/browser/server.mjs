// The real program, on free ports, with a data folder of its own, ended with the test.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./until.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const BINARY = process.env.TERTULIA_BIN ?? join(ROOT, "target/debug/tertulia");
const DRAIN_MS = 10_000;
/** Media ports are fixed, as an operator's are: a server that was started again is where it was. Nobody else is in here. */
const MEDIA_PORT = 20_000;
const MEDIA_PORTS_EACH = 16;
let started = 0;

/** Settings of a scenario whose people have accounts: PINs stand in the server's log. */
export const accounts = {
  more: `[accounts]
phone = true
region = "ES"
pin_sender = "console"
[accounts.limits]
pins_per_address_per_hour = 1000
tries_per_address_per_hour = 1000
`,
};

/**
 * Starts a server as a newcomer has it, but for the ports. `address`: where people connect, if not on loopback; then by HTTPS.
 * `calls`: lines of that section of the configuration; `more`: of its end.
 */
export async function startServer(settings = {}) {
  const server = new Server(settings);
  await server.start();
  return server;
}

class Server {
  #dir = mkdtempSync(join(tmpdir(), "tertulia-browser-"));
  #settings;
  #child;
  #exited;
  #over;
  #ready;
  #mediaPort = MEDIA_PORT + MEDIA_PORTS_EACH * started++;

  constructor(settings) {
    this.#settings = settings;
  }

  /** Starts it, or starts it again: then where it was before. */
  async start() {
    const { address = "127.0.0.1" } = this.#settings;
    const config = join(this.#dir, "tertulia.toml");
    const readyFile = join(this.#dir, "ready");
    rmSync(readyFile, { force: true });
    writeFileSync(config, this.#config(this.#ready?.http ?? `${bracketed(address)}:0`));
    const out = openSync(join(this.#dir, "log"), "a");
    // Debug builds beside two browsers are busy with what a release build hardly notices.
    const env = { ...process.env, TERTULIA_MEDIA__BUSY_ROOMS_MAX_PERCENT: "100", TERTULIA_MEDIA__BUSY_JOINS_MAX_PERCENT: "100" };
    const args = ["run", "--config", config, "--ready-file", readyFile];
    const child = spawn(BINARY, args, { env, stdio: ["ignore", out, out] });
    this.#child = child;
    this.#over = undefined;
    this.#exited = new Promise((resolve) => {
      child.on("exit", (code, signal) => resolve({ code, signal }));
      child.on("error", (error) => resolve({ error: `${error.message} (./x build makes the program)` }));
    });
    this.#exited.then((how) => {
      if (child === this.#child) this.#over = how;
    });
    this.#ready = await until("the server is ready", () => {
      if (this.#over) throw new Error(`the server ended (${JSON.stringify(this.#over)}):\n${this.log()}`);
      return existsSync(readyFile) && JSON.parse(readFileSync(readyFile, "utf8"));
    });
  }

  #config(listen) {
    const { address, calls = "", more = "" } = this.#settings;
    return `${address ? "demo = true" : ""}
[http]
listen = "${listen}"
[operator]
listen = "127.0.0.1:0"
[data]
dir = "${join(this.#dir, "data")}"
[media]
port = ${this.#mediaPort}
[calls]
${calls}
${address ? this.#tls() : ""}
${more}
`;
  }

  /** A certificate of nobody's: the tests' browsers take it. */
  #tls() {
    const [cert, key] = ["cert.pem", "key.pem"].map((name) => join(this.#dir, name));
    const words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    const names = ["-subj", "/CN=tests", "-addext", `subjectAltName=IP:${this.#settings.address}`];
    if (!existsSync(cert)) execFileSync("openssl", [...words, ...names, "-keyout", key, "-out", cert], { stdio: "ignore" });
    return `[tls]\ncert_file = "${cert}"\nkey_file = "${key}"`;
  }

  get url() {
    return `${this.#settings.address ? "https" : "http"}://${this.#ready.http}/`;
  }

  /** The ports on which media arrives, by UDP and TCP. */
  get mediaPorts() {
    return this.#ready.media.map((address) => Number(address.split(":").at(-1)));
  }

  /** The last of what it has said. */
  log(lines = 60) {
    return this.logged().trimEnd().split("\n").slice(-lines).join("\n");
  }

  /** All that it has said. */
  logged() {
    return readFileSync(join(this.#dir, "log"), "utf8");
  }

  /** One figure of `/metrics`, summed over its labels. */
  async metric(name) {
    const text = await (await fetch(`http://${this.#ready.operator}/metrics`)).text();
    const lines = text.split("\n").filter((line) => line.startsWith(name) && /^[{ ]/.test(line.slice(name.length)));
    if (lines.length === 0) throw new Error(`/metrics has no ${name}`);
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  /** Ends it by a signal: SIGTERM as an operator does, SIGKILL as a power cut does. */
  async end(signal) {
    this.#child.kill(signal);
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), DRAIN_MS);
    const how = await this.#exited;
    clearTimeout(killer);
    if (signal === "SIGTERM" && how.signal === "SIGKILL") {
      throw new Error(`the server did not end within ${DRAIN_MS} ms of SIGTERM`);
    }
  }

  /** Ends it for good. */
  async stop() {
    try {
      await this.end("SIGTERM");
    } finally {
      rmSync(this.#dir, { recursive: true, force: true });
    }
  }
}

const bracketed = (address) => (address.includes(":") ? `[${address}]` : address);
