// What a call is made of, as its users and its client see it, and the small questions one asks of it.

import type { Call } from "./call.js";
import type { Conference } from "./conference.js";
import { TertuliaError } from "./errors.js";
import type { LocalMedia, MediaFlags, MediaPreferences, MediaProblem } from "./media.js";
import type { Connection, PeerOptions } from "./peer.js";
import type { Grade } from "./quality.js";
import type { Session } from "./session.js";
import type { CallFigures } from "./stats.js";
import type { CallGroup, Direction, EndReason, MediaKind, ParticipantQuality, Person, Phase, RosterEntry, Slot, Source } from "./proto.js";

/** The server's phases, and what comes before and after them. */
export type CallPhase = "inviting" | Phase | "ended";

export interface Ended {
  /** `merged`: both sides called each other at once; the call goes on as the one that this device placed. */
  reason: EndReason | "merged";
  /** From answer to end; zero if it was not answered. */
  durationMs: number;
  /** What the server refused, where that is why. */
  error: TertuliaError | undefined;
}

export interface CallEvents {
  /** The phase, the connection, or who is on has changed. */
  state: CallPhase;
  connection: Connection;
  roster: RosterEntry[];
  /** A call of two has become a group call: somebody was added. Its media goes on. */
  conference: Conference;
  slots: Slot[];
  /** About every two seconds once the media is up. */
  quality: Quality;
  /** The call was put on hold, or goes on: by this device, or by the other side. */
  hold: Hold;
  /** What this device sends has changed. */
  media: MediaFlags;
  /** A microphone, camera or screen is not to be had; the call goes on without it. */
  problem: MediaProblem;
  /** A track of `remote` came or went. */
  remote: RemoteStreams;
  ended: Ended;
}

export interface Quality {
  /** What this browser measures. */
  local: CallFigures;
  /** What the server measures, of everyone. */
  server: ParticipantQuality[];
  /** How good it is here. */
  mine: Grade;
  /** How good it is for the other side. */
  theirs: Grade;
}

export interface Hold {
  held: boolean;
  /** Never in a group call: there those who are on hold say so in the roster. */
  heldByOther: boolean;
}

/** What arrives from the other side: streams that stay the same for the whole call, for `srcObject`. */
export interface RemoteStreams {
  readonly audio: MediaStream;
  readonly camera: MediaStream;
  readonly screen: MediaStream;
}

/** What a call needs of its client. */
export interface CallContext {
  session: Session;
  peerOptions: PeerOptions;
  prefer: MediaPreferences;
  me: () => { user_id: string; device_id: string } | undefined;
  /** This browser's clock at a moment of the server's. */
  localTime: (serverMs: number) => number;
  /** The other calls of this device that were accepted here and have not ended. */
  others: (call: Call) => Call[];
}

export interface CallInit {
  id?: string;
  peer: Person;
  direction: Direction;
  media: MediaKind;
  phase: CallPhase;
  answeredAt?: number | undefined;
  held?: boolean | undefined;
  /** It is a group call. */
  conference?: boolean | undefined;
  /** The group that it is of. */
  group?: CallGroup | undefined;
  /** The link by which this device comes in. */
  link?: LinkOfCall | undefined;
  /** Microphone and camera, where they are open already. */
  local?: LocalMedia | undefined;
}

/** The link by which one comes into a call. */
export interface LinkOfCall {
  readonly token: string;
  /** What the call is called. */
  readonly name: string | undefined;
}

/** Which track of a member belongs into which of their streams. */
export const STREAM_OF: Record<Source, keyof RemoteStreams> = { mic: "audio", camera: "camera", screen: "screen" };

/** Refusals that are the same as an end that the server tells of. */
const ENDS: Partial<Record<string, EndReason>> = {
  call_answered_elsewhere: "answered_elsewhere",
  call_link_over: "link_over",
  turned_away: "turned_away",
};

/** Why a call is over whose request was refused. */
export function reasonOf(error: TertuliaError | undefined, direction: Direction): EndReason {
  if (error?.code === "call_over" && direction === "incoming") return "cancelled";
  return ENDS[error?.code ?? ""] ?? "failed";
}

/** Whether someone has accepted, and it is not over. */
export function isAnswered(phase: CallPhase): boolean {
  return phase === "connecting" || phase === "active" || phase === "reconnecting";
}

/** Whether the server's refusal says that there is no such call (any more). */
export function isOver(error: unknown): boolean {
  const code = error instanceof TertuliaError ? error.code : undefined;
  return code === "call_over" || code === "unknown_call" || code === "call_answered_elsewhere";
}

/** Makes the stream hold this one track, or none. Says whether that changed anything. */
export function setTrack(stream: MediaStream, track: MediaStreamTrack | undefined): boolean {
  const before = stream.getTracks();
  if (before.length === (track ? 1 : 0) && before[0] === track) return false;
  for (const old of before) stream.removeTrack(old);
  if (track) stream.addTrack(track);
  return true;
}
