// A scenario: people with devices on a server of this run, ended and cleaned up whatever happens.

import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { launchChromium, launchFirefox } from "./browsers.mjs";
import { makeFixtures } from "./fixtures.mjs";
import { Namespace, Road } from "./namespaces.mjs";
import { Person } from "./person.mjs";
import { startServer } from "./server.mjs";

const CACHE = join(dirname(fileURLToPath(import.meta.url)), "../../.cache");
export const SHOTS = join(CACHE, "shots");
/** Bounds a scenario that hangs. */
const SCENARIO_MS = 120_000;

mkdirSync(SHOTS, { recursive: true });
const fixtures = makeFixtures(join(CACHE, "fixtures"));
const launchers = {
  left: (network) => launchChromium(fixtures.left, network),
  right: (network) => launchChromium(fixtures.right, network),
  firefox: () => launchFirefox(),
};

// Kept for the whole run: a browser takes seconds to start, a context none. Servers are kept by their settings.
const browsers = new Map();
const servers = new Map();
const kept = async (map, key, start) => {
  if (!map.has(key)) map.set(key, start());
  return map.get(key);
};

/** Ends what was kept. */
export async function closeAll() {
  // What did not start has failed its scenario already.
  const started = async (map) => (await Promise.allSettled(map.values())).flatMap(({ value }) => value ?? []);
  const ends = [
    ...(await started(browsers)).map((browser) => browser.close()),
    ...(await started(servers)).map((server) => server.stop()),
  ];
  browsers.clear();
  servers.clear();
  const failed = (await Promise.allSettled(ends)).find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

let scenarios = 0;
let roadsBuilt = 0;
let filter = "";

/** Of the scenarios declared after this, only those whose name has `part` in it are run. */
export function only(part = "") {
  filter = part;
}

/** Runs `play(world)` as one test. `settings` go to the server; `own`: it is for this scenario alone; `patience`: it takes longer. */
export function scenario(name, play, { own, patience = SCENARIO_MS, ...settings } = {}) {
  if (!name.includes(filter)) return;
  if (own) settings.of = name;
  test(name, { timeout: patience }, async () => {
    scenarios += 1;
    const world = new World(name, scenarios, settings);
    try {
      await play(world);
      world.assertNoPageErrors();
    } catch (error) {
      await world.report();
      throw error;
    } finally {
      await world.close();
    }
  });
}

export class World {
  #people = [];
  /** What this scenario alone has started, ended in reverse. */
  #own = [];
  #name;
  #number;
  #settings;

  constructor(name, number, settings) {
    this.#name = name;
    this.#number = number;
    this.#settings = settings;
  }

  /** Closes a browser that this scenario alone needs. */
  async quit(browserName) {
    const browser = await browsers.get(browserName);
    browsers.delete(browserName);
    await browser?.close();
  }

  server() {
    return kept(servers, JSON.stringify(this.#settings), () => startServer(this.#settings));
  }

  /** Something that this scenario alone has: `end` ends it. */
  owns(end) {
    this.#own.push(end);
  }

  /** A network far from the server's, and a road to each of its interfaces. */
  async network(...names) {
    const namespace = await Namespace.create();
    this.owns(() => namespace.close());
    const roads = [];
    for (const [i, name] of names.entries()) {
      const number = (roadsBuilt += 1);
      const addresses = {
        near: [`10.78.${number}.1/24`, `fd78:${number}::1/64`],
        far: [`10.78.${number}.2/24`, `fd78:${number}::2/64`],
      };
      const road = await Road.build(namespace, number, name, addresses);
      this.owns(() => road.close());
      roads[i] = road;
    }
    return { namespace, roads };
  }

  /**
   * A device of someone: `left` and `right` are Chromiums with different cameras and microphones, `firefox` is a Firefox.
   * Who has the same name is the same person. `before` runs in the page before anything of the page does. In a `namespace`
   * it is a browser of its own.
   */
  async device(name, browserName, { url, before, namespace, viewport = { width: 1280, height: 800 } } = {}) {
    const browser = namespace
      ? await launchers[browserName](namespace)
      : await kept(browsers, browserName, launchers[browserName]);
    if (namespace) this.owns(() => browser.close());
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    await page.setViewport(viewport);
    if (before) await page.evaluateOnNewDocument(before);
    // Every scenario has people of its own, so that none sees another's calls.
    const person = new Person(`${name} ${this.#number}`.trim(), page, url ?? (await this.server()).url);
    person.browserName = browserName;
    person.browser = browser;
    this.#people.push(person);
    return person;
  }

  /** Devices that have signed in. */
  async signedIn(...devices) {
    const people = [];
    for (const [name, browserName, options] of devices) people.push(await this.device(name, browserName, options));
    await Promise.all(people.map((person) => person.signIn()));
    return people;
  }

  assertNoPageErrors() {
    const errors = this.#people.flatMap((person) => person.errors.map((error) => `${person.name}: ${error}`));
    if (errors.length > 0) throw new Error(`a page threw:\n${errors.join("\n")}`);
  }

  /** What a failure leaves behind: pictures, and what the pages and the server said. */
  async report() {
    for (const person of this.#people) {
      const path = join(SHOTS, `failed-${this.#name}-${person.name.replaceAll(" ", "-")}.png`);
      await person.page.screenshot({ path }).catch(() => {});
      console.error(`── ${person.name}, ${path}\n${[...person.said, ...person.errors].slice(-15).join("\n")}`);
      console.error(await person.describe().catch((error) => `(${error})`));
    }
    const server = await servers.get(JSON.stringify(this.#settings))?.catch(() => undefined);
    if (server) console.error(`── server\n${server.log(20)}`);
  }

  async close() {
    await Promise.allSettled(this.#people.map((person) => person.page.browserContext().close()));
    for (const end of this.#own.reverse()) {
      try {
        await end();
      } catch (error) {
        console.error(error);
      }
    }
    if (this.#settings.of) {
      const key = JSON.stringify(this.#settings);
      const server = await servers.get(key)?.catch(() => undefined);
      servers.delete(key);
      await server?.stop();
    }
  }
}
