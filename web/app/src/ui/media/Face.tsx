// The picture of a file that is ready: a film that plays in its place, a picture that opens, a voice note, a document.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Media } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { nameOf } from "../../words-media.js";
import { clock } from "../../words.js";
import { Icon } from "../Icon.js";
import { download } from "./Card.js";
import { Viewer } from "./Viewer.js";
import { VoiceNote } from "./VoiceNote.js";

interface Props {
  store: Store;
  item: Media;
}

export function Face({ store, item }: Props) {
  switch (item.class) {
    case "video":
      return <Film store={store} item={item} />;
    case "image":
      return <Picture store={store} item={item} />;
    case "audio":
    case "voice":
      return <VoiceNote store={store} item={item} />;
    case "document":
    case "sealed":
      return <Paper store={store} item={item} />;
  }
}

function Film({ store, item }: Props) {
  const { url, fetching, get, renew } = useLink(store, item);
  const video = useRef<HTMLVideoElement>(null);
  // What was pressed is gone: keys go on with what plays in its place.
  useEffect(() => {
    if (url) video.current?.focus({ preventScroll: true });
  }, [url]);
  const length = item.duration_ms === undefined ? "" : clock(item.duration_ms + 500);
  if (url) {
    return (
      <div class="front film">
        <video
          ref={video}
          src={url}
          controls
          autoplay
          playsInline
          aria-label={nameOf(item)}
          data-testid="video"
          onError={() => void renew(video.current)}
        />
      </div>
    );
  }
  return (
    <button
      type="button"
      class="front film"
      data-testid="play"
      aria-label={`Play ${nameOf(item)} ${length}`.trim()}
      disabled={fetching}
      onClick={() => void get()}
    >
      <Thumbnail store={store} item={item} />
      <span class="play" aria-hidden="true">
        {fetching ? <span class="spinner" /> : <Icon name="resume" size={28} />}
      </span>
      {length && <span class="length number">{length}</span>}
    </button>
  );
}

function Picture({ store, item }: Props) {
  const { url, fetching, get, drop } = useLink(store, item);
  return (
    <>
      <button
        type="button"
        class="front picture"
        data-testid="look"
        aria-label={`Look at ${nameOf(item)}`}
        disabled={fetching}
        onClick={() => void get()}
      >
        <Thumbnail store={store} item={item} />
      </button>
      {url && <Viewer store={store} item={item} url={url} close={drop} />}
    </>
  );
}

function Paper({ store, item }: Props) {
  const extension = /\.(\w{1,5})$/.exec(item.file_name ?? "")?.[1]?.toUpperCase();
  return (
    <button
      type="button"
      class="front paper"
      data-testid="open-document"
      aria-label={`Download ${nameOf(item)}`}
      title="Download"
      onClick={() => void download(store, item)}
    >
      <Icon name={item.class === "sealed" ? "lock" : "paper"} size={48} />
      {extension && <span class="kind">{extension}</span>}
      <span class="corner" aria-hidden="true">
        <Icon name="download" size={20} />
      </span>
    </button>
  );
}

/** The tiny picture that came with the list, until the thumbnail is here. It is fetched when the card comes into sight. */
function Thumbnail({ store, item }: Props) {
  const box = useRef<HTMLSpanElement>(null);
  const [url, setUrl] = useState<string | undefined>();
  const { media_id: id, has_thumbnail: has, preview } = item;
  useEffect(() => {
    const it = box.current;
    if (!it || !has) return;
    const stop = new AbortController();
    let made: string | undefined;
    const fetchIt = async () => {
      const blob = await store.media?.thumbnail(id, stop.signal).catch(() => undefined);
      if (!blob || stop.signal.aborted) return;
      made = URL.createObjectURL(blob);
      setUrl(made);
    };
    const sight = new IntersectionObserver(
      (seen) => {
        // Out of sight at first and in it by now may be told at once: the newest counts.
        if (!seen.at(-1)?.isIntersecting) return;
        sight.disconnect();
        void fetchIt();
      },
      { rootMargin: "300px" },
    );
    sight.observe(it);
    return () => {
      stop.abort();
      sight.disconnect();
      if (made) URL.revokeObjectURL(made);
    };
  }, [id, has]);
  return (
    <span class="thumb" ref={box}>
      {preview && <img class="blurred" src={preview} alt="" data-testid="preview" />}
      {url && <img src={url} alt="" data-testid="thumbnail" />}
    </span>
  );
}

/** A link to the file, asked for when it is needed, and anew when it has run out. */
export function useLink(store: Store, item: Media) {
  const [url, setUrl] = useState<string | undefined>();
  const [fetching, setFetching] = useState(false);
  const renewed = useRef(false);
  const get = async () => {
    setFetching(true);
    const link = await store.library.link(item);
    setFetching(false);
    setUrl(link);
    return link;
  };
  /** Goes on where it was, by a fresh link. Once: a file that can't be played is not asked for for ever. */
  const renew = async (player: HTMLMediaElement | null) => {
    if (!player || renewed.current) return;
    renewed.current = true;
    const { currentTime: at, playbackRate: rate, paused } = player;
    const link = await get();
    if (link === undefined) return;
    const goOn = () => {
      player.currentTime = at;
      player.playbackRate = rate;
      // What a press began, another may have ended: that is no error.
      if (!paused) player.play().catch(() => undefined);
    };
    player.addEventListener("loadedmetadata", goOn, { once: true });
    // The same link, where it was asked for twice in a second.
    if (link === url) player.load();
    // It plays: what fails later is another failure.
    const from = (event: Event) => {
      if (player.currentTime <= at) return;
      renewed.current = false;
      player.removeEventListener(event.type, from);
    };
    player.addEventListener("timeupdate", from);
  };
  const drop = () => setUrl(undefined);
  return { url, fetching, get, renew, drop };
}
