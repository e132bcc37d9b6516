// What is known of a group here: said by the server as a whole, or put together from the entries of its conversation.
//
// Invariant: `seq` is the place of the last entry that is in it. Entries come in order, so each is applied once.

import type { Content, Group, GroupMember, GroupRole } from "../proto.js";

/** A group as this device knows it. */
export interface GroupFacts extends Omit<Group, "group_id" | "conversation_seq" | "has_invite"> {
  /** The last entry that is in it. */
  seq: number;
  /** It was joined in the middle: the server has to be asked for the rest. */
  partial?: boolean;
  /** It has ended. */
  over?: boolean;
}

type GroupEvent = Extract<Content, { type: "system" }>;

const RANKS: GroupRole[] = ["member", "admin", "owner"];

/** The facts after an entry: who did it, at which place. */
export function afterEvent(before: GroupFacts | undefined, event: GroupEvent, from: string, seq: number): GroupFacts {
  const facts: GroupFacts = before
    ? { ...before, members: [...before.members] }
    : { name: "", description: "", post: "member", edit: "admin", members: [], seq: 0, partial: true };
  if (seq <= facts.seq) return facts;
  facts.seq = seq;
  switch (event.event) {
    case "created":
      facts.name = event.name;
      facts.members = event.members.map((user_id) => ({ user_id, role: user_id === from ? "owner" : "member" }));
      // Who may do what, and what else it was made with, is not said.
      facts.partial = true;
      break;
    case "changed": {
      const { icon, ...others } = event.changes;
      Object.assign(facts, others);
      if (icon === null) delete facts.icon;
      else if (icon !== undefined) facts.icon = icon;
      break;
    }
    case "added":
      put(facts, { user_id: event.user, role: event.role });
      break;
    case "joined":
      put(facts, { user_id: from, role: "member" });
      break;
    case "removed":
      drop(facts, event.user);
      break;
    case "left":
      drop(facts, from);
      break;
    case "role":
      if (event.role === "owner") {
        for (const member of facts.members) if (member.role === "owner") put(facts, { ...member, role: "admin" });
      }
      put(facts, { user_id: event.user, role: event.role });
      break;
    case "ended":
      facts.over = true;
      break;
    default:
      // Of a newer server: it is asked.
      facts.partial = true;
  }
  return facts;
}

/** The facts as the server says them. */
export function factsOf({ group_id: _, conversation_seq: seq, has_invite: __, ...facts }: Group): GroupFacts {
  return { ...facts, seq };
}

/** What somebody is in a group; absent: not in it. */
export function roleIn(facts: GroupFacts, user: string): GroupRole | undefined {
  return facts.over ? undefined : facts.members.find(({ user_id }) => user_id === user)?.role;
}

/** Whether somebody may do what needs this role. */
export function mayAs(facts: GroupFacts, user: string, least: GroupRole): boolean {
  const role = roleIn(facts, user);
  return role !== undefined && RANKS.indexOf(role) >= RANKS.indexOf(least);
}

function put(facts: GroupFacts, member: GroupMember): void {
  const at = facts.members.findIndex(({ user_id }) => user_id === member.user_id);
  if (at >= 0) facts.members[at] = member;
  else facts.members.push(member);
}

function drop(facts: GroupFacts, user: string): void {
  facts.members = facts.members.filter(({ user_id }) => user_id !== user);
}
