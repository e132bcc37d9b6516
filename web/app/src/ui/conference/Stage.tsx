// The pictures of a group call: all alike in a grid, or one large with the others beside it.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Call, Conference, Grade, Member } from "@tertulia/sdk";
import { gradeOf } from "@tertulia/sdk";
import { capacityOf, gridOf, largeOf, orderOf, pageOf, type Box } from "../../layout.js";
import { Icon } from "../Icon.js";
import type { Quality } from "../hooks.js";
import { Tile } from "./Tile.js";
import { cameraKey, ringingTiles, tilesOf, type TileOf } from "./tiles.js";
import { useWatching } from "./watching.js";

const GAP = 10;
const GAP_NARROW = 6;
/** What the buttons for other pages take of the height. */
const PAGES_PX = 56;
/** How often the rings around those who speak follow their voices. */
const LEVEL_MS = 100;

interface Props {
  call: Call;
  conference: Conference;
  quality: Quality | undefined;
  mode: "grid" | "speaker";
  pinned: string | undefined;
  pin: (key: string | undefined) => void;
}

export function Stage({ call, conference, quality, mode, pinned, pin }: Props) {
  const stage = useRef<HTMLDivElement>(null);
  const box = useBox(stage);
  const [page, setPage] = useState(0);
  const { speaker, order } = useSpeakers(conference);
  const tiles = tilesOf(conference);
  useWatching(conference, tiles, stage);
  useLevels(conference, stage);
  const large = largeOf(tiles, { mode, pinned, speaker });
  const speaking = new Set(conference.speakers.map(({ key }) => key));
  const draw = (tile: TileOf, isLarge = false) => (
    <Tile
      key={tile.key}
      call={call}
      tile={tile}
      grade={gradeFor(quality, tile.member)}
      speaking={tile.kind === "camera" && tile.member !== undefined && speaking.has(tile.member.key)}
      pinned={pinned === tile.key}
      large={isLarge}
      onPin={() => pin(pinned === tile.key ? undefined : tile.key)}
    />
  );
  const gap = box.width < 700 ? GAP_NARROW : GAP;
  if (large) {
    const others = tiles.filter(({ key }) => key !== large.key);
    return (
      <div class="stage-group spotlight" ref={stage} data-testid="stage" data-layout={large.kind === "screen" ? "screen" : "speaker"}>
        <ul class="spot">{draw(large as TileOf, true)}</ul>
        {others.length > 0 && (
          <ul class="film" data-testid="film" aria-label="The others" tabIndex={0}>
            {others.map((tile) => draw(tile))}
          </ul>
        )}
      </div>
    );
  }
  const several = tiles.length > capacityOf(box, gap);
  const room = several ? { ...box, height: box.height - PAGES_PX } : box;
  const capacity = capacityOf(room, gap);
  const all = [...order(tiles, capacity), ...ringingTiles(conference.ringing, tiles.length)];
  const { tiles: shown, page: at, pages } = pageOf(all, page, capacity);
  const grid = gridOf(shown.length, room, gap);
  return (
    <div class={several ? "stage-group several" : "stage-group"} ref={stage} data-testid="stage" data-layout="grid">
      <Cells grid={grid} gap={gap}>
        {shown.map((tile) => draw(tile))}
      </Cells>
      {pages > 1 && <Pages page={at} pages={pages} show={setPage} />}
    </div>
  );
}

/** The measures of tiles are set by hand: the page allows no styles in its markup. */
function Cells({ grid, gap, children }: { grid: ReturnType<typeof gridOf>; gap: number; children: ComponentChildren }) {
  const list = useRef<HTMLUListElement>(null);
  const { columns, width, height } = grid;
  useLayoutEffect(() => {
    const style = list.current?.style;
    style?.setProperty("--tile-width", `${width}px`);
    style?.setProperty("--tile-height", `${height}px`);
    style?.setProperty("--gap", `${gap}px`);
    style?.setProperty("--row", `${columns * width + (columns - 1) * gap}px`);
  }, [columns, width, height, gap]);
  return (
    <ul class="cells" ref={list}>
      {children}
    </ul>
  );
}

function Pages({ page, pages, show }: { page: number; pages: number; show: (page: number) => void }) {
  return (
    <nav class="pages" aria-label="Pages of people" data-testid="pages">
      <button type="button" class="round" aria-label="The people before" disabled={page === 0} onClick={() => show(page - 1)}>
        <Icon name="back" />
      </button>
      <span class="number" aria-live="polite">
        {page + 1} of {pages}
      </span>
      <button
        type="button"
        class="round next"
        aria-label="More people"
        data-testid="next-page"
        disabled={page === pages - 1}
        onClick={() => show(page + 1)}
      >
        <Icon name="back" />
      </button>
    </nav>
  );
}

/** How large the stage is, in CSS pixels. */
function useBox(stage: { readonly current: HTMLElement | null }): Box {
  const [box, setBox] = useState<Box>({ width: innerWidth, height: innerHeight });
  const measure = () => {
    const it = stage.current;
    if (!it) return;
    setBox((before) => {
      const { clientWidth: width, clientHeight: height } = it;
      return before.width === width && before.height === height ? before : { width, height };
    });
  };
  // What is around it has changed, or the stage itself: another element with another layout.
  useLayoutEffect(measure);
  useEffect(() => {
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, []);
  return box;
}

/** Who speaks, or was the last to, but for oneself; and the order of tiles that follows from it. */
function useSpeakers(conference: Conference) {
  const spokeAt = useMemo(() => new Map<string, number>(), [conference]);
  const before = useRef<string[]>([]);
  const last = useRef<string | undefined>(undefined);
  const speakers = conference.speakers;
  for (const member of speakers) spokeAt.set(cameraKey(member), Date.now());
  const loudest = speakers.find(({ me }) => !me);
  if (loudest) last.current = cameraKey(loudest);
  const order = (tiles: TileOf[], capacity: number): TileOf[] => {
    const keys = orderOf(before.current, tiles.map(({ key }) => key), capacity, spokeAt);
    before.current = keys;
    // Oneself stays at the end of the first page.
    const sorted = keys.flatMap((key) => tiles.find((tile) => tile.key === key) ?? []);
    const others = sorted.filter(({ me }) => !me);
    others.splice(Math.min(others.length, capacity - 1), 0, ...sorted.filter(({ me }) => me));
    return others;
  };
  return { speaker: last.current, order };
}

/** The ring around a tile follows the voice. */
function useLevels(conference: Conference, stage: { readonly current: HTMLElement | null }): void {
  useEffect(() => {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const shown = new Map<string, number>();
    const timer = setInterval(() => {
      for (const member of conference.others) {
        const level = Math.max(Math.min(1, conference.levelOf(member) * 4), (shown.get(member.key) ?? 0) * 0.6);
        if (level < 0.02 && !shown.has(member.key)) continue;
        if (level < 0.02) shown.delete(member.key);
        else shown.set(member.key, level);
        const it = stage.current?.querySelector<HTMLElement>(`[data-tile="${CSS.escape(cameraKey(member))}"]`);
        it?.style.setProperty("--voice", level < 0.02 ? "0" : level.toFixed(2));
      }
    }, LEVEL_MS);
    return () => clearInterval(timer);
  }, [conference]);
}

/** How somebody's connection is, as the server measures it. */
export function gradeFor(quality: Quality | undefined, member: Member | undefined): Grade {
  if (!member) return "unknown";
  const { user_id: user, device_id: device } = member.entry;
  return gradeOf(quality?.server.find((it) => it.user_id === user && it.device_id === device)?.score);
}
