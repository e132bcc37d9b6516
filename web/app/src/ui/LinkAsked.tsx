// A code has led here: what is about to be let in, and whether to let it in.

import { useState } from "preact/hooks";
import type { LinkAsked as Asked } from "../mine.js";
import type { Store } from "../store.js";
import { ago } from "../words.js";
import { Dialog } from "./Dialog.js";
import { Icon } from "./Icon.js";
import { useNow } from "./hooks.js";

export function LinkAsked({ store, asked }: { store: Store; asked: Asked }) {
  const [busy, setBusy] = useState(false);
  const now = useNow(5_000);
  const { mine } = store;
  const close = () => mine.dropLink();
  const { found, problem } = asked;
  const approve = async () => {
    setBusy(true);
    await mine.approveLink();
    setBusy(false);
  };
  if (!store.registered) {
    return (
      <Dialog store={store} title="Link a device" testId="link-asked" close={close}>
        <p>You are signed in without an account on this server: there is nothing to link a device to.</p>
      </Dialog>
    );
  }
  return (
    <Dialog store={store} title={found ? "Let this device in?" : "Link a device"} testId="link-asked" close={close}>
      {found && (
        <>
          <div class="link-found">
            <span class="sign" aria-hidden="true">
              <Icon name="device" size={32} />
            </span>
            <dl>
              <dt>Device</dt>
              <dd data-testid="link-device">{found.device_name}</dd>
              <dt>Asks from</dt>
              <dd>{found.address}</dd>
              <dt>Since</dt>
              <dd>{ago(store.client?.localTime(found.asked_at) ?? found.asked_at, now)}</dd>
              <dt>Code</dt>
              <dd class="number">{asked.code}</dd>
            </dl>
          </div>
          <p class="warning">
            It will take and place calls as you, and see your calls. Let it in only if it is yours and in front of you.
          </p>
        </>
      )}
      {!found && !problem && (
        <p class="waiting" role="status">
          <span class="spinner" aria-hidden="true" /> One moment…
        </p>
      )}
      {problem && (
        <p class="problem" role="alert" data-testid="link-problem">
          {problem}
        </p>
      )}
      <div class="dialog-foot">
        <button type="button" class="secondary" data-testid="link-refuse" onClick={close}>
          {found ? "Don’t let it in" : "Close"}
        </button>
        {found && (
          <button
            type="button"
            class="primary"
            data-testid="link-approve"
            disabled={busy || problem !== undefined}
            onClick={() => void approve()}
          >
            {busy ? "One moment…" : "Let it in"}
          </button>
        )}
      </div>
    </Dialog>
  );
}
