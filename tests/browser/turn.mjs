// coturn, in a network of its own beside the server's: the way for those who reach nothing else.

import { spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ip, Namespace } from "./namespaces.mjs";
import { until } from "./until.mjs";

const HOST = "10.79.0.2";
const GATEWAY = "10.79.0.1";
const PORT = 3478;
const SECRET = "known to the tests' server and to the tests' coturn";

/** The section of the server's configuration that names it. */
export const iceServers = `[[ice_servers]]
urls = ["turn:${HOST}:${PORT}?transport=udp", "turn:${HOST}:${PORT}?transport=tcp"]
secret = "${SECRET}"
ttl_s = 600
`;

/** Starts it; far-off networks reach it through the tests' own. */
export async function startTurn() {
  const dir = mkdtempSync(join(tmpdir(), "tertulia-turn-"));
  const namespace = await Namespace.create();
  ip("link", "add", "turn0", "type", "veth", "peer", "name", "turn1");
  ip("address", "add", `${GATEWAY}/24`, "dev", "turn0");
  ip("link", "set", "turn0", "up");
  ip("link", "set", "turn1", "netns", String(namespace.pid));
  namespace.ip("address", "add", `${HOST}/24`, "dev", "turn1");
  namespace.ip("link", "set", "turn1", "up");
  namespace.ip("route", "add", "default", "via", GATEWAY);
  writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
  const config = join(dir, "turnserver.conf");
  writeFileSync(
    config,
    `listening-ip=${HOST}
listening-port=${PORT}
relay-ip=${HOST}
realm=tests
use-auth-secret
static-auth-secret=${SECRET}
fingerprint
no-tls
no-dtls
no-cli
no-multicast-peers
userdb=${join(dir, "turndb")}
pidfile=${join(dir, "pid")}
log-file=stdout
verbose
`,
  );
  const log = join(dir, "log");
  const out = openSync(log, "w");
  const [program, ...words] = namespace.enter("turnserver", "-c", config);
  const child = spawn(program, words, { stdio: ["ignore", out, out] });
  let over;
  child.on("exit", (code) => (over = code ?? "killed"));
  child.on("error", (error) => (over = error.message));
  const stop = async () => {
    child.kill("SIGKILL");
    await until("coturn has ended", () => over !== undefined);
    ip("link", "delete", "turn0");
    namespace.close();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await until("coturn is ready", () => {
      if (over !== undefined) throw new Error(`coturn ended (${over}):\n${readFileSync(log, "utf8").slice(-2_000)}`);
      return listens();
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop, log: () => readFileSync(log, "utf8") };
}

function listens() {
  return new Promise((resolve) => {
    const socket = connect(PORT, HOST);
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}
