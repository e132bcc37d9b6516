// A voice note, or any sound: its waveform, which is where one is in it, and how fast it goes.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Media } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { nameOf } from "../../words-media.js";
import { clock } from "../../words.js";
import { Icon } from "../Icon.js";
import { useLink } from "./Face.js";

const RATES = [1, 1.5, 2];
const BARS = 64;
/** The place is told this often while it plays. */
const TICK_MS = 60;

/** One sound at a time: what plays stops when another begins. */
let playing: HTMLAudioElement | undefined;

export function VoiceNote({ store, item }: { store: Store; item: Media }) {
  const { url, fetching, get, renew } = useLink(store, item);
  const audio = useRef<HTMLAudioElement>(null);
  const [on, setOn] = useState(false);
  const [at, setAt] = useState(0);
  const [rate, setRate] = useState(0);
  const wanted = useRef(false);
  const length = (item.duration_ms ?? 0) / 1000;
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => setAt(audio.current?.currentTime ?? 0), TICK_MS);
    return () => clearInterval(timer);
  }, [on]);
  const start = async () => {
    const it = audio.current;
    if (!it) return;
    if (playing !== it) playing?.pause();
    playing = it;
    it.playbackRate = RATES[rate] ?? 1;
    // What a press began, another may have ended: that is no error.
    await it.play().catch(() => undefined);
  };
  useEffect(() => {
    // Without an address this is the first look at what has just come: a press may have been quicker.
    if (!url || !wanted.current) return;
    wanted.current = false;
    void start();
  }, [url]);
  const toggle = () => {
    if (on) audio.current?.pause();
    else if (url) void start();
    else {
      wanted.current = true;
      void get();
    }
  };
  const seek = (seconds: number) => {
    setAt(seconds);
    if (audio.current) audio.current.currentTime = seconds;
  };
  const faster = () => {
    const next = (rate + 1) % RATES.length;
    setRate(next);
    if (audio.current) audio.current.playbackRate = RATES[next] ?? 1;
  };
  const name = nameOf(item);
  return (
    <div class="front sound" data-testid="sound">
      <button
        type="button"
        class="round play-sound"
        data-testid="play-sound"
        aria-label={`${on ? "Pause" : "Play"} ${name}`}
        disabled={fetching}
        onClick={toggle}
      >
        <Icon name={on ? "pause" : "resume"} />
      </button>
      <span class="wave">
        <Waveform points={item.waveform} part={length > 0 ? at / length : 0} />
        <input
          type="range"
          min={0}
          max={length || 1}
          step={0.05}
          value={at}
          disabled={!url}
          aria-label={`Where in ${name}`}
          aria-valuetext={`${clock(at * 1000)} of ${clock(length * 1000)}`}
          data-testid="seek"
          onInput={({ currentTarget }) => seek(Number(currentTarget.value))}
        />
      </span>
      <span class="sound-foot">
        <span class="number" data-testid="place">
          {clock((on || at > 0 ? at : length) * 1000)}
        </span>
        <button type="button" class="rate number" data-testid="rate" aria-label={`Speed: ${RATES[rate]}×`} onClick={faster}>
          {RATES[rate]}×
        </button>
      </span>
      {url && (
        <audio
          ref={audio}
          src={url}
          data-testid="audio"
          preload="auto"
          onPlay={() => setOn(true)}
          onPause={() => setOn(false)}
          onEnded={() => {
            setOn(false);
            setAt(0);
          }}
          onError={() => void renew(audio.current)}
        />
      )}
    </div>
  );
}

function Waveform({ points, part }: { points: number[] | undefined; part: number }) {
  const bars = points && points.length > 0 ? points : Array.from({ length: BARS }, () => 12);
  const most = Math.max(20, ...bars);
  return (
    <svg class="waveform" viewBox={`0 0 ${bars.length * 4} 40`} preserveAspectRatio="none" aria-hidden="true">
      {bars.map((level, i) => {
        const height = 3 + (level / most) * 37;
        const played = i / bars.length < part;
        return (
          <rect key={i} class={played ? "played" : ""} x={i * 4} y={20 - height / 2} width="2.6" height={height} rx="1.3" />
        );
      })}
    </svg>
  );
}
