// Whether this device is woken for messages and calls while the page is not open.

import { useEffect } from "preact/hooks";
import type { Waking as State } from "../push.js";
import type { Store } from "../store.js";

const WORDS: Record<State, [string, string]> = {
  unknown: ["…", "Asking…"],
  cannot: ["Not here", "This browser, or this server, can’t wake you while the page is closed."],
  refused: ["Blocked", "You have told this browser not to show notifications of this page. Its own settings can change that."],
  off: ["Off", "While this page is closed, nothing tells you of messages and calls."],
  on: ["On", "You are told of messages and calls here while the page is closed. What was written is not in it."],
};

export function Waking({ store }: { store: Store }) {
  const { push } = store;
  const [brief, words] = WORDS[push.waking];
  useEffect(() => void push.refresh(), [push]);
  return (
    <section class="panel" aria-labelledby="waking-title" data-testid="waking" data-state={push.waking}>
      <div class="panel-head">
        <h2 id="waking-title">Notifications</h2>
        <span class="count" data-testid="waking-state">
          {brief}
        </span>
      </div>
      <p class="say">{words}</p>
      {(push.waking === "off" || push.waking === "on") && (
        <button
          type="button"
          class="secondary wide"
          data-testid="waking-switch"
          disabled={push.busy}
          onClick={() => void (push.waking === "on" ? push.turnOff() : push.turnOn())}
        >
          {push.waking === "on" ? "Turn off on this device" : "Turn on on this device"}
        </button>
      )}
    </section>
  );
}
