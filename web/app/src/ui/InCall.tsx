// The call view: the other side large, oneself small, what can be done below. What a group call shows is in conference/.
//
// Invariant: voices are played by the same elements before and after a call of two has become a group call, so that none is cut.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Call } from "@tertulia/sdk";
import type { Store } from "../store.js";
import { clock, sayState } from "../words.js";
import { sayConferenceState } from "../words-conference.js";
import { Avatar } from "./Avatar.js";
import { AddPeople } from "./conference/AddPeople.js";
import { InConference } from "./conference/InConference.js";
import { Controls } from "./Controls.js";
import { useShortcuts, useWakeLock } from "./in-call.js";
import { HeldCall, OnHold, WaitingCall } from "./TwoCalls.js";
import { PeerBadge, QualityBadge } from "./Quality.js";
import { SelfView } from "./SelfView.js";
import { SoundButton, useSound, Voices } from "./Voices.js";
import { Video } from "./Stream.js";
import { useConference, useNow, useQuality, type Quality } from "./hooks.js";

export function InCall({ store, call }: { store: Store; call: Call }) {
  const view = useRef<HTMLElement>(null);
  // Where the other call has ended and this one is on hold, the next key goes on with it.
  useEffect(() => {
    const goOn = view.current?.querySelector<HTMLElement>('[data-testid="go-on"]');
    (goOn ?? view.current)?.focus();
  }, []);
  useConference(call.conference);
  const sound = useSound();
  // It stays open while the call of two becomes a group call: one may want to add some more.
  const [adding, setAdding] = useState(false);
  const quality = useQuality(call);
  useWakeLock();
  const state = call.conference ? sayConferenceState(call) : sayState(call);
  const title = store.calls.titleOf(call);
  useEffect(() => store.announce(`${title}: ${state}`), [state]);
  // Of a group call others may be away; it is theirs to say.
  const broken = (call.state === "reconnecting" && !call.conference) || call.connection === "down";
  const gone = call.answeredAt !== undefined && (broken || store.connection !== "online");
  const trouble = gone ? sayTrouble(broken, state, store.draining) : undefined;
  const { conference } = call;
  const props = { store, call, quality, state, trouble, sound, add: () => setAdding(true) };
  return (
    <section class={kindOf(call)} ref={view} tabIndex={-1} aria-label={nameOf(call, title)} data-testid="in-call">
      <Voices store={store} call={call} sound={sound} />
      {conference ? <InConference {...props} conference={conference} /> : <OfTwo {...props} />}
      {adding && <AddPeople store={store} close={() => setAdding(false)} />}
    </section>
  );
}

function nameOf(call: Call, title: string): string {
  return call.conference ? `Group call: ${title}` : `Call with ${title}`;
}

/** On hold nothing flows: what is left of a picture would only look broken. */
function flowing(call: Call) {
  const paused = call.held || call.heldByOther;
  return { paused, screen: !paused && call.other?.screen === true, camera: !paused && call.other?.camera === true };
}

function kindOf(call: Call): string {
  if (call.conference) return call.held ? "call conference paused" : "call conference";
  const { paused, screen, camera } = flowing(call);
  return `call ${paused ? "paused" : ""} ${camera || screen ? "with-picture" : "with-voice"} ${screen ? "with-screen" : ""}`;
}

export interface CallViewProps {
  store: Store;
  call: Call;
  quality: Quality | undefined;
  /** Where the call stands, in words. */
  state: string;
  /** What is wrong now, in words. */
  trouble: string | undefined;
  sound: ReturnType<typeof useSound>;
  /** Asks whom to add. */
  add: () => void;
}

function OfTwo({ store, call, quality, state, trouble, sound, add }: CallViewProps) {
  const { incoming, aside } = store.calls;
  useShortcuts(store, call);
  const { paused, screen, camera } = flowing(call);
  return (
    <>
      <div class="stage">
        <Video
          stream={call.remote.screen}
          testId="remote-screen"
          label={`Screen of ${call.peer.name}`}
          class="remote-screen"
          hidden={!screen}
        />
        <Video
          stream={call.remote.camera}
          testId="remote-video"
          label={`Camera of ${call.peer.name}`}
          class="remote-video"
          hidden={!camera}
        />
        {!camera && !screen && <Face call={call} />}
        {paused && <OnHold store={store} call={call} />}
      </div>
      <SelfView call={call} />
      <header class="call-head">
        <div class="call-who">
          <strong>{call.peer.name}</strong>
          <Status call={call} state={state} quality={quality} told={trouble !== undefined} />
        </div>
        <QualityBadge call={call} quality={quality} />
      </header>
      <div class="call-notes">
        {incoming && <WaitingCall store={store} call={incoming} />}
        {aside && <HeldCall store={store} call={aside} />}
        {trouble !== undefined && <Trouble store={store} trouble={trouble} />}
        {!paused && call.other?.mic === false && call.state === "active" && (
          <p class="note">{call.peer.name} is muted</p>
        )}
        <SoundButton sound={sound} />
      </div>
      <Controls store={store} call={call} add={add} />
    </>
  );
}

export function Trouble({ store, trouble }: { store: Store; trouble: string }) {
  return (
    <p class="banner" data-testid="reconnecting" role="status" data-restarting={store.draining}>
      <span class="spinner" aria-hidden="true" />
      {trouble}
    </p>
  );
}

/** Which side is in trouble, and what becomes of the call. */
function sayTrouble(broken: boolean, state: string, restarting: boolean): string {
  if (restarting) return "The server is restarting: your call goes on";
  return broken ? state : "The server can’t be reached. The call goes on meanwhile";
}

interface StatusProps {
  call: Call;
  state: string;
  quality: Quality | undefined;
  /** It stands elsewhere on the page already. */
  told: boolean;
}

function Status({ call, state, quality, told }: StatusProps) {
  const now = useNow(500);
  const since = call.answeredAt;
  const running = since !== undefined && call.state !== "connecting";
  return (
    <span class="status">
      <span
        data-testid="call-state"
        data-state={call.state}
        class={running && (told || state === "Connected") ? "hidden" : ""}
      >
        {state}
      </span>
      {running && (
        <span data-testid="call-timer" class="timer" role="timer">
          {clock(now - since)}
        </span>
      )}
      <PeerBadge call={call} quality={quality} />
    </span>
  );
}

/** Who one talks to, where there is no picture. The ring follows their voice. */
function Face({ call }: { call: Call }) {
  const face = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    let frame = 0;
    let shown = 0;
    const draw = () => {
      // Up at once, down slowly: as one hears it.
      shown = Math.max(Math.min(1, call.remoteLevel() * 4), shown * 0.92);
      face.current?.style.setProperty("--voice", shown.toFixed(3));
      frame = requestAnimationFrame(draw);
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, [call]);
  const waiting = call.answeredAt === undefined;
  return (
    <div class={waiting ? "face ringing" : "face"} ref={face}>
      <Avatar id={call.peer.user_id} name={call.peer.name} />
    </div>
  );
}
