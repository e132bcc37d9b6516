// Which pictures of a group call are in sight, and how large: told to the server, which sends no others.

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Conference, ViewWant } from "@tertulia/sdk";
import { heightFor } from "../../layout.js";
import type { TileOf } from "./tiles.js";

/** Asks for what is in sight in `stage`, whenever that changes: by what is shown, by the window, by scrolling. */
export function useWatching(conference: Conference, tiles: readonly TileOf[], stage: { readonly current: HTMLElement | null }): void {
  const shown = useRef(tiles);
  shown.current = tiles;
  const look = () => {
    if (stage.current) conference.view(document.visibilityState === "visible" ? inSight(stage.current, shown.current) : []);
  };
  // After every rendering: the SDK tells the server of changes only.
  useLayoutEffect(look);
  useEffect(() => {
    const it = stage.current;
    if (!it) return;
    const observer = new ResizeObserver(look);
    observer.observe(it);
    it.addEventListener("scroll", look, { capture: true, passive: true });
    document.addEventListener("visibilitychange", look);
    return () => {
      observer.disconnect();
      it.removeEventListener("scroll", look, { capture: true });
      document.removeEventListener("visibilitychange", look);
    };
  }, [conference]);
}

function inSight(stage: HTMLElement, tiles: readonly TileOf[]): ViewWant[] {
  const frame = stage.getBoundingClientRect();
  const found: { want: ViewWant; area: number }[] = [];
  for (const it of stage.querySelectorAll<HTMLElement>("[data-tile]")) {
    const tile = tiles.find(({ key }) => key === it.dataset["tile"]);
    const entry = tile?.member?.entry;
    if (!tile || !entry || (tile.kind === "camera" && !entry.camera)) continue;
    const { left, right, top, bottom, width, height } = it.getBoundingClientRect();
    if (right <= frame.left || left >= frame.right || bottom <= frame.top || top >= frame.bottom || width === 0) continue;
    const { user_id, device_id } = entry;
    const source = tile.kind === "screen" ? "screen" : "camera";
    found.push({ want: { user_id, device_id, source, max_height: heightFor(height, devicePixelRatio) }, area: width * height });
  }
  // What is large matters most; of tiles alike, the order on the page.
  return found.sort((a, b) => b.area - a.area).map(({ want }) => want);
}
