// The button that records a voice note: held, it sends when it is let go; tapped, it goes on until one says what to do with it.

import { useEffect, useRef, useState } from "preact/hooks";
import { MediaProblem } from "@tertulia/sdk";
import { Recorder } from "../../recorder.js";
import type { Store } from "../../store.js";
import { clock, sayProblem } from "../../words.js";
import { Icon } from "../Icon.js";
import { useNow } from "../hooks.js";

/** Pressed for longer than this, the button is held. */
const HOLD_MS = 400;
/** Shorter is a slip of the finger. */
const LEAST_MS = 500;
const LEVELS = 32;

interface Props {
  store: Store;
  /** What was said, and how long it is. */
  take: (file: Blob, ms: number) => void;
  /** Only its sign. */
  small?: boolean;
  disabled?: boolean;
  /** Something is recorded from now on, or not any more. */
  onRecording?: (on: boolean) => void;
}

export function Voice({ store, take, small = false, disabled = false, onRecording }: Props) {
  const [recorder, setRecorder] = useState<Recorder | undefined>();
  const pressedAt = useRef<number | undefined>(undefined);
  /** A microphone that opens after one has let go, or left, is closed again. */
  const wanted = useRef(0);
  const latest = useRef<Recorder | undefined>(undefined);
  latest.current = recorder;
  useEffect(
    () => () => {
      wanted.current += 1;
      latest.current?.discard();
    },
    [],
  );
  const button = useRef<HTMLButtonElement>(null);
  const recorded = useRef(false);
  // What was pressed to end it is gone: the next key goes on from here.
  useEffect(() => {
    if (!recorder && recorded.current) button.current?.focus({ preventScroll: true });
    recorded.current = recorder !== undefined;
  }, [recorder]);
  useEffect(() => {
    if (!recorder) return;
    onRecording?.(true);
    return () => onRecording?.(false);
  }, [recorder]);
  const start = async () => {
    const mine = (wanted.current += 1);
    try {
      const started = await Recorder.start(store.prefer.microphone);
      if (mine !== wanted.current) started.discard();
      else setRecorder(started);
    } catch (error) {
      if (!(error instanceof MediaProblem)) throw error;
      store.toast(sayProblem(error), "bad");
    }
  };
  const discard = () => {
    wanted.current += 1;
    latest.current?.discard();
    setRecorder(undefined);
  };
  const send = async () => {
    const it = latest.current;
    wanted.current += 1;
    setRecorder(undefined);
    if (!it) return;
    const ms = it.ms;
    const file = await it.stop();
    if (ms < LEAST_MS || file.size === 0) store.toast("Hold the button while you speak, or tap it to begin");
    else take(file, ms);
  };
  const release = () => {
    const held = pressedAt.current !== undefined && performance.now() - pressedAt.current > HOLD_MS;
    pressedAt.current = undefined;
    if (held) void send();
  };
  if (recorder) {
    const does = { send: () => void send(), discard, release };
    return <Recording store={store} recorder={recorder} {...does} />;
  }
  return (
    <button
      type="button"
      ref={button}
      class={small ? "round quiet" : "secondary"}
      data-testid="record"
      aria-label={small ? "Record a voice message" : undefined}
      title={small ? "Record a voice message" : undefined}
      disabled={disabled}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        pressedAt.current = performance.now();
        void start();
      }}
      onPointerUp={release}
      onPointerCancel={release}
      onContextMenu={(event) => event.preventDefault()}
      onClick={(event) => {
        // By the keyboard, or by a screen reader: no pointer has begun it.
        if (event.detail === 0) void start();
      }}
    >
      {small ? (
        <Icon name="mic" size={22} />
      ) : (
        <>
          <Icon name="mic" size={20} /> Voice note
        </>
      )}
    </button>
  );
}

interface RecordingProps {
  store: Store;
  recorder: Recorder;
  send: () => void;
  discard: () => void;
  release: () => void;
}

function Recording({ store, recorder, send, discard, release }: RecordingProps) {
  useNow(100);
  const button = useRef<HTMLButtonElement>(null);
  const most = (store.limits?.audio_seconds_max ?? Number.POSITIVE_INFINITY) * 1000;
  const isOver = recorder.ms >= most;
  useEffect(() => {
    button.current?.focus({ preventScroll: true });
    // The button that was pressed is gone: wherever the finger is let go, it is let go.
    document.addEventListener("pointerup", release);
    const key = (event: KeyboardEvent) => {
      if (event.key === "Escape") discard();
    };
    document.addEventListener("keydown", key);
    return () => {
      document.removeEventListener("pointerup", release);
      document.removeEventListener("keydown", key);
    };
  }, []);
  useEffect(() => {
    if (isOver) send();
  }, [isOver]);
  const levels = recorder.levels.slice(-LEVELS);
  return (
    <div class="recording" role="group" aria-label="Recording a voice note" data-testid="recording">
      <span class="rec" aria-hidden="true" />
      <span class="timer">{clock(recorder.ms)}</span>
      <svg class="levels" viewBox={`0 0 ${LEVELS * 4} 24`} preserveAspectRatio="none" aria-hidden="true">
        {levels.map((level, i) => {
          const height = 3 + level * 21;
          return <rect key={i} x={(LEVELS - levels.length + i) * 4} y={12 - height / 2} width="2.5" height={height} rx="1.2" />;
        })}
      </svg>
      <button type="button" class="round quiet" aria-label="Discard" title="Discard" data-testid="discard" onClick={discard}>
        <Icon name="trash" size={20} />
      </button>
      <button type="button" class="primary small" ref={button} data-testid="send-voice" onClick={send}>
        Send
      </button>
    </div>
  );
}
