// Notices within half a second that nothing arrives any more, where the browser's own ICE takes five seconds or more.
//
// The server sends something at least every 250 ms while a call is on. So nothing for 500 ms is suspicious, unless the
// network loses so much that such gaps come and go by themselves: then patience grows.
// Invariant: it judges only after something has arrived, and acts once per suspicion; again only after a growing wait.

export interface SilenceOptions {
  /** How often it looks. Raising it delays recovery, lowering it costs processor time. */
  lookMs: number;
  /** Silence for so long is acted upon. Raising it delays recovery, lowering it restarts for nothing. */
  patienceMs: number;
  /** Patience on networks where gaps heal by themselves. */
  patienceMaxMs: number;
  /** Without such gaps for so long, patience is as short as at first. */
  calmMs: number;
  /** Silence for so long is shown to people. */
  downMs: number;
  /**
   * What arrives so soon after an act came by itself: RTP, whose time is known, and what a look has found. Raising it makes
   * patience grow where an act did help, lowering it makes it stay short where gaps come and go.
   */
  byItselfMs: { heard: number; found: number };
  /** The same after an act that shows at once whether it has helped. */
  soonMs: number;
  /** Waits between one act and the next. Raising them delays recovery, lowering them breaks off what would have worked. */
  againMs: readonly number[];
}

export const SILENCE: SilenceOptions = {
  lookMs: 200,
  patienceMs: 500,
  patienceMaxMs: 2_000,
  calmMs: 20_000,
  downMs: 1_500,
  byItselfMs: { heard: 80, found: 280 },
  soonMs: 1_000,
  againMs: [2_000, 3_000, 5_000, 8_000],
};

export interface SilenceEvents {
  /**
   * Something should be done about it; `again`: what was done before is done, and has not helped. Returns whether it will
   * show soon if this helps.
   */
  silent: (again: boolean) => boolean;
  /** It has lasted, or it is over. */
  down: (down: boolean) => void;
}

/** Of an RTCRtpReceiver, what is needed. */
export type Ear = Pick<RTCRtpReceiver, "getSynchronizationSources" | "getStats">;

/** What has arrived by a reading of getStats, as numbers that rise. */
interface Arrived {
  /** Packets or bytes of media and of what belongs to it. */
  media: number;
  /** Answers to ICE checks: they prove the way, but no media. */
  checks: number;
}

export class SilenceWatch {
  readonly #ears: () => Ear[];
  readonly #events: SilenceEvents;
  readonly #options: SilenceOptions;
  readonly #now: () => number;
  readonly #origin: number;
  #timer: ReturnType<typeof setInterval> | undefined;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #looking = false;
  #rtpAt = 0;
  #before: Arrived | undefined;
  /** When something last arrived; undefined until something has. */
  #aliveAt: number | undefined;
  #patience: number;
  #calmSince = 0;
  #acts = 0;
  /** Of these, those that take their time. */
  #slowActs = 0;
  #actedAt = 0;
  #actAgainAt = 0;
  #mended = false;
  #down = false;

  /**
   * `ears` are the receivers that media arrives at now; the first one is asked for what the others can't tell. `origin` is
   * when `now` was zero.
   */
  constructor(
    ears: () => Ear[],
    events: SilenceEvents,
    options = SILENCE,
    now: () => number = () => performance.now(),
    origin = performance.timeOrigin,
  ) {
    this.#ears = ears;
    this.#events = events;
    this.#options = options;
    this.#now = now;
    this.#origin = origin;
    this.#patience = options.patienceMs;
  }

  /** It has acted upon a silence that lasts. */
  get lasts(): boolean {
    return this.#acts > 0;
  }

  /** Something is expected to arrive from now on. */
  start(): void {
    this.#timer ??= setInterval(() => void this.look(), this.#options.lookMs);
  }

