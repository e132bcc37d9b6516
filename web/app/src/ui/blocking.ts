// To block someone, wherever they are listed.

import type { Person } from "@tertulia/sdk";
import type { Store } from "../store.js";
import type { MenuItem } from "./Menu.js";

/** The entry for a person's menu; none where this server lets this user block nobody. */
export function blockItem(store: Store, person: Person): MenuItem[] {
  const { mine } = store;
  if (!mine.blocked || person.deleted) return [];
  if (mine.isBlocked(person.user_id)) {
    return [{ label: "Unblock", icon: "check", testId: "unblock", run: () => void mine.unblock(person) }];
  }
  return [{ label: "Block", icon: "block", testId: "block", bad: true, run: () => void mine.block(person) }];
}
