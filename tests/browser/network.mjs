// A network of the tests' own: this process, and all it starts, in a namespace with loopback and one other address.
//
// Firefox never sends media over loopback, so the server needs another address; and nothing that a browser does at its
// start may reach beyond this machine. The namespace is gone when the last process in it ends: nothing is left behind.

import { execFileSync, spawn } from "node:child_process";

export const ADDRESS = "10.77.0.1";
export const ADDRESS6 = "fd77::1";
/** Nobody: a default route must lead somewhere. */
const NOWHERE = "10.77.0.2";
const INSIDE = "TERTULIA_TESTS_INSIDE";

export const isInside = () => process.env[INSIDE] === "1";

/** Runs this program again, in a network of its own; never returns. */
export async function goInside() {
  const asRoot = process.getuid() === 0 ? [] : ["--map-root-user"];
  const unshare = ["--net", ...asRoot, "--kill-child", process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn("unshare", unshare, { stdio: "inherit", env: { ...process.env, [INSIDE]: "1" } });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  const code = await new Promise((resolve, reject) => {
    child.on("exit", (status) => resolve(status ?? 1));
    child.on("error", reject);
  });
  process.exit(code);
}

/**
 * A veth pair, both ends here: a link that is up and is not loopback. Its route is the default one: by that the server finds
 * the machine's own address, and Firefox the address it may use.
 */
export function plugIn() {
  const ip = (...words) => execFileSync("ip", words, { stdio: ["ignore", "ignore", "inherit"] });
  ip("link", "set", "lo", "up");
  ip("link", "add", "plug", "type", "veth", "peer", "name", "socket");
  ip("address", "add", `${ADDRESS}/24`, "dev", "plug");
  ip("address", "add", `${ADDRESS6}/64`, "dev", "plug", "nodad");
  ip("link", "set", "plug", "up");
  ip("link", "set", "socket", "up");
  ip("route", "add", "default", "via", NOWHERE, "dev", "plug");
}
