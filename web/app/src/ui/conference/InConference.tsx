// The view of a group call: everybody's pictures, what can be done below, who is in it at the side.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Call, Conference, LinkOfCall } from "@tertulia/sdk";
import { clock } from "../../words.js";
import { sayNames, sayPeople, sayRinging } from "../../words-conference.js";
import { useCanFlip } from "../Controls.js";
import { Icon } from "../Icon.js";
import { Trouble, type CallViewProps } from "../InCall.js";
import { useShortcuts } from "../in-call.js";
import { QualityBadge } from "../Quality.js";
import { HeldCall, OnHold, WaitingCall } from "../TwoCalls.js";
import { SoundButton } from "../Voices.js";
import { useNow } from "../hooks.js";
import { copyLink } from "../links/NewCallLink.js";
import { AtTheDoor, useKnocks } from "./AtTheDoor.js";
import { ConferenceControls } from "./ConferenceControls.js";
import { Reactions } from "./Reactions.js";
import { Roster } from "./Roster.js";
import { Stage } from "./Stage.js";
import { ringingTiles } from "./tiles.js";

interface Props extends CallViewProps {
  conference: Conference;
}

export function InConference({ store, call, conference, quality, state, trouble, sound, add }: Props) {
  const { incoming, aside } = store.calls;
  const [mode, setMode] = useState<"grid" | "speaker">("grid");
  const [pinned, setPinned] = useState<string | undefined>();
  const [people, setPeople] = useState(false);
  const [own, setOwn] = useState<{ emoji: string; id: number } | undefined>();
  const raised = conference.me?.entry.hand_at !== undefined;
  const raise = () => void store.calls.attempt(conference.raiseHand(!raised));
  const react = (emoji: string) => {
    setOwn((before) => ({ emoji, id: (before?.id ?? 0) + 1 }));
    // Too many in a short time are not shown to the others. That is no news.
    conference.react(emoji).catch(() => undefined);
  };
  useShortcuts(store, call, { r: raise, p: () => setPeople((shown) => !shown) });
  useSaid(store, conference);
  useKnocks(store, conference);
  const canFlip = useCanFlip(call.media.camera);
  const ringing = conference.ringing.map(({ name }) => name);
  const alone = conference.others.length === 0;
  const deserted = alone && ringing.length === 0 && conference.waiting.length === 0 && call.connection === "up";
  const inTiles = ringingTiles(conference.ringing, conference.members.length).length > 0;
  const title = store.calls.titleOf(call);
  return (
    <>
      <header class="conference-head">
        <div class="call-who">
          <strong data-testid="conference-title">{title}</strong>
          <Status call={call} conference={conference} state={state} />
        </div>
        <div class="conference-tools">
          {canFlip && (
            <button type="button" class="chip" data-testid="flip" aria-label="Flip the camera" onClick={() => void call.flipCamera()}>
              <Icon name="flip" size={20} />
            </button>
          )}
          <button
            type="button"
            class="chip"
            data-testid="layout"
            aria-label={mode === "grid" ? "Show who speaks large" : "Show all alike"}
            title={mode === "grid" ? "Show who speaks large" : "Show all alike"}
            onClick={() => {
              setMode(mode === "grid" ? "speaker" : "grid");
              setPinned(undefined);
            }}
          >
            <Icon name={mode === "grid" ? "speaker" : "grid"} size={20} />
          </button>
          <QualityBadge call={call} quality={quality} />
        </div>
      </header>
      <div class="conference-middle">
        <Stage call={call} conference={conference} quality={quality} mode={mode} pinned={pinned} pin={setPinned} />
        <Reactions store={store} conference={conference} own={own} />
        {call.held && <OnHold store={store} call={call} />}
        <div class="call-notes">
          {incoming && <WaitingCall store={store} call={incoming} />}
          {!people && <AtTheDoor store={store} conference={conference} seeAll={() => setPeople(true)} />}
          {aside && <HeldCall store={store} call={aside} />}
          {trouble !== undefined && <Trouble store={store} trouble={trouble} />}
          {ringing.length > 0 && !inTiles && (
            <p class="note" data-testid="ringing-note">
              {sayRinging(ringing)}
            </p>
          )}
          {deserted && (
            <p class="note" data-testid="alone">
              Nobody else is here yet
            </p>
          )}
          {deserted && call.link && <CopyAddress store={store} link={call.link} />}
          <SoundButton sound={sound} />
        </div>
      </div>
      {people && (
        <Roster
          store={store}
          conference={conference}
          quality={quality}
          pinned={pinned}
          pin={setPinned}
          add={add}
          close={() => setPeople(false)}
        />
      )}
      <ConferenceControls
        store={store}
        call={call}
        conference={conference}
        people={people}
        showPeople={setPeople}
        raise={raise}
        react={react}
      />
    </>
  );
}

/** Whoever is alone may want to send it to somebody. */
function CopyAddress({ store, link }: { store: CallViewProps["store"]; link: LinkOfCall }) {
  return (
    <button type="button" class="chip" data-testid="copy-this-link" onClick={() => void copyLink(store, link)}>
      <Icon name="link" size={18} /> Copy the call’s address
    </button>
  );
}

function Status({ call, conference, state }: { call: Call; conference: Conference; state: string }) {
  const now = useNow(500);
  const since = call.answeredAt;
  const up = call.state === "active" && call.connection === "up" && !call.held;
  return (
    <span class="status">
      <span data-testid="call-state" data-state={call.state} class={up ? "hidden" : ""}>
        {state}
      </span>
      {since !== undefined && (
        <span data-testid="call-timer" class="timer" role="timer">
          {clock(now - since)}
        </span>
      )}
      <span data-testid="head-count">{sayPeople(conference.members.length)}</span>
    </span>
  );
}

/** Says to screen readers who comes, who goes, and who has a hand up. */
function useSaid(store: CallViewProps["store"], conference: Conference): void {
  const before = useRef<Map<string, { name: string; raised: boolean }> | undefined>(undefined);
  const others = new Map(conference.others.map(({ key, entry }) => [key, { name: entry.name, raised: entry.hand_at !== undefined }]));
  const news = [...others].map(([key, { name, raised }]) => `${key} ${name} ${raised}`).join();
  useEffect(() => {
    const was = before.current;
    before.current = others;
    if (!was) return;
    const names = (all: [string, { name: string }][]) => sayNames(all.map(([, { name }]) => name));
    const came = [...others].filter(([key]) => !was.has(key));
    const went = [...was].filter(([key]) => !others.has(key));
    const hands = [...others].filter(([key, { raised }]) => raised && was.get(key)?.raised === false);
    const said = [
      came.length > 0 && `${names(came)} joined`,
      went.length > 0 && `${names(went)} left`,
      hands.length > 0 && `${names(hands)} ${hands.length === 1 ? "has" : "have"} a hand up`,
    ];
    const text = said.filter(Boolean).join(". ");
    if (text !== "") store.announce(text);
  }, [news]);
}
