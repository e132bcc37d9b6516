// What this page has sent for one look: it is in no list, so it is here until the page is left.

import type { Store } from "../../store.js";
import { nameOf, sayRefusal } from "../../words-media.js";
import { TertuliaError } from "@tertulia/sdk";
import { Icon } from "../Icon.js";
import { Address } from "./Share.js";

export function OnceCards({ store }: { store: Store }) {
  const { once } = store.library;
  if (once.length === 0) return null;
  return (
    <ul class="way" aria-label="For one look" data-testid="once-sent">
      {once.map(({ media, to }) => (
        <li key={media.media_id} class="way-row once" data-testid={`once-${media.media_id}`} data-state={media.state}>
          <span class="way-who">
            <span class="name">
              <Icon name="eye" size={16} /> {nameOf(media)}
            </span>
            <span class="about">
              {media.state === "processing"
                ? "One moment…"
                : media.state === "ready"
                  ? `For ${to.name}, for one look`
                  : media.error && sayRefusal(new TertuliaError(media.error), media.file_name)}
            </span>
          </span>
          <button
            type="button"
            class="round quiet"
            aria-label={`Take ${nameOf(media)} back`}
            title="Take it back"
            data-testid="take-back"
            onClick={() => void store.library.delete(media)}
          >
            <Icon name="trash" size={20} />
          </button>
          {media.state === "ready" && <Address store={store} id={media.media_id} />}
        </li>
      ))}
    </ul>
  );
}
