// A server's side of a socket, and as much of WebRTC as signalling can see.

import type { ClientFrame, ServerFrame, Welcome } from "../src/proto.js";
import type { Socket } from "../src/opening.js";

export class FakeSocket implements Socket {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readonly sent: ClientFrame[] = [];
  closed = false;
  closeCode: number | undefined;

  send(data: string): void {
    if (this.closed) throw new Error("the socket is closed");
    this.sent.push(JSON.parse(data) as ClientFrame);
  }

  close(code?: number): void {
    this.closed = true;
    this.closeCode = code;
  }

  /** The server's frame arrives. */
  receive(frame: ServerFrame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** The connection breaks, or the server closes it. */
  break(code = 1006): void {
    this.closed = true;
    this.onclose?.({ code });
  }

  of<T extends ClientFrame["type"]>(type: T): Extract<ClientFrame, { type: T }>[] {
    return this.sent.filter((frame): frame is Extract<ClientFrame, { type: T }> => frame.type === type);
  }
}

/** Hands out sockets, and remembers them. */
export class FakeServer {
  readonly sockets: FakeSocket[] = [];
  /** Sockets stay unopened. */
  slow = false;
  readonly open = (): FakeSocket => {
    const socket = new FakeSocket();
    this.sockets.push(socket);
    if (!this.slow) queueMicrotask(() => socket.onopen?.(undefined as never));
    return socket;
  };

  /** The nth socket, counted from 0, once its `hello` is there. */
  async socket(n: number): Promise<FakeSocket> {
    await until(() => (this.sockets[n]?.of("hello").length ?? 0) > 0);
    return this.sockets[n]!;
  }

  /** The first socket, welcomed. */
  async welcomed(changes: Partial<Welcome> = {}): Promise<FakeSocket> {
    const socket = await this.socket(0);
    socket.receive(welcome(changes));
    return socket;
  }
}

export function welcome(changes: Partial<Welcome> = {}): { type: "welcome" } & Welcome {
  return {
    type: "welcome",
    user_id: "ana",
    name: "Ana",
    device_id: "ana-1",
    session: "00000000-0000-7000-8000-000000000001",
    secret: "s3cret",
    resumed: false,
    last_request: 0,
    heartbeat_s: 15,
    resume_window_s: 60,
    limits: { frame_bytes_max: 65536, requests_per_s: 20, requests_burst: 40, outstanding_max: 32, watched_users_max: 4, watched_groups_max: 2 },
    now: Date.now(),
    calls: [],
    missed_calls: [],
    calls_elsewhere: [],
    ice_servers: [],
    settings: { online: "contacts", last_seen: "contacts" },
    instance: "run-1",
    demo: true,
    ...changes,
  };
}

/** Waits for a condition; the test runner's own limit ends a wait in vain. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never came true: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const DESCRIPTOR = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
const CODECS = ["audio/opus", "video/VP8", "video/VP9", "video/rtx"].map((mimeType) => ({ mimeType }));

class FakeTransceiver {
  track: unknown = null;
  readonly receiver;
  readonly sender = {
    replaceTrack: (track: unknown) => {
      this.track = track;
      return Promise.resolve();
    },
    getParameters: () => ({ encodings: structuredClone(this.encodings) }),
    setParameters: ({ encodings }: { encodings: RTCRtpEncodingParameters[] }) => {
      this.encodings = encodings;
      return Promise.resolve();
    },
  };

  constructor(
    readonly mid: string,
    readonly kind: string,
    readonly direction: string,
    pc: FakePeerConnection,
    public encodings: RTCRtpEncodingParameters[] = [],
  ) {
    this.receiver = {
      track: { kind },
      getSynchronizationSources: () => [{ timestamp: pc.rtpAt }],
      getStats: () => Promise.resolve(pc.reading()),
    };
  }

  codecs: string[] = [];
  extensions = [
    { uri: "urn:ietf:params:rtp-hdrext:sdes:mid", direction: "sendrecv" },
    { uri: DESCRIPTOR, direction: "stopped" },
  ];

  setCodecPreferences(codecs: { mimeType: string }[]): void {
    this.codecs = codecs.map(({ mimeType }) => mimeType);
  }

  getHeaderExtensionsToNegotiate() {
    return structuredClone(this.extensions);
  }

  setHeaderExtensionsToNegotiate(extensions: { uri: string; direction: string }[]): void {
    this.extensions = extensions;
  }
}

export class FakePeerConnection {
  static readonly all: FakePeerConnection[] = [];
  readonly transceivers: FakeTransceiver[] = [];
  connectionState = "new";
  iceConnectionState = "new";
  onconnectionstatechange: (() => void) | null = null;
  onicecandidate: ((event: { candidate: { type: string; protocol: string } }) => void) | null = null;
  /** It finds an address of its own for every offer. */
  addressed = true;
  remoteDescription: { sdp: string } | null = null;
  readonly offers: { iceRestart: boolean }[] = [];
  /** When RTP last came, and how many packets of all kinds; while it flows, more of them at every reading. */
  rtpAt = 0;
  packets = 0;
  flows = false;
  readings = 0;
  /** It takes no answer. */
  refuses = false;
  configuration: RTCConfiguration;

