// How far an own message has come, in a small sign that has a name.

import type { MessageState } from "@tertulia/sdk";
import { sayTick } from "../../words-chat.js";
import { Icon, type IconName } from "../Icon.js";

const SIGNS: Record<Exclude<MessageState, "received">, IconName> = {
  pending: "clock",
  failed: "warn",
  sent: "check",
  delivered: "checks",
  read: "checks",
};

export function Ticks({ state }: { state: MessageState }) {
  if (state === "received") return null;
  return (
    <span class={`ticks ${state}`} role="img" aria-label={sayTick(state)} title={sayTick(state)} data-testid="ticks" data-state={state}>
      <Icon name={SIGNS[state]} size={state === "pending" ? 14 : 17} />
    </span>
  );
}
