// Who is signed in. Kept for the next visit; a tab's own sign-in comes before that of the browser.

export interface Account {
  userId: string;
  name: string;
  token: string;
  /** Signed in by name alone: a fresh token is one request away. */
  demo: boolean;
}

const KEY = "tertulia.account";
const LAST_NAME = "tertulia.name";

export function loadAccount(): Account | undefined {
  for (const storage of [sessionStorage, localStorage]) {
    try {
      const account = JSON.parse(storage.getItem(KEY) ?? "null") as Account | null;
      if (account && typeof account.token === "string" && typeof account.userId === "string") return account;
    } catch {
      storage.removeItem(KEY);
    }
  }
  return undefined;
}

export function saveAccount(account: Account): void {
  const text = JSON.stringify(account);
  sessionStorage.setItem(KEY, text);
  localStorage.setItem(KEY, text);
  if (account.demo) localStorage.setItem(LAST_NAME, account.name);
}

export function forgetAccount(): void {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
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
  const url = new URL(location.href);
  const fragment = new URLSearchParams(url.hash.slice(1));
  const token = fragment.get("token") ?? url.searchParams.get("token");
  if (token === null) return undefined;
  fragment.delete("token");
  url.searchParams.delete("token");
  url.hash = fragment.toString();
  history.replaceState(null, "", url);
  return token.trim();
}
