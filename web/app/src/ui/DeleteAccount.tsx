// The end of an account: said in one clear sentence, and typed before it is done.

import { useState } from "preact/hooks";
import type { Store } from "../store.js";
import { Dialog } from "./Dialog.js";

/** Typed, not clicked. */
const WORD = "delete";

export function DeleteAccount({ store }: { store: Store }) {
  const [open, setOpen] = useState(false);
  const primary = store.mine.devices?.find((device) => device.device_id === store.account?.deviceId)?.primary;
  return (
    <section class="panel" aria-labelledby="delete-title">
      <div class="panel-head">
        <h2 id="delete-title">Delete your account</h2>
      </div>
      {primary === false ? (
        <p class="say">Only your main device may do this: the one you signed in on by phone.</p>
      ) : (
        <>
          <p class="say">Your name, number, devices, settings and calls go, from this server and for good.</p>
          <button type="button" class="secondary wide bad" data-testid="delete-account" onClick={() => setOpen(true)}>
            Delete your account…
          </button>
        </>
      )}
      {open && <Sure store={store} close={() => setOpen(false)} />}
    </section>
  );
}

function Sure({ store, close }: { store: Store; close: () => void }) {
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const sure = typed.trim().toLocaleLowerCase() === WORD;
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!sure) return;
    setBusy(true);
    await store.deleteAccount();
    setBusy(false);
  };
  return (
    <Dialog store={store} title="Delete your account?" testId="delete-sure" close={close}>
      <form onSubmit={(event) => void submit(event)}>
        <p>
          Your name, your number, your list of calls, your settings and blocks, and the access of all your devices are
          deleted from this server at once, and nobody can bring them back. A call that is on ends. In other people’s
          lists you become “Deleted account”.
        </p>
        <label class="above" for="delete-word">
          Type <strong>{WORD}</strong> to confirm
        </label>
        <input
          id="delete-word"
          class="field"
          data-testid="delete-word"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
        />
        <div class="dialog-foot">
          <button type="button" class="secondary" onClick={close}>
            Keep it
          </button>
          <button type="submit" class="danger" data-testid="delete-confirm" disabled={!sure || busy}>
            {busy ? "One moment…" : "Delete for good"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
