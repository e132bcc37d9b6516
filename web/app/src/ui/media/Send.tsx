// Where files begin their way: dropped, pasted, chosen, or spoken.

import { useRef, useState } from "preact/hooks";
import type { UploadLimits } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { sayBytes, sayLength } from "../../words-media.js";
import { Dialog } from "../Dialog.js";
import { Icon } from "../Icon.js";
import { Chooser } from "./Chooser.js";
import { Voice } from "./Voice.js";

interface Props {
  store: Store;
  limits: UploadLimits;
  asDocument: boolean;
  setAsDocument: (on: boolean) => void;
}

export function Send({ store, limits, asDocument, setAsDocument }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const onceInput = useRef<HTMLInputElement>(null);
  const [once, setOnce] = useState<File | undefined>();
  return (
    <section class="send" aria-labelledby="send-title">
      <span class="send-sign" aria-hidden="true">
        <Icon name="upload" size={32} />
      </span>
      <div class="send-words">
        <h2 id="send-title">Send something</h2>
        <p class="say wide-only">Drop files anywhere on this page, paste them, or choose them.</p>
        <p class="say" data-testid="limits">
          Videos up to {sayBytes(limits.video_bytes_max)} and {sayLength(limits.video_seconds_max * 1000)}, anything up to{" "}
          {sayBytes(limits.file_bytes_max)}.
        </p>
      </div>
      <div class="send-buttons">
        <button type="button" class="primary" data-testid="choose-files" onClick={() => input.current?.click()}>
          <Icon name="plus" size={20} /> Choose files
        </button>
        <Voice store={store} take={(file) => store.library.send([file], { as: "voice" })} />
        <button type="button" class="secondary" data-testid="choose-once" onClick={() => onceInput.current?.click()}>
          <Icon name="eye" size={20} /> For one look
        </button>
      </div>
      <input
        ref={input}
        class="hidden"
        type="file"
        multiple
        tabIndex={-1}
        aria-hidden="true"
        data-testid="file-input"
        onChange={({ currentTarget: field }) => {
          store.library.send([...(field.files ?? [])], { as: asDocument ? "document" : "auto" });
          field.value = "";
        }}
      />
      <input
        ref={onceInput}
        class="hidden"
        type="file"
        accept="image/*,video/*"
        tabIndex={-1}
        aria-hidden="true"
        data-testid="once-input"
        onChange={({ currentTarget: field }) => {
          setOnce(field.files?.[0]);
          field.value = "";
        }}
      />
      <label class="check">
        <input
          type="checkbox"
          data-testid="as-document"
          checked={asDocument}
          onChange={({ currentTarget }) => setAsDocument(currentTarget.checked)}
        />
        <span>
          Send as document
          <small>Left exactly as it is, for download only. Pictures keep what they say about where they were taken.</small>
        </span>
      </label>
      {once && (
        <Dialog store={store} title="For one look" testId="once" close={() => setOnce(undefined)}>
          <p class="say">Who may look at “{once.name}”? Once, on one device, then it is gone.</p>
          <Chooser
            store={store}
            verb="Send"
            choose={(person) => {
              store.library.send([once], { once: person });
              setOnce(undefined);
            }}
          />
        </Dialog>
      )}
    </section>
  );
}
