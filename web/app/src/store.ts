// The app's state and what can be done with it. Views read it and call its methods; nothing else changes it.

import {
  connect,
  demoSignIn,
  TertuliaError,
  type Call,
  type CallRecord,
  type CallSnapshot,
  type Client,
  type CloseCause,
  type MediaPreferences,
  type Person,
  type SessionState,
} from "@tertulia/sdk";
import { accountOf, forgetAccount, saveAccount, type Account } from "./account.js";
import { callForAttention, stopCalling, titleOf } from "./attention.js";
import { claimDevice } from "./device.js";
import { play } from "./sound.js";
import { sayEnded, sayError, sayProblem, type Saying } from "./words.js";

export interface Toast {
  id: number;
  text: string;
  tone: Saying["tone"];
  action?: { label: string; run: () => void };
}

export interface Preferences extends MediaPreferences {
  speaker?: string | undefined;
}

const SEEN = "tertulia.seen";
const PREFER = "tertulia.prefer";
const HISTORY_PAGE = 30;
const TOAST_MS = 6_000;
const TOASTS_MAX = 4;

export class Store {
  account: Account | undefined;
  client: Client | undefined;
  connection: SessionState = "connecting";
  /** Whether the server is a demo, where everyone who signed in is listed; not known until it has welcomed us. */
  demo = false;
  people: Person[] = [];
  /** Not known until the first page is here. */
  history: CallRecord[] | undefined;
  historyNext: string | undefined;
  seenUntil = Number(localStorage.getItem(SEEN) ?? 0);
  incoming: Call | undefined;
  call: Call | undefined;
  /** A call that goes on since before this page was loaded. */
  running: CallSnapshot | undefined;
  /** Another page has taken this device's place. */
  displaced = false;
  toasts: Toast[] = [];
  /** For screen readers. */
  announcement = "";
  signInError: string | undefined;
  /** Which of the two ways to sign in is shown. */
  signInWith: "name" | "token" = "name";
  /** This server is no demo: a name is not enough here. */
  nameRefused = false;
  readonly prefer: Preferences;
  readonly #listeners = new Set<() => void>();
  #toastId = 0;

