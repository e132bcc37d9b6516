import { useState } from "preact/hooks";
import type { Call, CallFigures, ParticipantQuality, StreamFigures } from "@tertulia/sdk";
import { Bars } from "./Icon.js";
import { useDismiss, useQuality, type Quality } from "./hooks.js";

const WORDS = { good: "Good", fair: "Fair", poor: "Poor", unknown: "Measuring" } as const;

/** How well the call goes, in a word; pressed, in figures. */
export function QualityBadge({ call }: { call: Call }) {
  const [open, setOpen] = useState(false);
  const quality = useQuality(call);
  if (call.answeredAt === undefined) return null;
  const level = call.connection === "down" ? "poor" : (quality?.local.level ?? "unknown");
  return (
    <div class="quality">
      <button
        type="button"
        class="chip"
        data-testid="quality"
        data-level={level}
        aria-expanded={open}
        aria-label={`Connection: ${WORDS[level]}`}
        title="How the connection is"
        onClick={() => setOpen(!open)}
      >
        <Bars level={level} />
        <span class="label">{WORDS[level]}</span>
      </button>
      {open && <Details call={call} quality={quality} close={() => setOpen(false)} />}
    </div>
  );
}

function Details({ call, quality, close }: { call: Call; quality: Quality | undefined; close: () => void }) {
  const box = useDismiss(true, close);
  const figures = quality?.local;
  return (
    <div
      class="popover figures"
      ref={box}
      tabIndex={-1}
      role="dialog"
      aria-label="Connection figures"
      data-testid="quality-details"
    >
      {figures ? (
        <>
          <table>
            <thead>
              <tr>
                <th scope="col">
                  <span class="hidden">What</span>
                </th>
                <th scope="col">You send</th>
                <th scope="col">You receive</th>
              </tr>
            </thead>
            <tbody>{rows(figures)}</tbody>
          </table>
          <dl>
            <Pair name="Round trip" value={ms(figures.rttMs)} />
            <Pair name="Can send" value={rate(figures.availableBps)} />
            <Pair name="Path" value={figures.transport?.toUpperCase() ?? "–"} />
            <Pair name={`Round trip of ${call.peer.name}`} value={ms(theirs(call, quality.server)?.rtt_ms)} />
          </dl>
        </>
      ) : (
        <p>The first figures come in a moment.</p>
      )}
    </div>
  );
}

function rows(figures: CallFigures) {
  const { audioUp, audioDown, videoUp, videoDown } = figures;
  const row = (name: string, of: (stream: StreamFigures) => string, up = audioUp, down = audioDown) => (
    <tr key={name}>
      <th scope="row">{name}</th>
      <td>{up ? of(up) : "–"}</td>
      <td>{down ? of(down) : "–"}</td>
    </tr>
  );
  return [
    row("Voice", (s) => rate(s.bitrateBps)),
    row("Voice lost", (s) => percent(s.loss)),
    row("Voice jitter", (s) => ms(s.jitterMs)),
    row("Picture", (s) => rate(s.bitrateBps), videoUp, videoDown),
    row("Size", size, videoUp, videoDown),
    row("Frames", (s) => (s.fps === undefined ? "–" : `${Math.round(s.fps)}/s`), videoUp, videoDown),
    row("Picture lost", (s) => percent(s.loss), videoUp, videoDown),
    row("Codec", (s) => s.codec ?? "–", videoUp, videoDown),
    row("Freezes", (s) => (s.freezes === undefined ? "–" : String(s.freezes)), videoUp, videoDown),
  ];
}

function Pair({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function theirs(call: Call, server: ParticipantQuality[]): ParticipantQuality | undefined {
  return server.find((it) => it.user_id === call.other?.user_id && it.device_id === call.other.device_id);
}

function rate(bps: number | undefined): string {
  if (bps === undefined) return "–";
  return bps >= 1_000_000 ? `${(bps / 1_000_000).toFixed(1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`;
}

function ms(value: number | undefined): string {
  return value === undefined ? "–" : `${Math.round(value)} ms`;
}

function percent(value: number): string {
  return `${(value * 100).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
}

function size(stream: StreamFigures): string {
  return stream.width && stream.height ? `${stream.width} × ${stream.height}` : "–";
}
