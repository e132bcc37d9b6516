// Who is in a group call and who rings, beside the pictures: how loud each is here, who may be taken out, whom one adds.

import { useEffect, useRef } from "preact/hooks";
import type { Conference, Member, Person } from "@tertulia/sdk";
import { sayGrade } from "../../figures.js";
import type { Store } from "../../store.js";
import { Avatar } from "../Avatar.js";
import { Bars, Icon } from "../Icon.js";
import { Menu, type MenuItem } from "../Menu.js";
import type { Quality } from "../hooks.js";
import { copyLink } from "../links/NewCallLink.js";
import { WaitingRows } from "./AtTheDoor.js";
import { gradeFor } from "./Stage.js";
import { cameraKey } from "./tiles.js";

interface Props {
  store: Store;
  conference: Conference;
  quality: Quality | undefined;
  pinned: string | undefined;
  pin: (key: string | undefined) => void;
  /** Asks whom to add. */
  add: () => void;
  close: () => void;
}

export function Roster({ store, conference, quality, pinned, pin, add, close }: Props) {
  const box = useRef<HTMLElement>(null);
  const { members, ringing } = conference;
  const host = conference.isHost(store.userId);
  const mayAdd = conference.mayAdd(store.userId);
  const link = store.calls.current?.link;
  useEffect(() => {
    const opener = document.activeElement as HTMLElement | null;
    box.current?.querySelector<HTMLElement>("h2")?.focus();
    return () => {
      if (!document.activeElement || document.activeElement === document.body) opener?.focus();
    };
  }, []);
  const remove = (person: Person) => void store.calls.attempt(conference.remove(person.user_id));
  // Hands first, in the order in which they went up: that is what one looks here for.
  const sorted = [...members].sort((a, b) => (a.entry.hand_at ?? Infinity) - (b.entry.hand_at ?? Infinity) || 0);
  return (
    <aside
      class="roster"
      ref={box}
      aria-labelledby="roster-title"
      data-testid="roster"
      onKeyDown={(event) => {
        if (event.key === "Escape") close();
      }}
    >
      <header class="roster-head">
        <h2 id="roster-title" tabIndex={-1}>
          In the call <span class="count">{members.length}</span>
        </h2>
        <button type="button" class="round" data-testid="close-roster" aria-label="Close the list of people" onClick={close}>
          <Icon name="close" size={20} />
        </button>
      </header>
      <div class="roster-body">
        <WaitingRows store={store} conference={conference} />
        <ul class="roster-rows">
          {sorted.map((member) => (
            <Row
              key={member.key}
              store={store}
              conference={conference}
              member={member}
              quality={quality}
              pinned={pinned === cameraKey(member)}
              pin={() => pin(pinned === cameraKey(member) ? undefined : cameraKey(member))}
              remove={host && !member.me ? () => remove({ user_id: member.entry.user_id, name: member.entry.name }) : undefined}
            />
          ))}
        </ul>
        {ringing.length > 0 && (
          <>
            <h3>Ringing</h3>
            <ul class="roster-rows" data-testid="ringing">
              {ringing.map((person) => (
                <li key={person.user_id} class="roster-row" data-testid={`ringing-${person.user_id}`}>
                  <Avatar id={person.user_id} name={person.name} />
                  <span class="who">
                    <span class="name">{person.name}</span>
                    <span class="about">Rings…</span>
                  </span>
                  {host && (
                    <button
                      type="button"
                      class="strip-button"
                      data-testid="stop-ringing"
                      aria-label={`Stop ringing ${person.name}`}
                      onClick={() => remove(person)}
                    >
                      Stop
                    </button>
                  )}
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
      {(link || mayAdd) && (
        <footer class="roster-foot">
          {link && (
            <button type="button" class="secondary wide" data-testid="copy-address-here" onClick={() => void copyLink(store, link)}>
              <Icon name="link" size={20} /> Copy the call’s address
            </button>
          )}
          {mayAdd && (
            <button type="button" class="primary wide" data-testid="add-people" onClick={add}>
              <Icon name="addPerson" size={20} /> Add people
            </button>
          )}
        </footer>
      )}
    </aside>
  );
}

interface RowProps {
  store: Store;
  conference: Conference;
  member: Member;
  quality: Quality | undefined;
  pinned: boolean;
  pin: () => void;
  /** Absent: one may not. */
  remove: (() => void) | undefined;
}

function Row({ store, conference, member, quality, pinned, pin, remove }: RowProps) {
  const { entry, me } = member;
  const { user_id: id, name } = entry;
  const grade = gradeFor(quality, member);
  const host = conference.isHost(id);
  const items: MenuItem[] = [
    { label: pinned ? "Show all alike" : "Show large", icon: "pin", testId: "roster-pin", run: pin },
    ...(remove ? [{ label: "Take out of the call", icon: "leave", testId: "remove-person", run: remove, bad: true } as const] : []),
  ];
  const about = [host && "Host", entry.held && "On hold", entry.screen && "Shares a screen"].filter(Boolean).join(" · ");
  return (
    <li class="roster-row" data-testid={`in-call-${id}`}>
      <Avatar id={id} name={name} />
      <span class="who">
        <span class="name">{me ? `${name} (you)` : name}</span>
        {about !== "" && <span class="about">{about}</span>}
      </span>
      {entry.hand_at !== undefined && (
        <span class="state raised" title="Hand up">
          <Icon name="hand" size={20} />
          <span class="hidden">Hand up</span>
        </span>
      )}
      {grade !== "unknown" && (
        <span class="state" title={`Connection: ${sayGrade(grade)}`}>
          <Bars level={grade} />
          <span class="hidden">Connection: {sayGrade(grade)}</span>
        </span>
      )}
      <span class={entry.mic ? "state" : "state off"}>
        <Icon name={entry.mic ? "mic" : "micOff"} size={20} />
        <span class="hidden">{entry.mic ? "Microphone on" : "Muted"}</span>
      </span>
      <Menu label={`More about ${me ? "yourself" : name}`} items={items} />
      {!me && <Volume store={store} id={id} name={name} />}
    </li>
  );
}

/** How loud somebody is here: nobody else hears a difference. */
function Volume({ store, id, name }: { store: Store; id: string; name: string }) {
  const { volumes } = store.calls;
  return (
    <label class="volume">
      <span class="hidden">How loud {name} is here</span>
      <Icon name="sound" size={18} />
      <input
        type="range"
        min="0"
        max="100"
        step="5"
        data-testid={`volume-${id}`}
        value={Math.round((volumes.get(id) ?? 1) * 100)}
        onInput={(event) => {
          volumes.set(id, Number(event.currentTarget.value) / 100);
          store.changed();
        }}
      />
    </label>
  );
}
