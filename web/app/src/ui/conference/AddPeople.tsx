// Having more people ring, in a group call or in a call of two that becomes one by it.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { mayAs, type Person } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { Avatar } from "../Avatar.js";
import { Dialog } from "../Dialog.js";
import { Chooser } from "../media/Chooser.js";

export function AddPeople({ store, close }: { store: Store; close: () => void }) {
  const call = store.calls.current;
  const [asked, setAsked] = useState<ReadonlySet<string>>(new Set());
  if (!call) return null;
  const add = async (person: Person) => {
    setAsked((before) => new Set(before).add(person.user_id));
    if (await store.calls.add([person.user_id])) return;
    setAsked((before) => new Set([...before].filter((id) => id !== person.user_id)));
  };
  const { conference } = call;
  const inIt = (id: string) =>
    conference ? conference.members.some(({ entry }) => entry.user_id === id) : call.roster.some(({ user_id }) => user_id === id);
  const rings = (id: string) => conference?.ringing.some(({ user_id }) => user_id === id) === true;
  const instead = ({ user_id: id }: Person) => {
    if (inIt(id)) return <span class="about">Is in it</span>;
    if (rings(id)) return <span class="about">Rings…</span>;
    // Nobody tells whether it was declined, or not answered: one may ring again.
    return asked.has(id) && !conference ? <span class="about">Rings…</span> : undefined;
  };
  return (
    <Dialog store={store} title="Add people" testId="add-people-dialog" close={close}>
      {!conference && <p class="say">It becomes a group call, and goes on as it is.</p>}
      {call.group ? (
        <Members store={store} groupId={call.group.group_id} add={(person) => void add(person)} instead={instead} />
      ) : (
        <Chooser store={store} verb="Ring" choose={(person) => void add(person)} instead={instead} />
      )}
    </Dialog>
  );
}

interface MembersProps {
  store: Store;
  groupId: string;
  add: (person: Person) => void;
  instead: (person: Person) => ComponentChildren;
}

/** Into the call of a group come its members. */
function Members({ store, groupId, add, instead }: MembersProps) {
  const group = store.chats.api?.conversation(`group:${groupId}`)?.group;
  const people = (group?.members ?? []).map(({ user_id }) => ({ user_id, name: store.nameOf(user_id) }));
  const others = people.filter(({ user_id: id }) => id !== store.userId);
  return (
    <>
      <ul class="rows">
        {others.map((person) => (
          <li key={person.user_id} class="row" data-testid={`choose-${person.user_id}`}>
            <Avatar id={person.user_id} name={person.name} />
            <span class="who">
              <span class="name">{person.name}</span>
            </span>
            {instead(person) ?? (
              <button type="button" class="secondary small" data-testid="choose" aria-label={`Ring: ${person.name}`} onClick={() => add(person)}>
                Ring
              </button>
            )}
          </li>
        ))}
      </ul>
      {group && mayAs(group, store.userId ?? "", "admin") && (
        <p class="say">Into this call come members of the group. Whom you add to the group can be rung here.</p>
      )}
    </>
  );
}
