// The bar below a narrow page.

import type { Store, Tab } from "../store.js";
import { sayCount } from "../words-chat.js";
import { Icon, type IconName } from "./Icon.js";

interface Props {
  store: Store;
  current: Tab | "media";
}

const TABS: { id: Tab; label: string; icon: IconName }[] = [
  { id: "chats", label: "Chats", icon: "chat" },
  { id: "people", label: "People", icon: "people" },
  { id: "recent", label: "Recent", icon: "clock" },
];

export function Tabs({ store, current }: Props) {
  const { unseen, chats } = store;
  return (
    <nav class={store.limits ? "tabs four" : "tabs three"} aria-label="Views">
      {TABS.map(({ id, label, icon }) => (
        <button
          key={id}
          type="button"
          data-testid={`tab-${id}`}
          aria-current={current === id ? "page" : undefined}
          onClick={() => store.showTab(id)}
        >
          <Icon name={icon} />
          {label}
          {id === "chats" && chats.unread > 0 && (
            <span class="badge">
              {sayCount(chats.unread)}
              <span class="hidden"> unread</span>
            </span>
          )}
          {id === "recent" && unseen > 0 && (
            <span class="badge">
              {unseen}
              <span class="hidden"> missed</span>
            </span>
          )}
        </button>
      ))}
      {store.limits && (
        <button
          type="button"
          data-testid="tab-media"
          aria-current={current === "media" ? "page" : undefined}
          onClick={() => store.show("media")}
        >
          <Icon name="media" />
          Media
        </button>
      )}
    </nav>
  );
}
