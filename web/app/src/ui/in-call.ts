// What holds in any call: the telephone stays awake, and a few keys do something.

import { useEffect } from "preact/hooks";
import type { Call } from "@tertulia/sdk";
import type { Store } from "../store.js";

/** A telephone must not go to sleep while one looks at it and touches nothing. */
export function useWakeLock(): void {
  useEffect(() => {
    let lock: WakeLockSentinel | undefined;
    let over = false;
    const take = async () => {
      // It is lost whenever the page is hidden, and refused where the battery is low.
      if (document.visibilityState !== "visible") return;
      lock = await navigator.wakeLock?.request("screen").catch(() => undefined);
      if (over) void lock?.release();
    };
    void take();
    document.addEventListener("visibilitychange", take);
    return () => {
      over = true;
      document.removeEventListener("visibilitychange", take);
      void lock?.release();
    };
  }, []);
}

/** `m` mutes, `v` switches the camera, `h` holds, `w` goes to who is waiting; nothing ends a call by a slip of the finger. `more`: others. */
export function useShortcuts(store: Store, call: Call, more: Record<string, () => void> = {}): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if ((event.target as HTMLElement).closest("input, select, textarea")) return;
      if (event.key === "m") void call.setMic(!call.media.mic);
      else if (event.key === "v") void call.setCamera(!call.media.camera);
      else if (event.key === "h") store.calls.hold(!call.held);
      else if (event.key === "w") document.getElementById("waiting-accept")?.focus();
      else more[event.key]?.();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [store, call]);
}
