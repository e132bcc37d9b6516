// What is a person's own: their devices, name, settings and blocks, and the people whose numbers they know.

import { TertuliaError, type AccountApi, type Device, type LinkFound, type Person, type Profile, type Settings, type SettingsPatch } from "@tertulia/sdk";
import { codeIn } from "./account.js";
import { keepContact, loadContacts, type Contact } from "./contacts.js";
import { fresh } from "./fresh.js";
import { sayError, sayWait } from "./words.js";

/** Until turned off: no clock here will ever see it. */
export const FOR_EVER = Date.UTC(2100, 0, 1);

export interface Host {
  /** Absent while signed out. */
  readonly api: AccountApi | undefined;
  readonly userId: string | undefined;
  /** A moment of this browser's clock, by the server's. */
  serverTime(localMs: number): number;
  changed(): void;
  toast(text: string, tone?: "plain" | "bad"): void;
}

/** A device that asks to be let in, as far as we know it. */
export interface LinkAsked {
  code: string;
  found: LinkFound | undefined;
  problem: string | undefined;
}

export class Mine {
  profile: Profile | undefined;
  /** Not known until asked for; never, for users without an account here. */
  devices: Device[] | undefined;
  blocked: Person[] | undefined;
  contacts: Contact[] = [];
  /** As the server last told them. */
  settings: Settings = { online: "contacts", last_seen: "contacts" };
  /** By this browser's clock. */
  disturbNotUntil: number | undefined;
  linkAsked: LinkAsked | undefined;
  /** The person has said that they want no other name than the number's digits. */
  nameSkipped = false;
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** What was another user's goes; what is this one's is loaded. */
  begin(profile?: Profile): void {
    const { userId } = this.#host;
    this.profile = profile;
    this.devices = this.blocked = this.disturbNotUntil = undefined;
    this.nameSkipped = false;
    this.contacts = userId ? loadContacts(userId) : [];
  }

