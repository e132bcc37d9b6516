// Who is in a call, as the server tells it: everyone, or in a call of many what has changed.
//
// Invariant: versions only rise, and changes are made to what they are the changes of, or to something newer.

import type { CallRoster, CallRosterChanges, Participant, RosterEntry } from "./proto.js";

const idOf = ({ user_id, device_id }: Participant): string => JSON.stringify([user_id, device_id]);

/** The same one each time: who follows it sees no change. */
const NOBODY: RosterEntry[] = [];

export class Rosters {
  #newest: CallRoster | undefined;
  #version = -1;

  get participants(): RosterEntry[] {
    return this.#newest?.participants ?? NOBODY;
  }

  /** The server counts from the beginning again. */
  begin(): void {
    this.#version = -1;
  }

  /** The roster that this makes; none where it is no news, or of one that is not here: then all of it comes too. */
  take(frame: ({ type: "call.roster" } & CallRoster) | ({ type: "call.roster_changes" } & CallRosterChanges)): CallRoster | undefined {
    if (frame.version <= this.#version) return undefined;
    if (frame.type === "call.roster") return this.#is(frame);
    if (!this.#newest || this.#version < frame.since) return undefined;
    const { changed, gone = [], version, ringing = [], hosts = [] } = frame;
    const left = new Set(gone.map(idOf));
    const news = new Map(changed.map((entry) => [idOf(entry), entry]));
    const stay = this.participants.filter((entry) => !left.has(idOf(entry)));
    const there = new Set(stay.map(idOf));
    const participants = [...stay.map((entry) => news.get(idOf(entry)) ?? entry), ...changed.filter((entry) => !there.has(idOf(entry)))];
    return this.#is({ ...this.#newest, version, participants, ringing, hosts });
  }

  #is(roster: CallRoster): CallRoster {
    this.#version = roster.version;
    this.#newest = roster;
    return roster;
  }
}
