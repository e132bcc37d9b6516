import type { Store } from "../store.js";
import { Home } from "./Home.js";
import { Icon } from "./Icon.js";
import { InCall } from "./InCall.js";
import { Incoming } from "./Incoming.js";
import { SignIn } from "./SignIn.js";
import { useStore } from "./hooks.js";

export function App({ store }: { store: Store }) {
  useStore(store);
  const { account, call, incoming } = store;
  // What lies behind a call, or behind someone who rings, is out of reach for keys and screen readers too.
  return (
    <>
      <div class="page" inert={Boolean(incoming)}>
        {!account ? (
          <SignIn store={store} />
        ) : call ? (
          <InCall key={callKey(call)} store={store} call={call} />
        ) : (
          <Home store={store} />
        )}
      </div>
      {incoming && <Incoming store={store} call={incoming} />}
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
