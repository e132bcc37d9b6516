// A loudspeaker that is not there: Firefox runs no audio clock without one. PulseAudio with a sink that discards.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.mjs";

/** Starts it; `env` is for who shall play there. */
export async function plugInSpeaker() {
  const dir = mkdtempSync(join(tmpdir(), "tertulia-speaker-"));
  const socket = join(dir, "socket");
  const child = spawn(
    "pulseaudio",
    [
      "-n", // no start-up script: only what follows
      "--daemonize=no",
      "--exit-idle-time=-1",
      "--disable-shm=yes",
      "--load=module-null-sink sink_name=nowhere",
      `--load=module-native-protocol-unix auth-anonymous=1 socket=${socket}`,
    ],
    { stdio: "ignore", env: { ...process.env, HOME: dir, XDG_RUNTIME_DIR: dir } },
  );
  const exited = new Promise((resolve) => child.on("exit", resolve));
  await until("the loudspeaker is there", () => existsSync(socket));
  return {
    env: { PULSE_SERVER: `unix:${socket}` },
    async unplug() {
      child.kill();
      await exited;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
