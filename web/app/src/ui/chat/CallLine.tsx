// A call that has ended, in its conversation: what became of it, when, who was in it, and a button that calls back.

import { isMissedCall, type ChatMessage } from "@tertulia/sdk";
import { Chats } from "../../chats.js";
import type { Store } from "../../store.js";
import { sayCall, type CallContent } from "../../words-calls.js";
import { sayMembers, timeOf } from "../../words-chat.js";
import { Icon } from "../Icon.js";

interface Props {
  store: Store;
  message: ChatMessage;
  call: CallContent;
}

export function CallLine({ store, message, call }: Props) {
  const own = message.from === store.userId;
  const missed = !own && isMissedCall(call, store.userId ?? "");
  const video = call.media === "video";
  const callBack = whoToCall(store, video);
  return (
    <li class={missed ? "call-line missed" : "call-line"} data-testid="call-entry">
      <span class="about-call">
        <Icon name={missed ? "missed" : own ? "outgoing" : "incoming"} size={18} />
        <span>
          {call.group && !own && <span class="by">{store.nameOf(message.from)}: </span>}
          <span data-testid="call-said">{sayCall(call, own, missed)}</span>
          {call.group && call.duration_ms !== undefined && (
            <span class="who-came" data-testid="call-who">
              {sayWhoCame(call.group, store.naming)}
            </span>
          )}
        </span>
        <time dateTime={new Date(message.at).toISOString()}>{timeOf(message.at)}</time>
      </span>
      {callBack && (
        <button
          type="button"
          class="secondary small call-back"
          data-testid="call-back"
          aria-label={`${own || call.group ? "Call again" : "Call back"} by ${video ? "video" : "voice"}`}
          disabled={store.displaced || (call.group !== undefined && store.calls.current !== undefined)}
          onClick={callBack}
        >
          <Icon name={video ? "camera" : "phone"} size={18} />
          <span class="words">{own || call.group ? "Call again" : "Call back"}</span>
        </button>
      )}
    </li>
  );
}

/** Calls whom this conversation is with; none where nobody is there to be called. */
function whoToCall(store: Store, video: boolean): (() => void) | undefined {
  const chat = store.chats.open ?? "";
  const user = Chats.userOf(chat);
  if (user === undefined) {
    const group = store.groupToCall(chat);
    return group === undefined ? undefined : () => store.calls.startGroup(group, video);
  }
  if (store.personOf(user)?.deleted === true) return undefined;
  return () => store.calls.place({ user_id: user, name: store.nameOf(user) }, video);
}

/** `Ana, Bob and you`. */
function sayWhoCame({ people, people_count: count }: NonNullable<CallContent["group"]>, naming: (user: string) => string): string {
  const named = people.map(naming).sort((a, b) => Number(a === "you") - Number(b === "you"));
  return sayMembers([...named, ...Array.from({ length: count - people.length }, () => "")]);
}
