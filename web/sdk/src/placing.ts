// What a call asks of the server on its way: to be placed, to be connected, to be taken back.

import { TertuliaError } from "./errors.js";
import type { LinkOfCall } from "./call-types.js";
import type { CallGroup, MediaKind, Person, Slot, Target } from "./proto.js";
import type { Session } from "./session.js";

interface Placed {
  link: LinkOfCall | undefined;
  group: CallGroup | undefined;
  peer: Person;
  kind: MediaKind;
  ended: unknown;
}

/** Asks for a call. `waits`: a host has to let this device in. */
export async function invite(session: Session, call: Placed): Promise<{ id: string; waits: boolean }> {
  const { link, group, peer, kind: media } = call;
  const to: Target = link ? { link: link.token } : group ? { group: group.group_id } : { user: peer.user_id };
  for (;;) {
    try {
      const { call_id: id, waiting = false } = await session.request({ type: "call.invite", to, media });
      if (id === undefined) throw TertuliaError.of("internal");
      return { id, waits: waiting };
    } catch (error) {
      // By a link one comes in once, however often one asks.
      const again = link && !call.ended && error instanceof TertuliaError && error.code === "session_lost";
      if (!again) throw error;
    }
  }
}

/** Hands the offer of a call's media to the server. */
export async function offer(session: Session, id: string, sdp: string): Promise<{ sdp: string; slots: Slot[] }> {
  const ok = await session.request({ type: "call.connect", call_id: id, sdp });
  if (ok.sdp === undefined) throw TertuliaError.of("internal");
  return { sdp: ok.sdp, slots: ok.slots ?? [] };
}

/** Gives up a call that is not answered. It may be in this very moment: then it is a hang-up. */
export function takeBack(session: Session, id: string): void {
  session
    .request({ type: "call.cancel", call_id: id })
    .catch(() => session.request({ type: "call.hangup", call_id: id }))
    .catch(() => undefined);
}
