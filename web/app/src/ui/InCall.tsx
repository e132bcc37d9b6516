// The call view: the other side large, oneself small, what can be done below.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Call } from "@tertulia/sdk";
import type { Store } from "../store.js";
import { clock, sayState } from "../words.js";
import { Avatar } from "./Avatar.js";
import { Controls } from "./Controls.js";
import { HeldCall, OnHold, WaitingCall } from "./TwoCalls.js";
import { PeerBadge, QualityBadge } from "./Quality.js";
import { Audio, Video } from "./Stream.js";
import { useNow, useQuality, type Quality } from "./hooks.js";

export function InCall({ store, call }: { store: Store; call: Call }) {
  const view = useRef<HTMLElement>(null);
  const [unblock, setUnblock] = useState<(() => void) | undefined>();
  // Where the other call has ended and this one is on hold, the next key goes on with it.
  useEffect(() => {
    const goOn = view.current?.querySelector<HTMLElement>('[data-testid="go-on"]');
    (goOn ?? view.current)?.focus();
  }, []);
  const quality = useQuality(call);
  const { incoming, aside } = store.calls;
  useShortcuts(store, call);
  useWakeLock();
  const state = sayState(call);
  useEffect(() => store.announce(`${call.peer.name}: ${state}`), [state]);
  // On hold nothing flows: what is left of a picture would only look broken.
  const paused = call.held || call.heldByOther;
  const screen = !paused && call.other?.screen === true;
  const camera = !paused && call.other?.camera === true;
  const broken = call.state === "reconnecting" || call.connection === "down";
  const gone = call.answeredAt !== undefined && (broken || store.connection !== "online");
  return (
    <section
      class={`call ${paused ? "paused" : ""} ${camera || screen ? "with-picture" : "with-voice"} ${screen ? "with-screen" : ""}`}
      ref={view}
      tabIndex={-1}
      aria-label={`Call with ${call.peer.name}`}
      data-testid="in-call"
    >
      <Audio stream={call.remote.audio} speaker={store.prefer.speaker} onBlocked={(play) => setUnblock(() => play)} />
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
          <Status call={call} state={state} quality={quality} told={gone} />
        </div>
        <QualityBadge call={call} quality={quality} />
      </header>
      <div class="call-notes">
        {incoming && <WaitingCall store={store} call={incoming} />}
        {aside && <HeldCall store={store} call={aside} />}
        {gone && (
          <p class="banner" data-testid="reconnecting" role="status" data-restarting={store.draining}>
            <span class="spinner" aria-hidden="true" />
            {sayTrouble(broken, state, store.draining)}
          </p>
        )}
        {!paused && call.other?.mic === false && call.state === "active" && (
          <p class="note">{call.peer.name} is muted</p>
        )}
        {unblock && (
          <button
            type="button"
            class="primary small"
            onClick={() => {
              unblock();
              setUnblock(undefined);
            }}
          >
            Turn the sound on
          </button>
        )}
      </div>
      <Controls store={store} call={call} />
    </section>
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

/** One's own picture, mirrored as in a mirror; it can be dragged out of the way, to any corner. */
function SelfView({ call }: { call: Call }) {
  const [corner, setCorner] = useState("bottom-right");
  const [stream] = useState(() => new MediaStream());
  const track = call.local.track("camera");
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    for (const old of stream.getTracks()) stream.removeTrack(old);
    if (track) stream.addTrack(track);
  }, [track]);
  const onPointerDown = (event: PointerEvent) => {
    const it = box.current;
    if (!it || event.button !== 0) return;
    const [x, y] = [event.clientX, event.clientY];
    it.setPointerCapture(event.pointerId);
    it.classList.add("dragged");
    const move = (to: PointerEvent) => (it.style.translate = `${to.clientX - x}px ${to.clientY - y}px`);
    const drop = () => {
      it.removeEventListener("pointermove", move);
      const here = it.getBoundingClientRect();
      const right = here.left + here.width / 2 > innerWidth / 2;
      const bottom = here.top + here.height / 2 > innerHeight / 2;
      it.style.translate = "";
      it.classList.remove("dragged");
      setCorner(`${bottom ? "bottom" : "top"}-${right ? "right" : "left"}`);
    };
    it.addEventListener("pointermove", move);
    it.addEventListener("lostpointercapture", drop, { once: true });
  };
  const front = track?.getSettings().facingMode !== "environment";
  return (
    <div
      class={`self ${corner} ${track ? "" : "off"} ${front ? "mirrored" : ""}`}
      ref={box}
      onPointerDown={onPointerDown}
    >
      <Video stream={stream} testId="self-video" label="Your own camera" hidden={!track} class="cover" />
    </div>
  );
}

/** A telephone must not go to sleep while one looks at it and touches nothing. */
function useWakeLock(): void {
  useEffect(() => {
    let lock: WakeLockSentinel | undefined;
    let over = false;
    const take = async () => {
      // It is lost whenever the page is hidden, and refused where the battery is low.
      if (document.visibilityState !== "visible") return;
      lock = await navigator.wakeLock?.request("screen").catch(() => undefined);
      if (over) void lock?.release();
    };
    void take();
    document.addEventListener("visibilitychange", take);
    return () => {
      over = true;
      document.removeEventListener("visibilitychange", take);
      void lock?.release();
    };
  }, []);
}

/** `m` mutes, `v` switches the camera, `h` holds, `w` goes to who is waiting; nothing ends a call by a slip of the finger. */
function useShortcuts(store: Store, call: Call): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if ((event.target as HTMLElement).closest("input, select, textarea")) return;
      if (event.key === "m") void call.setMic(!call.media.mic);
      else if (event.key === "v") void call.setCamera(!call.media.camera);
      else if (event.key === "h") store.calls.hold(!call.held);
      else if (event.key === "w") document.getElementById("waiting-accept")?.focus();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [store, call]);
}
