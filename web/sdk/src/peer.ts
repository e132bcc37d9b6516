// The media connection of one call: one RTCPeerConnection with all its lines from the start.
//
// Invariant: one offer, one answer, then no more SDP but ICE restarts, and only we offer. Lines are added in the order by
// which the server knows them: microphone, camera, screen (we send), then one audio and two video slots (we receive).
// What starts and stops later is a track on a line that is there already (`replaceTrack`).

import { Emitter } from "./emitter.js";
import { onNetworkChange } from "./network.js";
import type { Slot, Source } from "./proto.js";
import { fingerprints, orderCodecs, withOpusDtx } from "./sdp.js";

export type VideoCodec = "VP8" | "VP9" | "H264" | "AV1";

export interface PeerOptions {
  iceServers: RTCIceServer[];
  videoCodec: VideoCodec;
  red: boolean;
  iceTransportPolicy: RTCIceTransportPolicy;
}

/** Hands the offer to the server. */
export type Signal = (sdp: string) => Promise<{ sdp: string; slots: Slot[] }>;

/** `new` until media has flowed once. */
export type Connection = "new" | "up" | "down";

export interface PeerEvents {
  connection: Connection;
  slots: Slot[];
  /** The offer was refused. */
  refused: unknown;
}

/** What a camera may use. A talking head at 720p gains little above this. */
const CAMERA_BPS_MAX = 1_800_000;
/** What a shared screen may use: text needs bits when it scrolls. */
const SCREEN_BPS_MAX = 2_500_000;
/** ICE heals short gaps by itself. Raising it delays recovery, lowering it restarts for nothing. */
const DISCONNECTED_PATIENCE_MS = 1_000;
/** Between one restart and the next, when the first did not help. */
const RESTART_EVERY_MS = 4_000;
/** Restarts in vain after which the whole connection is made anew. */
const RESTARTS_BEFORE_REBUILD = 3;

const SENDS: Source[] = ["mic", "camera", "screen"];

