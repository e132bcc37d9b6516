// What the browser keeps for us may be anything: of an older version, or edited by hand.

export function loadJson<T>(storage: Storage, key: string): T | undefined {
  try {
    return (JSON.parse(storage.getItem(key) ?? "null") as T | null) ?? undefined;
  } catch {
    storage.removeItem(key);
    return undefined;
  }
}
