// The people whose number was looked up here: kept in this browser, for this user, until they sign out.

import { loadJson } from "./stored.js";

export interface Contact {
  user_id: string;
  name: string;
  /** E.164. */
  phone: string;
}

const KEY = "tertulia.contacts";
/** The oldest are forgotten first. Raising it costs storage, nothing else. */
const CONTACTS_MAX = 500;

interface Kept {
  of: string;
  contacts: Contact[];
}

export function loadContacts(userId: string): Contact[] {
  const kept = loadJson<Partial<Kept>>(localStorage, KEY);
  return kept?.of === userId && Array.isArray(kept.contacts) ? kept.contacts : [];
}

/** Puts this one first, and returns them all. */
export function keepContact(userId: string, contact: Contact): Contact[] {
  const others = loadContacts(userId).filter((it) => it.user_id !== contact.user_id && it.phone !== contact.phone);
  const contacts = [contact, ...others].slice(0, CONTACTS_MAX);
  localStorage.setItem(KEY, JSON.stringify({ of: userId, contacts } satisfies Kept));
  return contacts;
}

export function forgetContacts(): void {
  localStorage.removeItem(KEY);
}
