// The app's state and what can be done with it. Views read it and call its methods; nothing else changes it.
//
// It is made of parts: `entry` (signing in), `calls`, `mine` (devices, settings, people). What they share is here: who is
// signed in, the connection, the history of calls, and what is said in passing.

import {
  connect,
  demoSignIn,
  roleIn,
  TertuliaError,
  type AccountApi,
  type Call,
  type CallRecord,
  type Client,
  type CloseCause,
  type GroupCall,
  type MediaApi,
  type MediaPreferences,
  type Person,
  type Profile,
  type SessionState,
  type Settings,
  type UploadLimits,
  type Welcome,
} from "@tertulia/sdk";
import { forgetAccount, saveAccount, type Account } from "./account.js";
import { Attaching } from "./attaching.js";
import { CallLinks } from "./call-links.js";
import { Calls } from "./calls.js";
import { Chats } from "./chats.js";
import { claimDevice } from "./device.js";
import { Door } from "./door.js";
import { fresh } from "./fresh.js";
import { Here } from "./here.js";
import { Icons } from "./icons.js";
import { Keeping } from "./keeping.js";
import { Library } from "./library.js";
import { Met } from "./met.js";
import { FOR_EVER, Mine } from "./mine.js";
import { Push } from "./push.js";
import { placeOfAddress, Route, sharedInAddress, type Place, type View } from "./route.js";
import { SignIn } from "./sign-in.js";
import { loadJson } from "./stored.js";
import { sayError, type Saying } from "./words.js";
import { sayUnknown } from "./words-chat.js";

export interface Toast {
  id: number;
  text: string;
  tone: Saying["tone"];
  action?: { label: string; run: () => void };
}

export interface Preferences extends MediaPreferences {
  speaker?: string | undefined;
}

/** What of its home a narrow page shows. */
export type Tab = "chats" | "people" | "recent";

