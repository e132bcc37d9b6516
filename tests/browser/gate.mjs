// A door between browsers and the server that a test can slam: what goes through it is lost as when a network goes.

import { connect, createServer } from "node:net";

/** A gate before `url`. Media does not pass here: it goes by UDP. */
export async function gateTo(url) {
  const target = new URL(url);
  const open = new Set();
  let shut = false;
  /** What begins with it is not let through. */
  let refused = [];
  const listener = createServer((near) => {
    if (shut) return near.destroy();
    near.on("data", (bytes) => {
      const [asked = ""] = /^[A-Z]+ (\S+) HTTP/.exec(bytes.toString("latin1"))?.slice(1) ?? [];
      if (refused.some((path) => asked.startsWith(path))) near.destroy();
    });
    const far = connect(Number(target.port), target.hostname);
    open.add(near).add(far);
    near.pipe(far).pipe(near);
    for (const [socket, other] of [[near, far], [far, near]]) {
      socket.on("error", () => other.destroy());
      socket.on("close", () => open.delete(socket));
    }
  });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${listener.address().port}/`,
    /** Cuts every connection, and lets none through until `open`. */
    shut() {
      shut = true;
      for (const socket of open) socket.destroy();
    },
    /** Cuts every connection, and lets none through that asks for one of these paths. */
    shutTo(...paths) {
      refused = paths;
      for (const socket of open) socket.destroy();
    },
    open() {
      shut = false;
      refused = [];
    },
    close() {
      this.shut();
      listener.close();
    },
  };
}
