// How people feel: emoji that rise over the pictures, and the few that one can choose from.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Conference } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { REACTIONS, sayReaction } from "../../words-conference.js";
import { useDismiss } from "../hooks.js";

/** How long one is shown; the animation takes as long. */
const SHOWN_MS = 4_000;
/** So many at once. A room that claps is not a curtain: the oldest go. */
const SHOWN_MAX = 12;
/** Places side by side at which they rise. */
const PLACES = 6;

interface Floating {
  id: number;
  emoji: string;
  name: string;
}

let lastId = 0;

interface Props {
  store: Store;
  conference: Conference;
  /** What this person has just shown. */
  own: { emoji: string; id: number } | undefined;
}

export function Reactions({ store, conference, own }: Props) {
  const [floating, setFloating] = useState<Floating[]>([]);
  const timers = useRef(new Set<ReturnType<typeof setTimeout>>());
  const float = (emoji: string, name: string) => {
    const id = ++lastId;
    setFloating((before) => [...before, { id, emoji, name }].slice(-SHOWN_MAX));
    const timer = setTimeout(() => {
      timers.current.delete(timer);
      setFloating((before) => before.filter((one) => one.id !== id));
    }, SHOWN_MS);
    timers.current.add(timer);
  };
  useEffect(
    () =>
      conference.on("reaction", ({ from, reaction }) => {
        // One's own was shown when it was sent.
        if (from?.me) return;
        const name = from?.entry.name ?? "Somebody";
        float(reaction, name);
        store.announce(`${name}: ${sayReaction(reaction)}`);
      }),
    [conference],
  );
  useEffect(() => {
    if (own) float(own.emoji, "You");
  }, [own]);
  useEffect(() => () => timers.current.forEach((timer) => clearTimeout(timer)), []);
  return (
    <div class="floating" aria-hidden="true" data-testid="reactions">
      {floating.map(({ id, emoji, name }) => (
        <span key={id} class={`float place-${id % PLACES}`} data-testid="reaction">
          <span class="emoji">{emoji}</span>
          <span class="by">{name}</span>
        </span>
      ))}
    </div>
  );
}

export function ReactionPicker({ choose, close }: { choose: (emoji: string) => void; close: () => void }) {
  const box = useDismiss(true, close);
  return (
    <div class="popover picker" ref={box} tabIndex={-1} role="group" aria-label="Reactions" data-testid="picker">
      {REACTIONS.map(({ emoji, name }) => (
        <button
          key={emoji}
          type="button"
          aria-label={name}
          title={name}
          data-testid={`react-${name.toLowerCase().replace(" ", "-")}`}
          onClick={() => {
            choose(emoji);
            close();
          }}
        >
          {emoji}
        </button>
      ))}
    </div>
  );
}
