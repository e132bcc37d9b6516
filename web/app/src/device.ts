// Which device this tab is. Two tabs of one browser are two devices: each holds a lock on its id while it lives, and a
// new tab takes the first id of this browser that nobody holds, so that their number does not grow with every visit.

const KNOWN = "tertulia.devices";
const MINE = "tertulia.device";
/** A reloaded page may find its own lock still held by the page it replaces, for a moment. */
const RELOAD_PATIENCE_MS = 500;

let held: Promise<string> | undefined;

/** This tab's id; the same for as long as the page lives. */
export function claimDevice(): Promise<string> {
  held ??= claim();
  return held;
}

async function claim(): Promise<string> {
  const mine = sessionStorage.getItem(MINE);
  const known = readKnown();
  if (!navigator.locks) return keep(mine ?? fresh(), known);
  if (mine && (await lock(mine, RELOAD_PATIENCE_MS))) return keep(mine, known);
  for (const id of known) {
    if (id !== mine && (await lock(id, 0))) return keep(id, known);
  }
  const id = fresh();
  await lock(id, RELOAD_PATIENCE_MS);
  return keep(id, known);
}

function keep(id: string, known: string[]): string {
  sessionStorage.setItem(MINE, id);
  if (!known.includes(id)) localStorage.setItem(KNOWN, JSON.stringify([...known, id]));
  return id;
}

function readKnown(): string[] {
  try {
    const ids: unknown = JSON.parse(localStorage.getItem(KNOWN) ?? "[]");
    return Array.isArray(ids) ? ids.filter((id): id is string => typeof id === "string") : [];
  } catch {
    return [];
  }
}

function fresh(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  return `web-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Takes the id's lock until the page goes away. */
function lock(id: string, patienceMs: number): Promise<boolean> {
  const untilGone = new Promise<never>(() => undefined);
  return new Promise((resolve) => {
    const name = `tertulia-device-${id}`;
    const take = (granted: Lock | null) => {
      resolve(granted !== null);
      return granted ? untilGone : undefined;
    };
    if (patienceMs === 0) {
      void navigator.locks.request(name, { ifAvailable: true }, take);
    } else {
      const signal = AbortSignal.timeout(patienceMs);
      navigator.locks.request(name, { signal }, take).catch(() => resolve(false));
    }
  });
}
