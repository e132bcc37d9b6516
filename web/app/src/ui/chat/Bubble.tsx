// One message: what it says, when, and how far it has come.

import { useState } from "preact/hooks";
import type { ChatMessage } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { isCarrying } from "../../words-carried.js";
import { isEmojiOnly, partsOf, sayContent, sayWhyNot, timeOf } from "../../words-chat.js";
import { hueOf } from "../Avatar.js";
import { Icon } from "../Icon.js";
import { CallLine } from "./CallLine.js";
import { Carried } from "./Carried.js";
import { Forward, mayForward } from "./Forward.js";
import { Ticks } from "./Ticks.js";

interface Props {
  store: Store;
  message: ChatMessage;
  /** The one before is of the same person, a moment ago. */
  follows: boolean;
  /** Who says it: for screen readers, and in a group for all. */
  author: string;
  inGroup: boolean;
}

export function Bubble({ store, message, follows, author, inGroup }: Props) {
  const { state, at, content } = message;
  const [forwarding, setForwarding] = useState(false);
  if (content.type === "system") {
    return (
      <li class="day event" data-testid="event">
        <span>{sayContent(content, message.from, store.naming)}</span>
      </li>
    );
  }
  if (content.type === "call") return <CallLine store={store} message={message} call={content} />;
  const own = state !== "received";
  const large = content.type === "text" && isEmojiOnly(content.text);
  const carries = isCarrying(content) && "carries";
  const classes = ["bubble", carries, own ? "own" : "theirs", follows && "follows", large && "large", state === "failed" && "failed"];
  return (
    <li class={own ? "said-by me" : "said-by"} data-testid="message" data-state={state} data-n={message.n}>
      <div class={classes.filter(Boolean).join(" ")}>
        {inGroup && !own && !follows ? (
          <strong class={`author hue-${hueOf(message.from)}`}>{author}</strong>
        ) : (
          <span class="hidden">{author}: </span>
        )}
        <Said store={store} message={message} />
        <span class="meta">
          <time dateTime={new Date(at).toISOString()}>{timeOf(at)}</time>
          <Ticks state={state} />
        </span>
        {mayForward(store, message) && (
          <button
            type="button"
            class="round quiet forward"
            data-testid="forward"
            aria-label={`Forward: ${sayContent(content)}`}
            title="Forward"
            onClick={() => setForwarding(true)}
          >
            <Icon name="forward" size={18} />
          </button>
        )}
      </div>
      {forwarding && <Forward store={store} message={message} close={() => setForwarding(false)} />}
      {message.failed !== undefined && <Failed store={store} message={message} />}
    </li>
  );
}

function Said({ store, message }: { store: Store; message: ChatMessage }) {
  const { content } = message;
  if (isCarrying(content)) {
    return (
      <>
        <Carried store={store} message={message} content={content} />
        {content.type === "media" && content.caption && <Words text={content.caption} />}
      </>
    );
  }
  if (content.type !== "text") return <span class="text unknown">{sayContent(content)}</span>;
  return <Words text={content.text} />;
}

function Words({ text: all }: { text: string }) {
  return (
    <span class="text" dir="auto" data-testid="text">
      {partsOf(all).map(({ text, href }, i) =>
        href === undefined ? (
          text
        ) : (
          <a key={i} href={href} target="_blank" rel="noopener noreferrer nofollow ugc">
            {text}
          </a>
        ),
      )}
    </span>
  );
}

function Failed({ store, message }: { store: Store; message: ChatMessage }) {
  return (
    <p class="not-sent" data-testid="not-sent">
      <span>Not sent. {sayWhyNot(message)}.</span>
      <button type="button" class="mend" data-testid="retry" onClick={() => store.chats.retry(message)}>
        <Icon name="again" size={16} /> Try again
      </button>
      <button type="button" class="mend" data-testid="discard" onClick={() => store.chats.discard(message)}>
        <Icon name="trash" size={16} /> Delete
      </button>
    </p>
  );
}
