// The tiles of a group call: every device's camera or face, every screen, and those who ring.

import type { Conference, Member, Person } from "@tertulia/sdk";
import type { Shown } from "../../layout.js";

export interface TileOf extends Shown {
  /** Absent of those who ring. */
  member: Member | undefined;
  user: { user_id: string; name: string };
}

/** Those who ring are shown beside the others up to so many tiles: above it they are named in a line. */
const WITH_RINGING_MAX = 9;

export function cameraKey(member: Member): string {
  return `${member.key} camera`;
}

export function tilesOf(conference: Conference): TileOf[] {
  const { members } = conference;
  const cameras = members.map((member) => tile(member, "camera"));
  const screens = members.filter(({ entry, me }) => entry.screen && !me).map((member) => tile(member, "screen"));
  // Oneself comes last: one looks at the others.
  return [...screens, ...cameras.filter(({ me }) => !me), ...cameras.filter(({ me }) => me)];
}

/** Tiles of those who ring, where there is room for them. */
export function ringingTiles(ringing: readonly Person[], others: number): TileOf[] {
  if (others + ringing.length > WITH_RINGING_MAX) return [];
  return ringing.map((user) => ({ key: `${user.user_id} ringing`, kind: "ringing", me: false, member: undefined, user }));
}

function tile(member: Member, kind: "camera" | "screen"): TileOf {
  const { user_id, name } = member.entry;
  return { key: kind === "camera" ? cameraKey(member) : `${member.key} screen`, kind, me: member.me, member, user: { user_id, name } };
}
