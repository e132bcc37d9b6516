// Where in the page one is, as its address says: so the browser's own way back works, and an address leads where it did.
//
// Invariant: below what is shown there is at most one entry of the browser's history that is ours, the home. Going from one
// place to the next replaces the entry; going home takes it away.

/** What one looks at when no call is on. */
export type View = "home" | "settings" | "media";

export interface Place {
  view: View;
  /** The conversation that is open in one's home. */
  chat: string | undefined;
}

export class Route {
  readonly #arrive: (place: Place) => void;
  #leaving = false;

  /** `arrive` is told wherever the person goes. */
  constructor(arrive: (place: Place) => void) {
    this.#arrive = arrive;
    addEventListener("popstate", () => {
      this.#leaving = false;
      this.#arrive(placeOfAddress());
    });
  }

  /** Goes there. */
  go({ view, chat }: Place): void {
    const hash = view !== "home" ? `#${view}` : chat !== undefined ? `#chat/${encodeURIComponent(chat)}` : "";
    if (hash === "") return this.#home();
    if (hash === location.hash) return;
    const { view: from, chat: open } = placeOfAddress();
    const atHome = from === "home" && open === undefined;
    if (atHome) history.pushState({ within: true }, "", hash);
    else history.replaceState(history.state, "", hash);
    this.#arrive({ view, chat });
  }

  /** Home, at once: whoever was here is not here any more. */
  reset(): void {
    history.replaceState(null, "", location.pathname);
    this.#arrive({ view: "home", chat: undefined });
  }

  #home(): void {
    if ((history.state as { within?: boolean } | null)?.within) {
      // Where one is changes when the browser has gone there. A second press before that would leave the page.
      if (!this.#leaving) history.back();
      this.#leaving = true;
      return;
    }
    history.replaceState(null, "", location.pathname);
    this.#arrive({ view: "home", chat: undefined });
  }
}

export function placeOfAddress(hash: string = location.hash): Place {
  if (hash === "#settings") return { view: "settings", chat: undefined };
  if (/^#media(\/|$)/.test(hash)) return { view: "media", chat: undefined };
  const chat = /^#chat\/(.+)$/.exec(hash)?.[1];
  try {
    return { view: "home", chat: chat === undefined ? undefined : decodeURIComponent(chat) };
  } catch {
    return { view: "home", chat: undefined };
  }
}

/** A file that someone has shared: its address is `#media/` and its id. */
export function sharedInAddress(): string | undefined {
  return /^#media\/([\w-]+)$/.exec(location.hash)?.[1];
}
