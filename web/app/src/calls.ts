// The calls of this page: who rings, the call one is in, and the one on hold beside it.
//
// Invariant: at most one call is shown (`current`), at most one waits on hold behind it (`aside`), at most one rings.

import {
  TertuliaError,
  type Call,
  type CallElsewhere,
  type CallSnapshot,
  type Client,
  type Ended,
  type GroupCall,
  type Person,
} from "@tertulia/sdk";
import { callForAttention, stopCalling, titleOf } from "./attention.js";
import { play } from "./sound.js";
import { sayEnded, sayError, sayProblem, type Saying } from "./words.js";
import { sayConferenceEnded, titleOfCall } from "./words-conference.js";

interface Host {
  readonly client: Client | undefined;
  changed(): void;
  announce(text: string): void;
  toast(text: string, tone?: Saying["tone"], action?: { label: string; run: () => void }): void;
  /** A call has ended: its record is, or soon will be, in the history. */
  recorded(): void;
  /** Whether this person is new here: to block them is at hand. */
  isStranger(person: Person): boolean;
  block(person: Person): void;
  /** What a group is called here, if that is known. */
  groupName(groupId: string): string | undefined;
  /** Another call is on. */
  entered(call: Call): void;
  /** Where a call link leads. */
  openCallLink(token: string): void;
}

export class Calls {
  incoming: Call | undefined;
  current: Call | undefined;
  aside: Call | undefined;
  /** Calls that go on since before this page was loaded. */
  running: CallSnapshot[] = [];
  /** Calls of this person on their other devices. */
  elsewhere: CallElsewhere[] = [];
  /** How loud somebody is played here, from 0 to 1, while this page is open; absent: as they come. */
  readonly volumes = new Map<string, number>();
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  place(person: Person, video: boolean): void {
    const { client } = this.#host;
    if (!client || this.current) return;
    this.#enter(client.call(person.user_id, { name: person.name, video }));
    play("ringback");
  }

