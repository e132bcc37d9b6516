// The head of a page that one goes back from.

import type { ComponentChildren } from "preact";
import type { Store } from "../store.js";
import { Icon } from "./Icon.js";

export function PageHead({ store, title, children }: { store: Store; title: string; children?: ComponentChildren }) {
  return (
    <header class="top page-head">
      <h1 class="brand">
        <button
          type="button"
          class="round quiet"
          data-testid="back"
          aria-label="Back"
          title="Back"
          onClick={() => store.show("home")}
        >
          <Icon name="back" />
        </button>
        {title}
      </h1>
      {children}
    </header>
  );
}
