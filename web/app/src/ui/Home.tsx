// The page between calls: the conversations and the one that is open, whom to write to or call, the calls that were, and what goes on elsewhere.

import { useEffect, useRef, useState } from "preact/hooks";
import type { CallElsewhere } from "@tertulia/sdk";
import { canAskToNotify } from "../attention.js";
import type { Store } from "../store.js";
import { Avatar } from "./Avatar.js";
import { ChatList } from "./chat/ChatList.js";
import { Conversation } from "./chat/Conversation.js";
import { GoingCalls } from "./chat/GroupCall.js";
import { DisturbButton } from "./DoNotDisturb.js";
import { Icon, Logo } from "./Icon.js";
import { Insecure } from "./Insecure.js";
import { People } from "./People.js";
import { Recent } from "./Recent.js";
import { Tabs } from "./Tabs.js";

export function Home({ store }: { store: Store }) {
  const main = useRef<HTMLElement>(null);
  const { tab } = store;
  const chat = store.chats.open;
  // After signing in, or after a call, what one was on is gone: keys and screen readers go on from here.
  useEffect(() => {
    if (!main.current?.contains(document.activeElement)) main.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div class={chat === undefined ? `home lobby show-${tab}` : `home lobby show-${tab} in-chat`}>
      <Header store={store} />
      <main ref={main} tabIndex={-1}>
        {store.connection === "reconnecting" && !store.displaced && (
          <p class="banner" data-testid="reconnecting" role="status">
            <span class="spinner" aria-hidden="true" />
            {store.draining ? "The server is restarting. One moment…" : "The server can’t be reached. Trying again…"}
          </p>
        )}
        {store.displaced && <Displaced store={store} />}
        <Insecure />
        {store.calls.running.length > 0 && <Running store={store} />}
        {store.calls.elsewhere.map((call) => (
          <Elsewhere key={call.call_id} store={store} call={call} />
        ))}
        {tab !== "chats" && chat === undefined && <GoingCalls store={store} over />}
        <div class="desk">
          <ChatList store={store} />
          {chat === undefined ? (
            <div class="columns">
              <People store={store} />
              <Recent store={store} shown={tab === "recent"} />
            </div>
          ) : (
            <Conversation store={store} chat={chat} />
          )}
        </div>
      </main>
      <Tabs store={store} current={store.tab} />
    </div>
  );
}

function Header({ store }: { store: Store }) {
  const [askable, setAskable] = useState(canAskToNotify);
  const account = store.account;
  if (!account) return null;
  const ask = async () => {
    const answer = await Notification.requestPermission();
    setAskable(canAskToNotify());
    if (answer === "granted") store.toast("You will be notified of calls and messages while this page is in the background");
  };
  return (
    <header class="top">
      <h1 class="brand">
        <Logo />
        <span class="brand-name">Tertulia</span>
      </h1>
      <div class="me">
        <DisturbButton store={store} />
        {askable && (
          <button
            type="button"
            class="round quiet"
            aria-label="Notify me of calls and messages"
            title="Notify me of calls and messages"
            onClick={() => void ask()}
          >
            <Icon name="bell" />
          </button>
        )}
        {store.limits && (
          <button type="button" class="to-media wide-only" data-testid="media" onClick={() => store.show("media")}>
            <Icon name="media" size={20} />
            Media
          </button>
        )}
        <Avatar id={account.userId} name={store.name} />
        <span class="name">
          <span class="hidden">Signed in as </span>
          {store.name}
        </span>
        <button
          type="button"
          class="round quiet"
          data-testid="settings"
          aria-label="Settings"
          title="Settings"
          onClick={() => store.show("settings")}
        >
          <Icon name="gear" />
        </button>
      </div>
    </header>
  );
}

export function Displaced({ store }: { store: Store }) {
  return (
    <div class="notice" role="status">
      <p>Tertulia is open as this device on another page.</p>
      <button type="button" class="primary small" onClick={() => store.account && void store.start(store.account)}>
        Use it here
      </button>
    </div>
  );
}

/** After the page was loaded anew in the middle of a call; or of two, one of them on hold. */
function Running({ store }: { store: Store }) {
  const box = useRef<HTMLDivElement>(null);
  const { running } = store.calls;
  const first = running.find((call) => !call.held) ?? running[0];
  useEffect(() => box.current?.focus(), []);
  if (!first) return null;
  const names = running.map((call) => store.calls.titleOfOther(call)).join(" and with ");
  const several = running.length > 1;
  return (
    <div class="notice" ref={box} tabIndex={-1} role="group" aria-labelledby="running" data-testid="running">
      <Avatar id={first.peer.user_id} name={first.peer.name} />
      <p id="running">
        {several ? "Your calls" : "Your call"} with {names} {several ? "go" : "goes"} on.
      </p>
      <button
        type="button"
        class="danger small"
        data-testid="running-hangup"
        onClick={() => store.calls.leaveRunning()}
      >
        Hang up
      </button>
      <button type="button" class="primary small" data-testid="rejoin" onClick={() => store.calls.rejoin()}>
        Rejoin
      </button>
    </div>
  );
}

/** A call of this person on another device of theirs. */
function Elsewhere({ store, call }: { store: Store; call: CallElsewhere }) {
  const { peer, device_id: id } = call;
  const device = call.device_name ?? store.mine.devices?.find((known) => known.device_id === id)?.name;
  return (
    <div class="notice" role="group" aria-labelledby={`elsewhere-${call.call_id}`} data-testid="elsewhere">
      <Avatar id={peer.user_id} name={peer.name} />
      <p id={`elsewhere-${call.call_id}`}>
        In a call with {store.calls.titleOfOther(call)} on {device ?? "another device"}
      </p>
      <button
        type="button"
        class="primary small"
        data-testid="join-here"
        disabled={store.displaced}
        onClick={() => store.calls.join(call)}
      >
        <Icon name={call.media === "video" ? "camera" : "phone"} size={20} /> Join here
      </button>
    </div>
  );
}
