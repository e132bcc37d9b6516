// Accounts over HTTP: signing up by phone number, linking devices, and what a person can change about themselves.

import { ask, askAs, sleep, type Asking, type Bearer } from "./http.js";
import { TertuliaError } from "./errors.js";
import type {
  Blocks,
  Device,
  DeviceAccess,
  Devices,
  IceServers,
  LinkBegun,
  LinkFound,
  LinkState,
  Person,
  Profile,
  ProfilePatch,
  Registered,
  Settings,
  SettingsPatch,
  Verify,
} from "./proto.js";

/** Between two questions where the server does not hold its answer back. Raising it delays the new device. */
const LINK_ASK_MS = 1_000;
/** An answer that takes longer than this is lost: the server holds it back for some seconds only. */
const LINK_ANSWER_MS = 45_000;

/** Asks for a PIN to be sent to this number. The answer is the same whether or not it has an account. */
export function register(server: string, phone: string): Promise<Registered> {
  return ask(server, "POST", "/v1/register", { body: { phone } });
}

/** The PIN: makes this device the account's primary one. Keep what comes back, it is told this once. */
export function verify(server: string, verify: Verify): Promise<DeviceAccess> {
  return ask(server, "POST", "/v1/register/verify", { body: verify });
}

/** Asks to be linked to an account: show `code`, and wait with `waitForLink`. */
export function beginLink(server: string, deviceName: string): Promise<LinkBegun> {
  return ask(server, "POST", "/v1/devices/link", { body: { device_name: deviceName } });
}

export interface WaitForLink {
  /** Gives up: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Someone looks at it on a device that has the account. */
  seen?: () => void;
}

/**
 * Resolves when a device of the account has let this one in. Rejects with `link_over` when the code is good no more. A
 * network that comes and goes is waited out.
 */
export async function waitForLink(server: string, begun: LinkBegun, options: WaitForLink = {}): Promise<DeviceAccess> {
  const { signal } = options;
  const over = Date.now() + begun.expires_in_s * 1000;
  let seen = false;
  for (;;) {
    signal?.throwIfAborted();
    const asked = Date.now();
    let pause = LINK_ASK_MS;
    try {
      const state = await linkState(server, begun, signal);
      if (state.state === "approved") return access(state);
      if (state.state === "seen" && !seen) {
        seen = true;
        options.seen?.();
      }
    } catch (error) {
      if (!(error instanceof TertuliaError) || !error.class.startsWith("retry")) throw error;
      pause = Math.max(pause, error.retryAfterMs ?? 0);
    }
    if (Date.now() > over + LINK_ANSWER_MS) throw TertuliaError.of("link_over");
    await sleep(asked + pause - Date.now(), signal);
  }
}

async function linkState(server: string, begun: LinkBegun, signal: AbortSignal | undefined): Promise<LinkState> {
  const stop = new AbortController();
  const abort = () => stop.abort(signal?.reason);
  signal?.addEventListener("abort", abort);
  const timer = setTimeout(() => stop.abort(TertuliaError.local("unreachable")), LINK_ANSWER_MS);
  try {
    const path = `/v1/devices/link/${encodeURIComponent(begun.link_id)}`;
    return await ask<LinkState>(server, "GET", path, { token: begun.secret, signal: stop.signal });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

function access({ user_id, device_id, token }: DeviceAccess): DeviceAccess {
  return { user_id, device_id, token };
}

/** What a signed-in person can ask about themselves. `client.account` is one; without a client, give it the token. */
export class AccountApi {
  readonly #server: string;
  readonly #bearer: Bearer;

  constructor(server: string, token: string | Bearer) {
    this.#server = server;
    this.#bearer = typeof token === "string" ? () => token : token;
  }

  /** The devices of this account, the primary one first. Needs a device token; else `account_only`. */
  async devices(): Promise<Device[]> {
    return (await this.#ask<Devices>("GET", "/v1/devices")).devices;
  }

  /** Ends a device's access: any device its own, the primary one every linked one's. */
  unlink(deviceId: string): Promise<void> {
    return this.#ask("DELETE", `/v1/devices/${encodeURIComponent(deviceId)}`);
  }

  /** Which device asks to be let in by this code. Show it, and ask the person. */
  inspectLink(code: string): Promise<LinkFound> {
    return this.#ask("POST", "/v1/devices/link/inspect", { body: { code } });
  }

  /** Lets it in. Resolves to all devices. */
  async approveLink(code: string): Promise<Device[]> {
    return (await this.#ask<Devices>("POST", "/v1/devices/link/approve", { body: { code } })).devices;
  }

  profile(): Promise<Profile> {
    return this.#ask("GET", "/v1/profile");
  }

  updateProfile(patch: ProfilePatch): Promise<Profile> {
    return this.#ask("PATCH", "/v1/profile", { body: patch });
  }

  settings(): Promise<Settings> {
    return this.#ask("GET", "/v1/settings");
  }

  /** Times are by the server's clock: see `client.serverTime`. */
  updateSettings(patch: SettingsPatch): Promise<Settings> {
    return this.#ask("PATCH", "/v1/settings", { body: patch });
  }

  /** Whom this user has blocked, the newest first. */
  async blocks(): Promise<Person[]> {
    return (await this.#ask<Blocks>("GET", "/v1/blocks")).blocked;
  }

  /** They never ring here any more, and are not told. */
  block(userId: string): Promise<void> {
    return this.#ask("PUT", `/v1/blocks/${encodeURIComponent(userId)}`);
  }

  unblock(userId: string): Promise<void> {
    return this.#ask("DELETE", `/v1/blocks/${encodeURIComponent(userId)}`);
  }

  /** Somebody one is in a conversation or a group with; `unknown_user` for everybody else. */
  person(userId: string): Promise<Person> {
    return this.#ask("GET", `/v1/users/${encodeURIComponent(userId)}`);
  }

  /** Who has this number; `unknown_user` or `not_found` if nobody has. */
  lookup(phone: string): Promise<Person> {
    return this.#ask("POST", "/v1/contacts/lookup", { body: { phone } });
  }

  /** Deletes the account and everything of it; running calls end. Only the primary device may. */
  deleteAccount(): Promise<void> {
    return this.#ask("DELETE", "/v1/account");
  }

  /** STUN and TURN servers, with credentials made now. */
  iceServers(signal?: AbortSignal): Promise<IceServers> {
    return this.#ask("GET", "/v1/ice-servers", { signal });
  }

  #ask<T>(method: string, path: string, asking: Asking = {}): Promise<T> {
    return askAs<T>(this.#bearer, this.#server, method, path, asking);
  }
}
