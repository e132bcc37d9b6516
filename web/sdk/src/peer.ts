// The media connection of one call: one RTCPeerConnection with all its lines from the start.
//
// Invariant: one offer, one answer, then no more SDP but ICE restarts, and only we offer. A way that has died has mostly
// taken the signalling with it, so a restart is first made without asking, by credentials that the answer brought for it. Lines are added in the order by
// which the server knows them: microphone, camera, screen (we send), then the slots (we receive): one of audio and two of video, more in
// a group call. A call of two that becomes one offers again, with more lines after those that it has.
// What starts and stops later is a track on a line that is there already (`replaceTrack`).

import { Emitter } from "./emitter.js";
import { ALL, cameraEncodings, fit, forMany, makeWhole, screenEncodings, takesSimulcast } from "./encodings.js";
import type { IceSource } from "./ice.js";
import { makeConnection, makeConnectionOfNow, onNetworkChange } from "./network.js";
import type { Slot, Source } from "./proto.js";
import {
  type Credentials,
  credentialsForLater,
  fingerprints,
  newestFirst,
  onlyCodec,
  orderCodecs,
  withCredentials,
  withOpusDtx,
} from "./sdp.js";
import { SilenceWatch } from "./silence.js";

export type VideoCodec = "VP8" | "VP9" | "H264" | "AV1";

/** As browsers call it. One that a newer server names and we do not know is VP8: everybody has it. */
export function codecOf(told: string | undefined): VideoCodec {
  const codec = told?.toUpperCase();
  return codec === "VP9" || codec === "H264" || codec === "AV1" ? codec : "VP8";
}

export interface PeerOptions {
  ice: IceSource;
  videoCodec: VideoCodec;
  /** The one of group calls: everybody in one has to show it. */
  groupCodec: VideoCodec;
  red: boolean;
  iceTransportPolicy: RTCIceTransportPolicy;
}

/** The slots of a connection. Each line costs the server at every wake-up, and the offer a kilobyte. */
export interface Lines {
  audio: number;
  video: number;
  /** The camera is offered in several sizes. */
  simulcast: boolean;
}

export const LINES_OF_TWO: Lines = { audio: 1, video: 2, simulcast: false };
export const LINES_OF_MANY: Lines = { audio: 3, video: 9, simulcast: true };
/** Where one looks at more than nine at once. */
export const LINES_OF_A_CROWD: Lines = { audio: 3, video: 16, simulcast: true };

/** Hands the offer to the server. */
export type Signal = (sdp: string) => Promise<{ sdp: string; slots: Slot[] }>;

/** `new` until media has flowed once. */
export type Connection = "new" | "up" | "down";

export interface PeerEvents {
  connection: Connection;
  slots: Slot[];
  /** Nothing arrives; the path is being restarted. */
  silent: undefined;
  /** The offer was refused. */
  refused: unknown;
}

/** ICE heals short gaps by itself. Raising it delays recovery, lowering it restarts for nothing. */
const DISCONNECTED_PATIENCE_MS = 1_000;
/** Waits between restarts that did not help. Lowering them breaks off attempts over slow networks that would have worked. */
const RESTART_AGAIN_MS = [2_000, 3_000, 4_000];
/**
 * Within this time a browser has found its own addresses. If it finds none of those that there were, it has not heard of their
 * successors yet. Raising it delays recovery, lowering it makes connections anew for nothing on slow machines.
 */
const ADDRESSES_MS = 250;
/** Restarts in vain after which the whole connection is made anew. */
const RESTARTS_BEFORE_REBUILD = 3;

/** AV1 RTP payload, appendix A; used with VP9 as well. */
const DEPENDENCY_DESCRIPTOR = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

const SENDS: Source[] = ["mic", "camera", "screen"];

