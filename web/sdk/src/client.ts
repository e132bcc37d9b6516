// This device's presence on a server: it places calls, rings for others, and keeps both through lost sockets.

import { AccountApi } from "./account.js";
import { Call } from "./call.js";
import { CallLinksApi } from "./call-links.js";
import type { CallContext, CallInit } from "./call-types.js";
import { Emitter } from "./emitter.js";
import { TertuliaError } from "./errors.js";
import { callHistory, callRecord, demoPeople, withProtocol } from "./http.js";
import { GroupsApi } from "./groups.js";
import { PushApi } from "./push.js";
import { IceSource } from "./ice.js";
import type { LocalMedia, MediaPreferences } from "./media.js";
import { codecOf, type VideoCodec } from "./peer.js";
import type { Socket, Token } from "./opening.js";
import { Session, type CloseCause, type SessionState } from "./session.js";
import { PresenceApi } from "./presence.js";
import { MessagesApi, type MessagesOptions } from "./messages/api.js";
import { MediaApi } from "./uploads.js";
import type {
  CallElsewhere,
  CallHistory,
  CallRecord,
  CallIncoming,
  CallMissed,
  CallPeek,
  CallSnapshot,
  Device,
  ErrorBody,
  GroupCall,
  GroupCallChanged,
  Media,
  MediaProgress,
  MediaRejected,
  Person,
  ServerFrame,
  Settings,
  Welcome,
} from "./proto.js";

export interface ConnectOptions {
  /** The server: `https://calls.example` (or `http:`, `ws:`, `wss:`). */
  url: string;
  /** A token, or a function that fetches one; it is asked again when a token has expired. */
  token: Token;
  /** Names this device; keep it, so that the server knows the device again. Absent: the server names it. */
  deviceId?: string;
  /** Whether this device rings. Without, it only places calls. */
  rings?: boolean;
  /** Whether a second call rings while this device is in one. Without, whoever calls then finds it busy. */
  callWaiting?: boolean;
  /** `relay`: only through a TURN server. For tests, and for people who must not show their address. */
  iceTransportPolicy?: RTCIceTransportPolicy;
  /** Tried first in calls of two; the server and the other side have the last word. Absent: what the server wants. */
  videoCodec?: VideoCodec;
  /** Sends Opus with redundancy (RFC 2198): twice the audio bitrate, for networks that lose packets. */
  audioRed?: boolean;
  /** This device takes messages: `client.messages`. Needs `deviceId`: what it keeps is this user's on this device. */
  messages?: MessagesOptions;
  /** Devices to open. May be changed at any time; calls placed later go by it. */
  prefer?: MediaPreferences;
  /** Opens the socket; for tests. */
  openSocket?: (url: string, protocol: string) => Socket;
}

export interface ClientEvents {
  state: SessionState;
  /** A session is open; `welcome.resumed` tells whether it is the one before. */
  welcome: Welcome;
  /** Someone calls: `call.accept()` or `call.decline()`. */
  incoming: Call;
  /** A call of this device goes on since before this page was loaded: `rejoin` or `leave`. */
  running: CallSnapshot[];
  /** Someone called while nobody answered: since the last connection, or just now. */
  missed: CallMissed[];
  /** Running calls of this person on their other devices: `join` takes one over. With every welcome, and when it changes. */
  elsewhere: CallElsewhere[];
  /** Calls of this person's groups that go on: `joinGroupCall` goes in. With every welcome, and when one changes. */
  groupCalls: GroupCall[];
  /** The devices of this account have changed. */
  devices: Device[];
  /** This person's settings: with every welcome, and when they change on any device. */
  settings: Settings;
  /** An upload of this person, from whichever device, is being made playable. */
  "media.progress": MediaProgress;
  /** It can be had. */
  "media.ready": Media;
  /** It was refused. Without `media_id` it was refused on another device, while it came in. */
  "media.rejected": MediaRejected;
  /** The server is about to go, after this many milliseconds at the latest; the next welcome says that it is back. */
  drain: number;
  /** Demo servers only: everyone who has signed in. */
  people: Person[];
  /** The session is over for good: closed here, displaced by another page, revoked, or refused. */
  closed: CloseCause;
}

type CallFrame = Extract<ServerFrame, { call_id: string }>;
type MediaFrame = Extract<ServerFrame, { type: `media.${string}` }>;

/** Frames kept for a call whose invite is not answered yet. Its first few are all that can come. */
const EARLY_MAX = 16;

/** Connects. Events tell the rest; what is asked for meanwhile is sent once the session is open. */
export function connect(options: ConnectOptions): Client {
  return new Client(options);
}

