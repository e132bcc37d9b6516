// The page of one's files: sending them, what is on its way, and what is here.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Store } from "../../store.js";
import { Tabs } from "../Tabs.js";
import { PageHead } from "../PageHead.js";
import { Card } from "./Card.js";
import { OnceCards } from "./Once.js";
import { Received } from "./Received.js";
import { Refusals, Sendings, Unfinished } from "./OnTheWay.js";
import { Send } from "./Send.js";
import { useFiles } from "./files.js";

export function Media({ store }: { store: Store }) {
  const main = useRef<HTMLElement>(null);
  const [asDocument, setAsDocument] = useState(false);
  const { library, limits } = store;
  const over = useFiles((files) => library.send(files, { as: asDocument ? "document" : "auto" }));
  useEffect(() => {
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div class={over ? "home media over" : "home media"} data-testid="media-page">
      <PageHead store={store} title="Media" />
      <main ref={main} tabIndex={-1}>
        {library.received && <Received store={store} received={library.received} />}
        {limits ? (
          <Send store={store} limits={limits} asDocument={asDocument} setAsDocument={setAsDocument} />
        ) : (
          store.connection === "online" && <p class="notice">This server takes no uploads at the moment.</p>
        )}
        <Refusals store={store} />
        <Unfinished store={store} />
        <Sendings store={store} />
        <OnceCards store={store} />
        <List store={store} />
      </main>
      <Tabs store={store} current="media" />
    </div>
  );
}

function List({ store }: { store: Store }) {
  const { items, next } = store.library;
  const [busy, setBusy] = useState(false);
  const more = async () => {
    setBusy(true);
    await store.library.more();
    setBusy(false);
  };
  if (!items) return null;
  return (
    <section class="files" aria-labelledby="files-title">
      <h2 id="files-title">Your files</h2>
      {items.length === 0 ? (
        <p class="empty">What you send will be here: pictures, videos, voice notes and documents, newest first.</p>
      ) : (
        <ul class="filelist" data-testid="files">
          {items.map((item) => (
            <Card key={item.media_id} store={store} item={item} />
          ))}
        </ul>
      )}
      {next && (
        <button type="button" class="secondary more" data-testid="files-more" disabled={busy} onClick={() => void more()}>
          Show earlier files
        </button>
      )}
    </section>
  );
}
