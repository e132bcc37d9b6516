// This device's microphone, camera and screen.
//
// Invariant: nothing is opened but by a call to `open` or `set…`, and everything that was opened is stopped by `close`.

import { Emitter } from "./emitter.js";
import type { RosterEntry, Source } from "./proto.js";

/** What a device sends. */
export type MediaFlags = Pick<RosterEntry, "mic" | "camera" | "screen">;

/** Why a microphone, camera or screen is not there. */
export type ProblemReason =
  /** The person, the browser or the system forbids it. */
  | "denied"
  /** There is none. */
  | "missing"
  /** Another program holds it. */
  | "busy"
  /** The page was not loaded over HTTPS (or from localhost): browsers open nothing there. */
  | "insecure"
  /** It went away during the call. */
  | "lost"
  | "failed";

export class MediaProblem extends Error {
  override readonly name = "MediaProblem";
  readonly source: Source;
  readonly reason: ProblemReason;

  constructor(source: Source, reason: ProblemReason) {
    super(`${source}: ${reason}`);
    this.source = source;
    this.reason = reason;
  }
}

/** Which devices to open, and how. All optional. */
export interface MediaPreferences {
  microphone?: string | undefined;
  camera?: string | undefined;
  /** No echo cancellation, noise suppression or gain control: for music, and with headphones. */
  originalSound?: boolean | undefined;
}

export interface LocalMediaEvents {
  /** A track came, went, or was muted. */
  change: MediaFlags;
  problem: MediaProblem;
}

/** Hands a track to the line that sends it, or takes it off. */
export type Attach = (source: Source, track: MediaStreamTrack | undefined) => void;

export class LocalMedia extends Emitter<LocalMediaEvents> {
  readonly #prefer: MediaPreferences;
  #attach: Attach;
  readonly #tracks = new Map<Source, MediaStreamTrack>();
  #micOn = true;
  #held = false;
  /** Whether the camera comes back when the call goes on. */
  #cameraAfterHold = false;
  #closed = false;

  /** Without `attach` nothing is sent: for a look at oneself before a call. */
  constructor(prefer: MediaPreferences, attach: Attach = () => undefined) {
    super();
    this.#prefer = { ...prefer };
    this.#attach = attach;
  }

