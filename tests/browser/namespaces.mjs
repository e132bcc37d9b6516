// Networks of a test's own beyond the one in which it runs: a far-off network with its browser, roads to it, bad or cut.
//
// A namespace lives as long as a process that holds it, and that ends with its standard input: nothing is left behind,
// however the tests end. Nothing here has a name outside of the tests' own namespace.

import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./until.mjs";

const ROAD = join(dirname(fileURLToPath(import.meta.url)), "road.py");

/** Runs `ip` where the tests run. */
export const ip = (...words) => execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"] });

export class Namespace {
  #holder;
  #dir = mkdtempSync(join(tmpdir(), "tertulia-network-"));

  static async create() {
    const made = new Namespace();
    made.#holder = spawn("unshare", ["--net", "cat"], { stdio: ["pipe", "ignore", "inherit"] });
    const mine = readlinkSync("/proc/self/ns/net");
    await until("the namespace is there", () => {
      try {
        return readlinkSync(`/proc/${made.pid}/ns/net`) !== mine;
      } catch {
        return false;
      }
    });
    made.ip("link", "set", "lo", "up");
    return made;
  }

  get pid() {
    return this.#holder.pid;
  }

  /** The words that run a command in here. */
  enter(...command) {
    return ["nsenter", `--net=/proc/${this.pid}/ns/net`, ...command];
  }

  run(...command) {
    const [program, ...words] = this.enter(...command);
    return execFileSync(program, words, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
  }

  ip(...words) {
    return this.run("ip", ...words);
  }

  /** A file to start instead of `program`, which runs it in here. */
  wrapper(program) {
    const path = join(this.#dir, "enter");
    writeFileSync(path, `#!/bin/sh\nexec ${this.enter(program).join(" ")} "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  }

  close() {
    this.#holder.stdin.end();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** A road between the tests' network and another namespace, with an interface at each end. */
export class Road {
  #program;
  #answers = [];
  #partial = "";

  /** `addresses`: `{ near, far }`, each a list of addresses with prefix; the first near one of a family is the far way out. */
  static async build(namespace, number, name, addresses) {
    const road = new Road();
    const near = `near${number}`;
    const moving = `far${number}`;
    road.near = near;
    road.name = name;
    road.namespace = namespace;
    road.addresses = addresses;
    road.metric = 100 + number;
    road.#program = spawn("python3", [ROAD, near, moving], { stdio: ["pipe", "pipe", "inherit"] });
    road.#program.stdin.on("error", () => {}); // it has ended: the next command says so
    road.#program.stdout.on("data", (text) => {
      const lines = (road.#partial + text).split("\n");
      road.#partial = lines.pop();
      for (const line of lines) road.#answers.shift()?.(line);
    });
    await road.#answer();
    for (const address of addresses.near) ip("address", "add", address, "dev", near, ...family(address).options);
    ip("link", "set", near, "up");
    ip("link", "set", moving, "netns", String(namespace.pid));
    namespace.ip("link", "set", moving, "name", name);
    road.up();
    return road;
  }

  /** Gives the far interface its addresses and its way out. */
  up(addresses = this.addresses.far) {
    this.namespace.ip("link", "set", this.name, "up");
    for (const address of addresses) {
      this.namespace.ip("address", "add", address, "dev", this.name, ...family(address).options);
    }
    this.#routes(addresses);
  }

  /** Another address of the same interface, as from another DHCP server; the old one is gone. */
  readdress(addresses) {
    this.namespace.ip("address", "flush", "dev", this.name, "scope", "global");
    this.up(addresses);
  }

  #routes(addresses) {
    for (const flag of new Set(addresses.map((address) => family(address).flag))) {
      const [via] = this.addresses.near.find((near) => family(near).flag === flag).split("/");
      const way = ["route", "replace", "default", "via", via, "dev", this.name, "metric", String(this.metric)];
      this.namespace.ip(flag, ...way);
      // Who is bound to this interface's address leaves by this interface, as on telephones.
      this.namespace.ip(flag, ...way, "table", String(this.metric));
    }
    for (const address of addresses) {
      const [own] = address.split("/");
      const rule = ["rule", "add", "from", own, "table", String(this.metric)];
      this.namespace.ip(family(address).flag, ...rule);
    }
  }

  /** The far interface is no more: its addresses and routes go with it. */
  remove() {
    this.namespace.ip("link", "delete", this.name);
  }

  /** How the road is from now on; what is not said is easy again. See road.py. */
  async is(settings = {}) {
    this.#program.stdin.write(`${JSON.stringify(settings)}\n`);
    await this.#answer();
  }

  #answer() {
    return new Promise((resolve, reject) => {
      this.#answers.push(resolve);
      this.#program.once("exit", (code) => reject(new Error(`the road has ended (${code})`)));
      this.#program.once("error", reject);
    });
  }

  close() {
    this.#program.stdin.end();
  }
}

const family = (address) => (address.includes(":") ? { flag: "-6", options: ["nodad"] } : { flag: "-4", options: [] });
