// How good a call is: this browser's own figures every two seconds, beside the server's.

import type { Quality } from "./call-types.js";
import { gradeOf } from "./quality.js";
import { StatsReader, type CallFigures } from "./stats.js";
import type { Participant, ParticipantQuality } from "./proto.js";

const EVERY_MS = 2_000;

export interface Metered {
  pc: () => RTCPeerConnection;
  isMe: (who: Participant) => boolean;
  /** Whose media is gone now. */
  lost: () => { mine: boolean; theirs: boolean };
  tell: (quality: Quality) => void;
}

export class Meter {
  readonly #of: Metered;
  #stats = new StatsReader();
  #pc: RTCPeerConnection | undefined;
  #server: ParticipantQuality[] = [];
  #figures: CallFigures | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;

  constructor(of: Metered) {
    this.#of = of;
  }

  /** The last figures. */
  get figures(): CallFigures | undefined {
    return this.#figures;
  }

  /** What the server measures. */
  told(participants: ParticipantQuality[]): void {
    this.#server = participants;
  }

  start(): void {
    this.#ticker ??= setInterval(() => void this.#tick(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  async #tick(): Promise<void> {
    const pc = this.#of.pc();
    // Another connection counts from zero.
    if (pc !== this.#pc) this.#stats = new StatsReader();
    this.#pc = pc;
    const report = await pc.getStats().catch(() => undefined);
    if (!report || this.#ticker === undefined) return;
    this.#figures = this.#stats.read(report as unknown as Iterable<[string, unknown]>);
    const score = (mine: boolean) => this.#server.find((one) => this.#of.isMe(one) === mine)?.score;
    const lost = this.#of.lost();
    this.#of.tell({
      local: this.#figures,
      server: this.#server,
      mine: lost.mine ? "lost" : gradeOf(score(true)),
      theirs: lost.theirs ? "lost" : gradeOf(score(false)),
    });
  }
}
