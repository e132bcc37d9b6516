// One's own page: name, devices, do not disturb, who is blocked, and the end of it all.

import { useEffect, useRef, useState } from "preact/hooks";
import { FOR_EVER } from "../mine.js";
import { spacedNumber } from "../phone.js";
import type { Store } from "../store.js";
import { sayUntil } from "../words.js";
import { Avatar } from "./Avatar.js";
import { Confirm } from "./Dialog.js";
import { DeleteAccount } from "./DeleteAccount.js";
import { Devices } from "./Devices.js";
import { DisturbChoices, useDisturbNot } from "./DoNotDisturb.js";
import { Icon } from "./Icon.js";
import { PageHead } from "./PageHead.js";
import { Privacy } from "./Privacy.js";
import { Waking } from "./Waking.js";

export function Settings({ store }: { store: Store }) {
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div class="home settings" data-testid="settings-page">
      <PageHead store={store} title="Settings" />
      <main ref={main} tabIndex={-1}>
        <div class="columns">
          <div class="stack">
            <You store={store} />
            <Disturb store={store} />
            <Privacy store={store} />
          </div>
          <div class="stack">
            <Waking store={store} />
            {store.registered && <Devices store={store} />}
            <Blocked store={store} />
            <DeleteAccount store={store} />
          </div>
        </div>
      </main>
    </div>
  );
}

function You({ store }: { store: Store }) {
  const { account, mine } = store;
  const { name } = store;
  const [typed, setTyped] = useState(name);
  const [busy, setBusy] = useState(false);
  const [leaving, setLeaving] = useState(false);
  useEffect(() => setTyped(name), [name]);
  if (!account) return null;
  const phone = mine.profile?.phone;
  const save = async (event: Event) => {
    event.preventDefault();
    if (typed.trim() === "" || typed.trim() === name) return;
    setBusy(true);
    if (await mine.rename(typed.trim())) store.toast("This is your name from now on");
    setBusy(false);
  };
  return (
    <section class="panel" aria-labelledby="you-title">
      <div class="panel-head">
        <h2 id="you-title">You</h2>
      </div>
      <div class="you">
        <Avatar id={account.userId} name={name} />
        <div>
          <strong class="name">{name}</strong>
          <span class="about number">{phone ? spacedNumber(phone) : account.demo ? "Demo" : account.userId}</span>
        </div>
      </div>
      {store.registered && (
        <form class="inline-form" onSubmit={(event) => void save(event)}>
          <label for="own-name">Name</label>
          <div class="field-row">
            <input
              id="own-name"
              class="field"
              data-testid="own-name"
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
              autocomplete="name"
              maxLength={40}
              required
            />
            <button
              type="submit"
              class="secondary"
              data-testid="own-name-save"
              disabled={busy || typed.trim() === "" || typed.trim() === name}
            >
              Save
            </button>
          </div>
        </form>
      )}
      {store.chats.list.length > 0 && store.keeping.kept !== undefined && (
        <p class="say" data-testid="kept">
          {store.keeping.kept
            ? "Your messages are kept in this browser."
            : "Your messages are in this browser, which may delete them when its disk is full."}
        </p>
      )}
      <button
        type="button"
        class="secondary wide"
        data-testid="sign-out"
        onClick={() => setLeaving(true)}
      >
        <Icon name="leave" size={20} /> Sign out
      </button>
      {leaving && (
        <Confirm
          store={store}
          title="Sign out here?"
          testId="sign-out-sure"
          verb="Sign out"
          onConfirm={() => store.signOut()}
          close={() => setLeaving(false)}
        >
          {/* Asked of everybody: what was sent a moment ago may not be kept yet, and is named here once it is. */}
          <p>
            This device won’t ring any more.
            {store.registered && " To come back, you sign in by phone again, or link it from another of your devices."}
          </p>
          {store.chats.list.length > 0 && (
            <p>Your messages on this device are deleted, those that are not sent yet too.</p>
          )}
        </Confirm>
      )}
    </section>
  );
}

function Disturb({ store }: { store: Store }) {
  const until = useDisturbNot(store);
  return (
    <section class="panel" aria-labelledby="disturb-title">
      <div class="panel-head">
        <h2 id="disturb-title">Do not disturb</h2>
        <span class="count" data-testid="disturb-state">
          {until === undefined ? "Off" : `On ${sayUntil(until, FOR_EVER)}`}
        </span>
      </div>
      <p class="say">Nothing rings on any of your devices. Whoever calls is listed as missed, and is not told why.</p>
      <DisturbChoices store={store} />
    </section>
  );
}

function Blocked({ store }: { store: Store }) {
  const { blocked } = store.mine;
  if (!blocked) return null;
  return (
    <section class="panel" aria-labelledby="blocked-title" data-testid="blocked">
      <div class="panel-head">
        <h2 id="blocked-title">Blocked people</h2>
      </div>
      {blocked.length === 0 ? (
        <p class="say">
          Nobody. Whom you block never rings here, and is not told. Block someone from the menu beside them.
        </p>
      ) : (
        <ul class="rows">
          {blocked.map((person) => (
            <li key={person.user_id} class="row" data-testid={`blocked-${person.user_id}`}>
              <Avatar id={person.user_id} name={person.name} />
              <span class="who">
                <span class="name">{person.name}</span>
              </span>
              <button
                type="button"
                class="secondary small"
                data-testid="unblock"
                aria-label={`Unblock ${person.name}`}
                onClick={() => void store.mine.unblock(person)}
              >
                Unblock
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
