// What is not in the list yet, or never will be: files on their way, uploads that were interrupted, and refusals.

import { useRef } from "preact/hooks";
import type { Sending } from "../../library.js";
import type { Store } from "../../store.js";
import { helpsAsDocument, sayBytes, sayRefusal } from "../../words-media.js";
import { ago } from "../../words.js";
import { Icon } from "../Icon.js";

export function Sendings({ store }: { store: Store }) {
  const { sendings } = store.library;
  if (sendings.length === 0) return null;
  return (
    <ul class="way" aria-label="On their way" data-testid="sendings">
      {sendings.map((sending) => (
        <li key={sending.id} class="way-row" data-testid="sending" data-state={sending.state}>
          {sending.state === "failed" ? (
            <Failed store={store} sending={sending} />
          ) : (
            <Going store={store} sending={sending} />
          )}
        </li>
      ))}
    </ul>
  );
}

function Going({ store, sending }: { store: Store; sending: Sending }) {
  const { name, file, sent, state, as } = sending;
  const title = name || (as === "voice" ? "Voice note" : "File");
  const words =
    state === "waiting" ? "Waiting" : sent === 0 ? "Starting…" : `${sayBytes(sent)} of ${sayBytes(file.size)}`;
  return (
    <>
      <span class="way-who">
        <span class="name">{title}</span>
        <span class="about">{words}</span>
      </span>
      <button
        type="button"
        class="round quiet"
        data-testid="cancel-sending"
        aria-label={`Cancel ${title}`}
        title="Cancel"
        onClick={() => store.library.drop(sending)}
      >
        <Icon name="close" size={20} />
      </button>
      <progress aria-label={`${title}: sent`} max={file.size} value={sent} />
    </>
  );
}

function Failed({ store, sending }: { store: Store; sending: Sending }) {
  const { error, name, file, as } = sending;
  if (!error) return null;
  const most = store.limits?.file_bytes_max ?? 0;
  const asDocument = as === "auto" && !sending.once && helpsAsDocument(error, file.size, most);
  const again = !asDocument && ["retry", "retry_after", "internal"].includes(error.class);
  return (
    <>
      <p class="problem" role="alert" data-testid="refusal">
        {sayRefusal(error, name, file.size)}
      </p>
      <span class="way-buttons">
        {asDocument && (
          <button
            type="button"
            class="secondary small"
            data-testid="send-as-document"
            onClick={() => store.library.sendAgain(sending, "document")}
          >
            Send as document
          </button>
        )}
        {again && (
          <button type="button" class="secondary small" onClick={() => store.library.sendAgain(sending)}>
            Try again
          </button>
        )}
        <button
          type="button"
          class="round quiet"
          aria-label="Dismiss"
          title="Dismiss"
          data-testid="dismiss-sending"
          onClick={() => store.library.drop(sending)}
        >
          <Icon name="close" size={20} />
        </button>
      </span>
    </>
  );
}

/** What this person's other devices were refused. */
export function Refusals({ store }: { store: Store }) {
  const { refused } = store.library;
  if (refused.length === 0) return null;
  return (
    <ul class="way" aria-label="Refused" data-testid="refusals">
      {refused.map((one) => (
        <li key={one.id} class="way-row">
          <p class="problem" role="alert" data-testid="refused-elsewhere">
            <span class="about">On another of your devices</span>
            {sayRefusal(one.error, one.name)}
          </p>
          <button
            type="button"
            class="round quiet"
            aria-label="Dismiss"
            title="Dismiss"
            onClick={() => store.library.dismiss(one)}
          >
            <Icon name="close" size={20} />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Uploads that ended with their page: the same file, chosen again, goes on where it was. */
export function Unfinished({ store }: { store: Store }) {
  const input = useRef<HTMLInputElement>(null);
  const { unfinished } = store.library;
  if (unfinished.length === 0 || !store.limits) return null;
  return (
    <ul class="way" aria-label="Interrupted" data-testid="unfinished">
      {unfinished.map((one) => (
        <li key={one.location} class="way-row" data-testid="interrupted">
          <span class="way-who">
            <span class="name">{one.name}</span>
            <span class="about">Interrupted {ago(one.at)} · choose it again, and it goes on where it was</span>
          </span>
          <span class="way-buttons">
            <button type="button" class="secondary small" onClick={() => input.current?.click()}>
              Choose it
            </button>
            <button
              type="button"
              class="round quiet"
              data-testid="discard-interrupted"
              aria-label={`Forget ${one.name}`}
              title="Forget it"
              onClick={() => void store.library.dropUnfinished(one)}
            >
              <Icon name="close" size={20} />
            </button>
          </span>
          <input
            ref={input}
            class="hidden"
            type="file"
            tabIndex={-1}
            aria-hidden="true"
            data-testid="again-input"
            onChange={({ currentTarget: field }) => {
              store.library.send([...(field.files ?? [])], { as: one.as });
              field.value = "";
            }}
          />
        </li>
      ))}
    </ul>
  );
}