  /** Nothing need arrive: the call is on hold, or over. */
  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    this.#timer = undefined;
    this.#forget();
    this.#acts = this.#slowActs = 0;
    this.#tellDown(false);
  }

  /** A restart has been answered: what arrives from now on is its merit. */
  mended(): void {
    this.#mended = true;
  }

  /** One look. Called by the timer; judges by the clock, so that a late timer judges right. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const heardAgo = this.#heard();
      if (heardAgo !== undefined) {
        this.#before = undefined;
        this.#alive(heardAgo);
        return;
      }
      const now = await this.#read();
      if (this.#timer === undefined || !now) return;
      const before = this.#before;
      this.#before = now;
      if (before && now.media > before.media) this.#alive();
      else if (before && this.#acts > 0 && now.checks > before.checks) this.#proven();
      else this.#nothing();
    } finally {
      this.#looking = false;
    }
  }

  /** How long ago RTP arrived, if since the last look. This costs next to nothing; while people talk no more is needed. */
  #heard(): number | undefined {
    let newest = 0;
    for (const ear of this.#ears()) {
      for (const source of ear.getSynchronizationSources()) newest = Math.max(newest, source.timestamp);
    }
    if (newest <= this.#rtpAt) return undefined;
    this.#rtpAt = newest;
    // Not every browser's clock of this is what the specification says.
    const ago = this.#origin + this.#now() - newest;
    return ago > 0 && ago < this.#options.lookMs ? ago : 0;
  }

  async #read(): Promise<Arrived | undefined> {
    const report = await this.#ears()[0]?.getStats().catch(() => undefined);
    return report && arrived(report as unknown as Iterable<[string, unknown]>);
  }

  #alive(ago?: number): void {
    const now = this.#now() - (ago ?? 0);
    const gap = this.#aliveAt === undefined ? 0 : now - this.#aliveAt;
    const { patienceMs, patienceMaxMs, calmMs, byItselfMs } = this.#options;
    if (this.#acts > 0) {
      // It came back before anything could have helped: this network has such gaps.
      const soon = now - this.#actedAt < (ago === undefined ? byItselfMs.found : byItselfMs.heard);
      if (!this.#mended || soon) this.#patience = Math.min(this.#patience * 2, patienceMaxMs);
      this.#acts = this.#slowActs = 0;
    }
    if (gap >= patienceMs) this.#calmSince = now;
    else if (now - this.#calmSince > calmMs) this.#patience = patienceMs;
    this.#aliveAt = now;
    this.#tellDown(false);
  }

  /** The way is there, there is only nothing to send: the other side is away. Judge again when something has arrived. */
  #proven(): void {
    this.#acts = this.#slowActs = 0;
    this.#forget();
    this.#tellDown(false);
  }

  #nothing(): void {
    if (this.#aliveAt === undefined) return;
    const now = this.#now();
    const gap = now - this.#aliveAt;
    if (gap >= this.#options.downMs && this.#acts > 0) this.#tellDown(true);
    if (gap < this.#patience || now < this.#actAgainAt) {
      this.#lookAt(Math.max(this.#aliveAt + this.#patience, this.#actAgainAt) - now);
      return;
    }
    const again = this.#acts > 0 && this.#mended;
    this.#acts += 1;
    this.#actedAt = now;
    this.#mended = false;
    const { againMs, soonMs } = this.#options;
    const wait = this.#events.silent(again) ? soonMs : againMs[Math.min(this.#slowActs++, againMs.length - 1)];
    this.#actAgainAt = now + (wait ?? 0);
  }

  /** Judges at the very moment, where that comes before the next look. */
  #lookAt(ms: number): void {
    if (ms >= this.#options.lookMs) return;
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => void this.look(), ms);
  }

  #forget(): void {
    this.#aliveAt = undefined;
    this.#before = undefined;
  }

  #tellDown(down: boolean): void {
    if (this.#down === down) return;
    this.#down = down;
    this.#events.down(down);
  }
}

/** W3C webrtc-stats. Chrome tells packets of the transport, and which pair it has chosen; Firefox bytes, and whether chosen. */
function arrived(report: Iterable<[string, unknown]>): Arrived {
  const entries = [...report].map(([, entry]) => entry as Record<string, unknown>);
  const of = (type: string) => entries.filter((entry) => entry["type"] === type);
  const sum = (list: Record<string, unknown>[], name: string) => {
    return list.reduce((total, entry) => total + (typeof entry[name] === "number" ? entry[name] : 0), 0);
  };
  const transports = of("transport");
  const chosen = transports.map((transport) => transport["selectedCandidatePairId"]);
  const pairs = of("candidate-pair").filter((pair) => chosen.includes(pair["id"]) || pair["selected"] === true);
  const media =
    sum(transports, "packetsReceived") || sum(pairs, "bytesReceived") || sum(of("inbound-rtp"), "packetsReceived");
  return { media, checks: sum(pairs, "responsesReceived") };
}
