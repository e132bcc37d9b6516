// More than one call: who is waiting, who is on hold, and what can be done about it, without leaving the call one is in.

import type { Call } from "@tertulia/sdk";
import type { Store } from "../store.js";
import { clock } from "../words.js";
import { Avatar } from "./Avatar.js";
import { Icon } from "./Icon.js";
import { useNow } from "./hooks.js";

/** What a call is called, and whose colour it has. */
export function faceOf(store: Store, call: Call): { name: string; id: string } {
  return { name: store.calls.titleOf(call), id: call.group ? `group:${call.group.group_id}` : call.peer.user_id };
}

/** Someone calls meanwhile. It takes no focus: what one was about to press stays under the finger. */
export function WaitingCall({ store, call }: { store: Store; call: Call }) {
  const { name, id } = faceOf(store, call);
  const video = call.kind === "video";
  return (
    <div class="strip waiting-call" role="group" aria-labelledby="waiting-name" data-testid="waiting">
      <Avatar id={id} name={name} />
      <p role="alert">
        <strong id="waiting-name">{name}</strong> <span>is calling {video ? "with video" : "by voice"}</span>
      </p>
      <div class="strip-foot">
        <button
          type="button"
          class="strip-button end"
          data-testid="waiting-decline"
          onClick={() => store.calls.decline()}
        >
          <Icon name="hangup" size={20} /> Decline
        </button>
        <button
          id="waiting-accept"
          type="button"
          class="strip-button go"
          data-testid="waiting-accept"
          aria-keyshortcuts="w"
          title="Answer, and put this call on hold (w goes here)"
          onClick={() => store.calls.accept(video)}
        >
          <Icon name={video ? "camera" : "phone"} size={20} /> Hold &amp; answer
        </button>
      </div>
    </div>
  );
}

/** The other call, on hold. */
export function HeldCall({ store, call }: { store: Store; call: Call }) {
  const now = useNow(500);
  const { name, id } = faceOf(store, call);
  return (
    <div class="strip held-call" role="group" aria-label={`Call with ${name}, on hold`} data-testid="held-call">
      <Avatar id={id} name={name} />
      <p>
        <strong>{name}</strong>
        <span class="timer">On hold{call.answeredAt === undefined ? "" : ` · ${clock(now - call.answeredAt)}`}</span>
      </p>
      <div class="strip-foot">
        <button
          type="button"
          class="strip-button end"
          data-testid="held-end"
          aria-label={`End the call with ${name}`}
          onClick={() => call.hangup()}
        >
          <Icon name="hangup" size={20} /> <span class="wide-only">End</span>
        </button>
        <button
          type="button"
          class="strip-button"
          data-testid="swap"
          aria-label={`Swap: go on with ${name}`}
          onClick={() => store.calls.swap()}
        >
          <Icon name="swap" size={20} /> Swap
        </button>
      </div>
    </div>
  );
}

/** In the middle of the call that is on hold, by whichever side. */
export function OnHold({ store, call }: { store: Store; call: Call }) {
  const mine = call.held;
  return (
    <div class="on-hold" data-testid="on-hold">
      <p>{mine ? "On hold" : `${call.peer.name} has put the call on hold`}</p>
      {mine && (
        <button type="button" class="primary" data-testid="go-on" onClick={() => store.calls.hold(false)}>
          <Icon name="resume" size={20} /> Go on
        </button>
      )}
    </div>
  );
}
