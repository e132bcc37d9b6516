// Which view is shown, and what lies over all of them: who rings, messages, and what is said to screen readers.

import type { Store } from "../store.js";
import { Invited } from "./chat/Invited.js";
import { DoorPage } from "./door/DoorPage.js";
import { Home } from "./Home.js";
import { Icon } from "./Icon.js";
import { InCall } from "./InCall.js";
import { Incoming } from "./Incoming.js";
import { LinkAsked } from "./LinkAsked.js";
import { Media } from "./media/Media.js";
import { Settings } from "./Settings.js";
import { FirstName, SignIn } from "./SignIn.js";
import { useStore } from "./hooks.js";

export function App({ store }: { store: Store }) {
  useStore(store);
  const { account, calls, mine } = store;
  // Who rings while one talks does so in the call's own view, and takes nothing away.
  const rings = calls.current ? undefined : calls.incoming;
  // What lies behind someone who rings is out of reach for keys and screen readers too.
  return (
    <>
      <div class="page" inert={rings !== undefined}>
        {!account ? (
          <SignIn store={store} />
        ) : calls.current ? (
          <InCall key={callKey(calls.current)} store={store} call={calls.current} />
        ) : mine.needsName && store.registered ? (
          <FirstName store={store} />
        ) : store.door.token !== undefined ? (
          <DoorPage store={store} />
        ) : store.view === "settings" ? (
          <Settings store={store} />
        ) : store.view === "media" ? (
          <Media store={store} />
        ) : (
          <Home store={store} />
        )}
        {account && store.chats.invitation !== undefined && store.connection === "online" && !calls.current && (
          <Invited store={store} token={store.chats.invitation} />
        )}
        {account && mine.linkAsked && !calls.current && <LinkAsked store={store} asked={mine.linkAsked} />}
      </div>
      {rings && <Incoming store={store} call={rings} />}
      <Toasts store={store} />
      <p class="hidden" role="status" aria-live="polite">
        {store.announcement}
      </p>
    </>
  );
}

const keys = new WeakMap<object, number>();
let lastKey = 0;

/** Another call is another view: nothing of one must be left in the next. */
function callKey(call: object): number {
  const key = keys.get(call) ?? ++lastKey;
  keys.set(call, key);
  return key;
}

function Toasts({ store }: { store: Store }) {
  return (
    <div class="toasts" role="region" aria-label="Messages">
      {store.toasts.map((toast) => (
        <div key={toast.id} class={`toast ${toast.tone}`} data-testid="toast" role="status">
          <span>{toast.text}</span>
          {toast.action && (
            <button
              type="button"
              class="action"
              data-testid="toast-action"
              onClick={() => {
                store.dismiss(toast.id);
                toast.action?.run();
              }}
            >
              {toast.action.label}
            </button>
          )}
          <button type="button" class="round quiet tiny" aria-label="Dismiss" onClick={() => store.dismiss(toast.id)}>
            <Icon name="close" size={16} />
          </button>
        </div>
      ))}
    </div>
  );
}