export class Peer extends Emitter<PeerEvents> {
  pc!: RTCPeerConnection;
  readonly #options: PeerOptions;
  readonly #signal: Signal;
  readonly #tracks = new Map<Source, MediaStreamTrack>();
  readonly #unlisten: () => void;
  readonly #silence: SilenceWatch;
  readonly #wanted = new Map<Source, number>();
  #lines: Lines;
  #senders = new Map<Source, RTCRtpTransceiver>();
  #slots: Slot[] = [];
  #slotsTold = 0;
  #connection: Connection = "new";
  #negotiating: Promise<void> | undefined;
  #restartWanted = false;
  /** Lines were added that the server has not answered. */
  #unoffered = false;
  /** The server takes the camera in several sizes. */
  #simulcast = false;
  #fitting = Promise.resolve();
  #rebuildWanted = false;
  #restartsInVain = 0;
  /** Answers that this connection has had, those that it gave itself counted. */
  #generation = 0;
  /** The last one of the server's. */
  #answer = "";
  #later: Credentials[] = [];
  /** The browser has found an address of its own since the last offer. */
  #addressed = false;
  /** Those that it knows are of the past. */
  #addressesGone = false;
  #end = () => {};
  /** What was last done about silence was a restart without asking. */
  #wasAlone = false;
  #iceServers: RTCIceServer[] = [];
  #listening = false;
  #quiet = false;
  #answered = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: PeerOptions, signal: Signal, lines = LINES_OF_TWO) {
    super();
    this.#options = options;
    this.#lines = lines;
    this.#signal = signal;
    this.#silence = new SilenceWatch(() => this.#receivers(), {
      silent: (again) => {
        const alone = !again && this.#restartAlone();
        // A restart that was answered and yet brought nothing: this connection does not find the way that there is.
        if (again && !this.#negotiating && !this.#wasAlone) this.#rebuildWanted = true;
        if (!alone) this.#mend();
        this.#wasAlone = alone;
        this.emit("silent", undefined);
        return alone;
      },
      down: (down) => {
        this.#quiet = down;
        this.#tellConnection();
      },
    });
    this.#build();
    this.#unlisten = onNetworkChange((changed) => {
      if (changed && this.#answered && !this.#restartAlone()) this.restart();
    });
  }

  get connection(): Connection {
    return this.#connection;
  }

  get slots(): Slot[] {
    return this.#slots;
  }

  /** Offers. Resolves when the answer is applied; a refusal rejects, and it may be tried again. */
  async connect(): Promise<void> {
    await this.#negotiating?.catch(() => undefined);
    if (this.#closed || this.#answered || this.#negotiating) return;
    const negotiating = this.#negotiate({});
    this.#negotiating = negotiating;
    try {
      await negotiating;
    } finally {
      this.#negotiating = undefined;
      this.#goOnOffering();
    }
  }

  /** Makes room for more voices and pictures: one more offer, and what flows flows on. */
  grow(lines: Lines): void {
    if (this.#closed || lines === this.#lines) return;
    this.#lines = lines;
    this.#addSlots(this.pc);
    if (!this.#negotiating) this.#goOnOffering();
  }

  /** What was asked for while an offer was on its way. */
  #goOnOffering(): void {
    if (this.#restartWanted) this.restart();
    else if (this.#unoffered && this.#answered) this.#offerMore();
  }

  #offerMore(): void {
    this.#negotiating = this.#negotiate({})
      .catch((error: unknown) => {
        if (!this.#closed) this.emit("refused", error);
      })
      .finally(() => {
        this.#negotiating = undefined;
        if (this.#restartWanted) this.restart();
        else if (this.#unoffered && !this.#closed) this.#offerMoreSoon();
      });
  }

  #offerMoreSoon(): void {
    setTimeout(() => {
      if (!this.#closed && !this.#negotiating) this.#goOnOffering();
    }, RESTART_AGAIN_MS[0]);
  }

  /** Finds a new path through the network; keys and media stay. The old path is used until there is a new one. */
  restart(): void {
    if (this.#closed) return;
    this.#restartWanted = true;
    if (this.#negotiating) return;
    this.#restartWanted = false;
    if (this.#rebuildWanted || this.#restartsInVain >= RESTARTS_BEFORE_REBUILD) {
      this.#restartsInVain = 0;
      this.#build();
    }
    this.#restartsInVain += 1;
    this.#negotiating = this.#negotiate({ iceRestart: this.#answered })
      .catch((error: unknown) => {
        if (!this.#closed) this.emit("refused", error);
      })
      .finally(() => {
        this.#negotiating = undefined;
        if (this.#restartWanted) this.restart();
        else if (!this.#closed && this.pc.connectionState !== "connected") this.#restartIn(this.#patience());
      });
  }

  /**
   * The same without asking the server, as far as its last answer allows that: false if not. It goes by the first check of
   * ours that arrives.
   */
  #restartAlone(): boolean {
    const next = this.#later[0];
    if (!next || this.#negotiating || this.#rebuildWanted || this.#unoffered || this.#closed) return false;
    this.#later.shift();
    this.#negotiating = this.#goOn(next)
      .catch(() => {
        // This browser would have none of it: never again, and the server is asked.
        this.#later = [];
        this.#restartWanted = true;
      })
      .finally(() => {
        this.#negotiating = undefined;
        this.#goOnOffering();
      });
    return true;
  }

  async #goOn(next: Credentials): Promise<void> {
    const pc = this.pc;
    const offer = await pc.createOffer({ iceRestart: true });
    const before = this.#addressed;
    this.#addressed = false;
    await pc.setLocalDescription(offer);
    if (this.#closed || pc !== this.pc) return;
    if (before) this.#expectAddresses(pc);
    const sdp = newestFirst(withCredentials(this.#answer, next), this.#generation++);
    await pc.setRemoteDescription({ type: "answer", sdp });
    this.#silence.mended();
  }

  /** Where the addresses that the browser knows are gone, it can't go on: a connection has to be made that knows the new ones. */
  #expectAddresses(pc: RTCPeerConnection): void {
    setTimeout(() => {
      if (this.#closed || pc !== this.pc || this.#addressed || !this.#silence.lasts) return;
      this.#addressesGone = true;
      this.rebuild();
    }, ADDRESSES_MS);
  }

  /** The server has lost our media: connects anew, with the same tracks. */
  rebuild(): void {
    this.#rebuildWanted = true;
    this.restart();
  }

  /** From now on something ought to arrive: silence is a fault. */
  listen(): void {
    this.#listening = true;
    this.#watch();
  }

  /** Puts a track on a line, or takes it off: no SDP, at once. */
  async setTrack(source: Source, track: MediaStreamTrack | undefined): Promise<void> {
    if (track) this.#tracks.set(source, track);
    else this.#tracks.delete(source);
    await this.#senders.get(source)?.sender.replaceTrack(track ?? null);
    // Another camera may be of another size.
    if (track && (this.#simulcast || this.#wanted.has(source))) this.#fit(source);
  }

  /** How high others show a source of ours, in pixels: 0 is nobody, and then it is not coded. */
  setWanted(source: Source, maxHeight: number): void {
    if (source === "mic") return;
    this.#wanted.set(source, maxHeight);
    this.#fit(source);
  }

  /** What the server says the slots carry now. */
  setSlots(slots: Slot[]): void {
    this.#slotsTold += 1;
    this.#slots = slots;
    this.emit("slots", slots);
  }

  /** The track that arrives on a slot's line. */
  slotTrack(mid: string): MediaStreamTrack | undefined {
    return this.#receiver(mid)?.track;
  }

  /** How loud the slot's audio is now, from 0 to 1. */
  slotLevel(mid: string): number {
    return this.#receiver(mid)?.getSynchronizationSources()[0]?.audioLevel ?? 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#unlisten();
    this.#silence.stop();
    this.pc.onconnectionstatechange = null;
    this.pc.close();
    this.#end();
  }

  #receiver(mid: string): RTCRtpReceiver | undefined {
    return this.pc.getTransceivers().find((transceiver) => transceiver.mid === mid)?.receiver;
  }

  /** The lines that media arrives at. */
  #receivers(): RTCRtpReceiver[] {
    return this.pc.getTransceivers().slice(SENDS.length).map((transceiver) => transceiver.receiver);
  }

  #configuration(): RTCConfiguration {
    const { iceTransportPolicy } = this.#options;
    return { iceServers: this.#iceServers, iceTransportPolicy, bundlePolicy: "max-bundle" };
  }

  /** Starts over with the same tracks, in place of the connection before it. */
  #build(): void {
    const old = this.pc as RTCPeerConnection | undefined;
    this.#iceServers = this.#options.ice.servers;
    const { pc, end } = (this.#addressesGone ? makeConnectionOfNow : makeConnection)(this.#configuration());
    const endOld = this.#end;
    this.pc = pc;
    this.#end = end;
    this.#addressed = this.#addressesGone = false;
    this.#answered = false;
    this.#generation = 0;
    this.#later = [];
    this.#rebuildWanted = false;
    const send = (kind: "audio" | "video", sendEncodings: RTCRtpEncodingParameters[]): RTCRtpTransceiver =>
      pc.addTransceiver(kind, { direction: "sendonly", sendEncodings });
    this.#senders = new Map([
      ["mic", send("audio", [{}])],
      ["camera", send("video", cameraEncodings(this.#lines.simulcast ? forMany(this.#groupCodec) : undefined))],
      ["screen", send("video", screenEncodings())],
    ]);
    for (const transceiver of pc.getTransceivers()) this.#prepare(transceiver);
    this.#addSlots(pc);
    this.#unoffered = false;
    this.#simulcast = false;
    // To the server it is another one: what of it is shown it says anew.
    this.#wanted.clear();
    for (const source of SENDS) {
      const track = this.#tracks.get(source);
      if (track) void this.#senders.get(source)?.sender.replaceTrack(track);
    }
    pc.onconnectionstatechange = () => {
      if (pc === this.pc) this.#onConnectionState();
    };
    pc.onicecandidate = ({ candidate }) => {
      if (pc === this.pc && candidate?.type === "host" && candidate.protocol === "udp") this.#addressed = true;
    };
    if (!old) return;
    old.onconnectionstatechange = null;
    old.close();
    endOld();
    this.#silence.stop();
    this.#tellConnection();
    this.#watch();
  }

  /** Adds the slots that are missing. */
  #addSlots(pc: RTCPeerConnection): void {
    const there = pc.getTransceivers().slice(SENDS.length);
    for (const kind of ["audio", "video"] as const) {
      const missing = this.#lines[kind] - there.filter(({ receiver }) => receiver.track.kind === kind).length;
      for (let n = 0; n < missing; n += 1) {
        this.#prepare(pc.addTransceiver(kind, { direction: "recvonly" }));
        this.#unoffered = true;
      }
    }
  }

  /** That of group calls, if this browser has it. */
  get #groupCodec(): VideoCodec {
    const wanted = this.#options.groupCodec;
    const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
    return codecs.some(({ mimeType }) => mimeType.toLowerCase() === `video/${wanted.toLowerCase()}`) ? wanted : "VP8";
  }

  /** Before its first offer: which codecs a line has, and which extensions. */
  #prepare(transceiver: RTCRtpTransceiver): void {
    const kind = transceiver.receiver.track.kind;
    const codecs = RTCRtpReceiver.getCapabilities(kind)?.codecs;
    if (!codecs || !("setCodecPreferences" in transceiver)) return;
    const ordered = (name: string) => orderCodecs(codecs, name, this.#options.red);
    const many = kind === "video" && this.#lines.video > LINES_OF_TWO.video;
    const only = `video/${this.#groupCodec}`;
    // Layers are told apart by it.
    if (many && forMany(this.#groupCodec) === "scalable") offerExtension(transceiver, DEPENDENCY_DESCRIPTOR);
    // Whoever comes to a group call has to see it. And an offer of a dozen lines with all codecs is too long.
    if (many) transceiver.setCodecPreferences(onlyCodec(ordered(only), only));
    else transceiver.setCodecPreferences(ordered(kind === "audio" ? "audio/opus" : `video/${this.#options.videoCodec}`));
  }

  async #negotiate(options: RTCOfferOptions): Promise<void> {
    const pc = this.pc;
    const told = this.#slotsTold;
    const restarts = options.iceRestart === true || !this.#answered;
    const iceServers = await this.#options.ice.fresh();
    if (this.#closed) return;
    if (iceServers !== this.#iceServers) {
      this.#iceServers = iceServers;
      pc.setConfiguration(this.#configuration());
    }
    const more = this.#unoffered;
    this.#unoffered = false;
    const answer = await this.#offer(pc, options).catch((error: unknown) => {
      this.#unoffered ||= more;
      throw error;
    });
    if (this.#closed || pc !== this.pc) return;
    // Our encoder goes by what the answer asks for.
    this.#answer = withOpusDtx(answer.sdp);
    const sdp = newestFirst(this.#answer, restarts ? this.#generation++ : Math.max(0, this.#generation - 1));
    if (this.#answered && !samePeer(pc.remoteDescription?.sdp, sdp)) {
      // The server has lost our media and made a new end: meet it with a new one of ours.
      this.#build();
      return this.#negotiate({});
    }
    await pc.setRemoteDescription({ type: "answer", sdp });
    this.#answered = true;
    if (restarts) {
      this.#later = credentialsForLater(answer.sdp);
      this.#silence.mended();
    }
    this.#fitToAnswer();
    // What was told meanwhile is newer than the answer; the lines may be new all the same.
    this.setSlots(told === this.#slotsTold ? answer.slots : this.#slots);
  }

  async #offer(pc: RTCPeerConnection, options: RTCOfferOptions): ReturnType<Signal> {
    const offer = await pc.createOffer(options);
    await pc.setLocalDescription(offer);
    // At once, without candidates: the server is ICE-lite and learns our address from the first check.
    return this.#signal(withOpusDtx(offer.sdp ?? ""));
  }

  /** The answer says in how many sizes the camera is sent. */
  #fitToAnswer(): void {
    const camera = this.#senders.get("camera");
    if (!camera) return;
    this.#simulcast = takesSimulcast(this.#answer, camera.mid);
    if (this.#lines.simulcast && !this.#simulcast) this.#change("camera", makeWhole);
    if (this.#lines.simulcast && !this.#wanted.has("camera")) this.#fit("camera");
    for (const source of this.#wanted.keys()) this.#fit(source);
  }

  #fit(source: Source): void {
    const maxHeight = this.#wanted.get(source) ?? ALL;
    const { width, height } = this.#tracks.get(source)?.getSettings?.() ?? {};
    this.#change(source, (encodings) => fit(encodings, { maxHeight, width, height, simulcast: this.#simulcast }));
  }

  /** Changes the encodings of a line, one change after another: browsers refuse two at once. */
  #change(source: Source, how: (encodings: RTCRtpEncodingParameters[]) => boolean): void {
    const change = async () => {
      const sender = this.#senders.get(source)?.sender;
      if (!sender || this.#closed) return;
      const parameters = sender.getParameters();
      if (how(parameters.encodings)) await sender.setParameters(parameters);
    };
    // A browser that would have none of it sends on as it was.
    this.#fitting = this.#fitting.then(change).catch(() => undefined);
  }

  #onConnectionState(): void {
    switch (this.pc.connectionState) {
      case "connected":
        clearTimeout(this.#timer);
        this.#restartsInVain = 0;
        break;
      case "disconnected":
        this.#restartIn(DISCONNECTED_PATIENCE_MS);
        break;
      case "failed":
        // ICE is fine but DTLS is not: no restart can mend that.
        if (this.pc.iceConnectionState !== "failed") this.#restartsInVain = RESTARTS_BEFORE_REBUILD;
        this.#mend();
        break;
      default:
        break;
    }
    this.#tellConnection();
    this.#watch();
  }

  #restartIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.pc.connectionState !== "connected") this.#mend();
    }, ms);
  }

  /** Restarts, unless an offer is on its way already: on a network that is away it goes out as soon as there is one. */
  #mend(): void {
    if (!this.#negotiating) this.restart();
  }

  #patience(): number {
    return RESTART_AGAIN_MS[Math.min(this.#restartsInVain, RESTART_AGAIN_MS.length) - 1] ?? DISCONNECTED_PATIENCE_MS;
  }

  /** Silence is looked for where something ought to arrive, once the path stands. */
  #watch(): void {
    if (!this.#listening || this.#connection === "new") this.#silence.stop();
    else this.#silence.start();
  }

  /** Up: the path stands and something arrives. While it is being restarted it stays what it was. */
  #tellConnection(): void {
    const state = this.pc.connectionState;
    const up = state === "connected" && !this.#quiet;
    const down = this.#quiet || state === "disconnected" || state === "failed" || state === "new";
    const connection = up ? "up" : down && this.#connection !== "new" ? "down" : this.#connection;
    if (this.#connection === connection) return;
    this.#connection = connection;
    this.emit("connection", connection);
  }
}

/** W3C WebRTC Extensions: newer than the types of browsers' interfaces, and not everywhere. */
interface ExtensionsToNegotiate {
  getHeaderExtensionsToNegotiate?(): { uri: string; direction: RTCRtpTransceiverDirection }[];
  setHeaderExtensionsToNegotiate?(extensions: { uri: string; direction: RTCRtpTransceiverDirection }[]): void;
}

/** Offers an extension that the browser knows and does not offer by itself. */
function offerExtension(transceiver: RTCRtpTransceiver & ExtensionsToNegotiate, wanted: string): void {
  const extensions = transceiver.getHeaderExtensionsToNegotiate?.();
  if (!extensions?.some(({ uri }) => uri === wanted)) return;
  transceiver.setHeaderExtensionsToNegotiate?.(
    extensions.map((it) => (it.uri === wanted ? { ...it, direction: "sendrecv" as const } : it)),
  );
}

function samePeer(before: string | undefined, after: string): boolean {
  return before === undefined || fingerprints(before).join() === fingerprints(after).join();
}