  /** @internal What is open is sent there from now on: a call has begun with it. */
  attachTo(attach: Attach): void {
    this.#attach = attach;
    for (const [source, track] of this.#tracks) attach(source, track);
  }

  /** On hold nothing is sent; then this is what comes back after it. */
  get flags(): MediaFlags {
    return {
      mic: this.#micOn && this.#tracks.has("mic"),
      camera: this.#tracks.has("camera") || (this.#held && this.#cameraAfterHold),
      screen: this.#tracks.has("screen"),
    };
  }

  track(source: Source): MediaStreamTrack | undefined {
    return this.#tracks.get(source);
  }

  /** Opens the microphone, and the camera if wanted. What can't be had is told by `problem`; the rest comes all the same. */
  async open(camera: boolean): Promise<void> {
    if (!camera) return this.#openOne("mic");
    // With both permissions given, neither waits for the other: voice comes first. Otherwise: one question, not two.
    if (await bothGranted()) {
      await Promise.all([this.#openOne("mic"), this.#openOne("camera")]);
      return;
    }
    try {
      const stream = await getUserMedia({ audio: this.#audio(), video: this.#video() });
      for (const track of stream.getTracks()) this.#take(track.kind === "audio" ? "mic" : "camera", track);
    } catch {
      // One of the two is missing or forbidden: ask for each, so that the other one works.
      await this.#openOne("mic");
      await this.#openOne("camera");
    }
  }

  /** Mutes (the microphone stays open, it sends silence) or opens again. */
  async setMic(on: boolean): Promise<void> {
    this.#micOn = on;
    const track = this.#tracks.get("mic");
    if (track) {
      track.enabled = on && !this.#held;
      this.#changed();
    } else if (on) {
      await this.#openOne("mic");
    }
  }

  /** Switches the camera on, or off: off closes it, its light goes out. */
  async setCamera(on: boolean): Promise<void> {
    if (this.#held) {
      this.#cameraAfterHold = on;
      this.#changed();
    } else if (!on) this.#drop("camera");
    else if (!this.#tracks.has("camera")) await this.#openOne("camera");
  }

  /** Shares a screen, a window or a tab, or ends it. Choosing none is no problem, it shares nothing. */
  async setScreen(on: boolean): Promise<void> {
    if (!on || this.#held) {
      this.#drop("screen");
      return;
    }
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 30 } }, audio: false });
      const track = stream.getVideoTracks()[0];
      if (track) {
        track.contentHint = "detail";
        this.#take("screen", track);
      }
    } catch (error) {
      const reason = reasonOf(error);
      if (reason !== "denied") this.emit("problem", new MediaProblem("screen", reason));
    }
  }

  /** On hold: the microphone sends nothing, the camera closes, the screen waits. Off again: what was on comes back. */
  async setHeld(held: boolean): Promise<void> {
    if (this.#held === held || this.#closed) return;
    this.#held = held;
    const mic = this.#tracks.get("mic");
    if (mic) mic.enabled = this.#micOn && !held;
    const screen = this.#tracks.get("screen");
    if (screen) this.#attach("screen", held ? undefined : screen);
    if (held) {
      this.#cameraAfterHold = this.#tracks.has("camera");
      this.#stop("camera");
    } else if (this.#cameraAfterHold) {
      this.#cameraAfterHold = false;
      await this.#openOne("camera");
    }
  }

  async switchMicrophone(deviceId: string): Promise<void> {
    this.#prefer.microphone = deviceId;
    if (this.#tracks.has("mic")) await this.#openOne("mic");
  }

  async switchCamera(deviceId: string): Promise<void> {
    this.#prefer.camera = deviceId;
    if (!this.#tracks.has("camera")) return;
    this.#stop("camera");
    await this.#openOne("camera");
  }

  async setOriginalSound(on: boolean): Promise<void> {
    this.#prefer.originalSound = on;
    if (this.#tracks.has("mic")) await this.#openOne("mic");
  }

  /** From the front camera to the back one, or to the next in the list. */
  async flipCamera(): Promise<void> {
    const current = this.#tracks.get("camera");
    if (!current) return;
    const settings = current.getSettings();
    const facing = settings.facingMode === "user" ? "environment" : settings.facingMode ? "user" : undefined;
    const cameras = (await devices()).cameras;
    const at = cameras.findIndex((camera) => camera.deviceId === settings.deviceId);
    const next = cameras[(at + 1) % Math.max(1, cameras.length)];
    // A phone opens one camera at a time.
    this.#stop("camera");
    this.#prefer.camera = undefined;
    if (facing && (await this.#tryCamera({ ...VIDEO, facingMode: { exact: facing } }))) return;
    this.#prefer.camera = next?.deviceId;
    await this.#openOne("camera");
  }

  close(): void {
    this.#closed = true;
    for (const source of [...this.#tracks.keys()]) this.#stop(source);
  }

  async #tryCamera(video: MediaTrackConstraints): Promise<boolean> {
    try {
      const track = (await getUserMedia({ video })).getVideoTracks()[0];
      if (track) this.#take("camera", track);
      return track !== undefined;
    } catch {
      return false;
    }
  }

  async #openOne(source: "mic" | "camera"): Promise<void> {
    try {
      const track = await this.#getTrack(source);
      if (track) this.#take(source, track);
    } catch (error) {
      this.#changed();
      if (!this.#closed) this.emit("problem", new MediaProblem(source, reasonOf(error)));
    }
  }

  async #getTrack(source: "mic" | "camera"): Promise<MediaStreamTrack | undefined> {
    const wanted = source === "mic" ? { audio: this.#audio() } : { video: this.#video() };
    try {
      return (await getUserMedia(wanted)).getTracks()[0];
    } catch (error) {
      if (reasonOf(error) !== "missing") throw error;
      // The device that was chosen once is not here today, or it can't do what we ask for: any will do.
      this.#prefer[source === "mic" ? "microphone" : "camera"] = undefined;
      const any = source === "mic" ? { audio: this.#audio() } : { video: true };
      return (await getUserMedia(any)).getTracks()[0];
    }
  }

  #take(source: Source, track: MediaStreamTrack): void {
    if (this.#closed) {
      track.stop();
      return;
    }
    if (this.#held && source === "camera") {
      // It was asked for before the call was put on hold.
      this.#cameraAfterHold = true;
      track.stop();
      this.#changed();
      return;
    }
    const old = this.#tracks.get(source);
    this.#tracks.set(source, track);
    if (source === "mic") track.enabled = this.#micOn && !this.#held;
    track.onended = () => this.#lost(source, track);
    if (!this.#held || source === "mic") this.#attach(source, track);
    if (old) {
      old.onended = null;
      old.stop();
    }
    this.#changed();
  }

  /** The track ended, and not by us: unplugged, permission taken back, or "stop sharing" of the browser. */
  #lost(source: Source, track: MediaStreamTrack): void {
    if (this.#tracks.get(source) !== track) return;
    this.#drop(source);
    if (source === "screen") return;
    this.emit("problem", new MediaProblem(source, "lost"));
    if (source === "mic") {
      this.#prefer.microphone = undefined;
      void this.#openOne("mic");
    }
  }

  #drop(source: Source): void {
    if (!this.#tracks.has(source)) return;
    this.#stop(source);
    this.#changed();
  }

  #stop(source: Source): void {
    const track = this.#tracks.get(source);
    if (!track) return;
    this.#tracks.delete(source);
    track.onended = null;
    track.stop();
    this.#attach(source, undefined);
  }

  #changed(): void {
    if (!this.#closed) this.emit("change", this.flags);
  }

  #audio(): MediaTrackConstraints {
    const processed = !this.#prefer.originalSound;
    return {
      echoCancellation: processed,
      noiseSuppression: processed,
      autoGainControl: processed,
      channelCount: 1,
      ...exact(this.#prefer.microphone),
    };
  }

  #video(): MediaTrackConstraints {
    return { ...VIDEO, ...(this.#prefer.camera ? exact(this.#prefer.camera) : { facingMode: "user" }) };
  }
}

const VIDEO: MediaTrackConstraints = {
  width: { ideal: 1280, max: 1280 },
  height: { ideal: 720, max: 720 },
  frameRate: { ideal: 30, max: 30 },
};

/** The devices there are. Their labels are empty until a permission was given. */
export async function devices(): Promise<Record<"microphones" | "cameras" | "speakers", MediaDeviceInfo[]>> {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const of = (kind: MediaDeviceKind) => all.filter((device) => device.kind === kind && device.deviceId !== "");
  return { microphones: of("audioinput"), cameras: of("videoinput"), speakers: of("audiooutput") };
}

function exact(deviceId: string | undefined): MediaTrackConstraints {
  return deviceId ? { deviceId: { exact: deviceId } } : {};
}

function getUserMedia(constraints: MediaStreamConstraints): Promise<MediaStream> {
  // Absent where the page is not a secure context.
  if (!navigator.mediaDevices) return Promise.reject(new DOMException("", "SecurityError"));
  return navigator.mediaDevices.getUserMedia(constraints);
}

async function bothGranted(): Promise<boolean> {
  try {
    const query = (name: string) => navigator.permissions.query({ name: name as PermissionName });
    const [mic, camera] = await Promise.all([query("microphone"), query("camera")]);
    return mic.state === "granted" && camera.state === "granted";
  } catch {
    return false; // Some browsers do not tell.
  }
}

function reasonOf(error: unknown): ProblemReason {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    case "SecurityError":
      return "insecure";
    default:
      // Chrome's OverconstrainedError is no DOMException.
      return (error as { name?: string } | undefined)?.name === "OverconstrainedError" ? "missing" : "failed";
  }
}
