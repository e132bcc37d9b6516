// Signing in: which way, which step, and what went wrong. Ends by handing an account to the store.

import {
  AccountApi,
  beginLink,
  demoSignIn,
  register,
  serverInfo,
  TertuliaError,
  verify,
  waitForLink,
  type DeviceAccess,
  type LinkBegun,
  type Profile,
  type Registered,
  type ServerInfo,
  type SignInWay,
} from "@tertulia/sdk";
import { accountOf, deviceName, type Account } from "./account.js";
import { sayError, sayWait } from "./words.js";

/** What the page shows: one of the ways in, or a step on from it. */
export type Step = SignInWay | "pin" | "link";

/** How soon a server that was out of reach is asked again. Raising it keeps people waiting, lowering it costs battery. */
const ASK_AGAIN_MS = 1_500;

export interface PinSent extends Registered {
  /** By this browser's clock. */
  sentAt: number;
}

export interface Linking extends LinkBegun {
  /** By this browser's clock. */
  endsAt: number;
  /** Someone looks at it on their device. */
  seen: boolean;
}

/** Codes shown one after the other before a click is asked for: a page left open must not ask for ever. */
const LINKS_MAX = 12;

export class SignIn {
  /** Not known until the server has said it. */
  info: ServerInfo | undefined;
  unreachable = false;
  step: Step | undefined;
  problem: string | undefined;
  /** Said at the door, where nothing is wrong. */
  notice: string | undefined;
  /** What was tried last: there the problem is said. */
  tried: SignInWay | undefined;
  busy = false;
  pin: PinSent | undefined;
  /** The number as it was typed, for "change the number". */
  typed = { number: "", region: "" };
  linking: Linking | undefined;
  /** The code of the last link is over, and no other is shown unasked. */
  linkPaused = false;
  readonly #start: (account: Account, profile?: Profile) => Promise<void>;
  readonly #changed: () => void;
  #knocking = false;
  #askAgain: ReturnType<typeof setTimeout> | undefined;
  #asking: AbortController | undefined;

  constructor(start: (account: Account, profile?: Profile) => Promise<void>, changed: () => void) {
    this.#start = start;
    this.#changed = changed;
  }

  /** Ways to sign in, the best first. */
  get ways(): SignInWay[] {
    return this.info?.sign_in ?? [];
  }

  /** Asks the server what it knows; again, and by itself, while it is out of reach. */
  async ask(): Promise<void> {
    if (this.info || this.#knocking) return;
    this.#knocking = true;
    clearTimeout(this.#askAgain);
    try {
      this.info = await serverInfo(location.origin);
      this.unreachable = false;
    } catch {
      // It may have been the network that changed in this very moment.
      this.unreachable = true;
      this.#askAgain = setTimeout(() => void this.ask(), ASK_AGAIN_MS);
    }
    this.#knocking = false;
    if (!this.info) {
      this.#changed();
      return;
    }
    this.step ??= this.ways[0] ?? "token";
    this.#changed();
  }

  go(step: Step): void {
    this.#stopLinking();
    this.step = step;
    this.problem = this.notice = undefined;
    this.busy = false;
    if (step === "link") void this.#link();
    this.#changed();
  }

  /** Back to the beginning, with a reason where there is one. */
  reset(step?: SignInWay, problem?: string, notice?: string): void {
    this.#stopLinking();
    this.pin = undefined;
    this.busy = false;
    this.step = this.tried = step ?? this.ways[0];
    this.problem = problem;
    this.notice = notice;
    this.#changed();
  }

  byName(name: string): Promise<void> {
    this.tried = "demo";
    return this.#try(async () => {
      const { user_id, token } = await demoSignIn(location.origin, name);
      await this.#start({ userId: user_id, name, token, demo: true });
    });
  }

  byToken(token: string): Promise<void> {
    return this.#try(async () => {
      const account = accountOf(token);
      if (!account) this.problem = "This does not look like a token";
      else await this.#start(account);
    });
  }

  /** Has a PIN sent to this number; also again. */
  sendPin(phone: string): Promise<void> {
    this.tried = "phone";
    return this.#try(async () => {
      const registered = await register(location.origin, phone);
      this.pin = { ...registered, sentAt: Date.now() };
      this.step = "pin";
    });
  }

  verifyPin(pin: string, unlinkOthers: boolean): Promise<void> {
    return this.#try(async () => {
      const registration_id = this.pin?.registration_id ?? "";
      const body = { registration_id, pin, device_name: deviceName(), unlink_others: unlinkOthers };
      await this.#enter(await verify(location.origin, body));
    });
  }

  /** Another code, after the page has shown many. */
  linkAgain(): void {
    this.go("link");
  }

  async #link(): Promise<void> {
    const asking = new AbortController();
    this.#asking = asking;
    try {
      for (let shown = 0; shown < LINKS_MAX; shown += 1) {
        const begun = await beginLink(location.origin, deviceName());
        if (asking.signal.aborted) return;
        this.linking = { ...begun, endsAt: Date.now() + begun.expires_in_s * 1000, seen: false };
        this.problem = undefined;
        this.#changed();
        const access = await this.#approved(begun, asking.signal);
        if (asking.signal.aborted) return;
        if (access) {
          await this.#enter(access);
          return;
        }
      }
      this.#stopLinking();
      this.linkPaused = true;
    } catch (error) {
      if (asking.signal.aborted) return;
      this.#stopLinking();
      this.linkPaused = true;
      this.problem = sayProblemOf(error);
    }
    this.#changed();
  }

  /** Undefined when the code is good no more. */
  async #approved(begun: LinkBegun, signal: AbortSignal): Promise<DeviceAccess | undefined> {
    const seen = () => {
      if (!this.linking || signal.aborted) return;
      this.linking = { ...this.linking, seen: true };
      this.#changed();
    };
    try {
      return await waitForLink(location.origin, begun, { signal, seen });
    } catch (error) {
      if (error instanceof TertuliaError && error.code === "link_over") return undefined;
      throw error;
    }
  }

  #stopLinking(): void {
    this.#asking?.abort();
    this.#asking = undefined;
    this.linking = undefined;
    this.linkPaused = false;
  }

  async #enter({ user_id: userId, device_id: deviceId, token }: DeviceAccess): Promise<void> {
    // The name is for the first look only: a network that fails now must not cost the access.
    const profile = await new AccountApi(location.origin, token).profile().catch(() => undefined);
    this.#stopLinking();
    this.pin = undefined;
    await this.#start({ userId, deviceId, token, name: profile?.name ?? "", demo: false }, profile);
  }

  async #try(attempt: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = undefined;
    this.#changed();
    try {
      await attempt();
    } catch (error) {
      this.problem = sayProblemOf(error);
    }
    this.busy = false;
    this.#changed();
  }
}

/** What is said under a form. */
function sayProblemOf(error: unknown): string {
  if (!(error instanceof TertuliaError)) return "Something went wrong";
  const wait = error.retryAfterMs;
  switch (error.code) {
    case "phone_invalid":
      return "This does not look like a phone number. Look again, and check the country";
    case "pin_wrong":
      return "That is not the PIN. Look again";
    case "registration_over":
      return "This PIN can’t be used any more. Have a new one sent";
    case "pin_not_sent":
      return "The PIN could not be sent. Try again in a moment";
    case "rate_limited":
      return wait ? `Too many tries. Try again in ${sayWait(wait)}` : "Too many tries. Wait a while, then try again";
    default:
      return sayError(error, "");
  }
}
