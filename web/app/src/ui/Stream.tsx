// A stream in a media element. The streams stay the same for a call; tracks come and go in them.

import { useEffect, useRef } from "preact/hooks";

interface VideoProps {
  stream: MediaStream | undefined;
  testId: string;
  label: string;
  class?: string;
  hidden?: boolean;
  /** Rather cut than with bars beside it. */
  filled?: boolean;
}

/** How far the shape of a picture may be from that of its place, for it to fill it: as a whole, and where it is to be filled. */
const FITS = { as: [0.7, 1.43], filled: [0.45, 2.4] } as const;

export function Video({ stream, testId, label, class: name = "", hidden = false, filled = false }: VideoProps) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (!video.current) return;
    video.current.srcObject = stream ?? null;
    goOn(video.current);
  }, [stream]);
  // How the picture is cut is known only when its shape is, and changes when a telephone is turned.
  const fit = () => {
    const it = video.current;
    if (!it?.videoWidth || !it.clientWidth) return;
    const ratio = it.videoWidth / it.videoHeight / (it.clientWidth / it.clientHeight);
    const [least, most] = FITS[filled ? "filled" : "as"];
    it.classList.toggle("cover", ratio > least && ratio < most);
  };
  useEffect(() => {
    const observer = new ResizeObserver(fit);
    if (video.current) observer.observe(video.current);
    return () => observer.disconnect();
  }, []);
  return (
    <video
      ref={video}
      class={hidden ? `${name} off` : name}
      data-testid={testId}
      aria-label={label}
      autoPlay
      playsInline
      muted
      onResize={fit}
      onLoadedMetadata={fit}
      onLoadedData={({ currentTarget }) => goOn(currentTarget)}
      onPause={({ currentTarget }) => goOn(currentTarget)}
    />
  );
}

/**
 * Nobody pauses a live picture but the browser: Firefox does where an element is moved to another place among its siblings, and then
 * leaves it so, or never begins. It is muted, so that it may always play.
 */
function goOn(video: HTMLVideoElement): void {
  const stream = video.srcObject;
  // Without a track, or off the page, there is nothing to see: it goes on when that comes.
  const sees = video.isConnected && stream instanceof MediaStream && stream.active;
  if (sees && video.paused) video.play().catch(() => undefined);
}

interface AudioProps {
  stream: MediaStream;
  speaker: string | undefined;
  testId?: string;
  /** From 0 to 1; absent: as it comes. */
  volume?: number | undefined;
  /** Whose voice it is now, if that is known. */
  user?: string | undefined;
  onBlocked: (play: () => void) => void;
}

/** What the others say. Browsers may refuse to play it before the first click on a page: then `onBlocked` is told. */
export function Audio({ stream, speaker, testId = "remote-audio", volume, user, onBlocked }: AudioProps) {
  const audio = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const it = audio.current;
    if (!it) return;
    it.srcObject = stream;
    const play = () =>
      void it.play().catch((error: unknown) => {
        if (error instanceof DOMException && error.name === "NotAllowedError") onBlocked(play);
      });
    play();
  }, [stream]);
  useEffect(() => {
    // Not in every browser; a speaker that is gone leaves the default one.
    if (speaker !== undefined) void audio.current?.setSinkId?.(speaker).catch(() => undefined);
  }, [speaker]);
  useEffect(() => {
    if (audio.current) audio.current.volume = volume ?? 1;
  }, [volume]);
  return <audio ref={audio} data-testid={testId} data-user={user} autoPlay />;
}
