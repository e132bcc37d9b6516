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
  /** The token of a call link that has led here. */
  link?: string | undefined;
}

const HOME: Place = { view: "home", chat: undefined };

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
  go(place: Place): void {
    const address = addressOf(place);
    if (address === undefined) return this.#home();
    if (address === location.pathname + location.hash) return;
    const { view, chat, link } = placeOfAddress();
    const atHome = view === "home" && chat === undefined && link === undefined;
    if (atHome) history.pushState({ within: true }, "", address);
    else history.replaceState(history.state, "", address);
    this.#arrive(place);
  }

  /** Home, at once: whoever was here is not here any more. Where a call link leads stays, for who comes next. */
  reset(): void {
    history.replaceState(null, "", location.pathname);
    this.#arrive({ ...HOME, link: linkIn(location.pathname) });
  }

  /** Home, from where a call link has led: also into its call, so that nothing is left that the browser could load anew. */
  leaveLink(): void {
    if (linkIn(location.pathname) === undefined) return;
    history.replaceState(null, "", base());
    this.#arrive(HOME);
  }

  #home(): void {
    if ((history.state as { within?: boolean } | null)?.within) {
      // Where one is changes when the browser has gone there. A second press before that would leave the page.
      if (!this.#leaving) history.back();
      this.#leaving = true;
      return;
    }
    history.replaceState(null, "", base());
    this.#arrive(HOME);
  }
}

/** The address of a place; none: it is one's home. */
function addressOf({ view, chat, link }: Place): string | undefined {
  if (link !== undefined) return `/call/${link}`;
  if (view !== "home") return `${base()}#${view}`;
  return chat === undefined ? undefined : `${base()}#chat/${encodeURIComponent(chat)}`;
}

/** Where one's home is. */
function base(): string {
  return linkIn(location.pathname) === undefined ? location.pathname : "/";
}

/** The token of a call link: its address is `/call/` and its token. */
export function linkIn(pathname: string): string | undefined {
  return /^\/call\/([\w-]+)\/?$/.exec(pathname)?.[1];
}

export function placeOfAddress(hash: string = location.hash, pathname: string = location.pathname): Place {
  const link = linkIn(pathname);
  if (link !== undefined) return { ...HOME, link };
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
