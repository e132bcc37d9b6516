// The calls that were: with whom, how it ended, and how it was.

import { useEffect, useRef, useState } from "preact/hooks";
import { gradeOf, type CallRecord } from "@tertulia/sdk";
import { isMissed, type Store } from "../store.js";
import { clock, when } from "../words.js";
import { sayGrade } from "../figures.js";
import { Avatar } from "./Avatar.js";
import { HowWasIt } from "./HowWasIt.js";
import { Bars, Icon, type IconName } from "./Icon.js";
import { Menu } from "./Menu.js";
import { blockItem } from "./blocking.js";
import { useNow } from "./hooks.js";

/** Looked at for this long, missed calls are no news any more. */
const LOOKED_AT_MS = 4_000;

export function Recent({ store, shown }: { store: Store; shown: boolean }) {
  const panel = useRef<HTMLElement>(null);
  const [asked, setAsked] = useState<CallRecord | undefined>();
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
            <RecordRow key={record.call_id} store={store} record={record} ask={() => setAsked(record)} />
          ))}
        </ul>
      )}
      {store.historyNext && (
        <button type="button" class="secondary more" onClick={() => void store.moreHistory()}>
          Show earlier calls
        </button>
      )}
      {asked && <HowWasIt store={store} record={asked} close={() => setAsked(undefined)} />}
    </section>
  );
}

function RecordRow({ store, record, ask }: { store: Store; record: CallRecord; ask: () => void }) {
  const { peer, media, direction } = record;
  const missed = isMissed(record);
  const icon: IconName = missed ? "missed" : direction;
  const kind = media === "video" ? "video" : "voice";
  const measured = record.quality ?? record.peer_quality;
  return (
    <li class={missed ? "row missed" : "row"} data-testid={`record-${record.call_id}`}>
      <Avatar id={peer.user_id} name={peer.name} deleted={peer.deleted} />
      <span class="who">
        <span class={peer.deleted ? "name gone" : "name"}>{peer.name}</span>
        <span class="about">
          <Icon name={icon} size={16} />
          <span class="outcome">
            {outcome(record)} · {when(record.started_at)}
          </span>
          {measured && <Mark record={record} ask={ask} />}
        </span>
      </span>
      {!peer.deleted && (
        <>
          <button
            type="button"
            class="round tint"
            aria-label={`Call ${peer.name} back by ${kind}`}
            title={`Call back by ${kind}`}
            disabled={store.displaced}
            onClick={() => store.calls.place(peer, media === "video")}
          >
            <Icon name={media === "video" ? "camera" : "phone"} size={20} />
          </button>
          <Menu label={`More about ${peer.name}`} items={blockItem(store, peer)} />
        </>
      )}
    </li>
  );
}

/** How the call was, in a sign and a word; pressed, in figures. */
function Mark({ record, ask }: { record: CallRecord; ask: () => void }) {
  const grade = gradeOf((record.quality ?? record.peer_quality)?.score);
  return (
    <button
      type="button"
      class="mark"
      data-testid="how-was-it"
      data-level={grade}
      aria-label={`How was it: ${sayGrade(grade)}`}
      title="How was it"
      onClick={ask}
    >
      <Bars level={grade} />
      <span class="word">{sayGrade(grade)}</span>
    </button>
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
