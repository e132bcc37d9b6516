import { useState } from "preact/hooks";
import type { Person } from "@tertulia/sdk";
import type { Store } from "../store.js";
import { Avatar } from "./Avatar.js";
import { Icon } from "./Icon.js";

export function People({ store }: { store: Store }) {
  const [search, setSearch] = useState("");
  const wanted = search.trim();
  const all = knownPeople(store);
  const found = all.filter((person) => matches(person, wanted));
  // Where nobody is listed, one calls by the name that one knows.
  const typed = !store.demo && wanted !== "" && !all.some((person) => person.user_id === wanted);
  const people = typed ? [...found, { user_id: wanted, name: wanted }] : found;
  const online = all.filter((person) => person.online).length;
  return (
    <section class="panel people" aria-labelledby="people-title">
      <div class="panel-head">
        <h2 id="people-title">{store.demo ? "Who is here" : "Call someone"}</h2>
        {store.demo && <span class="count">{online === 0 ? "nobody yet" : `${online} online`}</span>}
      </div>
      <label class="search">
        <span class="hidden">{store.demo ? "Search people" : "Search, or whom to call"}</span>
        <Icon name="search" size={20} />
        <input
          type="search"
          data-testid="people-search"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
          placeholder={store.demo ? "Search" : "Search, or type a user id"}
          autocapitalize="none"
        />
      </label>
      {people.length > 0 ? (
        <ul class="rows">
          {people.map((person) => (
            <PersonRow key={person.user_id} store={store} person={person} />
          ))}
        </ul>
      ) : (
        <Nobody store={store} searching={wanted !== ""} />
      )}
    </section>
  );
}

function PersonRow({ store, person }: { store: Store; person: Person }) {
  const { user_id: id, name, online } = person;
  const place = (video: boolean) => store.place(id, name, video);
  const about = online === undefined ? (id === name ? "" : id) : online ? "Online" : "Away";
  return (
    <li class="row" data-testid={`person-${id}`}>
      <Avatar id={id} name={name} online={online} />
      <span class="who">
        <span class="name">{name}</span>
        {about && <span class="about">{about}</span>}
      </span>
      <button
        type="button"
        class="round tint"
        data-testid="call-voice"
        aria-label={`Call ${name} by voice`}
        title="Voice call"
        disabled={store.displaced}
        onClick={() => place(false)}
      >
        <Icon name="phone" size={20} />
      </button>
      <button
        type="button"
        class="round tint"
        data-testid="call-video"
        aria-label={`Call ${name} by video`}
        title="Video call"
        disabled={store.displaced}
        onClick={() => place(true)}
      >
        <Icon name="camera" size={22} />
      </button>
    </li>
  );
}

function Nobody({ store, searching }: { store: Store; searching: boolean }) {
  if (searching) return <p class="empty">Nobody here by that name.</p>;
  if (!store.demo) return <p class="empty">Type the id of someone who uses this server, and call them.</p>;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.origin);
      store.toast("The address is on your clipboard");
    } catch {
      store.toast(`The address of this page: ${location.origin}`);
    }
  };
  return (
    <div class="empty">
      <p>
        The table is set, and you are the first. Open this page in another browser, or send its address to someone, and
        sign in with another name.
      </p>
      <button type="button" class="secondary" onClick={() => void copy()}>
        <Icon name="link" size={20} /> Copy the address
      </button>
    </div>
  );
}

/** In a demo everyone who has signed in, elsewhere those whom one has talked to. */
function knownPeople(store: Store): Person[] {
  const me = store.account?.userId;
  if (store.demo) return store.people.filter((person) => person.user_id !== me);
  const known = new Map<string, Person>();
  for (const { peer } of store.history ?? []) known.set(peer.user_id, peer);
  return [...known.values()].sort((a, b) => a.name.localeCompare(b.name));
}

function matches(person: Person, search: string): boolean {
  const plain = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase();
  return search === "" || plain(person.name).includes(plain(search)) || plain(person.user_id).includes(plain(search));
}
