// A file that someone has shared with this person, opened by its address.

import { useEffect, useState } from "preact/hooks";
import type { Media } from "@tertulia/sdk";
import type { Received as It } from "../../library.js";
import type { Store } from "../../store.js";
import { about, nameOf } from "../../words-media.js";
import { clock } from "../../words.js";
import { Icon } from "../Icon.js";
import { useNow } from "../hooks.js";
import { download } from "./Card.js";
import { Face } from "./Face.js";
import { Viewer } from "./Viewer.js";

export function Received({ store, received }: { store: Store; received: It }) {
  const { media, problem } = received;
  return (
    <section class="received" aria-labelledby="received-title" data-testid="received">
      <h2 id="received-title">Shared with you</h2>
      {problem && (
        <p class="say" role="status" data-testid="received-problem">
          {problem}
        </p>
      )}
      {media && media.state !== "ready" && <p class="say">It is not ready yet. Come back in a moment.</p>}
      {media?.state === "ready" && (media.view_once ? <Once store={store} item={media} /> : <Shared store={store} item={media} />)}
    </section>
  );
}

function Shared({ store, item }: { store: Store; item: Media }) {
  return (
    <div class={`file ${item.class}`} data-testid="received-file">
      <Face store={store} item={item} />
      <div class="caption">
        <span class="who">
          <span class="name">{nameOf(item)}</span>
          <span class="about">{about(item)}</span>
        </span>
        <button
          type="button"
          class="round quiet"
          data-testid="download"
          aria-label={`Download ${nameOf(item)}`}
          title="Download"
          onClick={() => void download(store, item)}
        >
          <Icon name="download" />
        </button>
      </div>
    </div>
  );
}

export interface Seen {
  url: string;
  until: number;
}

function Once({ store, item }: { store: Store; item: Media }) {
  const [seen, setSeen] = useState<Seen | undefined>();
  const [busy, setBusy] = useState(false);
  if (item.owner === store.userId) return <p class="say">You have sent this for one look. It is not for you.</p>;
  const look = async () => {
    setBusy(true);
    const got = await store.library.look(item);
    setBusy(false);
    if (got) setSeen({ url: URL.createObjectURL(got.file), until: store.client?.localTime(got.until) ?? got.until });
    else void store.library.receive(item.media_id);
  };
  return (
    <>
      <p class="say">
        {nameOf(item)}, for one look: on this device, for a minute. Then it is gone.
      </p>
      <button type="button" class="primary" data-testid="look-once" disabled={busy} onClick={() => void look()}>
        <Icon name="eye" size={20} /> Look at it
      </button>
      {seen && (
        <Looking
          store={store}
          item={item}
          seen={seen}
          close={() => {
            setSeen(undefined);
            void store.library.looked(item);
          }}
        />
      )}
    </>
  );
}

export function Looking({ store, item, seen, close }: { store: Store; item: Media; seen: Seen; close: () => void }) {
  const left = seen.until - useNow(500);
  useEffect(() => () => URL.revokeObjectURL(seen.url), [seen.url]);
  useEffect(() => {
    if (left <= 0) close();
  }, [left <= 0]);
  return <Viewer store={store} item={item} url={seen.url} note={clock(left + 999)} close={close} />;
}
