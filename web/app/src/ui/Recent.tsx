// The calls that were: with whom, how it ended, and how it was.

import { useEffect, useRef, useState } from "preact/hooks";
import { gradeOf, type CallRecord } from "@tertulia/sdk";
import { isMissed, type Store } from "../store.js";
import { sayWith } from "../words-calls.js";
import { clock, when } from "../words.js";
import { sayGrade } from "../figures.js";
import { Avatar } from "./Avatar.js";
import { HowWasIt } from "./HowWasIt.js";
import { Bars, Icon, type IconName } from "./Icon.js";
import { Menu } from "./Menu.js";
import { blockItem } from "./blocking.js";
import { pictureOf } from "./chat/ChatFace.js";
import { useNow } from "./hooks.js";
import { CallLinks } from "./links/CallLinks.js";

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
      <CallLinks store={store} />
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
  const { peer, media, direction, group } = record;
  const name = sayWith(record, store.userId, group && store.groupName(group.group_id));
  const chat = group && `group:${group.group_id}`;
  const callAgain = whomToCall(store, record);
  const missed = isMissed(record);
  const icon: IconName = missed ? "missed" : direction;
  const kind = media === "video" ? "video" : "voice";
  const measured = record.quality ?? record.peer_quality;
  return (
    <li class={missed ? "row missed" : "row"} data-testid={`record-${record.call_id}`}>
      <Avatar
        id={chat ?? peer.user_id}
        name={chat === undefined ? peer.name : name}
        deleted={chat === undefined && peer.deleted}
        picture={chat === undefined ? undefined : pictureOf(store, chat)}
      />
      <span class="who">
        <span class={peer.deleted && !group ? "name gone" : "name"} data-testid="past-name">
          {name}
        </span>
        <span class="about">
          <Icon name={icon} size={16} />
          <span class="outcome" data-testid="past-outcome">
            {outcome(record)} · {when(record.started_at)}
          </span>
          {measured && <Mark record={record} ask={ask} />}
        </span>
      </span>
      {callAgain && (
        <button
          type="button"
          class="round tint"
          data-testid="call-again"
          aria-label={group ? `Call ${name} again by ${kind}` : `Call ${peer.name} back by ${kind}`}
          title={group ? `Call again by ${kind}` : `Call back by ${kind}`}
          disabled={store.displaced || (group !== undefined && store.calls.current !== undefined)}
          onClick={callAgain}
        >
          <Icon name={media === "video" ? "camera" : "phone"} size={20} />
        </button>
      )}
      {!peer.deleted && !group && <Menu label={`More about ${peer.name}`} items={blockItem(store, peer)} />}
    </li>
  );
}

/** The same again: the group's call, as long as one is in it; else the other one's. */
function whomToCall(store: Store, { peer, media, group }: CallRecord): (() => void) | undefined {
  const video = media === "video";
  if (!group) return peer.deleted ? undefined : () => store.calls.place(peer, video);
  const id = store.groupToCall(`group:${group.group_id}`);
  return id === undefined ? undefined : () => store.calls.startGroup(id, video);
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
  if (record.group && record.people_count === 1) return record.direction === "outgoing" ? "No answer" : "Nobody came";
  if (record.duration_ms > 0) return record.group ? `${clock(record.duration_ms)}, ${record.people_count} people` : clock(record.duration_ms);
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