  constructor(configuration: RTCConfiguration) {
    this.configuration = configuration;
    FakePeerConnection.all.push(this);
  }

  addTransceiver(kind: string, init: { direction: string; sendEncodings?: RTCRtpEncodingParameters[] }): FakeTransceiver {
    const mid = String(this.transceivers.length);
    const transceiver = new FakeTransceiver(mid, kind, init.direction, this, init.sendEncodings);
    this.transceivers.push(transceiver);
    return transceiver;
  }

  getTransceivers(): FakeTransceiver[] {
    return this.transceivers;
  }

  createOffer(options: { iceRestart?: boolean } = {}): Promise<{ type: "offer"; sdp: string }> {
    this.offers.push({ iceRestart: options.iceRestart === true });
    return Promise.resolve({ type: "offer", sdp: `offer ${this.offers.length}` });
  }

  setLocalDescription(): Promise<void> {
    if (this.addressed) setTimeout(() => this.onicecandidate?.({ candidate: { type: "host", protocol: "udp" } }));
    return Promise.resolve();
  }

  setRemoteDescription(description: { sdp: string }): Promise<void> {
    if (this.refuses) return Promise.reject(new Error("refused"));
    this.remoteDescription = description;
    return Promise.resolve();
  }

  getStats(): Promise<Map<string, unknown>> {
    return Promise.resolve(new Map());
  }

  /** The browser says how it goes. */
  become(state: string, ice = state): void {
    this.connectionState = state;
    this.iceConnectionState = ice;
    this.onconnectionstatechange?.();
  }

  reading(): Map<string, unknown> {
    this.readings += 1;
    if (this.flows) this.packets += 5;
    return new Map([["T", { type: "transport", packetsReceived: this.packets }]]);
  }

  setConfiguration(configuration: RTCConfiguration): void {
    this.configuration = configuration;
  }

  close(): void {
    this.connectionState = "closed";
  }
}

class FakeMediaStream {
  #tracks: unknown[] = [];
  getTracks(): unknown[] {
    return [...this.#tracks];
  }
  addTrack(track: unknown): void {
    this.#tracks.push(track);
  }
  removeTrack(track: unknown): void {
    this.#tracks = this.#tracks.filter((other) => other !== track);
  }
}

export class FakeTrack {
  enabled = true;
  stopped = false;
  onended: (() => void) | null = null;
  constructor(readonly kind: "audio" | "video") {}
  stop(): void {
    this.stopped = true;
  }
}

/** Every microphone and camera that was opened. */
export const opened: FakeTrack[] = [];

/** Puts the fakes where browsers have the real ones. */
export function installWebRtc(): void {
  const globals = globalThis as Record<string, unknown>;
  globals["RTCPeerConnection"] = FakePeerConnection;
  globals["MediaStream"] = FakeMediaStream;
  globals["RTCRtpReceiver"] = {
    getCapabilities: (kind: string) => ({ codecs: CODECS.filter(({ mimeType }) => mimeType.startsWith(kind)) }),
  };
  const getUserMedia = (constraints: { audio?: unknown; video?: unknown }) => {
    const tracks: FakeTrack[] = [];
    if (constraints.audio) tracks.push(new FakeTrack("audio"));
    if (constraints.video) tracks.push(new FakeTrack("video"));
    opened.push(...tracks);
    return Promise.resolve({ getTracks: () => tracks });
  };
  Object.defineProperty(globalThis, "navigator", { value: { mediaDevices: { getUserMedia } }, configurable: true });
}