const SEEN = "tertulia.seen";
const PREFER = "tertulia.prefer";
const HISTORY_PAGE = 30;
/** The record of a call is written a little after its end. */
const RECORDED_MS = 1_500;
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
  /** The server has said that it is about to go; it is not back yet. */
  draining = false;
  /** Another page has taken this device's place. */
  displaced = false;
  view: View = placeOfAddress().view;
  tab: Tab = "people";
  /** The person has chosen it; before, it is what there is. */
  #tabChosen = false;
  /** The calls of groups that went on when that was last heard. */
  #groupCalls: string[] = [];
  toasts: Toast[] = [];
  /** For screen readers. */
  announcement = "";
  readonly prefer: Preferences;
  readonly entry: SignIn;
  readonly calls: Calls;
  readonly links: CallLinks;
  readonly door: Door;
  readonly met: Met;
  readonly mine: Mine;
  readonly library: Library;
  readonly chats: Chats;
  readonly attaching: Attaching;
  readonly here: Here;
  readonly icons: Icons;
  readonly keeping: Keeping;
  readonly push: Push;
  readonly #route: Route;
  readonly #listeners = new Set<() => void>();
  #toastId = 0;
  #instance: string | undefined;

  constructor() {
    this.prefer = loadJson<Preferences>(localStorage, PREFER) ?? {};
    this.entry = new SignIn(
      (account, profile) => this.start(account, profile),
      () => this.changed(),
    );
    this.calls = new Calls(this);
    this.links = new CallLinks(this);
    this.door = new Door(this);
    this.met = new Met(this);
    this.mine = new Mine(this);
    this.library = new Library(this);
    this.chats = new Chats(this);
    this.attaching = new Attaching(this);
    this.here = new Here(this);
    this.icons = new Icons(this);
    this.keeping = new Keeping(this);
    this.push = new Push(this);
    this.chats.show(placeOfAddress().chat);
    this.door.at(placeOfAddress().link);
    this.#route = new Route((place) => this.#arrive(place));
    void this.library.receive(sharedInAddress());
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  // ── who is signed in ──

  get api(): AccountApi | undefined {
    return this.client?.account;
  }

  get media(): MediaApi | undefined {
    return this.client?.media;
  }

  /** What uploads may be; absent where the server takes none. */
  get limits(): UploadLimits | undefined {
    return this.client?.welcome?.uploads;
  }

  get userId(): string | undefined {
    return this.account?.userId;
  }

  /** How others see this person. */
  get name(): string {
    return this.mine.profile?.name ?? this.account?.name ?? "";
  }

  /** This person has an account on this server, and this device is one of theirs. */
  get registered(): boolean {
    return this.account?.deviceId !== undefined;
  }

  serverTime(localMs: number): number {
    return this.client?.serverTime(localMs) ?? localMs;
  }

  /** Connects as this account. */
  async start(account: Account, profile?: Profile): Promise<void> {
    this.client?.close();
    this.account = account;
    this.displaced = false;
    saveAccount(account);
    this.mine.begin(profile);
    this.library.forget();
    void this.library.receive(sharedInAddress());
    this.changed();
    // A device with an account is named by its token.
    const deviceId = account.deviceId ?? (await claimDevice());
    if (this.account !== account) return;
    const client = connect({
      url: location.origin,
      token: (last) => this.#token(last !== undefined),
      deviceId,
      messages: { userId: account.userId },
      prefer: this.prefer,
    });
    this.client = client;
    this.connection = client.state;
    this.#listen(client);
    this.chats.attach(client);
    this.attaching.attach(client);
    this.here.attach(client);
    this.keeping.attach(client);
    void client.messages?.ready.then(() => this.#chooseTab());
    void this.push.keepUp();
    this.changed();
  }

  /** Leaves; a device with an account gives its access back. */
  signOut(): void {
    const { client, account } = this;
    if (client && account?.deviceId) client.account.unlink(account.deviceId).catch(() => undefined);
    this.push.leave(client);
    this.#forget();
    this.entry.reset();
    this.#leave(client);
  }

  /** Shows another page; the way back is the browser's own. */
  show(view: View): void {
    if (view === this.view && view !== "home") return;
    this.#route.go({ view, chat: undefined });
  }

  showTab(tab: Tab): void {
    this.tab = tab;
    this.#tabChosen = true;
    this.show("home");
    this.changed();
  }

  /** Shows a conversation. */
  openChat(key: string): void {
    this.#route.go({ view: "home", chat: key });
  }

  /** Shows the conversation with somebody, a new one perhaps. */
  chatWith(userId: string): void {
    this.openChat(`user:${userId}`);
  }

  /** Where a call link leads: a look at what it is, and at oneself, before one goes in. */
  openCallLink(token: string): void {
    this.#route.go({ view: "home", chat: undefined, link: token });
  }

  leftDoor(): void {
    this.#route.leaveLink();
  }

  get inCall(): boolean {
    return this.calls.current !== undefined;
  }

  enter(call: Call): void {
    this.calls.enter(call);
  }

  entered(call: Call): void {
    this.door.onEntered(call);
  }

  showMedia(): void {
    this.show("media");
  }

  /** A code was followed here: it is looked at now, or after signing in. */
  async askLink(code: string): Promise<void> {
    if (this.connection === "online") await this.mine.askLink(code);
    else this.mine.keepLink(code);
    this.changed();
  }

  /** The account and all of it is gone. */
  async deleteAccount(): Promise<void> {
    const { client } = this;
    if (!(await this.mine.deleteAccount())) return;
    this.#forget();
    this.#leave(client);
    this.entry.reset(undefined, undefined, "Your account is deleted. Thank you for having been here.");
  }

  setPreference(change: Preferences): void {
    Object.assign(this.prefer, change);
    localStorage.setItem(PREFER, JSON.stringify(this.prefer));
    this.changed();
  }

  // ── calls that were ──

  /** Missed calls that were not looked at. */
  get unseen(): number {
    return (this.history ?? []).filter((record) => isMissed(record) && record.started_at > this.seenUntil).length;
  }

  async moreHistory(): Promise<void> {
    const page = await this.client?.history({ before: this.historyNext, limit: HISTORY_PAGE }).catch(() => undefined);
    if (!page) return;
    this.history = [...(this.history ?? []), ...page.calls];
    this.historyNext = page.next;
    this.changed();
  }

  /** The list of calls has been looked at. */
  sawHistory(): void {
    if (this.unseen === 0) return;
    this.seenUntil = Math.max(...(this.history ?? []).map((record) => record.started_at));
    localStorage.setItem(SEEN, String(this.seenUntil));
    this.changed();
  }

  recorded(): void {
    void this.#loadHistory();
    setTimeout(() => void this.#loadHistory(), RECORDED_MS);
  }

  /** Nobody whom one has called, talked to before, or whose number one has looked up. */
  isStranger(person: Person): boolean {
    const { contacts } = this.mine;
    if (this.demo || this.mine.isBlocked(person.user_id)) return false;
    if (contacts.some((contact) => contact.user_id === person.user_id)) return false;
    const before = (this.history ?? []).filter((record) => record.peer.user_id === person.user_id);
    return before.filter((record) => record.direction === "outgoing" || record.duration_ms > 0).length <= 1;
  }

  /** How somebody is called here, as far as it is known. */
  nameOf(userId: string): string {
    return this.personOf(userId)?.name ?? sayUnknown(userId);
  }

  /** What is known of somebody: from the list of a demo, the people one knows, and the calls that were. */
  personOf(userId: string): Person | undefined {
    if (userId === this.userId) return { user_id: userId, name: `${this.name} (you)` };
    const is = (person: Person) => person.user_id === userId;
    const { contacts, blocked } = this.mine;
    return (
      this.people.find(is) ??
      contacts.find(is) ??
      this.history?.find(({ peer }) => is(peer))?.peer ??
      blocked?.find(is) ??
      this.met.of(userId)
    );
  }

  /** What a group is called here, if that is known. */
  groupName(groupId: string): string | undefined {
    return this.chats.api?.conversation(`group:${groupId}`)?.group?.name || undefined;
  }

  /** The group of a conversation, if this person is in it and may call it. */
  groupToCall(chat: string): string | undefined {
    const group = this.chats.api?.conversation(chat)?.group;
    const isIn = group && !group.over && (group.partial || roleIn(group, this.userId ?? "") !== undefined);
    return isIn ? chat.slice("group:".length) : undefined;
  }

  /** In a sentence: oneself is “you”. */
  readonly naming = (userId: string): string => (userId === this.userId ? "you" : this.nameOf(userId));

  block(person: Person): void {
    void this.mine.block(person);
  }

  // ── what is said in passing ──

  toast(text: string, tone: Toast["tone"] = "plain", action?: Toast["action"]): void {
    const id = ++this.#toastId;
    this.toasts = [
      ...this.toasts.filter((toast) => toast.text !== text),
      { id, text, tone, ...(action && { action }) },
    ];
    this.toasts = this.toasts.slice(-TOASTS_MAX);
    // Something to press or to read twice stays longer.
    setTimeout(() => this.dismiss(id), action || tone === "bad" ? TOAST_MS * 2 : TOAST_MS);
    this.changed();
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
    this.changed();
  }

  announce(text: string): void {
    this.announcement = text;
    this.changed();
  }

  // ── what the client tells ──

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
        this.changed();
      };
    client.on(
      "state",
      mine((state) => {
        this.connection = state;
        if (state === "online") this.icons.retry();
      }),
    );
    client.on(
      "welcome",
      mine((welcome) => this.#onWelcome(welcome)),
    );
    client.on(
      "drain",
      mine(() => (this.draining = true)),
    );
    client.on(
      "people",
      mine((people) => (this.people = people)),
    );
    client.on(
      "incoming",
      mine((call) => this.calls.onIncoming(call)),
    );
    client.on(
      "running",
      mine((running) => (this.calls.running = running)),
    );
    client.on(
      "elsewhere",
      mine((calls) => (this.calls.elsewhere = calls)),
    );
    client.on(
      "groupCalls",
      mine((calls) => this.#onGroupCalls(calls)),
    );
    client.on(
      "devices",
      mine((devices) => (this.mine.devices = devices)),
    );
    client.on(
      "settings",
      mine((settings) => this.#onSettings(client, settings)),
    );
    client.on(
      "media.progress",
      mine((progress) => this.library.onProgress(progress)),
    );
    client.on(
      "media.ready",
      mine((media) => this.library.onReady(media)),
    );
    client.on(
      "media.rejected",
      mine((rejected) => (rejected.from === undefined ? this.library.onRejected(rejected) : this.chats.onOthersRefusal(rejected))),
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

  #onWelcome(welcome: Welcome): void {
    this.demo = welcome.demo;
    // The run that said so may take one more socket before it goes.
    this.draining = this.draining && this.#instance === welcome.instance;
    if (this.account) {
      this.account = { ...this.account, userId: welcome.user_id, name: welcome.name };
      saveAccount(this.account);
    }
    if (!welcome.resumed) this.calls.running = [];
    const restarted = this.#instance !== undefined && this.#instance !== welcome.instance;
    this.#instance = welcome.instance;
    if (restarted && this.calls.current) this.toast("The server was restarted. Your call goes on");
    void this.#loadHistory();
    void this.mine.refresh(this.registered);
    void this.library.refresh();
    void this.links.refresh();
    this.door.onWelcome();
    this.chats.learnGroups();
    if (this.mine.linkAsked && !this.mine.linkAsked.found) void this.mine.askLink(this.mine.linkAsked.code);
  }

  #onSettings(client: Client, settings: Settings): void {
    const { do_not_disturb_until: until } = settings;
    this.mine.settings = settings;
    this.mine.disturbNotUntil = until === undefined || until >= FOR_EVER ? until : client.localTime(until);
  }

  #onClosed(cause: CloseCause): void {
    if (cause.why === "displaced") {
      this.displaced = true;
    } else if (cause.why === "revoked") {
      const { client } = this;
      this.#forget();
      this.#leave(client);
      this.entry.reset(undefined, "This device’s access has ended. Sign in to use it again");
    } else if (cause.why === "refused") {
      const way = this.registered ? undefined : this.account?.demo ? "demo" : "token";
      this.#forget();
      const why = cause.error ? sayError(new TertuliaError(cause.error), "") : undefined;
      this.entry.reset(way, why ?? `The server has ended the connection (${cause.code})`);
    }
  }

  #forget(): void {
    forgetAccount();
    this.account = this.client = this.history = this.historyNext = this.#instance = undefined;
    this.people = [];
    // What they offer to do is not to be had any more.
    this.toasts = [];
    this.displaced = this.draining = false;
    this.calls.forget();
    this.links.forget();
    this.door.forget();
    this.mine.begin();
    this.library.forget();
    this.attaching.forget();
    this.icons.forget();
    this.met.forget();
    this.chats.forget();
    this.tab = "people";
    this.#tabChosen = false;
    this.#route.reset();
    void this.entry.ask();
    this.changed();
  }

  /** Ends the client of someone who has left, and what it keeps of their messages. */
  #leave(client: Client | undefined): void {
    client?.messages?.erase().catch(() => undefined);
    client?.close();
  }

  #arrive({ view, chat, link }: Place): void {
    this.view = view;
    this.door.at(link);
    this.chats.show(chat);
    void this.library.receive(view === "media" ? sharedInAddress() : undefined);
    this.changed();
  }

  /** Who has conversations sees them first. */
  #chooseTab(): void {
    if (this.#tabChosen) return;
    this.tab = this.chats.list.length > 0 ? "chats" : "people";
    this.changed();
  }

  /** What they are is asked of the client: news is that they have changed, and that one that is over is in the list of calls. */
  #onGroupCalls(calls: GroupCall[]): void {
    const over = this.#groupCalls.some((id) => !calls.some((call) => call.call_id === id));
    this.#groupCalls = calls.map((call) => call.call_id);
    if (over) this.recorded();
  }

  async #loadHistory(): Promise<void> {
    const client = this.client;
    const page = await fresh(() => this.history, () => client?.history({ limit: HISTORY_PAGE }));
    if (!page || client !== this.client) return;
    this.history = page.calls;
    this.historyNext = page.next;
    this.changed();
  }
}

/** A call for this user that nobody answered. */
export function isMissed(record: CallRecord): boolean {
  return record.direction === "incoming" && (record.reason === "missed" || record.reason === "cancelled");
}
