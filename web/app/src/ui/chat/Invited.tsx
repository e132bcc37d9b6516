// Somebody was sent an invitation to a group, and has opened it.

import { useState } from "preact/hooks";
import type { Store } from "../../store.js";
import { Dialog } from "../Dialog.js";
import { withGroups } from "./GroupInfo.js";

export function Invited({ store, token }: { store: Store; token: string }) {
  const [busy, setBusy] = useState(false);
  const close = () => store.chats.invited(undefined);
  const join = async () => {
    setBusy(true);
    const group = await withGroups(store, (groups) => groups.join(token));
    close();
    const key = group && store.chats.api?.keyOfGroup(group.group_id);
    if (key !== undefined) store.openChat(key);
  };
  return (
    <Dialog store={store} title="Join a group?" testId="invited" close={close}>
      <p>You were invited to a group. Its members will see your name, and what you write in it.</p>
      <div class="dialog-foot">
        <button type="button" class="secondary" onClick={close}>
          Not now
        </button>
        <button type="button" class="primary" data-testid="join-group" disabled={busy} onClick={() => void join()}>
          Join
        </button>
      </div>
    </Dialog>
  );
}