  /** Starts the call of a group, or goes into the one that goes on there. */
  startGroup(groupId: string, video: boolean): void {
    const { client } = this.#host;
    if (!client || this.current) return;
    const going = this.goingOf(groupId);
    const options = { video, ...this.#named(groupId) };
    if (this.incoming?.group?.group_id === groupId) this.accept(video);
    else this.#enter(going ? client.joinGroupCall(going, options) : client.startGroupCall(groupId, options));
  }

  /** Goes into a group's call that goes on. */
  joinGroup(going: GroupCall): void {
    this.startGroup(going.group_id, going.media === "video");
  }

  /** The call of a group that goes on, unless this page is in it. */
  goingOf(groupId: string): GroupCall | undefined {
    const going = this.#host.client?.groupCalls.find(({ group_id: id }) => id === groupId);
    const here = [this.current, this.aside].some((call) => call?.id === going?.call_id);
    return here ? undefined : going;
  }

  /** Has more people ring in the call that is shown. */
  async add(userIds: string[]): Promise<boolean> {
    const { current } = this;
    return current !== undefined && this.attempt(current.add(userIds));
  }

  /** Says what the server refuses. True: it did not. */
  async attempt(request: Promise<unknown>): Promise<boolean> {
    try {
      await request;
      return true;
    } catch (error) {
      this.#sayError(error, this.current ? this.titleOf(this.current) : "");
      return false;
    }
  }

  /** What a call is called: the other side, the group, or who is in it. */
  titleOf(call: Pick<Call, "peer" | "group" | "conference" | "link">): string {
    return titleOfCall(call, call.group && this.#host.groupName(call.group.group_id));
  }

  /** The same of one that this page is not in. */
  titleOfOther({ peer, group, conference }: CallElsewhere | CallSnapshot): string {
    if (group) return this.#host.groupName(group.group_id) || group.name;
    return conference ? "several people" : peer.name;
  }

  #named(groupId: string): { name?: string } {
    const name = this.#host.groupName(groupId);
    return name === undefined ? {} : { name };
  }

  /** Answers who rings. A call that is on goes on hold: the client sees to that. */
  accept(video: boolean): void {
    const call = this.incoming;
    if (!call) return;
    this.#stopRinging();
    this.incoming = undefined;
    this.#enter(call);
    void call.accept({ video });
  }

  decline(): void {
    const call = this.incoming;
    if (!call) return;
    call.decline();
    if (!call.conference) this.#offerBlock(call, `You declined ${call.peer.name}’s call`);
  }

  hold(on: boolean): void {
    const call = this.current;
    call?.hold(on).catch((error: unknown) => this.#sayError(error, this.titleOf(call)));
  }

  /** Goes on with the call that is aside; the one that is on goes on hold. */
  swap(): void {
    const { current, aside } = this;
    if (!aside) return;
    this.current = aside;
    this.aside = current;
    const title = this.titleOf(aside);
    titleOf(title);
    this.#host.announce(`Now talking to ${title}`);
    this.#host.changed();
    aside.hold(false).catch((error: unknown) => this.#sayError(error, title));
  }

  /** Goes back into what went on while the page was loaded anew: the one that was on, and the one on hold. */
  rejoin(): void {
    const { client } = this.#host;
    if (!client || this.current) return;
    const snapshots = [...this.running].sort((a, b) => Number(b.held ?? false) - Number(a.held ?? false));
    this.running = [];
    for (const snapshot of snapshots) this.#enter(client.rejoin(snapshot));
  }

  leaveRunning(): void {
    const snapshots = this.running;
    this.running = [];
    this.#host.changed();
    for (const snapshot of snapshots) {
      this.#host.client?.leave(snapshot).catch((error: unknown) => this.#sayError(error, this.titleOfOther(snapshot)));
    }
  }

  /** Takes a call over from another device of this person. */
  join(call: CallElsewhere): void {
    const { client } = this.#host;
    if (!client || this.current) return;
    this.#enter(client.join(call));
  }

  /** A link has led into this one. */
  enter(call: Call): void {
    this.#enter(call);
  }

  // ── what the client tells ──

  onIncoming(call: Call): void {
    // One rings at a time; who comes third finds a device that is taken.
    if (this.incoming || (this.current && this.aside)) {
      call.decline("busy");
      return;
    }
    this.incoming = call;
    if (this.current) {
      // What shows it says it to screen readers too, before anything else.
      play("waiting");
    } else {
      this.#host.announce(call.group ? `${call.peer.name} is calling ${this.titleOf(call)}` : `${call.peer.name} is calling you`);
      play("ring");
    }
    callForAttention(call.group ? this.titleOf(call) : call.peer.name, call.kind === "video");
    this.#watchEnd(call);
  }

  forget(): void {
    this.incoming = this.current = this.aside = undefined;
    this.running = [];
    this.elsewhere = [];
    this.#stopRinging();
  }

  #enter(call: Call): void {
    if (this.current) this.aside = this.current;
    this.current = call;
    this.#host.entered(call);
    titleOf(this.titleOf(call));
    call.on("state", () => {
      if (call.state !== "inviting" && call.state !== "offered" && call.state !== "ringing" && !this.incoming) {
        play(undefined);
      }
      this.#host.changed();
    });
    for (const event of ["connection", "roster", "media", "remote"] as const) {
      call.on(event, () => this.#host.changed());
    }
    call.on("conference", () => {
      if (call === this.current) titleOf(this.titleOf(call));
      this.#host.announce("It is a group call now");
      this.#host.changed();
    });
    call.on("hold", ({ heldByOther }) => {
      this.#onHold(call);
      if (call === this.current && heldByOther) this.#host.announce(`${call.peer.name} has put the call on hold`);
    });
    call.on("problem", (problem) => this.#host.toast(sayProblem(problem), "bad"));
    if (call.direction === "outgoing" || call.accepted) this.#watchEnd(call);
    this.#host.changed();
  }

  /** What is on is what is shown, also where the server has changed which that is. */
  #onHold(call: Call): void {
    if (call === this.aside && !call.held && this.current?.held) {
      this.aside = this.current;
      this.current = call;
      titleOf(this.titleOf(call));
    }
    this.#host.changed();
  }

  #watchEnd(call: Call): void {
    call.on("ended", (ended) => {
      if (this.incoming === call) {
        this.#stopRinging();
        this.incoming = undefined;
      }
      if (this.aside === call) this.aside = undefined;
      if (this.current === call) {
        this.current = this.aside;
        this.aside = undefined;
        titleOf(this.current && this.titleOf(this.current));
        // Who was waiting now rings like anybody.
        if (!this.incoming) play(undefined);
        else if (!this.current) play("ring");
      }
      this.#sayEnded(call, ended);
      this.#host.changed();
      this.#host.recorded();
    });
  }

  #sayEnded(call: Call, ended: Ended): void {
    const saying = call.conference ? sayConferenceEnded(this.titleOf(call), call, ended) : sayEnded(call, ended);
    if (!saying) return;
    this.#host.announce(saying.text);
    if (call.conference) return this.#host.toast(saying.text, saying.tone, this.#wayBack(call));
    if (call.direction === "incoming" && ended.reason === "hangup" && this.#offerBlock(call, saying.text)) return;
    const { peer, kind } = call;
    const retry = { label: "Call again", run: () => this.place(peer, kind === "video") };
    this.#host.toast(saying.text, saying.tone, saying.again && !this.current ? retry : undefined);
  }

  /** A group's call is joined where its group is; one of no group here, as long as others are in it. */
  #wayBack(call: Call): { label: string; run: () => void } | undefined {
    const { id, peer, kind, group, conference, answeredAt } = call;
    if (id === undefined || group || !conference || conference.others.length === 0 || this.current) return undefined;
    if (call.ended?.reason !== "hangup" && call.ended?.reason !== "lost") return undefined;
    const { link } = call;
    if (link) return { label: "Join again", run: () => this.#host.openCallLink(link.token) };
    const left = { call_id: id, peer, media: kind, answered_at: answeredAt ?? Date.now(), conference: true, device_id: "" };
    return { label: "Join again", run: () => this.join(left) };
  }

  /** Whoever calls for the first time may be somebody one does not want to hear from again. */
  #offerBlock({ peer }: Call, text: string): boolean {
    if (!this.#host.isStranger(peer)) return false;
    this.#host.toast(text, "plain", { label: "Block", run: () => this.#host.block(peer) });
    return true;
  }

  #stopRinging(): void {
    const { current } = this;
    const calling = current?.direction === "outgoing" && current.answeredAt === undefined && !current.conference;
    play(calling ? "ringback" : undefined);
    stopCalling();
    // Its tab said who is calling.
    titleOf(this.current && this.titleOf(this.current));
  }

  #sayError(error: unknown, who: string): void {
    if (error instanceof TertuliaError) this.#host.toast(sayError(error, who), "bad");
  }
}
