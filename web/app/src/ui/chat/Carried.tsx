// What a message carries: a picture, a film, a voice note, a sound, a file; or that it is gone.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { TertuliaError, type ChatMessage, type Content, type Media } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { aboutPaper, lengthOf, nameOfCarried, sayGone } from "../../words-carried.js";
import { Icon } from "../Icon.js";
import { download } from "../media/Card.js";
import { useLink } from "../media/Face.js";
import { Looking, type Seen } from "../media/Received.js";
import { Viewer } from "../media/Viewer.js";
import { VoiceNote } from "../media/VoiceNote.js";
import { Sending } from "./Sending.js";

type Carrying = Extract<Content, { type: "media" | "voice" }>;

interface Props {
  store: Store;
  message: ChatMessage;
  content: Carrying;
}

/** Of a bubble, in pixels: what is wider is scaled, what is higher is cut. */
const WIDTH_MAX = 320;
const HEIGHT_MAX = 380;
const WIDTH_LEAST = 140;

export function Carried({ store, message, content }: Props) {
  const gone = store.attaching.gone.has(content.media_id);
  if (gone || !content.file) {
    return (
      <span class="text unknown" data-testid="gone">
        {sayGone(content)}
      </span>
    );
  }
  if (message.seq === undefined) return <Waiting store={store} message={message} content={content} />;
  if (content.file.once) return <Once store={store} message={message} content={content} />;
  const item = asMedia(content, message);
  switch (item.class) {
    case "image":
      return <Photo store={store} item={item} />;
    case "video":
      return <Film store={store} item={item} />;
    case "audio":
    case "voice":
      return (
        <Checked store={store} item={item}>
          {item.class === "audio" && <span class="sound-name">{nameOfCarried(content)}</span>}
          <VoiceNote store={store} item={item} />
        </Checked>
      );
    case "document":
    case "sealed":
      return (
        <Checked store={store} item={item}>
          <Paper store={store} item={item} />
        </Checked>
      );
  }
}

/** As the page of files has it. */
function asMedia({ media_id, file }: Carrying, { from, at }: ChatMessage): Media {
  const { once = false, has_thumbnail = false, ...told } = file ?? { class: "document", mime: "", bytes: 0 };
  return { ...told, media_id, owner: from, state: "ready", created_at: at, keep: true, view_once: once, salvaged: false, has_thumbnail };
}

/** The size it is shown in: known before any of it is there, so that nothing moves when it comes. */
function sizeOf({ width = 4, height = 3 }: Pick<Media, "width" | "height">): { width: string; aspectRatio: string } {
  const scale = Math.min(1, WIDTH_MAX / width, HEIGHT_MAX / height);
  const shown = Math.max(WIDTH_LEAST, Math.round(width * scale));
  return { width: `${shown}px`, aspectRatio: `${shown} / ${Math.min(HEIGHT_MAX, Math.max(80, Math.round((shown * height) / width)))}` };
}

function Photo({ store, item }: { store: Store; item: Media }) {
  const { url, fetching, get, drop } = useLink(store, item);
  return (
    <>
      <button
        type="button"
        class="carried-picture"
        style={sizeOf(item)}
        data-testid="look"
        aria-label="Look at the photo"
        aria-busy={fetching}
        onClick={() => fetching || void get()}
      >
        <Thumb store={store} item={item} />
      </button>
      {url && <Viewer store={store} item={item} url={url} close={drop} />}
    </>
  );
}

