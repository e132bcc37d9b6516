// What was said, oldest first. It stays at its end, unless the reader has scrolled up: then a button counts what is new.

import { Fragment } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { isServers, type ChatMessage } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { sayDay, sayNew } from "../../words-chat.js";
import { Icon } from "../Icon.js";
import { Bubble } from "./Bubble.js";

/** This near to the end is at the end: a line that is half out of sight does not count. */
const END_PX = 48;
/** This near to the beginning what is before is loaded. */
const START_PX = 240;
/** What one says within this time is shown as one. */
const TOGETHER_MS = 5 * 60_000;

export function Messages({ store, name, inGroup }: { store: Store; name: string; inGroup: boolean }) {
  const { chats } = store;
  const { thread, more, loaded, open } = chats;
  const box = useRef<HTMLDivElement>(null);
  const scroll = useScroll(store, box);
  const { readBefore, endBefore } = chats;
  const isNews = ({ seq = 0, from, state }: ChatMessage) =>
    state === "received" && from !== store.userId && seq > readBefore && seq <= endBefore;
  const firstNew = thread.find(isNews);
  return (
    <div class="messages-frame">
      <div class="messages" ref={box} tabIndex={0} role="log" aria-label={`Messages with ${name}`} onScroll={scroll.onScroll}>
        {more && (
          <button type="button" class="secondary small earlier" onClick={() => void scroll.older()}>
            Show earlier messages
          </button>
        )}
        {loaded === open && thread.length === 0 && <p class="empty-chat">Say hello to {inGroup ? "everybody" : name}.</p>}
        <ol data-testid="messages">
          {thread.map((message, i) => {
            const before = thread[i - 1];
            const day = !before || sayDay(before.at) !== sayDay(message.at) ? sayDay(message.at) : undefined;
            // Where all of it is new, nothing needs to say so.
            const isFirstNew = message === firstNew && (i > 0 || more);
            return (
              <Fragment key={message.ref}>
                {day && (
                  <li class="day">
                    <span>{day}</span>
                  </li>
                )}
                {isFirstNew && (
                  <li class="day news" data-testid="news">
                    <span>New messages</span>
                  </li>
                )}
                <Bubble
                  store={store}
                  message={message}
                  follows={!day && !isFirstNew && before !== undefined && areTogether(before, message)}
                  author={message.state === "received" ? store.nameOf(message.from) : "You"}
                  inGroup={inGroup}
                />
              </Fragment>
            );
          })}
        </ol>
      </div>
      {scroll.away && (
        <button type="button" class="to-end" data-testid="to-end" onClick={scroll.toEnd}>
          <Icon name="down" size={20} />
          {scroll.fresh > 0 ? <span>{sayNew(scroll.fresh)}</span> : <span class="hidden">To the newest message</span>}
        </button>
      )}
    </div>
  );
}

function areTogether(one: ChatMessage, next: ChatMessage): boolean {
  if (isServers(one.content)) return false;
  return one.from === next.from && next.at - one.at < TOGETHER_MS && one.failed === undefined;
}

/** Keeps the reader where they are, and tells what they have seen. */
function useScroll(store: Store, box: { current: HTMLDivElement | null }) {
  const { chats } = store;
  const { thread, loaded } = chats;
  const atEnd = useRef(true);
  /** Where the reader was when that was last looked at. */
  const top = useRef(0);
  /** From the end, while what is before is being loaded. */
  const kept = useRef<number | undefined>(undefined);
  const [away, setAway] = useState(false);
  const seen = useRef(0);
  const newest = thread.reduce((most, { seq }) => Math.max(most, seq ?? 0), 0);
  const own = thread.filter(({ state }) => state !== "received").at(-1)?.ref;

  const look = () => {
    const it = box.current;
    if (!it) return;
    const isNear = () => it.scrollHeight - it.scrollTop - it.clientHeight < END_PX;
    // A banner that comes, a keyboard: where the end moves away, the reader at it has not left.
    if (atEnd.current && it.scrollTop >= top.current && !isNear()) it.scrollTop = it.scrollHeight;
    top.current = it.scrollTop;
    atEnd.current = isNear();
    setAway(!atEnd.current);
    if (!atEnd.current || document.visibilityState !== "visible" || !it.checkVisibility()) return;
    seen.current = Math.max(seen.current, newest);
    chats.saw(newest);
  };
  const toEnd = () => {
    box.current?.scrollTo({ top: box.current.scrollHeight });
    look();
  };
  const older = async () => {
    const it = box.current;
    if (!it || kept.current !== undefined || !chats.more) return;
    kept.current = it.scrollHeight - it.scrollTop;
    await chats.older();
    kept.current = undefined;
  };

  // What is unread at first begins in sight.
  useLayoutEffect(() => {
    const it = box.current;
    const news = it?.querySelector<HTMLElement>(".news");
    if (!it) return;
    seen.current = chats.readBefore;
    if (news && it.scrollHeight - news.offsetTop > it.clientHeight) it.scrollTop = news.offsetTop - 16;
    else it.scrollTop = it.scrollHeight;
    atEnd.current = false;
    look();
  }, [loaded]);
  // What one writes oneself is in sight.
  useLayoutEffect(() => {
    const last = thread.at(-1);
    if (last && last.ref === own && last.state === "pending") atEnd.current = true;
  }, [own]);
  useLayoutEffect(() => {
    const it = box.current;
    if (!it) return;
    // They have just scrolled up, and the event of it is yet to come.
    const leaves = it.scrollTop < top.current - END_PX && it.scrollHeight - it.scrollTop - it.clientHeight >= END_PX;
    if (kept.current !== undefined) it.scrollTop = it.scrollHeight - kept.current;
    else if (atEnd.current && !leaves) it.scrollTop = it.scrollHeight;
    look();
  }, [thread]);
  useEffect(() => {
    const again = () => {
      if (atEnd.current) toEnd();
      else look();
    };
    document.addEventListener("visibilitychange", again);
    // A keyboard that opens, a window that shrinks, a composer that grows.
    const sizes = new ResizeObserver(again);
    if (box.current) sizes.observe(box.current);
    return () => {
      document.removeEventListener("visibilitychange", again);
      sizes.disconnect();
    };
  });
  const onScroll = () => {
    look();
    if ((box.current?.scrollTop ?? Infinity) < START_PX) void older();
  };
  const fresh = thread.filter(({ seq, state }) => state === "received" && (seq ?? 0) > seen.current).length;
  return { away, fresh, onScroll, toEnd, older };
}
