// The conversations, the newest first.

import type { Conversation } from "@tertulia/sdk";
import { Chats } from "../../chats.js";
import type { Store } from "../../store.js";
import { when } from "../../words.js";
import { SAY_LOST, sayContent, sayCount, sayMessagesProblem, sayUnread } from "../../words-chat.js";
import { Icon } from "../Icon.js";
import { useNow } from "../hooks.js";
import { ChatFace } from "./ChatFace.js";
import { GoingCalls } from "./GroupCall.js";
import { Ticks } from "./Ticks.js";

export function ChatList({ store }: { store: Store }) {
  const { chats } = store;
  const { list, problem, unread } = chats;
  useNow(60_000);
  return (
    <section class="panel chats" aria-labelledby="chats-title" data-testid="chats">
      <div class="panel-head">
        <h2 id="chats-title">Chats</h2>
        {unread > 0 && <span class="badge">{sayUnread(unread)}</span>}
        <button
          type="button"
          class="round tint"
          data-testid="new-chat"
          aria-label="New chat"
          title="New chat"
          onClick={() => void beginNew(store)}
        >
          <Icon name="plus" size={22} />
        </button>
      </div>
      {problem && (
        <p class="chat-notice" role="status" data-testid="messages-problem">
          <Icon name="warn" size={20} />
          <span>{sayMessagesProblem(problem)}</span>
        </p>
      )}
      {chats.api?.lost && (
        <p class="chat-notice" role="status" data-testid="messages-lost">
          <Icon name="warn" size={20} />
          <span>{SAY_LOST}</span>
          <button type="button" class="secondary small" onClick={() => chats.forgetLost()}>
            I see
          </button>
        </p>
      )}
      <GoingCalls store={store} />
      {list.length > 0 ? (
        <ul class="rows">
          {list.map((conversation) => (
            <ChatRow key={conversation.key} store={store} conversation={conversation} />
          ))}
        </ul>
      ) : (
        problem !== "unavailable" && <Nothing store={store} />
      )}
    </section>
  );
}

/** Goes where one chooses somebody, on a narrow page and on a wide one. */
async function beginNew(store: Store): Promise<void> {
  store.showTab("people");
  // The list of people is there when the address has changed.
  for (let tries = 0; tries < 20; tries += 1) {
    const field = document.querySelector<HTMLInputElement>(".people input[type=search]");
    if (field?.checkVisibility()) return field.focus();
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
}

function Nothing({ store }: { store: Store }) {
  return (
    <div class="empty">
      <p>What you and others write to each other will be here. Choose someone, and say hello.</p>
      <button type="button" class="secondary narrow-block" onClick={() => store.showTab("people")}>
        <Icon name="people" size={20} /> People
      </button>
    </div>
  );
}

/** Its newest message; in a group with whose it is. */
function said(store: Store, { group }: Conversation, { from, content }: NonNullable<Conversation["last"]>): string {
  const text = sayContent(content, from, store.naming);
  if (!group || content.type === "system" || from === store.userId) return text;
  return `${store.nameOf(from)}: ${text}`;
}

function ChatRow({ store, conversation }: { store: Store; conversation: Conversation }) {
  const { key, last, unread } = conversation;
  const { chats } = store;
  const user = Chats.userOf(key);
  const name = chats.titleOf(key);
  const draft = chats.open === key ? "" : chats.draft(key).trim();
  const state = chats.api?.stateOfLast(conversation);
  const typing = store.here.typing(key);
  return (
    <li>
      <button
        type="button"
        class={unread > 0 ? "row chat-row unread" : "row chat-row"}
        data-testid={`chat-${user ?? key}`}
        aria-current={chats.open === key ? "true" : undefined}
        onClick={() => store.openChat(key)}
      >
        <ChatFace store={store} chat={key} />
        <span class="who">
          <span class="line">
            <span class="name">{name}</span>
            {last && <span class="at">{when(last.at)}</span>}
          </span>
          <span class="line">
            <span class="about">
              {!typing && draft === "" && state && <Ticks state={state} />}
              <span class={typing ? "said typing" : "said"} dir="auto">
                {typing ? (
                  typing
                ) : draft !== "" ? (
                  <>
                    <em>Draft:</em> {draft}
                  </>
                ) : (
                  last && said(store, conversation, last)
                )}
              </span>
            </span>
            {unread > 0 && (
              <span class="badge" data-testid="unread">
                {sayCount(unread)}
                <span class="hidden"> unread</span>
              </span>
            )}
          </span>
        </span>
      </button>
    </li>
  );
}
