// Someone calls, and nothing else is going on.

import { useEffect, useRef } from "preact/hooks";
import type { Call } from "@tertulia/sdk";
import type { Store } from "../store.js";
import { Avatar } from "./Avatar.js";
import { pictureOf } from "./chat/ChatFace.js";
import { Icon } from "./Icon.js";
import { faceOf } from "./TwoCalls.js";

/** Someone calls. It takes the focus, but no key that one happens to be typing answers or declines. */
export function Incoming({ store, call }: { store: Store; call: Call }) {
  const dialog = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current?.focus();
    return () => before?.focus?.();
  }, []);
  const video = call.kind === "video";
  const { name, id } = faceOf(store, call);
  const by = call.conference ? `${call.peer.name} is calling` : "is calling you";
  const picture = call.group && pictureOf(store, `group:${call.group.group_id}`);
  return (
    <div class="veil">
      <div
        class="incoming"
        ref={dialog}
        tabIndex={-1}
        role="alertdialog"
        aria-modal="true"
        aria-labelledby="incoming-name"
        aria-describedby="incoming-kind"
        data-testid="incoming"
      >
        <div class="caller">
          <Avatar id={id} name={name} picture={picture} />
          <h2 id="incoming-name">{call.group ? name : call.peer.name}</h2>
          <p id="incoming-kind">
            {call.conference && !call.group ? "asks you into a group call" : by} {video ? "with video" : "by voice"}
          </p>
        </div>
        <div class="answers">
          <Answer
            class="decline"
            testId="incoming-decline"
            label="Decline"
            icon="hangup"
            onClick={() => store.calls.decline()}
          />
          {video && (
            <Answer
              class="plain"
              testId="incoming-accept-voice"
              label="Voice only"
              icon="phone"
              onClick={() => store.calls.accept(false)}
            />
          )}
          {!video && (
            <Answer
              class="plain"
              testId="incoming-accept-video"
              label="With video"
              icon="camera"
              onClick={() => store.calls.accept(true)}
            />
          )}
          <Answer
            class="accept"
            testId="incoming-accept"
            label="Accept"
            icon={video ? "camera" : "phone"}
            onClick={() => store.calls.accept(video)}
          />
        </div>
      </div>
    </div>
  );
}

interface AnswerProps {
  class: string;
  testId: string;
  label: string;
  icon: "hangup" | "phone" | "camera";
  onClick: () => void;
}

function Answer({ class: name, testId, label, icon, onClick }: AnswerProps) {
  return (
    <button type="button" class={`answer ${name}`} data-testid={testId} onClick={onClick}>
      <span class="disc">
        <Icon name={icon} size={28} />
      </span>
      {label}
    </button>
  );
}
