// A new call link: what its call is called, how people come in, how long it is good; then its address, to be sent.

import { useState } from "preact/hooks";
import type { CallLink, MediaKind } from "@tertulia/sdk";
import { callAddress } from "../../call-links.js";
import type { Store } from "../../store.js";
import { FOR_EVER } from "../../mine.js";
import { sayUntil } from "../../words.js";
import { sayLinkName } from "../../words-links.js";
import { Dialog } from "../Dialog.js";
import { Icon } from "../Icon.js";
import { copy } from "../media/Card.js";

const DAY_S = 24 * 3_600;
const NAME_CHARS_MAX = 100;

/** How long it is good for, in seconds. */
const SPANS = [
  { label: "A day", seconds: DAY_S },
  { label: "A week", seconds: 7 * DAY_S },
  { label: "A month", seconds: 30 * DAY_S },
  { label: "As long as this server lets it", seconds: undefined },
] as const;

const KINDS: { kind: MediaKind; label: string; icon: "camera" | "phone" }[] = [
  { kind: "video", label: "Video", icon: "camera" },
  { kind: "voice", label: "Voice", icon: "phone" },
];

export function NewCallLink({ store, close }: { store: Store; close: () => void }) {
  const [name, setName] = useState("");
  const [media, setMedia] = useState<MediaKind>("video");
  const [approval, setApproval] = useState(true);
  const [span, setSpan] = useState(1);
  const [busy, setBusy] = useState(false);
  const [made, setMade] = useState<CallLink | undefined>();
  const make = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const [said, seconds] = [name.trim(), SPANS[span]?.seconds];
    const link = await store.links.make({ media, approval, ...(said && { name: said }), ...(seconds && { expires_in_s: seconds }) });
    setBusy(false);
    setMade(link);
  };
  if (made) return <Made store={store} link={made} close={close} />;
  return (
    <Dialog key="new" store={store} title="New call link" testId="new-link" close={close}>
      <form class="new-link" onSubmit={(event) => void make(event)}>
        <p class="say">Whoever opens its address comes into the call, once they are signed in here.</p>
        <label class="above" for="new-link-name">
          What it is called (optional)
        </label>
        <input
          id="new-link-name"
          class="field"
          data-testid="new-link-name"
          value={name}
          maxLength={NAME_CHARS_MAX}
          placeholder="Book club"
          autocomplete="off"
          onInput={(event) => setName(event.currentTarget.value)}
        />
        <fieldset class="kinds">
          <legend>It starts as</legend>
          {KINDS.map(({ kind, label, icon }) => (
            <label key={kind} class={media === kind ? "kind chosen" : "kind"}>
              <input type="radio" name="new-link-kind" checked={media === kind} data-testid={`new-link-${kind}`} onChange={() => setMedia(kind)} />
              <Icon name={icon} size={20} /> {label}
            </label>
          ))}
        </fieldset>
        <label class="check">
          <input
            type="checkbox"
            data-testid="new-link-approval"
            checked={approval}
            onChange={(event) => setApproval(event.currentTarget.checked)}
          />
          <span>
            Let people in one by one
            <small>They wait until you let them in. Without it, whoever has the address comes straight in.</small>
          </span>
        </label>
        <label class="choice">
          Good for
          <select data-testid="new-link-span" value={span} onChange={(event) => setSpan(Number(event.currentTarget.value))}>
            {SPANS.map(({ label }, n) => (
              <option key={label} value={n}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <div class="dialog-foot">
          <button type="button" class="secondary" onClick={close}>
            Cancel
          </button>
          <button type="submit" class="primary" data-testid="new-link-make" disabled={busy}>
            {busy ? "One moment…" : "Make the link"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** What one sends to those who may come. */
function Made({ store, link, close }: { store: Store; link: CallLink; close: () => void }) {
  const address = callAddress(link.token);
  const until = sayUntil(store.client?.localTime(link.expires_at) ?? link.expires_at, FOR_EVER);
  const open = () => {
    close();
    store.openCallLink(link.token);
  };
  return (
    <Dialog key="made" store={store} title={sayLinkName(link)} testId="made-link" close={close}>
      <p>
        {link.approval ? "Send this address to those who may ask to join." : "Send this address to those who may join."} It is good {until}.
      </p>
      <div class="address">
        <code data-testid="made-link-address">{address}</code>
      </div>
      <div class="dialog-foot">
        <button type="button" class="secondary" data-testid="made-link-copy" onClick={() => void copyLink(store, link)}>
          <Icon name="link" size={20} /> Copy
        </button>
        {canShare() && (
          <button type="button" class="secondary" onClick={() => void share(store, link)}>
            <Icon name="share" size={20} /> Share
          </button>
        )}
        <button type="button" class="primary" data-testid="made-link-open" disabled={store.calls.current !== undefined} onClick={open}>
          <Icon name={link.media === "video" ? "camera" : "phone"} size={20} /> Join
        </button>
      </div>
    </Dialog>
  );
}

export function canShare(): boolean {
  return typeof navigator.share === "function";
}

/** By what the telephone has for that. Choosing nobody is no mistake. */
export async function share(store: Store, link: CallLink): Promise<void> {
  try {
    await navigator.share({ title: sayLinkName(link), url: callAddress(link.token) });
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "AbortError")) await copyLink(store, link);
  }
}

export function copyLink(store: Store, { token }: Pick<CallLink, "token">): Promise<void> {
  return copy(store, callAddress(token), "The address is on your clipboard");
}
