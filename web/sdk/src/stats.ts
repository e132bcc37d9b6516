// Figures of a call as this browser measures them, from two readings of getStats (W3C webrtc-stats).

/** One direction of one kind of media, over the last interval. */
export interface StreamFigures {
  bitrateBps: number;
  /** Packets lost, as a fraction from 0 to 1: of what arrives before resending; of what we send as the server reports. */
  loss: number;
  jitterMs: number | undefined;
  codec: string | undefined;
  width: number | undefined;
  height: number | undefined;
  fps: number | undefined;
  /** How often the picture has stood still since the call began. */
  freezes: number | undefined;
}

export type Level = "good" | "fair" | "poor" | "unknown";

export interface CallFigures {
  level: Level;
  /** Between this device and the server, there and back. */
  rttMs: number | undefined;
  /** What the browser thinks it can send. */
  availableBps: number | undefined;
  /** `udp` or `tcp`. */
  transport: string | undefined;
  audioUp: StreamFigures | undefined;
  audioDown: StreamFigures | undefined;
  videoUp: StreamFigures | undefined;
  videoDown: StreamFigures | undefined;
}

/** Above these a call is no longer good, or poor: round trip in milliseconds, loss as a fraction. */
const FAIR = { rttMs: 250, loss: 0.03 };
const POOR = { rttMs: 500, loss: 0.1 };

/** getStats has more fields than TypeScript's DOM types tell. */
type Entry = RTCStats & Record<string, number | string | boolean | undefined>;

interface Counters {
  at: number;
  bytes: number;
  packets: number;
  lost: number;
}

export class StatsReader {
  readonly #before = new Map<string, Counters>();

  /** Reads; the first reading has no rates yet. */
  read(report: Iterable<[string, unknown]>): CallFigures {
    const entries = new Map([...report].map(([id, value]) => [id, value as Entry]));
    const all = [...entries.values()];
    const pair = all.find((e) => e.type === "candidate-pair" && e["nominated"] === true && e["state"] === "succeeded");
    const local = entries.get(String(pair?.["localCandidateId"]));
    const up = (kind: string) => this.#busiest(all, entries, "outbound-rtp", kind);
    const down = (kind: string) => this.#busiest(all, entries, "inbound-rtp", kind);
    const figures: CallFigures = {
      level: "unknown",
      rttMs: seconds(pair?.["currentRoundTripTime"]),
      availableBps: number(pair?.["availableOutgoingBitrate"]),
      transport: text(local?.["protocol"]),
      audioUp: up("audio"),
      audioDown: down("audio"),
      videoUp: up("video"),
      videoDown: down("video"),
    };
    return { ...figures, level: levelOf(figures) };
  }

  /** Of several lines of a kind (camera and screen), the one that carries most. */
  #busiest(all: Entry[], entries: Map<string, Entry>, type: string, kind: string): StreamFigures | undefined {
    const streams = all
      .filter((entry) => entry.type === type && entry["kind"] === kind)
      .map((entry) => this.#stream(entry, entries));
    return streams.sort((a, b) => b.bitrateBps - a.bitrateBps)[0];
  }

  #stream(entry: Entry, entries: Map<string, Entry>): StreamFigures {
    const sends = entry.type === "outbound-rtp";
    const remote = entries.get(String(entry["remoteId"]));
    const lost = sends ? remote?.["packetsLost"] : entry["packetsLost"];
    const now: Counters = {
      at: entry.timestamp,
      bytes: number(sends ? entry["bytesSent"] : entry["bytesReceived"]) ?? 0,
      packets: number(sends ? entry["packetsSent"] : entry["packetsReceived"]) ?? 0,
      lost: number(lost) ?? 0,
    };
    const before = this.#before.get(entry.id);
    this.#before.set(entry.id, now);
    return {
      ...rates(before, now, sends),
      jitterMs: seconds(sends ? remote?.["jitter"] : entry["jitter"]),
      codec: text(entries.get(String(entry["codecId"]))?.["mimeType"])?.split("/")[1],
      width: number(entry["frameWidth"]),
      height: number(entry["frameHeight"]),
      fps: number(entry["framesPerSecond"]),
      freezes: number(entry["freezeCount"]),
    };
  }
}

function rates(before: Counters | undefined, now: Counters, sends: boolean): { bitrateBps: number; loss: number } {
  if (!before || now.at <= before.at) return { bitrateBps: 0, loss: 0 };
  const lost = Math.max(0, now.lost - before.lost);
  const packets = Math.max(0, now.packets - before.packets);
  const all = sends ? packets : packets + lost;
  return {
    bitrateBps: Math.max(0, ((now.bytes - before.bytes) * 8000) / (now.at - before.at)),
    loss: all > 0 ? Math.min(1, lost / all) : 0,
  };
}

export function levelOf(figures: Omit<CallFigures, "level">): Level {
  const streams = [figures.audioUp, figures.audioDown, figures.videoUp, figures.videoDown];
  if (figures.rttMs === undefined) return "unknown";
  const loss = Math.max(0, ...streams.map((stream) => stream?.loss ?? 0));
  const beyond = (limit: { rttMs: number; loss: number }) => (figures.rttMs ?? 0) > limit.rttMs || loss > limit.loss;
  if (beyond(POOR)) return "poor";
  return beyond(FAIR) ? "fair" : "good";
}

function number(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function seconds(value: unknown): number | undefined {
  return typeof value === "number" ? value * 1000 : undefined;
}
