// IndexedDB with promises, as little of it as the store of messages needs.
//
// Invariant: a transaction that resolved is on the disk (`durability: "strict"`): what is acknowledged after it is not lost
// with the battery.

import { TertuliaError } from "../errors.js";

export const TABLES = ["meta", "conversations", "messages", "outbox", "watermarks", "files"] as const;
export type Table = (typeof TABLES)[number];

/** Of the schema. A newer one adds a case to `upgrade`; an older page that is open then closes its database. */
const VERSION = 2;
/** Some browsers never answer, after a crash of their own. Raising it delays the page there. */
const OPEN_MS = 4_000;

/** Opens it, and makes what is not there. */
export function openDatabase(factory: IDBFactory, name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(TertuliaError.local("storage_unavailable")), OPEN_MS);
    const fail = (error: unknown) => {
      clearTimeout(timer);
      reject(storageError(error));
    };
    let request: IDBOpenDBRequest;
    try {
      request = factory.open(name, VERSION);
    } catch (error) {
      fail(error);
      return;
    }
    request.onupgradeneeded = ({ oldVersion }) => upgrade(request.result, oldVersion);
    request.onerror = () => fail(request.error);
    request.onsuccess = () => {
      clearTimeout(timer);
      const db = request.result;
      // Another tab signs out, or has a newer page.
      db.onversionchange = () => db.close();
      resolve(db);
    };
  });
}

function upgrade(db: IDBDatabase, from: number): void {
  if (from < 1) {
    db.createObjectStore("meta");
    db.createObjectStore("conversations", { keyPath: "key" }).createIndex("id", "id", { unique: true });
    db.createObjectStore("messages", { keyPath: ["key", "seq"] });
    db.createObjectStore("outbox", { keyPath: "n", autoIncrement: true }).createIndex("key", "key");
    db.createObjectStore("watermarks", { keyPath: ["id", "user"] });
  }
  // Files of messages that wait: beside them, so that whoever looks at those reads none.
  if (from < 2) db.createObjectStore("files");
}

/** Deletes it. Other tabs close theirs when they hear of it. */
export function deleteDatabase(factory: IDBFactory, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = factory.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(storageError(request.error));
  });
}

/** The answer of a request within a transaction. */
export function asked<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

type Tables = (table: Table) => IDBObjectStore;

/** Everything that `body` does, or nothing of it. */
export async function transact<T>(
  db: IDBDatabase,
  mode: "readonly" | "readwrite",
  body: (tables: Tables) => Promise<T>,
): Promise<T> {
  let tx: IDBTransaction;
  try {
    tx = db.transaction(TABLES, mode, { durability: "strict" });
  } catch (error) {
    throw storageError(error);
  }
  const over = new Promise<void>((resolve, reject) => {
    tx.oncomplete = () => resolve();
    tx.onabort = () => reject(tx.error);
  });
  try {
    const result = await body((table) => tx.objectStore(table));
    await over;
    return result;
  } catch (error) {
    over.catch(() => undefined);
    try {
      tx.abort();
    } catch {
      // It is over already, for the same reason.
    }
    throw storageError(error);
  }
}

/** What went wrong with storage, as one of two errors. What is not storage's fault stays as it is. */
export function storageError(error: unknown): unknown {
  if (error instanceof TertuliaError) return error;
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  if (name === "QuotaExceededError") return TertuliaError.local("storage_full");
  if (error instanceof DOMException || error === null) return TertuliaError.local("storage_unavailable");
  return error;
}

export function isStorageError(error: unknown): boolean {
  return error instanceof TertuliaError && (error.code === "storage_full" || error.code === "storage_unavailable");
}