export class Client extends Emitter<ClientEvents> {
  /** Devices to open; changes count for calls placed or accepted later. */
  readonly prefer: MediaPreferences;
  /** Devices, settings, profile, blocks: see `AccountApi`. */
  readonly account: AccountApi;
  /** Pictures, videos, voice notes and files: see `MediaApi`. */
  readonly media: MediaApi;
  /** Conversations: see `MessagesApi`. Absent without the option of that name. */
  readonly messages: MessagesApi | undefined;
  /** Who is here, who types: see `PresenceApi`. */
  readonly presence: PresenceApi;
  /** Groups: see `GroupsApi`. */
  readonly groups: GroupsApi;
  /** Addresses that lead into a call: see `CallLinksApi`. */
  readonly callLinks: CallLinksApi;
  /** Being woken: see `PushApi`. */
  readonly push: PushApi;
  readonly #options: ConnectOptions;
  readonly #http: string;
  readonly #session: Session;
  readonly #calls = new Map<string, Call>();
  #placing: Call | undefined;
  /** A call that came in while our own invite was under way: perhaps the same people calling each other. */
  #held: CallIncoming | undefined;
  /** Frames of a call whose id we are about to learn. */
  #early: CallFrame[] = [];
  #token: string | undefined;
  readonly #ice: IceSource;
  /** Which run of the server we are with. */
  #instance: string | undefined;
  #clockAhead = 0;
  #people: Person[] = [];
  #elsewhere: CallElsewhere[] = [];
  #groupCalls: GroupCall[] = [];
  #settings: Settings = { online: "contacts", last_seen: "contacts" };

