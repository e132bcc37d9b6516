// What a group call has beside what calls of two have: who is in it, what each of them sends, who speaks, who has a hand up.
//
// Invariant: the newest roster says who is in, the newest slots say which line carries whom. A member's streams stay the same for as
// long as they are in; tracks come and go in them. A line's stream stays the same for the whole call.

import { setTrack, STREAM_OF, type RemoteStreams } from "./call-types.js";
import { Emitter } from "./emitter.js";
import { Viewing } from "./viewing.js";
import type { Request } from "./session.js";
import type {
  CallGroup,
  CallRoster,
  OkFrame,
  Participant,
  Person,
  PublishWanted,
  RosterEntry,
  Slot,
  Source,
  UserId,
  ViewWant,
} from "./proto.js";

export interface ConferenceEvents {
  /** Who is in, who rings, or what one of them sends has changed. */
  roster: Member[];
  /** A track of these members came or went. */
  streams: Member[];
  /** Loudest first. */
  speakers: Member[];
  reaction: Reaction;
  /** What the others show of what this device sends. */
  publish: PublishWanted[];
  /** To hosts of a link's call: who waits to be let in has changed. */
  waiting: readonly Person[];
}

/** One device in a group call. */
export interface Member {
  /** Unlike any other's of the call. */
  readonly key: string;
  readonly entry: RosterEntry;
  /** It is this device. */
  readonly me: boolean;
  /** What arrives of it now. Of one's own device nothing. */
  readonly streams: RemoteStreams;
}

export interface Reaction {
  /** Absent: they have left already. */
  from: Member | undefined;
  reaction: string;
}

/** A line on which voices arrive, and whose that is now. */
export interface Line {
  readonly mid: string;
  readonly stream: MediaStream;
  member: Member | undefined;
}

/** What a conference needs of its call. */
export interface ConferenceContext {
  /** Asks the server about this call. */
  request: (request: OfCall<Request>) => Promise<OkFrame>;
  isMe: (who: Participant) => boolean;
  track: (mid: string) => MediaStreamTrack | undefined;
  /** How loud a line is now, from 0 to 1. */
  level: (mid: string) => number;
  held: () => boolean;
  /** Asks for lines for more pictures than there are at first. */
  makeRoom: () => void;
  /** The stream of the first line of voices: the one that there was when the call was of two. */
  first: MediaStream;
}

type OfCall<T> = T extends { call_id: string } ? Omit<T, "call_id"> : never;

/** Pictures that may be shown at once, until the server has said how many lines there are for them. */
const PICTURES = 9;

export class Conference extends Emitter<ConferenceEvents> {
  /** Whose call it is, if a group's. */
  readonly group: CallGroup | undefined;
  readonly #context: ConferenceContext;
  readonly #viewing: Viewing;
  #members: Member[] = [];
  #ringing: Person[] = [];
  #waiting: readonly Person[] = [];
  #hosts: UserId[] = [];
  #approval = false;
  #speaking: string[] = [];
  #slots: Slot[] = [];
  #lines: Line[] = [];
  #pictures = PICTURES;

  /** Made by `Call`. */
  constructor(context: ConferenceContext, group: CallGroup | undefined) {
    super();
    this.#context = context;
    this.group = group;
    this.#viewing = new Viewing(() => this.#pictures, (wants) => context.request({ type: "call.view", wants }));
  }

  /** Every device that is in, this one included, in the order of their coming. */
  get members(): readonly Member[] {
    return this.#members;
  }

  get me(): Member | undefined {
    return this.#members.find(({ me }) => me);
  }

  get others(): Member[] {
    return this.#members.filter(({ me }) => !me);
  }

  /** Who rings, and has not answered yet. */
  get ringing(): readonly Person[] {
    return this.#ringing;
  }

  /** Who waits to be let in, in the order of their coming. Hosts of a link's call are told. */
  get waiting(): readonly Person[] {
    return this.#waiting;
  }

  /** Lets somebody in who waits, or turns them away. Rejects where they wait no longer, or this person may not. */
  async admit(userId: UserId, admit = true): Promise<void> {
    await this.#context.request({ type: "call.admit", user_id: userId, admit });
  }

  /** Whether this user may be asked to remove others: who started it, and admins of its group. */
  isHost(userId: UserId | undefined): boolean {
    return userId !== undefined && this.#hosts.includes(userId);
  }

  /** Whether this user may add others. In the call of a link that asks for approval hosts alone may. */
  mayAdd(userId: UserId | undefined): boolean {
    return !this.#approval || this.isHost(userId);
  }

  /** Who speaks now, loudest first. */
  get speakers(): Member[] {
    return this.#speaking.flatMap((key) => this.#members.find((member) => member.key === key) ?? []);
  }

