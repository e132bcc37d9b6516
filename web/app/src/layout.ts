// Where the pictures of a group call go: which are on the page that one looks at, how large, in which order. Nothing here knows the page.

/** Something that is shown: a camera (or the face in its place), or a screen. */
export interface Shown {
  /** Unlike any other's. */
  key: string;
  kind: "camera" | "screen" | "ringing";
  /** This device's own. */
  me: boolean;
}

export interface Box {
  width: number;
  height: number;
}

/** Columns and rows of a page, and how large each tile is, in CSS pixels. */
export interface Grid {
  columns: number;
  rows: number;
  width: number;
  height: number;
}

/** Tiles on one page at most. More are small on any window, and cost every device that shows them. */
export const PAGE_MAX = 16;
/** Below this a face is not seen, and a name does not fit. */
const TILE_MIN: Box = { width: 150, height: 112 };
/** Tiles keep to between these shapes, so that no heads are cut: on an upright window they may be upright, too. */
const WIDEST = 16 / 9;
const TALLEST = { upright: 3 / 4, lying: 6 / 5 };
/** What counts of a tile: on a lying window what it shows of a camera's picture, on an upright one what it shows of a face. */
const COUNTS = { upright: 4 / 3, lying: 16 / 9 };

/** How many tiles fit on one page of this size; never less than two. */
export function capacityOf(box: Box, gap: number): number {
  const across = Math.floor((box.width + gap) / (TILE_MIN.width + gap));
  const down = Math.floor((box.height + gap) / (TILE_MIN.height + gap));
  return Math.max(2, Math.min(PAGE_MAX, across * down));
}

/** The grid that shows most of `count` pictures in a box. */
export function gridOf(count: number, box: Box, gap: number): Grid {
  let best: Grid = { columns: 1, rows: 1, width: 0, height: 0 };
  let bestArea = -1;
  const way = box.width < box.height ? "upright" : "lying";
  const [tallest, counts] = [TALLEST[way], COUNTS[way]];
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.max(1, Math.ceil(count / columns));
    const cell = { width: (box.width - gap * (columns - 1)) / columns, height: (box.height - gap * (rows - 1)) / rows };
    if (cell.width <= 0 || cell.height <= 0) continue;
    const width = Math.floor(Math.min(cell.width, cell.height * WIDEST));
    const height = Math.floor(Math.min(cell.height, cell.width / tallest));
    const area = Math.min(width, height * counts) * Math.min(height, way === "upright" ? width * counts : width / counts);
    // Of two that show as much, the one with fewer empty places.
    if (area > bestArea * 1.001) [best, bestArea] = [{ columns, rows, width, height }, area];
  }
  return best;
}

/**
 * The order of tiles: as people came, but whoever speaks comes onto the first page, in the place of the one there who has been silent for
 * longest. So nobody moves who is seen. `before` is the order until now, `spokeAt` when somebody last spoke.
 */
export function orderOf(before: readonly string[], keys: readonly string[], first: number, spokeAt: ReadonlyMap<string, number>): string[] {
  const order = before.filter((key) => keys.includes(key));
  for (const key of keys) if (!order.includes(key)) order.push(key);
  const at = (key: string) => spokeAt.get(key) ?? 0;
  for (const key of order.slice(first).sort((a, b) => at(b) - at(a))) {
    const silent = order.slice(0, first).sort((a, b) => at(a) - at(b))[0];
    if (silent === undefined || at(key) <= at(silent)) break;
    const [from, to] = [order.indexOf(key), order.indexOf(silent)];
    order[to] = key;
    order[from] = silent;
  }
  return order;
}

export interface Choice {
  mode: "grid" | "speaker";
  pinned: string | undefined;
  /** Who speaks, or was the last to. */
  speaker: string | undefined;
}

/** What is shown large, if anything is: what one has pinned, a screen, or who speaks. */
export function largeOf(shown: readonly Shown[], { mode, pinned, speaker }: Choice): Shown | undefined {
  const of = (key: string | undefined) => shown.find((one) => one.key === key);
  const screen = shown.filter((one) => one.kind === "screen" && !one.me).at(-1);
  if (of(pinned)) return of(pinned);
  if (screen) return screen;
  if (mode === "grid") return undefined;
  return of(speaker) ?? shown.find(({ kind, me }) => kind === "camera" && !me) ?? shown.find(({ kind }) => kind === "camera");
}

/** A page of tiles, counted from 0; the last one where there are fewer. */
export function pageOf<T>(all: readonly T[], page: number, capacity: number): { tiles: T[]; page: number; pages: number } {
  const pages = Math.max(1, Math.ceil(all.length / capacity));
  const shown = Math.min(Math.max(0, page), pages - 1);
  return { tiles: all.slice(shown * capacity, (shown + 1) * capacity), page: shown, pages };
}

/** How high a picture is asked for, of one that is shown so high: in steps, so that a window that is drawn wider asks seldom. */
export function heightFor(cssPixels: number, ratio: number): number {
  const STEP = 60;
  return Math.max(STEP, Math.ceil((cssPixels * ratio) / STEP) * STEP);
}