function Film({ store, item }: { store: Store; item: Media }) {
  const { url, fetching, get, renew } = useLink(store, item);
  const video = useRef<HTMLVideoElement>(null);
  // What was pressed is gone: keys go on with what plays in its place.
  useEffect(() => {
    if (url) video.current?.focus({ preventScroll: true });
  }, [url]);
  if (url) {
    return (
      <span class="carried-picture" style={sizeOf(item)}>
        <video ref={video} src={url} controls autoplay playsInline aria-label="Video" data-testid="video" onError={() => void renew(video.current)} />
      </span>
    );
  }
  return (
    <button
      type="button"
      class="carried-picture"
      style={sizeOf(item)}
      data-testid="play"
      aria-label={`Play the video, ${lengthOf(item)}`}
      aria-busy={fetching}
      onClick={() => fetching || void get()}
    >
      <Thumb store={store} item={item} />
      <span class="play" aria-hidden="true">
        {fetching ? <span class="spinner" /> : <Icon name="resume" size={28} />}
      </span>
      <span class="length number">{lengthOf(item)}</span>
    </button>
  );
}

function Paper({ store, item }: { store: Store; item: Media }) {
  const name = item.file_name ?? "Document";
  return (
    <button
      type="button"
      class="carried-paper"
      data-testid="open-document"
      title="Download"
      onClick={() => void download(store, item)}
    >
      <span class="sheet" aria-hidden="true">
        <Icon name={item.class === "sealed" ? "lock" : "paper"} size={26} />
      </span>
      <span class="paper-words">
        <span class="hidden">Download </span>
        <span class="paper-name" dir="auto">
          {name}
        </span>
        <span class="paper-about number">{aboutPaper(item)}</span>
      </span>
      <Icon name="download" size={20} />
    </button>
  );
}

/** Something for one look: on one device, for a minute. */
function Once({ store, message, content }: Props) {
  const item = asMedia(content, message);
  const [seen, setSeen] = useState<Seen | undefined>();
  const [busy, setBusy] = useState(false);
  const name = nameOfCarried(content);
  if (message.from === store.userId) {
    return (
      <span class="carried-once own" data-testid="once">
        <Icon name="eye" size={22} /> {name}, for one look
      </span>
    );
  }
  const look = async () => {
    setBusy(true);
    const got = await store.attaching.look(item.media_id);
    setBusy(false);
    if (got) setSeen({ url: URL.createObjectURL(got.file), until: store.client?.localTime(got.until) ?? got.until });
  };
  const close = () => {
    setSeen(undefined);
    void store.library.looked(item).then(() => store.attaching.hasGone(item.media_id));
  };
  return (
    <>
      <button type="button" class="carried-once" data-testid="look-once" aria-busy={busy} onClick={() => busy || void look()}>
        <Icon name="eye" size={22} /> {name}, for one look
      </button>
      {seen && <Looking store={store} item={item} seen={seen} close={close} />}
    </>
  );
}

/** One's own, on its way: what is here of it, and how far it is. */
function Waiting({ store, message, content }: Props) {
  const { file } = content;
  const [url, setUrl] = useState<string | undefined>();
  const [size, setSize] = useState<{ width: number; height: number } | undefined>();
  const isPicture = file?.class === "image" || file?.class === "video";
  useEffect(() => {
    if (!isPicture) return;
    let made: string | undefined;
    let left = false;
    void store.attaching.fileOf(message).then((blob) => {
      if (!blob || left) return;
      made = URL.createObjectURL(blob);
      setUrl(made);
    });
    return () => {
      left = true;
      if (made) URL.revokeObjectURL(made);
    };
  }, [message.ref]);
  const progress = store.attaching.of(message);
  const sending = progress && <Sending progress={progress} name={nameOfCarried(content)} cancel={() => store.attaching.cancel(message)} />;
  if (!file) return null;
  if (!isPicture || file.once) {
    return (
      <span class="carried-paper waiting" data-testid="waiting">
        {sending ?? (
          <span class="sheet" aria-hidden="true">
            <Icon name={file.once ? "eye" : file.class === "voice" || file.class === "audio" ? "mic" : "paper"} size={26} />
          </span>
        )}
        <span class="paper-words">
          <span class="paper-name" dir="auto">
            {nameOfCarried(content)}
          </span>
          <span class="paper-about number">{file.once ? "For one look" : aboutPaper(file)}</span>
        </span>
      </span>
    );
  }
  return (
    <span class="carried-picture" style={sizeOf(size ?? file)} data-testid="waiting">
      {url && file.class === "image" && (
        <img src={url} alt={nameOfCarried(content)} onLoad={({ currentTarget: { naturalWidth: width, naturalHeight: height } }) => setSize({ width, height })} />
      )}
      {url && file.class === "video" && (
        // Its first picture; a browser that can't play it shows nothing, which is as well.
        <video
          src={`${url}#t=0.1`}
          muted
          playsInline
          preload="metadata"
          aria-label={nameOfCarried(content)}
          onLoadedMetadata={({ currentTarget: { videoWidth: width, videoHeight: height } }) => width > 0 && setSize({ width, height })}
        />
      )}
      {sending}
    </span>
  );
}

