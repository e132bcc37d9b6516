// How well a call goes, for each of the two: a sign and a word, and the figures behind them.

import { useState } from "preact/hooks";
import type { Call, CallFigures, Grade, ParticipantQuality, StreamFigures } from "@tertulia/sdk";
import { currentRows, sayGrade, sayMs, sayPercent, sayRate } from "../figures.js";
import { Bars } from "./Icon.js";
import { useDismiss, type Quality } from "./hooks.js";

/** One's own side; pressed, in figures. What the browser measures fills in until the server has a score. */
export function QualityBadge({ call, quality }: { call: Call; quality: Quality | undefined }) {
  const [open, setOpen] = useState(false);
  if (call.answeredAt === undefined) return null;
  const measured: Grade = quality && quality.mine !== "unknown" ? quality.mine : (quality?.local.level ?? "unknown");
  const level: Grade = call.connection === "down" ? "lost" : measured;
  return (
    <div class="quality">
      <button
        type="button"
        class="chip"
        data-testid="quality"
        data-level={level}
        aria-expanded={open}
        title="How the connection is"
        onClick={() => setOpen(!open)}
      >
        <Bars level={level} />
        <span class="hidden">Connection. </span>
        <span>
          <span class="of">You: </span>
          {sayGrade(level).toLowerCase()}
        </span>
      </button>
      {open && <Details call={call} quality={quality} close={() => setOpen(false)} />}
    </div>
  );
}

/** The other side, beside their name. */
export function PeerBadge({ call, quality }: { call: Call; quality: Quality | undefined }) {
  const level = quality?.theirs ?? "unknown";
  // On hold, or away for a moment, there is nothing to measure; the state beside it says so.
  const paused = call.held || call.heldByOther || call.state !== "active";
  if (paused || level === "unknown") return null;
  return (
    <span class="peer-quality" data-testid="quality-peer" data-level={level} title={`Connection of ${call.peer.name}`}>
      <Bars level={level} />
      <span class="hidden">Connection of {call.peer.name}: </span>
      {sayGrade(level)}
    </span>
  );
}

function Details({ call, quality, close }: { call: Call; quality: Quality | undefined; close: () => void }) {
  const box = useDismiss(true, close);
  const figures = quality?.local;
  return (
    <div
      class="popover figures"
      ref={box}
      tabIndex={0}
      role="dialog"
      aria-label="Connection figures"
      data-testid="quality-details"
    >
      {figures ? (
        <>
          {!call.conference && <Sides call={call} server={quality.server} />}
          <table class="table-plain">
            <thead>
              <tr>
                <td />
                <th scope="col">You send</th>
                <th scope="col">You receive</th>
              </tr>
            </thead>
            <tbody>{rows(figures)}</tbody>
          </table>
          <dl>
            <Pair name="Can send" value={sayRate(figures.availableBps)} />
            <Pair name="Path" value={figures.transport?.toUpperCase() ?? "–"} />
          </dl>
        </>
      ) : (
        <p>The first figures come in a moment.</p>
      )}
    </div>
  );
}

/** As the server measures it, for both. */
function Sides({ call, server }: { call: Call; server: ParticipantQuality[] }) {
  const theirs = server.find((it) => it.user_id === call.other?.user_id && it.device_id === call.other.device_id);
  const mine = server.find((it) => it !== theirs);
  return (
    <table class="table-plain">
      <thead>
        <tr>
          <td />
          <th scope="col">You</th>
          <th scope="col">{call.peer.name}</th>
        </tr>
      </thead>
      <tbody>
        {currentRows(mine, theirs).map((row) => (
          <tr key={row.name}>
            <th scope="row">{row.name}</th>
            <td>{row.mine}</td>
            <td>{row.theirs}</td>
          </tr>
        ))}
      </tbody>
    </table>
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
    row("Voice", (s) => sayRate(s.bitrateBps)),
    row("Voice lost", (s) => sayPercent(s.loss)),
    row("Voice jitter", (s) => sayMs(s.jitterMs)),
    row("Picture", (s) => sayRate(s.bitrateBps), videoUp, videoDown),
    row("Size", size, videoUp, videoDown),
    row("Frames", (s) => (s.fps === undefined ? "–" : `${Math.round(s.fps)}/s`), videoUp, videoDown),
    row("Picture lost", (s) => sayPercent(s.loss), videoUp, videoDown),
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

function size(stream: StreamFigures): string {
  return stream.width && stream.height ? `${stream.width} × ${stream.height}` : "–";
}
