import { useEffect, useRef } from "preact/hooks";
import type { CallRecord } from "@tertulia/sdk";
import { isMissed, type Store } from "../store.js";
import { clock, when } from "../words.js";
import { Avatar } from "./Avatar.js";
import { Icon, type IconName } from "./Icon.js";
import { useNow } from "./hooks.js";

/** Looked at for this long, missed calls are no news any more. */
const LOOKED_AT_MS = 4_000;

export function Recent({ store, shown }: { store: Store; shown: boolean }) {
  const panel = useRef<HTMLElement>(null);
  const unseen = store.unseen;
  useNow(60_000);
  useEffect(() => {
    if (unseen === 0) return;
    const timer = setInterval(() => {
      if (document.hasFocus() && panel.current?.checkVisibility?.()) store.sawHistory();
    }, LOOKED_AT_MS);
    return () => clearInterval(timer);
  }, [unseen, shown]);
  const history = store.history;
  return (
    <section class="panel recent" ref={panel} data-testid="recent-calls" aria-labelledby="recent-title">
      <div class="panel-head">
        <h2 id="recent-title">Recent calls</h2>
        {unseen > 0 && <span class="badge">{unseen} missed</span>}
      </div>
      {history && history.length === 0 && <p class="empty">Your calls will be listed here.</p>}
      {history && history.length > 0 && (
        <ul class="rows">
          {history.map((record) => (
            <RecordRow key={record.call_id} store={store} record={record} />
          ))}
        </ul>
      )}
      {store.historyNext && (
        <button type="button" class="secondary more" onClick={() => void store.moreHistory()}>
          Show earlier calls
        </button>
      )}
    </section>
  );
}

function RecordRow({ store, record }: { store: Store; record: CallRecord }) {
  const { peer, media, direction } = record;
  const missed = isMissed(record);
  const icon: IconName = missed ? "missed" : direction;
  const kind = media === "video" ? "video" : "voice";
  return (
    <li class={missed ? "row missed" : "row"}>
      <Avatar id={peer.user_id} name={peer.name} />
      <span class="who">
        <span class="name">{peer.name}</span>
        <span class="about">
          <Icon name={icon} size={16} />
          {outcome(record)} · {when(record.started_at)}
        </span>
      </span>
      <button
        type="button"
        class="round tint"
        aria-label={`Call ${peer.name} back by ${kind}`}
        title={`Call back by ${kind}`}
        disabled={store.displaced}
        onClick={() => store.place(peer.user_id, peer.name, media === "video")}
      >
        <Icon name={media === "video" ? "camera" : "phone"} size={20} />
      </button>
    </li>
  );
}

function outcome(record: CallRecord): string {
  if (isMissed(record)) return "Missed";
  if (record.duration_ms > 0) return clock(record.duration_ms);
  switch (record.reason) {
    case "declined":
      return "Declined";
    case "busy":
      return "Busy";
    case "missed":
      return "No answer";
    case "cancelled":
      return "Cancelled";
    case "failed":
    case "lost":
      return "Failed";
    default:
      return record.direction === "incoming" ? "Incoming" : "Outgoing";
  }
}
