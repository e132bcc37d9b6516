// Uploads that a page began and has not ended, kept where they outlive it: chosen again, the same file goes on where it was.

import type { MediaTreatment } from "./proto.js";

/** Where they are kept: `localStorage`, or anything like it. */
export type UploadMemory = Pick<Storage, "getItem" | "setItem">;

export interface Unfinished {
  /** Whose. */
  user: string;
  /** Where on the server. */
  location: string;
  name: string;
  size: number;
  /** When the file was last changed: another content, another upload. */
  modified: number;
  as: MediaTreatment;
  /** When it began, by this browser's clock. */
  at: number;
}

const KEY = "tertulia.uploads";
/** The oldest are forgotten first. Raising it costs storage, nothing else. */
const UNFINISHED_MAX = 16;

export function loadUnfinished(memory: UploadMemory, user: string): Unfinished[] {
  return all(memory).filter((one) => one.user === user);
}

export function keepUnfinished(memory: UploadMemory, one: Unfinished): void {
  const others = all(memory).filter((other) => !isSame(other, one));
  store(memory, [one, ...others].slice(0, UNFINISHED_MAX));
}

export function dropUnfinished(memory: UploadMemory, location: string): void {
  store(memory, all(memory).filter((one) => one.location !== location));
}

/** Whether this is the upload of that file. */
export function isSame(one: Omit<Unfinished, "location" | "at">, other: Omit<Unfinished, "location" | "at">): boolean {
  const keys = ["user", "name", "size", "modified", "as"] as const;
  return keys.every((key) => one[key] === other[key]);
}

function all(memory: UploadMemory): Unfinished[] {
  try {
    const kept: unknown = JSON.parse(memory.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter(isOne) : [];
  } catch {
    return [];
  }
}

function isOne(it: unknown): it is Unfinished {
  const { location, name, size, user } = (it ?? {}) as Partial<Unfinished>;
  return typeof location === "string" && typeof name === "string" && typeof user === "string" && typeof size === "number";
}

function store(memory: UploadMemory, unfinished: Unfinished[]): void {
  try {
    memory.setItem(KEY, JSON.stringify(unfinished));
  } catch {
    // Full, or forbidden: then it starts from its beginning the next time.
  }
}
