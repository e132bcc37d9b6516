// Choosing files for a conversation, and looking at them once more before they go.

import { useEffect, useRef, useState } from "preact/hooks";
import { CAPTION_CHARS_MAX } from "@tertulia/sdk";
import type { Chosen } from "../../attaching.js";
import type { Store } from "../../store.js";
import { sayBytes } from "../../words-media.js";
import { Dialog } from "../Dialog.js";
import { Icon } from "../Icon.js";
import { Menu } from "../Menu.js";

export function Attach({ store, chat }: { store: Store; chat: string }) {
  const pictures = useRef<HTMLInputElement>(null);
  const anything = useRef<HTMLInputElement>(null);
  const input = (asDocument: boolean) => ({
    class: "hidden",
    type: "file" as const,
    multiple: true,
    tabIndex: -1,
    "aria-hidden": true as const,
    onChange: ({ currentTarget: field }: { currentTarget: HTMLInputElement }) => {
      store.attaching.choose(chat, [...(field.files ?? [])], asDocument);
      field.value = "";
    },
  });
  return (
    <span class="attach">
      <Menu
        label="Attach"
        icon="attach"
        testId="attach"
        items={[
          { label: "Photos and videos", icon: "media", testId: "attach-pictures", run: () => pictures.current?.click() },
          { label: "Document", icon: "paper", testId: "attach-document", run: () => anything.current?.click() },
        ]}
      />
      <input ref={pictures} {...input(false)} accept="image/*,video/*,audio/*" data-testid="picture-input" />
      <input ref={anything} {...input(true)} data-testid="document-input" />
    </span>
  );
}

/** What was chosen: a last look, a few words, and whether it is for one look. */
export function Ask({ store, chosen, name }: { store: Store; chosen: Chosen; name: string }) {
  const [caption, setCaption] = useState("");
  const [once, setOnce] = useState(false);
  const { files, asDocument, chat } = chosen;
  const pictures = !asDocument && files.every(({ type }) => /^(image|video)\//.test(type));
  const mayOnce = pictures && chat !== `user:${store.userId}`;
  const send = (event: Event) => {
    event.preventDefault();
    void store.attaching.send(chosen, caption, once && mayOnce);
  };
  return (
    <Dialog store={store} title={`Send to ${name}`} testId="attach-ask" close={() => store.attaching.dismiss()}>
      <form class="ask" onSubmit={send}>
        <ul class={files.length === 1 ? "chosen one" : "chosen"} data-testid="chosen">
          {files.map((file, i) => (
            <Face key={i} file={file} asPaper={asDocument} />
          ))}
        </ul>
        <label>
          <span class="hidden">A few words with it</span>
          <input
            type="text"
            dir="auto"
            data-testid="caption"
            placeholder="A few words with it"
            maxLength={CAPTION_CHARS_MAX}
            value={caption}
            onInput={(event) => setCaption(event.currentTarget.value)}
          />
        </label>
        {mayOnce && (
          <label class="check">
            <input type="checkbox" data-testid="for-one-look" checked={once} onChange={(event) => setOnce(event.currentTarget.checked)} />
            <span>For one look: gone after it was opened</span>
          </label>
        )}
        <div class="dialog-foot">
          <button type="button" class="secondary" onClick={() => store.attaching.dismiss()}>
            Cancel
          </button>
          <button type="submit" class="primary" data-testid="send-chosen">
            <Icon name="send" size={20} /> Send
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Face({ file, asPaper }: { file: File; asPaper: boolean }) {
  const [url, setUrl] = useState<string | undefined>();
  const isPicture = !asPaper && file.type.startsWith("image/");
  const isFilm = !asPaper && file.type.startsWith("video/");
  useEffect(() => {
    if (!isPicture && !isFilm) return;
    const made = URL.createObjectURL(file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  if (url && isPicture) {
    return (
      <li class="chosen-picture">
        <img src={url} alt={file.name} />
      </li>
    );
  }
  if (url && isFilm) {
    return (
      <li class="chosen-picture">
        <video src={`${url}#t=0.1`} muted playsInline preload="metadata" aria-label={file.name} />
      </li>
    );
  }
  return (
    <li class="carried-paper">
      <span class="sheet" aria-hidden="true">
        <Icon name="paper" size={26} />
      </span>
      <span class="paper-words">
        <span class="paper-name" dir="auto">
          {file.name}
        </span>
        <span class="paper-about number">{sayBytes(file.size)}</span>
      </span>
    </li>
  );
}
