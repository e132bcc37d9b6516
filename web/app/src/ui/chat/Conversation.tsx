// A conversation: with whom, what was said, and where one writes.

import { useEffect, useRef, useState } from "preact/hooks";
import { mayAs, roleIn, type GroupFacts } from "@tertulia/sdk";
import { Chats } from "../../chats.js";
import type { Store } from "../../store.js";
import { spacedNumber } from "../../phone.js";
import { sayMembers } from "../../words-chat.js";
import { blockItem } from "../blocking.js";
import { CallButtons } from "../CallButtons.js";
import { Icon } from "../Icon.js";
import { Menu } from "../Menu.js";
import { useFiles } from "../media/files.js";
import { Ask } from "./Attach.js";
import { ChatFace } from "./ChatFace.js";
import { Composer } from "./Composer.js";
import { GroupCallBanner } from "./GroupCall.js";
import { GroupInfo } from "./GroupInfo.js";
import { Messages } from "./Messages.js";
import { PresenceLine } from "./Presence.js";

export function Conversation({ store, chat }: { store: Store; chat: string }) {
  const name = store.chats.titleOf(chat);
  const user = Chats.userOf(chat);
  const group = store.chats.api?.conversation(chat)?.group;
  const groupId = group && store.chats.api?.conversation(chat)?.id;
  const [info, setInfo] = useState(false);
  useEffect(() => setInfo(false), [chat]);
  const { chosen } = store.attaching;
  const over = useFiles((files) => {
    if (!silent && store.limits) store.attaching.choose(chat, files);
  });
  const silent = group && whyNotWrite(group, store.userId ?? "");
  return (
    <section class={over && !silent && store.limits ? "conversation over" : "conversation"} aria-label={`Conversation with ${name}`} data-testid="conversation">
      <Head store={store} chat={chat} name={name} group={group} groupId={groupId} ask={() => setInfo(true)} />
      {groupId !== undefined && <GroupCallBanner key={groupId} store={store} groupId={groupId} />}
      <Messages key={chat} store={store} name={name} inGroup={user === undefined} />
      {silent ? (
        <p class="composer silent" role="status" data-testid="may-not-write">
          {silent}
        </p>
      ) : (
        <Composer key={chat} store={store} chat={chat} name={name} />
      )}
      {chosen?.chat === chat && <Ask store={store} chosen={chosen} name={name} />}
      {info && group && <GroupInfo store={store} chat={chat} group={group} close={() => setInfo(false)} />}
    </section>
  );
}

/** Why one may not write in a group, if so. */
export function whyNotWrite(group: GroupFacts, me: string): string | undefined {
  if (group.over) return "This group has ended.";
  // Of a group that is known in part, the server knows better.
  if (group.partial) return undefined;
  if (!roleIn(group, me)) return "You are not in this group any more.";
  return mayAs(group, me, group.post) ? undefined : "Here only admins write.";
}

interface HeadProps {
  store: Store;
  chat: string;
  name: string;
  group: GroupFacts | undefined;
  groupId: string | undefined;
  /** Shows who is in the group. */
  ask: () => void;
}

function Head({ store, chat, name, group, groupId, ask }: HeadProps) {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // On a phone there is no field that takes the focus.
    if (!matchMedia("(hover: hover)").matches) title.current?.focus({ preventScroll: true });
  }, [chat]);
  const user = Chats.userOf(chat);
  const person = user === undefined ? undefined : store.personOf(user);
  const self = user === store.userId;
  const about = group ? aboutGroup(store, group) : aboutPerson(store, user);
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
      <ChatFace store={store} chat={chat} quiet={store.connection !== "online"} />
      <div class="who">
        <h2 ref={title} tabIndex={-1} class="name" data-testid="chat-name">
          {name}
        </h2>
        <PresenceLine store={store} chat={chat} name={name} user={self || store.mine.isBlocked(user ?? "") ? undefined : user} about={about} />
      </div>
      {user !== undefined && !self && !person?.deleted && (
        <>
          <CallButtons store={store} name={name} onCall={(video) => store.calls.place({ user_id: user, name }, video)} />
          <Menu label={`More about ${name}`} items={blockItem(store, { user_id: user, name })} />
        </>
      )}
      {group && groupId !== undefined && !group.over && (group.partial || roleIn(group, store.userId ?? "")) && (
        <CallButtons store={store} name={name} busy={store.calls.current !== undefined} onCall={(video) => store.calls.startGroup(groupId, video)} />
      )}
      {group && (
        <button
          type="button"
          class="round tint"
          data-testid="group-info"
          aria-label="About this group"
          title="About this group"
          onClick={ask}
        >
          <Icon name="people" size={22} />
        </button>
      )}
    </header>
  );
}

function aboutPerson(store: Store, user: string | undefined): string | undefined {
  if (user === undefined) return undefined;
  if (user === store.userId) return "Notes to yourself";
  if (store.mine.isBlocked(user)) return "Blocked";
  const online = store.personOf(user)?.online;
  // Without a connection it is what it was.
  if (online !== undefined && store.connection === "online") return online ? "Online" : "Away";
  const phone = store.mine.contacts.find((contact) => contact.user_id === user)?.phone;
  return phone && spacedNumber(phone);
}

function aboutGroup(store: Store, group: GroupFacts): string {
  const others = group.members.filter(({ user_id: id }) => id !== store.userId).map(({ user_id: id }) => store.nameOf(id));
  return others.length === 0 ? "Nobody else is here" : sayMembers([...others, "you"]);
}
