// Choosing a person for a file.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Person } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { Avatar } from "../Avatar.js";
import { Icon } from "../Icon.js";
import { knownPeople, matches } from "../People.js";

interface Props {
  store: Store;
  verb: string;
  choose: (person: Person) => void;
  /** What stands in the place of the button. */
  instead?: (person: Person) => ComponentChildren;
}

export function Chooser({ store, verb, choose, instead }: Props) {
  const [search, setSearch] = useState("");
  const wanted = search.trim();
  const all = knownPeople(store);
  const found: Person[] = all.filter((person) => matches(person, wanted));
  const typed = !store.registered && wanted !== "" && !all.some((person) => person.user_id === wanted);
  const people = typed && !store.demo ? [...found, { user_id: wanted, name: wanted }] : found;
  return (
    <div class="chooser">
      <label class="search">
        <span class="hidden">Search people</span>
        <Icon name="search" size={20} />
        <input
          type="search"
          data-testid="chooser-search"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
          placeholder={store.demo || store.registered ? "Search" : "Search, or type a user id"}
          autocapitalize="none"
          autocomplete="off"
        />
      </label>
      {people.length === 0 ? (
        <p class="empty">Nobody you know by that name. Whom you have talked to is listed here.</p>
      ) : (
        <ul class="rows">
          {people.map((person) => (
            <li key={person.user_id} class="row" data-testid={`choose-${person.user_id}`}>
              <Avatar id={person.user_id} name={person.name} />
              <span class="who">
                <span class="name">{person.name}</span>
              </span>
              {instead?.(person) ?? (
                <button
                  type="button"
                  class="secondary small"
                  data-testid="choose"
                  aria-label={`${verb}: ${person.name}`}
                  onClick={() => choose(person)}
                >
                  {verb}
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
