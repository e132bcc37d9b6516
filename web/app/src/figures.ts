// The figures of a call in words and units. What they mean is the SDK's to say (`gradeOf`); here they are only written.

import type { Grade, ParticipantQuality, QualitySummary } from "@tertulia/sdk";

const GRADES: Record<Grade, string> = {
  good: "Good",
  fair: "Fair",
  poor: "Poor",
  lost: "No connection",
  unknown: "Measuring",
};

export function sayGrade(grade: Grade): string {
  return GRADES[grade];
}

/** `4.3 of 5`. */
export function sayScore(score: number | undefined): string {
  return score === undefined ? "–" : `${score.toFixed(1)} of 5`;
}

/** `1.2 Mbit/s`, `32 kbit/s`. */
export function sayRate(bps: number | undefined): string {
  if (bps === undefined) return "–";
  return bps >= 1_000_000 ? `${(bps / 1_000_000).toFixed(1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`;
}

export function sayMs(value: number | undefined): string {
  return value === undefined ? "–" : `${Math.round(value)} ms`;
}

/** Of a fraction: `0 %`, `1.2 %`, `15 %`. */
export function sayPercent(value: number | undefined): string {
  if (value === undefined) return "–";
  return `${(value * 100).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
}

/** `none`, `once, 2.4 s`, `3 times, 12 s`. */
export function sayInterruptions(times: number, ms: number): string {
  if (times === 0) return "none";
  const seconds = ms < 10_000 ? (ms / 1000).toFixed(1) : String(Math.round(ms / 1000));
  return `${times === 1 ? "once" : `${times} times`}, ${seconds} s`;
}

export interface Row {
  name: string;
  mine: string;
  theirs: string;
}

/** How a call was, for both sides. */
export function summaryRows(mine: QualitySummary | undefined, theirs: QualitySummary | undefined): Row[] {
  const row = (name: string, say: (of: QualitySummary) => string): Row => ({
    name,
    mine: mine ? say(mine) : "–",
    theirs: theirs ? say(theirs) : "–",
  });
  return [
    row("Score", (of) => sayScore(of.score)),
    row("At its worst", (of) => sayScore(of.score_min)),
    row("Lost", (of) => sayPercent(of.loss)),
    row("Jitter", (of) => sayMs(of.jitter_ms)),
    row("Round trip", (of) => sayMs(of.rtt_ms)),
    row("Interruptions", (of) => sayInterruptions(of.interruptions, of.interrupted_ms)),
  ];
}

/** How a call is now, for both sides, as the server measures it. */
export function currentRows(mine: ParticipantQuality | undefined, theirs: ParticipantQuality | undefined): Row[] {
  const row = (name: string, say: (of: ParticipantQuality) => string): Row => ({
    name,
    mine: mine ? say(mine) : "–",
    theirs: theirs ? say(theirs) : "–",
  });
  return [
    row("Score", (of) => sayScore(of.score)),
    row("Round trip", (of) => sayMs(of.rtt_ms)),
    row("Lost, sent", (of) => sayPercent(of.up.loss)),
    row("Lost, received", (of) => sayPercent(of.down.loss)),
    row("Jitter", (of) => sayMs(Math.max(of.up.jitter_ms, of.down.jitter_ms))),
  ];
}
