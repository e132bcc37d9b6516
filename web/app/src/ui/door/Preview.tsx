// A look at oneself before a call: camera as in a mirror, how loud the microphone is, both on or off.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Store } from "../../store.js";
import { sayWithout } from "../../words-links.js";
import { Avatar } from "../Avatar.js";
import { Control } from "../Controls.js";
import { Video } from "../Stream.js";

/** Above this a microphone hears a voice, not its own noise. */
const HEARD = 0.02;

export function Preview({ store }: { store: Store }) {
  const { door } = store;
  const { local, problems } = door;
  const { flags } = door;
  const track = local?.track("camera");
  const stream = useStreamOf(track);
  const front = track?.getSettings().facingMode !== "environment";
  return (
    <section class="preview" aria-label="How the others will see and hear you" data-testid="preview">
      <div class={front ? "preview-picture mirrored" : "preview-picture"}>
        <Video stream={stream} testId="preview-video" label="Your own camera" hidden={!flags.camera || !track} filled />
        {!(flags.camera && track) && (
          <p class="preview-off">
            <Avatar id={store.userId ?? ""} name={store.name} />
            <span>{flags.camera ? "One moment: your camera opens…" : "Your camera is off"}</span>
          </p>
        )}
      </div>
      <div class="preview-tools">
        <div class="preview-row">
          <Control
            icon={flags.mic ? "mic" : "micOff"}
            label="Microphone"
            testId="preview-mic"
            pressed={flags.mic}
            off={!flags.mic}
            onClick={() => void door.setMic(!flags.mic)}
          />
          <Control
            icon={flags.camera ? "camera" : "cameraOff"}
            label="Camera"
            testId="preview-camera"
            pressed={flags.camera}
            off={!flags.camera}
            onClick={() => void door.setCamera(!flags.camera)}
          />
        </div>
        <Level track={local?.track("mic")} on={flags.mic} />
      </div>
      {sayWithout([...problems.values()]).map((text) => (
        <p key={text} class="preview-problem" role="alert" data-testid="preview-problem">
          {text}
        </p>
      ))}
    </section>
  );
}

/** How loud the microphone is: a bar that moves, and a word for those who do not see it. */
function Level({ track, on }: { track: MediaStreamTrack | undefined; on: boolean }) {
  const bar = useRef<HTMLSpanElement>(null);
  const [heard, setHeard] = useState(false);
  useEffect(() => {
    setHeard(false);
    if (!track || !on) return;
    const audio = new AudioContext();
    // Some browsers let nothing run before the first touch.
    const resume = () => void audio.resume().catch(() => undefined);
    resume();
    addEventListener("pointerdown", resume);
    addEventListener("keydown", resume);
    const analyser = audio.createAnalyser();
    analyser.fftSize = 1024;
    audio.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let frame = 0;
    let shown = 0;
    const draw = () => {
      analyser.getFloatTimeDomainData(samples);
      const loud = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
      if (loud > HEARD) setHeard(true);
      // Up at once, down slowly: as one hears it.
      shown = Math.max(Math.min(1, loud * 5), shown * 0.9);
      bar.current?.style.setProperty("--level", shown.toFixed(3));
      frame = requestAnimationFrame(draw);
    };
    draw();
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("pointerdown", resume);
      removeEventListener("keydown", resume);
      void audio.close();
    };
  }, [track, on]);
  return (
    <p class="level" data-testid="preview-level" data-heard={heard}>
      <span class={track && on ? "level-bar" : "level-bar off"} ref={bar} aria-hidden="true">
        <span />
      </span>
      <span>{!on ? "Your microphone is off" : !track ? "One moment…" : heard ? "Your microphone hears you" : "Say something: the bar moves"}</span>
    </p>
  );
}

/** A stream that stays, whatever track is in it. */
function useStreamOf(track: MediaStreamTrack | undefined): MediaStream {
  const [stream] = useState(() => new MediaStream());
  const [, again] = useState(0);
  useEffect(() => {
    for (const old of stream.getTracks()) stream.removeTrack(old);
    if (track) stream.addTrack(track);
    again((n) => n + 1);
  }, [track]);
  return stream;
}
