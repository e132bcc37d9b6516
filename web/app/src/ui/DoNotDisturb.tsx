// Do not disturb: for how long, and the sign in the header while it lasts.

import { useState } from "preact/hooks";
import { FOR_EVER } from "../mine.js";
import type { Store } from "../store.js";
import { sayUntil, sayUntilBriefly, tomorrowAt } from "../words.js";
import { Icon } from "./Icon.js";
import { useDismiss, useNow } from "./hooks.js";

const HOUR_MS = 3_600_000;
/** When a morning begins. */
const MORNING = 8;

/** Until when, if it is on now. */
export function useDisturbNot(store: Store): number | undefined {
  const now = useNow(1_000);
  const until = store.mine.disturbNotUntil;
  return until !== undefined && until > now ? until : undefined;
}

/** In the header: on or off at a glance, changed in two clicks. */
export function DisturbButton({ store }: { store: Store }) {
  const [open, setOpen] = useState(false);
  const until = useDisturbNot(store);
  const state = until === undefined ? undefined : sayUntil(until, FOR_EVER);
  const brief = until === undefined ? undefined : sayUntilBriefly(until, FOR_EVER);
  const name = state ? `Do not disturb: on ${state}` : "Do not disturb";
  return (
    <div class="menu-anchor">
      <button
        type="button"
        class={state ? "disturb is-on" : "round quiet"}
        data-testid="disturb"
        data-on={state !== undefined}
        aria-label={name}
        title={name}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <Icon name="moon" size={state ? 18 : 24} />
        {state && <span class="wide-only">{state}</span>}
        {brief && <span class="narrow-only">{brief}</span>}
      </button>
      {open && <DisturbMenu store={store} close={() => setOpen(false)} />}
    </div>
  );
}

function DisturbMenu({ store, close }: { store: Store; close: () => void }) {
  const box = useDismiss(true, close);
  return (
    <div class="popover disturb-menu" ref={box} tabIndex={-1} role="dialog" aria-label="Do not disturb">
      <strong>Do not disturb</strong>
      <p>Nothing rings on any of your devices. Whoever calls is listed as missed.</p>
      <DisturbChoices store={store} done={close} />
    </div>
  );
}

export function DisturbChoices({ store, done }: { store: Store; done?: () => void }) {
  const on = useDisturbNot(store) !== undefined;
  const choose = (until: number | undefined) => {
    void store.mine.doNotDisturb(until);
    done?.();
  };
  const choices: [string, string, () => number | undefined][] = [
    ["For an hour", "disturb-hour", () => Date.now() + HOUR_MS],
    ["Until tomorrow, 8:00", "disturb-morning", () => tomorrowAt(MORNING)],
    ["Until I turn it off", "disturb-always", () => FOR_EVER],
  ];
  return (
    <div class="choices">
      {choices.map(([label, testId, until]) => (
        <button key={testId} type="button" class="secondary small" data-testid={testId} onClick={() => choose(until())}>
          {label}
        </button>
      ))}
      {on && (
        <button type="button" class="primary small" data-testid="disturb-off" onClick={() => choose(undefined)}>
          Turn it off
        </button>
      )}
    </div>
  );
}
