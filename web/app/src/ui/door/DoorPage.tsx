// Where a call link leads: what the call is and whose, a look at oneself, going in; waiting; and why one is not in.

import { useEffect, useRef } from "preact/hooks";
import type { CallLinkPeek } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import type { Told } from "../../words-links.js";
import { sayGoIn, sayLinkName, sayWhoIsThere } from "../../words-links.js";
import { Avatar } from "../Avatar.js";
import { DeviceChoices } from "../DeviceMenu.js";
import { Displaced } from "../Home.js";
import { Icon } from "../Icon.js";
import { Insecure } from "../Insecure.js";
import { PageHead } from "../PageHead.js";
import { useWakeLock } from "../in-call.js";
import { Preview } from "./Preview.js";

/** Who is there is asked again, as long as one looks. */
const LOOK_AGAIN_MS = 15_000;

export function DoorPage({ store }: { store: Store }) {
  const main = useRef<HTMLElement>(null);
  const { door } = store;
  const { peek, told, call } = door;
  const waits = call?.state === "waiting";
  const stage = told ? "told" : waits ? "waiting" : peek ? "ready" : "looking";
  // What was pressed is gone with what it led to: keys and screen readers go on from what is there instead.
  useEffect(() => (main.current?.querySelector<HTMLElement>("h2") ?? main.current)?.focus({ preventScroll: true }), [stage]);
  useEffect(() => {
    // After a call, say: nobody has looked while that was on.
    if (stage === "looking" && store.connection === "online") void door.look();
    if (stage !== "ready") return;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") void door.look();
    }, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [stage, door]);
  return (
    <div class="door">
      <PageHead store={store} title="Call link" />
      <main ref={main} tabIndex={-1} data-testid="door" data-stage={stage}>
        {store.connection === "reconnecting" && !store.displaced && (
          <p class="banner" role="status">
            <span class="spinner" aria-hidden="true" />
            {store.draining ? "The server is restarting. One moment…" : "The server can’t be reached. Trying again…"}
          </p>
        )}
        {store.displaced && <Displaced store={store} />}
        <Insecure />
        {told ? (
          <NotIn store={store} told={told} />
        ) : peek ? (
          <div class="door-parts">
            <Preview store={store} />
            {waits ? <Waiting store={store} peek={peek} /> : <GoIn store={store} peek={peek} />}
          </div>
        ) : (
          <p class="door-card door-looking" role="status">
            <span class="spinner" aria-hidden="true" /> One moment…
          </p>
        )}
      </main>
    </div>
  );
}

/** What the call is called, and whose it is. */
function About({ store, peek, children }: { store: Store; peek: CallLinkPeek; children: string }) {
  const { owner } = peek;
  return (
    <>
      <h2 tabIndex={-1} data-testid="door-name" dir="auto">
        {sayLinkName(peek)}
      </h2>
      <p class="door-owner">
        <Avatar id={owner.user_id} name={owner.name} />
        <span class="who">
          <span class="name">{owner.user_id === store.userId ? "Your link" : `${owner.name}’s link`}</span>
          <span class="about" data-testid="door-who">
            {children}
          </span>
        </span>
      </p>
    </>
  );
}

function GoIn({ store, peek }: { store: Store; peek: CallLinkPeek }) {
  const { door } = store;
  const busy = door.call !== undefined;
  return (
    <section class="door-card" aria-label="Go in">
      <About store={store} peek={peek}>{sayWhoIsThere(peek)}</About>
      {peek.approval && <p class="say">{peek.owner.name} lets people in one by one. You will wait until that happens.</p>}
      <button
        type="button"
        class="primary wide"
        data-testid="door-join"
        disabled={busy || store.displaced || store.connection !== "online"}
        onClick={() => door.join()}
      >
        <Icon name={peek.media === "video" ? "camera" : "phone"} size={20} /> {busy ? "One moment…" : sayGoIn(peek)}
      </button>
      <details class="door-devices" open={innerWidth > 820}>
        <summary>Microphone, camera, speaker</summary>
        <DeviceChoices store={store} local={door.local} />
      </details>
    </section>
  );
}

function Waiting({ store, peek }: { store: Store; peek: CallLinkPeek }) {
  useWakeLock();
  return (
    <section class="door-card" aria-label="Waiting" data-testid="door-waiting">
      <About store={store} peek={peek}>Lets people in one by one</About>
      <p class="door-wait" role="status">
        <span class="spinner" aria-hidden="true" /> Asking to be let in…
      </p>
      <p class="say">Leave this page open: you come in as soon as somebody lets you. Nobody sees or hears you before that.</p>
      <button type="button" class="secondary wide" data-testid="door-cancel" onClick={() => store.door.leave()}>
        Cancel
      </button>
    </section>
  );
}

function NotIn({ store, told }: { store: Store; told: Told }) {
  const { door } = store;
  return (
    <section class="door-card door-told" aria-labelledby="door-told" data-testid="door-told">
      <span class="sign" aria-hidden="true">
        <Icon name={told.again ? "warn" : "link"} size={30} />
      </span>
      <h2 id="door-told" tabIndex={-1}>
        {told.title}
      </h2>
      <p class="say">{told.text}</p>
      <div class="door-foot">
        {told.again && (
          <button type="button" class="primary" data-testid="door-again" onClick={() => door.again()}>
            Try again
          </button>
        )}
        <button type="button" class="secondary" data-testid="door-home" onClick={() => door.leave()}>
          Go to Tertulia
        </button>
      </div>
    </section>
  );
}
