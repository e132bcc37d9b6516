// A call link was followed here: what it leads into, a look at oneself before it, and the wait until one is let in.
//
// Invariant: microphone and camera are open only between `look` and the end of what one came for; whatever way one leaves, they are closed,
// or the call has them.

import { LocalMedia, TertuliaError, type Call, type CallLinkPeek, type Client, type MediaProblem } from "@tertulia/sdk";
import type { Preferences } from "./store.js";
import { sayLinkEnd, sayLinkRefusal, type Told } from "./words-links.js";

interface Host {
  readonly client: Client | undefined;
  readonly connection: string;
  readonly prefer: Preferences;
  /** A call is on: nobody looks at the door. */
  readonly inCall: boolean;
  changed(): void;
  announce(text: string): void;
  /** One is in: the call's own view takes over. */
  enter(call: Call): void;
  /** The address leads home again. */
  leftDoor(): void;
}

interface Wants {
  mic: boolean;
  camera: boolean | undefined;
}

export class Door {
  /** Absent: no link was followed. */
  token: string | undefined;
  peek: CallLinkPeek | undefined;
  /** What one sees and hears of oneself. */
  local: LocalMedia | undefined;
  /** What is wrong with microphone and camera. */
  problems = new Map<"mic" | "camera", MediaProblem>();
  /** The call that one has asked for, until one is in. */
  call: Call | undefined;
  /** Why one is not in. */
  told: Told | undefined;
  readonly #host: Host;
  #looking = 0;
  /** What the person wants of them, whether they are open yet or not. Camera: absent until they have said so. */
  #wants: Wants = { mic: true, camera: undefined };
  #opening = false;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Whether microphone and camera are on, or will be as soon as the browser has opened them. */
  get flags(): { mic: boolean; camera: boolean } {
    if (this.#opening) return { mic: this.#wants.mic, camera: this.#wants.camera ?? this.peek?.media === "video" };
    return this.local?.flags ?? { mic: false, camera: false };
  }

  /** The address leads to this link, or to none. */
  at(token: string | undefined): void {
    if (token === this.token) return;
    this.forget();
    this.#wants = { mic: true, camera: undefined };
    this.token = token;
    if (token !== undefined && this.#host.connection === "online") void this.look();
  }

  /** There is a session. */
  onWelcome(): void {
    if (this.token !== undefined && !this.call && !this.told) void this.look();
  }

  /** Asks what the link leads into. */
  async look(): Promise<void> {
    const { token } = this;
    const { client } = this.#host;
    if (token === undefined || !client || this.#host.inCall) return;
    const look = (this.#looking += 1);
    const first = this.peek === undefined;
    try {
      const peek = await client.callLinks.peek(token);
      if (look !== this.#looking || this.call) return;
      this.peek = peek;
      this.told = undefined;
      if (!this.local) this.#open(peek.media === "video");
    } catch (error) {
      if (look !== this.#looking || this.call) return;
      // Without a connection it is asked again with the next one. What was known is good until one goes in.
      const over = error instanceof TertuliaError && error.code === "call_link_over";
      if (over || (first && this.#host.connection === "online")) this.#tell(sayLinkRefusal(error));
    }
    this.#host.changed();
  }

  /** Goes in, or asks to be let in, with what one sees of oneself now. */
  join(): void {
    const { token, peek, local } = this;
    const { client } = this.#host;
    if (token === undefined || !client || this.call) return;
    this.told = undefined;
    const named = peek?.name === undefined ? {} : { name: peek.name };
    const call = client.joinByLink(token, { video: peek?.media === "video", ...named, ...(local && { local }) });
    this.call = call;
    const off = call.on("state", (state) => {
      if (this.call !== call) return;
      if (state === "waiting") this.#host.announce("You are waiting to be let in");
      if (state !== "inviting" && state !== "waiting" && state !== "ended") {
        off();
        this.#in(call);
      }
      this.#host.changed();
    });
    call.on("ended", (ended) => {
      if (this.call !== call) return;
      this.call = this.local = undefined;
      this.#tell(sayLinkEnd(ended, this.peek));
    });
    this.#host.changed();
  }

  /** Looks once more, after one was told why one is not in. */
  again(): void {
    this.told = undefined;
    this.#host.changed();
    void this.look();
  }

  /** Does not want in any more. */
  leave(): void {
    this.forget();
    this.token = undefined;
    this.#host.leftDoor();
    this.#host.changed();
  }

  /** This person goes into another call meanwhile: they do not stand before the door any more. */
  onEntered(call: Call): void {
    if (this.token !== undefined && call !== this.call) this.leave();
  }

  async setMic(on: boolean): Promise<void> {
    this.#wants.mic = on;
    if (this.#opening) this.#host.changed();
    else await this.local?.setMic(on);
  }

  async setCamera(on: boolean): Promise<void> {
    this.#wants.camera = on;
    if (this.#opening) this.#host.changed();
    else await this.local?.setCamera(on);
  }

  /** Closes what is open. */
  forget(): void {
    this.#looking += 1;
    const { call, local } = this;
    this.call = this.local = this.peek = this.told = undefined;
    this.#opening = false;
    this.problems.clear();
    call?.hangup();
    local?.close();
  }

  #open(video: boolean): void {
    const local = new LocalMedia(this.#host.prefer);
    this.local = local;
    this.problems.clear();
    local.on("change", (flags) => {
      if (local !== this.local) return;
      for (const source of ["mic", "camera"] as const) if (flags[source]) this.problems.delete(source);
      this.#host.changed();
    });
    local.on("problem", (problem) => {
      if (local !== this.local || problem.source === "screen") return;
      this.problems.set(problem.source, problem);
      this.#host.changed();
    });
    const wants = this.#wants;
    const camera = wants.camera ?? video;
    if (!wants.mic) void local.setMic(false);
    this.#opening = true;
    void local.open(camera).then(() => {
      if (local === this.local) this.#opening = false;
      // What was pressed meanwhile. By now it may be the call's.
      if (!wants.mic) void local.setMic(false);
      if ((wants.camera ?? camera) !== camera) void local.setCamera(!camera);
      this.#host.changed();
    });
  }

  #in(call: Call): void {
    // What was open is the call's.
    this.local = undefined;
    this.#opening = false;
    this.call = undefined;
    this.token = this.peek = undefined;
    this.problems.clear();
    this.#host.enter(call);
    this.#host.leftDoor();
  }

  #tell(told: Told): void {
    this.local?.close();
    this.local = undefined;
    this.#opening = false;
    this.told = told;
    this.#host.announce(told.title);
    this.#host.changed();
  }
}
