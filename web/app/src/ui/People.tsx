// Whom one can write to or call: in a demo everyone, elsewhere those one knows, and anyone whose number or id one types.

import { useState } from "preact/hooks";
import { TertuliaError, type Person } from "@tertulia/sdk";
import { internationalNumber, likelyRegion, looksLikeNumber, regionOf, spacedNumber } from "../phone.js";
import type { Store } from "../store.js";
import { sayError } from "../words.js";
import { Avatar } from "./Avatar.js";
import { CallButtons } from "./CallButtons.js";
import { Icon } from "./Icon.js";
import { Menu } from "./Menu.js";
import { NewGroup } from "./chat/NewGroup.js";
import { blockItem } from "./blocking.js";

interface Known extends Person {
  phone?: string;
}

export function People({ store }: { store: Store }) {
  const [search, setSearch] = useState("");
  const [grouping, setGrouping] = useState(false);
  const wanted = search.trim();
  const all = knownPeople(store);
  const found = all.filter((person) => matches(person, wanted));
  const byNumber = store.registered;
  const phone = byNumber && looksLikeNumber(wanted) ? internationalNumber(wanted, homeRegion(store)) : undefined;
  const known = phone !== undefined && all.some((person) => person.phone === phone);
  // Where nobody is listed, one calls by the id that one knows.
  const typed = !store.demo && !byNumber && wanted !== "" && !all.some((person) => person.user_id === wanted);
  const people = typed ? [...found, { user_id: wanted, name: wanted }] : found;
  const online = all.filter((person) => person.online).length;
  const hint = byNumber ? "Name or phone number" : store.demo ? "Search" : "Search, or type a user id";
  return (
    <section class="panel people" aria-labelledby="people-title">
      <div class="panel-head">
        <h2 id="people-title">{store.demo ? "Who is here" : "Talk to someone"}</h2>
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
          placeholder={hint}
          autocapitalize="none"
          autocomplete="off"
        />
      </label>
      {store.chats.api?.usable && wanted === "" && all.length > 0 && (
        <div class="row">
          <button type="button" class="open-chat" data-testid="new-group" onClick={() => setGrouping(true)}>
            <span class="sign" aria-hidden="true">
              <Icon name="people" size={22} />
            </span>
            <span class="name">New group</span>
          </button>
        </div>
      )}
      {grouping && <NewGroup store={store} close={() => setGrouping(false)} />}
      {phone !== undefined && !known && <NumberRow key={phone} store={store} phone={phone} />}
      {people.length > 0 ? (
        <ul class="rows">
          {people.map((person) => (
            <PersonRow key={person.user_id} store={store} person={person} />
          ))}
        </ul>
      ) : (
        phone === undefined && <Nobody store={store} searching={wanted !== ""} />
      )}
    </section>
  );
}

function PersonRow({ store, person }: { store: Store; person: Known }) {
  const { user_id: id, name, online } = person;
  const blocked = store.mine.isBlocked(id);
  return (
    <li class="row" data-testid={`person-${id}`}>
      <button type="button" class="open-chat" data-testid="write" onClick={() => store.chatWith(id)}>
        <Avatar id={id} name={name} online={online} />
        <span class="who">
          <span class="hidden">Write to </span>
          <span class="name">{name}</span>
          <span class="about">{blocked ? "Blocked" : about(store, person)}</span>
        </span>
      </button>
      <CallButtons store={store} name={name} onCall={(video) => store.calls.place({ user_id: id, name }, video)} />
      <Menu label={`More about ${name}`} items={blockItem(store, { user_id: id, name })} />
    </li>
  );
}

function about(store: Store, { user_id: id, name, online, phone }: Known): string {
  if (online !== undefined) return online ? "Online" : "Away";
  if (phone !== undefined) return spacedNumber(phone);
  return id === name || store.registered ? "" : id;
}

