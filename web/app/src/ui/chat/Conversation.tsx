// A conversation: with whom, what was said, and where one writes.

import { useEffect, useRef } from "preact/hooks";
import { Chats } from "../../chats.js";
import type { Store } from "../../store.js";
import { spacedNumber } from "../../phone.js";
import { Avatar } from "../Avatar.js";
import { blockItem } from "../blocking.js";
import { CallButtons } from "../CallButtons.js";
import { Icon } from "../Icon.js";
import { Menu } from "../Menu.js";
import { Composer } from "./Composer.js";
import { Messages } from "./Messages.js";

export function Conversation({ store, chat }: { store: Store; chat: string }) {
  const user = Chats.userOf(chat);
  const name = user === undefined ? chat : store.nameOf(user);
  return (
    <section class="conversation" aria-label={`Conversation with ${name}`} data-testid="conversation">
      <Head store={store} user={user} name={name} />
      <Messages key={chat} store={store} name={name} />
      <Composer key={chat} store={store} chat={chat} name={name} />
    </section>
  );
}

function Head({ store, user, name }: { store: Store; user: string | undefined; name: string }) {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // On a phone there is no field that takes the focus.
    if (!matchMedia("(hover: hover)").matches) title.current?.focus({ preventScroll: true });
  }, [user]);
  const person = user === undefined ? undefined : store.personOf(user);
  const self = user === store.userId;
  const blocked = user !== undefined && store.mine.isBlocked(user);
  const phone = store.mine.contacts.find((contact) => contact.user_id === user)?.phone;
  const about = self
    ? "Notes to yourself"
    : blocked
      ? "Blocked"
      : person?.online !== undefined
        ? person.online
          ? "Online"
          : "Away"
        : phone && spacedNumber(phone);
  return (
    <header class="chat-head" data-testid="chat-head">
      <button
        type="button"
        class="round quiet"
        data-testid="chat-back"
        aria-label="Back to all chats"
        title="Back"
        onClick={() => store.show("home")}
      >
        <Icon name="back" />
      </button>
      <Avatar id={user ?? name} name={person?.name ?? name} online={self ? undefined : person?.online} deleted={person?.deleted} />
      <div class="who">
        <h2 ref={title} tabIndex={-1} class="name" data-testid="chat-name">
          {name}
        </h2>
        {about && <span class="about">{about}</span>}
      </div>
      {user !== undefined && !self && !person?.deleted && (
        <>
          <CallButtons
            store={store}
            name={name}
            onCall={(video) => store.calls.place({ user_id: user, name }, video)}
          />
          <Menu label={`More about ${name}`} items={blockItem(store, { user_id: user, name })} />
        </>
      )}
    </header>
  );
}
