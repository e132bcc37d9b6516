// Small hooks that more than one view needs.

import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import type { Call, CallEvents, Conference } from "@tertulia/sdk";
import type { Store } from "../store.js";

/** Renders again whenever the store has changed. */
export function useStore(store: Store): void {
  const [, again] = useReducer((n: number, _: void) => n + 1, 0);
  // Before anything else can happen: an effect runs after the paint, and would miss a change that comes sooner.
  useLayoutEffect(() => store.subscribe(() => again()), [store]);
}

/** The time, every so often. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export type Quality = CallEvents["quality"];

export function useQuality(call: Call): Quality | undefined {
  const [quality, setQuality] = useState<Quality | undefined>();
  useEffect(() => call.on("quality", setQuality), [call]);
  return quality;
}

/** Renders again whenever somebody comes, goes, is seen or heard in a group call. */
export function useConference(conference: Conference | undefined): void {
  const [, again] = useReducer((n: number, _: void) => n + 1, 0);
  useLayoutEffect(() => {
    const offs = (["roster", "streams", "speakers", "waiting"] as const).map((event) => conference?.on(event, () => again()));
    return () => offs.forEach((off) => off?.());
  }, [conference]);
}

/** Closes what is open on a click outside of it, and on Escape, which gives the focus back to what opened it. */
export function useDismiss(open: boolean, close: () => void) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const opener = document.activeElement as HTMLElement | null;
    box.current?.focus();
    const onPointer = (event: PointerEvent) => {
      if (!box.current?.parentElement?.contains(event.target as Node)) close();
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      close();
      opener?.focus();
    };
    document.addEventListener("pointerdown", onPointer);
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("pointerdown", onPointer);
      document.removeEventListener("keydown", onKey);
    };
  }, [open]);
  return box;
}
