// A call that has ended, in its conversation: what became of it, when, and a button that calls back.

import { isMissedCall, type ChatMessage } from "@tertulia/sdk";
import { Chats } from "../../chats.js";
import type { Store } from "../../store.js";
import { sayCall, type CallContent } from "../../words-calls.js";
import { timeOf } from "../../words-chat.js";
import { Icon } from "../Icon.js";

interface Props {
  store: Store;
  message: ChatMessage;
  call: CallContent;
}

export function CallLine({ store, message, call }: Props) {
  const own = message.from === store.userId;
  const missed = !own && isMissedCall(call);
  const user = Chats.userOf(store.chats.open ?? "");
  const video = call.media === "video";
  const gone = user === undefined || store.personOf(user)?.deleted === true;
  return (
    <li class={missed ? "call-line missed" : "call-line"} data-testid="call-entry">
      <span class="about-call">
        <Icon name={missed ? "missed" : own ? "outgoing" : "incoming"} size={18} />
        <span data-testid="call-said">{sayCall(call, own)}</span>
        <time dateTime={new Date(message.at).toISOString()}>{timeOf(message.at)}</time>
      </span>
      {!gone && (
        <button
          type="button"
          class="secondary small call-back"
          data-testid="call-back"
          aria-label={`${own ? "Call again" : "Call back"} by ${video ? "video" : "voice"}`}
          disabled={store.displaced}
          onClick={() => store.calls.place({ user_id: user, name: store.nameOf(user) }, video)}
        >
          <Icon name={video ? "camera" : "phone"} size={18} />
          <span class="words">{own ? "Call again" : "Call back"}</span>
        </button>
      )}
    </li>
  );
}
