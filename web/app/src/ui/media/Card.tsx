// One file: what it looks or sounds like, what it is, and what can be done with it.

import { useState } from "preact/hooks";
import { TertuliaError, type Media } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { about, helpsAsDocument, nameOf, sayRefusal } from "../../words-media.js";
import { when } from "../../words.js";
import { Confirm } from "../Dialog.js";
import { Menu, type MenuItem } from "../Menu.js";
import { Face } from "./Face.js";
import { Share } from "./Share.js";
import { save } from "./files.js";

export function Card({ store, item }: { store: Store; item: Media }) {
  const [asked, setAsked] = useState<"share" | "delete" | undefined>();
  const close = () => setAsked(undefined);
  const name = nameOf(item);
  const shared = store.library.sharedWith(item);
  return (
    <li
      class={`file ${item.class}`}
      data-testid={`media-${item.media_id}`}
      data-state={item.state}
      data-class={item.class}
    >
      {item.state === "ready" ? <Face store={store} item={item} /> : <NotYet item={item} store={store} />}
      <div class="caption">
        <span class="who">
          <span class="name" title={name}>
            {name}
          </span>
          <span class="about">
            {about(item)} · {when(item.created_at)}
          </span>
          <Notes item={item} shared={shared.map((person) => person.name)} />
        </span>
        <Menu label={`More about ${name}`} items={choices(store, item, setAsked)} />
      </div>
      {asked === "share" && <Share store={store} item={item} close={close} />}
      {asked === "delete" && (
        <Confirm
          store={store}
          title="Delete it?"
          testId="delete-file"
          verb="Delete"
          close={close}
          onConfirm={() => void store.library.delete(item)}
        >
          <p class="say">“{name}” goes for everyone who has it. It can’t be brought back.</p>
        </Confirm>
      )}
    </li>
  );
}

/** What one should know of it besides. */
function Notes({ item, shared }: { item: Media; shared: string[] }) {
  const notes: string[] = [];
  if (shared.length > 0) notes.push(`Shared with ${shared.join(", ")}`);
  else if (item.state === "ready" && !item.keep) notes.push("Goes in a day, unless you keep or share it");
  if (item.salvaged) notes.push("Its end was missing");
  if (notes.length === 0) return null;
  return (
    <span class="about hint" data-testid="notes">
      {notes.join(" · ")}
    </span>
  );
}

/** In the making, or refused. */
function NotYet({ store, item }: { store: Store; item: Media }) {
  const name = item.file_name;
  if (item.state === "processing") {
    const done = (item.progress ?? 0) / 10;
    return (
      <div class="front making">
        <span>{item.class === "video" ? "Making it play everywhere…" : "One moment…"}</span>
        <progress aria-label={`${nameOf(item)}: being made playable`} max={100} value={done} />
        {done > 0 && <span class="number">{Math.round(done)} %</span>}
      </div>
    );
  }
  const error = item.error && new TertuliaError(item.error);
  const most = store.limits?.file_bytes_max ?? 0;
  return (
    <div class="front refused">
      <p class="problem" data-testid="refusal">
        {error ? sayRefusal(error, name) : "It was refused"}
      </p>
      {error && helpsAsDocument(error, item.bytes, most) && (
        <p class="say">Sent as a document it stays as it is, for download only.</p>
      )}
    </div>
  );
}

function choices(store: Store, item: Media, ask: (what: "share" | "delete") => void): MenuItem[] {
  const { library } = store;
  const remove: MenuItem = {
    label: item.state === "processing" ? "Cancel" : "Delete",
    icon: item.state === "processing" ? "close" : "trash",
    testId: "delete",
    bad: true,
    run: () => (item.state === "ready" ? ask("delete") : void library.delete(item)),
  };
  if (item.state !== "ready") return [remove];
  return [
    { label: "Share…", icon: "share", testId: "share", run: () => ask("share") },
    { label: "Copy a link", icon: "link", testId: "copy-link", run: () => void copyLink(store, item) },
    { label: "Download", icon: "download", testId: "download", run: () => void download(store, item) },
    item.keep
      ? { label: "Don’t keep", icon: "clock", testId: "let-go", run: () => void library.keep(item, false) }
      : { label: "Keep", icon: "check", testId: "keep", run: () => void library.keep(item, true) },
    remove,
  ];
}

export async function download(store: Store, item: Media): Promise<void> {
  const url = await store.library.link(item);
  if (url) save(url, item.file_name ?? "");
}

async function copyLink(store: Store, item: Media): Promise<void> {
  const url = await store.library.link(item);
  if (url) await copy(store, url, "A link is on your clipboard. Whoever has it can open the file, for a while");
}

/** Puts an address on the clipboard, or shows it where that is not allowed. */
export async function copy(store: Store, url: string, done: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(url);
    store.toast(done);
  } catch {
    store.toast(url);
  }
}

/** Where this page shows a file to those who have it. */
export function addressOf(mediaId: string): string {
  return `${location.origin}${location.pathname}#media/${mediaId}`;
}

