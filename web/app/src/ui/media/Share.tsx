// Who else has a file.

import type { Media } from "@tertulia/sdk";
import { useState } from "preact/hooks";
import type { Store } from "../../store.js";
import { nameOf } from "../../words-media.js";
import { Dialog } from "../Dialog.js";
import { Icon } from "../Icon.js";
import { addressOf, copy } from "./Card.js";
import { Chooser } from "./Chooser.js";

export function Share({ store, item, close }: { store: Store; item: Media; close: () => void }) {
  const [id, setId] = useState(item.media_id);
  const shared = store.library.sharedWith(item);
  return (
    <Dialog store={store} title="Share" testId="share-file" close={close}>
      <p class="say">
        Who may have “{nameOf(item)}”? Nothing is copied, and you can take it back at any time.
      </p>
      <Chooser
        store={store}
        verb="Share"
        choose={(person) => void store.library.share(item, person).then((by) => by && setId(by))}
        instead={(person) =>
          shared.some(({ user_id: known }) => known === person.user_id) ? (
            <button
              type="button"
              class="secondary small"
              data-testid="unshare"
              aria-label={`Take back from ${person.name}`}
              onClick={() => void store.library.unshare(item, person)}
            >
              Take back
            </button>
          ) : undefined
        }
      />
      {shared.length > 0 && <Address store={store} id={id} />}
    </Dialog>
  );
}

/** What one sends to those who may have it. */
export function Address({ store, id }: { store: Store; id: string }) {
  const address = addressOf(id);
  return (
    <div class="address" role="status">
      <p>Send them its address. It opens for them alone:</p>
      <code data-testid="address">{address}</code>
      <button
        type="button"
        class="secondary small"
        data-testid="copy-address"
        onClick={() => void copy(store, address, "The address is on your clipboard")}
      >
        <Icon name="link" size={20} /> Copy
      </button>
    </div>
  );
}
