// Sending a message on: to whom.

import { useState } from "preact/hooks";
import type { ChatMessage } from "@tertulia/sdk";
import { Chats } from "../../chats.js";
import type { Store } from "../../store.js";
import { isCarrying } from "../../words-carried.js";
import { Dialog } from "../Dialog.js";
import { Icon } from "../Icon.js";
import { knownPeople } from "../People.js";
import { ChatFace } from "./ChatFace.js";
import { whyNotWrite } from "./Conversation.js";

/** Whether it can be sent on: it has arrived, and is not for one look. */
export function mayForward(store: Store, { seq, content }: ChatMessage): boolean {
  if (seq === undefined) return false;
  if (content.type === "text") return true;
  return isCarrying(content) && content.file !== undefined && !content.file.once && !store.attaching.gone.has(content.media_id);
}

/** Where it may go: the conversations, the newest first, then whom one knows besides. */
function places(store: Store): string[] {
  const me = store.userId ?? "";
  const open = store.chats.list.filter(({ group }) => !group || !whyNotWrite(group, me)).map(({ key }) => key);
  const others = knownPeople(store).map(({ user_id: id }) => `user:${id}`);
  const may = (key: string) => {
    const user = Chats.userOf(key);
    return user === undefined || !(store.mine.isBlocked(user) || store.personOf(user)?.deleted);
  };
  return [...new Set([...open, ...others])].filter(may);
}

export function Forward({ store, message, close }: { store: Store; message: ChatMessage; close: () => void }) {
  const [search, setSearch] = useState("");
  const [sent, setSent] = useState<string[]>([]);
  const wanted = search.trim().toLocaleLowerCase();
  const found = places(store).filter((key) => store.chats.titleOf(key).toLocaleLowerCase().includes(wanted));
  const send = async (key: string) => {
    setSent((before) => [...before, key]);
    if (!(await store.chats.forward(key, message.content))) setSent((before) => before.filter((other) => other !== key));
  };
  return (
    <Dialog store={store} title="Forward to" testId="forward-to" close={close}>
      <div class="chooser">
        <label class="search">
          <span class="hidden">Search</span>
          <Icon name="search" size={20} />
          <input
            type="search"
            data-testid="forward-search"
            placeholder="Search"
            value={search}
            onInput={(event) => setSearch(event.currentTarget.value)}
            autocapitalize="none"
            autocomplete="off"
          />
        </label>
        {found.length === 0 ? (
          <p class="empty">Nobody you know by that name.</p>
        ) : (
          <ul class="rows">
            {found.map((key) => (
              <li key={key} class="row" data-testid={`forward-${Chats.userOf(key) ?? key}`}>
                <ChatFace store={store} chat={key} quiet />
                <span class="who">
                  <span class="name">{store.chats.titleOf(key)}</span>
                </span>
                {sent.includes(key) ? (
                  <span class="about" role="status">
                    Sent
                  </span>
                ) : (
                  <button
                    type="button"
                    class="secondary small"
                    data-testid="forward-send"
                    aria-label={`Send to ${store.chats.titleOf(key)}`}
                    onClick={() => void send(key)}
                  >
                    Send
                  </button>
                )}
              </li>
            ))}
          </ul>
        )}
      </div>
    </Dialog>
  );
}
