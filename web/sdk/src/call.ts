// One call of this device, from its first moment to its end.
//
// Invariant: the server owns the call, this object follows it. The media connects while it rings (of a group call after that);
// microphone and camera are opened only when this side has called or accepted; whatever happens, `ended` comes exactly once and
// frees all. What a group call has beside that is in `conference`.

import {
  isAnswered,
  isOver,
  reasonOf,
  setTrack,
  STREAM_OF,
  type CallContext,
  type CallEvents,
  type CallInit,
  type CallPhase,
  type Ended,
  type LinkOfCall,
  type RemoteStreams,
} from "./call-types.js";
import { Conference, type ConferenceContext } from "./conference.js";
import { Emitter } from "./emitter.js";
import { TertuliaError } from "./errors.js";
import { HoldState } from "./hold.js";
import { LocalMedia, type Attach, type MediaFlags } from "./media.js";
import { LINES_OF_A_CROWD, LINES_OF_MANY, LINES_OF_TWO, Peer, type Connection } from "./peer.js";
import { Meter } from "./meter.js";
import { invite, offer, takeBack } from "./placing.js";
import { Rosters } from "./rosters.js";
import type { Request, Session } from "./session.js";
import type { CallFigures } from "./stats.js";
import type {
  CallGroup,
  CallRoster,
  CallSnapshot,
  CallState,
  DeclineReason,
  Direction,
  EndReason,
  MediaKind,
  Participant,
  Person,
  PublishWanted,
  RosterEntry,
  ServerFrame,
  Slot,
  Source,
  UserId,
} from "./proto.js";

export class Call extends Emitter<CallEvents> {
  /** The other side; of a group call, who started it. */
  readonly peer: Person;
  /** The group that it is of. */
  readonly group: CallGroup | undefined;
  /** The link by which this device has come in. */
  readonly link: LinkOfCall | undefined;
  readonly direction: Direction;
  /** What it was placed as. */
  readonly kind: MediaKind;
  readonly local: LocalMedia;
  readonly remote: RemoteStreams = { audio: new MediaStream(), camera: new MediaStream(), screen: new MediaStream() };
  readonly #context: CallContext;
  readonly #meter: Meter;
  #peer: Peer;
  #conference: Conference | undefined;
  #id: string | undefined;
  #state: CallPhase;
  #accepted: boolean;
  /** Microphone and camera are still to be opened. */
  #opens: boolean;
  #answeredAt: number | undefined;
  readonly #rosters = new Rosters();
  #sentFlags = "";
  readonly #hold: HoldState;
  #heldByOther = false;
  #ended: Ended | undefined;

  /** Made by `Client`. */
  constructor(context: CallContext, init: CallInit) {
    super();
    this.#context = context;
    this.#id = init.id;
    this.peer = init.peer;
    this.group = init.group;
    this.link = init.link;
    this.#opens = init.local === undefined;
    this.direction = init.direction;
    this.kind = init.media;
    this.#state = init.phase;
    this.#answeredAt = init.answeredAt;
    this.#accepted = init.direction === "outgoing" || isAnswered(init.phase);
    this.#meter = new Meter({
      pc: () => this.pc,
      isMe: (who) => this.#isMe(who),
      lost: () => {
        const mine = this.connection === "down";
        return { mine, theirs: !mine && this.#state === "reconnecting" };
      },
      tell: (quality) => this.emit("quality", quality),
    });
    this.#hold = new HoldState(init.held ?? false, (held) => this.#onHold(held));
    const send: Attach = (source, track) => void this.#peer.setTrack(source, track);
    this.local = init.local ?? new LocalMedia(context.prefer, send);
    this.local.on("change", (flags) => {
      this.emit("media", flags);
      this.#tellMedia();
    });
    this.local.on("problem", (problem) => this.emit("problem", problem));
    const lines = init.conference ? LINES_OF_MANY : LINES_OF_TWO;
    this.#peer = this.#listen(new Peer(context.peerOptions, (sdp) => this.#signal(sdp), lines));
    init.local?.attachTo(send);
    if (init.conference) this.#conference = this.#makeConference();
    if (this.#hold.held) void this.local.setHeld(true);
  }

