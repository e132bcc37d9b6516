// Where one writes: it grows with the text, Enter sends, Shift and Enter begins a line.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Store } from "../../store.js";
import { Icon } from "../Icon.js";
import { Voice } from "../media/Voice.js";
import { Attach } from "./Attach.js";

/** Of a line more it scrolls. */
const HEIGHT_MAX_PX = 168;

export function Composer({ store, chat, name }: { store: Store; chat: string; name: string }) {
  const { chats } = store;
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(() => chats.draft(chat));
  const type = (typed: string) => {
    setText(typed);
    chats.setDraft(chat, typed);
    store.here.types(chat, typed.trim() === "" ? "none" : "text");
  };
  useLayoutEffect(() => {
    const it = field.current;
    if (!it) return;
    it.style.height = "auto";
    it.style.height = `${Math.min(it.scrollHeight, HEIGHT_MAX_PX)}px`;
  }, [text]);
  // Where a keyboard would cover half of the page it comes when it is asked for.
  useEffect(() => {
    if (matchMedia("(hover: hover)").matches) field.current?.focus({ preventScroll: true });
  }, []);
  const send = async (event?: Event) => {
    event?.preventDefault();
    const written = field.current?.value ?? text;
    if (written.trim() === "") return;
    // At once: what is typed from here on is the next message.
    type("");
    field.current?.focus({ preventScroll: true });
    if (await chats.send(chat, written.trim())) return;
    // What was not taken is here again, before what was typed since.
    const since = field.current?.value ?? "";
    type(since === "" ? written : `${written}\n${since}`);
  };
  const sends = store.limits !== undefined;
  const off = chats.problem === "unavailable" || !chats.api?.usable;
  return (
    <form class="composer" onSubmit={(event) => void send(event)}>
      {sends && <Attach store={store} chat={chat} />}
      <label class="hidden" for="composer">
        Message to {name}
      </label>
      <textarea
        id="composer"
        ref={field}
        rows={1}
        dir="auto"
        data-testid="composer"
        placeholder={off ? "Messages can’t be used here" : "Message"}
        value={text}
        disabled={off}
        enterkeyhint="send"
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => {
          // While a word is being put together, Enter chooses it.
          if (event.key === "Enter" && !event.shiftKey && !event.isComposing) void send(event);
        }}
      />
      {sends && text.trim() === "" && (
        <Voice
          store={store}
          small
          disabled={off}
          take={(file, ms) => store.attaching.voice(chat, file, ms)}
          onRecording={(on) => store.here.types(chat, on ? "voice" : "none")}
        />
      )}
      <button
        type="submit"
        class="round send-button"
        data-testid="send"
        aria-label="Send"
        title="Send"
        disabled={off || text.trim() === ""}
      >
        <Icon name="send" size={22} />
      </button>
    </form>
  );
}