export class Peer extends Emitter<PeerEvents> {
  pc!: RTCPeerConnection;
  readonly #options: PeerOptions;
  readonly #signal: Signal;
  readonly #tracks = new Map<Source, MediaStreamTrack>();
  readonly #unlisten: () => void;
  #senders = new Map<Source, RTCRtpTransceiver>();
  #slots: Slot[] = [];
  #slotsTold = 0;
  #connection: Connection = "new";
  #negotiating: Promise<void> | undefined;
  #restartWanted = false;
  #restartsInVain = 0;
  #answered = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: PeerOptions, signal: Signal) {
    super();
    this.#options = options;
    this.#signal = signal;
    this.#build();
    this.#unlisten = onNetworkChange((changed) => {
      if (changed && this.#answered) this.restart();
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
    this.#negotiating = this.#negotiate({});
    try {
      await this.#negotiating;
    } finally {
      this.#negotiating = undefined;
    }
    if (this.#restartWanted) this.restart();
  }

  /** Finds a new path through the network; keys and media stay. */
  restart(): void {
    if (this.#closed) return;
    this.#restartWanted = true;
    if (this.#negotiating) return;
    this.#restartWanted = false;
    if (this.#restartsInVain >= RESTARTS_BEFORE_REBUILD) {
      this.#restartsInVain = 0;
      this.#rebuild();
    }
    this.#restartsInVain += 1;
    this.#negotiating = this.#negotiate({ iceRestart: true })
      .catch((error: unknown) => {
        if (!this.#closed) this.emit("refused", error);
      })
      .finally(() => {
        this.#negotiating = undefined;
        if (this.#restartWanted) this.restart();
        else if (!this.#closed && this.pc.connectionState !== "connected") this.#restartIn(RESTART_EVERY_MS);
      });
  }

  /** Puts a track on a line, or takes it off: no SDP, at once. */
  async setTrack(source: Source, track: MediaStreamTrack | undefined): Promise<void> {
    if (track) this.#tracks.set(source, track);
    else this.#tracks.delete(source);
    await this.#senders.get(source)?.sender.replaceTrack(track ?? null);
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
    this.pc.close();
  }

  #receiver(mid: string): RTCRtpReceiver | undefined {
    return this.pc.getTransceivers().find((transceiver) => transceiver.mid === mid)?.receiver;
  }

  #build(): void {
    const { iceServers, iceTransportPolicy } = this.#options;
    const pc = new RTCPeerConnection({ iceServers, iceTransportPolicy, bundlePolicy: "max-bundle" });
    this.pc = pc;
    this.#answered = false;
    const send = (kind: "audio" | "video", encoding: RTCRtpEncodingParameters): RTCRtpTransceiver =>
      pc.addTransceiver(kind, { direction: "sendonly", sendEncodings: [encoding] });
    this.#senders = new Map([
      ["mic", send("audio", {})],
      ["camera", send("video", { maxBitrate: CAMERA_BPS_MAX, maxFramerate: 30 })],
      ["screen", send("video", { maxBitrate: SCREEN_BPS_MAX, maxFramerate: 30 })],
    ]);
    for (const kind of ["audio", "video", "video"]) pc.addTransceiver(kind, { direction: "recvonly" });
    for (const transceiver of pc.getTransceivers()) this.#preferCodecs(transceiver);
    for (const source of SENDS) {
      const track = this.#tracks.get(source);
      if (track) void this.#senders.get(source)?.sender.replaceTrack(track);
    }
    pc.onconnectionstatechange = () => {
      if (pc === this.pc) this.#onConnectionState();
    };
  }

  #preferCodecs(transceiver: RTCRtpTransceiver): void {
    const kind = transceiver.receiver.track.kind;
    const codecs = RTCRtpReceiver.getCapabilities(kind)?.codecs;
    if (!codecs || !("setCodecPreferences" in transceiver)) return;
    const prefer = kind === "audio" ? "audio/opus" : `video/${this.#options.videoCodec}`;
    transceiver.setCodecPreferences(orderCodecs(codecs, prefer, this.#options.red));
  }

  async #negotiate(options: RTCOfferOptions): Promise<void> {
    const pc = this.pc;
    const told = this.#slotsTold;
    const offer = await pc.createOffer(options);
    await pc.setLocalDescription(offer);
    // At once, without candidates: the server is ICE-lite and learns our address from the first check.
    const answer = await this.#signal(withOpusDtx(offer.sdp ?? ""));
    if (this.#closed || pc !== this.pc) return;
    // Our encoder goes by what the answer asks for.
    const sdp = withOpusDtx(answer.sdp);
    if (this.#answered && !samePeer(pc.remoteDescription?.sdp, sdp)) {
      // The server has lost our media and made a new end: meet it with a new one of ours.
      this.#rebuild();
      return this.#negotiate({});
    }
    await pc.setRemoteDescription({ type: "answer", sdp });
    this.#answered = true;
    // What was told meanwhile is newer than the answer; the lines may be new all the same.
    this.setSlots(told === this.#slotsTold ? answer.slots : this.#slots);
  }

  /** Starts over with the same tracks: for when a restart can't help. */
  #rebuild(): void {
    const old = this.pc;
    this.#build();
    old.onconnectionstatechange = null;
    old.close();
  }

  #onConnectionState(): void {
    switch (this.pc.connectionState) {
      case "connected":
        clearTimeout(this.#timer);
        this.#restartsInVain = 0;
        this.#setConnection("up");
        break;
      case "disconnected":
        this.#setConnection("down");
        this.#restartIn(DISCONNECTED_PATIENCE_MS);
        break;
      case "failed":
        this.#setConnection("down");
        // ICE is fine but DTLS is not: no restart can mend that.
        if (this.pc.iceConnectionState !== "failed") this.#restartsInVain = RESTARTS_BEFORE_REBUILD;
        this.restart();
        break;
      default:
        break;
    }
  }

  #restartIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.pc.connectionState !== "connected") this.restart();
    }, ms);
  }

  #setConnection(connection: Connection): void {
    if (this.#connection === connection) return;
    this.#connection = connection;
    this.emit("connection", connection);
  }
}

function samePeer(before: string | undefined, after: string): boolean {
  return before === undefined || fingerprints(before).join() === fingerprints(after).join();
}