  constructor(options: ConnectOptions) {
    super();
    this.#options = options;
    this.prefer = options.prefer ?? {};
    const url = new URL(options.url);
    this.#http = withProtocol(url, url.protocol.replace("ws", "http"));
    if (url.pathname === "/") url.pathname = "/v1/ws";
    this.#session = new Session({
      url: withProtocol(url, url.protocol.replace("http", "ws")),
      token: async (last) => {
        // What the store can keep decides what is asked for.
        await this.messages?.ready;
        return this.#freshToken(last);
      },
      deviceId: options.deviceId,
      rings: options.rings ?? true,
      callWaiting: options.callWaiting ?? true,
      messages: () => this.messages?.usable ?? false,
      urgent: () => this.calls.some((call) => call.accepted),
      ...(options.openSocket && { openSocket: options.openSocket }),
    });
    const session = this.#session;
    if (options.messages) {
      if (options.deviceId === undefined) throw new TypeError("messages are kept for a device: pass deviceId");
      this.messages = new MessagesApi(options.messages, options.deviceId, {
        request: (request) => session.request(request),
        tell: (frame) => session.tell(frame),
        serverTime: (localMs) => this.serverTime(localMs),
        media: () => this.media,
      });
    }
    this.presence = new PresenceApi({
      request: (request) => session.request(request),
      isOnline: () => session.state === "online",
      welcome: () => this.welcome,
      localTime: (serverMs) => this.localTime(serverMs),
    });
    const bearer = (refused?: TertuliaError) => this.#bearer(refused);
    this.account = new AccountApi(this.#http, bearer);
    this.groups = new GroupsApi(this.#http, bearer, (group) => this.messages?.keepGroup(group) ?? Promise.resolve());
    this.callLinks = new CallLinksApi(this.#http, bearer, session);
    this.push = new PushApi(this.#http, bearer, () => options.deviceId);
    this.messages?.learnGroups((id) => this.groups.get(id));
    this.media = new MediaApi(this.#http, bearer, () => {
      const welcome = this.welcome;
      if (!welcome) return undefined;
      return { userId: welcome.user_id, deviceId: welcome.device_id, limits: welcome.uploads };
    });
    this.#ice = new IceSource((signal) => this.account.iceServers(signal), {
      serverNow: () => this.serverTime(Date.now()),
    });
    this.#session.on("state", (state) => this.emit("state", state));
    this.#session.on("welcome", (welcome) => this.#onWelcome(welcome));
    this.#session.on("frame", (frame) => this.#onFrame(frame));
    this.#session.on("closed", (cause) => {
      for (const call of this.calls) call.lost();
      this.messages?.onClosed();
      this.presence.close();
      this.emit("closed", cause);
    });
  }

  get state(): SessionState {
    return this.#session.state;
  }

  /** The last welcome: who we are, which device, what the server allows. */
  get welcome(): Welcome | undefined {
    return this.#session.welcome;
  }

  /** Demo servers only. */
  get people(): Person[] {
    return this.#people;
  }

  /** Running calls of this person on their other devices. */
  get elsewhere(): CallElsewhere[] {
    return this.#elsewhere;
  }

  /** Calls of this person's groups that go on, one a group at most, as last told. */
  get groupCalls(): GroupCall[] {
    return this.#groupCalls;
  }

  /** This person's settings, as last told. */
  get settings(): Settings {
    return this.#settings;
  }

  /** This browser's clock at a moment of the server's. */
  localTime(serverMs: number): number {
    return serverMs - this.#clockAhead;
  }

  /** The server's clock at a moment of this browser's. */
  serverTime(localMs: number): number {
    return localMs + this.#clockAhead;
  }

  /** Calls that have not ended. */
  get calls(): Call[] {
    const calls = [...this.#calls.values()];
    if (this.#placing && !this.#placing.ended) calls.push(this.#placing);
    return calls;
  }

  /** Calls someone. What goes wrong is told by the call's `ended`. */
  call(userId: string, options: { video?: boolean; name?: string } = {}): Call {
    const peer = { user_id: userId, name: options.name ?? userId };
    const media = options.video ? "video" : "voice";
    return this.#placeAs({ peer, direction: "outgoing", media, phase: "inviting" });
  }

  /** Starts the call of a group, or joins the one that goes on there. What goes wrong is told by the call's `ended`. */
  startGroupCall(groupId: string, options: { video?: boolean; name?: string } = {}): Call {
    const group = { group_id: groupId, name: options.name ?? "" };
    const media = options.video ? "video" : "voice";
    return this.#placeAs({ peer: this.#me(), direction: "outgoing", media, phase: "inviting", conference: true, group });
  }

  /**
   * Starts a link's call, goes into it, or waits to be let in: its state is `waiting` until a host does, or `ended` says why not.
   * `local`: microphone and camera as one has seen them before; they are the call's from now on, and end with it.
   */
  joinByLink(token: string, options: { video?: boolean; name?: string; local?: LocalMedia } = {}): Call {
    const media = options.video ? "video" : "voice";
    const init = { peer: this.#me(), direction: "outgoing", media, phase: "inviting", conference: true } as const;
    return this.#placeAs({ ...init, link: { token, name: options.name }, local: options.local });
  }

  /** Goes into a group call that goes on, late or again. `name` is the group's. */
  joinGroupCall(going: GroupCall, options: { video?: boolean; name?: string } = {}): Call {
    const { call_id: id, group_id, media, started_by: peer, started_at: answeredAt } = going;
    const known = this.#calls.get(id);
    if (known) {
      // It rings here: that is to accept it.
      void known.accept(options);
      return known;
    }
    const group = { group_id, name: options.name ?? "" };
    const call = this.#make({ id, peer, direction: "incoming", media, phase: "connecting", answeredAt, conference: true, group });
    void call.takeOver(options.video ?? media === "video");
    return call;
  }

  /** Who is in a group call, before one joins it. */
  async peek(callId: string): Promise<CallPeek> {
    const { peek } = await this.#session.request({ type: "call.peek", call_id: callId });
    if (!peek) throw TertuliaError.of("internal");
    return peek;
  }

  /** Goes back into a call that `running` told of. */
  rejoin(snapshot: CallSnapshot, options: { video?: boolean } = {}): Call {
    const call = this.#adoptSnapshot(snapshot);
    call.rejoin(options.video ?? snapshot.media === "video");
    return call;
  }

  /** Takes a running call over from another device of this person; that one hears `ended` with `handed_over`. */
  join(elsewhere: CallElsewhere, options: { video?: boolean } = {}): Call {
    const { call_id: id, peer, media, answered_at: answeredAt, conference, group } = elsewhere;
    const call = this.#make({ id, peer, direction: "incoming", media, phase: "connecting", answeredAt, conference, group });
    void call.takeOver(options.video ?? media === "video");
    return call;
  }

  /** Ends a call that `running` told of, without going back into it. */
  async leave(snapshot: CallSnapshot): Promise<void> {
    const call_id = snapshot.call_id;
    if (snapshot.conference) {
      await this.#session.request({ type: "call.leave", call_id });
      return;
    }
    const answered = snapshot.phase !== "offered" && snapshot.phase !== "ringing";
    const type = answered || !snapshot.outgoing ? "call.hangup" : "call.cancel";
    await this.#session.request({ type, call_id });
  }

  /** A page of this user's calls, newest first. */
  async history(page: { before?: string | undefined; limit?: number } = {}): Promise<CallHistory> {
    return callHistory(this.#http, await this.#bearer(), page);
  }

  /** One of this user's calls that are over, with everybody who was in it. */
  async pastCall(callId: string): Promise<CallRecord> {
    return callRecord(this.#http, await this.#bearer(), callId);
  }

  /** Demo servers only: everyone who has signed in. */
  async fetchPeople(): Promise<Person[]> {
    const before = this.#people;
    const { people } = await demoPeople(this.#http, await this.#bearer());
    if (this.#people === before) this.emit("people", (this.#people = people)); // else what was told meanwhile is newer
    return this.#people;
  }

  /** Hangs up and disconnects for good. */
  close(): void {
    for (const call of this.calls) call.hangup();
    this.#session.close();
    this.messages?.close();
  }

  /** The token that the session uses; a fresh one where it was refused. */
  async #bearer(refused?: TertuliaError): Promise<string> {
    if (this.#token !== undefined && !refused) return this.#token;
    return this.#freshToken(refused?.body);
  }

  async #freshToken(last: ErrorBody | undefined): Promise<string> {
    const { token } = this.#options;
    this.#token = typeof token === "string" ? token : await token(last);
    return this.#token;
  }

  #me(): Person {
    const { user_id = "", name = "" } = this.welcome ?? {};
    return { user_id, name };
  }

  #placeAs(init: CallInit): Call {
    const call = this.#make(init);
    this.#placing = call;
    void this.#place(call);
    return call;
  }

  async #place(call: Call): Promise<void> {
    const before = call.id;
    await call.place();
    if (before !== undefined && before !== call.id) this.#calls.delete(before);
    if (this.#placing === call) this.#placing = undefined;
    const held = this.#held;
    const early = this.#early.splice(0);
    this.#held = undefined;
    const id = call.id;
    if (id && !call.ended) {
      const known = this.#calls.get(id);
      const rang = known === call ? undefined : known;
      if (known !== call) this.#track(id, call);
      if (rang) call.adopt(rang);
      // Of two, what rang is connected already.
      if (!rang || call.conference) call.connectPlaced();
      for (const frame of early) if (frame.call_id === id) call.handle(frame);
    }
    if (held && held.call_id !== id) this.#ringFor(held);
  }

  #onWelcome(welcome: Welcome): void {
    this.#clockAhead = welcome.now - Date.now();
    this.#ice.told(welcome.ice_servers, welcome.ice_expires_at);
    const anew = this.#instance !== undefined && this.#instance !== welcome.instance;
    this.#instance = welcome.instance;
    this.messages?.onWelcome(welcome);
    this.presence.onWelcome(welcome);
    this.emit("welcome", welcome);
    const before = [...this.#calls.values()];
    if (!welcome.resumed) this.#reconcile(welcome.calls);
    if (anew || !welcome.resumed) for (const call of before) this.#goOn(call, anew);
    this.#onElsewhere(welcome.calls_elsewhere);
    this.#onGroupCalls(welcome.group_calls ?? []);
    this.#onSettings(welcome.settings);
    if (welcome.missed_calls.length > 0) this.emit("missed", welcome.missed_calls);
  }

  /** Who waited in another session waits no more: they ask again, once. */
  #goOn(call: Call, anew: boolean): void {
    if (call.state !== "waiting") call.revive(anew);
    else if (this.#placing !== call) void this.#place((this.#placing = call));
  }

  #onElsewhere(calls: CallElsewhere[]): void {
    this.#elsewhere = calls;
    this.emit("elsewhere", calls);
  }

  #onGroupCalls(calls: GroupCall[]): void {
    this.#groupCalls = calls;
    this.emit("groupCalls", calls);
  }

  #onGroupCall({ group_id: id, call }: GroupCallChanged): void {
    const others = this.#groupCalls.filter(({ group_id }) => group_id !== id);
    this.#onGroupCalls(call ? [...others, call] : others);
  }

  #onSettings({ do_not_disturb_until: until, online, last_seen }: Settings): void {
    this.#settings = { online, last_seen, ...(until !== undefined && { do_not_disturb_until: until }) };
    this.emit("settings", this.#settings);
  }

  /** The session is new: what the server knows counts. */
  #reconcile(snapshots: CallSnapshot[]): void {
    const known = new Set(snapshots.map((snapshot) => snapshot.call_id));
    for (const [id, call] of [...this.#calls]) {
      if (!known.has(id) && call.state !== "waiting") call.lost();
    }
    const running: CallSnapshot[] = [];
    for (const snapshot of snapshots) {
      const call = this.#calls.get(snapshot.call_id);
      if (call) call.continueFrom(snapshot);
      else if (!snapshot.outgoing && (snapshot.phase === "offered" || snapshot.phase === "ringing")) {
        this.#announce(this.#adoptSnapshot(snapshot));
      } else running.push(snapshot);
    }
    if (running.length > 0) this.emit("running", running);
  }

  #onFrame(frame: ServerFrame): void {
    switch (frame.type) {
      case "call.incoming":
        this.#onIncoming(frame);
        break;
      case "call.group":
        this.#onGroupCall(frame);
        break;
      case "call.missed":
        this.emit("missed", [frame]);
        break;
      case "calls.elsewhere":
        this.#onElsewhere(frame.calls);
        break;
      case "devices":
        this.emit("devices", frame.devices);
        break;
      case "settings":
        this.#onSettings(frame);
        break;
      case "media.progress":
      case "media.ready":
      case "media.rejected":
        // What others could not send is none of one's own uploads.
        if (frame.type !== "media.rejected" || frame.from === undefined) this.messages?.onMedia(frame);
        this.#onMedia(frame);
        break;
      case "error":
        this.messages?.onRefused(frame.error);
        break;
      case "presence":
      case "typing":
        this.presence.onFrame(frame);
        break;
      case "message":
        this.presence.onMessage(frame.from, frame.to, this.welcome?.user_id);
        this.messages?.onFrame(frame);
        break;
      case "receipts":
      case "gap":
      case "drained":
        this.messages?.onFrame(frame);
        break;
      case "drain":
        this.emit("drain", frame.deadline_ms);
        break;
      case "demo.people":
        this.#people = frame.people;
        this.emit("people", this.#people);
        break;
      case "call.state":
      case "call.roster":
      case "call.roster_changes":
      case "call.slots":
      case "call.quality":
      case "call.speakers":
      case "call.reaction":
      case "call.publish":
      case "call.waiting":
        this.#onCallFrame(frame);
        break;
      case "call.ended":
        if (this.#held?.call_id === frame.call_id) this.#held = undefined;
        this.#onCallFrame(frame);
        break;
      default:
        break;
    }
  }

  #onMedia({ type, ...told }: MediaFrame): void {
    this.emit(type, told as ClientEvents[typeof type]);
  }

  #onCallFrame(frame: CallFrame): void {
    const call = this.#calls.get(frame.call_id);
    if (call) call.handle(frame);
    else if (this.#placing && this.#early.length < EARLY_MAX) this.#early.push(frame);
  }

  #onIncoming(incoming: CallIncoming): void {
    if (this.#calls.has(incoming.call_id)) return;
    const placing = this.#placing;
    const same = incoming.group
      ? placing?.group?.group_id === incoming.group.group_id
      : placing?.link
        ? incoming.conference === true
        : placing && !placing.group && placing.peer.user_id === incoming.from.user_id;
    if (same) this.#held = incoming;
    else this.#ringFor(incoming);
  }

  #ringFor(incoming: CallIncoming): void {
    const { call_id: id, from: peer, media, conference, group } = incoming;
    const others = this.calls.filter((call) => call.accepted && call.state !== "waiting").length;
    const call = this.#make({ id, peer, direction: "incoming", media, phase: "ringing", conference, group });
    if (others > (this.#options.callWaiting === false ? 0 : 1)) call.decline("busy");
    else this.#announce(call);
  }

  #announce(call: Call): void {
    call.ring();
    this.emit("incoming", call);
  }

  #adoptSnapshot(snapshot: CallSnapshot): Call {
    return this.#make({
      id: snapshot.call_id,
      peer: snapshot.peer,
      direction: snapshot.outgoing ? "outgoing" : "incoming",
      media: snapshot.media,
      phase: snapshot.phase,
      answeredAt: snapshot.answered_at,
      held: snapshot.held,
      conference: snapshot.conference,
      group: snapshot.group,
    });
  }

  #make(init: CallInit): Call {
    const groupCodec = codecOf(this.welcome?.video_codec);
    const context: CallContext = {
      session: this.#session,
      peerOptions: {
        ice: this.#ice,
        videoCodec: this.#options.videoCodec ?? groupCodec,
        groupCodec,
        red: this.#options.audioRed ?? false,
        iceTransportPolicy: this.#options.iceTransportPolicy ?? "all",
      },
      prefer: this.prefer,
      me: () => this.welcome,
      localTime: (serverMs) => this.localTime(serverMs),
      others: (call) => this.calls.filter((other) => other !== call && other.accepted && other.state !== "waiting"),
    };
    const call = new Call(context, init);
    if (init.id) this.#track(init.id, call);
    return call;
  }

  #track(id: string, call: Call): void {
    this.#calls.set(id, call);
    call.on("ended", () => void (this.#calls.get(id) === call && this.#calls.delete(id)));
  }
}