  constructor() {
    this.prefer = readPreferences();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Missed calls that were not looked at. */
  get unseen(): number {
    return (this.history ?? []).filter((record) => isMissed(record) && record.started_at > this.seenUntil).length;
  }

  async signInByName(name: string): Promise<void> {
    this.signInError = undefined;
    try {
      const { user_id, token } = await demoSignIn(location.origin, name);
      await this.start({ userId: user_id, name, token, demo: true });
    } catch (error) {
      const code = error instanceof TertuliaError ? error.code : undefined;
      this.nameRefused = code === "not_found" || code === "forbidden";
      if (this.nameRefused) this.signInWith = "token";
      else this.signInError = error instanceof TertuliaError ? sayError(error, "") : "Something went wrong";
      this.#changed();
    }
  }

  chooseSignIn(way: "name" | "token"): void {
    this.signInWith = way;
    this.signInError = undefined;
    this.#changed();
  }

  async signInByToken(token: string): Promise<void> {
    const account = accountOf(token);
    if (account) {
      await this.start(account);
    } else {
      this.signInError = "This does not look like a token";
      this.#changed();
    }
  }

  /** Connects as this account. */
  async start(account: Account): Promise<void> {
    this.client?.close();
    this.account = account;
    this.displaced = false;
    this.signInError = undefined;
    saveAccount(account);
    this.#changed();
    const deviceId = await claimDevice();
    const client = connect({
      url: location.origin,
      token: (last) => this.#token(last !== undefined),
      deviceId,
      prefer: this.prefer,
    });
    this.client = client;
    this.connection = client.state;
    this.#listen(client);
    this.#changed();
  }

  signOut(): void {
    this.client?.close();
    this.#forget();
  }

  place(userId: string, name: string, video: boolean): void {
    if (!this.client || this.call) return;
    const call = this.client.call(userId, { name, video });
    this.#enter(call);
    play("ringback");
  }

  accept(video: boolean): void {
    const call = this.incoming;
    if (!call) return;
    this.#stopRinging();
    this.incoming = undefined;
    this.#enter(call);
    void call.accept({ video });
  }

  decline(): void {
    this.incoming?.decline();
  }

  rejoin(): void {
    const snapshot = this.running;
    if (!snapshot || !this.client || this.call) return;
    this.running = undefined;
    this.#enter(this.client.rejoin(snapshot));
  }

  leaveRunning(): void {
    const snapshot = this.running;
    this.running = undefined;
    this.#changed();
    if (snapshot) this.client?.leave(snapshot).catch((error: unknown) => this.#toastError(error, snapshot.peer.name));
  }

  async moreHistory(): Promise<void> {
    const page = await this.client?.history({ before: this.historyNext, limit: HISTORY_PAGE }).catch(() => undefined);
    if (!page) return;
    this.history = [...(this.history ?? []), ...page.calls];
    this.historyNext = page.next;
    this.#changed();
  }

  /** The list of calls has been looked at. */
  sawHistory(): void {
    if (this.unseen === 0) return;
    this.seenUntil = Math.max(...(this.history ?? []).map((record) => record.started_at));
    localStorage.setItem(SEEN, String(this.seenUntil));
    this.#changed();
  }

  setPreference(change: Preferences): void {
    Object.assign(this.prefer, change);
    localStorage.setItem(PREFER, JSON.stringify(this.prefer));
    this.#changed();
  }

  toast(text: string, tone: Toast["tone"] = "plain", action?: Toast["action"]): void {
    const id = ++this.#toastId;
    this.toasts = [
      ...this.toasts.filter((toast) => toast.text !== text),
      { id, text, tone, ...(action && { action }) },
    ];
    this.toasts = this.toasts.slice(-TOASTS_MAX);
    // Something to press or to read twice stays longer.
    setTimeout(() => this.dismiss(id), action || tone === "bad" ? TOAST_MS * 2 : TOAST_MS);
    this.#changed();
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
    this.#changed();
  }

  announce(text: string): void {
    this.announcement = text;
    this.#changed();
  }

  /** The token for a socket; a fresh one where the last was refused and a name is enough. */
  async #token(refused: boolean): Promise<string> {
    const account = this.account;
    if (!account) throw new Error("signed out");
    if (refused && account.demo) {
      const { token } = await demoSignIn(location.origin, account.name);
      this.account = { ...account, token };
      saveAccount(this.account);
    }
    return (this.account ?? account).token;
  }

  #listen(client: Client): void {
    const mine =
      <T>(handle: (value: T) => void) =>
      (value: T) => {
        if (client !== this.client) return;
        handle(value);
        this.#changed();
      };
    client.on(
      "state",
      mine((state) => (this.connection = state)),
    );
    client.on(
      "welcome",
      mine((welcome) => {
        this.demo = welcome.demo;
        if (this.account) this.account = { ...this.account, userId: welcome.user_id, name: welcome.name };
        if (!welcome.resumed) this.running = undefined;
        void this.#loadHistory();
        if (welcome.demo) void client.fetchPeople().catch(() => undefined);
      }),
    );
    client.on(
      "people",
      mine((people) => (this.people = people)),
    );
    client.on(
      "incoming",
      mine((call) => this.#onIncoming(call)),
    );
    client.on(
      "running",
      mine((calls) => (this.running = calls[0])),
    );
    client.on(
      "missed",
      mine((missed) => {
        const first = missed[0];
        if (missed.length === 1 && first) this.toast(`You missed a call from ${first.from.name}`);
        else this.toast(`You missed ${missed.length} calls`);
        void this.#loadHistory();
      }),
    );
    client.on(
      "closed",
      mine((cause) => this.#onClosed(cause)),
    );
  }

  #onIncoming(call: Call): void {
    if (this.call || this.incoming) {
      call.decline("busy");
      return;
    }
    this.incoming = call;
    this.announcement = `${call.peer.name} is calling you`;
    play("ring");
    callForAttention(call.peer.name, call.kind === "video");
    this.#watchEnd(call);
  }

  #enter(call: Call): void {
    this.call = call;
    this.running = undefined;
    titleOf(call.peer.name);
    call.on("state", () => {
      if (call.state !== "inviting" && call.state !== "offered" && call.state !== "ringing") play(undefined);
      this.#changed();
    });
    for (const event of ["connection", "roster", "media", "remote"] as const) call.on(event, () => this.#changed());
    call.on("problem", (problem) => this.toast(sayProblem(problem), "bad"));
    if (call.direction === "outgoing" || call.accepted) this.#watchEnd(call);
    this.#changed();
  }

  #watchEnd(call: Call): void {
    call.on("ended", (ended) => {
      if (this.incoming === call) {
        this.#stopRinging();
        this.incoming = undefined;
      }
      if (this.call === call) {
        play(undefined);
        this.call = undefined;
        titleOf(undefined);
      }
      const saying = sayEnded(call, ended);
      if (saying) {
        const retry = {
          label: "Call again",
          run: () => this.place(call.peer.user_id, call.peer.name, call.kind === "video"),
        };
        this.toast(saying.text, saying.tone, saying.again ? retry : undefined);
        this.announcement = saying.text;
      }
      this.#changed();
      // The record is written after the call has ended for us.
      void this.#loadHistory();
      setTimeout(() => void this.#loadHistory(), 1_500);
    });
  }

  #stopRinging(): void {
    play(undefined);
    stopCalling();
  }

  #onClosed(cause: CloseCause): void {
    if (cause.why === "displaced") {
      this.displaced = true;
    } else if (cause.why === "refused") {
      this.signInWith = this.account?.demo ? "name" : "token";
      this.#forget();
      this.signInError = cause.error
        ? sayError(new TertuliaError(cause.error), "")
        : `The server has ended the connection (${cause.code})`;
    }
  }

  #forget(): void {
    forgetAccount();
    this.account = this.client = this.incoming = this.call = this.running = this.history = undefined;
    this.people = [];
    this.historyNext = undefined;
    this.displaced = false;
    this.#stopRinging();
    this.#changed();
  }

  async #loadHistory(): Promise<void> {
    const client = this.client;
    const page = await client?.history({ limit: HISTORY_PAGE }).catch(() => undefined);
    if (!page || client !== this.client) return;
    this.history = page.calls;
    this.historyNext = page.next;
    this.#changed();
  }

  #toastError(error: unknown, who: string): void {
    if (error instanceof TertuliaError) this.toast(sayError(error, who), "bad");
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** A call for this user that nobody answered. */
export function isMissed(record: CallRecord): boolean {
  return record.direction === "incoming" && (record.reason === "missed" || record.reason === "cancelled");
}

function readPreferences(): Preferences {
  try {
    return (JSON.parse(localStorage.getItem(PREFER) ?? "{}") as Preferences | null) ?? {};
  } catch {
    return {};
  }
}
