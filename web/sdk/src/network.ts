// When the network changes, or the page goes out of sight for good, as far as a browser tells.

/** Not in every browser, nor in TypeScript's DOM types. */
interface Connection extends EventTarget {
  readonly type?: string;
}

/**
 * Calls back with `true` when the device has moved to another network, and with `false` when the page is looked at again
 * (what was put off while it was hidden is worth a try). Outside a browser it never calls.
 */
export function onNetworkChange(back: (changed: boolean) => void): () => void {
  if (typeof window === "undefined") return () => undefined;
  const connection = (navigator as Navigator & { connection?: Connection }).connection;
  let type = connection?.type;
  const online = () => back(true);
  const visible = () => {
    if (document.visibilityState === "visible") back(false);
  };
  // It also fires for mere changes of speed.
  const moved = () => {
    const before = type;
    type = connection?.type;
    if (type !== before && type !== "none") back(true);
  };
  window.addEventListener("online", online);
  document.addEventListener("visibilitychange", visible);
  connection?.addEventListener("change", moved);
  return () => {
    window.removeEventListener("online", online);
    document.removeEventListener("visibilitychange", visible);
    connection?.removeEventListener("change", moved);
  };
}

/**
 * Calls back when the page is left. Browsers may keep such a page frozen, its sockets open but deaf, to show it again when
 * the person comes back; then what had to stop can go on.
 */
export function onPageLeft(left: () => void, back: () => void): () => void {
  if (typeof window === "undefined") return () => undefined;
  const shown = (event: PageTransitionEvent) => {
    if (event.persisted) back();
  };
  window.addEventListener("pagehide", left);
  window.addEventListener("pageshow", shown);
  return () => {
    window.removeEventListener("pagehide", left);
    window.removeEventListener("pageshow", shown);
  };
}

/** A connection, and what is to be done when it has been closed. */
export interface Made {
  pc: RTCPeerConnection;
  end: () => void;
}

/** The plain one. */
export function makeConnection(configuration: RTCConfiguration): Made {
  return { pc: new RTCPeerConnection(configuration), end: () => undefined };
}

/**
 * A connection that knows the addresses of this moment. Chromium tells a page of a new address after two seconds, but a page
 * that has just begun at once; so there it is made in an empty frame, which lives as long as the connection does.
 */
export function makeConnectionOfNow(configuration: RTCConfiguration): Made {
  const isChromium = typeof document !== "undefined" && "userAgentData" in navigator;
  if (!isChromium) return makeConnection(configuration);
  const frame = document.createElement("iframe");
  frame.hidden = true;
  document.body.append(frame);
  try {
    const { RTCPeerConnection: Connection } = frame.contentWindow as Window & typeof globalThis;
    return { pc: new Connection(configuration), end: () => frame.remove() };
  } catch {
    // A page that forbids frames.
    frame.remove();
    return makeConnection(configuration);
  }
}

/** How often the clock is looked at. */
const LOOK_MS = 2_000;
/** A gap like this is no late timer: the machine was asleep, or the page frozen. */
const GAP_MS = 8_000;

/** Calls back when time has passed unseen: a lid was closed and opened again. */
export function onWake(back: () => void, now: () => number = Date.now, lookMs = LOOK_MS, gapMs = GAP_MS): () => void {
  let seen = now();
  const timer = setInterval(() => {
    const before = seen;
    seen = now();
    if (seen - before > gapMs) back();
  }, lookMs);
  return () => clearInterval(timer);
}
