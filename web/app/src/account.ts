// Who is signed in. Kept for the next visit; a tab's own sign-in comes before that of the browser.

import { forgetContacts } from "./contacts.js";
import { loadJson } from "./stored.js";

export interface Account {
  userId: string;
  name: string;
  token: string;
  /** Signed in by name alone: a fresh token is one request away. */
  demo: boolean;
  /** The device that the token is for: it has an account here, by a PIN or by a link. Absent otherwise. */
  deviceId?: string;
}

const KEY = "tertulia.account";
const LAST_NAME = "tertulia.name";

export function loadAccount(): Account | undefined {
  for (const storage of [sessionStorage, localStorage]) {
    const account = loadJson<Account>(storage, KEY);
    if (account && typeof account.token === "string" && typeof account.userId === "string") return account;
  }
  return undefined;
}

export function saveAccount(account: Account): void {
  const text = JSON.stringify(account);
  sessionStorage.setItem(KEY, text);
  localStorage.setItem(KEY, text);
  if (account.demo) localStorage.setItem(LAST_NAME, account.name);
}

/** Another tab's account stays, where this tab's is another one. */
export function forgetAccount(): void {
  const mine = loadJson<Account>(sessionStorage, KEY);
  const kept = loadJson<Account>(localStorage, KEY);
  sessionStorage.removeItem(KEY);
  if (mine && kept && kept.userId !== mine.userId) return;
  localStorage.removeItem(KEY);
  forgetContacts();
}

export function lastName(): string {
  return localStorage.getItem(LAST_NAME) ?? "";
}

/** What a token says about its owner; the server alone knows whether that is true. */
export function accountOf(token: string): Account | undefined {
  try {
    const payload = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown; name?: unknown };
    if (typeof claims.sub !== "string") return undefined;
    const name = typeof claims.name === "string" ? claims.name : claims.sub;
    return { userId: claims.sub, name, token, demo: false };
  } catch {
    return undefined;
  }
}

/** Takes a token out of the address (`#token=` or `?token=`), so that it is neither shown nor kept in the history. */
export function takeTokenFromAddress(): string | undefined {
  return takeFromAddress("token");
}

/** Takes the code of a device that wants to be linked out of the address (`#link=`), where its QR code has led here. */
export function takeLinkFromAddress(): string | undefined {
  return takeFromAddress("link");
}

/** Takes an invitation to a group out of the address (`#join=`): whoever has it may join. */
export function takeInviteFromAddress(): string | undefined {
  return takeFromAddress("join");
}

/** What one sends to those whom one invites to a group. */
export function inviteAddress(origin: string, token: string): string {
  return `${origin}/#join=${encodeURIComponent(token)}`;
}

/** What the QR code of a device that wants to be linked says: this page, with its code. */
export function linkAddress(origin: string, code: string): string {
  return `${origin}/#link=${encodeURIComponent(code)}`;
}

/** The code in what a camera has read or a person has typed: a whole address, or the code alone. As the device shows it. */
export function codeIn(text: string): string {
  const link = /[#&?]link=([^&\s]+)/.exec(text)?.[1] ?? text;
  const code = link
    .replace(/%2D/gi, "-")
    .replace(/[\s-]+/g, "")
    .toUpperCase();
  return code.length === 8 ? `${code.slice(0, 4)}-${code.slice(4)}` : code;
}

function takeFromAddress(name: string): string | undefined {
  const url = new URL(location.href);
  const fragment = new URLSearchParams(url.hash.slice(1));
  const value = fragment.get(name) ?? url.searchParams.get(name);
  if (value === null) return undefined;
  fragment.delete(name);
  url.searchParams.delete(name);
  url.hash = fragment.toString();
  history.replaceState(null, "", url);
  return value.trim();
}

/** How this browser is listed among one's devices: "Firefox on Android". */
export function deviceName(agent: string = navigator.userAgent, touch = navigator.maxTouchPoints > 1): string {
  const pick = (names: [RegExp, string][], otherwise: string) =>
    names.find(([pattern]) => pattern.test(agent))?.[1] ?? otherwise;
  const browser = pick(
    [
      [/\bEdg(e|A|iOS)?\//, "Edge"],
      [/\bOPR\//, "Opera"],
      [/SamsungBrowser\//, "Samsung Internet"],
      [/Firefox\/|FxiOS\//, "Firefox"],
      [/Chrome\/|CriOS\//, "Chrome"],
      [/Safari\//, "Safari"],
    ],
    "Browser",
  );
  const system = pick(
    [
      [/Android/, "Android"],
      [/iPhone/, "iPhone"],
      [/iPad/, "iPad"],
      [/CrOS/, "Chromebook"],
      [/Windows/, "Windows"],
      // An iPad says that it is a Mac; no Mac has a touch screen.
      [/Mac OS X/, touch ? "iPad" : "Mac"],
      [/Linux/, "Linux"],
    ],
    "",
  );
  return system ? `${browser} on ${system}` : browser;
}