  /** A session is open: what may have changed meanwhile is asked for. */
  async refresh(registered: boolean): Promise<void> {
    const { api } = this.#host;
    if (!api) return;
    // Each is taken when it comes: while one waited for the others it could be overtaken again.
    const take = <T>(keep: (answer: T) => void) => (answer: T | undefined) => {
      if (answer === undefined || api !== this.#host.api) return;
      keep(answer);
      this.#host.changed();
    };
    await Promise.all([
      fresh(() => this.profile, () => api.profile()).then(take((profile) => (this.profile = profile))),
      fresh(() => this.blocked, () => api.blocks()).then(take((blocked) => (this.blocked = blocked))),
      registered ? this.loadDevices() : undefined,
    ]);
  }

  /** A new account is called by its number's last digits until its owner says otherwise. */
  get needsName(): boolean {
    return !this.nameSkipped && this.profile !== undefined && isUnnamed(this.profile);
  }

  skipName(): void {
    this.nameSkipped = true;
    this.#host.changed();
  }

  async rename(name: string): Promise<boolean> {
    return this.#try(async (api) => {
      this.profile = await api.updateProfile({ name });
    });
  }

  // ── do not disturb ──

  async doNotDisturb(untilMs: number | undefined): Promise<void> {
    await this.#try(async (api) => {
      const until =
        untilMs === undefined ? 0 : Math.round(untilMs >= FOR_EVER ? untilMs : this.#host.serverTime(untilMs));
      const settings = await api.updateSettings({ do_not_disturb_until: until });
      this.disturbNotUntil = settings.do_not_disturb_until === undefined ? undefined : untilMs;
    });
  }

  // ── who may see ──

  async showTo(patch: Pick<SettingsPatch, "online" | "last_seen">): Promise<void> {
    const before = this.settings;
    // At once; if it is refused, it is what it was.
    this.settings = { ...before, ...patch };
    this.#host.changed();
    const done = await this.#try(async (api) => {
      this.settings = await api.updateSettings(patch);
    });
    if (!done) this.settings = before;
    this.#host.changed();
  }

  // ── devices ──

  async loadDevices(): Promise<void> {
    const { api } = this.#host;
    const devices = await fresh(() => this.devices, () => api?.devices());
    if (!devices || api !== this.#host.api) return;
    this.devices = devices;
    this.#host.changed();
  }

  unlink(device: Device): Promise<boolean> {
    return this.#try(async (api) => {
      await api.unlink(device.device_id);
      this.devices = this.devices?.filter((it) => it.device_id !== device.device_id);
      this.#host.toast(`“${device.name}” is signed out`);
    });
  }

  /** Someone has typed, scanned or followed a code: who is behind it? */
  async askLink(text: string): Promise<void> {
    const code = codeIn(text);
    if (code === "") return;
    const asked: LinkAsked = { code, found: undefined, problem: undefined };
    this.linkAsked = asked;
    this.#host.changed();
    try {
      const found = await this.#host.api?.inspectLink(code);
      if (this.linkAsked === asked) this.linkAsked = { ...asked, found };
    } catch (error) {
      if (this.linkAsked === asked) this.linkAsked = { ...asked, problem: sayLinkProblem(error) };
    }
    this.#host.changed();
  }

  /** The code was followed before anyone was signed in here. */
  keepLink(code: string): void {
    this.linkAsked = { code: codeIn(code), found: undefined, problem: undefined };
  }

  dropLink(): void {
    this.linkAsked = undefined;
    this.#host.changed();
  }

  async approveLink(): Promise<void> {
    const asked = this.linkAsked;
    const { api } = this.#host;
    if (!asked?.found || !api) return;
    try {
      this.devices = await api.approveLink(asked.code);
      this.linkAsked = undefined;
      this.#host.toast(`“${asked.found.device_name}” is linked`);
    } catch (error) {
      this.linkAsked = { ...asked, problem: sayLinkProblem(error) };
    }
    this.#host.changed();
  }

  // ── people ──

  isBlocked(userId: string): boolean {
    return this.blocked?.some((person) => person.user_id === userId) ?? false;
  }

  async block(person: Person): Promise<void> {
    await this.#try(async (api) => {
      await api.block(person.user_id);
      this.blocked = [person, ...(this.blocked ?? []).filter((it) => it.user_id !== person.user_id)];
      this.#host.toast(`${person.name} is blocked: their calls won’t ring here`);
    });
  }

  async unblock(person: Person): Promise<void> {
    await this.#try(async (api) => {
      await api.unblock(person.user_id);
      this.blocked = this.blocked?.filter((it) => it.user_id !== person.user_id);
      this.#host.toast(`${person.name} can call you again`);
    });
  }

  /** Who has this number. `undefined`: nobody here. */
  async lookUp(phone: string): Promise<Person | undefined> {
    const { api, userId } = this.#host;
    if (!api || !userId) return undefined;
    try {
      const person = await api.lookup(phone);
      this.contacts = keepContact(userId, { user_id: person.user_id, name: person.name, phone });
      this.#host.changed();
      return person;
    } catch (error) {
      const code = error instanceof TertuliaError ? error.code : undefined;
      if (code === "not_found" || code === "unknown_user") return undefined;
      throw error;
    }
  }

  /** Everything goes. What follows is told by the session's end. */
  deleteAccount(): Promise<boolean> {
    return this.#try((api) => api.deleteAccount());
  }

  /** Does it, or says why not. */
  async #try(attempt: (api: AccountApi) => Promise<void>): Promise<boolean> {
    const { api } = this.#host;
    if (!api) return false;
    try {
      await attempt(api);
      this.#host.changed();
      return true;
    } catch (error) {
      if (error instanceof TertuliaError) this.#host.toast(sayError(error, ""), "bad");
      else throw error;
      return false;
    }
  }
}

/** Named by the server, after the last digits of the number. */
export function isUnnamed({ name, phone }: Profile): boolean {
  const digits = /(\d+)\D*$/.exec(name)?.[1];
  return phone !== undefined && digits !== undefined && !/\p{L}/u.test(name) && phone.endsWith(digits);
}

function sayLinkProblem(error: unknown): string {
  if (!(error instanceof TertuliaError)) return "Something went wrong";
  switch (error.code) {
    case "link_over":
    case "not_found":
      return "This code is not valid any more. The other device shows a new one";
    case "bad_request":
      return "This is not a code. It looks like ABCD-EFGH";
    case "rate_limited":
      return error.retryAfterMs
        ? `Too many tries. Try again in ${sayWait(error.retryAfterMs)}`
        : "Too many tries. Wait a while, then try again";
    default:
      return sayError(error, "");
  }
}