  /** The lines of voices. What they play is the loudest few, whoever that is. */
  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** How loud somebody is here and now, from 0 to 1. Who is on no line is not heard. */
  levelOf(member: Member): number {
    const line = this.#lines.find((one) => one.member === member);
    return line ? this.#context.level(line.mid) : 0;
  }

  /** Stops somebody's ringing, or takes them out. Rejects where this person may not. */
  async remove(userId: UserId): Promise<void> {
    await this.#context.request({ type: "call.remove", user_id: userId });
  }

  async raiseHand(raised: boolean): Promise<void> {
    await this.#context.request({ type: "call.hand", raised });
  }

  /** One emoji. */
  async react(reaction: string): Promise<void> {
    await this.#context.request({ type: "call.react", reaction });
  }

  /**
   * What is shown, most important first, with its height in pixels of the screen; what is not said is not sent. May be called as
   * often as one likes: the server hears of changes only, some times a second at most. For more than nine lines are added, up to sixteen;
   * what there is no line for is left out.
   */
  view(wants: readonly ViewWant[]): void {
    if (wants.length > PICTURES) this.#context.makeRoom();
    this.#viewing.set(wants);
  }

  /** @internal The newest word on who is in. */
  onRoster(frame: CallRoster): void {
    const before = new Map(this.#members.map((member) => [member.key, member]));
    this.#members = frame.participants.map((entry) => {
      const key = keyOf(entry);
      const streams = before.get(key)?.streams ?? newStreams();
      const known = before.get(key);
      before.delete(key);
      // The same object for as long as they are in: what holds on to a member sees what is new of them.
      return known ? Object.assign(known, { entry }) : { key, entry, me: this.#context.isMe(entry), streams };
    });
    for (const gone of before.values()) clear(gone.streams);
    this.#ringing = frame.ringing ?? [];
    this.#hosts = frame.hosts ?? [];
    this.#approval = frame.approval ?? false;
    this.#assign();
    this.emit("roster", this.#members);
  }

  /** @internal Which line carries whom. */
  onSlots(slots: Slot[]): void {
    this.#slots = slots;
    this.#assign();
    const pictures = slots.length - this.#lines.length;
    if (pictures === this.#pictures) return;
    this.#pictures = pictures;
    this.#viewing.again();
  }

  /** @internal */
  onSpeakers(speakers: Participant[]): void {
    this.#speaking = speakers.map(keyOf);
    this.emit("speakers", this.speakers);
  }

  /** @internal */
  onReaction(from: Participant, reaction: string): void {
    this.emit("reaction", { from: this.#members.find(({ key }) => key === keyOf(from)), reaction });
  }

  /** @internal */
  onPublish(wanted: PublishWanted[]): void {
    this.emit("publish", wanted);
  }

  /** @internal */
  onWaiting(people: readonly Person[]): void {
    this.#waiting = people;
    this.emit("waiting", people);
  }

  /** @internal The call was put on hold, or goes on. */
  onHold(): void {
    this.#assign();
  }

  /** @internal The server may have forgotten what it was told. */
  revive(): void {
    this.#viewing.again();
  }

  /** @internal */
  close(): void {
    this.#viewing.stop();
    for (const { streams } of this.#members) clear(streams);
    for (const { stream } of this.#lines) setTrack(stream, undefined);
  }

  #assign(): void {
    const held = this.#context.held();
    const tracks = new Map<string, MediaStreamTrack>();
    const lines: Line[] = [];
    for (const slot of this.#slots) {
      const track = this.#context.track(slot.mid);
      const member = slot.participant && this.#members.find(({ key }) => key === keyOf(slot.participant!));
      if (track?.kind === "audio") lines.push(this.#line(slot.mid, lines.length, held ? undefined : track, member));
      if (track && member && slot.source && !held) tracks.set(`${member.key} ${slot.source}`, track);
    }
    this.#lines = lines;
    const changed = this.#members.filter((member) => {
      const set = (source: Source) => setTrack(member.streams[STREAM_OF[source]], tracks.get(`${member.key} ${source}`));
      // All three, whichever of them changes.
      return [set("mic"), set("camera"), set("screen")].includes(true);
    });
    if (changed.length > 0) this.emit("streams", changed);
  }

  #line(mid: string, n: number, track: MediaStreamTrack | undefined, member: Member | undefined): Line {
    const known = this.#lines.find((line) => line.mid === mid);
    const line = known ?? { mid, stream: n === 0 ? this.#context.first : new MediaStream(), member };
    line.member = member;
    setTrack(line.stream, track);
    return line;
  }
}

function keyOf({ user_id: user, device_id: device }: Participant): string {
  return `${user}/${device}`;
}

function newStreams(): RemoteStreams {
  return { audio: new MediaStream(), camera: new MediaStream(), screen: new MediaStream() };
}

function clear(streams: RemoteStreams): void {
  for (const stream of Object.values(streams) as MediaStream[]) setTrack(stream, undefined);
}