/** A number that was typed: who has it is asked when it is called, not with every digit. */
function NumberRow({ store, phone }: { store: Store; phone: string }) {
  const [state, setState] = useState<"new" | "asking" | "nobody">("new");
  const number = spacedNumber(phone);
  const find = async (then: (person: Person) => void) => {
    setState("asking");
    try {
      const person = await store.mine.lookUp(phone);
      if (person) then(person);
      setState(person ? "new" : "nobody");
    } catch (error) {
      setState("new");
      if (error instanceof TertuliaError) store.toast(sayLookup(error), "bad");
    }
  };
  return (
    <>
      <div class="row number-row" data-testid="call-number">
        <button
          type="button"
          class="open-chat"
          data-testid="write"
          disabled={state === "asking"}
          onClick={() => void find((person) => store.chatWith(person.user_id))}
        >
          <span class="sign" aria-hidden="true">
            <Icon name="chat" size={22} />
          </span>
          <span class="who">
            <span class="name number">{number}</span>
            <span class="about">{state === "asking" ? "Looking them up…" : "Write to this number, or call it"}</span>
          </span>
        </button>
        <CallButtons
          store={store}
          name={number}
          busy={state === "asking"}
          onCall={(video) => void find((person) => store.calls.place(person, video))}
        />
      </div>
      {state === "nobody" && (
        <div class="empty" role="status" data-testid="number-unknown">
          <p>
            Nobody with this number is here yet. Look at it once more; if it is right, send them the address of this
            page, so that they can sign up and you can talk.
          </p>
          <CopyAddress store={store} />
        </div>
      )}
    </>
  );
}

function sayLookup(error: TertuliaError): string {
  if (error.code === "phone_invalid")
    return "This does not look like a phone number. Look again, with its country code";
  if (error.code === "rate_limited") return "You have looked up many numbers. Wait a while, then try again";
  return sayError(error, "");
}

function Nobody({ store, searching }: { store: Store; searching: boolean }) {
  if (store.registered) {
    return (
      <p class="empty">
        {searching ? "Nobody you know by that name. " : "Whom would you like to talk to? "}
        Type their phone number to write to them or call them.
      </p>
    );
  }
  if (searching) return <p class="empty">Nobody here by that name.</p>;
  if (!store.demo) return <p class="empty">Type the id of someone who uses this server, and write to them or call them.</p>;
  return (
    <div class="empty">
      <p>
        The table is set, and you are the first. Open this page in another browser, or send its address to someone, and
        sign in with another name.
      </p>
      <CopyAddress store={store} />
    </div>
  );
}

function CopyAddress({ store }: { store: Store }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.origin);
      store.toast("The address is on your clipboard");
    } catch {
      store.toast(`The address of this page: ${location.origin}`);
    }
  };
  return (
    <button type="button" class="secondary" onClick={() => void copy()}>
      <Icon name="link" size={20} /> Copy the address
    </button>
  );
}

/** In a demo everyone who has signed in, elsewhere those whom one has talked to or looked up. */
export function knownPeople(store: Store): Known[] {
  const me = store.account?.userId;
  const present = store.people.filter((person) => person.user_id !== me);
  if (store.demo && !store.registered) return present;
  const known = new Map<string, Known>();
  for (const contact of store.mine.contacts) known.set(contact.user_id, contact);
  for (const { peer } of store.history ?? []) {
    const phone = known.get(peer.user_id)?.phone;
    if (!peer.deleted) known.set(peer.user_id, phone === undefined ? peer : { ...peer, phone });
    else known.delete(peer.user_id);
  }
  known.delete(me ?? "");
  for (const person of present) known.delete(person.user_id);
  return [...present, ...[...known.values()].sort((a, b) => a.name.localeCompare(b.name))];
}

/** Numbers without a country code are of one's own country. */
function homeRegion(store: Store): string {
  const region = likelyRegion(store.entry.info?.phone_region, navigator.languages);
  return regionOf(store.mine.profile?.phone ?? "", region) ?? region;
}

export function matches(person: Known, search: string): boolean {
  const plain = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase();
  if (search === "" || plain(person.name).includes(plain(search))) return true;
  const digits = looksLikeNumber(search) ? search.replace(/\D/g, "").replace(/^0+/, "") : "";
  if (digits !== "" && person.phone?.includes(digits)) return true;
  return plain(person.user_id).includes(plain(search));
}