/** Asks whether it is there still when it comes into sight. */
function Checked({ store, item, children }: { store: Store; item: Media; children: ComponentChildren }) {
  const box = useRef<HTMLSpanElement>(null);
  const { media_id: id } = item;
  useInSight(store, box, id, async () => {
    const gone = await isGone(store, id);
    if (gone) store.attaching.hasGone(id);
    return gone !== undefined;
  });
  return (
    <span class="carried" ref={box}>
      {children}
    </span>
  );
}

/** The tiny picture that came with the message, until the thumbnail is here. It is fetched when it comes into sight. */
function Thumb({ store, item }: { store: Store; item: Media }) {
  const box = useRef<HTMLSpanElement>(null);
  const [url, setUrl] = useState<string | undefined>();
  const { media_id: id, has_thumbnail: has, preview } = item;
  useInSight(store, box, id, async (signal) => {
    // Asked besides: the browser may still have the picture of what was taken back.
    const asked = isGone(store, id);
    const blob = has ? await store.media?.thumbnail(id, signal).catch(() => undefined) : undefined;
    const gone = await asked;
    if (gone) store.attaching.hasGone(id);
    else if (blob && !signal.aborted) setUrl(URL.createObjectURL(blob));
    return gone === true || (gone === false && (blob !== undefined || !has));
  });
  useEffect(() => () => void (url && URL.revokeObjectURL(url)), [url]);
  return (
    <span class="thumb" ref={box}>
      {preview && <img class="blurred" src={preview} alt="" data-testid="preview" />}
      {url && <img src={url} alt="" data-testid="thumbnail" />}
    </span>
  );
}

/** Before it is tried again what the server did not answer, at first and at most. */
const AGAIN_MS = { first: 1_000, most: 60_000 };

/** Does it once, when it comes near and there is a server; `come` says whether it is done, and is called again where it is not. */
function useInSight(
  store: Store,
  box: { current: HTMLElement | null },
  of: string,
  come: (signal: AbortSignal) => Promise<boolean>,
): void {
  const done = useRef<string | undefined>(undefined);
  const online = store.connection === "online";
  useEffect(() => {
    const it = box.current;
    if (!it || !online || done.current === of) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const attempt = async (wait: number) => {
      const isDone = await come(stop.signal);
      if (stop.signal.aborted) return;
      if (isDone) done.current = of;
      else timer = setTimeout(() => void attempt(Math.min(2 * wait, AGAIN_MS.most)), wait);
    };
    const sight = new IntersectionObserver(
      (seen) => {
        // Out of sight at first and in it by now may be told at once: the newest counts.
        if (!seen.at(-1)?.isIntersecting) return;
        sight.disconnect();
        void attempt(AGAIN_MS.first);
      },
      { rootMargin: "300px" },
    );
    sight.observe(it);
    return () => {
      stop.abort();
      sight.disconnect();
      clearTimeout(timer);
    };
  }, [of, online]);
}

/** Undefined: nobody knows now. */
async function isGone(store: Store, mediaId: string): Promise<boolean | undefined> {
  if (!store.media) return undefined;
  try {
    await store.media.status(mediaId);
    return false;
  } catch (error) {
    return error instanceof TertuliaError && error.code === "not_found" ? true : undefined;
  }
}
