// A group's call that goes on, where its members see it: who is in it, and a button that goes in.

import { useEffect, useState } from "preact/hooks";
import type { GroupCall, Person } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { sayWhoIsIn } from "../../words-conference.js";
import { Avatar } from "../Avatar.js";
import { Icon } from "../Icon.js";
import { ChatFace } from "./ChatFace.js";

/** Faces that are shown. */
const FACES = 3;

/** Who is in it, asked anew whenever their number changes. */
function usePeek(store: Store, going: GroupCall): Person[] {
  const [people, setPeople] = useState<Person[]>([]);
  const { call_id: id, participants } = going;
  const online = store.connection === "online";
  useEffect(() => {
    let over = false;
    if (!online) return;
    // It may have ended in this moment; then the server tells that, too.
    store.client?.peek(id).then(
      (peek) => !over && setPeople([...new Map(peek.participants.map((person) => [person.user_id, person])).values()]),
      () => undefined,
    );
    return () => {
      over = true;
    };
  }, [id, participants, online]);
  return people;
}

/** In the conversation of the group, below its head. */
export function GroupCallBanner({ store, groupId }: { store: Store; groupId: string }) {
  const going = store.calls.goingOf(groupId);
  return going ? <Banner store={store} going={going} /> : null;
}

function Banner({ store, going }: { store: Store; going: GroupCall }) {
  const people = usePeek(store, going);
  const video = going.media === "video";
  return (
    <div class="group-call" role="group" aria-label="The call of this group" data-testid="group-call">
      <Faces people={people} video={video} />
      <p>
        <strong>{video ? "Video call" : "Voice call"} now</strong>
        <span data-testid="group-call-who">{sayWhoIsIn(people.map(({ name }) => name), going.participants)}</span>
      </p>
      <Join store={store} going={going} />
    </div>
  );
}

/** Calls of one's groups that go on: above the list of conversations; on a narrow page also where that list is not (`over`). */
export function GoingCalls({ store, over = false }: { store: Store; over?: boolean }) {
  const going = (store.client?.groupCalls ?? []).filter(({ group_id: id }) => store.calls.goingOf(id));
  if (going.length === 0) return null;
  return (
    <ul class={over ? "going over" : "going"} aria-label="Calls of your groups">
      {going.map((call) => (
        <Row key={call.call_id} store={store} going={call} />
      ))}
    </ul>
  );
}

function Row({ store, going }: { store: Store; going: GroupCall }) {
  const people = usePeek(store, going);
  const key = `group:${going.group_id}`;
  const name = store.chats.titleOf(key);
  return (
    <li class="group-call in-list" data-testid={`going-${going.group_id}`}>
      <ChatFace store={store} chat={key} />
      <p>
        <strong>{name}</strong>
        <span>{sayWhoIsIn(people.map((person) => person.name), going.participants)}</span>
      </p>
      <Join store={store} going={going} name={name} />
    </li>
  );
}

function Faces({ people, video }: { people: Person[]; video: boolean }) {
  if (people.length === 0) {
    return (
      <span class="faces none" aria-hidden="true">
        <Icon name={video ? "camera" : "phone"} size={20} />
      </span>
    );
  }
  return (
    <span class="faces" aria-hidden="true">
      {people.slice(0, FACES).map(({ user_id: id, name }) => (
        <Avatar key={id} id={id} name={name} />
      ))}
    </span>
  );
}

function Join({ store, going, name }: { store: Store; going: GroupCall; name?: string }) {
  return (
    <button
      type="button"
      class="join"
      data-testid="join-call"
      aria-label={name === undefined ? "Join the call" : `Join the call of ${name}`}
      disabled={store.displaced || store.calls.current !== undefined}
      onClick={() => store.calls.joinGroup(going)}
    >
      <Icon name={going.media === "video" ? "camera" : "phone"} size={18} /> Join
    </button>
  );
}
