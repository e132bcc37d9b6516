// A picture, or what one may look at once, over the whole page.

import type { Media } from "@tertulia/sdk";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Store } from "../../store.js";
import { nameOf } from "../../words-media.js";
import { Icon } from "../Icon.js";

interface Props {
  store: Store;
  item: Media;
  url: string;
  close: () => void;
  /** Said above it. */
  note?: string;
}

export function Viewer({ store, item, url, close, note }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  const ringing = store.calls.incoming !== undefined;
  useLayoutEffect(() => {
    const opener = document.activeElement as HTMLElement | null;
    return () => {
      box.current?.close();
      opener?.focus();
    };
  }, []);
  useLayoutEffect(() => {
    // Who rings comes first.
    if (ringing) box.current?.close();
    else if (!box.current?.open) box.current?.showModal();
  }, [ringing]);
  const name = nameOf(item);
  return (
    <dialog
      class="viewer"
      ref={box}
      aria-label={name}
      data-testid="viewer"
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => {
        if (!(event.target instanceof HTMLImageElement || event.target instanceof HTMLVideoElement)) close();
      }}
    >
      <header>
        <span class="name">{name}</span>
        {note && <span class="number">{note}</span>}
        <button type="button" class="round" data-testid="close-viewer" aria-label="Close" title="Close" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      {item.class === "video" ? (
        <video src={url} controls autoplay playsInline aria-label={name} data-testid="viewer-video" />
      ) : (
        <img
          src={url}
          alt={name}
          width={item.width}
          height={item.height}
          data-testid="viewer-image"
        />
      )}
    </dialog>
  );
}