  /** Absent until the server has answered the invite. */
  get id(): string | undefined {
    return this.#id;
  }

  get state(): CallPhase {
    return this.#state;
  }

  /** Whether the media flows between this device and the server. */
  get connection(): Connection {
    return this.#peer.connection;
  }

  /** Whether this side has called or accepted, here. */
  get accepted(): boolean {
    return this.#accepted;
  }

  /** When it was answered, by this browser's clock. */
  get answeredAt(): number | undefined {
    return this.#answeredAt === undefined ? undefined : this.#context.localTime(this.#answeredAt);
  }

  /** Who is in the call, this device included. */
  get roster(): RosterEntry[] {
    return this.#rosters.participants;
  }

  /** What it has as a group call; absent: it is a call of two. */
  get conference(): Conference | undefined {
    return this.#conference;
  }

  /** The other side's entry of the roster, in a call of two. */
  get other(): RosterEntry | undefined {
    if (this.#conference) return undefined;
    return this.roster.find((entry) => !this.#isMe(entry));
  }

  /** Whether it rings while this device is in another call: to accept it puts that one on hold. */
  get waiting(): boolean {
    return !this.#accepted && !this.#ended && this.#context.others(this).length > 0;
  }

  /** Whether this device has put it on hold: it neither sends nor plays anything. */
  get held(): boolean {
    return this.#hold.held;
  }

  /** Whether the other side has put it on hold. */
  get heldByOther(): boolean {
    return this.#heldByOther;
  }

  get slots(): Slot[] {
    return this.#peer.slots;
  }

  /** What this device sends. */
  get media(): MediaFlags {
    return this.local.flags;
  }

  /** The last figures. */
  get figures(): CallFigures | undefined {
    return this.#meter.figures;
  }

  get ended(): Ended | undefined {
    return this.#ended;
  }

  /** The connection itself, for diagnosis. */
  get pc(): RTCPeerConnection {
    return this.#peer.pc;
  }

  /** Answers. The microphone opens now, and the camera if it is a video call and `video` is not false. */
  async accept(options: { video?: boolean } = {}): Promise<void> {
    if (this.#accepted || this.#ended || !this.#id) return;
    this.#accepted = true;
    this.emit("state", this.#state);
    const camera = options.video ?? this.kind === "video";
    // Together: the first sound waits for whichever of the two is slower, not for both.
    void this.local.open(camera);
    try {
      await this.#instead(this.#context.session.request({ type: "call.accept", call_id: this.#id }));
      void this.#connect();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Does not answer. `busy` lets the person's other devices ring on. */
  decline(reason: DeclineReason = "declined"): void {
    if (this.#ended) return;
    if (this.#id) this.#quietly({ type: "call.decline", call_id: this.#id, reason });
    this.#end("declined");
  }

  /** Gives up before the other side has answered. */
  cancel(): void {
    this.hangup();
  }

  /** Ends the call, whatever its phase: cancels, declines or hangs up. A group call goes on without this device. */
  hangup(): void {
    if (this.#ended) return;
    if (this.direction === "incoming" && !this.#accepted) {
      this.decline();
      return;
    }
    const id = this.#id;
    const answered = isAnswered(this.#state);
    if (id && this.#conference) {
      this.#quietly({ type: "call.leave", call_id: id });
    } else if (id && !answered && this.direction === "outgoing") {
      takeBack(this.#context.session, id);
    } else if (id) {
      this.#quietly({ type: "call.hangup", call_id: id });
    }
    const isIn = answered || (this.#conference && this.#state !== "waiting");
    this.#end(isIn ? "hangup" : "cancelled");
  }

  /** Has more people ring. A call of two becomes a group call by it: see `conference`. Rejects where the server refuses. */
  async add(userIds: UserId[]): Promise<void> {
    if (!this.#id || this.#ended) throw TertuliaError.of("call_over");
    await this.#context.session.request({ type: "call.add", call_id: this.#id, users: userIds });
  }

  /**
   * Puts an answered call on hold, or goes on with it. Of several calls one goes on at most: the others are put on hold by
   * that. Rejects where the server refuses.
   */
  async hold(on = true): Promise<void> {
    if (!this.#id || this.#ended || !this.#accepted || this.held === on) return;
    const request = this.#context.session.request({ type: "call.hold", call_id: this.#id, on });
    await Promise.all([this.#hold.during(on, request), on ? undefined : this.#instead(request)]);
  }

  setMic(on: boolean): Promise<void> {
    return this.local.setMic(on);
  }

  setCamera(on: boolean): Promise<void> {
    return this.local.setCamera(on);
  }

  /** Shares the screen, or stops. Must follow a click: browsers ask for one. */
  shareScreen(on = true): Promise<void> {
    return this.local.setScreen(on);
  }

  switchMicrophone(deviceId: string): Promise<void> {
    return this.local.switchMicrophone(deviceId);
  }

  switchCamera(deviceId: string): Promise<void> {
    return this.local.switchCamera(deviceId);
  }

  flipCamera(): Promise<void> {
    return this.local.flipCamera();
  }

  /** How loud the other side is now, from 0 to 1. */
  remoteLevel(): number {
    const slot = this.slots.find((slot) => slot.source === "mic");
    return slot ? this.#peer.slotLevel(slot.mid) : 0;
  }

  /** @internal Places the call. Again: asks once more to be let in by its link. */
  async place(): Promise<void> {
    if (this.#opens) void this.local.open(this.kind === "video");
    this.#opens = false;
    let waits = false;
    try {
      ({ id: this.#id, waits } = await invite(this.#context.session, this));
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#ended) {
      this.#quietly({ type: this.#conference ? "call.leave" : "call.cancel", call_id: this.#id });
      return;
    }
    if (waits) this.#setState("waiting");
    else if (this.#state === "inviting" || this.#state === "waiting") this.#setState("offered");
  }

  /** @internal Connects the media of a call that has just been placed. Who waits has none. */
  connectPlaced(): void {
    if (this.#state !== "waiting") void this.#connect();
  }

  /** @internal Rings: tells the server, and connects the media without opening anything. */
  ring(): void {
    if (!this.#id) return;
    this.#quietly({ type: "call.ringing", call_id: this.#id });
    // Where a whole group rings it would be a storm of handshakes.
    if (!this.#conference) void this.#connect();
  }

  /** @internal Comes back to a call after the page was loaded anew. */
  rejoin(camera: boolean): void {
    void this.local.open(camera);
    void this.#connect();
  }

  /** @internal Takes the call over from another device of this person. */
  async takeOver(camera: boolean): Promise<void> {
    if (!this.#id) return;
    void this.local.open(camera);
    try {
      await this.#context.session.request({ type: "call.join", call_id: this.#id });
    } catch (error) {
      // No hang-up: it goes on where it is.
      this.#end("failed", error instanceof TertuliaError ? error : undefined);
      return;
    }
    void this.#connect();
  }

  /** @internal Another call goes on instead, if the server grants the request. */
  holdDuring(request: Promise<unknown>): void {
    if (this.#ended || this.held) return;
    this.#hold.during(true, request).catch(() => undefined);
  }

  /** @internal Two people called each other at once, and the server made it one call: takes over the one that rang. */
  adopt(rang: Call): void {
    this.#peer.close();
    this.#peer = this.#listen(rang.#peer);
    for (const source of ["mic", "camera", "screen"] as const) {
      const track = this.local.track(source);
      if (track) void this.#peer.setTrack(source, track);
    }
    if (rang.#state !== "ended") this.#setState(isAnswered(rang.#state) ? rang.#state : "connecting");
    this.#answeredAt ??= rang.#answeredAt;
    this.#onSlots(this.#peer.slots);
    rang.#ended = { reason: "merged", durationMs: 0, error: undefined };
    rang.#setState("ended");
    rang.emit("ended", rang.#ended);
    this.#tellMedia();
  }

  /** @internal A frame of the server about this call. */
  handle(frame: ServerFrame): void {
    if (this.#ended) return;
    switch (frame.type) {
      case "call.state":
        this.follow(frame);
        break;
      case "call.roster":
      case "call.roster_changes": {
        const roster = this.#rosters.take(frame);
        if (roster) this.#onRoster(roster);
        break;
      }
      case "call.speakers":
        this.#conference?.onSpeakers(frame.speakers);
        break;
      case "call.reaction":
        this.#conference?.onReaction(frame.from, frame.reaction);
        break;
      case "call.waiting":
        this.#conference?.onWaiting(frame.people);
        break;
      case "call.publish":
        this.#onPublish(frame.wanted);
        break;
      case "call.slots":
        this.#peer.setSlots(frame.slots);
        break;
      case "call.quality":
        this.#meter.told(frame.participants);
        break;
      case "call.ended":
        this.#end(frame.reason, undefined, frame.duration_ms);
        break;
      default:
        break;
    }
  }

  /** @internal Where the server says the call stands. */
  follow(state: Pick<CallState, "phase"> & Partial<CallState>): void {
    if (this.#ended) return;
    if (state.answered_at !== undefined) this.#answeredAt = state.answered_at;
    const admitted = this.#state === "waiting" && isAnswered(state.phase);
    this.#setState(state.phase);
    if (admitted) void this.#connect();
    // The server says something all the time from the answer on, even to a call on hold.
    if (isAnswered(state.phase)) this.#peer.listen();
    if (isAnswered(state.phase)) this.#tellMedia();
  }

  /** @internal The server's word in a new session: what went unheard meanwhile is in it. */
  continueFrom(snapshot: CallSnapshot): void {
    this.follow(snapshot);
    this.#hold.told(snapshot.held ?? false);
  }

  /**
   * @internal The session is a new one, or (`anew`) the server is: the call goes on all the same. Nothing rings again, what
   * was on stays on; only what the server may have forgotten is told again.
   */
  revive(anew: boolean): void {
    if (!this.#id || this.#ended || this.#state === "waiting") return;
    this.#sentFlags = "";
    if (anew) this.#rosters.begin();
    this.#conference?.onWaiting([]);
    if (!this.#accepted) this.#quietly({ type: "call.ringing", call_id: this.#id });
    if (anew) this.#peer.rebuild();
    else this.#peer.restart();
    this.#conference?.revive();
    this.#tellMedia();
  }

  /** @internal The server no longer knows the call. */
  lost(): void {
    this.#end("lost");
  }

  #listen(peer: Peer): Peer {
    const mine = () => peer === this.#peer && !this.#ended;
    peer.on("connection", (connection) => {
      if (!mine()) return;
      if (connection === "up") {
        this.#meter.start();
        // To the server it may be another one, that shows nothing yet.
        this.#conference?.revive();
      }
      this.emit("connection", connection);
    });
    peer.on("silent", () => {
      if (mine()) this.#context.session.probe();
    });
    peer.on("slots", (slots) => {
      if (mine()) this.#onSlots(slots);
    });
    peer.on("refused", (error) => {
      if (mine() && this.#accepted && isOver(error)) this.#fail(error);
    });
    return peer;
  }

  async #connect(): Promise<void> {
    const early = !this.#accepted;
    try {
      await this.#peer.connect();
    } catch (error) {
      // Where too many devices ring, they connect after accept: `accept` tries again. In a new session `revive` does.
      const lost = error instanceof TertuliaError && error.code === "session_lost";
      if (!this.#ended && !early && !lost) this.#fail(error);
    }
  }

  async #signal(sdp: string): Promise<{ sdp: string; slots: Slot[] }> {
    if (!this.#id) throw TertuliaError.of("unknown_call");
    return offer(this.#context.session, this.#id, sdp);
  }

  #onRoster(frame: CallRoster): void {
    const roster = frame.participants;
    const grown = frame.conference === true && !this.#conference;
    if (grown) this.#grow();
    this.#conference?.onRoster(frame);
    const me = roster.find((entry) => this.#isMe(entry));
    if (me) this.#hold.told(me.held ?? false);
    const heldByOther = this.other?.held ?? false;
    const changed = heldByOther !== this.#heldByOther;
    this.#heldByOther = heldByOther;
    this.emit("roster", roster);
    if (grown && this.#conference) this.emit("conference", this.#conference);
    this.#tellMedia();
    if (changed) this.emit("hold", { held: this.held, heldByOther });
  }

  #makeConference(): Conference {
    const context: ConferenceContext = {
      request: (request) => this.#context.session.request({ ...request, call_id: this.#id ?? "" } as Request),
      isMe: (who) => this.#isMe(who),
      track: (mid) => this.#peer.slotTrack(mid),
      level: (mid) => this.#peer.slotLevel(mid),
      held: () => this.held,
      makeRoom: () => this.#peer.grow(LINES_OF_A_CROWD),
      first: this.remote.audio,
    };
    return new Conference(context, this.group);
  }

  /** It was of two: what arrives flows on, and more lines come. */
  #grow(): void {
    this.#conference = this.#makeConference();
    for (const stream of [this.remote.camera, this.remote.screen]) setTrack(stream, undefined);
    this.#peer.grow(LINES_OF_MANY);
    this.#onSlots(this.slots);
  }

  #onPublish(wanted: PublishWanted[]): void {
    if (!this.#conference) return;
    for (const { source, max_height: height } of wanted) this.#peer.setWanted(source, height ?? 0);
    this.#conference.onPublish(wanted);
  }

  #onHold(held: boolean): void {
    if (this.#ended) return;
    void this.local.setHeld(held);
    this.#onSlots(this.slots);
    this.emit("hold", { held, heldByOther: this.#heldByOther });
  }

  /** This call goes on: the others are on hold meanwhile, and after it if the server grants the request. */
  async #instead(request: Promise<unknown>): Promise<void> {
    for (const other of this.#context.others(this)) other.holdDuring(request);
    await request;
  }

  #onSlots(slots: Slot[]): void {
    let changed = false;
    this.#conference?.onSlots(slots);
    for (const source of this.#conference ? [] : (Object.keys(STREAM_OF) as Source[])) {
      const slot = this.held ? undefined : slots.find((slot) => slot.source === source);
      const track = slot && this.#peer.slotTrack(slot.mid);
      changed = setTrack(this.remote[STREAM_OF[source]], track) || changed;
    }
    this.emit("slots", slots);
    if (changed) this.emit("remote", this.remote);
  }

  /** Tells the others what we send, whenever that has changed. Before the answer there is nobody to tell. */
  #tellMedia(): void {
    const isIn = isAnswered(this.#state) || (this.#conference && this.roster.some((entry) => this.#isMe(entry)));
    if (!this.#id || this.#ended || !this.#accepted || !isIn) return;
    const flags = this.local.flags;
    const key = JSON.stringify(flags);
    if (key === this.#sentFlags) return;
    this.#sentFlags = key;
    const request = { type: "call.media", call_id: this.#id, ...flags } as const;
    this.#context.session.request(request).catch(() => {
      this.#sentFlags = "";
    });
  }

  /** For requests whose refusal changes nothing: the call is over already. */
  #quietly(request: Parameters<Session["request"]>[0]): void {
    this.#context.session.request(request).catch(() => undefined);
  }

  #isMe(entry: Participant): boolean {
    const me = this.#context.me();
    return entry.user_id === me?.user_id && entry.device_id === me.device_id;
  }

  #setState(state: CallPhase): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", state);
  }

  #fail(error: unknown): void {
    const known = error instanceof TertuliaError ? error : undefined;
    this.#end(reasonOf(known, this.direction), known);
    // The server may still hold our side of it.
    if (this.#id && this.#accepted && !isOver(error)) this.#quietly({ type: this.#conference ? "call.leave" : "call.hangup", call_id: this.#id });
  }

  #end(reason: EndReason, error?: TertuliaError, durationMs?: number): void {
    if (this.#ended) return;
    const answered = this.answeredAt;
    const lasted = durationMs ?? (answered === undefined ? 0 : Math.max(0, Date.now() - answered));
    this.#ended = { reason, durationMs: lasted, error };
    this.#meter.stop();
    this.local.close();
    this.#peer.close();
    this.#conference?.close();
    for (const stream of Object.values(this.remote) as MediaStream[]) setTrack(stream, undefined);
    this.#setState("ended");
    this.emit("ended", this.#ended);
  }
}
